//! Terms: the values of columns as a text writes them.

use crate::statement::lexer::{Lexeme, Lexer};
use crate::statement::name::Name;
use crate::values::literal::Literal;

/// What stands for the value of a partition-key column.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Term<'a> {
    /// A constant.
    Literal(Literal<'a>),
    /// `?`, the number of those before it in the whole text.
    Marker(u16),
    /// `:name`. The same name stands for one value wherever it stands.
    NamedMarker(Name<'a>),
}

impl<'a> Term<'a> {
    /// Takes a term. `None` for a call, a cast, `null`, or what is not understood; the lexer may
    /// then stand anywhere.
    pub(crate) fn take(lexer: &mut Lexer<'a>) -> Option<Self> {
        let index = lexer.markers();
        if lexer.take_sign(b'?') {
            return Some(Self::Marker(index));
        }
        if lexer.take_sign(b':') {
            return Name::take(lexer).map(Self::NamedMarker);
        }
        Literal::take(lexer).map(Self::Literal)
    }

    /// Steps over one term of a list, up to a `,` or `)` of that list, which stays. `false` when
    /// there is none.
    pub(crate) fn skip_in_list(lexer: &mut Lexer<'a>) -> bool {
        let mut taken = false;
        loop {
            match lexer.peek() {
                None | Some(Lexeme::Broken | Lexeme::Sign(b']' | b'}' | b';')) => return false,
                Some(Lexeme::Sign(b',' | b')')) => return taken,
                Some(Lexeme::Sign(open @ (b'(' | b'[' | b'{'))) => {
                    lexer.next();
                    if !lexer.skip_group(open) {
                        return false;
                    }
                }
                Some(
                    Lexeme::Word(_)
                    | Lexeme::Quoted(_)
                    | Lexeme::Text(_)
                    | Lexeme::Dollars(_)
                    | Lexeme::Integer(_)
                    | Lexeme::Float(_)
                    | Lexeme::Hex(_)
                    | Lexeme::Uuid(_)
                    | Lexeme::Duration(_)
                    | Lexeme::Sign(_),
                ) => {
                    lexer.next();
                }
            }
            taken = true;
        }
    }
}

//! The shape of a statement by text: the same text with markers where its constants stood.
//!
//! Only constants that are the whole value of one column are replaced: behind `=` and the like and
//! in the lists of IN in WHERE, in VALUES, and in SET. A marker there takes the column's type, so the
//! constant can be bound once that type is known. All else stays in the text: selected terms, LIMIT,
//! TTL, TIMESTAMP, calls, conditions, sums, elements of collections and null.

use crate::notation::{Value, put_bytes, put_int};
use crate::request::parameters::{BoundValue, Values};
use crate::statement::lexer::{Lexeme, Lexer};
use crate::statement::name::Name;
use crate::statement::statement::{TableStatement, Verb, skip_to_word};
use crate::statement::term::Term;
use crate::values::column_type::ColumnType;
use crate::values::literal::Literal;
use crate::values::scalar::Uncertain;

/// Most constants that are replaced.
pub const CONSTANTS_MAX: usize = 64;

/// A constant of a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Constant<'a> {
    literal: Literal<'a>,
    /// Offset of its first byte.
    start: usize,
    /// Offset behind its last byte.
    end: usize,
    /// How many `?` stand before it.
    markers: u16,
}

/// The constants of a statement that markers can stand for, in the order of the text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shape<'a> {
    text: &'a str,
    constants: Vec<Constant<'a>>,
    /// How many `?` the text has itself.
    markers: u16,
    /// Offset of the table's name, where it stands without a keyspace.
    table_at: Option<usize>,
}

impl<'a> Shape<'a> {
    /// Reads the statement `text`, which [`TableStatement::read`] understood. `None` when its grammar is
    /// not certain, or it has markers with names; then it has to be sent as it is.
    #[must_use]
    pub fn read(text: &'a str, statement: &TableStatement<'a>) -> Option<Self> {
        let table_len = statement.table.table.written_len();
        let table_at = statement.rest.at().checked_sub(table_len)?;
        let table_at = statement.table.keyspace.is_none().then_some(table_at);
        let mut shape = Self { text, constants: Vec::new(), markers: 0, table_at };
        let mut lexer = statement.rest;
        match statement.verb {
            Verb::Select => {
                if lexer.take_word("WHERE") {
                    shape.read_relations(&mut lexer)?;
                }
            }
            Verb::Insert => shape.read_values(&mut lexer)?,
            Verb::Update => {
                skip_to_word(&mut lexer, "SET").then_some(())?;
                shape.read_assignments(&mut lexer)?;
                shape.read_relations(&mut lexer)?;
            }
            Verb::Delete => {
                skip_to_word(&mut lexer, "WHERE").then_some(())?;
                shape.read_relations(&mut lexer)?;
            }
        }
        // What follows stays; it has to be whole, and the only statement.
        skip_until(&mut lexer, |token| token == Lexeme::Sign(b';'))?;
        lexer.take_end().then_some(())?;
        shape.markers = lexer.markers();
        (!shape.names_a_marker()).then_some(shape)
    }

    /// How many markers it has, those of the text itself among them.
    #[must_use]
    pub fn markers(&self) -> usize {
        self.constants.len() + usize::from(self.markers)
    }

    /// Appends the text with its markers. Its table is that of `keyspace` where the text does not
    /// say of which.
    pub fn put(&self, keyspace: &str, out: &mut String) {
        self.put_hinted(keyspace, &[], out);
    }

    /// The same, with the type of each constant before its marker, as `(int)?`: a server refuses to
    /// prepare it for columns of other types. `kinds` are those of all its markers. What was appended
    /// has no meaning when this fails: a type cannot be named, or there are too many or too few.
    pub fn put_typed(
        &self,
        keyspace: &str,
        kinds: &[ColumnType],
        out: &mut String,
    ) -> Result<(), Uncertain> {
        if kinds.len() != self.markers() {
            return Err(Uncertain);
        }
        let constants = self.constants.iter().enumerate();
        let hint_of = |(index, constant): (usize, &Constant<'_>)| {
            kinds.get(index + usize::from(constant.markers))?.simple_name()
        };
        let hints: Option<Vec<_>> = constants.map(hint_of).collect();
        self.put_hinted(keyspace, &hints.ok_or(Uncertain)?, out);
        Ok(())
    }

    fn put_hinted(&self, keyspace: &str, hints: &[&str], out: &mut String) {
        let mut from = 0;
        if let Some(at) = self.table_at {
            out.push_str(self.text.get(..at).unwrap_or_default());
            out.push('"');
            for (index, part) in keyspace.split('"').enumerate() {
                out.push_str(if index > 0 { "\"\"" } else { "" });
                out.push_str(part);
            }
            out.push_str("\".");
            from = at;
        }
        let mut hints = hints.iter();
        for constant in &self.constants {
            out.push_str(self.text.get(from..constant.start).unwrap_or_default());
            if let Some(hint) = hints.next() {
                out.extend(["(", hint, ")"]);
            }
            out.push('?');
            from = constant.end;
        }
        out.push_str(self.text.get(from..).unwrap_or_default());
    }

    /// Appends the values of its markers, of which a server says that they are of the types `kinds`;
    /// `own` are those that were sent for the markers of the text itself. What was appended has no
    /// meaning when this fails: a constant is not certain for its type, or another number of values
    /// is needed.
    pub fn put_values(
        &self,
        kinds: &[ColumnType],
        own: Values<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Uncertain> {
        if kinds.len() != self.markers() || own.count() != self.markers || own.named() {
            return Err(Uncertain);
        }
        let mut own = own.iter();
        let mut constants = self.constants.iter().peekable();
        let mut taken = 0;
        for kind in kinds {
            if let Some(constant) = constants.next_if(|constant| constant.markers == taken) {
                put_constant(&constant.literal, kind, out)?;
                continue;
            }
            taken += 1;
            match own.next() {
                Some(Ok(BoundValue { value: Value::Bytes(bytes), .. })) => {
                    put_bytes(out, Some(bytes));
                }
                Some(Ok(BoundValue { value: Value::Null, .. })) => put_bytes(out, None),
                Some(Ok(BoundValue { value: Value::Unset, .. })) => put_int(out, -2),
                Some(Err(_)) | None => return Err(Uncertain),
            }
        }
        Ok(())
    }

    /// Whether there is a `:` that is no part of a constant.
    fn names_a_marker(&self) -> bool {
        // Few texts have one, and most of those in a constant: they need not be read once more.
        if !self.keeps(':') {
            return false;
        }
        let mut lexer = Lexer::new(self.text);
        let is_kept = |at: usize| {
            let mut constants = self.constants.iter();
            !constants.any(|constant| (constant.start..constant.end).contains(&at))
        };
        while let Some(token) = lexer.next() {
            if token == Lexeme::Sign(b':') && is_kept(lexer.at().saturating_sub(1)) {
                return true;
            }
        }
        false
    }

    /// Whether a character stands anywhere but in a constant.
    fn keeps(&self, character: char) -> bool {
        let mut from = 0;
        let mut is_kept = |end: usize, next: usize| {
            let kept = self.text.get(from..end).unwrap_or_default();
            from = next;
            kept.contains(character)
        };
        let is_between =
            self.constants.iter().any(|constant| is_kept(constant.start, constant.end));
        is_between || is_kept(self.text.len(), self.text.len())
    }

    /// Reads the relations behind WHERE, up to the next clause.
    fn read_relations(&mut self, lexer: &mut Lexer<'a>) -> Option<()> {
        loop {
            let mut ahead = *lexer;
            let before = self.constants.len();
            match self.read_relation(&mut ahead) {
                Some(()) => *lexer = ahead,
                None => self.constants.truncate(before),
            }
            skip_until(lexer, |token| token.is("AND") || ends_relations(token))?;
            if !lexer.take_word("AND") {
                return Some(());
            }
        }
    }

    /// Reads `column = constant` and the like; `None` for a relation that stays as it is.
    fn read_relation(&mut self, lexer: &mut Lexer<'a>) -> Option<()> {
        Name::take(lexer)?;
        if lexer.take_word("IN") {
            lexer.take_sign(b'(').then_some(())?;
            loop {
                self.take_constant(lexer, |next| is_sign(next, b",)")).then_some(())?;
                if lexer.take_sign(b')') {
                    return ends_relation(lexer.peek()).then_some(());
                }
                lexer.take_sign(b',').then_some(())?;
            }
        }
        match lexer.next()? {
            Lexeme::Sign(b'=') => {}
            Lexeme::Sign(b'<' | b'>') => {
                lexer.take_sign(b'=');
            }
            Lexeme::Word(_)
            | Lexeme::Quoted(_)
            | Lexeme::Text(_)
            | Lexeme::Dollars(_)
            | Lexeme::Integer(_)
            | Lexeme::Float(_)
            | Lexeme::Hex(_)
            | Lexeme::Uuid(_)
            | Lexeme::Duration(_)
            | Lexeme::Sign(_)
            | Lexeme::Broken => return None,
        }
        self.take_constant(lexer, ends_relation).then_some(())
    }

    /// Reads `(names) VALUES (terms)`.
    fn read_values(&mut self, lexer: &mut Lexer<'a>) -> Option<()> {
        let is_list = lexer.take_sign(b'(') && lexer.skip_group(b'(');
        (is_list && lexer.take_word("VALUES") && lexer.take_sign(b'(')).then_some(())?;
        loop {
            let is_read =
                self.take_constant(lexer, |next| is_sign(next, b",)")) || Term::skip_in_list(lexer);
            is_read.then_some(())?;
            if lexer.take_sign(b')') {
                return Some(());
            }
            lexer.take_sign(b',').then_some(())?;
        }
    }

    /// Reads `column = term, …` up to behind WHERE.
    fn read_assignments(&mut self, lexer: &mut Lexer<'a>) -> Option<()> {
        loop {
            // An element or field of a value, and a sum, stay as they are.
            if Name::take(lexer).is_some() && lexer.take_sign(b'=') {
                self.take_constant(lexer, |next| {
                    is_sign(next, b",") || next.is_some_and(|token| token.is("WHERE"))
                });
            }
            skip_until(lexer, |token| token == Lexeme::Sign(b',') || token.is("WHERE"))?;
            if lexer.take_word("WHERE") {
                return Some(());
            }
            lexer.take_sign(b',').then_some(())?;
        }
    }

    /// Takes a constant that `is_end` follows; `false`, and nothing taken, for anything else.
    fn take_constant(
        &mut self,
        lexer: &mut Lexer<'a>,
        is_end: impl FnOnce(Option<Lexeme<'a>>) -> bool,
    ) -> bool {
        let mut ahead = *lexer;
        let (start, markers) = (ahead.start_of_next(), ahead.markers());
        let Some(literal) = Literal::take(&mut ahead) else { return false };
        let end = ahead.at();
        if !is_end(ahead.peek()) || self.constants.len() >= CONSTANTS_MAX {
            return false;
        }
        self.constants.push(Constant { literal, start, end, markers });
        *lexer = ahead;
        true
    }
}

/// Appends a constant of type `kind`, with its length before it.
fn put_constant(
    literal: &Literal<'_>,
    kind: &ColumnType,
    out: &mut Vec<u8>,
) -> Result<(), Uncertain> {
    let at = out.len();
    put_int(out, 0);
    literal.put(kind, out)?;
    let len = i32::try_from(out.len() - at - 4).map_err(|_| Uncertain)?;
    let place = out.get_mut(at..at + 4).ok_or(Uncertain)?;
    place.copy_from_slice(&len.to_be_bytes());
    Ok(())
}

/// Whether a token begins the clause behind WHERE, or ends the statement.
fn ends_relations(token: Lexeme<'_>) -> bool {
    let clauses = ["ORDER", "GROUP", "LIMIT", "PER", "ALLOW", "BYPASS", "USING", "IF"];
    token == Lexeme::Sign(b';') || clauses.iter().any(|clause| token.is(clause))
}

/// Whether a relation ends before what comes next.
fn ends_relation(next: Option<Lexeme<'_>>) -> bool {
    next.is_none_or(|token| token.is("AND") || ends_relations(token))
}

fn is_sign(next: Option<Lexeme<'_>>, signs: &[u8]) -> bool {
    matches!(next, Some(Lexeme::Sign(sign)) if signs.contains(&sign))
}

/// Steps over tokens and groups, up to one that `is_end` or the end of the text; `None` when a
/// bracket has no other, or the text cannot be read.
fn skip_until<'a>(lexer: &mut Lexer<'a>, is_end: impl Fn(Lexeme<'a>) -> bool) -> Option<()> {
    loop {
        match lexer.peek() {
            None => return Some(()),
            Some(token) if is_end(token) => return Some(()),
            Some(Lexeme::Sign(open @ (b'(' | b'[' | b'{'))) => {
                lexer.next();
                lexer.skip_group(open).then_some(())?;
            }
            Some(Lexeme::Sign(b')' | b']' | b'}') | Lexeme::Broken) => return None,
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
    }
}

#[cfg(test)]
mod tests;

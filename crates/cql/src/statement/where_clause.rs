//! WHERE clauses: which relations fix the columns of a partition key.

use crate::statement::lexer::{Lexeme, Lexer};
use crate::statement::name::Name;
use crate::statement::partition::{Bound, Partition, Target, TokenRange, Wanted};
use crate::statement::statement::NotUnderstood;
use crate::statement::term::Term;

/// What the relations of a clause say together.
#[derive(Debug, Default)]
struct Found<'a> {
    /// A column of the key is one of several.
    is_several: bool,
    start: Option<Bound<'a>>,
    end: Option<Bound<'a>>,
}

/// How a relation compares.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Comparison {
    Equal,
    Less { or_equal: bool },
    Greater { or_equal: bool },
    Other,
}

/// Reads relations behind a WHERE, and what follows them.
pub(crate) fn read<'a>(
    lexer: &mut Lexer<'a>,
    wanted: &mut Wanted<'_, 'a>,
) -> Result<Target<'a>, NotUnderstood> {
    let mut found = Found::default();
    loop {
        relation(lexer, wanted, &mut found)?;
        if !lexer.take_word("AND") {
            break;
        }
    }
    let is_conditional = read_end(lexer)?;
    let range = TokenRange { start: found.start, end: found.end };
    let partition = match wanted.key() {
        Some(key) if found.is_several => Partition::FirstOfSeveral(key),
        Some(key) => Partition::One(key),
        None if range.start.is_some() || range.end.is_some() => Partition::TokenRange(range),
        None => Partition::All,
    };
    Ok(Target { partition, is_conditional, may_count: false })
}

/// Reads what follows relations or values, to the end of the statement; whether it has an IF.
pub(crate) fn read_end(lexer: &mut Lexer<'_>) -> Result<bool, NotUnderstood> {
    let is_clause = |token: Lexeme<'_>| {
        let clauses =
            ["ORDER", "GROUP", "LIMIT", "PER", "ALLOW", "BYPASS", "USING", "IF", "DEFAULT"];
        clauses.iter().any(|clause| token.is(clause))
    };
    if !lexer.peek().is_none_or(|token| token == Lexeme::Sign(b';') || is_clause(token)) {
        return Err(NotUnderstood::Text);
    }
    let mut is_conditional = false;
    loop {
        match lexer.next() {
            None => return Ok(is_conditional),
            Some(Lexeme::Sign(b';')) if lexer.take_end() => return Ok(is_conditional),
            Some(Lexeme::Broken | Lexeme::Sign(b';')) => return Err(NotUnderstood::Text),
            Some(token) => is_conditional |= token.is("IF"),
        }
    }
}

fn relation<'a>(
    lexer: &mut Lexer<'a>,
    wanted: &mut Wanted<'_, 'a>,
    found: &mut Found<'a>,
) -> Result<(), NotUnderstood> {
    // Several columns at once: a clustering key.
    if lexer.take_sign(b'(') {
        return columns(lexer, wanted);
    }
    let name = Name::take(lexer).ok_or(NotUnderstood::Text)?;
    if lexer.take_sign(b'(') {
        return token_relation(lexer, name, wanted, found);
    }
    let Some(position) = wanted.position(name) else {
        return skip_relation(lexer);
    };
    if lexer.take_word("IN") {
        let (term, is_several) = first_of_list(lexer)?;
        found.is_several |= is_several;
        return wanted.set(position, term);
    }
    match comparison(lexer)? {
        Comparison::Equal => {}
        Comparison::Less { .. } | Comparison::Greater { .. } | Comparison::Other => {
            return skip_term(lexer);
        }
    }
    let term = Term::take(lexer).ok_or(NotUnderstood::Key)?;
    wanted.set(position, term)
}

/// A relation of columns that are none of the key.
fn skip_relation(lexer: &mut Lexer<'_>) -> Result<(), NotUnderstood> {
    // An element of a collection.
    if lexer.take_sign(b'[') && !lexer.skip_group(b'[') {
        return Err(NotUnderstood::Text);
    }
    if !lexer.take_word("IN") {
        comparison(lexer)?;
    }
    skip_term(lexer)
}

/// The rest of `(a, b) > (1, 2)`, whose columns are none of the key.
fn columns(lexer: &mut Lexer<'_>, wanted: &Wanted<'_, '_>) -> Result<(), NotUnderstood> {
    loop {
        let name = Name::take(lexer).ok_or(NotUnderstood::Text)?;
        if wanted.position(name).is_some() {
            return Err(NotUnderstood::Key);
        }
        if lexer.take_sign(b')') {
            return skip_relation(lexer);
        }
        if !lexer.take_sign(b',') {
            return Err(NotUnderstood::Text);
        }
    }
}

/// The rest of `token(a, b) > 1` behind its bracket.
fn token_relation<'a>(
    lexer: &mut Lexer<'a>,
    function: Name<'a>,
    wanted: &Wanted<'_, 'a>,
    found: &mut Found<'a>,
) -> Result<(), NotUnderstood> {
    let mut names = wanted.names.iter();
    let mut is_key = function.is("token");
    loop {
        let name = Name::take(lexer).ok_or(NotUnderstood::Text)?;
        is_key &= names.next().is_some_and(|wanted| name.is(wanted));
        if lexer.take_sign(b')') {
            break;
        }
        if !lexer.take_sign(b',') {
            return Err(NotUnderstood::Text);
        }
    }
    if !is_key || names.next().is_some() {
        return Err(NotUnderstood::Key);
    }
    let comparison = comparison(lexer)?;
    let token = Term::take(lexer).ok_or(NotUnderstood::Key)?;
    let bound = |is_included| Some(Bound { token, is_included });
    let (start, end) = match comparison {
        Comparison::Equal => (bound(true), bound(true)),
        Comparison::Less { or_equal } => (None, bound(or_equal)),
        Comparison::Greater { or_equal } => (bound(or_equal), None),
        Comparison::Other => return Err(NotUnderstood::Key),
    };
    for (slot, bound) in [(&mut found.start, start), (&mut found.end, end)] {
        if slot.is_some() && bound.is_some() {
            return Err(NotUnderstood::Key);
        }
        *slot = bound.or(*slot);
    }
    Ok(())
}

/// The first term of `(a, b)`, and whether there are more.
fn first_of_list<'a>(lexer: &mut Lexer<'a>) -> Result<(Term<'a>, bool), NotUnderstood> {
    if !lexer.take_sign(b'(') {
        return Err(NotUnderstood::Key);
    }
    let first = Term::take(lexer).ok_or(NotUnderstood::Key)?;
    let mut is_several = false;
    while !lexer.take_sign(b')') {
        is_several = true;
        if !lexer.take_sign(b',') || !Term::skip_in_list(lexer) {
            return Err(NotUnderstood::Key);
        }
    }
    Ok((first, is_several))
}

fn comparison(lexer: &mut Lexer<'_>) -> Result<Comparison, NotUnderstood> {
    let token = lexer.next().ok_or(NotUnderstood::Text)?;
    Ok(match token {
        Lexeme::Sign(b'=') => Comparison::Equal,
        Lexeme::Sign(b'<') => Comparison::Less { or_equal: lexer.take_sign(b'=') },
        Lexeme::Sign(b'>') => Comparison::Greater { or_equal: lexer.take_sign(b'=') },
        Lexeme::Sign(b'!') if lexer.take_sign(b'=') => Comparison::Other,
        Lexeme::Word(_) if token.is("CONTAINS") => {
            lexer.take_word("KEY");
            Comparison::Other
        }
        Lexeme::Word(_) if token.is("LIKE") => Comparison::Other,
        Lexeme::Word(_) if token.is("IS") && lexer.take_word("NOT") => Comparison::Other,
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
        | Lexeme::Broken => return Err(NotUnderstood::Text),
    })
}

/// Steps over the term of a relation that does not matter: a constant, a
/// duration, a marker, `null` or a call.
fn skip_term(lexer: &mut Lexer<'_>) -> Result<(), NotUnderstood> {
    let mut ahead = *lexer;
    if Term::take(&mut ahead).is_some() {
        *lexer = ahead;
        return Ok(());
    }
    let mut ahead = *lexer;
    ahead.take_sign(b'-');
    if matches!(ahead.next(), Some(Lexeme::Duration(_))) {
        *lexer = ahead;
        return Ok(());
    }
    Name::take(lexer).ok_or(NotUnderstood::Text)?;
    if lexer.take_sign(b'.') {
        Name::take(lexer).ok_or(NotUnderstood::Text)?;
    }
    if lexer.take_sign(b'(') && !lexer.skip_group(b'(') {
        return Err(NotUnderstood::Text);
    }
    Ok(())
}

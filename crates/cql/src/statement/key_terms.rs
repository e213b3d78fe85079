//! Which partition a statement is about, once the names of the columns of its table's key are known.

use crate::statement::lexer::{Lexeme, Lexer};
use crate::statement::name::Name;
use crate::statement::partition::{Partition, Target, Wanted};
use crate::statement::statement::{
    NotUnderstood, TableStatement, Verb, skip_to_word, skip_to_word_over,
};
use crate::statement::term::Term;
use crate::statement::where_clause;

impl<'a> TableStatement<'a> {
    /// Reads the rest of the statement for the partition whose key has the columns `names`, as the
    /// schema has them and in the key's order.
    pub fn target(&self, names: &[&str]) -> Result<Target<'a>, NotUnderstood> {
        let mut wanted = Wanted::new(names)?;
        let mut lexer = self.rest;
        match self.verb {
            Verb::Insert => insert(&mut lexer, &mut wanted),
            Verb::Update => {
                let may_count = skip_assignments(&mut lexer)?;
                let target = where_clause::read(&mut lexer, &mut wanted)?;
                Ok(Target { may_count, ..target })
            }
            Verb::Delete => {
                if lexer.take_word("USING") {
                    let is_there = skip_to_word(&mut lexer, "WHERE");
                    is_there.then_some(()).ok_or(NotUnderstood::Text)?;
                } else if !lexer.take_word("WHERE") {
                    return Err(NotUnderstood::Text);
                }
                where_clause::read(&mut lexer, &mut wanted)
            }
            Verb::Select => {
                if lexer.take_word("WHERE") {
                    return where_clause::read(&mut lexer, &mut wanted);
                }
                where_clause::read_end(&mut lexer)?;
                Ok(Target { partition: Partition::All, is_conditional: false, may_count: false })
            }
        }
    }
}

/// Steps behind the WHERE of an UPDATE; whether a column is set by a sum. A counter's stands in no
/// brackets.
fn skip_assignments(lexer: &mut Lexer<'_>) -> Result<bool, NotUnderstood> {
    if !skip_to_word(lexer, "SET") {
        return Err(NotUnderstood::Text);
    }
    let mut may_count = false;
    let is_there = skip_to_word_over(lexer, "WHERE", |token| {
        may_count |= matches!(token, Lexeme::Sign(b'+' | b'-'));
    });
    is_there.then_some(()).ok_or(NotUnderstood::Text)?;
    Ok(may_count)
}

/// Reads what follows the table of an INSERT.
fn insert<'a>(
    lexer: &mut Lexer<'a>,
    wanted: &mut Wanted<'_, 'a>,
) -> Result<Target<'a>, NotUnderstood> {
    let partition = if lexer.take_word("JSON") {
        Partition::Json(Term::take(lexer).ok_or(NotUnderstood::Key)?)
    } else {
        insert_columns(lexer, wanted)?;
        Partition::One(wanted.key().ok_or(NotUnderstood::Key)?)
    };
    let is_conditional = where_clause::read_end(lexer)?;
    Ok(Target { partition, is_conditional, may_count: false })
}

/// Reads `(names) VALUES (terms)`, name by name and term by term.
fn insert_columns<'a>(
    lexer: &mut Lexer<'a>,
    wanted: &mut Wanted<'_, 'a>,
) -> Result<(), NotUnderstood> {
    let mut names = *lexer;
    let is_list = names.take_sign(b'(') && lexer.take_sign(b'(') && lexer.skip_group(b'(');
    if !is_list || !lexer.take_word("VALUES") || !lexer.take_sign(b'(') {
        return Err(NotUnderstood::Text);
    }
    loop {
        let name = Name::take(&mut names).ok_or(NotUnderstood::Text)?;
        if let Some(position) = wanted.position(name) {
            wanted.set(position, Term::take(lexer).ok_or(NotUnderstood::Key)?)?;
            // A sum, say, follows.
            if !matches!(lexer.peek(), Some(Lexeme::Sign(b',' | b')'))) {
                return Err(NotUnderstood::Key);
            }
        } else if !Term::skip_in_list(lexer) {
            return Err(NotUnderstood::Text);
        }
        let (names_end, terms_end) = (names.take_sign(b')'), lexer.take_sign(b')'));
        if names_end && terms_end {
            return Ok(());
        }
        if names_end || terms_end || !names.take_sign(b',') || !lexer.take_sign(b',') {
            return Err(NotUnderstood::Text);
        }
    }
}

#[cfg(test)]
mod tests;

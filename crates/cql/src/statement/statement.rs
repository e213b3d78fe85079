//! One statement: what it does, and to which table.

use thiserror::Error;

use crate::statement::lexer::{Lexeme, Lexer};
use crate::statement::name::TableName;

/// Why a text has no key that can be said with certainty.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum NotUnderstood {
    /// It is none of SELECT, INSERT, UPDATE and DELETE.
    #[error("no statement that reads or writes rows")]
    Verb,
    /// Its grammar is not that of what is read here, or it is longer than is read.
    #[error("a text that is not understood")]
    Text,
    /// A column of the key is given by a call, a cast, null, a marker for several values, or twice.
    #[error("a key that is not given by constants and markers")]
    Key,
    /// The key has more columns than are kept.
    #[error("a key of more columns than are looked for")]
    KeyColumns,
}

/// What a statement does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    /// SELECT.
    Select,
    /// INSERT, of columns or of a JSON document.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
}

/// A statement by text whose table is known; the rest is unread.
#[derive(Clone, Copy, Debug)]
pub struct TableStatement<'a> {
    /// What it does.
    pub verb: Verb,
    /// The table.
    pub table: TableName<'a>,
    /// What follows the table.
    pub(crate) rest: Lexer<'a>,
}

impl<'a> TableStatement<'a> {
    /// Reads a text up to its table.
    pub fn read(text: &'a str) -> Result<Self, NotUnderstood> {
        Self::take(Lexer::new(text))
    }

    /// Reads the statement that begins where `lexer` stands, up to its table.
    pub(crate) fn take(mut lexer: Lexer<'a>) -> Result<Self, NotUnderstood> {
        let verb = match lexer.next() {
            Some(Lexeme::Broken) => return Err(NotUnderstood::Text),
            first => first.and_then(verb_of).ok_or(NotUnderstood::Verb)?,
        };
        let is_there = match verb {
            Verb::Select | Verb::Delete => skip_to_word(&mut lexer, "FROM"),
            Verb::Insert => lexer.take_word("INTO"),
            Verb::Update => true,
        };
        let table = is_there.then(|| TableName::take(&mut lexer)).flatten();
        let table = table.ok_or(NotUnderstood::Text)?;
        Ok(Self { verb, table, rest: lexer })
    }
}

/// The verb that a token is.
pub(crate) fn verb_of(token: Lexeme<'_>) -> Option<Verb> {
    let verbs = [
        ("SELECT", Verb::Select),
        ("INSERT", Verb::Insert),
        ("UPDATE", Verb::Update),
        ("DELETE", Verb::Delete),
    ];
    verbs.into_iter().find(|(word, _)| token.is(word)).map(|(_, verb)| verb)
}

/// Steps behind a reserved word that stands in no brackets; `false` when none comes.
pub(crate) fn skip_to_word(lexer: &mut Lexer<'_>, word: &str) -> bool {
    while let Some(token) = lexer.next() {
        let goes_on = match token {
            Lexeme::Sign(open @ (b'(' | b'[' | b'{')) => lexer.skip_group(open),
            Lexeme::Sign(b';' | b')' | b']' | b'}') | Lexeme::Broken => false,
            Lexeme::Word(_) if token.is(word) => return true,
            Lexeme::Word(_)
            | Lexeme::Quoted(_)
            | Lexeme::Text(_)
            | Lexeme::Dollars(_)
            | Lexeme::Integer(_)
            | Lexeme::Float(_)
            | Lexeme::Hex(_)
            | Lexeme::Uuid(_)
            | Lexeme::Duration(_)
            | Lexeme::Sign(_) => true,
        };
        if !goes_on {
            return false;
        }
    }
    false
}

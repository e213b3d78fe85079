//! A partition as a statement names it, and what is looked for to find it.

use crate::statement::name::Name;
use crate::statement::statement::NotUnderstood;
use crate::statement::term::Term;

/// Most columns of a partition key that are looked for.
pub const KEY_COLUMNS_MAX: usize = 8;

/// What a statement is about, and how it must be run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Target<'a> {
    /// The rows.
    pub partition: Partition<'a>,
    /// It has an IF: it is a light-weight transaction.
    pub is_conditional: bool,
    /// It sets a column by a sum: a counter, perhaps, so that to run it twice is not to run it once.
    pub may_count: bool,
}

/// The partition of a statement, as far as its text says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Partition<'a> {
    /// One.
    One(PartitionKey<'a>),
    /// Several, by IN; this is the first.
    FirstOfSeveral(PartitionKey<'a>),
    /// All whose token is in a range.
    TokenRange(TokenRange<'a>),
    /// Those that a filter or nothing chooses: no column, or not every column, of the key is given.
    All,
    /// That of a JSON document.
    Json(Term<'a>),
}

/// A range of tokens; at least one end is given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TokenRange<'a> {
    /// Its first token, or the one before it.
    pub start: Option<Bound<'a>>,
    /// Its last token, or the one behind it.
    pub end: Option<Bound<'a>>,
}

/// An end of a range.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bound<'a> {
    /// The token.
    pub token: Term<'a>,
    /// Whether the range has it.
    pub is_included: bool,
}

/// A partition key: a term for each of its columns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PartitionKey<'a> {
    terms: [Term<'a>; KEY_COLUMNS_MAX],
    len: usize,
}

impl<'a> PartitionKey<'a> {
    /// The terms in the order of the names that were looked for.
    #[must_use]
    pub fn terms(&self) -> &[Term<'a>] {
        self.terms.get(..self.len).unwrap_or_default()
    }
}

/// The key columns that are looked for, and what was found of them.
#[derive(Debug)]
pub(crate) struct Wanted<'n, 'a> {
    pub(crate) names: &'n [&'n str],
    found: [Option<Term<'a>>; KEY_COLUMNS_MAX],
}

impl<'n, 'a> Wanted<'n, 'a> {
    pub(crate) fn new(names: &'n [&'n str]) -> Result<Self, NotUnderstood> {
        if names.len() > KEY_COLUMNS_MAX {
            return Err(NotUnderstood::KeyColumns);
        }
        Ok(Self { names, found: [None; KEY_COLUMNS_MAX] })
    }

    /// The position of a column in the key.
    pub(crate) fn position(&self, name: Name<'_>) -> Option<usize> {
        self.names.iter().position(|wanted| name.is(wanted))
    }

    /// Keeps the term of a column; it may be given once.
    pub(crate) fn set(&mut self, position: usize, term: Term<'a>) -> Result<(), NotUnderstood> {
        let slot = self.found.get_mut(position).ok_or(NotUnderstood::Key)?;
        slot.replace(term).map_or(Ok(()), |_| Err(NotUnderstood::Key))
    }

    /// The key, when each of its columns was given.
    pub(crate) fn key(&self) -> Option<PartitionKey<'a>> {
        let mut terms = [Term::Marker(0); KEY_COLUMNS_MAX];
        for (term, found) in terms.iter_mut().zip(self.found).take(self.names.len()) {
            *term = found?;
        }
        (!self.names.is_empty()).then_some(PartitionKey { terms, len: self.names.len() })
    }
}

//! What WRITE_TIMEOUT calls a write (v4 section 9), by the text of its statement.
//!
//! Drivers' policies repeat requests by these words, so that a wrong one makes a write run twice.

use crate::statement::batch::{BatchKind, TextBatch};
use crate::statement::lexer::{Lexeme, Lexer};
use crate::statement::statement::{Verb, verb_of};

/// The type of a write.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum WriteType {
    /// One statement.
    Simple,
    /// A logged batch.
    Batch,
    /// An unlogged batch.
    UnloggedBatch,
    /// Counters, in a batch or not.
    Counter,
    /// A light-weight transaction, in a batch or not.
    Cas,
    /// It may be any of these, or a change of schema, roles or rights.
    #[default]
    Unknown,
}

impl WriteType {
    /// Its name on the wire. What is not known goes by the one type that no driver's policy
    /// repeats; every driver knows it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Simple => "SIMPLE",
            Self::Batch => "BATCH",
            Self::UnloggedBatch => "UNLOGGED_BATCH",
            Self::Counter => "COUNTER",
            Self::Cas | Self::Unknown => "CAS",
        }
    }

    /// The type of a BATCH message with this kind, as long as its children do not change it.
    #[inline]
    #[must_use]
    pub fn of_batch(kind: u8) -> Self {
        match kind {
            0 => Self::Batch,
            1 => Self::UnloggedBatch,
            2 => Self::Counter,
            _ => Self::Unknown,
        }
    }

    /// The type of a batch of this type that has also a child of type `child`.
    #[inline]
    #[must_use]
    pub fn with_child(self, child: Self) -> Self {
        if child == Self::Simple { self } else { self.with_other(child) }
    }

    fn with_other(self, child: Self) -> Self {
        match (self, child) {
            (Self::Cas, _) | (_, Self::Cas) => Self::Cas,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (_, Self::Counter) => Self::Counter,
            (batch, Self::Simple | Self::Batch | Self::UnloggedBatch) => batch,
        }
    }

    /// Whether a statement by text writes to one partition, and is neither a light-weight
    /// transaction nor for counters: a coordinator counts the replicas of such a write before it sends
    /// anything. `has_counter` is as for [`Self::of_text`].
    #[must_use]
    pub fn is_one_partition(text: &str, has_counter: Option<bool>) -> bool {
        // A reserved word: unquoted it is no name. Only lists of keys stand behind it.
        Self::of_text(text, has_counter) == Self::Simple && !Lexer::new(text).any(|it| it.is("IN"))
    }

    /// The type of a statement by text. `has_counter` is whether one of its markers is for a
    /// counter; `None` when the types of its markers are not known.
    #[must_use]
    pub fn of_text(text: &str, has_counter: Option<bool>) -> Self {
        let batch = TextBatch::read(text).ok().map(|batch| batch.kind);
        let mut lexer = Lexer::new(text);
        let first = lexer.next();
        let mut found = match (batch, first.and_then(verb_of)) {
            (Some(BatchKind::Logged), _) => Self::Batch,
            (Some(BatchKind::Unlogged), _) => Self::UnloggedBatch,
            (Some(BatchKind::Counter), _) => Self::Counter,
            (None, Some(Verb::Insert | Verb::Update | Verb::Delete)) => Self::Simple,
            (None, Some(Verb::Select) | None) => return Self::Unknown,
        };
        let mut last = Addend::None;
        for token in lexer {
            if token == Lexeme::Broken {
                return Self::Unknown;
            }
            // A reserved word: unquoted it is no name.
            if token.is("IF") {
                return Self::Cas;
            }
            let child = match (last, token) {
                (Addend::Sign, Lexeme::Integer(_)) => Some(Self::Counter),
                (Addend::Sign, Lexeme::Sign(b'?' | b':')) => Some(match has_counter {
                    Some(true) => Self::Counter,
                    Some(false) => Self::Simple,
                    None => Self::Unknown,
                }),
                _ => None,
            };
            found = found.with_child(child.unwrap_or(Self::Simple));
            last = last.then(token);
        }
        found
    }
}

/// How far `column + …`, `column - …`, `column += …` has been read: only counters have numbers added
/// to them, collections have literals in brackets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Addend {
    None,
    Column,
    /// Behind the sign.
    Sign,
}

impl Addend {
    fn then(self, token: Lexeme<'_>) -> Self {
        match (self, token) {
            (_, Lexeme::Word(_) | Lexeme::Quoted(_)) => Self::Column,
            (Self::Column, Lexeme::Sign(b'+' | b'-'))
            // `+ -1` and `+= 1`.
            | (Self::Sign, Lexeme::Sign(b'-' | b'=')) => Self::Sign,
            _ => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(text: &str) -> WriteType {
        WriteType::of_text(text, Some(false))
    }

    #[test]
    fn a_statement_is_a_write_a_counter_or_a_transaction() {
        let simple = [
            "INSERT INTO t (k, v) VALUES (?, ?)",
            "/* if */ UPDATE t USING TTL 5 SET v = -1, m['if'] = 2 WHERE k = ? AND c > -5",
            "UPDATE t SET l = l + [1], s = s - {1}, l = [0] + l WHERE k = 1",
            "UPDATE t SET l = l + ? WHERE k = 1",
            "DELETE v FROM t WHERE k = 'IF' AND \"if\" = 2;",
        ];
        for text in simple {
            assert_eq!(known(text), WriteType::Simple, "{text}");
        }
        let counters = [
            "UPDATE t SET c = c + 1 WHERE k = 1",
            "update t set c=c-1 where k = 1",
            "UPDATE t SET \"C\" = \"C\" + -1 WHERE k = 1",
            "UPDATE t SET c += 1 WHERE k = 1",
        ];
        for text in counters {
            assert_eq!(known(text), WriteType::Counter, "{text}");
        }
        let transactions = [
            "INSERT INTO t (k) VALUES (1) IF NOT EXISTS USING TTL 4",
            "UPDATE t SET v = 1 WHERE k = 1 if v = 2",
            "DELETE FROM t WHERE k = 1 IF EXISTS",
        ];
        for text in transactions {
            assert_eq!(known(text), WriteType::Cas, "{text}");
        }
    }

    #[test]
    fn a_marker_that_is_added_is_a_counter_where_its_type_says_so() {
        let added = "UPDATE t SET c = c + ? WHERE k = ?";
        assert_eq!(WriteType::of_text(added, Some(true)), WriteType::Counter);
        assert_eq!(WriteType::of_text(added, Some(false)), WriteType::Simple);
        assert_eq!(WriteType::of_text(added, None), WriteType::Unknown);
        assert_eq!(
            WriteType::of_text("UPDATE t SET c = c - :by WHERE k = 1", None),
            WriteType::Unknown
        );
    }

    #[test]
    fn a_plain_write_is_to_one_partition_unless_it_lists_keys() {
        let one = |text| WriteType::is_one_partition(text, Some(false));
        assert!(one("INSERT INTO t (k, \"in\") VALUES ('in', ?)"));
        assert!(one("DELETE FROM t WHERE k = 1"));
        for text in [
            "UPDATE t SET v = 1 WHERE k in ?",
            "DELETE FROM t WHERE k IN (1, 2)",
            "UPDATE t SET c = c + 1 WHERE k = 1",
            "DELETE FROM t WHERE k = 1 IF EXISTS",
            "BEGIN BATCH INSERT INTO t (k) VALUES (1) APPLY BATCH",
            "TRUNCATE t",
        ] {
            assert!(!one(text), "{text}");
        }
        assert!(!WriteType::is_one_partition("UPDATE t SET c = c + ? WHERE k = 1", None));
    }

    #[test]
    fn a_batch_by_text_is_what_it_says_unless_its_statements_say_more() {
        let logged =
            "BEGIN BATCH INSERT INTO t (k) VALUES (1); DELETE FROM t WHERE k = 2; APPLY BATCH";
        let kinds = [
            ("BEGIN BATCH", WriteType::Batch),
            ("begin unlogged batch", WriteType::UnloggedBatch),
            ("BEGIN COUNTER BATCH", WriteType::Counter),
        ];
        for (front, kind) in kinds {
            assert_eq!(known(&logged.replace("BEGIN BATCH", front)), kind, "{front}");
        }
        let one = "BEGIN BATCH INSERT INTO t (k) VALUES (1) IF NOT EXISTS APPLY BATCH";
        assert_eq!(known(one), WriteType::Cas);
        let counted = "BEGIN UNLOGGED BATCH UPDATE t SET c = c + 1 WHERE k = 1 APPLY BATCH";
        assert_eq!(known(counted), WriteType::Counter);
    }

    #[test]
    fn a_statement_that_writes_no_rows_has_no_write_type() {
        for text in [
            "CREATE TABLE t (k int PRIMARY KEY)",
            "TRUNCATE t",
            "GRANT ALL ON t TO r",
            "",
            "UPDATE t SET v = 'open",
        ] {
            assert_eq!(known(text), WriteType::Unknown, "{text}");
        }
        let long = format!("INSERT INTO t (k, v) VALUES (1, '{}')", "x".repeat(300 << 10));
        assert_eq!(known(&long), WriteType::Unknown, "its end may have a condition");
    }

    #[test]
    fn a_child_with_a_condition_or_of_an_unknown_kind_decides_for_its_batch() {
        let batch = |children: &[WriteType]| {
            children.iter().fold(WriteType::of_batch(1), |batch, child| batch.with_child(*child))
        };
        assert_eq!(batch(&[WriteType::Simple, WriteType::Simple]), WriteType::UnloggedBatch);
        assert_eq!(batch(&[WriteType::Simple, WriteType::Counter]), WriteType::Counter);
        assert_eq!(batch(&[WriteType::Unknown, WriteType::Simple]).name(), "CAS");
        assert_eq!(batch(&[WriteType::Counter, WriteType::Cas]), WriteType::Cas);
        assert_eq!(WriteType::of_batch(9), WriteType::Unknown);
    }
}

//! Statements that change the schema, by their text.

use crate::statement::lexer::Lexer;

/// Whether a statement changes the schema, where there is anything to change (`IF NOT EXISTS`). Roles and
/// rights are no part of the schema.
#[must_use]
pub fn changes_schema(text: &str) -> bool {
    let mut words = Lexer::new(text);
    let changes = words
        .next()
        .is_some_and(|verb| ["CREATE", "ALTER", "DROP"].into_iter().any(|word| verb.is(word)));
    let others = ["ROLE", "USER", "SERVICE_LEVEL"];
    changes && words.next().is_some_and(|what| !others.into_iter().any(|word| what.is(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_words_say_whether_the_schema_is_changed() {
        for text in [
            "CREATE TABLE IF NOT EXISTS ks.t (k int PRIMARY KEY)",
            "-- tables\n create keyspace ks",
            "ALTER TABLE t ADD v int",
            "DROP MATERIALIZED VIEW v",
        ] {
            assert!(changes_schema(text), "{text}");
        }
        for text in ["CREATE ROLE IF NOT EXISTS r", "drop user u", "INSERT INTO t", "CREATE", ""] {
            assert!(!changes_schema(text), "{text}");
        }
    }
}

//! Which partition texts are about.

use proptest::prelude::*;

use super::*;
use crate::statement::lexer::READ_BYTES_MAX;
use crate::statement::partition::{Bound, KEY_COLUMNS_MAX, TokenRange};
use crate::values::column_type::ColumnType;
use crate::values::literal::Literal;

fn target<'a>(text: &'a str, names: &[&str]) -> Result<Target<'a>, NotUnderstood> {
    TableStatement::read(text)?.target(names)
}

fn key<'a>(text: &'a str, names: &[&str]) -> Vec<Term<'a>> {
    match target(text, names).map(|target| target.partition) {
        Ok(Partition::One(key)) => key.terms().to_vec(),
        other => panic!("{text}: {other:?}"),
    }
}

fn integer(digits: &str) -> Term<'_> {
    Term::Literal(Literal::Integer(digits))
}

#[test]
fn a_text_with_durations_names_its_key() {
    for text in [
        "SELECT v FROM t WHERE k = 7 USING TIMEOUT 5s",
        "SELECT v FROM t WHERE k = 7 LIMIT 3 BYPASS CACHE USING TIMEOUT 500ms",
        "SELECT v FROM t WHERE d = 1h30m AND e = -2mo10d AND k = 7 ALLOW FILTERING",
        "SELECT v FROM t WHERE d = P0001-02-03T04:05:06 AND k = 7 ALLOW FILTERING",
        "INSERT INTO t (d, e, k) VALUES (1\u{b5}s, -1us, 7) USING TTL 5 AND TIMEOUT 1m",
        "UPDATE t USING TIMEOUT 2s SET d = -1h30m, e = {1h: 2} WHERE k = 7",
        "DELETE FROM t USING TIMEOUT 1s WHERE k = 7",
    ] {
        assert_eq!(key(text, &["k"]), [integer("7")], "{text}");
    }
    assert_eq!(target("SELECT v FROM t WHERE k = 1h", &["k"]), Err(NotUnderstood::Key));
}

#[test]
fn every_verb_names_its_table_and_key() {
    for (text, verb) in [
        ("SELECT a, count(*) FROM Ks.\"T\" WHERE k = 7 AND c > 3 ORDER BY c LIMIT 1", Verb::Select),
        ("select json distinct * from ks.\"T\" where k=7", Verb::Select),
        ("INSERT INTO ks.\"T\" (v, k) VALUES ([1, (2)], 7) USING TTL 5", Verb::Insert),
        (
            "UPDATE ks.\"T\" USING TIMESTAMP 1 SET v = {a: 1}, w[2] = 3 WHERE c = 1 AND k = 7",
            Verb::Update,
        ),
        ("DELETE v, w['x'] FROM ks.\"T\" USING TIMESTAMP 1 WHERE k = 7;", Verb::Delete),
        ("DELETE FROM ks.\"T\" WHERE k = 7 ; ;", Verb::Delete),
        ("/* c */ SELECT * FROM ks . \"T\" -- c\n WHERE K IN (7) ALLOW FILTERING", Verb::Select),
    ] {
        let statement = TableStatement::read(text).unwrap();
        assert_eq!(statement.verb, verb);
        assert!(statement.table.keyspace.unwrap().is("ks") && statement.table.table.is("T"));
        assert_eq!(key(text, &["k"]), [integer("7")], "{text}");
    }
}

#[test]
fn markers_are_numbered_through_the_whole_text() {
    let text = "UPDATE t USING TTL ? SET v = ?, w = '?' WHERE k2 = ? AND k1 = ?";
    assert_eq!(key(text, &["k1", "k2"]), [Term::Marker(3), Term::Marker(2)]);
    let text = "INSERT INTO t (v, k) VALUES (f(?, ?), ?) USING TIMESTAMP ?";
    assert_eq!(key(text, &["k"]), [Term::Marker(2)]);
    let named = key("SELECT * FROM t WHERE k = :\"My\"", &["k"]);
    assert!(matches!(named[..], [Term::NamedMarker(name)] if name.is("My")));
}

#[test]
fn several_keys_begin_with_their_first() {
    let of = |text| target(text, &["a", "b"]).unwrap().partition;
    let several = of("SELECT * FROM t WHERE a IN (1, f(2)) AND b = 3");
    let Partition::FirstOfSeveral(key) = several else { panic!("{several:?}") };
    assert_eq!(key.terms(), [integer("1"), integer("3")]);
    assert!(matches!(of("SELECT * FROM t WHERE a IN (1) AND b IN (3)"), Partition::One(_)));
}

#[test]
fn ranges_of_tokens_have_their_ends() {
    let of = |text| target(text, &["a", "b"]).map(|target| target.partition);
    let text = "SELECT * FROM t WHERE token(a, b) > ? AND Token(a, b) <= -5";
    let start = Some(Bound { token: Term::Marker(0), is_included: false });
    let end = Some(Bound { token: integer("-5"), is_included: true });
    assert_eq!(of(text), Ok(Partition::TokenRange(TokenRange { start, end })));
    for wrong in [
        "SELECT * FROM t WHERE token(b, a) > 1",
        "SELECT * FROM t WHERE token(a) > 1",
        "SELECT * FROM t WHERE f(a, b) > 1",
        "SELECT * FROM t WHERE token(a, b) > token(1, 2)",
        "SELECT * FROM t WHERE token(a, b) > 1 AND token(a, b) > 2",
    ] {
        assert_eq!(of(wrong), Err(NotUnderstood::Key), "{wrong}");
    }
}

#[test]
fn a_key_that_is_not_whole_is_none() {
    for text in [
        "SELECT * FROM t",
        "SELECT * FROM t LIMIT 5",
        "SELECT * FROM t WHERE a = 1",
        "SELECT * FROM t WHERE a = 1 AND b > 2 ALLOW FILTERING",
        "SELECT * FROM t WHERE c CONTAINS KEY 'x' AND d IS NOT NULL AND e LIKE '%b = 1%'",
        "SELECT * FROM t WHERE (c, d) > (1, 2) AND a = 1",
    ] {
        assert_eq!(target(text, &["a", "b"]).unwrap().partition, Partition::All, "{text}");
    }
}

#[test]
fn a_key_given_otherwise_is_not_understood() {
    for text in [
        "SELECT * FROM t WHERE k = now()",
        "SELECT * FROM t WHERE k = null",
        "SELECT * FROM t WHERE k = 1 AND k = 2",
        "SELECT * FROM t WHERE k IN ?",
        "SELECT * FROM t WHERE k IN ()",
        "SELECT * FROM t WHERE (k, c) = (1, 2)",
        "INSERT INTO t (k, k) VALUES (1, 2)",
        "INSERT INTO t (k) VALUES (1 + 1)",
        "INSERT INTO t (k) VALUES ((int) 1)",
        "INSERT INTO t (v) VALUES (1)",
    ] {
        assert_eq!(target(text, &["k"]), Err(NotUnderstood::Key), "{text}");
    }
    let names = ["k"; KEY_COLUMNS_MAX + 1];
    assert_eq!(target("SELECT * FROM t", &names), Err(NotUnderstood::KeyColumns));
}

#[test]
fn a_text_that_goes_on_otherwise_is_not_understood() {
    for text in [
        "SELECT * FROM t WHERE k = 1 + 1",
        "SELECT * FROM t WHERE k = (int) 1",
        "SELECT * FROM t WHERE k = 1 OR k = 2",
        "SELECT * FROM t WHERE k = 1; DROP TABLE t",
        "SELECT * FROM t WHERE k = 1 AND v = 'open",
        "SELECT * FROM t WHERE (k = 1)",
        "SELECT * FROM t WHERE",
        "SELECT *",
        "INSERT INTO t (k, v) VALUES (1)",
        "INSERT INTO t (k) VALUES (1, 2)",
        "INSERT INTO t (k) VALUES (1",
        "UPDATE t SET v = 1",
        "DELETE FROM t",
        "DELETE FROM t IF EXISTS",
    ] {
        let read = target(text, &["k"]);
        let is_refused = matches!(read, Err(NotUnderstood::Text | NotUnderstood::Key));
        assert!(is_refused, "{text}: {read:?}");
    }
    for text in ["", "USE ks", "CREATE TABLE t (k int PRIMARY KEY)", "BEGIN BATCH", "'SELECT'"] {
        assert_eq!(target(text, &["k"]), Err(NotUnderstood::Verb), "{text}");
    }
}

#[test]
fn conditions_are_seen() {
    let of = |text| target(text, &["k"]).unwrap().is_conditional;
    assert!(of("INSERT INTO t (k) VALUES (1) IF NOT EXISTS USING TTL 1"));
    assert!(of("UPDATE t SET v = 1 WHERE k = 1 IF v = 2"));
    assert!(of("DELETE FROM t WHERE k = 1 IF EXISTS"));
    assert!(!of("UPDATE t SET n = n + 1 WHERE k = 1"));
    assert!(!of("UPDATE t SET n = 'a+b' WHERE k = 'if'"));
}

#[test]
fn a_document_is_the_key_of_insert_json() {
    let text = "INSERT INTO t JSON '{\"k\": 1}' DEFAULT UNSET IF NOT EXISTS";
    let target = target(text, &["k"]).unwrap();
    let document = Term::Literal(Literal::Text("{\"k\": 1}"));
    assert_eq!((target.partition, target.is_conditional), (Partition::Json(document), true));
}

#[test]
fn a_text_longer_than_is_read_is_not_understood() {
    let blob = "0".repeat(READ_BYTES_MAX);
    let text = format!("INSERT INTO t (k, v) VALUES (1, 0x{blob})");
    assert_eq!(target(&text, &["k"]), Err(NotUnderstood::Text));
}

#[test]
fn a_literal_that_was_found_becomes_bytes() {
    let found = key("SELECT * FROM t WHERE k = 'it''s'", &["k"]);
    let [Term::Literal(literal)] = found[..] else { panic!("{found:?}") };
    let mut out = Vec::new();
    literal.put(&ColumnType::Varchar, &mut out).unwrap();
    assert_eq!(out, b"it's");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(SELECT|INSERT INTO|UPDATE|DELETE FROM|[ a-z(){}'\"=?:,;.*]|WHERE|SET|IN|AND|VALUES|token){0,30}") {
        let _read = target(&text, &["a", "b"]);
    }

    #[test]
    fn blanks_and_comments_change_nothing(parts in prop::collection::vec(0_usize..3, 12)) {
        let words = ["SELECT", "*", "FROM", "t", "WHERE", "k", "=", "-5", "AND", "c", ">", "1"];
        let between = [" ", "\t/* c */ ", " -- c\n"];
        let text: String = words.iter().zip(parts).flat_map(|(word, at)| [*word, between[at]]).collect();
        prop_assert_eq!(key(&text, &["k"]), [integer("-5")]);
    }
}

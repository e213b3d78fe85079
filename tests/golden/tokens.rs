//! Constants of every type that a key may have, and documents, with the token that real Cassandra computes.
//!
//! `tests/drivers/cases/literals.py` takes them from the server, and says how to write them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use cql::statement::document::Document;
use cql::statement::partition::Partition;
use cql::statement::statement::TableStatement;
use cql::statement::term::Term;
use cql::token::partition_key::token_of;
use cql::token::partitioner::Partitioner;
use cql::values::column_type::ColumnType;

/// The type of the key, a constant, and its token; none where the server refuses the constant.
type Case = (String, String, Option<i64>);

/// Stands before the type of a constant in which one character is wrong.
const DAMAGED: &str = "damaged ";

fn cases() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tokens.jsonl");
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The token of a constant as it is read here; none where it is not certain. The type `JSON int` is
/// that of the key of a document; a damaged constant may be none at all.
fn token(kind: &str, constant: &str) -> Option<i64> {
    if let Some(kind) = kind.strip_prefix("JSON ") {
        return token_in(kind, constant);
    }
    let is_damaged = kind.starts_with(DAMAGED);
    let kind = ColumnType::from_name(kind.trim_start_matches(DAMAGED)).unwrap();
    let text = format!("SELECT v FROM t WHERE k = {constant}");
    let target = TableStatement::read(&text).unwrap().target(&["k"]).ok()?;
    let literal = match &target.partition {
        Partition::One(key) => match key.terms() {
            [Term::Literal(literal)] => *literal,
            other => {
                assert!(is_damaged, "{text}: {other:?}");
                return None;
            }
        },
        other @ (Partition::FirstOfSeveral(_)
        | Partition::TokenRange(_)
        | Partition::All
        | Partition::Json(_)) => {
            assert!(is_damaged, "{text}: {other:?}");
            return None;
        }
    };
    let mut cell = Vec::new();
    literal.put(&kind, &mut cell).ok()?;
    hashed(&cell)
}

fn token_in(kind: &str, document: &str) -> Option<i64> {
    let kind = ColumnType::from_name(kind).unwrap();
    let text = format!("INSERT INTO t JSON {document}");
    let target = TableStatement::read(&text).unwrap().target(&["k"]).unwrap();
    let Partition::Json(Term::Literal(literal)) = target.partition else { panic!("{text}") };
    let [value, ..] = Document::of_literal(&literal).unwrap().find(&["k"]).ok()?;
    let mut cell = Vec::new();
    value?.put(&kind, &mut cell).ok()?;
    hashed(&cell)
}

fn hashed(cell: &[u8]) -> Option<i64> {
    // Servers refuse a key of one column without bytes wherever it arrives.
    if cell.is_empty() {
        return None;
    }
    let components = [cell].into_iter();
    let token = token_of(Partitioner::Murmur3, components, &mut Vec::new());
    token.ok().map(|token| token.value())
}

#[test]
fn no_constant_has_another_token_than_the_servers() {
    let cases = cases();
    assert!(cases.iter().filter(|(_, _, token)| token.is_some()).count() >= 1_000);
    let differs = |(kind, constant, expected): &&Case| {
        let found = token(kind, constant);
        found.is_some() && found != *expected
    };
    let differing: Vec<&Case> = cases.iter().filter(differs).collect();
    assert!(differing.is_empty(), "{differing:#?}");
}

#[test]
fn nearly_every_constant_that_servers_agree_on_is_certain() {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (kind, constant, expected) in cases() {
        if expected.is_some() && !kind.starts_with(DAMAGED) {
            let (certain, all) = counts.entry(kind.clone()).or_default();
            *certain += usize::from(token(&kind, &constant).is_some());
            *all += 1;
        }
    }
    // Percent. The others: NaN and Infinity, elements of a set that are equal, times by a number, timestamps
    // without a zone.
    let partly = [
        ("double", 85),
        ("float", 85),
        ("frozen<set<text>>", 95),
        ("time", 50),
        ("timestamp", 90),
        ("JSON timestamp", 85),
        ("JSON boolean", 50),
    ];
    let never = ["JSON decimal", "JSON double", "JSON frozen<list<int>>"];
    counts.retain(|kind, _| !never.contains(&kind.as_str()));
    for (kind, (certain, all)) in counts {
        let share = partly.iter().find(|(name, _)| *name == kind).map_or(100, |(_, share)| *share);
        assert!(certain * 100 >= share * all, "{kind}: {certain} of {all} are certain");
    }
}

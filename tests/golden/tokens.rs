//! Constants of every type that a key may have, with the token that real Cassandra computes.
//!
//! `tests/drivers/cases/literals.py` takes them from the server, and says how to write them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use cql::column_type::ColumnType;
use cql::statement::partition::Partition;
use cql::statement::statement::Statement;
use cql::statement::term::Term;
use cql::token::partition_key::token_of;
use cql::token::partitioner::Partitioner;

/// The type of the key, a constant, and its token; none where the server refuses the constant.
type Case = (String, String, Option<i64>);

fn cases() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tokens.jsonl");
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The token of a constant as it is read here; none where it is not certain.
fn token(kind: &str, constant: &str) -> Option<i64> {
    let kind = ColumnType::from_name(kind).unwrap();
    let text = format!("SELECT v FROM t WHERE k = {constant}");
    let target = Statement::read(&text).unwrap().target(&["k"]).ok()?;
    let Partition::One(key) = target.partition else { panic!("{text}: {:?}", target.partition) };
    let [Term::Literal(literal)] = key.terms() else { panic!("{text}: {key:?}") };
    let mut cell = Vec::new();
    literal.put(&kind, &mut cell).ok()?;
    // Servers refuse a key of one column without bytes wherever it arrives.
    if cell.is_empty() {
        return None;
    }
    let components = [cell.as_slice()].into_iter();
    let token = token_of(Partitioner::Murmur3, components, &mut Vec::new());
    token.ok().map(|token| token.value())
}

#[test]
fn no_constant_has_another_token_than_the_servers() {
    let cases = cases();
    assert!(cases.iter().filter(|(_, _, token)| token.is_some()).count() >= 1_000);
    for (kind, constant, expected) in &cases {
        let found = token(kind, constant);
        assert!(
            found.is_none() || found == *expected,
            "{kind} {constant}: {found:?}, {expected:?}"
        );
    }
}

#[test]
fn nearly_every_constant_that_servers_agree_on_is_certain() {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (kind, constant, expected) in cases() {
        if expected.is_some() {
            let (certain, all) = counts.entry(kind.clone()).or_default();
            *certain += usize::from(token(&kind, &constant).is_some());
            *all += 1;
        }
    }
    // Percent. The others: NaN and Infinity, sets and maps of several elements, times by a number,
    // timestamps without a zone.
    let partly = [
        ("double", 90),
        ("float", 90),
        ("frozen<map<int, text>>", 50),
        ("frozen<set<text>>", 35),
        ("time", 50),
        ("timestamp", 90),
    ];
    for (kind, (certain, all)) in counts {
        let share = partly.iter().find(|(name, _)| *name == kind).map_or(100, |(_, share)| *share);
        assert!(certain * 100 >= share * all, "{kind}: {certain} of {all} are certain");
    }
}

//! Texts, read with one table that is known.

use std::collections::BTreeMap;

use super::*;
use crate::topology::replication::Replication;
use crate::topology::snapshot::SnapshotBuilder;
use crate::topology::table_key::{KeyColumn, TableKey};
use cql::notation::{put_bytes, put_string};
use cql::values::column_type::ColumnType;

/// What is known of a keyspace `ks` with a table `t`, whose key is an int `k`.
struct World {
    keys: TableKeys,
    routes: TableRoutes,
    snapshot: Snapshot,
    tables: Tables,
    reader: TextReader,
}

impl World {
    fn new() -> Self {
        let snapshot = SnapshotBuilder::new(1, Vec::new())
            .ring_keyspace("ks", Replication::Simple { factor: 1 }, BTreeMap::new())
            .build();
        let (mut keys, mut tables) = (TableKeys::default(), Tables::default());
        let id = tables.intern("ks", "t");
        let column = KeyColumn { name: "k".into(), kind: ColumnType::Int };
        let columns = Some(vec![column].into_boxed_slice());
        keys.learn(
            Arc::new(TableKey {
                keyspace: "ks".into(),
                table: "t".into(),
                columns,
                is_absent: false,
            }),
            id,
        );
        let (routes, reader) = (TableRoutes::default(), TextReader::default());
        Self { keys, routes, snapshot, tables, reader }
    }

    fn read(&mut self, text: &str, values: &[(Option<&str>, &[u8])]) -> TextPlace {
        let mut bytes = Vec::new();
        for (name, value) in values {
            name.iter().for_each(|name| put_string(&mut bytes, name));
            put_bytes(&mut bytes, Some(value));
        }
        let is_named = values.iter().any(|(name, _)| name.is_some());
        let values = Values::new(u16::try_from(values.len()).unwrap(), is_named, &bytes);
        let mut schema = Schema {
            keys: &mut self.keys,
            routes: &mut self.routes,
            snapshot: &self.snapshot,
            tables: &self.tables,
        };
        let asked = BoundText { text, values, keyspace: Some("ks"), now_us: 0 };
        self.reader.read(&mut schema, &asked)
    }
}

fn token(place: &TextPlace) -> Option<i64> {
    match place.place {
        Place::At(_, token) => Some(token.value()),
        Place::Nowhere(_) => None,
    }
}

const ONE: i64 = -4_069_959_284_402_364_209;

#[test]
fn names_are_those_of_the_client_unless_the_text_has_its_own() {
    let mut world = World::new();
    for (text, is_qualified) in
        [("SELECT * FROM T WHERE k = 1", false), ("SELECT * FROM \"ks\".t WHERE k = 1", true)]
    {
        let place = world.read(text, &[]);
        assert_eq!((token(&place), place.is_qualified), (Some(ONE), is_qualified), "{text}");
    }
}

#[test]
fn a_name_without_a_name_for_its_value_is_not_certain() {
    let mut world = World::new();
    let one = 1i32.to_be_bytes();
    let text = "SELECT * FROM t WHERE k = :k";
    assert_eq!(token(&world.read(text, &[(Some("k"), &one)])), Some(ONE));
    let place = world.read(text, &[(None, &one)]);
    assert_eq!(place.place, Place::Nowhere(Reason::TextNotUnderstood));
}

#[test]
fn a_range_begins_at_its_first_token() {
    let mut world = World::new();
    let bytes = 41i64.to_be_bytes();
    for (text, values, first) in [
        ("token(k) > 41", &[][..], 42),
        ("token(k) >= -41 AND token(k) < 5", &[], -41),
        ("token(k) = 7", &[], 7),
        ("token(k) > ?", &[(None, &bytes[..])], 42),
        ("token(k) <= 41", &[], Token::FIRST.value()),
        ("token(k) > -9223372036854775808", &[], Token::FIRST.value()),
        ("token(k) >= -9223372036854775808", &[], Token::FIRST.value()),
        ("token(k) >= ?", &[(None, &i64::MIN.to_be_bytes()[..])], Token::FIRST.value()),
        ("token(k) > 9223372036854775807", &[], i64::MAX),
    ] {
        let place = world.read(&format!("SELECT * FROM t WHERE {text}"), values);
        assert_eq!((token(&place), place.reason), (Some(first), Reason::TokenRange), "{text}");
    }
    for (text, values) in [
        ("token(k) > ?", &[(None, &bytes[..4])][..]),
        ("token(k) > ?", &[(Some("k"), &bytes[..])]),
        ("token(k) > '5'", &[]),
        ("token(k) > 9223372036854775808", &[]),
    ] {
        let place = world.read(&format!("SELECT * FROM t WHERE {text}"), values);
        assert_eq!(token(&place), None, "{text}");
    }
}

#[test]
fn a_batch_of_many_statements_is_taken_to_need_a_keyspace() {
    let mut world = World::new();
    let batch = |count: usize| {
        format!("BEGIN BATCH {} APPLY BATCH", "DELETE FROM ks.t WHERE k = 1;".repeat(count))
    };
    let place = world.read(&batch(CHILDREN_MAX), &[]);
    assert_eq!((token(&place), place.is_qualified), (Some(ONE), true));
    let place = world.read(&batch(CHILDREN_MAX + 1), &[]);
    assert_eq!((token(&place), place.is_qualified), (Some(ONE), false));
}

#[test]
fn a_table_is_asked_for_once() {
    let mut world = World::new();
    let unread = world.read("SELECT * FROM u WHERE k = 1", &[]).unread;
    assert_eq!(unread, Some(("ks".into(), "u".into())));
    assert_eq!(world.read("SELECT * FROM u WHERE k = 1", &[]).unread, None);
    assert_eq!(world.read("SELECT * FROM t WHERE k = 1", &[]).unread, None);
}

#[test]
fn a_batch_asks_for_each_of_its_tables_one_after_the_other() {
    let mut world = World::new();
    let text = "BEGIN BATCH DELETE FROM u WHERE k = 1; DELETE FROM v WHERE k = 1 APPLY BATCH";
    assert_eq!(world.read(text, &[]).unread, Some(("ks".into(), "u".into())));
    assert_eq!(world.read(text, &[]).unread, Some(("ks".into(), "v".into())));
    assert_eq!(world.read(text, &[]).unread, None);
}

#[test]
fn the_key_of_a_document_is_read_from_it() {
    let mut world = World::new();
    let document = br#"{"v": "x", "K": 1}"#;
    for (text, values, reason) in [
        (r#"INSERT INTO t JSON '{"k": 1}'"#, &[][..], Reason::TextLiteral),
        (r#"INSERT INTO t JSON $${"k": "1"}$$ IF NOT EXISTS"#, &[], Reason::TextLiteral),
        ("INSERT INTO t JSON ?", &[(None, &document[..])], Reason::TextBound),
        ("INSERT INTO t JSON :d", &[(Some("d"), &document[..])], Reason::TextBound),
    ] {
        let place = world.read(text, values);
        assert_eq!((token(&place), place.reason), (Some(ONE), reason), "{text}");
        assert_eq!(place.reported, None, "no server reports a tablet: {text}");
    }
    for (text, values) in [
        (r#"INSERT INTO t JSON '{"k": 1.0}'"#, &[][..]),
        ("INSERT INTO t JSON 1", &[]),
        ("INSERT INTO t JSON ?", &[(None, &[0xff][..])]),
    ] {
        let place = world.read(text, values);
        assert_eq!(place.place, Place::Nowhere(Reason::TextNotUnderstood), "{text}");
    }
}

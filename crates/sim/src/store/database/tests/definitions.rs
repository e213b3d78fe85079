//! Schema statements, and the schema as rows.

use super::*;
use crate::store::definitions::system_schema;
use crate::store::plans::request::Wanted;

fn changes(outcome: &Outcome) -> String {
    let Outcome::SchemaChange(changes) = outcome else {
        return format!("{outcome:?}");
    };
    let shown = changes.iter().map(|change| {
        let (word, target) = (change.change.word(), change.target.word());
        format!("{word} {target} {} {}", change.keyspace, change.name)
    });
    shown.collect::<Vec<_>>().join(", ")
}

#[test]
fn schema_statements_return_their_changes() {
    let mut bench = bench();
    let cases = [
        (
            "CREATE KEYSPACE k2 WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
            "CREATED KEYSPACE k2 ",
        ),
        ("CREATE TABLE t (pk int PRIMARY KEY, v int)", "CREATED TABLE ks t"),
        ("CREATE TABLE IF NOT EXISTS t (pk int PRIMARY KEY)", "Void"),
        ("ALTER TABLE t ADD w text", "UPDATED TABLE ks t"),
        ("ALTER TABLE t ADD (x int, y int)", "UPDATED TABLE ks t"),
        ("ALTER TABLE t DROP v", "UPDATED TABLE ks t"),
        ("ALTER TABLE t WITH comment = 'x' AND gc_grace_seconds = 5", "UPDATED TABLE ks t"),
        ("CREATE TYPE u (a int)", "CREATED TYPE ks u"),
        ("ALTER TYPE u ADD b int", "UPDATED TYPE ks u"),
        ("DROP TYPE u", "DROPPED TYPE ks u"),
        ("CREATE INDEX ix ON t (w)", "UPDATED TABLE ks t, CREATED TABLE ks ix_index"),
        ("DROP INDEX ix", "UPDATED TABLE ks t, DROPPED TABLE ks ix_index"),
        ("TRUNCATE t", "Void"),
        ("DROP TABLE t", "DROPPED TABLE ks t"),
        ("DROP TABLE IF EXISTS t", "Void"),
        ("ALTER KEYSPACE k2 WITH durable_writes = false", "UPDATED KEYSPACE k2 "),
        ("DROP KEYSPACE k2", "DROPPED KEYSPACE k2 "),
        ("USE ks", "SetKeyspace(\"ks\")"),
        ("USE \"ks\";", "SetKeyspace(\"ks\")"),
    ];
    for (text, expected) in cases {
        let outcome = bench.ok(text);
        assert_eq!(changes(&outcome), expected, "{text}");
    }
}

#[test]
fn drivers_read_the_schema_as_rows() {
    let mut bench = bench();
    bench.ok("CREATE TYPE u (a int, b frozen<list<text>>)");
    bench.ok(
        "CREATE TABLE t (a int, b text, c int, s int static, l list<int>, f frozen<map<int, u>>, \
         PRIMARY KEY ((a, b), c)) WITH CLUSTERING ORDER BY (c DESC) AND comment = 'hi'",
    );
    let columns = "SELECT column_name, kind, position, clustering_order, type FROM \
                   system_schema.columns WHERE keyspace_name = 'ks' AND table_name = 't'";
    assert_eq!(
        bench.rows(columns),
        r#""a" "partition_key" 0 "NONE" "int" | "b" "partition_key" 1 "NONE" "text" | "c" "clustering" 0 "DESC" "int" | "f" "regular" -1 "NONE" "frozen<map<int, frozen<u>>>" | "l" "regular" -1 "NONE" "list<int>" | "s" "static" -1 "NONE" "int""#
    );
    let table = "SELECT comment, compaction, flags, gc_grace_seconds FROM system_schema.tables \
                 WHERE keyspace_name = 'ks'";
    assert_eq!(
        bench.rows(table),
        r#""hi" {"class": "SizeTieredCompactionStrategy"} ["compound"] 864000"#
    );
    assert_eq!(
        bench.rows(
            "SELECT field_names, field_types FROM system_schema.types WHERE keyspace_name = 'ks'"
        ),
        r#"["a", "b"] ["int", "frozen<list<text>>"]"#
    );
    assert_eq!(
        bench.rows("SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = 'ks'"),
        r#"{"class": "org.apache.cassandra.locator.NetworkTopologyStrategy", "datacenter1": "3"}"#
    );
    assert_eq!(
        bench.rows("SELECT keyspace_name, initial_tablets FROM system_schema.scylla_keyspaces"),
        "\"ks\" 0"
    );
}

#[test]
fn a_changed_table_outdates_its_statements() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (pk int PRIMARY KEY)");
    let select = bench.database.prepare("SELECT * FROM t", Some("ks")).unwrap();
    assert!(bench.database.is_current(&select));
    bench.ok("ALTER KEYSPACE ks WITH durable_writes = true");
    assert!(bench.database.is_current(&select));
    bench.ok("ALTER TABLE t ADD v int");
    assert!(!bench.database.is_current(&select));
    bench.ok("DROP TABLE t");
    bench.ok("CREATE TABLE t (pk int PRIMARY KEY)");
    assert!(!bench.database.is_current(&select));
}

#[test]
fn a_column_gets_a_type_whose_values_have_the_same_bytes() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (k int PRIMARY KEY, a text)");
    bench.ok("INSERT INTO t (k, a) VALUES (1, 'x')");
    bench.ok("ALTER TABLE t ALTER a TYPE blob");
    assert_eq!(bench.rows("SELECT a FROM t"), "\"0x78\"");
}

#[test]
fn a_column_that_comes_again_is_empty() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (pk int PRIMARY KEY, v int)");
    for value in 1..4 {
        bench.ok(&format!("INSERT INTO t (pk, v) VALUES (1, {value})"));
        bench.ok("ALTER TABLE t DROP v");
        bench.ok("ALTER TABLE t ADD v int");
        assert_eq!(bench.rows("SELECT * FROM t"), "1 null");
    }
}

#[test]
fn tablets_follow_the_replication_strategy() {
    let mut bench = bench();
    let create = |name: &str, class: &str, rest: &str| {
        format!(
            "CREATE KEYSPACE {name} WITH replication = {{'class': '{class}', 'replication_factor': 1}} {rest}"
        )
    };
    bench.ok(&create("a", "NetworkTopologyStrategy", "AND tablets = {'initial': 8}"));
    bench.ok(&create("b", "NetworkTopologyStrategy", "AND tablets = {'enabled': false}"));
    bench.ok(&create("c", "SimpleStrategy", ""));
    bench.ok(&create("d", "org.apache.cassandra.locator.NetworkTopologyStrategy", ""));
    let tablets = |name: &str| bench.database.schema().keyspaces[name].tablets;
    assert_eq!(["a", "b", "c", "d"].map(tablets), [Some(8), None, None, Some(0)]);
    assert_eq!(
        bench.refusal(&create("e", "SimpleStrategy", "AND tablets = {'enabled': true}")),
        "2300 SimpleStrategy doesn't support tablet replication"
    );
}

#[test]
fn system_tables_show_what_the_node_knows() {
    struct Node;
    impl crate::store::plans::request::SystemRows for Node {
        fn rows(
            &self,
            keyspace: &str,
            table: &str,
            wanted: Wanted<'_>,
        ) -> Option<Vec<Vec<Option<Vec<u8>>>>> {
            assert_eq!(keyspace, "system");
            assert_eq!(wanted.is_some_and(|keys| keys == [b"local"]), table == "local");
            let mut row = vec![None; 18];
            row[0] = Some(b"local".to_vec());
            row[3] = Some(b"sim".to_vec());
            (table == "local").then(|| vec![row])
        }

        fn cluster_name(&self) -> &str {
            "sim"
        }
    }
    let mut bench = bench();
    let text = "SELECT key, cluster_name FROM system.local WHERE key = 'local'";
    let prepared = bench.database.prepare(text, None).unwrap();
    let request = Request { system: &Node, ..bench.request() };
    let Ok(Outcome::Rows(rows)) = bench.database.execute(&prepared, &[], &request) else {
        panic!("no rows");
    };
    assert_eq!(shown(&rows), "\"local\" \"sim\"");
    assert_eq!(bench.rows("SELECT * FROM system.peers"), "");
}

#[test]
fn a_question_about_one_table_makes_rows_of_no_other() {
    let mut bench = bench();
    for name in ["one", "two"] {
        bench.ok(&format!("CREATE TABLE ks.{name} (k int PRIMARY KEY, v int)"));
    }
    let schema = bench.database.schema();
    let columns = schema.table("system_schema", "columns").unwrap();
    let names = |made: Vec<Vec<Option<Vec<u8>>>>| {
        made.into_iter().filter_map(|row| row.into_iter().nth(1)?).collect::<Vec<_>>()
    };
    let [ks, one] = ["ks", "one"].map(|name| [name.as_bytes().to_vec()]);
    let made = |keyspaces, tables| names(system_schema::rows(schema, columns, keyspaces, tables));
    assert_eq!(made(Some(&ks), Some(&one)), [b"one", b"one"]);
    assert_eq!(made(Some(&one), None), <[Vec<u8>; 0]>::default());
    assert!(made(Some(&ks), None).contains(&b"two".to_vec()));
}

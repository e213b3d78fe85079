//! DESCRIBE.

use super::*;

fn filled() -> Bench {
    let mut bench = bench();
    bench.ok("CREATE TYPE a_outer (v int)");
    bench.ok("CREATE TYPE address (street text, part frozen<a_outer>)");
    bench.ok("ALTER TYPE a_outer ADD w frozen<list<int>>");
    bench
        .ok("CREATE TABLE t (pk int, \"Ck\" int, s int static, v text, PRIMARY KEY (pk, \"Ck\")) \
         WITH comment = 'it''s' AND CLUSTERING ORDER BY (\"Ck\" DESC)");
    bench.ok("CREATE INDEX by_v ON t (v)");
    bench.ok("CREATE MATERIALIZED VIEW mv AS SELECT v FROM t WHERE v IS NOT NULL AND pk IS NOT \
         NULL AND \"Ck\" IS NOT NULL PRIMARY KEY (v, pk, \"Ck\")");
    bench
}

/// Type and name of each row.
fn elements(bench: &mut Bench, text: &str) -> Vec<String> {
    let Outcome::Rows(rows) = bench.ok(text) else { panic!("{text}: no rows") };
    let cell = |row: &Vec<Option<Vec<u8>>>, at: usize| {
        String::from_utf8(row[at].clone().unwrap()).unwrap()
    };
    rows.rows.iter().map(|row| format!("{} {}", cell(row, 1), cell(row, 2))).collect()
}

/// The last cell of the first row.
fn statement(bench: &mut Bench, text: &str) -> String {
    let Outcome::Rows(rows) = bench.ok(text) else { panic!("{text}: no rows") };
    String::from_utf8(rows.rows[0].last().unwrap().clone().unwrap()).unwrap()
}

#[test]
fn a_keyspace_is_described_with_all_that_is_in_it() {
    let mut bench = filled();
    let all = ["keyspace ks", "type a_outer", "type address", "table t", "index by_v", "view mv"];
    for text in ["DESCRIBE KEYSPACE ks", "DESC KEYSPACE", "DESCRIBE ks", "DESC SCHEMA"] {
        assert_eq!(elements(&mut bench, text), all, "{text}");
    }
    assert_eq!(elements(&mut bench, "DESCRIBE ONLY KEYSPACE ks;"), all[..1]);
    assert_eq!(elements(&mut bench, "DESCRIBE TABLE ks.t"), all[3..]);
    assert_eq!(elements(&mut bench, "DESCRIBE t"), all[3..]);
    for text in ["DESCRIBE INDEX by_v", "DESC by_v"] {
        assert_eq!(elements(&mut bench, text), all[4..5], "{text}");
    }
    for text in ["DESCRIBE MATERIALIZED VIEW mv", "DESCRIBE mv"] {
        assert_eq!(elements(&mut bench, text), all[5..], "{text}");
    }
    for text in ["DESCRIBE TYPE address", "DESC ks.address"] {
        assert_eq!(elements(&mut bench, text), all[2..3], "{text}");
    }
    assert!(elements(&mut bench, "DESC FULL SCHEMA").contains(&"table local".to_owned()));
}

#[test]
fn names_are_listed_without_statements() {
    let mut bench = filled();
    assert_eq!(elements(&mut bench, "DESCRIBE TABLES"), ["table t"]);
    assert_eq!(elements(&mut bench, "DESC TYPES"), ["type a_outer", "type address"]);
    for text in ["DESCRIBE FUNCTIONS", "DESCRIBE AGGREGATES"] {
        assert!(elements(&mut bench, text).is_empty(), "{text}");
    }
    assert!(elements(&mut bench, "DESCRIBE KEYSPACES").contains(&"keyspace ks".to_owned()));
    let columns = |text: &str| {
        let prepared = bench.database.prepare(text, None).unwrap();
        let specs = prepared.result.iter();
        specs.map(|it| format!("{}.{} {}", it.keyspace, it.table, it.name)).collect::<Vec<_>>()
    };
    let head = ["keyspace_name", "type", "name"].map(|name| format!("system.describe {name}"));
    assert_eq!(columns("DESCRIBE TABLES"), head);
    assert_eq!(columns("DESCRIBE TABLE t")[..3], head);
    assert_eq!(columns("DESCRIBE TABLE t")[3], "system.describe create_statement");
}

#[test]
fn statements_have_the_layout_of_the_real_server() {
    let mut bench = filled();
    assert_eq!(
        statement(&mut bench, "DESC ONLY KEYSPACE ks"),
        "CREATE KEYSPACE ks WITH replication = {'class': \
         'org.apache.cassandra.locator.NetworkTopologyStrategy', 'datacenter1': '3'} AND \
         durable_writes = true;"
    );
    assert_eq!(
        statement(&mut bench, "DESC TYPE address"),
        "CREATE TYPE ks.address (\n    street text,\n    part frozen<a_outer>\n);"
    );
    let table = "CREATE TABLE ks.t (
    pk int,
    \"Ck\" int,
    s int static,
    v text,
    PRIMARY KEY (pk, \"Ck\")
) WITH CLUSTERING ORDER BY (\"Ck\" DESC)
    AND bloom_filter_fp_chance = 0.01
    AND caching = {'keys': 'ALL', 'rows_per_partition': 'ALL'}
    AND comment = 'it''s'
    AND compaction = {'class': 'SizeTieredCompactionStrategy'}
    AND compression = {'sstable_compression': 'org.apache.cassandra.io.compress.LZ4Compressor'}
    AND crc_check_chance = 1
    AND default_time_to_live = 0
    AND gc_grace_seconds = 864000
    AND max_index_interval = 2048
    AND memtable_flush_period_in_ms = 0
    AND min_index_interval = 128
    AND speculative_retry = '99.0PERCENTILE'
    AND tombstone_gc = {'mode': 'timeout', 'propagation_delay_in_seconds': '3600'};
";
    assert_eq!(statement(&mut bench, "DESC TABLE t"), table);
    assert!(statement(&mut bench, "DESC TABLE t WITH INTERNALS").contains("WITH ID = "));
    assert_eq!(statement(&mut bench, "DESC INDEX by_v"), "CREATE INDEX by_v ON ks.t(v);\n");
    let view = statement(&mut bench, "DESC MATERIALIZED VIEW mv");
    assert!(view.starts_with("CREATE MATERIALIZED VIEW ks.mv AS\n    SELECT v, pk, \"Ck\"\n"));
    assert_eq!(
        bench.rows("DESCRIBE CLUSTER"),
        "\"simulated\" \"org.apache.cassandra.dht.Murmur3Partitioner\" \
         \"org.apache.cassandra.locator.SimpleSnitch\""
    );
}

#[test]
fn described_statements_create_the_same_elements_again() {
    let mut bench = filled();
    let describe = "DESCRIBE KEYSPACE ks";
    let shown = bench.rows(describe);
    let Outcome::Rows(rows) = bench.ok(describe) else { panic!("no rows") };
    bench.ok("DROP KEYSPACE ks");
    for row in rows.rows {
        let text = String::from_utf8(row[3].clone().unwrap()).unwrap();
        bench.ok(&text);
    }
    assert_eq!(bench.rows(describe), shown);
}

#[test]
fn unknown_elements_are_refused() {
    let mut bench = bench();
    let cases = [
        ("DESCRIBE TABLE nosuch", "2200 'nosuch' not found in keyspace 'ks'"),
        ("DESCRIBE TYPE nosuch", "2200 Type 'nosuch' not found in keyspace 'ks'"),
        ("DESCRIBE nosuch", "2200 'nosuch' not found in keyspace 'ks'"),
        ("DESCRIBE KEYSPACE nosuch", "2200 'nosuch' not found in keyspaces"),
        ("DESCRIBE ONLY TABLES", "2000 line 1:14 no viable alternative at input 'TABLES'"),
    ];
    for (text, refusal) in cases {
        assert_eq!(bench.refusal(text), refusal, "{text}");
    }
}

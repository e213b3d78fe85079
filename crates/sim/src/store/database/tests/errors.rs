//! Refusals, in the server's words.

use super::*;

#[test]
fn refusals_use_the_servers_words() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (pk int, ck int, v int, PRIMARY KEY (pk, ck))");
    let cases = [
        ("SELEC", "2000 line 1:0 no viable alternative at input 'SELEC'"),
        ("SELECT * FROM t; SELECT 1", "2000 line 1:17 no viable alternative at input 'SELECT'"),
        ("SELECT * FROM nope", "2200 unconfigured table nope"),
        ("SELECT * FROM nope.t", "2200 Keyspace nope does not exist"),
        ("SELECT * FROM system.peers_v2", "2200 unconfigured table peers_v2"),
        ("SELECT nope FROM t", "2200 Unrecognized name nope"),
        ("SELECT * FROM t WHERE nope = 1", "2200 Unrecognized name nope"),
        ("USE nope", "2200 Keyspace 'nope' does not exist"),
        (
            "CREATE TABLE t (pk int PRIMARY KEY)",
            "2400 Cannot add already existing table \"t\" to keyspace \"ks\"",
        ),
        (
            "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
            "2400 Cannot add existing keyspace \"ks\"",
        ),
        ("CREATE TABLE u (pk int PRIMARY KEY) WITH nope = 1", "2000 Unknown property 'nope'"),
        ("CREATE TABLE u (pk int)", "2200 No PRIMARY KEY specified (exactly one required)"),
        (
            "INSERT INTO t (pk, ck) VALUES (?, ?)",
            "2200 Invalid amount of bind variables: expected 2 received 0",
        ),
        ("INSERT INTO t (pk, v) VALUES (1, 1)", "2200 Missing mandatory PRIMARY KEY part ck"),
        ("UPDATE t SET v = 1 WHERE pk = 1", "2200 Missing mandatory PRIMARY KEY part ck"),
        (
            "INSERT INTO t (pk, ck) VALUES (null, 1)",
            "2200 Invalid null value in condition for column pk",
        ),
        (
            "INSERT INTO t (pk, ck, v) VALUES (1, 1, 'x')",
            "2200 Invalid STRING constant (x) for \"v\" of type int",
        ),
        (
            "SELECT * FROM t USING TIMEOUT 2",
            "2200 Invalid INTEGER constant (2) for \"[timeout]\" of type duration",
        ),
        ("DROP TABLE system.local", "2100 system keyspace is not user-modifiable."),
        ("LIST ROLES", "2100 You have to be logged in and not anonymous to perform this request"),
        (
            "SELECT * FROM t -- the end",
            "2000 line 1:16 mismatched character '<EOF>' expecting set null",
        ),
    ];
    for (text, refusal) in cases {
        assert_eq!(bench.refusal(text), refusal, "{text}");
    }
}

/// Each as ScyllaDB 2026.3 answers it.
#[test]
fn refusals_of_definitions_use_the_servers_words() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (k int, c int, a text, s int static, PRIMARY KEY (k, c))");
    bench.ok("CREATE TABLE counters (k int PRIMARY KEY, c counter)");
    bench.ok("CREATE INDEX ON t (a)");
    let cases = [
        (
            "CREATE TABLE u (k int PRIMARY KEY, c counter, v int)",
            "2300 Cannot add a non counter column (v) in a counter column family",
        ),
        (
            "CREATE MATERIALIZED VIEW mv AS SELECT * FROM t WHERE a IS NOT NULL AND k IS NOT NULL \
             AND c IS NOT NULL PRIMARY KEY (a, k, c)",
            "2200 Unable to include static column 's' which would be included by Materialized View \
             SELECT * statement",
        ),
        ("DROP TABLE nosuch", "2200 Cannot drop non existing table 'nosuch' in keyspace 'ks'."),
        (
            "DROP MATERIALIZED VIEW mv",
            "2300 Cannot drop non existing materialized view 'mv' in keyspace 'ks'.",
        ),
        (
            "CREATE FUNCTION f (v int) CALLED ON NULL INPUT RETURNS int LANGUAGE lua AS 'return 1'",
            "2200 User defined functions are disabled. Set enable_user_defined_functions and \
             experimental_features:udf to enable them",
        ),
        (
            "CREATE KEYSPACE u WITH replication = {'class': 'Nope', 'replication_factor': 1}",
            "2300 unable to find class 'Nope'",
        ),
        ("CREATE TABLE nosuch.t (k int PRIMARY KEY)", "2200 Can't find a keyspace nosuch"),
        ("CREATE INDEX ON t (a)", "2200 Index t_a_idx_1 is a duplicate of existing index t_a_idx"),
        (
            "ALTER TABLE t ALTER a TYPE int",
            "2300 Cannot change a from type text to type int: types are incompatible.",
        ),
    ];
    for (text, refusal) in cases {
        assert_eq!(bench.refusal(text), refusal, "{text}");
    }
}

/// Each as ScyllaDB 2026.3 answers it.
#[test]
fn refusals_of_data_statements_use_the_servers_words() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (k int, c int, a text, b blob, PRIMARY KEY (k, c))");
    bench.ok("CREATE TABLE counters (k int PRIMARY KEY, c counter)");
    let cases = [
        (
            "SELECT * FROM t WHERE k = 1 AND (c) > (1) AND c <= 3",
            "2200 Mixing single column relations and multi column relations on clustering columns \
             is not allowed",
        ),
        (
            "INSERT INTO t (k, c, b) VALUES (1, 1, 0xf)",
            "0000 A hex string representing bytes must have an even length",
        ),
        ("SELECT * FROM t WHERE k = nosuchfn(1)", "2200 Unknown function nosuchfn called"),
        ("SELECT nosuchfn(k) FROM t", "2200 Unknown function nosuchfn called"),
        (
            "INSERT INTO counters (k, c) VALUES (1, 1)",
            "2200 INSERT statement are not allowed on counter tables, use UPDATE instead",
        ),
        (
            "SELECT CAST(a AS date) FROM t",
            "2200 org.apache.cassandra.db.marshal.UTF8Type cannot be cast to \
             org.apache.cassandra.db.marshal.SimpleDateType",
        ),
        ("SELECT nothing", "2000 line 0:-1 no viable alternative at input '<EOF>'"),
    ];
    for (text, refusal) in cases {
        assert_eq!(bench.refusal(text), refusal, "{text}");
    }
}

#[test]
fn a_keyspace_with_a_view_wants_one_replica_in_each_rack() {
    let mut bench = bench();
    let racks = ["r1", "r2", "r3"].map(str::to_owned).into_iter().collect();
    bench.database.racks.insert("datacenter1".to_owned(), racks);
    let alter = |factor: u8| {
        format!(
            "ALTER KEYSPACE ks WITH replication = {{'class': 'NetworkTopologyStrategy', \
             'datacenter1': {factor}}}"
        )
    };
    bench.ok(&alter(2));
    bench.ok("CREATE TABLE t (k int PRIMARY KEY, a text)");
    bench.ok("CREATE INDEX ON t (a)");
    bench.ok(&alter(3));
    bench.ok(&alter(1));
    assert_eq!(
        bench.refusal(&alter(2)),
        "2200 The keyspace 'ks' is required to be RF-rack-valid. That condition is violated for DC \
         'datacenter1': RF=2 vs. rack count=3."
    );
}

#[test]
fn garbage_is_no_paging_state() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (pk int PRIMARY KEY)");
    let prepared = bench.database.prepare("SELECT * FROM t", Some("ks")).unwrap();
    let request = Request { paging_state: Some(b"garbage"), ..bench.request() };
    let error = bench.database.execute(&prepared, &[], &request).unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        (0x000A, "Invalid value for the paging state")
    );
}

#[test]
fn unset_and_ill_sized_keys_are_refused() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (pk int PRIMARY KEY, v text)");
    let insert = "INSERT INTO t (pk, v) VALUES (?, 'x')";
    let unset = bench.run(insert, &[Value::Unset]).unwrap_err();
    assert_eq!(unset.to_string(), "Unexpected unset value for bind variable 0");
    let empty = bench.run(insert, &[Value::Bytes(b"")]).unwrap_err();
    assert_eq!(empty.to_string(), "Key may not be empty");
    let short = bench.run(insert, &[Value::Bytes(b"abc")]).unwrap_err();
    assert_eq!(short.code(), 0x2200);
    assert_eq!(bench.rows_with("SELECT * FROM t WHERE pk = ?", &[Value::Null]), "");
}

#[test]
fn deep_nesting_is_refused_not_run() {
    let mut bench = bench();
    let deep = format!("INSERT INTO t (pk) VALUES ({}1{})", "[".repeat(5000), "]".repeat(5000));
    assert!(bench.refusal(&deep).starts_with("2000"));
}

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
        ("CREATE TABLE u (pk int)", "2200 No PRIMARY KEY specifed (exactly one required)"),
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

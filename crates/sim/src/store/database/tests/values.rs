//! What is written is read back.

use super::*;

#[test]
fn every_scalar_type_round_trips() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (pk int PRIMARY KEY, a ascii, b bigint, c blob, d boolean, e date, \
         f decimal, g double, h duration, i float, j inet, k smallint, l text, m time, \
         n timestamp, o timeuuid, p tinyint, q uuid, r varchar, s varint)");
    bench.ok(
        "INSERT INTO t (pk, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s) VALUES (1, \
         'x', -5, 0xCAFE, true, '2020-02-29', 1.25, -2.5, 1h30m, 0.5, '127.0.0.1', -7, 'it''s', \
         '01:02:03.5', '2020-01-01T00:00:00Z', 50554d6e-29bb-11e5-b345-feff819cdc9f, -128, \
         123e4567-e89b-42d3-a456-426614174000, $$a$b$$, 123456789012345678901234567890)",
    );
    assert_eq!(
        bench.rows("SELECT * FROM t WHERE pk = 1"),
        "1 \"x\" -5 \"0xcafe\" true \"2020-02-29\" 1.25 -2.5 \"1h30m\" 0.5 \"127.0.0.1\" -7 \
         \"it's\" \"01:02:03.500000000\" \"2020-01-01 00:00:00.000Z\" \
         \"50554d6e-29bb-11e5-b345-feff819cdc9f\" -128 \
         \"123e4567-e89b-42d3-a456-426614174000\" \"a$b\" 123456789012345678901234567890"
    );
}

#[test]
fn collections_are_changed_by_element() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (pk int PRIMARY KEY, s set<int>, l list<text>, m map<text, int>, \
         f frozen<list<int>>)");
    bench.ok("INSERT INTO t (pk, s, l, m, f) VALUES (1, {3, 1}, ['b'], {'x': 1, 'a': 2}, [2, 1])");
    bench.ok("UPDATE t SET s = s + {2}, l = ['a'] + l, m['y'] = 3 WHERE pk = 1");
    bench.ok("UPDATE t SET s = s - {3}, l = l + ['c', 'b'], m = m - {'x'} WHERE pk = 1");
    assert_eq!(
        bench.rows("SELECT s, l, m, f FROM t"),
        "[1, 2] [\"a\", \"b\", \"c\", \"b\"] {\"a\": 2, \"y\": 3} [2, 1]"
    );
    bench.ok("UPDATE t SET l[1] = 'B' WHERE pk = 1");
    bench.ok("DELETE l[0], m['a'] FROM t WHERE pk = 1");
    bench.ok("UPDATE t SET l = l - ['b'], s = {} WHERE pk = 1");
    assert_eq!(bench.rows("SELECT s, l, m FROM t"), "null [\"B\", \"c\"] {\"y\": 3}");
    bench.ok("UPDATE t SET l = ['z'], m = {'n': 0} WHERE pk = 1");
    assert_eq!(bench.rows("SELECT l, m, m['n'] FROM t"), "[\"z\"] {\"n\": 0} 0");
}

#[test]
fn user_types_and_tuples_hold_their_fields() {
    let mut bench = bench();
    bench.ok("CREATE TYPE address (street text, number int)");
    bench.ok("CREATE TABLE t (pk int PRIMARY KEY, home frozen<address>, work address, \
         pair tuple<int, text>, all list<frozen<address>>)");
    bench.ok("INSERT INTO t (pk, home, work, pair, all) VALUES (1, {street: 'a', number: 1}, \
         {street: 'b'}, (1, 'x'), [{number: 5}])");
    bench.ok("UPDATE t SET work.number = 7 WHERE pk = 1");
    assert_eq!(
        bench.rows("SELECT home, work, pair, all, work.number FROM t"),
        "{\"street\": \"a\", \"number\": 1} {\"street\": \"b\", \"number\": 7} [1, \"x\"] \
         [{\"street\": null, \"number\": 5}] 7"
    );
    bench.ok("ALTER TYPE address ADD zip text");
    assert_eq!(
        bench.rows("SELECT home FROM t"),
        "{\"street\": \"a\", \"number\": 1, \"zip\": null}"
    );
}

#[test]
fn the_newest_timestamp_wins_in_any_order() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (pk int PRIMARY KEY, v int)");
    bench.ok("INSERT INTO t (pk, v) VALUES (1, 1) USING TIMESTAMP 100");
    bench.ok("INSERT INTO t (pk, v) VALUES (1, 2) USING TIMESTAMP 50");
    assert_eq!(bench.rows("SELECT v, writetime(v) FROM t"), "1 100");
    bench.ok("DELETE FROM t USING TIMESTAMP 200 WHERE pk = 1");
    bench.ok("INSERT INTO t (pk, v) VALUES (1, 3) USING TIMESTAMP 150");
    assert_eq!(bench.rows("SELECT * FROM t"), "");
    bench.ok("INSERT INTO t (pk, v) VALUES (1, 4) USING TIMESTAMP 201");
    assert_eq!(bench.rows("SELECT v FROM t"), "4");
}

#[test]
fn cells_with_a_time_to_live_expire() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (pk int PRIMARY KEY, v int)");
    bench.ok("INSERT INTO t (pk, v) VALUES (1, 1) USING TTL 10");
    bench.ok("UPDATE t USING TTL 5 SET v = 2 WHERE pk = 2");
    assert_eq!(bench.rows("SELECT pk, ttl(v) FROM t"), "1 10 | 2 5");
    bench.now_micros += 6_000_000;
    assert_eq!(bench.rows("SELECT pk, ttl(v) FROM t"), "1 4");
    bench.now_micros += 6_000_000;
    assert_eq!(bench.rows("SELECT * FROM t"), "");
}

#[test]
fn updates_that_leave_nothing_leave_no_row() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (pk int PRIMARY KEY, v int)");
    bench.ok("UPDATE t SET v = 1 WHERE pk = 1");
    bench.ok("INSERT INTO t (pk) VALUES (2)");
    bench.ok("UPDATE t SET v = null WHERE pk = 1");
    assert_eq!(bench.rows("SELECT * FROM t"), "2 null");
}

#[test]
fn unset_keeps_a_value_and_null_deletes_it() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (pk int PRIMARY KEY, v int, w int)");
    bench.ok("INSERT INTO t (pk, v, w) VALUES (1, 1, 1)");
    let key = int(1);
    let values = [Value::Bytes(&key), Value::Unset, Value::Null];
    bench.run("INSERT INTO t (pk, v, w) VALUES (?, ?, ?)", &values).unwrap();
    assert_eq!(bench.rows("SELECT * FROM t"), "1 1 null");
}

#[test]
fn counters_add_up() {
    let mut bench = bench();
    bench.ok("CREATE TABLE c (pk int PRIMARY KEY, n counter)");
    bench.ok("UPDATE c SET n = n + 5 WHERE pk = 1");
    bench.ok("UPDATE c SET n = n - 7 WHERE pk = 1");
    bench.ok("BEGIN COUNTER BATCH UPDATE c SET n += 1 WHERE pk = 1; APPLY BATCH");
    assert_eq!(bench.rows("SELECT * FROM c"), "1 -1");
}

#[test]
fn static_columns_belong_to_their_partition() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (pk int, ck int, s text static, v int, PRIMARY KEY (pk, ck))");
    bench.ok("INSERT INTO t (pk, s) VALUES (1, 'alone')");
    assert_eq!(bench.rows("SELECT * FROM t"), "1 null \"alone\" null");
    bench.ok("INSERT INTO t (pk, ck, v) VALUES (1, 1, 1)");
    bench.ok("UPDATE t SET s = 'both' WHERE pk = 1");
    bench.ok("INSERT INTO t (pk, ck, v) VALUES (1, 2, 2)");
    assert_eq!(bench.rows("SELECT * FROM t"), "1 1 \"both\" 1 | 1 2 \"both\" 2");
    assert_eq!(bench.rows("SELECT DISTINCT pk, s FROM t"), "1 \"both\"");
}

#[test]
fn rows_are_deleted_by_key_prefix_and_slice() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (pk int, a int, b int, PRIMARY KEY (pk, a, b))");
    for (a, b) in [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1)] {
        bench.ok(&format!("INSERT INTO t (pk, a, b) VALUES (0, {a}, {b})"));
    }
    bench.ok("DELETE FROM t WHERE pk = 0 AND a = 1 AND b = 2");
    bench.ok("DELETE FROM t WHERE pk = 0 AND a = 2");
    assert_eq!(bench.rows("SELECT a, b FROM t"), "1 1 | 3 1");
    bench.ok("DELETE FROM t WHERE pk = 0 AND a > 1");
    assert_eq!(bench.rows("SELECT a, b FROM t"), "1 1");
    bench.ok("INSERT INTO t (pk, a, b) VALUES (0, 4, 4)");
    assert_eq!(bench.rows("SELECT a, b FROM t"), "1 1 | 4 4");
    bench.ok("DELETE FROM t WHERE pk = 0");
    assert_eq!(bench.rows("SELECT a, b FROM t"), "");
    for (a, b) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
        bench.ok(&format!("INSERT INTO t (pk, a, b) VALUES (0, {a}, {b})"));
    }
    bench.ok("DELETE FROM t WHERE pk = 0 AND (a, b) = (1, 1)");
    bench.ok("DELETE FROM t WHERE pk = 0 AND (a, b) >= (2, 2)");
    assert_eq!(bench.rows("SELECT a, b FROM t"), "1 2 | 2 1");
    assert_eq!(bench.rows("SELECT a FROM t WHERE pk = 0 AND (a, b) IN ((2, 1), (9, 9))"), "2");
}

#[test]
fn json_is_written_and_read() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (pk int PRIMARY KEY, v text, s set<int>)");
    bench.ok("INSERT INTO t JSON '{\"pk\": 1, \"v\": \"x\", \"s\": [2, 1]}'");
    let json = Value::Bytes(b"{\"pk\": 2}");
    bench.run("INSERT INTO t JSON ?", &[json]).unwrap();
    assert_eq!(bench.rows("SELECT * FROM t WHERE pk = 1"), "1 [1, 2] \"x\"");
    let rows = bench.rows("SELECT JSON pk, v FROM t WHERE pk = 2");
    assert_eq!(rows, r#""{\"pk\": 2, \"v\": null}""#);
}

#[test]
fn functions_make_values() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (pk int PRIMARY KEY, at timestamp, id timeuuid, raw blob)");
    bench.ok("INSERT INTO t (pk, at, id, raw) VALUES (1, toTimestamp(now()), now(), intAsBlob(5))");
    let rows = bench.rows("SELECT at, toTimestamp(id), blobAsInt(raw), token(pk) FROM t");
    let at = "\"2023-11-14 22:13:20.000Z\"";
    assert_eq!(rows, format!("{at} {at} 5 -4069959284402364209"));
}

#[test]
fn generated_uuids_are_the_same_in_every_release() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (pk int PRIMARY KEY, a timeuuid, b uuid)");
    bench.ok("INSERT INTO t (pk, a, b) VALUES (1, now(), uuid())");
    assert_eq!(
        bench.rows("SELECT a, b FROM t"),
        "\"04afc004-833b-11ee-ae73-e372e2338aca\" \"84fa19b3-842c-4472-97ba-aa114ab6c150\""
    );
}

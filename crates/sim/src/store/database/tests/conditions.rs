//! IF, and batches.

use super::*;

#[test]
fn a_conditional_write_returns_the_old_row_even_if_applied() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (pk int PRIMARY KEY, v int)");
    let insert = "INSERT INTO t (pk, v) VALUES (1, 5) IF NOT EXISTS";
    assert_eq!(bench.rows(insert), "true null null");
    assert_eq!(bench.rows(insert), "false 1 5");
    assert_eq!(bench.rows("UPDATE t SET v = 6 WHERE pk = 1 IF v = 5"), "true 5");
    assert_eq!(bench.rows("UPDATE t SET v = 7 WHERE pk = 1 IF v = 5"), "false 6");
    assert_eq!(bench.rows("UPDATE t SET v = 7 WHERE pk = 1 IF v IN (6, 9)"), "true 6");
    assert_eq!(bench.rows("UPDATE t SET v = 8 WHERE pk = 2 IF EXISTS"), "false null null");
    assert_eq!(bench.rows("UPDATE t SET v = 8 WHERE pk = 2 IF v = null"), "true null");
    assert_eq!(bench.rows("DELETE FROM t WHERE pk = 1 IF v > 100"), "false 7");
    assert_eq!(bench.rows("DELETE FROM t WHERE pk = 1 IF EXISTS"), "true 1 7");
    assert_eq!(bench.rows("SELECT * FROM t"), "2 8");
}

#[test]
fn conditional_statements_carry_their_result_metadata() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (pk int, ck int, v int, PRIMARY KEY (pk, ck))");
    let prepared = |text: &str| bench.database.prepare(text, Some("ks")).unwrap();
    let insert = prepared("INSERT INTO t (pk, ck, v) VALUES (?, ?, ?) IF NOT EXISTS");
    let names: Vec<&str> = insert.result.iter().map(|spec| spec.name.as_str()).collect();
    assert_eq!(names, ["[applied]", "pk", "ck", "v"]);
    assert!(insert.lwt);
    assert!(insert.may_report_tablet());
    let update = prepared("UPDATE t SET v = ? WHERE pk = ? AND ck = ? IF v = ?");
    assert_eq!((update.result.len(), update.pk_indexes.as_slice()), (2, &[1u16][..]));
    let plain = prepared("INSERT INTO t (pk, ck, v) VALUES (?, ?, ?)");
    assert!(plain.result.is_empty() && !plain.lwt);
}

#[test]
fn a_batch_runs_as_one() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (pk int PRIMARY KEY, v int)");
    bench.ok("BEGIN BATCH INSERT INTO t (pk, v) VALUES (1, 1); UPDATE t SET v = 2 WHERE pk = 2; \
         INSERT INTO t (pk, v) VALUES (3, 3) APPLY BATCH;");
    bench.ok("BEGIN UNLOGGED BATCH DELETE FROM t WHERE pk = 3; APPLY BATCH");
    assert_eq!(bench.rows("SELECT * FROM t"), "1 1 | 2 2");

    let insert = bench.database.prepare("INSERT INTO t (pk, v) VALUES (?, ?)", Some("ks")).unwrap();
    let (four, five) = (int(4), int(5));
    let children = [
        (Arc::clone(&insert), vec![Value::Bytes(&four), Value::Bytes(&four)]),
        (insert, vec![Value::Bytes(&five), Value::Null]),
    ];
    let request = bench.request();
    bench.database.execute_batch(&children, &request).unwrap();
    assert_eq!(bench.rows("SELECT v FROM t WHERE pk IN (4, 5)"), "null | 4");
}

#[test]
fn a_conditional_batch_answers_a_row_for_each_statement() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (pk int, ck int, v int, PRIMARY KEY (pk, ck))");
    let batch = "BEGIN BATCH INSERT INTO t (pk, ck, v) VALUES (1, 1, 1) IF NOT EXISTS; \
                 INSERT INTO t (pk, ck, v) VALUES (1, 2, 2); APPLY BATCH";
    assert_eq!(bench.rows(batch), "true null null null | true null null null");
    assert_eq!(bench.rows(batch), "false 1 1 1 | false 1 2 2");
    let spanning = "BEGIN BATCH INSERT INTO t (pk, ck, v) VALUES (1, 1, 1) IF NOT EXISTS; \
                    INSERT INTO t (pk, ck, v) VALUES (2, 2, 2); APPLY BATCH";
    let refusal = bench.refusal(spanning);
    assert_eq!(refusal, "2200 BATCH with conditions cannot span multiple partitions");
}

#[test]
fn the_first_transaction_on_a_table_with_tablets_creates_a_table_for_them() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (pk int PRIMARY KEY, v int)");
    let tables = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'ks'";
    bench.ok("INSERT INTO t (pk, v) VALUES (1, 1)");
    assert_eq!(bench.rows(tables), "\"t\"");
    for _ in 0..2 {
        bench.ok("UPDATE t SET v = 2 WHERE pk = 1 IF v = 1");
        assert_eq!(bench.rows(tables), "\"t\" | \"t$paxos\"");
    }
    let names = |changes: Vec<SchemaChange>| -> Vec<String> {
        changes.into_iter().map(|it| format!("{} {}", it.change.word(), it.name)).collect()
    };
    assert_eq!(names(bench.database.take_side_changes()), ["CREATED t$paxos"]);
    assert_eq!(bench.rows("DESCRIBE TABLES"), "\"ks\" \"table\" \"t\"");
    let Outcome::SchemaChange(changes) = bench.ok("DROP TABLE t") else { panic!("no change") };
    assert_eq!(names(changes), ["DROPPED t", "DROPPED t$paxos"]);
    assert_eq!(bench.rows(tables), "");
}

#[test]
fn transactions_without_tablets_create_no_table() {
    let mut bench = bench();
    bench.ok("CREATE KEYSPACE v WITH tablets = {'enabled': false} AND replication = {'class': \
         'NetworkTopologyStrategy', 'replication_factor': 1}");
    bench.ok("CREATE TABLE v.t (pk int PRIMARY KEY)");
    bench.ok("INSERT INTO v.t (pk) VALUES (1) IF NOT EXISTS");
    assert!(bench.database.take_side_changes().is_empty());
}

#[test]
fn version_6_2_has_no_conditions_on_tablets() {
    let mut bench = Bench { database: Database::new(Like::V6_2), now_micros: 1 };
    bench.ok("CREATE KEYSPACE ks WITH replication = {'class': 'NetworkTopologyStrategy', \
         'replication_factor': 1}");
    bench.ok("CREATE TABLE t (pk int PRIMARY KEY)");
    assert_eq!(
        bench.refusal("INSERT INTO t (pk) VALUES (1) IF NOT EXISTS"),
        "2200 Cannot use LightWeight Transactions for table ks.t: LWT is not yet supported with \
         tablets"
    );
    assert_eq!(
        bench.refusal("CREATE TABLE c (pk int PRIMARY KEY, n counter)"),
        "2200 Cannot use the 'counter' type for table ks.c: Counters are not yet supported with \
         tablets"
    );
}

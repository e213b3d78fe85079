//! Which rows a SELECT returns, and in what order.

use super::*;

fn filled() -> Bench {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (pk int, ck int, v int, PRIMARY KEY (pk, ck))");
    for pk in 1..=3 {
        for ck in 0..4 {
            bench.ok(&format!("INSERT INTO t (pk, ck, v) VALUES ({pk}, {ck}, {})", pk * 10 + ck));
        }
    }
    bench
}

#[test]
fn clustering_columns_are_sliced_and_ordered() {
    let mut bench = filled();
    let cases = [
        ("ck = 2", "12"),
        ("ck > 1", "12 | 13"),
        ("ck >= 1 AND ck < 3", "11 | 12"),
        ("ck <= 0", "10"),
        ("ck IN (3, 0, 9)", "10 | 13"),
        ("(ck) > (2)", "13"),
        ("ck > 5", ""),
        ("ck > 2 AND ck < 1", ""),
    ];
    for (slice, rows) in cases {
        assert_eq!(
            bench.rows(&format!("SELECT v FROM t WHERE pk = 1 AND {slice}")),
            rows,
            "{slice}"
        );
    }
    let reversed = "SELECT v FROM t WHERE pk = 1 AND ck < 3 ORDER BY ck DESC LIMIT 2";
    assert_eq!(bench.rows(reversed), "12 | 11");
}

#[test]
fn descending_clustering_is_stored_descending() {
    let mut bench = bench();
    bench.ok(
        "CREATE TABLE d (pk int, a text, b int, PRIMARY KEY (pk, a, b)) WITH CLUSTERING ORDER BY \
         (a DESC, b ASC)",
    );
    for (a, b) in [("x", 1), ("y", 1), ("y", 2), ("yy", 0)] {
        bench.ok(&format!("INSERT INTO d (pk, a, b) VALUES (0, '{a}', {b})"));
    }
    assert_eq!(bench.rows("SELECT a, b FROM d"), r#""yy" 0 | "y" 1 | "y" 2 | "x" 1"#);
    assert_eq!(bench.rows("SELECT b FROM d WHERE pk = 0 AND a <= 'y'"), "1 | 2 | 1");
    assert_eq!(bench.rows("SELECT b FROM d WHERE pk = 0 AND a > 'x' ORDER BY a ASC"), "2 | 1 | 0");
    assert_eq!(bench.rows("SELECT a FROM d WHERE pk = 0 AND (a, b) > ('y', 1)"), r#""yy" | "y""#);
}

#[test]
fn scans_come_in_token_order() {
    let mut bench = filled();
    assert_eq!(bench.rows("SELECT DISTINCT pk FROM t"), "1 | 2 | 3");
    let tokens = bench.rows("SELECT token(pk) FROM t PER PARTITION LIMIT 1");
    assert_eq!(tokens, "-4069959284402364209 | -3248873570005575792 | 9010454139840013625");
    let slice =
        "SELECT DISTINCT pk FROM t WHERE token(pk) > -4069959284402364209 AND token(pk) <= 0";
    assert_eq!(bench.rows(slice), "2");
    assert_eq!(bench.rows("SELECT DISTINCT pk FROM t WHERE token(pk) >= token(2)"), "2 | 3");
}

#[test]
fn limits_count_rows() {
    let mut bench = filled();
    assert_eq!(bench.rows("SELECT v FROM t LIMIT 5"), "10 | 11 | 12 | 13 | 20");
    assert_eq!(bench.rows("SELECT v FROM t PER PARTITION LIMIT 2 LIMIT 3"), "10 | 11 | 20");
    assert_eq!(bench.refusal("SELECT v FROM t LIMIT 0"), "2200 LIMIT must be strictly positive");
}

#[test]
fn filtering_must_be_allowed() {
    let mut bench = filled();
    let refusal = bench.refusal("SELECT * FROM t WHERE v = 12");
    assert!(
        refusal.starts_with("2200 Cannot execute this query as it might involve data filtering")
    );
    assert_eq!(bench.rows("SELECT ck FROM t WHERE v > 12 AND v < 22 ALLOW FILTERING"), "3 | 0 | 1");
    bench.ok("CREATE INDEX ON t (v)");
    assert_eq!(bench.rows("SELECT ck FROM t WHERE v = 12"), "2");
    assert_eq!(bench.rows("SELECT pk, ck FROM t_v_idx_index WHERE v = 12"), "1 2");
}

#[test]
fn aggregates_run_over_all_rows() {
    let mut bench = filled();
    assert_eq!(
        bench.rows("SELECT count(*), min(v), max(v), sum(ck), avg(v) FROM t"),
        "12 10 33 18 21"
    );
    assert_eq!(bench.rows("SELECT count(*) FROM t WHERE pk = 9"), "0");
    assert_eq!(bench.rows("SELECT pk, count(*) AS n FROM t GROUP BY pk"), "1 4 | 2 4 | 3 4");
    let Outcome::Rows(rows) = bench.ok("SELECT count(*), COUNT(1) AS n, token(pk), v FROM t")
    else {
        panic!("no rows");
    };
    assert_eq!(names(&rows), "count,n,system.token(pk),v");
}

#[test]
fn pages_join_to_the_whole() {
    let mut bench = filled();
    let queries = [
        "SELECT v FROM t",
        "SELECT v FROM t LIMIT 7",
        "SELECT v FROM t PER PARTITION LIMIT 3",
        "SELECT v FROM t WHERE pk = 2 ORDER BY ck DESC",
        "SELECT v FROM t WHERE pk IN (3, 1)",
        "SELECT DISTINCT pk FROM t",
        "SELECT v FROM t WHERE v > 11 ALLOW FILTERING",
    ];
    for text in queries {
        let whole = bench.rows(text);
        let prepared = bench.database.prepare(text, Some("ks")).unwrap();
        for size in 1..6 {
            let mut pages = Vec::new();
            let mut state: Option<Vec<u8>> = None;
            loop {
                let request = Request {
                    page_size: Some(size),
                    paging_state: state.as_deref(),
                    ..bench.request()
                };
                let outcome = bench.database.execute(&prepared, &[], &request).unwrap();
                let Outcome::Rows(page) = outcome else { panic!("no rows") };
                assert!(page.rows.len() <= usize::try_from(size).unwrap());
                pages.push(shown(&page));
                state = page.paging_state;
                if state.is_none() {
                    break;
                }
            }
            assert_eq!(pages.join(" | "), whole, "{text} by {size}");
        }
    }
}

#[test]
fn materialized_views_follow_their_base() {
    let mut bench = filled();
    bench.ok(
        "CREATE MATERIALIZED VIEW mv AS SELECT * FROM t WHERE v IS NOT NULL AND pk IS NOT NULL \
         AND ck IS NOT NULL PRIMARY KEY (v, pk, ck)",
    );
    assert_eq!(bench.rows("SELECT * FROM mv WHERE v = 12"), "12 1 2");
    bench.ok("ALTER TABLE t ADD w text");
    bench.ok("UPDATE t SET w = 'new' WHERE pk = 1 AND ck = 3");
    assert_eq!(bench.rows("SELECT * FROM mv WHERE v = 13"), "13 1 3 \"new\"");
    bench.ok("UPDATE t SET v = 99 WHERE pk = 1 AND ck = 2");
    assert_eq!(bench.rows("SELECT * FROM mv WHERE v = 12"), "");
    assert_eq!(bench.rows("SELECT * FROM mv WHERE v = 99"), "99 1 2 null");
}

#[test]
fn markers_take_the_servers_names() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (a int, b int, c text, l list<int>, v int, PRIMARY KEY ((a, b), c))");
    let cases = [
        ("SELECT v FROM t WHERE b = ? AND c = ? AND a = ?", "b int, c text, a int [2, 0]"),
        ("SELECT v FROM t WHERE a = 1 AND b = ?", "b int []"),
        ("SELECT v FROM t WHERE a = ? AND b IN ?", "a int, IN(b) list<int> []"),
        ("SELECT v FROM t WHERE a = ? AND b IN (?)", "a int, b int []"),
        (
            "SELECT v FROM t WHERE token(a, b) > ? LIMIT ?",
            "partition key token bigint, [limit] int []",
        ),
        ("SELECT v FROM t WHERE a = :x AND b = :x", "x int [0, 0]"),
        (
            "UPDATE t USING TTL ? AND TIMESTAMP ? SET l[?] = ?, v = ? WHERE a = ? AND b = ? AND c = ?",
            "[ttl] int, [timestamp] bigint, idx(l) int, value(l) int, v int, a int, b int, c text [5, 6]",
        ),
        ("INSERT INTO t JSON ?", " text []"),
        (
            "BEGIN BATCH INSERT INTO t (a, b, c) VALUES (?, ?, ?); DELETE FROM t WHERE a = ? AND b = ?; \
             APPLY BATCH",
            "a int, b int, c text, a int, b int [3, 4]",
        ),
    ];
    for (text, markers) in cases {
        assert_eq!(bench.markers(text), markers, "{text}");
    }
}

#[test]
fn partition_keys_are_known_before_the_run() {
    let mut bench = bench();
    bench.ok("CREATE TABLE t (a int, b text, v int, PRIMARY KEY ((a, b)))");
    let key = |text: &str, values: &[Value<'_>]| {
        bench.database.prepare(text, Some("ks")).unwrap().partition_key(values)
    };
    let expected = Some(vec![0, 4, 0, 0, 0, 1, 0, 0, 1, b'x', 0]);
    assert_eq!(key("SELECT v FROM t WHERE a = 1 AND b = 'x'", &[]), expected);
    let one = int(1);
    let values = [Value::Bytes(b"x"), Value::Bytes(&one)];
    assert_eq!(key("SELECT v FROM t WHERE b = ? AND a = ?", &values), expected);
    assert_eq!(key("INSERT INTO t (b, a, v) VALUES (?, ?, 5)", &values), expected);
    assert_eq!(key("SELECT v FROM t WHERE a IN (1, 2) AND b = 'x'", &[]), None);
    assert_eq!(key("SELECT v FROM t", &[]), None);
}

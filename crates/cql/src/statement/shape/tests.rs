//! Shapes: what is replaced, what stays, and what is bound.

use super::*;

fn shape(text: &str) -> Option<(String, usize)> {
    let shape = Shape::read(text, &TableStatement::read(text).unwrap())?;
    let mut out = String::new();
    shape.put("ks", &mut out);
    Some((out, shape.markers()))
}

#[test]
fn constants_that_are_the_value_of_a_column_are_replaced() {
    for (text, expected, count) in [
        (
            "SELECT v, 5 FROM k.t WHERE k = 5 AND c >= -3 /* 1 */ LIMIT 10;",
            "SELECT v, 5 FROM k.t WHERE k = ? AND c >= ? /* 1 */ LIMIT 10;",
            2,
        ),
        ("SELECT * FROM k.t", "SELECT * FROM k.t", 0),
        (
            "INSERT INTO k.t (k,v,w) VALUES (1,'it''s', null) USING TTL 5",
            "INSERT INTO k.t (k,v,w) VALUES (?,?, null) USING TTL 5",
            2,
        ),
        (
            "UPDATE k.t USING TIMESTAMP 7 SET v = [1, 2], w = null WHERE k = $$a$$ IF v = 3",
            "UPDATE k.t USING TIMESTAMP 7 SET v = ?, w = null WHERE k = ? IF v = 3",
            2,
        ),
        (
            "DELETE v FROM k.t WHERE k = 0xaa AND (c, d) > (1, 2) AND e IN (1, -2) AND f IN (3)",
            "DELETE v FROM k.t WHERE k = ? AND (c, d) > (1, 2) AND e IN (?, ?) AND f IN (?)",
            4,
        ),
    ] {
        assert_eq!(shape(text), Some((expected.to_owned(), count)), "{text}");
    }
}

#[test]
fn terms_that_are_no_constants_stay_in_the_text() {
    for (text, expected) in [
        ("SELECT v FROM k.t WHERE token(k) > 5 AND c = 1", "… WHERE token(k) > 5 AND c = ?"),
        ("SELECT v FROM k.t WHERE k = now() AND c = 1", "… WHERE k = now() AND c = ?"),
        ("SELECT v FROM k.t WHERE m['a'] = 1 AND c = 1", "… WHERE m['a'] = 1 AND c = ?"),
        ("SELECT v FROM k.t WHERE k = 1 + 1 AND c = 1", "… WHERE k = 1 + 1 AND c = ?"),
        ("SELECT v FROM k.t WHERE k = (int)1 AND c = 1", "… WHERE k = (int)1 AND c = ?"),
        ("SELECT v FROM k.t WHERE k CONTAINS 1 AND c = 1", "… WHERE k CONTAINS 1 AND c = ?"),
        ("SELECT v FROM k.t WHERE k IN (1, now()) AND c = 1", "… WHERE k IN (1, now()) AND c = ?"),
        ("SELECT v FROM k.t WHERE c = ? AND k = 1", "… WHERE c = ? AND k = ?"),
        ("SELECT v FROM k.t WHERE d = -1h30m AND c = 1", "… WHERE d = -1h30m AND c = ?"),
        ("SELECT v FROM k.t WHERE c = 1 USING TIMEOUT 5ms", "… WHERE c = ? USING TIMEOUT 5ms"),
        ("SELECT v FROM k.t WHERE k = 1 GROUP BY c LIMIT 5", "… WHERE k = ? GROUP BY c LIMIT 5"),
        (
            "SELECT v FROM k.t WHERE c BETWEEN 1 AND 2 AND k = 3",
            "… WHERE c BETWEEN 1 AND 2 AND k = ?",
        ),
    ] {
        let expected = expected.replace('…', "SELECT v FROM k.t");
        assert_eq!(shape(text).map(|shape| shape.0), Some(expected), "{text}");
    }
    for (text, expected) in [
        ("INSERT INTO k.t (k, v) VALUES (1, now())", "INSERT INTO k.t (k, v) VALUES (?, now())"),
        ("UPDATE k.t SET n = n + 1 WHERE k = 1", "UPDATE k.t SET n = n + 1 WHERE k = ?"),
        ("UPDATE k.t SET n += 1, v = 2 WHERE k = 1", "UPDATE k.t SET n += 1, v = ? WHERE k = ?"),
        ("UPDATE k.t SET m['a'] = 1 WHERE k = 1", "UPDATE k.t SET m['a'] = 1 WHERE k = ?"),
        ("UPDATE k.t SET u.f = 1 WHERE k = 1", "UPDATE k.t SET u.f = 1 WHERE k = ?"),
        ("UPDATE k.t SET n = 1 + n WHERE k = 1", "UPDATE k.t SET n = 1 + n WHERE k = ?"),
    ] {
        assert_eq!(shape(text).map(|shape| shape.0), Some(expected.to_owned()), "{text}");
    }
    // Beyond the bound, too.
    let many = "k = 1 AND ".repeat(CONSTANTS_MAX);
    let (text, markers) = shape(&format!("SELECT v FROM k.t WHERE {many} c = 1")).unwrap();
    assert!(text.ends_with("k = ? AND  c = 1") && markers == CONSTANTS_MAX);
}

#[test]
fn an_uncertain_text_has_no_shape() {
    for text in [
        "SELECT v FROM t WHERE k = :k",
        "SELECT v FROM t WHERE k = 1 AND c = :c",
        "UPDATE t SET v = :v WHERE k = 1",
        "SELECT v FROM t WHERE k = 1 AND m = f({'a': 1})",
        "SELECT v FROM t WHERE k = 1; SELECT",
        "SELECT v FROM t WHERE k = 1)",
        "INSERT INTO t JSON '{}'",
        "INSERT INTO t (k) VALUES (1",
    ] {
        assert_eq!(shape(text), None, "{text}");
    }
    assert!(
        shape("SELECT v FROM t WHERE k = 'a:b'").is_some(),
        "a colon in a constant names no marker"
    );
}

#[test]
fn a_table_gets_its_keyspace() {
    for (text, expected) in [
        ("SELECT v FROM t WHERE k = 1", "SELECT v FROM \"ks\".t WHERE k = ?"),
        ("SELECT v FROM \"T\"", "SELECT v FROM \"ks\".\"T\""),
        ("INSERT INTO t(k) VALUES(1)", "INSERT INTO \"ks\".t(k) VALUES(?)"),
        ("UPDATE t/**/SET v=1 WHERE k=2", "UPDATE \"ks\".t/**/SET v=? WHERE k=?"),
    ] {
        assert_eq!(shape(text).map(|shape| shape.0), Some(expected.to_owned()), "{text}");
    }
    let text = "SELECT v FROM t";
    let mut out = String::new();
    Shape::read(text, &TableStatement::read(text).unwrap()).unwrap().put("a\"b", &mut out);
    assert_eq!(out, "SELECT v FROM \"a\"\"b\".t");
}

#[test]
fn constants_and_values_are_bound_in_the_order_of_their_markers() {
    let text = "UPDATE t SET a = 1, b = ?, c = 'x' WHERE k = ? AND l = 2";
    let shape = Shape::read(text, &TableStatement::read(text).unwrap()).unwrap();
    let mut sent = Vec::new();
    put_bytes(&mut sent, Some(b"B"));
    put_bytes(&mut sent, None);
    let kinds = [
        ColumnType::Tinyint,
        ColumnType::Blob,
        ColumnType::Varchar,
        ColumnType::Blob,
        ColumnType::Tinyint,
    ];
    let mut out = Vec::new();
    shape.put_values(&kinds, Values::new(2, false, &sent), &mut out).unwrap();
    let mut expected = Vec::new();
    for value in [Some(&[1][..]), Some(b"B"), Some(b"x"), None, Some(&[2])] {
        put_bytes(&mut expected, value);
    }
    assert_eq!(out, expected);
    for (count, is_named) in [(1, false), (2, true)] {
        let values = Values::new(count, is_named, &sent);
        assert_eq!(shape.put_values(&kinds, values, &mut out), Err(Uncertain));
    }
    let others =
        [ColumnType::Int, ColumnType::Blob, ColumnType::Int, ColumnType::Blob, ColumnType::Int];
    let values = Values::new(2, false, &sent);
    assert_eq!(shape.put_values(&others, values, &mut out), Err(Uncertain), "a text is no int");
}

#[test]
fn types_are_written_before_the_markers_of_constants_alone() {
    let text = "UPDATE t SET v = 'x', w = ? WHERE k = 5 AND c IN (1, 2) AND d = ?";
    let shape = Shape::read(text, &TableStatement::read(text).unwrap()).unwrap();
    let typed = |kinds: &[ColumnType]| {
        let mut out = String::new();
        shape.put_typed("k\"s", kinds, &mut out).map(|()| out)
    };
    use ColumnType::{Bigint, Counter, Float, Int, Timestamp, Varchar};
    assert_eq!(
        typed(&[Varchar, Counter, Int, Bigint, Bigint, Timestamp]).unwrap(),
        "UPDATE \"k\"\"s\".t SET v = (text)?, w = ? WHERE k = (int)? \
         AND c IN ((bigint)?, (bigint)?) AND d = ?"
    );
    assert!(typed(&[Varchar, Int, Int, Bigint, Bigint]).is_err(), "one is missing");
    for unnamed in [Counter, ColumnType::List(Box::new(Float)), ColumnType::Custom("x".to_owned())]
    {
        assert!(typed(&[unnamed, Int, Int, Bigint, Bigint, Int]).is_err());
    }
}

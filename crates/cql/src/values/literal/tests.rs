//! Which bytes literals stand for, and which are not certain.

use super::*;

fn put(text: &str, kind: &ColumnType) -> Result<Vec<u8>, Uncertain> {
    let mut lexer = Lexer::new(text);
    let literal = Literal::take(&mut lexer).ok_or(Uncertain)?;
    assert_eq!(lexer.next(), None, "{text}");
    let mut out = vec![7];
    let put = literal.put(kind, &mut out);
    assert_eq!(out.remove(0), 7);
    assert!(put.is_ok() || out.is_empty(), "{text} left bytes behind");
    put.map(|()| out)
}

#[test]
fn a_doubled_quote_is_one_but_not_between_dollars() {
    let text = |text| put(text, &ColumnType::Varchar);
    assert_eq!(text("'it''s'''"), Ok(b"it's'".to_vec()));
    assert_eq!(text("$$it''s$$"), Ok(b"it''s".to_vec()));
    assert_eq!(text("''"), Ok(Vec::new()));
    assert_eq!(put("'it''s'", &ColumnType::Ascii), Ok(b"it's".to_vec()));
    assert_eq!(put("'é'", &ColumnType::Ascii), Err(Uncertain));
}

#[test]
fn a_literal_of_another_kind_than_its_column_is_uncertain() {
    let cases = [
        ("'1'", ColumnType::Int),
        ("1", ColumnType::Varchar),
        ("1.0", ColumnType::Int),
        ("'true'", ColumnType::Boolean),
        ("1", ColumnType::Boolean),
        ("'0xca'", ColumnType::Blob),
        ("'f47ac10b-58cc-4372-a567-0e02b2c3d479'", ColumnType::Uuid),
        ("1", ColumnType::Time),
        ("1.5", ColumnType::Timestamp),
        ("1", ColumnType::Counter),
        ("(1)", ColumnType::Int),
        ("{1}", ColumnType::List(Box::new(ColumnType::Int))),
        ("[1]", ColumnType::Set(Box::new(ColumnType::Int))),
    ];
    for (text, kind) in cases {
        assert_eq!(put(text, &kind), Err(Uncertain), "{text} {kind:?}");
    }
}

#[test]
fn numbers_may_be_negative_where_the_sign_touches_them() {
    assert_eq!(put("-2", &ColumnType::Tinyint), Ok(vec![0xfe]));
    assert_eq!(put("-2.0", &ColumnType::Double), Ok((-2.0_f64).to_be_bytes().to_vec()));
    assert_eq!(Literal::take(&mut Lexer::new("- 2")), None);
    assert_eq!(Literal::take(&mut Lexer::new("-'2'")), None);
}

#[test]
fn calls_markers_and_null_are_no_literals() {
    for text in
        ["null", "now()", "?", ":a", "NaN", "-infinity", "(1", "{", "{0]", "[(0])", "", "\"a\""]
    {
        assert_eq!(Literal::take(&mut Lexer::new(text)), None, "{text}");
    }
}

#[test]
fn elements_of_sets_and_keys_of_maps_are_sorted_as_servers_do() {
    let int = || Box::new(ColumnType::Int);
    let two = [0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 9, 0, 0, 0, 4, 0, 0, 0, 1];
    assert_eq!(put("[9, 1]", &ColumnType::List(int())), Ok(two.to_vec()));
    assert_eq!(put("[]", &ColumnType::List(int())), Ok(vec![0; 4]));
    let set = ColumnType::Set(int());
    assert_eq!(put("{9}", &set), Ok(vec![0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 9]));
    let sorted = [0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 9];
    assert_eq!(put("{9, 1}", &set), Ok(sorted.to_vec()));
    assert_eq!(put("{3, 9, -1, 1}", &set), put("{-1, 1, 3, 9}", &set));
    assert_eq!(put("{9, 1, 9}", &set), Err(Uncertain));
    let words = ColumnType::Set(Box::new(ColumnType::Varchar));
    assert_eq!(put("{'b', 'aa', ''}", &words), put("{'', 'aa', 'b'}", &words));
    let map = ColumnType::Map(int(), Box::new(ColumnType::Varchar));
    let entry = [0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 9, 0, 0, 0, 1, b'x'];
    assert_eq!(put("{9: 'x'}", &map), Ok(entry.to_vec()));
    let entries = [
        [0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 1, b'y'].as_slice(),
        &[0, 0, 0, 4, 0, 0, 0, 9, 0, 0, 0, 1, b'x'],
    ];
    assert_eq!(put("{9: 'x', 1: 'y'}", &map), Ok(entries.concat()));
    assert_eq!(
        put("{9: 'x', 5: 'longer', 7: ''}", &map),
        put("{5: 'longer', 7: '', 9: 'x'}", &map)
    );
    assert_eq!(put("{9: 'x', 9: 'y'}", &map), Err(Uncertain));
    assert_eq!(put("{9, 1}", &map), Err(Uncertain));
    assert_eq!(put("{9: 'x'}", &set), Err(Uncertain));
    let many = |count: usize| {
        let all: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        put(&format!("{{{}}}", all.join(", ")), &set).is_ok()
    };
    assert!(many(SORTED_MAX) && !many(SORTED_MAX + 1));
    assert_eq!(put("{}", &map), Ok(vec![0; 4]));
    assert_eq!(put("[1 2]", &ColumnType::List(int())), Err(Uncertain));
    assert_eq!(put("[1, now()]", &ColumnType::List(int())), Err(Uncertain));
}

#[test]
fn tuples_have_every_part_and_types_null_for_what_is_missing() {
    let tuple = ColumnType::Tuple(vec![ColumnType::Tinyint, ColumnType::Varchar]);
    assert_eq!(put("(1, 'a')", &tuple), Ok(vec![0, 0, 0, 1, 1, 0, 0, 0, 1, b'a']));
    assert_eq!(put("(1)", &tuple), Err(Uncertain));
    assert_eq!(put("(1, 'a', 2)", &tuple), Err(Uncertain));
    let udt = ColumnType::Udt {
        keyspace: "ks".to_owned(),
        name: "t".to_owned(),
        fields: vec![("a".to_owned(), ColumnType::Tinyint), ("B".to_owned(), ColumnType::Tinyint)],
    };
    assert_eq!(put("{\"B\": 2, A: 1}", &udt), Ok(vec![0, 0, 0, 1, 1, 0, 0, 0, 1, 2]));
    assert_eq!(put("{a: 1}", &udt), Ok(vec![0, 0, 0, 1, 1, 0xff, 0xff, 0xff, 0xff]));
    for wrong in ["{}", "{a: 1, b: 2}", "{a: 1, a: 2}", "{a: 1, c: 2}", "{a: now()}"] {
        assert_eq!(put(wrong, &udt), Err(Uncertain), "{wrong}");
    }
}

#[test]
fn elements_that_servers_compare_by_parts_are_uncertain_if_there_are_several() {
    let pairs = ColumnType::Set(Box::new(ColumnType::Tuple(vec![ColumnType::Int])));
    assert!(put("{(1)}", &pairs).is_ok());
    assert_eq!(put("{(1), (2)}", &pairs), Err(Uncertain));
}

#[test]
fn literals_nest_to_a_bound() {
    let (mut kind, mut text) = (ColumnType::Tinyint, "1".to_owned());
    for depth in 2..=DEPTH_MAX + 1 {
        kind = ColumnType::List(Box::new(kind));
        text = format!("[{text}]");
        assert_eq!(put(&text, &kind).is_ok(), depth <= DEPTH_MAX, "{depth}");
    }
}

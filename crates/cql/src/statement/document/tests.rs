//! Documents as applications write them, and those that servers may read in two ways.

use super::*;
use proptest::prelude::any;
use proptest::{prop_assert_eq, proptest};

fn put(document: Document<'_>, columns: &[(&str, ColumnType)]) -> Result<Vec<Vec<u8>>, Uncertain> {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let found = document.find(&names)?;
    let put = |(value, (_, kind)): (Option<DocumentValue<'_>>, &(&str, ColumnType))| {
        let mut cell = Vec::new();
        value.unwrap().put(kind, &mut cell).map(|()| cell)
    };
    found.into_iter().zip(columns).map(put).collect()
}

/// The value of `k` in a document between `'`.
fn cell(kind: ColumnType, text: &str) -> Result<Vec<u8>, Uncertain> {
    let document = Document::of_literal(&Literal::Text(text)).unwrap();
    put(document, &[("k", kind)]).map(|mut cells| cells.remove(0))
}

#[test]
fn a_key_is_found_among_other_members() {
    let text = r#" { "v" : [1, {"k": "]"}, "}"], "B":"x", "n": null, "\"Odd\"" :7,"a": -1 } "#;
    let columns =
        [("a", ColumnType::Int), ("b", ColumnType::Varchar), ("Odd", ColumnType::Tinyint)];
    let cells = vec![vec![0xff; 4], b"x".to_vec(), vec![7]];
    for literal in [Literal::Text(text), Literal::Dollars(text)] {
        let document = Document::of_literal(&literal).unwrap();
        assert_eq!(put(document, &columns), Ok(cells.clone()));
    }
    assert_eq!(put(Document::of_bytes(text.as_bytes()).unwrap(), &columns), Ok(cells));
}

#[test]
fn values_become_the_bytes_of_their_type() {
    let uuid = "00112233-4455-6677-8899-aabbccddeeff";
    let uuid_text = format!("{{\"k\": \"{uuid}\"}}");
    let cases: [(ColumnType, &str, &[u8]); 10] = [
        (ColumnType::Bigint, r#"{"k": 1}"#, &[0, 0, 0, 0, 0, 0, 0, 1]),
        (ColumnType::Int, r#"{"k": "1"}"#, &[0, 0, 0, 1]),
        (ColumnType::Varint, r#"{"k": 128}"#, &[0, 128]),
        (ColumnType::Boolean, r#"{"k": true}"#, &[1]),
        (ColumnType::Blob, r#"{"k": "0xCAfe"}"#, &[0xca, 0xfe]),
        (ColumnType::Inet, r#"{"k": "10.0.0.1"}"#, &[10, 0, 0, 1]),
        (ColumnType::Date, r#"{"k": "1970-01-01"}"#, &[0x80, 0, 0, 0]),
        (ColumnType::Timestamp, r#"{"k": 1000}"#, &[0, 0, 0, 0, 0, 0, 3, 0xe8]),
        (ColumnType::Timestamp, r#"{"k": "1970-01-01 00:00:01Z"}"#, &[0, 0, 0, 0, 0, 0, 3, 0xe8]),
        (ColumnType::Varchar, r#"{"k": ""}"#, b""),
    ];
    for (kind, text, expected) in cases {
        assert_eq!(cell(kind, text).as_deref(), Ok(expected), "{text}");
    }
    assert_eq!(cell(ColumnType::Uuid, &uuid_text).unwrap()[..2], [0, 0x11]);
}

#[test]
fn escapes_and_doubled_quotes_are_undone_in_texts() {
    let text = r#"{"k": "it''s \"é\" \\ \/ \n\t\u00e9 \ud83e\udd80日", "v": "''"}"#;
    let expected = "it's \"é\" \\ / \n\té 🦀日".as_bytes();
    assert_eq!(cell(ColumnType::Varchar, text).as_deref(), Ok(expected));
    let document = Document::of_bytes(br#"{"k": "it''s"}"#).unwrap();
    assert_eq!(put(document, &[("k", ColumnType::Varchar)]), Ok(vec![b"it''s".to_vec()]));
}

#[test]
fn json_that_servers_may_read_otherwise_is_uncertain() {
    for (kind, text) in [
        (ColumnType::Int, r#"{"k": 1, "K": 2}"#),
        (ColumnType::Int, r#"{"v": 1}"#),
        (ColumnType::Int, r#"{"k": null}"#),
        (ColumnType::Int, r#"{"k": 1.0}"#),
        (ColumnType::Int, r#"{"k": 1e3}"#),
        (ColumnType::Int, r#"{"k": [1]}"#),
        (ColumnType::Int, r#"{"k": 1, "\u006b": 2}"#),
        (ColumnType::Int, r#"{"k": 1} x"#),
        (ColumnType::Int, r#"{"k": 1"#),
        (ColumnType::Int, r#"{"k": 1,}"#),
        (ColumnType::Int, r#"[{"k": 1}]"#),
        (ColumnType::Int, r#"{k: 1}"#),
        (ColumnType::Int, r#"{"\"K\"": 1}"#),
        (ColumnType::Varchar, r#"{"k": 1}"#),
        (ColumnType::Varchar, r#"{"k": "\ud83e"}"#),
        (ColumnType::Varchar, r#"{"k": "\ud83e\u0041"}"#),
        (ColumnType::Varchar, r#"{"k": "\udd80\ud83e"}"#),
        (ColumnType::Varchar, r#"{"k": "\u00e"}"#),
        (ColumnType::Varchar, r#"{"k": "\x"}"#),
        (ColumnType::Varchar, "{\"k\": \"a\nb\"}"),
        (ColumnType::Ascii, r#"{"k": "é"}"#),
        (ColumnType::Boolean, r#"{"k": "true"}"#),
        (ColumnType::Blob, r#"{"k": "0Xcafe"}"#),
        (ColumnType::Double, r#"{"k": 1.5}"#),
        (ColumnType::Decimal, r#"{"k": 1}"#),
        (ColumnType::List(Box::new(ColumnType::Int)), r#"{"k": [1]}"#),
    ] {
        assert_eq!(cell(kind, text), Err(Uncertain), "{text}");
    }
    assert_eq!(Document::of_literal(&Literal::Integer("1")), None);
    assert_eq!(Document::of_bytes(&[0xff]), None);
    assert_eq!(Document::of_bytes(&vec![b' '; READ_BYTES_MAX + 1]), None);
    let deep = format!("{{\"v\": {}{}, \"k\": 1}}", "[".repeat(100), "]".repeat(100));
    assert_eq!(cell(ColumnType::Int, &deep), Err(Uncertain));
}

proptest! {
    #[test]
    fn no_document_makes_it_panic(text in "[\\[\\]{}\":,\\\\ku0-9a-f' \n]{0,40}") {
        let _cell = cell(ColumnType::Varchar, &text);
        let _other = cell(ColumnType::Int, &format!("{{\"k\": {text}}}"));
    }

    #[test]
    fn every_text_comes_out_as_it_went_in(key in any::<String>(), other in any::<String>()) {
        let text = serde_json::json!({"a": other, "k": key}).to_string();
        let document = Document::of_bytes(text.as_bytes()).unwrap();
        let found = put(document, &[("k", ColumnType::Varchar)]);
        prop_assert_eq!(found, Ok(vec![key.into_bytes()]), "{}", text);
    }
}

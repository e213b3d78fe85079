//! Keys of texts that applications might send, compared with those that the simulated node reads.

use cql::statement::document::Document;
use cql::statement::partition::Partition;
use cql::statement::statement::TableStatement;
use cql::statement::term::Term;
use proptest::prelude::*;
use serde_json::json;

use crate::targets::keys::{Checked, check};

/// A term of an `int` or of a `text` column.
fn term(is_text: bool) -> impl Strategy<Value = String> {
    let number = any::<i32>().prop_map(|number| number.to_string());
    let text = "[a-z'?;: ]{0,8}".prop_map(|text| format!("'{}'", text.replace('\'', "''")));
    let dollars = "[a-z'?; ]{1,8}".prop_map(|text| format!("$${text}$$"));
    let literal = if is_text { text.boxed() } else { number.boxed() };
    let other = if is_text { dollars.boxed() } else { Just("0".to_owned()).boxed() };
    prop_oneof![4 => Just("?".to_owned()), 3 => literal, 1 => other]
}

fn blank() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just(" "), 1 => Just("\n\t"), 1 => Just(" /* ? ' */ "), 1 => Just(" -- ?\n")]
}

/// Relations that give the whole key.
fn relations() -> impl Strategy<Value = String> {
    let terms = (term(false), term(true), term(false), any::<bool>());
    terms.prop_map(|(a, b, c, is_turned)| match is_turned {
        true => format!("\"B\" = {b} AND c = {c} AND A = {a}"),
        false => format!("a = {a} AND \"B\" IN ({b}) AND c = {c}"),
    })
}

/// A constant of a `duration` column.
fn duration() -> impl Strategy<Value = String> {
    "-?([1-9]{1,2}(y|mo|W|d|h|m|S|ms|us|\u{b5}s|ns)|P1Y2DT3H)"
}

/// A statement about `k.t` that gives its whole key, with its words apart by any blank.
fn statement() -> impl Strategy<Value = String> {
    let values = (term(false), term(true), term(false), term(true), duration());
    let insert = values.prop_map(|(a, b, c, v, d)| {
        format!("INSERT INTO k.t (v, d, a, c, \"B\") VALUES ({v}, {d}, {a}, {c}, {b})")
    });
    let select = (relations(), prop_oneof![Just(""), Just(" LIMIT 5"), Just(" USING TIMEOUT 5s")])
        .prop_map(|(key, end)| format!("SELECT v, writetime(v) FROM k.t WHERE {key}{end}"));
    let update = (term(true), duration(), relations(), prop_oneof![Just(""), Just(" IF v = 'x'")])
        .prop_map(|(v, d, key, end)| {
            format!("UPDATE k.t SET v = {v}, d = {d}, m['?'] = 1 WHERE {key}{end}")
        });
    let delete =
        relations().prop_map(|key| format!("DELETE v FROM k.t USING TIMESTAMP 1 WHERE {key};"));
    prop_oneof![insert, select, update, delete]
}

/// An INSERT of a JSON document that has the whole key, between single quotes or dollars.
fn document() -> impl Strategy<Value = String> {
    let text = "[a-zé'\"\\\\/\n\u{1}日 ]{0,8}";
    let values = (any::<i32>(), text, any::<i32>(), text, any::<u8>());
    values.prop_map(|(a, b, c, v, form)| {
        let a = if form & 1 == 0 { json!(a) } else { json!(a.to_string()) };
        let members = json!({"\"B\"": b, "A": a, "c": c, "v": v, "m": {"'}\"": 1}});
        let text = if form & 2 == 0 { members.to_string() } else { format!("{members:#}") };
        match form & 4 {
            0 => format!("INSERT INTO k.t JSON '{}'", text.replace('\'', "''")),
            _ => format!("INSERT INTO k.t JSON $${text}$$ DEFAULT NULL"),
        }
    })
}

/// Whether the key of a text's document is found.
fn is_found(text: &str) -> bool {
    let target = TableStatement::read(text).unwrap().target(&["a", "B"]).unwrap();
    let Partition::Json(Term::Literal(literal)) = target.partition else { return false };
    Document::of_literal(&literal).is_some_and(|document| document.find(&["a", "B"]).is_ok())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_text_that_gives_its_key_is_read_as_a_node_reads_it(
        text in statement(),
        before in blank(),
    ) {
        prop_assert_eq!(check(&format!("{before}{text}")), Checked::Agreed, "{}", text);
    }

    #[test]
    fn a_document_is_stored_under_the_key_that_is_read(text in document()) {
        prop_assert!(is_found(&text), "{}", text);
        prop_assert_eq!(check(&text), Checked::Agreed, "{}", text);
    }
}

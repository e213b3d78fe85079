//! A text, and its shape as a prepared statement with the same constants: a node does the same.

use cql::consistency::Consistency;
use cql::notation::{Reader, put_short, put_short_bytes};
use cql::opcode::Opcode;
use cql::request::parameters::Values;
use cql::response::metadata::read_bind_metadata;
use cql::response::result::ResultKind;
use cql::statement::shape::Shape;
use cql::statement::statement::TableStatement;
use cql::values::column_type::ColumnType;
use proptest::prelude::*;

use crate::support::frames::{self, Frame};
use crate::targets::node::Server;

const SCHEMA: [&str; 3] = [
    "CREATE TABLE k.t (a int, \"B\" text, c bigint, v text, n decimal, l list<int>, PRIMARY KEY ((a, \"B\"), c))",
    "INSERT INTO k.t (a, \"B\", c, v) VALUES (1, 'x', 1, 'one')",
    "INSERT INTO k.t (a, \"B\", c, v, n, l) VALUES (1, 'x', 2, 'two', 1.50, [1])",
];

/// Prepares a statement: its id, and the types of its markers. `None` when it is refused.
fn prepare(server: &mut Server, text: &str) -> Option<(Vec<u8>, Vec<ColumnType>)> {
    let prepared = server.send(&frames::prepare(2, text));
    if ResultKind::read(&prepared.body) != Ok(ResultKind::Prepared) {
        return None;
    }
    let mut reader = Reader::new(&prepared.body);
    reader.int().unwrap();
    let id = reader.short_bytes().unwrap().to_vec();
    let bound = read_bind_metadata(&mut reader, 4).unwrap();
    Some((id, bound.markers.into_iter().map(|marker| marker.kind).collect()))
}

/// Runs the shape of `text`; `None` when it has none, or a constant is not certain for its column.
fn run_shape(server: &mut Server, text: &str) -> Option<Frame> {
    let shape = Shape::read(text, &TableStatement::read(text).ok()?)?;
    let mut shaped = String::new();
    shape.put("k", &mut shaped);
    let (_, untyped) = prepare(server, &shaped)?;
    assert_eq!(untyped.len(), shape.markers(), "{shaped}");
    shaped.clear();
    shape.put_typed("k", &untyped, &mut shaped).ok()?;
    let (id, kinds) = prepare(server, &shaped).expect("it has these types");
    assert_eq!(kinds, untyped, "{shaped}");
    let mut values = Vec::new();
    shape.put_values(&kinds, Values::new(0, false, &[]), &mut values).ok()?;
    let execute = frames::client_frame(3, Opcode::Execute, |out| {
        put_short_bytes(out, &id);
        Consistency::One.put(out);
        out.push(1);
        put_short(out, u16::try_from(kinds.len()).unwrap());
        out.extend_from_slice(&values);
    });
    Some(server.send(&execute))
}

/// Whether both ways are the same; `None` when there is one way alone.
fn compare(text: &str) -> Option<()> {
    let (mut direct, mut shaped) = (Server::new(&SCHEMA), Server::new(&SCHEMA));
    let answer = run_shape(&mut shaped, text)?;
    let expected = direct.ask(text);
    assert_eq!(answer.opcode(), expected.opcode(), "{text}");
    if expected.opcode() == Opcode::Result {
        assert_eq!(answer.body, expected.body, "{text}");
    }
    let all = "SELECT a, \"B\", c, v, n, l FROM k.t";
    assert_eq!(direct.ask(all).body, shaped.ask(all).body, "{text}");
    Some(())
}

#[test]
fn statements_of_each_kind_do_the_same_by_their_shape() {
    for text in [
        "SELECT v, n, l FROM k.t WHERE a = 1 AND \"B\" = 'x' AND c >= 1 LIMIT 1",
        "SELECT * FROM k.t WHERE a = 7 AND \"B\" = 'no'",
        "SELECT count(*) FROM k.t WHERE a = 1 AND \"B\" = $$x$$",
        "SELECT v FROM k.t WHERE a = 1 AND \"B\" = 'x' ORDER BY c DESC",
        "INSERT INTO k.t (v, a, c, \"B\", n) VALUES ('it''s', -2, 5, '', 1e3)",
        "INSERT INTO k.t (a, \"B\", c, v) VALUES (1, 'x', 1, null) USING TIMESTAMP 5",
        "INSERT INTO k.t (a, \"B\", c) VALUES (1, 'x', 1) IF NOT EXISTS",
        "UPDATE k.t SET v = 'new', n = -1.0 WHERE a = 1 AND \"B\" = 'x' AND c = 2",
        "UPDATE k.t SET v = 'new' WHERE a = 1 AND \"B\" = 'x' AND c = 2 IF v = 'other'",
        "UPDATE k.t USING TTL 100 SET l = null WHERE a = 1 AND \"B\" = 'x' AND c = 2",
        "DELETE v FROM k.t WHERE a = 1 AND \"B\" = 'x' AND c = 2",
        "DELETE FROM k.t WHERE a = 1 AND \"B\" = 'x' AND c > 1",
    ] {
        assert!(compare(text).is_some(), "{text} has no shape");
    }
}

fn term() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i32>().prop_map(|number| number.to_string()),
        "[a-z'é]{0,5}".prop_map(|text| format!("'{}'", text.replace('\'', "''"))),
        Just("1".to_owned()),
        Just("'x'".to_owned()),
        Just("null".to_owned()),
        Just("[1, 2]".to_owned()),
        Just("1.5".to_owned()),
        Just("now()".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn texts_of_any_constants_do_the_same_by_their_shape(
        a in term(), b in term(), c in term(), v in term(), form in 0..3,
    ) {
        let text = match form {
            0 => format!("INSERT INTO k.t (a, \"B\", c, v) VALUES ({a}, {b}, {c}, {v})"),
            1 => format!("UPDATE k.t SET v = {v} WHERE a = {a} AND \"B\" = {b} AND c = {c}"),
            _ => format!("SELECT v FROM k.t WHERE a = {a} AND \"B\" = {b} AND c < {c}"),
        };
        let _is_compared = compare(&text);
    }
}

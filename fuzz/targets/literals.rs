//! Literals: the bytes that they are thought to stand for are those that a node stores.

use std::cell::RefCell;

use cql::opcode::Opcode;
use cql::response::rows::Rows;
use cql::statement::partition::Partition;
use cql::statement::statement::TableStatement;
use cql::statement::term::Term;
use cql::values::column_type::ColumnType;

use crate::targets::node::Server;

const TEXT_MAX: usize = 300;
/// Texts that one node is asked at most.
const TEXTS_OF_ONE: usize = 256;

thread_local! {
    static NODE: RefCell<Option<Server>> = const { RefCell::new(None) };
}

/// A type that a key may have, and how a schema writes it.
fn kinds() -> Vec<(&'static str, ColumnType)> {
    let int = || Box::new(ColumnType::Int);
    vec![
        ("ascii", ColumnType::Ascii),
        ("bigint", ColumnType::Bigint),
        ("blob", ColumnType::Blob),
        ("boolean", ColumnType::Boolean),
        ("date", ColumnType::Date),
        ("decimal", ColumnType::Decimal),
        ("double", ColumnType::Double),
        ("float", ColumnType::Float),
        ("inet", ColumnType::Inet),
        ("int", ColumnType::Int),
        ("smallint", ColumnType::Smallint),
        ("text", ColumnType::Varchar),
        ("time", ColumnType::Time),
        ("timestamp", ColumnType::Timestamp),
        ("timeuuid", ColumnType::Timeuuid),
        ("tinyint", ColumnType::Tinyint),
        ("uuid", ColumnType::Uuid),
        ("varint", ColumnType::Varint),
        ("frozen<list<int>>", ColumnType::List(int())),
        ("frozen<set<int>>", ColumnType::Set(int())),
        ("frozen<map<int, int>>", ColumnType::Map(int(), int())),
        ("frozen<tuple<int, text>>", ColumnType::Tuple(vec![ColumnType::Int, ColumnType::Varchar])),
    ]
}

/// The first byte chooses a type, the rest is a literal.
pub(crate) fn run(data: &[u8]) {
    let Some((&choice, literal)) = data.split_first() else { return };
    let Ok(literal) = std::str::from_utf8(literal) else { return };
    if literal.len() > TEXT_MAX {
        return;
    }
    let kinds = kinds();
    let at = usize::from(choice) % kinds.len();
    let text = format!("INSERT INTO k.t{at} (k) VALUES ({literal})");
    let Ok(Ok(target)) = TableStatement::read(&text).map(|statement| statement.target(&["k"]))
    else {
        return;
    };
    let Partition::One(key) = target.partition else { panic!("an INSERT has one key: {text}") };
    let [Term::Literal(literal)] = key.terms() else { return };
    let mut cell = Vec::new();
    if literal.put(&kinds[at].1, &mut cell).is_err() {
        assert!(cell.is_empty());
        return;
    }
    let mut server = NODE.with_borrow_mut(Option::take).unwrap_or_else(|| {
        let tables = kinds.iter().enumerate();
        let tables =
            tables.map(|(at, (kind, _))| format!("CREATE TABLE k.t{at} (k {kind} PRIMARY KEY)"));
        let tables: Vec<String> = tables.collect();
        Server::new(&tables.iter().map(String::as_str).collect::<Vec<_>>())
    });
    let answer = server.ask(&text);
    // An empty blob or text is a literal, and no server takes it for a key.
    let is_stored = answer.opcode() == Opcode::Result;
    assert!(is_stored || cell.is_empty() || target.is_conditional, "certain, and refused: {text}");
    if is_stored && !target.is_conditional {
        let stored = server.ask(&format!("SELECT k FROM k.t{at}"));
        let rows = Rows::read(&stored.body).expect("our own node");
        let found = rows.rows().any(|row| row.expect("our own node").cells == [Some(&cell[..])]);
        assert!(found, "stored otherwise: {text}");
    }
    server.texts += 1;
    if server.texts < TEXTS_OF_ONE {
        NODE.set(Some(server));
    }
}

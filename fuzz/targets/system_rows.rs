//! The one node that a driver sees: any statement about it gets rows that can be read, and no row
//! shows an address of a real node.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use cql::error::WireError;
use cql::header::HEADER_LEN;
use cql::notation::Reader;
use cql::request::parameters::Parameters;
use cql::response::prepared::Prepared;
use cql::response::rows::Rows;
use cql::statement::name::quoted;
use cql::values::cell;
use cql::values::column_type::ColumnType;
use shardlane::control::tables::server_tables::ServerTables;
use shardlane::facade::facade::Facade;
use shardlane::facade::tables::table_name;
use shardlane::facade::tables::virtual_table::{LiveState, Viewpoint};
use shardlane::facade::text::select::Select;
use shardlane::facade::text::statement_id::{facade_id, is_facade_id};
use shardlane::facade::text::statement_text::{self, NAME_BYTES_MAX, StatementText};
use shardlane::listen::listener::Bind;
use shardlane::server::facade::{self, Front, Location};

const LOCAL: &str = include_str!("../../tests/data/frames/rows_local_2026.txt");
const PEERS: &str = include_str!("../../tests/data/frames/rows_peers_2026.txt");

/// The bytes of a frame that is kept as hex, without its header.
fn body(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(|line| line.chars().filter_map(|digit| digit.to_digit(16)))
        .collect();
    let bytes = digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8);
    bytes.skip(HEADER_LEN).collect()
}

/// The facade before a real node.
pub(crate) fn real_facade() -> Facade {
    let (local, peers) = (body(LOCAL), body(PEERS));
    let local = Rows::read(&local).expect("a real node's rows");
    let peers = Rows::read(&peers).expect("a real node's rows");
    facade_of(&local, &peers).expect("a real node's rows")
}

/// As the proxy makes it, with another address that is its peer.
fn facade_of(local: &Rows<'_>, peers: &Rows<'_>) -> Result<Facade, WireError> {
    let binds = [SEEN_AT, PEER].map(Bind::Tcp);
    let front = Front::new(&binds, true);
    Ok(facade::of(&ServerTables::read(local, peers)?, Location::default(), &front).facade())
}

/// A statement, a zero byte, then its parameters; or a zero byte, then a node's rows.
pub(crate) fn run(data: &[u8]) {
    let split = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (text, rest) = data.split_at(split);
    let rest = rest.get(1..).unwrap_or_default();
    if text.is_empty() {
        return made_of_any_rows(rest);
    }
    let Ok(text) = std::str::from_utf8(text) else { return };
    let facade = real_facade();
    for keyspace in [None, Some("system")] {
        ask(&facade, text, keyspace, rest);
    }
    if text.len() > NAME_BYTES_MAX {
        return;
    }
    let name = quoted(text);
    let back = statement_text::classify(&format!("USE {name}"), None);
    assert_eq!(back, StatementText::Use(text.to_owned()));
}

/// Where the client finds us.
const SEEN_AT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 1, 2, 3)), 4567);

/// Another address of ours, which is its peer.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 1, 2, 4)), 4567);

/// A process of which nothing is known.
struct Nothing;

impl LiveState for Nothing {
    fn schema_version(&self) -> Option<[u8; 16]> {
        None
    }
}

/// An answer, if there is one, is as long as it says.
fn answer(facade: &Facade, select: &Select, parameters: &Parameters<'_>) -> Option<Vec<u8>> {
    let asked = Viewpoint { seen_at: SEEN_AT, live: &Nothing };
    let answer = facade.answer(select, parameters, &asked).ok()?;
    let mut out = Vec::new();
    answer.put(&mut out);
    assert_eq!(out.len(), answer.len());
    Some(out)
}

fn ask(facade: &Facade, text: &str, keyspace: Option<&str>, parameters: &[u8]) {
    let StatementText::Local(select) = statement_text::classify(text, keyspace) else { return };
    let id = facade_id(keyspace, text);
    assert!(is_facade_id(&id));
    for version in [3, 4] {
        match facade.prepare(&select, &id, version) {
            Ok(message) => {
                let prepared = Prepared::read(version, &message).expect("our own message");
                assert_eq!(prepared.names.len(), select.markers.len());
            }
            Err(refusal) => assert!(!refusal.text.is_empty()),
        }
    }
    let Ok(parameters) = Parameters::read(&mut Reader::new(parameters)) else { return };
    let Some(message) = answer(facade, &select, &parameters) else { return };
    let rows = Rows::read(&message).expect("our own message");
    assert!(rows.len() <= 1, "the node itself, or its one peer");
    let shown = if select.table == table_name::LOCAL { SEEN_AT } else { PEER };
    for row in rows.rows() {
        let row = row.expect("our own message");
        for (spec, cell) in rows.metadata.columns.iter().zip(&row.cells) {
            let Some(cell) = cell.filter(|_| spec.kind == ColumnType::Inet) else { continue };
            assert_eq!(cell::inet(cell), Ok(shown.ip()), "{}", spec.name);
        }
    }
}

/// A node may send anything as its tables; what is shown of them can be read.
fn made_of_any_rows(message: &[u8]) {
    let Ok(rows) = Rows::read(message) else { return };
    let Ok(facade) = facade_of(&rows, &rows) else { return };
    for table in ["local", "peers", "peers_v2"] {
        for what in ["*", "JSON *", "count(*)", "host_id, key"] {
            let text = format!("SELECT {what} FROM system.{table}");
            let StatementText::Local(select) = statement_text::classify(&text, None) else {
                panic!("not ours: {text}");
            };
            let mut reader = Reader::new(&[0, 1, 0]);
            let parameters = Parameters::read(&mut reader).expect("consistency and no flag");
            if let Some(message) = answer(&facade, &select, &parameters) {
                let rows = Rows::read(&message).expect("our own message");
                assert!(rows.rows().all(|row| row.is_ok()));
            }
        }
    }
}

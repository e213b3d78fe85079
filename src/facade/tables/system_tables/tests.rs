//! What a driver reads about the one node that it may see.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::*;
use crate::facade::refusal::Refusal;
use crate::facade::tables::virtual_table::LiveState;
use crate::facade::text::select::Select;
use crate::facade::text::statement_text::{StatementText, classify};
use cql::error_code::ErrorCode;
use cql::notation::{Reader, put_bytes, put_short, put_string};
use cql::request::parameters::{NAMES, Parameters, VALUES};
use cql::response::metadata::Metadata;
use cql::response::prepared::Prepared;
use cql::response::prepared::PreparedTable;
use cql::response::rows::Rows;

const SEEN_AT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3)), 9142);
const HOST_ID: [u8; 16] = [7; 16];

/// A process of which nothing is known.
struct Nothing;

impl LiveState for Nothing {
    fn schema_version(&self) -> Option<[u8; 16]> {
        None
    }
}

fn facade() -> Facade {
    node().facade()
}

fn node() -> OneNode {
    let text = |name: &str, value: &str| (name.to_owned(), ColumnType::Varchar, value.into());
    let address = vec![127, 0, 0, 9];
    let columns: Vec<(String, ColumnType, Vec<u8>)> = vec![
        text("key", "local"),
        ("broadcast_address".to_owned(), ColumnType::Inet, address.clone()),
        text("cluster_name", "lab"),
        ("host_id".to_owned(), ColumnType::Uuid, vec![1; 16]),
        ("listen_address".to_owned(), ColumnType::Inet, address.clone()),
        text("rack", "rack1"),
        ("rpc_address".to_owned(), ColumnType::Inet, address),
        ("rpc_port".to_owned(), ColumnType::Int, vec![0, 0, 0, 1]),
        ("tokens".to_owned(), ColumnType::set_of_text(), cell::from_text_list(&["1", "2"])),
    ];
    let mut local: Vec<_> = columns
        .into_iter()
        .map(|(name, kind, cell)| LocalColumn { name, kind, cell: Some(cell) })
        .collect();
    let kind = ColumnType::Map(Box::new(ColumnType::Uuid), Box::new(ColumnType::Blob));
    local.push(LocalColumn { name: "truncated_at".to_owned(), kind, cell: None });
    OneNode {
        host_id: HOST_ID,
        style: MetadataStyle::PerColumn,
        local,
        peers: vec![
            ("peer".to_owned(), ColumnType::Inet),
            ("rpc_address".to_owned(), ColumnType::Inet),
        ],
        peers_v2: vec![("native_port".to_owned(), ColumnType::Int)],
        nodes: Vec::new(),
    }
}

fn parse(text: &str) -> Select {
    let StatementText::Local(select) = classify(text, None) else { panic!("{text} is not local") };
    *select
}

/// Parameters as they lie in a request: names or none, then bytes.
fn parameters(sent: &[(Option<&str>, &[u8])]) -> Vec<u8> {
    let named = sent.iter().any(|(name, _)| name.is_some());
    let mut out = vec![0, 1, VALUES | if named { NAMES } else { 0 }];
    put_short(&mut out, u16::try_from(sent.len()).unwrap());
    for (name, bytes) in sent {
        if let Some(name) = name {
            put_string(&mut out, name);
        }
        put_bytes(&mut out, Some(bytes));
    }
    out
}

fn ask_at(seen_at: SocketAddr, text: &str, parameters: &[u8]) -> Result<Vec<u8>, Refusal> {
    let parameters = Parameters::read(&mut Reader::new(parameters)).unwrap();
    let asked = Viewpoint { seen_at, live: &Nothing };
    let (facade, select) = (facade(), parse(text));
    let answer = facade.answer(&select, &parameters, &asked)?;
    let mut out = Vec::new();
    answer.put(&mut out);
    assert_eq!(out.len(), answer.len(), "the size is known before");
    Ok(out)
}

fn ask_with(text: &str, sent: &[(Option<&str>, &[u8])]) -> Result<Vec<u8>, Refusal> {
    ask_at(SEEN_AT, text, &parameters(sent))
}

fn ask(text: &str) -> Vec<u8> {
    ask_with(text, &[]).unwrap()
}

fn cells(message: &[u8]) -> Vec<Vec<Option<Vec<u8>>>> {
    let rows = Rows::read(message).unwrap();
    let owned = |cell: &Option<&[u8]>| cell.map(<[u8]>::to_vec);
    rows.rows().map(|row| row.unwrap().cells.iter().map(owned).collect()).collect()
}

fn names(message: &[u8]) -> Vec<String> {
    let rows = Rows::read(message).unwrap();
    rows.metadata.columns.iter().map(|column| column.name.to_owned()).collect()
}

#[test]
fn the_local_row_is_the_nodes_own_but_for_who_and_where_we_are() {
    let message = ask("SELECT * FROM system.local WHERE key='local'");
    let rows = Rows::read(&message).unwrap();
    let row = rows.rows().next().unwrap().unwrap();

    assert_eq!(rows.len(), 1);
    assert_eq!(rows.metadata.style, MetadataStyle::PerColumn);
    for name in ["rpc_address", "broadcast_address", "listen_address"] {
        assert_eq!(row.read(name, cell::inet), Ok(Some(SEEN_AT.ip())), "{name}");
    }
    assert_eq!(row.read("rpc_port", cell::int), Ok(Some(9142)));
    assert_eq!(row.read("host_id", cell::uuid), Ok(Some(HOST_ID)));
    assert_eq!(row.read("tokens", cell::text_list).unwrap().unwrap(), ["0"]);
    assert_eq!(row.read("cluster_name", cell::text), Ok(Some("lab")));
    assert_eq!(row.get("truncated_at"), None);
    assert_eq!(rows.metadata.columns.len(), node().local.len());
}

#[test]
fn a_client_over_ipv6_is_given_an_ipv6_address() {
    let seen_at = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 9042);
    let text = "SELECT rpc_address FROM system.local";
    let message = ask_at(seen_at, text, &parameters(&[])).unwrap();
    assert_eq!(cells(&message), [[Some(cell::from_inet(seen_at.ip()))]]);
}

#[test]
fn another_key_finds_no_row() {
    assert_eq!(cells(&ask("SELECT * FROM system.local WHERE key='nope'")).len(), 0);
    assert_eq!(cells(&ask("SELECT key FROM system.local WHERE key IN ()")).len(), 0);
    assert_eq!(cells(&ask("SELECT key FROM system.local WHERE key IN ('x', 'local')")).len(), 1);
}

#[test]
fn bound_keys_are_compared() {
    let by_place = |key: &[u8]| {
        ask_with("SELECT key FROM system.local WHERE key = ?", &[(None, key)]).unwrap()
    };
    assert_eq!(cells(&by_place(b"local")).len(), 1);
    assert_eq!(cells(&by_place(b"nope")).len(), 0);
    let text = "SELECT key FROM system.local WHERE key = :k LIMIT ?";
    let sent: [(Option<&str>, &[u8]); 2] = [(Some("[limit]"), &[1; 4]), (Some("k"), b"local")];
    assert_eq!(cells(&ask_with(text, &sent).unwrap()).len(), 1);
    let list = cell::from_text_list(&["a", "local"]);
    let text = "SELECT key FROM system.local WHERE key IN ?";
    assert_eq!(cells(&ask_with(text, &[(None, &list)]).unwrap()).len(), 1);
}

#[test]
fn missing_and_extra_values_are_refused_as_the_server_does() {
    let text = "SELECT key FROM system.local WHERE key = :k";
    let refusal = ask_with(text, &[(Some("x"), b"local")]).unwrap_err();
    assert_eq!(refusal.text, "Missing value for bind marker with name: k");
    let refusal = ask_with(text, &[(None, b"local"), (None, b"local")]).unwrap_err();
    assert_eq!(refusal.text, "Invalid amount of bind variables: expected 1 received 2");
    assert_eq!(ask_with(text, &[]).unwrap_err().code, ErrorCode::INVALID);
}

#[test]
fn a_row_is_found_by_other_columns_where_that_is_allowed() {
    let text = "SELECT key FROM system.local WHERE rack = 'rack1'";
    assert_eq!(ask_with(text, &[]).unwrap_err(), Refusal::needs_filtering());
    assert_eq!(cells(&ask(&format!("{text} ALLOW FILTERING"))).len(), 1);
    let text = "SELECT key FROM system.local WHERE rack = 'r9' AND key = 'local' ALLOW FILTERING";
    assert_eq!(cells(&ask(text)).len(), 0);
    let refusal = ask_with("SELECT peer FROM system.peers WHERE rpc_address = '::1'", &[]);
    assert_eq!(refusal.unwrap_err(), Refusal::needs_filtering());
}

#[test]
fn a_value_of_another_type_is_refused_as_the_server_does() {
    let refusal = ask_with("SELECT key FROM system.local WHERE key = 1", &[]).unwrap_err();
    assert_eq!(refusal.text, "Invalid INTEGER constant (1) for \"key\" of type text");
    let text = "SELECT key FROM system.local LIMIT ?";
    let refusal = ask_with(text, &[(None, &[0; 4])]).unwrap_err();
    assert_eq!(refusal.text, "LIMIT must be strictly positive");
}

#[test]
fn peers_are_empty() {
    let message = ask("SELECT * FROM system.peers");
    assert_eq!((names(&message), cells(&message).len()), (named_peers(), 0));
    let text = "SELECT * FROM system.peers WHERE peer = :address";
    let message = ask_with(text, &[(Some("address"), &[127, 0, 0, 2])]).unwrap();
    assert_eq!(cells(&message).len(), 0);
}

fn named_peers() -> Vec<String> {
    node().peers.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn each_of_several_addresses_is_a_node_and_the_others_are_its_peers() {
    let address = |last| SocketAddr::from(([10, 1, 2, last], 9142));
    let shown = |last| ShownNode { address: address(last), host_id: [last; 16] };
    let mut node = node();
    node.nodes = vec![shown(3), shown(4)];
    let host_id = ("host_id".to_owned(), ColumnType::Uuid);
    node.peers.extend([host_id, ("rack".to_owned(), ColumnType::Varchar)]);
    let facade = node.facade();
    let cells_at = |last, text: &str| {
        let select = parse(text);
        let asked = Viewpoint { seen_at: address(last), live: &Nothing };
        let parameters = Parameters::read(&mut Reader::new(&[0, 1, 0])).unwrap();
        let mut message = Vec::new();
        facade.answer(&select, &parameters, &asked).unwrap().put(&mut message);
        cells(&message)
    };
    for (own, other) in [(3, 4), (4, 3)] {
        let local = cells_at(own, "SELECT host_id FROM system.local");
        assert_eq!(local, [[Some(vec![own; 16])]]);
        let row = cells_at(own, "SELECT peer, rpc_address, host_id, rack FROM system.peers");
        let address = Some(vec![10, 1, 2, other]);
        let expected = [address.clone(), address, Some(vec![other; 16]), Some(b"rack1".to_vec())];
        assert_eq!(row, [expected]);
        let ports = cells_at(own, "SELECT native_port FROM system.peers_v2");
        assert_eq!(ports, [[Some(vec![0, 0, 0x23, 0xb6])]]);
    }
    let elsewhere = cells_at(9, "SELECT peer FROM system.peers");
    assert!(elsewhere.is_empty(), "a client of a Unix socket could dial none");
    assert_eq!(cells_at(9, "SELECT host_id FROM system.local"), [[Some(HOST_ID.to_vec())]]);
}

#[test]
fn peers_v2_names_no_node_either() {
    let message = ask("SELECT * FROM system.peers_v2");
    assert_eq!((names(&message), cells(&message).len()), (vec!["native_port".to_owned()], 0));
}

#[test]
fn an_unknown_column_is_refused_as_the_server_does() {
    for text in ["SELECT nope FROM system.local", "SELECT peer FROM system.peers WHERE nope = 1"] {
        let refusal = ask_with(text, &[]).unwrap_err();
        assert_eq!(refusal, Refusal::unrecognized_name("nope"));
        assert_eq!(refusal.text, "Unrecognized name nope");
    }
}

#[test]
fn refusals_have_the_words_of_apache_cassandra_where_its_nodes_are() {
    let refused = |version: &str, text: &str| {
        let mut node = node();
        let (name, cell) = ("release_version".to_owned(), Some(version.into()));
        node.local.push(LocalColumn { name, kind: ColumnType::Varchar, cell });
        let StatementText::Local(select) = classify(text, None) else { panic!("{text}") };
        node.facade().prepare(&select, &[0; 16], 4).unwrap_err().text
    };
    let column = "SELECT nope FROM system.local";
    let address = "SELECT * FROM system.peers WHERE peer = 'x'";
    let words = ["Undefined column name nope in table system.local", "Unrecognized name nope"];
    assert_eq!([refused("4.1.7", column), refused("3.0.8", column)], words);
    let words =
        ["Unable to make inet address from 'x'", "marshaling error: unable to make inet from 'x'"];
    assert_eq!([refused("5.0.2", address), refused("3.0.8", address)], words);
}

#[test]
fn wrong_conditions_are_refused_when_they_are_prepared_and_a_limit_of_none_when_it_is_run() {
    let prepared = |text: &str| {
        let StatementText::Local(select) = classify(text, None) else { panic!("{text}") };
        facade().prepare(&select, &[0; 16], 4)
    };
    let constant = prepared("SELECT * FROM system.local WHERE key = 5").unwrap_err();
    assert_eq!(constant.text, "Invalid INTEGER constant (5) for \"key\" of type text");
    let filtering = prepared("SELECT * FROM system.local WHERE rack = 'r1'").unwrap_err();
    assert_eq!(filtering, Refusal::needs_filtering());
    let limit = "SELECT * FROM system.local LIMIT 0";
    assert!(prepared(limit).is_ok());
    assert_eq!(ask_with(limit, &[]).unwrap_err(), Refusal::limit());
}

#[test]
fn aliases_counts_and_json_are_shown_as_the_server_does() {
    let message = ask("SELECT key, key AS k2, toJson(tokens), count(*) FROM system.local");
    assert_eq!(names(&message), ["key", "k2", "system.tojson(tokens)", "count"]);
    let local = Some(b"local".to_vec());
    let tokens = Some(b"[\"0\"]".to_vec());
    let one = Some(1_i64.to_be_bytes().to_vec());
    assert_eq!(cells(&message), [[local.clone(), local, tokens, one]]);

    let message = ask("SELECT JSON key FROM system.local");
    assert_eq!(names(&message), ["[json]"]);
    assert_eq!(cells(&message), [[Some(b"{\"key\": \"local\"}".to_vec())]]);

    let message = ask("SELECT count(peer), count(rpc_address) AS n FROM system.peers");
    assert_eq!(names(&message), ["system.count(peer)", "n"]);
    assert_eq!(cells(&message), [[Some(vec![0; 8]), Some(vec![0; 8])]]);

    let message = ask("SELECT count(*), peer FROM system.peers");
    assert_eq!(cells(&message), [[Some(vec![0; 8]), None]]);
}

#[test]
fn a_prepared_statement_tells_its_markers_and_columns() {
    let text = "SELECT key, tokens FROM system.local WHERE key = ? LIMIT ?";
    let id = [5; 16];
    for (version, pk_indexes) in [(3, vec![]), (4, vec![0])] {
        let message = facade().prepare(&parse(text), &id, version).unwrap();
        let prepared = Prepared::read(version, &message).unwrap();
        assert_eq!(prepared.id, id);
        let table = PreparedTable { keyspace: "system", table: "local" };
        assert_eq!(prepared.table, Some(table));
        assert_eq!(prepared.names, ["key", "[limit]"]);
        assert_eq!(prepared.pk_indexes, pk_indexes);
        let metadata = Metadata::read(&mut Reader::new(prepared.result_metadata)).unwrap();
        assert_eq!(metadata.columns[1].kind, ColumnType::set_of_text());
    }
    let refusal = facade().prepare(&parse("SELECT nope FROM system.local"), &id, 4).unwrap_err();
    assert_eq!(refusal.code, ErrorCode::INVALID);
}

#[test]
fn broken_values_are_refused() {
    // One value is announced, and its length is cut.
    let broken = [0, 1, VALUES, 0, 1, 0, 1];
    let text = "SELECT key FROM system.local WHERE key = ?";
    let refusal = ask_at(SEEN_AT, text, &broken).unwrap_err();
    assert_eq!(refusal.code, ErrorCode::PROTOCOL_ERROR);
}

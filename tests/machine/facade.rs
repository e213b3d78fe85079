//! What clients are shown of the one node, once the cluster's tables are known.

use std::sync::Arc;

use cql::cell;
use cql::column_type::ColumnType;
use cql::error_code::ErrorCode;
use cql::notation::{Reader, put_short, put_short_bytes};
use cql::opcode::Opcode;
use cql::response::metadata::MetadataStyle;
use cql::response::rows::Rows;
use shardlane::engine::action::Action;
use shardlane::engine::client::ClientKey;
use shardlane::facade::answer::ANSWER_BYTES_MAX;
use shardlane::facade::system_tables::{LocalColumn, OneNode};

use crate::support::frames::{Frame, frame, prepare, query};
use crate::support::rig::Rig;

/// Length of `supported_features`, as a real node has it.
const FEATURES_LEN: usize = 1400;

/// The node that clients are shown, its schema at `version`.
fn node(version: u8) -> OneNode {
    let column = |name: &str, kind, cell: &[u8]| LocalColumn {
        name: name.to_owned(),
        kind,
        cell: Some(cell.to_vec()),
    };
    OneNode {
        host_id: [7; 16],
        style: MetadataStyle::Global,
        local: vec![
            column("key", ColumnType::Varchar, b"local"),
            column("cql_version", ColumnType::Varchar, b"3.4.7"),
            column("rpc_address", ColumnType::Inet, &[127, 0, 0, 9]),
            column("schema_version", ColumnType::Uuid, &[version; 16]),
            column("supported_features", ColumnType::Varchar, &[b'x'; FEATURES_LEN]),
        ],
        peers: vec![("peer".to_owned(), ColumnType::Inet)],
        peers_v2: Vec::new(),
    }
}

fn show(rig: &mut Rig, version: u8) {
    let facade = Arc::new(node(version).facade());
    rig.input(|engine| engine.on_facade(facade));
}

/// EXECUTE without values.
fn execute(stream: i16, id: &[u8]) -> Vec<u8> {
    frame((4, 0, stream), Opcode::Execute, |out| {
        put_short_bytes(out, id);
        put_short(out, 1);
        out.push(0);
    })
}

fn prepared(rig: &mut Rig, client: ClientKey, text: &str) -> Vec<u8> {
    rig.send(client, &prepare(1, text));
    let answer = rig.answer(client);
    assert_eq!(answer.opcode(), Opcode::Result, "{answer:?}");
    Reader::new(&answer.body[4..]).short_bytes().unwrap().to_vec()
}

/// The first cell of the one row.
fn cell_of(answer: &Frame) -> Option<Vec<u8>> {
    let rows = Rows::read(&answer.body).unwrap();
    let row = rows.rows().next().unwrap().unwrap();
    row.cells[0].map(<[u8]>::to_vec)
}

#[test]
fn a_client_is_answered_from_the_cluster_s_own_row() {
    let mut rig = Rig::with_all_lanes();
    show(&mut rig, 1);
    let client = rig.client();
    rig.send(client, &query(1, "SELECT rpc_address FROM system.local"));
    let address = cell_of(&rig.answer(client)).unwrap();
    assert_eq!(cell::inet(&address).unwrap().to_string(), "127.0.0.1");
    rig.finish();
}

#[test]
fn a_client_over_ipv4_of_a_listener_at_all_addresses_is_shown_ipv4() {
    let mut rig = Rig::with_all_lanes();
    show(&mut rig, 1);
    let address = "[::ffff:10.1.2.3]:9042".parse().unwrap();
    let client = rig.client_at(address);
    rig.send(client, &query(1, "SELECT rpc_address FROM system.local"));
    let address = cell_of(&rig.answer(client)).unwrap();
    assert_eq!(cell::inet(&address).unwrap().to_string(), "10.1.2.3");
    rig.finish();
}

#[test]
fn supported_names_the_clusters_own_version_of_cql() {
    let mut rig = Rig::new();
    let client = rig.client();
    let version = |rig: &mut Rig| {
        rig.send(client, &frame((4, 0, 2), Opcode::Options, |_| {}));
        let answer = rig.answer(client);
        let keys = Reader::new(&answer.body).string_multimap().unwrap();
        let (_, versions) = keys.iter().find(|(key, _)| *key == "CQL_VERSION").unwrap();
        versions.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>()
    };
    // A driver asks for some version even while the cluster's is not known.
    assert_eq!(version(&mut rig).len(), 1);
    show(&mut rig, 1);
    assert_eq!(version(&mut rig), ["3.4.7"]);
}

#[test]
fn answers_that_a_client_leaves_unread_are_bounded_whoever_gives_them() {
    let backlog_max = 4 << 20;
    let mut rig = Rig::with_limits(|limits| limits.client_backlog_bytes_max = backlog_max);
    show(&mut rig, 1);
    let client = rig.client();
    let columns = vec!["supported_features"; 700].join(",");
    let id = prepared(&mut rig, client, &format!("SELECT {columns} FROM system.local"));
    let many: Vec<u8> = (0..200).flat_map(|stream| execute(stream, &id)).collect();
    // What waits is looked at before anything leaves.
    let mut waiting = 0;
    rig.input(|engine| {
        engine.on_client_bytes(client, &mut many.clone());
        waiting = engine.client_output(client).unwrap().len();
    });
    assert!(waiting <= backlog_max + ANSWER_BYTES_MAX, "{waiting} bytes wait");
    assert!(rig.actions.iter().any(|action| matches!(action, Action::CloseClient(_))));
    assert_eq!(rig.engine.tally().clients_cut_off, 1);
}

#[test]
fn an_answer_of_more_than_a_client_needs_is_refused_before_it_is_made() {
    let mut rig = Rig::with_all_lanes();
    show(&mut rig, 1);
    let client = rig.client();
    let columns = vec!["supported_features"; 1000].join(",");
    rig.send(client, &query(1, &format!("SELECT {columns} FROM system.local")));
    assert_eq!(rig.answer(client).code(), ErrorCode::INVALID);
    assert!(rig.all_requests().is_empty());
    rig.finish();
}

#[test]
fn statements_that_are_prepared_here_are_counted_and_bounded_in_bytes() {
    let mut rig = Rig::with_all_lanes();
    show(&mut rig, 1);
    let client = rig.client();
    let text = format!("USE \"{}\"", "k".repeat(8 << 20));
    rig.send(client, &prepare(1, &text));
    assert_eq!(rig.answer(client).code(), ErrorCode::INVALID);
    assert_eq!(rig.engine.gauges().catalog_bytes, 0);
    for number in 0..100 {
        let columns = vec!["schema_version"; 1000].join(",");
        prepared(&mut rig, client, &format!("SELECT key AS k{number},{columns} FROM system.local"));
        let gauges = rig.engine.gauges();
        assert!((1..=1 << 20).contains(&gauges.catalog_bytes), "{}", gauges.catalog_bytes);
        assert!(gauges.catalog_entries > 0);
    }
    rig.finish();
}

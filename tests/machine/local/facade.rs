//! What clients are shown of the one node, once the cluster's tables are known.

use std::sync::Arc;

use cql::error_code::ErrorCode;
use cql::header::FLAG_TRACING;
use cql::notation::{Reader, put_short, put_short_bytes, put_string};
use cql::opcode::Opcode;
use cql::response::metadata::MetadataStyle;
use cql::response::rows::Rows;
use cql::token::shard::ShardId;
use cql::values::cell;
use cql::values::column_type::ColumnType;
use shardlane::engine::action::Action;
use shardlane::engine::client::ClientKey;
use shardlane::facade::answer::ANSWER_BYTES_MAX;
use shardlane::facade::tables::system_tables::{LocalColumn, OneNode};

use crate::support::frames::{
    Frame, client_frame, of_version, prepare, query, schema_change, schema_version,
};
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
        nodes: Vec::new(),
    }
}

fn show(rig: &mut Rig, version: u8) {
    let facade = Arc::new(node(version).facade());
    rig.input(|engine| engine.on_facade(facade));
}

/// EXECUTE without values.
fn execute(stream: i16, id: &[u8]) -> Vec<u8> {
    client_frame(stream, Opcode::Execute, |out| {
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
        rig.send(client, &client_frame(2, Opcode::Options, |_| {}));
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

/// The byte of which the schema version consists that a client is shown.
fn shown_version(rig: &mut Rig, client: ClientKey) -> u8 {
    rig.send(client, &query(9, "SELECT schema_version FROM system.local WHERE key='local'"));
    let version = cell_of(&rig.answer(client)).unwrap();
    assert_eq!(version, [version[0]; 16]);
    version[0]
}

/// The nodes answer what is asked of them: their schema is at `version`.
fn agree(rig: &mut Rig, version: u8) -> usize {
    let asked = rig.all_requests();
    for (lane, question) in &asked {
        assert!(question.text().starts_with("SELECT schema_version"), "{question:?}");
        rig.result(*lane, question.stream(), &schema_version(version));
    }
    asked.len()
}

#[test]
fn the_schema_version_is_the_agreed_one_as_soon_as_a_change_is_answered() {
    let mut rig = Rig::with_all_lanes();
    show(&mut rig, 1);
    let client = rig.client();
    rig.send(client, &query(5, "CREATE TABLE tab.t"));
    let (lane, request) = rig.request();
    rig.result(lane, request.stream(), &schema_change("CREATED", "tab", Some("t")));
    assert_eq!(shown_version(&mut rig, client), 1, "it is not answered yet");
    assert_eq!(agree(&mut rig, 2), 3);
    assert_eq!(rig.answer(client).stream(), 5);
    assert_eq!(shown_version(&mut rig, client), 2);

    // Tables that were read before the change come late.
    show(&mut rig, 1);
    assert_eq!(shown_version(&mut rig, client), 2);
    assert_eq!(agree(&mut rig, 2), 3, "which of the two is right the nodes know");
    assert_eq!(shown_version(&mut rig, client), 2);
    show(&mut rig, 2);
    assert_eq!(agree(&mut rig, 2), 0, "nothing is open");
    rig.finish();
}

#[test]
fn a_schema_version_that_no_event_came_of_is_shown_once_the_nodes_confirm_it() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    show(&mut rig, 1);
    show(&mut rig, 2);
    assert_eq!(shown_version(&mut rig, client), 2, "nothing else is known");
    rig.send(client, &query(5, "CREATE TABLE tab.t"));
    let (lane, request) = rig.request();
    rig.result(lane, request.stream(), &schema_change("CREATED", "tab", Some("t")));
    agree(&mut rig, 3);
    assert_eq!(rig.answer(client).stream(), 5);

    show(&mut rig, 4);
    assert_eq!(shown_version(&mut rig, client), 3);
    agree(&mut rig, 4);
    assert_eq!(shown_version(&mut rig, client), 4);

    // Where they never agree, the watched node's word is all there is.
    show(&mut rig, 5);
    let of_first = [rig.lane_to(0, ShardId(0)), rig.lane_to(0, ShardId(1))];
    for _ in 0..130 {
        for (lane, question) in rig.all_requests() {
            let own = 100 + u8::from(of_first.contains(&lane));
            rig.result(lane, question.stream(), &schema_version(own));
        }
        rig.pass_time(500_000);
    }
    assert_eq!(shown_version(&mut rig, client), 5);
    assert_eq!(rig.engine.tally().agreement_timeouts, 0, "no answer waited for it");
    rig.finish();
}

fn traced(mut frame: Vec<u8>) -> Vec<u8> {
    frame[1] |= FLAG_TRACING;
    frame
}

/// A node answers the one traced request that it was asked, and traced it as `id`.
fn trace(rig: &mut Rig, id: u8) {
    let (lane, request) = rig.request();
    assert_eq!(request.header.flags, FLAG_TRACING);
    assert_eq!(request.text(), "SELECT key FROM system.local WHERE key='local'");
    let mut body = vec![id; 16];
    body.extend([0, 0, 0, 1]);
    rig.respond(lane, FLAG_TRACING, request.stream(), Opcode::Result, &body);
}

#[test]
fn a_local_answer_carries_the_id_of_a_trace_that_a_node_made() {
    for version in [3, 4] {
        let mut rig = Rig::with_all_lanes();
        show(&mut rig, 1);
        let client = rig.client_of(version, None);
        let sent = |frame| of_version(version, frame);
        rig.send(client, &sent(prepare(1, "SELECT key FROM system.local")));
        let id = rig.answer(client).body[6..22].to_vec();
        for (number, request) in [
            query(2, "SELECT key FROM system.local"),
            execute(2, &id),
            prepare(2, "SELECT key FROM system.local"),
            query(2, "SELECT nope FROM system.local"),
            query(2, "USE 1 --\r"),
            execute(2, b"facade unknown !"),
        ]
        .into_iter()
        .enumerate()
        {
            let mark = u8::try_from(number).unwrap() + 1;
            rig.send(client, &sent(request.clone()));
            let plain = rig.answer(client);
            rig.send(client, &traced(sent(request)));
            assert_eq!(rig.engine.client_in_flight(client), Some(1));
            assert!(rig.answers(client).is_empty(), "it waits for the trace");
            trace(&mut rig, mark);
            let answer = rig.answer(client);
            assert_eq!((answer.stream(), answer.opcode()), (2, plain.opcode()));
            assert_eq!(answer.header.flags, FLAG_TRACING);
            assert_eq!(answer.body, [&[mark; 16], &*plain.body].concat());
        }
        rig.finish();
    }
}

#[test]
fn a_local_answer_that_no_node_can_trace_is_given_all_the_same() {
    let mut rig = Rig::new();
    show(&mut rig, 1);
    let client = rig.client();
    let asked = traced(query(2, "SELECT key FROM system.local"));
    rig.send(client, &asked);
    assert_eq!(rig.answer(client).header.flags, 0, "there is no lane");

    let lane = rig.lane(0, 0);
    rig.send(client, &asked);
    assert!(rig.answers(client).is_empty());
    rig.lose(lane);
    assert_eq!(rig.answer(client).header.flags, 0, "the lane is lost");

    let lane = rig.lane(0, 0);
    rig.send(client, &asked);
    let (_, request) = rig.request();
    rig.result(lane, request.stream(), &[0, 0, 0, 1]);
    assert_eq!(rig.answer(client).header.flags, 0, "the node traced nothing");

    // By the time of the trace the table is another: `local` of the keyspace that was used meanwhile.
    for keyspace in ["system", "ks"] {
        if keyspace == "ks" {
            rig.send(client, &traced(query(3, "SELECT key FROM local")));
            let (_, request) = rig.request();
            switch(&mut rig, client, keyspace);
            rig.result(lane, request.stream(), &[0, 0, 0, 1]);
            let forwarded = rig.all_requests();
            assert_eq!(forwarded.len(), 1, "{forwarded:?}");
            assert_eq!(forwarded[0].1.text(), "SELECT key FROM local");
        } else {
            switch(&mut rig, client, keyspace);
        }
    }

    // A client that has left waits for nothing.
    rig.send(client, &asked);
    rig.leave(client);
    trace(&mut rig, 7);
    rig.finish();
}

/// A client says `USE`, and the node of a new lane confirms it.
fn switch(rig: &mut Rig, client: ClientKey, keyspace: &str) {
    rig.actions.clear();
    rig.send(client, &query(5, &format!("USE {keyspace}")));
    let pool = rig.actions.iter().find_map(|order| match order {
        Action::OpenPool { pool, .. } => Some(*pool),
        _ => None,
    });
    let lane = rig.lane_of(pool.unwrap(), 0, 0).unwrap();
    let request = rig.requests(lane).remove(0);
    let mut body = vec![0, 0, 0, 3];
    put_string(&mut body, keyspace);
    rig.result(lane, request.stream(), &body);
    assert_eq!(rig.answer(client).stream(), 5);
}

#[test]
fn a_prepared_use_is_traced_by_the_node_that_it_is_said_to() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    let id = prepared(&mut rig, client, "USE ks");
    rig.send(client, &traced(execute(2, &id)));
    let pool = rig.actions.iter().find_map(|order| match order {
        Action::OpenPool { pool, .. } => Some(*pool),
        _ => None,
    });
    let lane = rig.lane_of(pool.unwrap(), 0, 0).unwrap();
    let request = rig.requests(lane).remove(0);
    assert_eq!((request.text(), request.header.flags), ("USE \"ks\"", FLAG_TRACING));
    rig.finish();
}

#[test]
fn answers_that_a_client_leaves_unread_are_bounded_local_ones_too() {
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
    assert_eq!(rig.answer(client).code(), ErrorCode::SYNTAX_ERROR);
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

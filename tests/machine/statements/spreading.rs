//! Statements are prepared on the other nodes ahead of need, within an allowance, and then as they
//! are used.

use cql::opcode::Opcode;
use shardlane::engine::client::ClientKey;
use shardlane::engine::pending::LaneKey;

use crate::support::frames::{Frame, execute, prepare, prepared, rows, schema_event, unprepared};
use crate::support::rig::Rig;

/// Statements that the other nodes prepare ahead of need at once.
const AHEAD_MAX: usize = 1000;

fn id(number: usize) -> [u8; 16] {
    (number as u128).to_be_bytes()
}

/// A client prepares a text with a value in it; returns what the other nodes are asked to prepare.
fn prepare_literal(rig: &mut Rig, client: ClientKey, number: usize) -> Vec<(LaneKey, Frame)> {
    rig.send(client, &prepare(1, &format!("SELECT v FROM tab.t WHERE k = ? AND c = {number}")));
    let (lane, request) = rig.request();
    let answer = prepared(&id(number), 0, "tab.t", b"columns");
    rig.result(lane, request.stream(), &answer);
    assert_eq!(rig.answer(client).opcode(), Opcode::Result);
    let spread = rig.all_requests();
    for (lane, request) in &spread {
        rig.result(*lane, request.stream(), &answer);
    }
    spread
}

/// A client executes a statement that no node knows but the one that it was prepared on. Returns
/// the PREPAREs of nodes besides the one that executes it.
fn execute_unknown(rig: &mut Rig, client: ClientKey, number: usize) -> usize {
    rig.send(client, &execute(2, &id(number), b"key "));
    let (lane, request) = rig.request();
    rig.error(lane, request.stream(), &unprepared(&id(number)));
    let prepares = rig.all_requests();
    for (lane, prepare) in &prepares {
        assert_eq!(prepare.opcode(), Opcode::Prepare);
        rig.result(*lane, prepare.stream(), &prepared(&id(number), 0, "tab.t", b"columns"));
    }
    let (lane, repeated) = rig.request();
    rig.result(lane, repeated.stream(), &rows(b"rows"));
    assert_eq!(rig.answer(client).mark(), b"rows");
    prepares.len() - 1
}

/// A rig of three nodes, a client, and the number of a statement that only one node has prepared.
fn rig_with_allowance_used_up() -> (Rig, ClientKey, usize) {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    let mut number = 0;
    while !prepare_literal(&mut rig, client, number).is_empty() {
        number += 1;
        assert!(number <= AHEAD_MAX, "there is no bound");
    }
    (rig, client, number)
}

#[test]
fn texts_with_their_values_in_them_are_not_all_prepared_on_every_node() {
    let (mut rig, client, first) = rig_with_allowance_used_up();
    let more: usize = (1..=2000).map(|n| prepare_literal(&mut rig, client, first + n).len()).sum();
    assert_eq!((more, first), (0, AHEAD_MAX));
    assert_eq!(rig.engine.tally().spread, 2 * AHEAD_MAX as u64);
    assert_eq!(rig.engine.tally().not_spread, 2001);

    rig.pass_time(1_000_000);
    let later: usize = (0..100).map(|n| prepare_literal(&mut rig, client, 5000 + n).len()).sum();
    assert_eq!(later, 2 * 10, "so many a second");
    rig.finish();
}

#[test]
fn a_statement_that_is_used_once_is_prepared_where_it_is_used_and_nowhere_else() {
    let (mut rig, client, number) = rig_with_allowance_used_up();
    assert_eq!(execute_unknown(&mut rig, client, number), 0);
    rig.finish();
}

#[test]
fn a_statement_that_is_used_again_is_prepared_on_the_rest_of_the_nodes() {
    let (mut rig, client, number) = rig_with_allowance_used_up();
    execute_unknown(&mut rig, client, number);
    assert_eq!(execute_unknown(&mut rig, client, number), 2);
    assert_eq!(execute_unknown(&mut rig, client, number), 0, "they were asked");
    rig.finish();
}

#[test]
fn a_statement_that_many_clients_prepare_is_prepared_on_the_other_nodes_once() {
    let mut rig = Rig::with_all_lanes();
    let clients: Vec<_> = (0..20).map(|_| rig.client()).collect();
    let asked: Vec<_> =
        clients.iter().map(|client| prepare_literal(&mut rig, *client, 9).len()).collect();
    assert_eq!(asked.iter().sum::<usize>(), 2, "{asked:?}");

    // Nodes forget the statements of a table that changed.
    rig.input(|engine| engine.on_event(&schema_event("UPDATED", "tab", Some("t"))));
    let _versions = rig.all_requests();
    assert_eq!(prepare_literal(&mut rig, clients[0], 9).len(), 2);
    rig.finish();
}

#[test]
fn a_node_that_comes_up_prepares_first_what_is_used_again() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let client = rig.client();
    prepare_literal(&mut rig, client, 0);
    for _ in 0..2 {
        rig.send(client, &execute(2, &id(0), b"key "));
        let request = rig.requests(lane).remove(0);
        rig.result(lane, request.stream(), &rows(b"rows"));
        rig.answer(client);
    }
    for number in 1..=2 * AHEAD_MAX {
        prepare_literal(&mut rig, client, number);
    }
    let late = rig.lane(1, 1);
    let warmed = rig.requests(late);
    assert_eq!(warmed.len(), AHEAD_MAX);
    assert!(warmed[0].text().ends_with("c = 0"), "{}", warmed[0].text());
    rig.finish();
}

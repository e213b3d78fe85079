//! Pages of one query come from one replica; light-weight transactions from the first.

use cql::notation::{put_bytes, put_int, put_long_string, put_short, put_short_bytes};
use cql::opcode::Opcode;
use shardlane::routing::decision::Reason;

use crate::support::frames::{LWT_MASK, batch, client_frame, prepare, prepared};
use crate::support::rig::Rig;

const ID: [u8; 16] = [9; 16];

/// EXECUTE of the page after `state`, or of the first.
fn execute_page(stream: i16, state: Option<&[u8]>) -> Vec<u8> {
    client_frame(stream, Opcode::Execute, |out| {
        put_short_bytes(out, &ID);
        put_short(out, 1);
        out.push(if state.is_some() { 0x0d } else { 0x05 });
        put_short(out, 1);
        put_bytes(out, Some(b"key "));
        put_int(out, 100);
        if state.is_some() {
            put_bytes(out, state);
        }
    })
}

fn query_page(stream: i16, state: Option<&[u8]>) -> Vec<u8> {
    client_frame(stream, Opcode::Query, |out| {
        put_long_string(out, "SELECT * FROM tab.t");
        put_short(out, 1);
        out.push(if state.is_some() { 0x0c } else { 0x04 });
        put_int(out, 100);
        if state.is_some() {
            put_bytes(out, state);
        }
    })
}

/// A page of no rows that another follows.
fn page(state: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for number in [2, 2 | 4, 1] {
        put_int(&mut body, number);
    }
    put_bytes(&mut body, Some(state));
    put_int(&mut body, 0);
    body
}

#[test]
fn pages_of_a_prepared_query_come_from_one_replica() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    rig.know_tablet(&[(0, 0), (1, 1), (2, 0)]);
    for query in 0..6_u8 {
        rig.send(client, &execute_page(1, None));
        let (first, mut request) = rig.request();
        for number in 0..5_u8 {
            let state = [query, number];
            rig.result(first, request.stream(), &page(&state));
            assert_eq!(rig.answer(client).body, page(&state));
            rig.send(client, &execute_page(1, Some(&state)));
            let (lane, next) = rig.request();
            assert_eq!(lane, first);
            request = next;
        }
        rig.result(first, request.stream(), &[0, 0, 0, 1]);
        let _last = rig.answer(client);
    }
    assert_eq!(rig.decisions(Reason::TabletReplica), 36);
    rig.finish();
}

#[test]
fn pages_of_a_query_by_text_come_from_one_shard() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.send(client, &query_page(1, None));
    let (first, mut request) = rig.request();
    for number in 0..5_u8 {
        rig.result(first, request.stream(), &page(&[number]));
        let _page = rig.answer(client);
        rig.send(client, &query_page(1, Some(&[number])));
        let (lane, next) = rig.request();
        assert_eq!(lane, first);
        request = next;
    }
    rig.finish();
}

#[test]
fn the_next_page_comes_from_another_replica_when_the_first_is_gone_or_is_none_any_more() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    rig.know_tablet(&[(0, 0), (1, 1)]);
    rig.send(client, &execute_page(1, None));
    let (first, request) = rig.request();
    rig.result(first, request.stream(), &page(b"one"));
    let (at, other) = if first == rig.lanes[0] { ((1, 1), 3) } else { ((0, 0), 0) };
    let other = rig.lanes[other];

    rig.know_tablet(&[at]);
    rig.send(client, &execute_page(2, Some(b"one")));
    let (lane, request) = rig.request();
    assert_eq!(lane, other, "the tablet moved away");
    rig.result(lane, request.stream(), &page(b"two"));
    rig.lose(other);
    rig.send(client, &execute_page(3, Some(b"two")));
    assert_ne!(rig.request().0, other);
    rig.finish();
}

#[test]
fn one_condition_anywhere_sends_a_batch_to_the_first_replica() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_insert(client, "tab", 9);
    rig.send(client, &prepare(1, "UPDATE tab.t SET v = 1 WHERE k = ? IF v = 2"));
    let (lane, request) = rig.request();
    rig.result(lane, request.stream(), &prepared(&[8; 16], LWT_MASK, "tab.t", b"c"));
    let _spread = rig.all_requests();
    let _prepared = rig.answer(client);
    rig.know_tablet(&[(2, 1), (0, 0), (1, 0)]);
    let plain: (&[u8], &[u8]) = (&ID, b"k");
    let conditional: (&[u8], &[u8]) = (&[8; 16], b"k");
    for stream in 0..9 {
        rig.send(client, &batch(stream, 0, &[plain, plain, conditional]));
    }
    assert_eq!(rig.requests(rig.lanes[5]).len(), 9);
    for stream in 9..18 {
        rig.send(client, &batch(stream, 0, &[plain, plain]));
    }
    assert!(rig.requests(rig.lanes[0]).len() >= 3, "without a condition all replicas take part");
    rig.finish();
}

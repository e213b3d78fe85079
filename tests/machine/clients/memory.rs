//! One budget of memory: near it clients are read in turn, and none is stuck or makes the process die.

use std::net::SocketAddr;

use cql::compression::Compression;
use cql::error_code::ErrorCode;
use cql::header::FLAG_TRACING;
use cql::opcode::Opcode;
use shardlane::engine::client::ClientKey;
use shardlane::engine::limits::OtherMemory;
use shardlane::engine::pending::LaneKey;

use crate::clients::logins::auth_response;
use crate::support::frames::{
    error, execute, is_compressed, query, query_with, startup, unprepared, void,
};
use crate::support::rig::Rig;

const BOUND: usize = 32 << 20;
/// What a worker reads at once.
const READ: usize = 128 << 10;
const LONG: usize = 5 << 20;

/// A client, and what it has still to send.
struct Sender {
    client: ClientKey,
    frame: Vec<u8>,
    sent: usize,
}

fn long_query() -> Vec<u8> {
    query(1, &"x".repeat(LONG))
}

fn senders(rig: &mut Rig, count: usize, frame: &[u8]) -> Vec<Sender> {
    let sender = |_| Sender { client: rig.client(), frame: frame.to_vec(), sent: 0 };
    (0..count).map(sender).collect()
}

/// Each client that may be read sends one more part; `true` when any did.
fn send_parts(rig: &mut Rig, senders: &mut [Sender]) -> bool {
    let mut any = false;
    for sender in senders {
        if sender.sent == sender.frame.len() || !rig.engine.may_read(sender.client) {
            continue;
        }
        any = true;
        let end = sender.frame.len().min(sender.sent + READ);
        rig.send(sender.client, &sender.frame[sender.sent..end]);
        sender.sent = end;
        let held = rig.engine.gauges().memory_held;
        let out = rig.lanes.iter().map(|lane| rig.engine.lane_output(*lane).map_or(0, <[u8]>::len));
        let out: usize = out.sum();
        assert!(held <= BOUND as u64, "{held} bytes, {out} of them on lanes");
    }
    any
}

/// Answers what has reached the lane.
fn answer_all(rig: &mut Rig, lane: LaneKey) -> usize {
    let asked = rig.requests(lane);
    for request in &asked {
        rig.result(lane, request.stream(), &void());
    }
    asked.len()
}

fn bounded() -> Rig {
    Rig::with_limits(|limits| {
        limits.memory_bytes_max = BOUND;
        limits.heartbeat_us = 0;
    })
}

#[test]
fn requests_that_never_end_take_no_more_than_the_bound_and_others_are_served() {
    let mut rig = bounded();
    let lane = rig.lane(0, 0);
    let honest = rig.client();
    let mut frame = long_query();
    frame.pop();
    let mut hogs = senders(&mut rig, 20, &frame);
    for round in 0..40_000 {
        let any = send_parts(&mut rig, &mut hogs);
        rig.pass_time(if any { 5_000 } else { 100_000 });
        if round % 50 == 0 {
            rig.send(honest, &query(7, "SELECT"));
            assert_eq!(answer_all(&mut rig, lane), 1, "round {round}");
            assert_eq!(rig.answer(honest).opcode(), Opcode::Result);
        }
        if hogs.iter().all(|hog| hog.sent == hog.frame.len() || rig.is_closing(hog.client)) {
            break;
        }
    }
    assert!(hogs.iter().all(|hog| hog.sent > 0), "each had its turn");
    assert!(rig.engine.tally().memory_waits > 0);
    assert!(rig.engine.tally().clients_closed_for_memory > 0);
    let closed = hogs.iter().map(|hog| hog.client).find(|client| rig.is_closing(*client)).unwrap();
    let refusal = rig.answer(closed);
    assert_eq!((refusal.opcode(), refusal.stream()), (Opcode::Error, 1), "its request is answered");
}

#[test]
fn new_clients_are_let_in_however_many_large_requests_others_send() {
    let mut rig = bounded();
    let _silent = rig.lane(0, 0);
    let mut frame = Vec::new();
    Compression::Lz4.compress_frame(&query(1, &"x".repeat(1 << 20)), &mut frame).unwrap();
    for _ in 0..40 {
        let hog = rig.client_of(4, Some("lz4"));
        rig.send(hog, &frame);
    }
    assert!(rig.engine.tally().memory_refusals > 0);
    let newcomer = rig.silent_client();
    rig.send(newcomer, &startup(4, None));
    assert_eq!(rig.answer(newcomer).opcode(), Opcode::Ready);
}

#[test]
fn large_requests_of_many_clients_all_arrive_one_after_the_other() {
    let mut rig = bounded();
    let lane = rig.lane(0, 0);
    let mut clients = senders(&mut rig, 15, &long_query());
    let mut arrived = 0;
    for _ in 0..40_000 {
        send_parts(&mut rig, &mut clients);
        arrived += answer_all(&mut rig, lane);
        rig.pass_time(5_000);
        if arrived == clients.len() {
            break;
        }
    }
    assert_eq!(arrived, clients.len(), "no client is stuck");
    assert_eq!(rig.engine.tally().clients_closed_for_memory, 0);
    for sender in &clients {
        assert_eq!(rig.answer(sender.client).opcode(), Opcode::Result);
        assert!(rig.engine.may_read(sender.client));
    }
    rig.pass_time(1_000_000);
    rig.pass_time(1_000_000);
    let held = rig.engine.gauges().memory_held;
    assert!(held < 4 << 20, "{held} bytes are given back");
    rig.finish();
}

#[test]
fn compressed_requests_have_room_when_they_are_plain_or_are_refused_by_name() {
    let mut rig = bounded();
    let lane = rig.lane(0, 0);
    let mut frame = Vec::new();
    Compression::Lz4.compress_frame(&long_query(), &mut frame).unwrap();
    assert!(frame.len() < 80 << 10, "{}", frame.len());
    let clients: Vec<_> = (0..20).map(|_| rig.client_of(4, Some("lz4"))).collect();
    let mut refused = 0;
    for client in &clients {
        rig.send(*client, &frame);
        let held = rig.engine.gauges().memory_held;
        assert!(held <= BOUND as u64, "{held} bytes");
        for mut answer in rig.answers(*client) {
            if is_compressed(&answer) {
                let mut plain = Vec::new();
                Compression::Lz4.decompress(&answer.body, 1 << 20, &mut plain).unwrap();
                answer.body = plain;
            }
            assert_eq!(answer.code(), ErrorCode::OVERLOADED);
            let text = &answer.error().text;
            assert!(text.contains("33554432 bytes, which is limits.memory_bytes_max"), "{text}");
            refused += 1;
        }
    }
    assert!(refused > 0 && answer_all(&mut rig, lane) > 0);
    assert_eq!(rig.engine.tally().memory_refusals, refused);
    rig.pass_time(1_000_000);
    rig.send(clients[19], &frame);
    assert_eq!(answer_all(&mut rig, lane), 1, "there is room again");
}

#[test]
fn new_clients_are_refused_by_name_while_memory_is_at_its_bound() {
    let mut rig = bounded();
    rig.lane(0, 0);
    let before = rig.client();
    let workers = 31 << 20;
    rig.input(|engine| engine.on_other_memory(OtherMemory { base: 0, workers, others: 1 }));
    let late = rig.silent_client();
    assert!(!rig.engine.may_read(late), "there may be memory in a moment");
    for _ in 0..5 {
        rig.pass_time(250_000);
    }
    assert!(rig.engine.may_read(late));
    rig.send(late, &startup(4, None));
    let answer = rig.answer(late);
    assert_eq!(answer.code(), ErrorCode::OVERLOADED);
    let text = &answer.error().text;
    assert!(text.contains("another client") && text.contains("limits.memory_bytes_max"), "{text}");
    assert!(rig.engine.may_read(before));
    rig.input(|engine| engine.on_other_memory(OtherMemory::default()));
    rig.client();
}

#[test]
fn a_client_that_waits_for_memory_gives_way_to_none() {
    let mut rig = Rig::with_limits(|limits| {
        (limits.memory_bytes_max, limits.clients_max) = (32 << 20, 4);
    });
    let workers = 31 << 20;
    rig.input(|engine| engine.on_other_memory(OtherMemory { base: 0, workers, others: 1 }));
    let waiting = [rig.silent_client(), rig.silent_client()];
    rig.pass_time(200_000);
    rig.silent_client();
    assert_eq!(rig.clients_to_close(), [], "it could not say anything");
    rig.input(|engine| engine.on_other_memory(OtherMemory::default()));
    rig.pass_time(250_000);
    assert!(waiting.iter().all(|client| rig.engine.may_read(*client)));
}

#[test]
fn tokens_that_wait_for_their_login_have_room_or_are_refused_by_name() {
    let mut rig = bounded();
    rig.input(|engine| engine.on_authenticator(Some("PasswordAuthenticator".into())));
    let token = vec![7; 60 << 10];
    let mut refused = 0;
    for _ in 0..4_000 {
        let address = SocketAddr::from(([127, 0, 0, 1], 9042));
        let Some(client) = rig.input(|engine| engine.on_client_open(address)) else {
            refused += 1;
            break;
        };
        rig.send(client, &startup(4, None));
        if rig.answer(client).opcode() == Opcode::Authenticate {
            rig.send(client, &auth_response(1, &token));
        }
        refused += rig.answers(client).len();
    }
    let held = rig.engine.gauges().memory_held;
    assert!(held <= (BOUND + READ) as u64, "{held} bytes: it is measured in steps");
    assert!(refused > 0, "without a bound 4,000 tokens take 240 MB");
}

#[test]
fn a_client_is_let_in_as_soon_as_another_has_left_with_what_it_held() {
    let mut rig = bounded();
    rig.lane(0, 0);
    let mut frame = long_query();
    frame.pop();
    let mut hogs = senders(&mut rig, 2, &frame);
    while send_parts(&mut rig, &mut hogs) {
        rig.pass_time(5_000);
    }
    let workers = 20 << 20;
    rig.input(|engine| engine.on_other_memory(OtherMemory { base: 0, workers, others: 1 }));
    let waits = rig.silent_client();
    assert!(!rig.engine.may_read(waits));
    rig.pass_time(500_000);
    assert!(!rig.engine.may_read(waits));
    for hog in &hogs {
        rig.leave(hog.client);
    }
    rig.pass_time(250_000);
    assert!(rig.engine.may_read(waits));
    rig.send(waits, &startup(4, None));
    assert_eq!(rig.answer(waits).opcode(), Opcode::Ready);
    rig.client();
}

#[test]
fn requests_that_wait_for_a_trace_count_against_the_bound() {
    let mut rig = bounded();
    let lane = rig.lane(0, 0);
    let text = format!("SELECT key FROM system.local /* {} */", "x".repeat(60_000));
    let mut hogs = Vec::new();
    for _ in 0..24 {
        let hog = rig.client();
        for stream in 0..60 {
            let mut frame = query(stream, &text);
            frame[1] |= FLAG_TRACING;
            if rig.engine.may_read(hog) {
                rig.send(hog, &frame);
            }
        }
        hogs.push(hog);
    }
    let gauges = rig.engine.gauges();
    assert!(gauges.aside_bytes > 10 << 20, "{gauges:?}");
    assert!(gauges.memory_held > gauges.aside_bytes && gauges.memory_held <= BOUND as u64);
    assert!(rig.engine.tally().memory_waits > 0, "some are not read any more");
    while answer_all(&mut rig, lane) > 0 {}
    assert_eq!(rig.engine.gauges().aside_bytes, 0);
    assert!(hogs.into_iter().map(|hog| rig.answers(hog).len()).sum::<usize>() > 200);
}

#[test]
fn requests_that_wait_for_their_statement_count_against_the_bound() {
    let mut rig = bounded();
    let lane = rig.lane(0, 0);
    let client = rig.client();
    rig.prepare_select(client, "tab", 1);
    let value = vec![7; 60_000];
    for stream in 0..40 {
        rig.send(client, &execute(stream, &[1; 16], &value));
    }
    let asked = rig.requests(lane);
    assert_eq!(asked.len(), 40);
    for request in &asked {
        rig.error(lane, request.stream(), &unprepared(&[1; 16]));
    }
    let gauges = rig.engine.gauges();
    assert!(gauges.aside_bytes > 2_400_000, "{gauges:?}");
    assert!(gauges.memory_held > gauges.aside_bytes);
    let prepare = rig.requests(lane).remove(0);
    rig.error(lane, prepare.stream(), &error(ErrorCode::SYNTAX_ERROR, "no"));
    assert_eq!(rig.answers(client).len(), 40);
    assert_eq!(rig.engine.gauges().aside_bytes, 0);
    rig.finish();
}

#[test]
fn a_use_that_is_long_because_of_its_values_waits_for_no_lane() {
    let mut rig = bounded();
    let client = rig.client();
    let value = [7; 20_000];
    rig.send(client, &query_with(1, "USE ks", &[(None, Some(&value))]));
    assert_eq!(rig.answer(client).code(), ErrorCode::SYNTAX_ERROR);
    rig.send(client, &query_with(2, "USE ks", &[(None, Some(&value[..20]))]));
    assert!(!rig.engine.may_read(client), "it waits for a lane");
}

//! Bodies that are longer than allowed, or than they can be.

use cql::compression::Compression;
use cql::error_code::ErrorCode;
use cql::header::Header;
use cql::opcode::Opcode;

use crate::support::frames::{query, rows};
use crate::support::rig::Rig;

/// The header of a QUERY on stream 5 whose body is to have `body_len` bytes.
fn announced(body_len: u32) -> Vec<u8> {
    let opcode = Opcode::Query.byte();
    Header { version: 4, flags: 0, stream: 5, opcode, body_len }.to_bytes().to_vec()
}

#[test]
fn a_request_that_is_too_long_is_refused_on_its_stream_and_the_client_goes_on() {
    let mut rig = Rig::with_limits(|limits| limits.frame_body_bytes_max = 1000);
    let lane = rig.lane(0, 0);
    let client = rig.client();
    rig.send(client, &announced(5000));
    let answer = rig.answer(client);
    assert_eq!((answer.stream(), answer.code()), (5, ErrorCode::INVALID));
    let text = "frame body of 5000 bytes exceeds the limit of 1000, which is \
                limits.frame_body_bytes_max of shardlane";
    assert!(answer.body.windows(text.len()).any(|part| part == text.as_bytes()));
    for _ in 0..49 {
        rig.send(client, &[4; 100]);
    }
    rig.send(client, &[vec![4; 100], query(6, "SELECT")].concat());
    let request = rig.requests(lane).remove(0);
    assert_eq!(request.text(), "SELECT");
    rig.result(lane, request.stream(), &rows(b"rows"));
    assert_eq!(rig.answer(client).stream(), 6);
    assert!(rig.clients_to_close().is_empty());
    rig.pass_time(100_000_000);
    assert!(rig.clients_to_close().is_empty(), "it was passed over in time");
    rig.finish();
}

#[test]
fn a_request_that_is_too_long_and_does_not_come_ends_the_connection() {
    let mut rig = Rig::with_limits(|limits| limits.frame_body_bytes_max = 1000);
    rig.lane(0, 0);
    let client = rig.client();
    rig.send(client, &announced(5000));
    let _refusal = rig.answer(client);
    rig.send(client, &[4; 4999]);
    rig.pass_time(59_000_000);
    assert!(rig.clients_to_close().is_empty());
    rig.pass_time(1_000_000);
    assert_eq!(rig.clients_to_close(), [client]);
    rig.finish();
}

#[test]
fn an_impossible_length_ends_the_connection() {
    for (ready, body_len) in [(true, (256 << 20) + 1), (true, u32::MAX), (false, 1001)] {
        let mut rig = Rig::with_limits(|limits| limits.frame_body_bytes_max = 1000);
        rig.lane(0, 0);
        let client = if ready { rig.client() } else { rig.silent_client() };
        rig.send(client, &announced(body_len));
        let answer = rig.answer(client);
        assert_eq!((answer.stream(), answer.code()), (0, ErrorCode::INVALID));
        assert_eq!(rig.clients_to_close(), [client]);
        rig.finish();
    }
}

#[test]
fn a_body_that_would_be_too_long_when_decompressed_is_refused_and_the_client_goes_on() {
    for algorithm in [Compression::Lz4, Compression::Snappy] {
        let mut rig = Rig::with_limits(|limits| limits.frame_body_bytes_max = 1000);
        let lane = rig.lane(0, 0);
        let client = rig.client_of(4, Some(algorithm.name()));
        let mut long = Vec::new();
        let text = "x".repeat(1200);
        algorithm.compress_frame(&query(5, &text), &mut long).unwrap();
        assert!(long.len() < 1000);
        rig.send(client, &[long, query(6, "SELECT")].concat());
        let received = rig.answer(client);
        let mut body = Vec::new();
        algorithm.decompress(&received.body, 1000, &mut body).unwrap();
        assert_eq!((received.stream(), &body[..4]), (5, &[0, 0, 0x22, 0][..]));
        assert_eq!(rig.requests(lane).remove(0).text(), "SELECT");
        rig.finish();
    }
}

#[test]
fn an_announced_length_is_never_taken_for_memory() {
    for algorithm in [Compression::Lz4, Compression::Snappy] {
        // 15 MiB from a few bytes: within the limit, and beyond what so few can hold.
        let announced: &[u8] = match algorithm {
            Compression::Lz4 => &[0, 0xf0, 0, 0, 0x10, 0],
            Compression::Snappy => &[0x80, 0x80, 0xc0, 0x07, 0],
        };
        let mut out = Vec::new();
        assert!(algorithm.decompress(announced, 16 << 20, &mut out).is_err());
        assert_eq!(out.capacity(), 0);
    }
}

#[test]
fn a_client_that_has_not_logged_in_cannot_fill_our_memory() {
    let mut rig = Rig::new();
    rig.lane(0, 0);
    let client = rig.silent_client();
    rig.send(client, &announced((128 << 10) + 1));
    let answer = rig.answer(client);
    assert_eq!((answer.stream(), answer.code()), (0, ErrorCode::INVALID));
    let text = "exceeds the limit of 131072 for clients that have not logged in";
    assert!(answer.body.windows(text.len()).any(|part| part == text.as_bytes()));
    assert_eq!(rig.clients_to_close(), [client]);
    rig.finish();
}

#[test]
fn a_client_that_has_logged_in_sends_long_requests_whole_or_in_pieces() {
    let long = query(5, &"x".repeat(200 << 10));
    for piece in [1, 9, 100 << 10, 1 << 20] {
        let mut rig = Rig::new();
        let lane = rig.lane(0, 0);
        let client = rig.client();
        let (head, rest) = long.split_at(20);
        for byte in head.chunks(piece) {
            rig.send(client, byte);
        }
        for part in rest.chunks(piece.max(1000)) {
            rig.send(client, part);
        }
        assert_eq!(rig.requests(lane).remove(0).text().len(), 200 << 10, "in pieces of {piece}");
        assert!(rig.clients_to_close().is_empty());
    }
}

//! Frames at the edge: versions, limits, phases, compression.

use crate::like::Like;
use crate::node::probe::{Probe, Reply, cluster};
use cql::compression::Compression;
use cql::frame::{FrameHead, write_frame};
use cql::notation::{Reader, put_bytes};
use cql::opcode::Opcode;

#[test]
fn one_byte_of_an_unknown_version_is_answered_with_the_bytes_of_the_real_server() {
    let mut cluster = cluster(|_| {});
    let probe = Probe::connect(&mut cluster, 0, 0);
    let mut out = Vec::new();
    let received = cluster.receive(probe.id, &[5], probe.now, &mut out);
    assert!(received.close);
    assert_eq!(
        hex::encode(&out),
        "8400000000000000300000000a002a496e76616c6964206f7220756e737570706f727465642070726f746f636f6c2076657273696f6e3a2035"
    );
}

#[test]
fn a_version_that_changes_is_refused_in_the_old_one() {
    let mut cluster = cluster(|_| {});
    let mut probe = Probe::connect(&mut cluster, 0, 0);
    probe.version = 3;
    probe.send(&mut cluster, Opcode::Options, &[]);
    let mut out = Vec::new();
    assert!(cluster.receive(probe.id, &[4], probe.now, &mut out).close);
    let reply = Reply::all(&out).pop().unwrap();
    assert_eq!((reply.header.version, reply.header.stream), (0x83, 0));
    let text =
        "Invalid message version. Got 4 but previous messages on this connection had version 3";
    assert_eq!(reply.error(), (0x000A, text.to_owned()));
}

#[test]
fn half_a_frame_waits_for_the_other_half() {
    let mut cluster = cluster(|_| {});
    let probe = Probe::connect(&mut cluster, 0, 0);
    let frame = [4, 0, 0, 1, 5, 0, 0, 0, 0];
    let mut out = Vec::new();
    let received = cluster.receive(probe.id, &frame[..8], probe.now, &mut out);
    assert_eq!((received.consumed, out.len()), (0, 0));
    let received = cluster.receive(probe.id, &frame, probe.now, &mut out);
    assert_eq!(received.consumed, 9);
    assert_eq!(Reply::all(&out)[0].opcode(), Opcode::Supported);
}

#[test]
fn a_request_that_needs_too_much_memory_is_refused_by_its_header_alone() {
    let mut cluster = cluster(|_| {});
    let probe = Probe::ready(&mut cluster, 0, 0);
    let mut out = Vec::new();
    let header = [4, 0, 0, 3, 7, 0x10, 0, 0, 1];
    assert!(cluster.receive(probe.id, &header, probe.now, &mut out).close);
    let reply = Reply::all(&out).pop().unwrap();
    assert_eq!(reply.header.stream, 3);
    let text =
        "request size too large (frame size 268435457; estimate 536878914; allowed 31457280)";
    assert_eq!(reply.error(), (0x2200, text.to_owned()));
}

#[test]
fn messages_out_of_turn_are_refused_and_the_connection_lives_on() {
    let mut cluster = cluster(|_| {});
    let probe = Probe::connect(&mut cluster, 0, 0);
    let text = |reply: Reply| reply.error().1;
    let early = probe.send(&mut cluster, Opcode::Query, &[]);
    assert_eq!(text(early), "Unexpected message 7, expecting STARTUP or OPTIONS");
    probe.startup(&mut cluster, &[]);
    let again = probe.startup(&mut cluster, &[]);
    let already = "Unexpected message STARTUP, the connection is already initialized";
    assert_eq!(text(again), already);
    let response = probe.send(&mut cluster, Opcode::Ready, &[]);
    assert_eq!(text(response), "Unknown opcode 2");
    assert_eq!(probe.send(&mut cluster, Opcode::Options, &[]).opcode(), Opcode::Supported);
}

#[test]
fn the_answer_to_startup_is_compressed_already() {
    let mut cluster = cluster(|_| {});
    let probe = Probe::connect(&mut cluster, 0, 0);
    let ready = probe.startup(&mut cluster, &[("COMPRESSION", "LZ4")]);
    assert_eq!((ready.header.flags, ready.body), (0x01, vec![0; 5]));

    let mut body = Vec::new();
    Compression::Lz4.compress(&[0, 0], &mut body).unwrap();
    let reply = probe.send_flagged(&mut cluster, Opcode::Register, 0x01, &body).pop().unwrap();
    assert_eq!((reply.opcode(), reply.header.flags), (Opcode::Ready, 0x01));
}

#[test]
fn compression_that_was_not_asked_for_ends_the_connection() {
    let mut cluster = cluster(|_| {});
    let probe = Probe::ready(&mut cluster, 0, 0);
    let reply = probe.send_flagged(&mut cluster, Opcode::Options, 0x01, &[0]).pop().unwrap();
    assert_eq!(reply.error(), (0x000A, "Unknown compression algorithm".to_owned()));
    assert_eq!(reply.header.stream, 0);
}

#[test]
fn supported_names_the_shard_and_what_each_version_has() {
    for (like, count) in [(Like::V6_2, 11), (Like::V2026_3, 14)] {
        let mut cluster = cluster(|options| options.like = like);
        let probe = Probe::connect(&mut cluster, 1, 1);
        let reply = probe.send(&mut cluster, Opcode::Options, &[]);
        let pairs = Reader::new(&reply.body).string_multimap().unwrap();
        assert_eq!(pairs.len(), count);
        assert!(pairs.contains(&("SCYLLA_SHARD", vec!["1"])));
        assert!(pairs.contains(&("TABLETS_ROUTING_V1", vec![""])));
    }
}

#[test]
fn a_wrong_password_may_be_followed_by_the_right_one() {
    let users = vec![("bob".to_owned(), "secret".to_owned())];
    let mut cluster = cluster(|options| options.users = users);
    let probe = Probe::connect(&mut cluster, 0, 0);
    assert_eq!(probe.startup(&mut cluster, &[]).opcode(), Opcode::Authenticate);
    let options = probe.send(&mut cluster, Opcode::Options, &[]);
    assert_eq!(options.error().1, "Unexpected message 5, expecting SASL_RESPONSE");
    let login = |cluster: &mut _, token: &[u8]| {
        let mut body = Vec::new();
        put_bytes(&mut body, Some(token));
        probe.send(cluster, Opcode::AuthResponse, &body)
    };
    let wrong = login(&mut cluster, b"\0bob\0guess");
    assert_eq!(wrong.error(), (0x0100, "Username and/or password are incorrect".to_owned()));
    let right = login(&mut cluster, b"\0bob\0secret");
    assert_eq!((right.opcode(), right.body), (Opcode::AuthSuccess, vec![0; 4]));
}

#[test]
fn a_custom_payload_is_skipped_by_new_servers_and_misread_by_old_ones() {
    // A map of one entry, `k` with an empty value, and no message behind it.
    let map = [0, 1, 0, 1, b'k', 0, 0, 0, 0];
    let execute = |like| {
        let mut cluster = cluster(|options| options.like = like);
        let probe = Probe::ready(&mut cluster, 0, 0);
        probe.send_flagged(&mut cluster, Opcode::Execute, 0x04, &map).pop().unwrap().error()
    };
    assert_eq!(execute(Like::V6_2), (0x2500, "No prepared statement with ID 00 found.".to_owned()));
    let text = "truncated frame: expected 2 bytes, length is 0";
    assert_eq!(execute(Like::V2026_3), (0x000A, text.to_owned()));
}

#[test]
fn several_frames_in_one_read_are_all_answered() {
    let mut cluster = cluster(|_| {});
    let probe = Probe::connect(&mut cluster, 0, 0);
    let mut input = Vec::new();
    for stream in 0..3 {
        write_frame(
            &mut input,
            FrameHead { version: 4, flags: 0, stream },
            Opcode::Options,
            |_| {},
        );
    }
    let mut out = Vec::new();
    let received = cluster.receive(probe.id, &input, probe.now, &mut out);
    assert_eq!(received.consumed, input.len());
    let streams: Vec<i16> = Reply::all(&out).iter().map(|reply| reply.header.stream).collect();
    assert_eq!(streams, [0, 1, 2]);
}

#[test]
fn a_client_with_many_requests_at_once_is_answered_in_parts() {
    let mut cluster = cluster(|_| {});
    let probe = Probe::connect(&mut cluster, 0, 0);
    let mut input = Vec::new();
    for stream in 0..3_000 {
        write_frame(
            &mut input,
            FrameHead { version: 4, flags: 0, stream },
            Opcode::Options,
            |_| {},
        );
    }
    let (mut at, mut bytes, mut parts) = (0, 0, 0);
    loop {
        // As if 16 MiB less 1,000 bytes were on their way already.
        let mut out = vec![0; (16 << 20) - 1000];
        let received = cluster.receive(probe.id, &input[at..], probe.now, &mut out);
        assert!(out.len() < (16 << 20) + 1000, "the bound is passed by one answer at most");
        (at, bytes, parts) =
            (at + received.consumed, bytes + out.len() - (16 << 20) + 1000, parts + 1);
        if !received.full {
            break;
        }
    }
    assert_eq!(at, input.len());
    assert!(parts > 500, "{bytes} bytes in {parts} parts");
}

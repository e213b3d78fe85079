//! Frames that reads cut anywhere, versions that are not spoken, and what a client may not send.

mod lengths;

use proptest::prelude::*;

use cql::compression::Compression;
use cql::error_code::ErrorCode;
use cql::frame::FrameHead;
use cql::header::{FLAG_COMPRESSED, FLAG_TRACING, HEADER_LEN, Header};
use cql::notation::{put_bytes, put_short, put_string};
use cql::opcode::Opcode;

use crate::support::frames::{
    client_frame, cut, execute, frame, is_compressed, node_frame, of_version, prepare, prepared,
    query, rows, startup, void, with_payload,
};
use crate::support::rig::Rig;

#[test]
fn a_frame_may_be_cut_at_every_byte_on_both_sides() {
    let asked = [query(3, "SELECT a"), query(4, "SELECT b")].concat();
    for at in 0..=asked.len() {
        let mut rig = Rig::new();
        let lane = rig.lane(0, 0);
        let client = rig.client();
        rig.send(client, &asked[..at]);
        rig.send(client, &asked[at..]);
        let requests = rig.requests(lane);
        assert_eq!(requests.len(), 2);
        let mut answers = Vec::new();
        for request in &requests {
            let put = |out: &mut Vec<u8>| out.extend_from_slice(&rows(request.text().as_bytes()));
            answers.extend(node_frame(request.stream(), Opcode::Result, put));
        }
        let at = at.min(answers.len());
        rig.lane_bytes(lane, &answers[..at]);
        rig.lane_bytes(lane, &answers[at..]);
        let answers = rig.answers(client);
        assert_eq!((answers[0].stream(), answers[0].mark()), (3, &b"SELECT a"[..]));
        assert_eq!((answers[1].stream(), answers[1].mark()), (4, &b"SELECT b"[..]));
        assert_eq!(answers.len(), 2);
    }
}

#[test]
fn a_client_may_send_byte_by_byte() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let client = rig.silent_client();
    for byte in [startup(4, None), query(1, "SELECT")].concat() {
        rig.send(client, &[byte]);
    }
    assert_eq!(rig.requests(lane).len(), 1);
    assert_eq!(rig.answer(client).opcode(), Opcode::Ready);
}

/// The answers of ScyllaDB 6.2 to connections that begin with these bytes.
#[test]
fn other_versions_are_refused_byte_for_byte_as_the_server_does() {
    let refusal = |text: &str| {
        let len = 6 + text.len() as u8;
        let mut bytes = vec![0x84, 0, 0, 0, 0, 0, 0, 0, len, 0, 0, 0, 0x0a, 0, text.len() as u8];
        bytes.extend_from_slice(text.as_bytes());
        bytes
    };
    for (first, number) in [(5, 5), (66, 66), (2, 2), (0x16, 22), (b'G', 71), (0x85, 133)] {
        for rest in [&[][..], &[0, 7, 9, 5, 0, 0, 0, 0, 1, 2, 3]] {
            let mut rig = Rig::new();
            let client = rig.silent_client();
            rig.send(client, &[&[first][..], rest].concat());
            let text = format!("Invalid or unsupported protocol version: {number}");
            assert_eq!(rig.raw_answers(client), refusal(&text));
            assert_eq!(rig.clients_to_close(), [client]);
            assert!(!rig.engine.may_read(client));
            // Drivers try those first, and step down.
            let tally = rig.engine.tally();
            let newer = u64::from(matches!(first, 5 | 66));
            assert_eq!((tally.clients_newer, tally.clients_broken), (newer, 1 - newer));
        }
    }
}

#[test]
fn a_version_that_changes_is_refused_in_the_connections_own_version() {
    for (version, other) in [(3, 4), (4, 3), (4, 5), (3, 66)] {
        let mut rig = Rig::new();
        rig.lane(0, 0);
        let client = rig.client_of(version, None);
        rig.send(client, &of_version(other, query(9, "SELECT")));
        let answer = rig.answer(client);
        let text = format!(
            "Invalid message version. Got {other} but previous messages on this connection had version {version}"
        );
        assert_eq!((answer.code(), &*answer.error().text), (ErrorCode::PROTOCOL_ERROR, &*text));
        assert_eq!((answer.header.version, answer.stream()), (0x80 | version, 0));
        assert_eq!(rig.clients_to_close(), [client]);
        rig.finish();
    }
}

#[test]
fn a_client_that_is_refused_is_answered_once_whatever_it_sent_behind() {
    for behind in [of_version(3, query(10, "SELECT")), query(10, "SELECT"), vec![b'G'; 40]] {
        let mut rig = Rig::new();
        let lane = rig.lane(0, 0);
        let client = rig.client();
        rig.send(client, &[of_version(3, query(9, "SELECT")), behind].concat());
        assert_eq!(rig.answer(client).code(), ErrorCode::PROTOCOL_ERROR);
        assert_eq!(rig.clients_to_close(), [client]);
        assert_eq!(rig.engine.tally().clients_broken, 1);
        assert!(rig.requests(lane).is_empty());
        rig.finish();
    }
}

#[test]
fn unknown_opcodes_and_responses_are_refused_and_the_client_goes_on() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let client = rig.client();
    for opcode in [0x04, 0x11, 0xff, 0x08, 0x00] {
        let mut bytes = query(7, "SELECT");
        bytes[4] = opcode;
        rig.send(client, &bytes);
        let answer = rig.answer(client);
        assert_eq!((answer.stream(), answer.code()), (7, ErrorCode::PROTOCOL_ERROR));
        assert_eq!(answer.error().text, format!("Unknown opcode {opcode}"));
    }
    rig.send(client, &query(8, "SELECT"));
    assert_eq!(rig.requests(lane).len(), 1);
    rig.finish();
}

#[test]
fn only_startup_and_options_are_served_before_startup() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let client = rig.silent_client();
    rig.send(client, &query(7, "SELECT"));
    let answer = rig.answer(client);
    assert_eq!((answer.stream(), answer.code()), (7, ErrorCode::PROTOCOL_ERROR));
    assert_eq!(answer.error().text, "Unexpected message 7, expecting STARTUP or OPTIONS");
    rig.send(client, &client_frame(2, Opcode::Options, |_| {}));
    assert_eq!(rig.answer(client).opcode(), Opcode::Supported);
    assert!(rig.requests(lane).is_empty());
    rig.finish();
}

#[test]
fn compressed_clients_get_compressed_answers_to_compressed_requests() {
    for algorithm in [Compression::Lz4, Compression::Snappy] {
        let mut rig = Rig::new();
        let lane = rig.lane(0, 0);
        let client = rig.client_of(4, Some(algorithm.name()));
        let mut compressed = Vec::new();
        algorithm.compress_frame(&query(5, "SELECT compressed"), &mut compressed).unwrap();
        rig.send(client, &[compressed, query(6, "SELECT plain")].concat());
        let requests = rig.requests(lane);
        let texts: Vec<_> = requests.iter().map(|request| request.text()).collect();
        assert_eq!(texts, ["SELECT compressed", "SELECT plain"]);
        assert!(requests.iter().all(|request| request.header.flags == 0));
        for request in &requests {
            rig.result(lane, request.stream(), &rows(&[7; 100]));
        }
        for (answer, stream) in rig.answers(client).iter().zip([5, 6]) {
            assert!(is_compressed(answer));
            let mut plain = Vec::new();
            algorithm.decompress(&answer.body, 1000, &mut plain).unwrap();
            assert_eq!((answer.stream(), plain), (stream, rows(&[7; 100])));
        }
        rig.finish();
    }
}

#[test]
fn a_body_that_does_not_decompress_ends_the_connection() {
    for (agreed, code) in
        [(Some("lz4"), ErrorCode::SERVER_ERROR), (None, ErrorCode::PROTOCOL_ERROR)]
    {
        let mut rig = Rig::new();
        rig.lane(0, 0);
        let client = rig.client_of(4, agreed);
        let mut bytes = query(5, "SELECT");
        bytes[1] = FLAG_COMPRESSED;
        rig.send(client, &bytes);
        let answer = rig.answer(client);
        assert_eq!((answer.stream(), answer.code(), answer.header.flags), (0, code, 0));
        assert_eq!(rig.clients_to_close(), [client]);
        rig.finish();
    }
}

#[test]
fn a_negative_length_in_v3_reaches_the_node_as_null() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    for (version, len, reaches) in [(3, -2, -1), (3, -9, -1), (4, -2, -2)] {
        let client = rig.client_of(version, None);
        let mut ask = execute(1, &[9; 16], b"");
        let at = ask.len() - 4;
        ask[at..].copy_from_slice(&i32::to_be_bytes(len));
        rig.send(client, &of_version(version, ask));
        let body = rig.requests(lane).remove(0).body;
        assert_eq!(body[body.len() - 4..], i32::to_be_bytes(reaches), "v{version} {len}");
    }
    rig.finish();
}

#[test]
fn a_request_payload_is_cut_before_the_server_misreads_it() {
    let mut payload = Vec::new();
    put_short(&mut payload, 2);
    for key in ["a", "b"] {
        put_string(&mut payload, key);
        put_bytes(&mut payload, Some(b"value"));
    }
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let client = rig.client();
    let mut asked = with_payload(&query(5, "SELECT"), &payload);
    asked[1] |= FLAG_TRACING;
    rig.send(client, &asked);
    let request = rig.requests(lane).remove(0);
    assert_eq!((request.text(), request.header.flags), ("SELECT", FLAG_TRACING));
    assert_eq!(request.body, query(5, "SELECT")[HEADER_LEN..]);
    rig.finish();
}

#[test]
fn a_request_payload_that_is_cut_is_refused_and_the_client_goes_on() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let client = rig.client();
    rig.send(client, &with_payload(&[4, 0, 0, 5, 7, 0, 0, 0, 0], &[0, 1, 0, 9]));
    let answer = rig.answer(client);
    assert_eq!((answer.stream(), answer.code()), (5, ErrorCode::PROTOCOL_ERROR));
    rig.send(client, &query(6, "SELECT"));
    assert_eq!(rig.requests(lane).len(), 1);
    rig.finish();
}

#[test]
fn a_client_of_v3_gets_its_own_form_of_everything() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let client = rig.client_of(3, None);
    rig.send(client, &of_version(3, prepare(1, "SELECT v FROM tab.t WHERE k = ?")));
    let request = rig.requests(lane).remove(0);
    let received = prepared(&[9; 16], 0, "tab.t", b"columns");
    rig.result(lane, request.stream(), &received);
    let answer = rig.answer(client);
    assert_eq!(answer.header.version, 0x83);
    // Less the number of key markers and the one marker.
    assert_eq!(answer.body.len(), received.len() - 6);

    rig.send(client, &of_version(3, execute(2, &[9; 16], &[0, 0, 0, 1])));
    let request = rig.requests(lane).remove(0);
    let mut body = Vec::new();
    put_short(&mut body, 1);
    put_string(&mut body, "beware");
    body.extend_from_slice(&void());
    rig.respond(lane, 0x08, request.stream(), Opcode::Result, &body);
    let answer = rig.answer(client);
    assert_eq!((answer.header.version, answer.header.flags, answer.body), (0x83, 0, void()));
    rig.finish();
}

#[test]
fn flags_that_only_newer_servers_know_do_not_reach_a_lane() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let client = rig.client();
    let mut bytes = query(5, "SELECT");
    bytes[1] = 0xf8;
    rig.send(client, &bytes);
    assert_eq!(rig.requests(lane)[0].header.flags, 0);
}

fn chunks() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let header =
        (any::<u8>(), any::<i16>(), 0u8..18, 0u8..40).prop_map(|(flags, stream, op, len)| {
            let body_len = u32::from(len);
            let header = Header { version: 4, flags: flags & 0x0f, stream, opcode: op, body_len };
            header.to_bytes().to_vec()
        });
    let piece = prop_oneof![
        header,
        proptest::collection::vec(any::<u8>(), 0..40),
        Just(startup(4, Some("lz4"))),
        Just(query(1, "SELECT")),
        Just(prepare(2, "SELECT")),
        Just(execute(3, &[9; 16], &[1])),
        Just(crate::support::frames::batch(3, 0, &[(&[9; 16], &[1])])),
    ];
    proptest::collection::vec(piece, 0..30)
}

fn answers() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let kind = prop_oneof![Just(0x08u8), Just(0x00), any::<u8>()];
    let body = prop_oneof![
        Just(void()),
        Just(prepared(&[9; 16], 0, "tab.t", b"c")),
        Just(crate::support::frames::unprepared(&[9; 16])),
        Just(crate::support::frames::schema_change("CREATED", "tab", Some("t"))),
        proptest::collection::vec(any::<u8>(), 0..40),
    ];
    let answer = (0i16..4, kind, 0u8..16, body).prop_map(|(stream, opcode, flags, body)| {
        let head = FrameHead { version: 0x84, flags: flags & 0x0e, stream };
        let mut bytes = frame(head, Opcode::Result, |out| {
            out.extend_from_slice(&body);
        });
        bytes[4] = opcode;
        bytes
    });
    let piece = prop_oneof![9 => answer, 1 => proptest::collection::vec(any::<u8>(), 0..40)];
    proptest::collection::vec(piece, 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn no_bytes_of_either_side_panic_or_lose_a_request(
        from_client in chunks(),
        from_node in answers(),
        begins_well in any::<bool>(),
    ) {
        let mut rig = Rig::with_limits(|limits| limits.client_in_flight_max = 4);
        let lanes = [rig.lane(0, 0), rig.lane(1, 0)];
        let other = rig.client();
        let client = if begins_well { rig.client() } else { rig.silent_client() };
        let mut from_node = from_node.into_iter();
        for chunk in &from_client {
            rig.send(client, chunk);
            rig.send(other, &query(1, "SELECT"));
            for lane in lanes {
                let _asked = rig.requests(lane);
                if let Some(answer) = from_node.next() {
                    rig.lane_bytes(lane, &answer);
                }
            }
            rig.pass_time(100_000);
        }
        for client in [client, other] {
            let received = rig.raw_answers(client);
            for answer in cut(&received) {
                prop_assert!(answer.header.version & 0x80 != 0);
            }
        }
        rig.finish();
    }
}

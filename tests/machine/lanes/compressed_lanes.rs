//! Compressed bodies between shardlane and the nodes, whatever clients agreed on.

use cql::compression::Compression;
use cql::header::{FLAG_COMPRESSED, HEADER_LEN, Header};
use cql::opcode::Opcode;
use shardlane::upstream::lane::RESPONSE_BODY_BYTES_MAX;

use crate::support::frames::{Frame, cut, is_compressed, node_frame, query, rows};
use crate::support::rig::Rig;

const LZ4: Compression = Compression::Lz4;

fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.lane_compression = Some(LZ4);
    rig.open_all_lanes();
    rig
}

fn packed(frame: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    LZ4.compress_frame(frame, &mut out).unwrap();
    out
}

fn plain(frame: &Frame) -> Frame {
    let mut whole = frame.header.to_bytes().to_vec();
    whole.extend_from_slice(&frame.body);
    let mut out = Vec::new();
    LZ4.decompress_frame(&whole, 1 << 20, &mut out).unwrap();
    cut(&out).remove(0)
}

fn long_rows() -> Vec<u8> {
    rows(&[b'r'; 4000])
}

#[test]
fn long_requests_are_compressed_and_short_ones_are_not() {
    let mut rig = rig();
    let client = rig.client();
    let text = format!("SELECT {}", "x".repeat(4000));
    rig.send(client, &query(1, &text));
    let (_, request) = rig.request();
    assert!(is_compressed(&request) && request.body.len() < 200);
    assert_eq!(plain(&request).body, query(1, &text)[HEADER_LEN..]);
    rig.send(client, &query(2, "SELECT"));
    let (_, request) = rig.request();
    assert!(!is_compressed(&request));
    assert_eq!(request.text(), "SELECT");
    rig.finish();
}

#[test]
fn each_answer_is_read_by_its_own_flag_and_sent_as_its_client_agreed() {
    for asked in [None, Some("lz4"), Some("snappy")] {
        let mut rig = rig();
        let client = rig.client_of(4, asked);
        for compressed in [true, false] {
            rig.send(client, &query(7, "SELECT"));
            let (lane, request) = rig.request();
            let put = |out: &mut Vec<u8>| out.extend_from_slice(&long_rows());
            let answer = node_frame(request.stream(), Opcode::Result, put);
            let answer = if compressed { packed(&answer) } else { answer };
            rig.lane_bytes(lane, &answer);
            let received = rig.answer(client);
            assert_eq!(is_compressed(&received), asked.is_some());
            assert_eq!(received.stream(), 7);
            let mut body = Vec::new();
            match asked.and_then(Compression::from_name) {
                Some(known) => known.decompress(&received.body, 1 << 20, &mut body).unwrap(),
                None => body.clone_from(&received.body),
            }
            assert_eq!(body, long_rows());
        }
        rig.finish();
    }
}

#[test]
fn a_request_goes_on_to_a_node_without_compression_as_it_came() {
    let mut rig = Rig::new();
    rig.lane_compression = Some(LZ4);
    let first = rig.lane(0, 0);
    let client = rig.client();
    let text = format!("SELECT {}", "x".repeat(4000));
    rig.send(client, &query(1, &text));
    assert!(is_compressed(&rig.requests(first)[0]));
    rig.lane_compression = None;
    let second = rig.lane(1, 0);
    rig.lose(first);
    assert_eq!(rig.requests(second)[0].text(), text);
    rig.finish();
}

#[test]
fn a_frame_that_left_by_half_is_measured_by_its_length_on_the_wire() {
    let mut rig = Rig::new();
    rig.lane_compression = Some(LZ4);
    let first = rig.lane(0, 0);
    let client = rig.client();
    let text = format!("INSERT {}", "x".repeat(4000));
    rig.send(client, &query(1, &text));
    let len = rig.engine.lane_output(first).unwrap().len();
    rig.input(|engine| engine.on_lane_sent(first, len - 1));
    rig.lane_compression = None;
    let second = rig.lane(1, 0);
    rig.lose(first);
    assert_eq!(rig.requests(second)[0].text(), text, "the node never had it whole");
    rig.finish();
}

#[test]
fn a_wrong_length_or_a_compression_without_request_closes_the_lane() {
    let body_of = |announced: u32| [&announced.to_be_bytes()[..], b"\x10x"].concat();
    let lies = [
        (Some(LZ4), body_of(RESPONSE_BODY_BYTES_MAX + 1)),
        (Some(LZ4), body_of(RESPONSE_BODY_BYTES_MAX)),
        (Some(LZ4), b"\0".to_vec()),
        (None, packed(&node_frame(0, Opcode::Result, |out| out.extend(rows(b"r"))))),
    ];
    for (agreed, body) in lies {
        let mut rig = Rig::new();
        rig.lane_compression = agreed;
        let lane = rig.lane(0, 0);
        let client = rig.client();
        rig.send(client, &query(1, "SELECT"));
        let stream = rig.requests(lane)[0].stream();
        let header = Header {
            version: 0x84,
            flags: FLAG_COMPRESSED,
            stream,
            opcode: Opcode::Result.byte(),
            body_len: body.len() as u32,
        };
        rig.lane_bytes(lane, &[&header.to_bytes()[..], &body].concat());
        assert_eq!(rig.lanes_to_close(), [lane]);
        rig.finish();
    }
}

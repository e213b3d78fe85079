//! The other end of the handshake is a script: what it wants to read, and what it answers.

use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::io::DuplexStream;
use tokio::io::duplex;

use super::*;
use crate::connect::fake_node::{read_frame, write_error};
use crate::upstream::lane::LANE_RESPONSE;
use cql::compression::Compression;
use cql::error::WireError;
use cql::error_code::ErrorCode;
use cql::frame::{FrameHead, write_frame};
use cql::header::FLAG_COMPRESSED;
use cql::notation::put_short;
use cql::notation::{put_int, put_string, put_string_list};
use cql::response::supported::{LWT_MARK, TABLETS_V1, USE_METADATA_ID};

const AUTHENTICATOR: &str = "org.apache.cassandra.auth.PasswordAuthenticator";

#[tokio::test]
async fn a_lane_negotiates_what_is_offered_and_no_more() {
    let offered = [
        ("SCYLLA_LWT_ADD_METADATA_MARK", "LWT_OPTIMIZATION_META_BIT_MASK=2147483648"),
        ("SCYLLA_RATE_LIMIT_ERROR", "ERROR_CODE=61440"),
        ("SCYLLA_USE_METADATA_ID", ""),
        ("TABLETS_ROUTING_V1", ""),
        ("TABLETS_ROUTING_V2_EXPERIMENTAL", ""),
    ];
    let script = vec![(Opcode::Options, supported(&offered)), (Opcode::Startup, ready())];
    let (answer, requests) = play(script, &PoolKey::plain(None)).await;

    assert_eq!(
        Extensions::offered(&answer.unwrap()),
        Extensions { tablets_v1: true, lwt_mask: 1 << 31, metadata_ids: true, compression: None }
    );
    let pairs = Reader::new(&requests[1]).string_map().unwrap();
    let keys: Vec<&str> = pairs.iter().map(|(key, _)| *key).collect();
    let extensions = [TABLETS_V1, LWT_MARK, USE_METADATA_ID];
    assert_eq!(keys, [&["CQL_VERSION", "DRIVER_NAME", "DRIVER_VERSION"][..], &extensions].concat());
    assert_eq!(pairs[1].1, "shardlane");
}

#[tokio::test]
async fn compression_is_asked_for_where_it_is_offered_and_the_answer_may_be_compressed() {
    for (offered, asks) in [("lz4", true), ("snappy", false)] {
        let (mut near, far) = duplex(4_096);
        let lz4_ready = answer_with(FLAG_COMPRESSED, Opcode::Ready, |out| out.extend([0; 5]));
        let script = vec![
            (Opcode::Options, supported(&[("COMPRESSION", offered)])),
            (Opcode::Startup, if asks { lz4_ready } else { ready() }),
        ];
        let node = tokio::spawn(follow(far, script));
        let offer = ask_options(&mut near, 4).await.unwrap();
        let extensions = Extensions::offered(&offer).compressed(&offer, Some(Compression::Lz4));
        start_up(&mut near, extensions, &PoolKey::plain(None)).await.unwrap();

        assert_eq!(extensions.compression.is_some(), asks);
        let requests = node.await.unwrap();
        let pairs = Reader::new(&requests[1]).string_map().unwrap();
        assert_eq!(pairs.contains(&("COMPRESSION", "lz4")), asks);
    }
}

#[tokio::test]
async fn a_login_sends_the_token_as_it_is() {
    let mut pool = PoolKey::plain(Some(Arc::new(Credential::plain("bob", "right"))));
    pool.keyspace = Some("Sh\"op".into());
    let script = vec![
        (Opcode::Options, supported(&[])),
        (Opcode::Startup, answer(Opcode::Authenticate, |out| put_string(out, AUTHENTICATOR))),
        (Opcode::AuthResponse, answer(Opcode::AuthSuccess, |out| put_int(out, -1))),
        (Opcode::Query, answer(Opcode::Result, |out| put_int(out, 3))),
    ];
    let (answer, requests) = play(script, &pool).await;

    assert!(answer.is_ok(), "{answer:?}");
    assert_eq!(Reader::new(&requests[2]).bytes(), Ok(Some(b"\0bob\0right".as_slice())));
    assert_eq!(Reader::new(&requests[3]).long_string(), Ok("USE \"Sh\"\"op\""));
}

#[tokio::test]
async fn the_servers_error_is_kept_whole() {
    let mut refusal = Vec::new();
    write_error(&mut refusal, 0, 0x0100, "Username and/or password are incorrect");
    let script = vec![
        (Opcode::Options, supported(&[])),
        (Opcode::Startup, answer(Opcode::Authenticate, |out| put_string(out, AUTHENTICATOR))),
        (Opcode::AuthResponse, refusal.clone()),
    ];
    let credential = Some(Arc::new(Credential::plain("bob", "wrong")));
    let (answer, _) = play(script, &PoolKey::plain(credential)).await;

    let error = answer.unwrap_err();
    let server = error.server_error().unwrap();
    assert_eq!(server.code, ErrorCode::BAD_CREDENTIALS);
    assert_eq!(server.body[..], refusal[9..]);
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("password are incorrect") && !shown.contains("wrong"), "{shown}");
}

#[tokio::test]
async fn a_node_that_wants_a_login_has_an_error_of_its_own() {
    let script = vec![
        (Opcode::Options, supported(&[])),
        (Opcode::Startup, answer(Opcode::Authenticate, |out| put_string(out, AUTHENTICATOR))),
    ];
    let (answer, _) = play(script, &PoolKey::plain(None)).await;
    let text = answer.unwrap_err().to_string();
    assert_eq!(
        text,
        format!("the node asks for a login ({AUTHENTICATOR}), but there is no credential")
    );
}

#[tokio::test]
async fn a_refused_version_is_read_in_whatever_version_it_comes() {
    let mut refusal = Vec::new();
    write_error(&mut refusal, 0, 0x000a, "Invalid or unsupported protocol version: 4");
    refusal[0] = 0x83;
    let (answer, _) = play(vec![(Opcode::Options, refusal)], &PoolKey::plain(None)).await;
    assert_eq!(answer.unwrap_err().server_error().unwrap().code, ErrorCode::PROTOCOL_ERROR);
}

#[tokio::test]
async fn bytes_that_are_not_the_protocol_are_refused() {
    let too_long = [0x84, 0, 0, 0, 0x06, 0x7f, 0, 0, 0].to_vec();
    let cases: [(&[u8], WireError); 3] = [
        (b"HTTP/1.1 400 Bad", WireError::Version(b'H')),
        (&too_long, WireError::BodyTooLong { len: 0x7f00_0000, len_max: BODY_LEN_MAX }),
        (&[0x84, 1, 0, 0, 6, 0, 0, 0, 0], WireError::Compression("compression was not agreed on")),
    ];
    for (bytes, expected) in cases {
        let script = vec![(Opcode::Options, bytes.to_vec())];
        let (answer, _) = play(script, &PoolKey::plain(None)).await;
        let Err(DialError::Malformed { source, .. }) = answer else { panic!("{answer:?}") };
        assert_eq!(source, expected);
    }
}

#[tokio::test]
async fn an_answer_out_of_place_is_refused() {
    let script = vec![(Opcode::Options, ready())];
    let (answer, _) = play(script, &PoolKey::plain(None)).await;
    assert!(matches!(answer, Err(DialError::Unexpected { opcode: 2, .. })), "{answer:?}");

    let script = vec![(Opcode::Options, supported(&[])), (Opcode::Startup, supported(&[]))];
    let (answer, _) = play(script, &PoolKey::plain(None)).await;
    assert!(matches!(answer, Err(DialError::Unexpected { opcode: 6, .. })), "{answer:?}");
}

#[tokio::test]
async fn a_node_that_hangs_up_is_an_error_not_a_wait() {
    let (answer, _) = play(vec![(Opcode::Options, Vec::new())], &PoolKey::plain(None)).await;
    assert!(matches!(answer, Err(DialError::Broken { .. })), "{answer:?}");
}

/// Greets a node that follows `script`, then hangs up; also the bodies of the requests it got.
async fn play(
    script: Vec<(Opcode, Vec<u8>)>,
    pool: &PoolKey,
) -> (Result<Supported, DialError>, Vec<Vec<u8>>) {
    let (mut near, far) = duplex(4_096);
    let node = tokio::spawn(follow(far, script));
    let answer = async {
        let offer = ask_options(&mut near, LANE_VERSION).await?;
        start_up(&mut near, Extensions::offered(&offer), pool).await?;
        Ok(offer)
    };
    let answer = answer.await;
    drop(near);
    (answer, node.await.unwrap())
}

async fn follow(mut stream: DuplexStream, script: Vec<(Opcode, Vec<u8>)>) -> Vec<Vec<u8>> {
    let mut requests = Vec::new();
    for (expected, reply) in script {
        let (header, body) = read_frame(&mut stream).await.unwrap();
        assert_eq!((header.version, header.opcode), (4, expected.byte()));
        requests.push(body);
        stream.write_all(&reply).await.unwrap();
    }
    requests
}

fn supported(pairs: &[(&str, &str)]) -> Vec<u8> {
    answer(Opcode::Supported, |out| {
        put_short(out, u16::try_from(pairs.len()).unwrap());
        for (key, value) in pairs {
            put_string(out, key);
            put_string_list(out, &[value]);
        }
    })
}

fn ready() -> Vec<u8> {
    answer(Opcode::Ready, |_| {})
}

fn answer(opcode: Opcode, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    answer_with(0, opcode, body)
}

fn answer_with(flags: u8, opcode: Opcode, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write_frame(&mut out, FrameHead { version: LANE_RESPONSE, flags, stream: 0 }, opcode, body);
    out
}

//! What the engine answers itself, so that drivers see one node.

use cql::compression::Compression;
use cql::error_code::ErrorCode;
use cql::notation::{Reader, put_int, put_short, put_short_bytes, put_string, put_string_map};
use cql::opcode::Opcode;
use cql::response::error::Extras;
use shardlane::engine::action::Action;

use crate::support::frames::{Frame, client_frame, error, of_version, prepare, query, startup};
use crate::support::rig::Rig;

/// EXECUTE without values.
fn execute(stream: i16, id: &[u8]) -> Vec<u8> {
    client_frame(stream, Opcode::Execute, |out| {
        put_short_bytes(out, id);
        put_short(out, 1);
        out.push(0);
    })
}

fn id_of(prepared: &Frame) -> Vec<u8> {
    assert_eq!(prepared.opcode(), Opcode::Result);
    Reader::new(&prepared.body[4..]).short_bytes().unwrap().to_vec()
}

#[test]
fn tables_of_nodes_are_never_read_from_a_node() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    let text = "SELECT * FROM system.local";
    rig.send(client, &[query(1, text), prepare(2, text)].concat());
    let codes: Vec<_> = rig.answers(client).iter().map(Frame::code).collect();
    assert_eq!(codes, [ErrorCode::OVERLOADED; 2], "the cluster's own tables were not read yet");
    assert!(rig.all_requests().is_empty());
    rig.finish();
}

#[test]
fn a_prepared_use_switches_the_keyspace_and_no_lane() {
    for version in [3, 4] {
        let mut rig = Rig::with_all_lanes();
        let client = rig.client_of(version, None);
        rig.send(client, &of_version(version, prepare(1, "USE ks")));
        let id = id_of(&rig.answer(client));
        let sent = [execute(2, &id), query(3, "SELECT")].map(|sent| of_version(version, sent));
        rig.send(client, &sent.concat());
        assert!(rig.all_requests().is_empty());
        let pool = rig.actions.iter().find_map(|order| match order {
            Action::OpenPool { pool, .. } => Some(*pool),
            _ => None,
        });
        let lane = rig.lane_of(pool.unwrap(), 0, 0).unwrap();
        let request = rig.requests(lane).remove(0);
        assert_eq!(request.opcode(), Opcode::Query, "it is said as text");
        let mut body = Vec::new();
        put_int(&mut body, 3);
        put_string(&mut body, "ks");
        rig.result(lane, request.stream(), &body);
        let answer = rig.answer(client);
        assert_eq!((answer.stream(), answer.body), (2, body));
        assert_eq!(rig.requests(lane)[0].text(), "SELECT");
        rig.finish();
    }
}

#[test]
fn a_local_statement_that_was_forgotten_is_for_the_client_to_prepare() {
    let mut rig = Rig::with_all_lanes();
    let (client, other) = (rig.client(), rig.client());
    rig.send(client, &prepare(1, "USE ks"));
    let mut id = id_of(&rig.answer(client));
    let last = id.len() - 1;
    id[last] ^= 1;
    rig.send(other, &execute(2, &id));
    assert_eq!(rig.answer(other).error().extras, Extras::Unprepared { id: Some(&id) });
    assert!(rig.all_requests().is_empty());
    rig.finish();
}

#[test]
fn a_use_that_only_some_servers_may_take_reaches_no_lane() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.send(client, &[query(1, "USE ks -- \r ; SELECT"), prepare(2, "USE 1 --\r")].concat());
    let codes: Vec<_> = rig.answers(client).iter().map(Frame::code).collect();
    assert_eq!(codes, [ErrorCode::SYNTAX_ERROR; 2]);
    assert!(rig.all_requests().is_empty());
    rig.finish();
}

#[test]
fn a_use_of_no_keyspace_gets_a_nodes_words() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    for text in ["USE ?", "USE \"\"", "USE ks; SELECT"] {
        for frame in [query(1, text), prepare(1, text)] {
            rig.send(client, &frame);
            let (lane, request) = rig.request();
            assert_eq!(request.text(), text);
            rig.error(lane, request.stream(), &error(ErrorCode::SYNTAX_ERROR, "line 1:4"));
            assert_eq!(rig.answer(client).error().text, "line 1:4");
        }
    }
    rig.finish();
}

#[test]
fn a_version_of_cql_that_cassandra_does_not_serve_is_refused_before_it_alone() {
    let cases = [
        (Some("3.0.0"), None),
        (Some("3.4.5-x"), None),
        (
            Some("2.0.0"),
            Some(
                "CQL version 2.0.0 is not supported by the binary protocol (supported version are >= 3.0.0)",
            ),
        ),
        (Some("x"), Some("Invalid version value: x")),
        (Some("3"), Some("Invalid version value: 3")),
        (None, Some("Missing value CQL_VERSION in STARTUP message")),
    ];
    for is_cassandra in [true, false] {
        let mut rig = Rig::new();
        rig.is_cassandra = is_cassandra;
        rig.open_all_lanes();
        for (version, why) in cases {
            let client = rig.silent_client();
            let body = client_frame(0, Opcode::Startup, |out| {
                let options: Vec<_> = version.map(|it| ("CQL_VERSION", it)).into_iter().collect();
                put_string_map(out, &options);
            });
            rig.send(client, &body);
            let answer = rig.answer(client);
            match why.filter(|_| is_cassandra) {
                Some(why) => {
                    assert_eq!(answer.code(), ErrorCode::PROTOCOL_ERROR);
                    assert_eq!(answer.error().text, why);
                }
                None => assert_eq!(answer.opcode(), Opcode::Ready, "{version:?}"),
            }
        }
        rig.finish();
    }
}

#[test]
fn a_second_startup_and_an_unasked_authentication_are_refused_and_the_client_goes_on() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.send(client, &startup(4, None));
    let answer = rig.answer(client);
    assert_eq!(
        answer.error().text,
        "Unexpected message STARTUP, the connection is already initialized"
    );
    rig.send(client, &client_frame(6, Opcode::AuthResponse, |out| put_int(out, -1)));
    let answer = rig.answer(client);
    assert_eq!((answer.stream(), answer.code()), (6, ErrorCode::SERVER_ERROR));
    rig.send(client, &query(7, "SELECT"));
    assert_eq!(rig.all_requests().len(), 1);
    rig.finish();
}

#[test]
fn a_driver_sees_no_shards_behind_us() {
    let mut rig = Rig::new();
    let client = rig.silent_client();
    rig.send(client, &client_frame(2, Opcode::Options, |_| {}));
    let answer = rig.answer(client);
    let keys = Reader::new(&answer.body).string_multimap().unwrap();
    assert!(keys.iter().all(|(key, _)| !key.starts_with("SCYLLA")), "{keys:?}");
}

#[test]
fn compression_is_offered_only_where_it_is_set_and_used_for_clients_that_ask() {
    for offered in [vec![], vec![Compression::Lz4, Compression::Snappy]] {
        let mut rig =
            Rig::with_settings(|settings| settings.compression_offered.clone_from(&offered));
        let client = rig.silent_client();
        rig.send(client, &client_frame(2, Opcode::Options, |_| {}));
        let answer = rig.answer(client);
        let keys = Reader::new(&answer.body).string_multimap().unwrap();
        let version = keys.iter().find(|(key, _)| *key == "SHARDLANE_VERSION").unwrap();
        assert_eq!(version.1, [env!("CARGO_PKG_VERSION")], "other proxies must know us");
        let listed = keys.iter().find(|(key, _)| *key == "COMPRESSION").unwrap();
        assert_eq!(listed.1, offered.iter().map(|one| one.name()).collect::<Vec<_>>());
        for (compression, column) in [(None, 0), (Some("lz4"), 1), (Some("snappy"), 2)] {
            rig.client_of(3, compression);
            assert_eq!(rig.engine.tally().started[0][column], 1, "{compression:?}");
        }
        assert_eq!(rig.engine.tally().started[1], [0; 3], "no client spoke version 4");
    }
}

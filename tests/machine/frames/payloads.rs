//! Custom payloads of requests, and those of answers, where the server takes them.

use cql::header::{FLAG_PAYLOAD, HEADER_LEN};
use cql::notation::{put_bytes, put_short, put_string};
use cql::opcode::Opcode;

use crate::support::frames::{query, rows, void, with_payload};
use crate::support::rig::Rig;

/// A bytes map of one key.
fn payload(value: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    put_short(&mut payload, 1);
    put_string(&mut payload, "key");
    put_bytes(&mut payload, Some(value));
    payload
}

#[test]
fn cassandra_gets_a_request_payload_and_its_own_reaches_the_client() {
    let mut rig = Rig::new();
    rig.is_cassandra = true;
    rig.open_all_lanes();
    let client = rig.client();
    rig.send(client, &with_payload(&query(5, "SELECT"), &payload(b"asked")));
    let (at, request) = rig.request();
    assert_eq!(request.header.flags, FLAG_PAYLOAD);
    assert_eq!(
        request.body,
        [payload(b"asked"), query(5, "SELECT")[HEADER_LEN..].to_vec()].concat()
    );
    // A read that lost its lane takes its payload along.
    rig.lose(at);
    let (at, again) = rig.request();
    assert_eq!((again.header.flags, again.body), (FLAG_PAYLOAD, request.body));
    let body = [payload(b"answered"), rows(b"rows")].concat();
    rig.respond(at, FLAG_PAYLOAD, again.header.stream, Opcode::Result, &body);
    let answer = rig.answer(client);
    assert_eq!((answer.header.flags, answer.body), (FLAG_PAYLOAD, body));

    // The next request on the stream has none.
    rig.send(client, &query(5, "SELECT"));
    let (at, request) = rig.request();
    assert_eq!(request.header.flags, 0);
    rig.result(at, request.stream(), &void());
    assert_eq!(rig.answer(client).header.flags, 0);
    rig.finish();
}

#[test]
fn payloads_of_requests_in_flight_are_bounded() {
    let payload = payload(&[7; 40_000]);
    let mut rig = Rig::new();
    rig.is_cassandra = true;
    let lane = rig.lane(0, 0);
    let client = rig.client();
    for stream in [1, 2] {
        rig.send(client, &with_payload(&query(stream, "SELECT"), &payload));
    }
    assert_eq!(rig.answer(client).stream(), 2);
    let request = rig.requests(lane).remove(0);
    rig.result(lane, request.stream(), &void());
    assert_eq!(rig.answer(client).stream(), 1);
    rig.send(client, &with_payload(&query(3, "SELECT"), &payload));
    assert_eq!(rig.requests(lane).len(), 1);
}

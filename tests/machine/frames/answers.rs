//! One answer for each request, to the client and stream that asked.

use cql::frame::FrameHead;
use cql::opcode::Opcode;

use crate::support::frames::{query, rows, void};
use crate::support::rig::Rig;

#[test]
fn each_client_gets_the_answer_to_its_own_request_whatever_the_order() {
    let mut rig = Rig::with_all_lanes();
    let clients: Vec<_> = (0..7).map(|_| rig.client()).collect();
    // All clients use the same stream ids, as drivers do.
    for round in 0..20i16 {
        for (number, client) in clients.iter().enumerate() {
            rig.send(*client, &query(round, &format!("SELECT {number} {round}")));
        }
    }
    let mut asked = rig.all_requests();
    assert_eq!(asked.len(), 140);
    // The nodes answer in an order that has nothing to do with that of the requests.
    asked.sort_by_key(|(_, frame)| frame.text().bytes().rev().collect::<Vec<u8>>());
    for (lane, request) in asked {
        rig.result(lane, request.stream(), &rows(request.text().as_bytes()));
    }
    for (number, client) in clients.iter().enumerate() {
        let mut answers = rig.answers(*client);
        answers.sort_by_key(|answer| answer.stream());
        let marks: Vec<_> = answers.iter().map(|answer| answer.mark().to_vec()).collect();
        let expected: Vec<_> =
            (0..20).map(|round| format!("SELECT {number} {round}").into_bytes()).collect();
        assert_eq!(marks, expected);
        assert!(answers.iter().zip(0..).all(|(answer, stream)| answer.stream() == stream));
    }
    assert_eq!(rig.engine.gauges().in_flight, 0);
    rig.finish();
}

#[test]
fn requests_are_spread_over_the_lanes_evenly() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    for stream in 0..60 {
        rig.send(client, &query(stream, "SELECT"));
    }
    let counts: Vec<_> = rig.lanes.clone().into_iter().map(|l| rig.requests(l).len()).collect();
    assert_eq!(counts, [10; 6]);
    rig.finish();
}

#[test]
fn negative_and_doubled_stream_ids_are_echoed() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let client = rig.client();
    for stream in [-1, i16::MIN, i16::MAX, 5, 5] {
        rig.send(client, &query(stream, "SELECT"));
    }
    for request in rig.requests(lane) {
        rig.result(lane, request.stream(), &void());
    }
    let streams: Vec<_> = rig.answers(client).iter().map(|answer| answer.stream()).collect();
    assert_eq!(streams, [-1, i16::MIN, i16::MAX, 5, 5]);
    rig.finish();
}

#[test]
fn the_answer_of_a_client_that_left_reaches_no_other() {
    let mut rig = Rig::with_limits(|limits| limits.lane_streams_max = 4);
    let lane = rig.lane(0, 0);
    let gone = rig.client();
    rig.send(gone, &[query(1, "SELECT 1"), query(2, "SELECT 2")].concat());
    let owed = rig.requests(lane);
    rig.leave(gone);
    // The newcomer takes the slot of the one that left and uses the same stream ids.
    let client = rig.client();
    assert_eq!(client.index(), gone.index());
    rig.send(client, &[query(1, "SELECT 3"), query(2, "SELECT 4"), query(3, "SELECT")].concat());
    let asked = rig.requests(lane);
    let ids: Vec<_> = asked.iter().map(|request| request.stream()).collect();
    assert!(owed.iter().all(|request| !ids.contains(&request.stream())), "an id was used again");

    // The third found every id taken, two of them by answers that are still owed.
    assert_eq!((asked.len(), rig.answer(client).stream()), (2, 3));
    for request in &owed {
        rig.result(lane, request.stream(), &rows(b"secret"));
    }
    assert!(rig.answers(client).is_empty());
    for request in &asked {
        rig.result(lane, request.stream(), &rows(request.text().as_bytes()));
    }
    let answers = rig.answers(client);
    assert_eq!((answers[0].mark(), answers[1].mark()), (&b"SELECT 3"[..], &b"SELECT 4"[..]));
    rig.finish();
}

#[test]
fn an_answer_without_a_request_closes_the_lane() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    rig.result(lane, 9, &void());
    assert_eq!(rig.lanes_to_close(), [lane]);
    assert_eq!(rig.engine.tally().lanes_broken, 1);
}

#[test]
fn a_second_answer_to_one_request_closes_the_lane() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let client = rig.client();
    rig.send(client, &query(1, "SELECT"));
    let request = rig.requests(lane).remove(0);
    rig.result(lane, request.stream(), &rows(b"first"));
    rig.result(lane, request.stream(), &rows(b"second"));
    assert_eq!(rig.lanes_to_close(), [lane]);
    assert_eq!(rig.answer(client).mark(), b"first");
    rig.finish();
}

#[test]
fn nothing_is_believed_of_a_lane_that_broke_the_protocol() {
    let mut rig = Rig::new();
    let lane = rig.lane(0, 0);
    let client = rig.client();
    rig.send(client, &[query(1, "INSERT 1"), query(2, "INSERT 2")].concat());
    let asked = rig.requests(lane);
    rig.result(lane, 99, &void());
    rig.result(lane, asked[0].stream(), &rows(b"lie"));
    assert!(rig.answers(client).is_empty());
    // Nor is it given more to do until the shell has closed it.
    rig.send(client, &query(3, "SELECT 3"));
    assert!(rig.requests(lane).is_empty());
    assert_eq!(rig.answer(client).stream(), 3);
    assert_eq!((rig.lanes_to_close().len(), rig.engine.tally().lanes_broken), (1, 1));
    rig.finish();
}

#[test]
fn a_lane_that_answers_with_a_request_or_in_another_version_is_closed() {
    for (version, opcode) in [(0x84, Opcode::Query), (0x84, Opcode::Ready), (0x83, Opcode::Result)]
    {
        let mut rig = Rig::new();
        let lane = rig.lane(0, 0);
        let client = rig.client();
        rig.send(client, &query(1, "SELECT"));
        let request = rig.requests(lane).remove(0);
        let put = |out: &mut Vec<u8>| out.extend_from_slice(&void());
        let head = FrameHead { version, flags: 0, stream: request.stream() };
        let bytes = crate::support::frames::frame(head, opcode, put);
        rig.lane_bytes(lane, &bytes);
        assert_eq!(rig.lanes_to_close(), [lane], "{version:x} {opcode:?}");
        rig.finish();
        assert_eq!(rig.engine.tally().ended.iter().flatten().sum::<u64>(), 2);
    }
}

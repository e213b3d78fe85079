//! Large answers reach the client whole and in order, however much its socket takes at once.

use shardlane::engine::client::ClientKey;
use shardlane::engine::limits::Limits;
use shardlane::engine::pending::LaneKey;

use crate::support::frames::{execute, query, rows};
use crate::support::rig::Rig;

const LARGE: usize = 30_000;

/// A client with `count` EXECUTEs on a lane, and the streams that they got there.
fn asked(rig: &mut Rig, count: i16) -> (ClientKey, LaneKey, Vec<i16>) {
    let lane = rig.lane(0, 0);
    let client = rig.client();
    for stream in 0..count {
        rig.send(client, &execute(stream, &[9; 16], b"k"));
    }
    let streams = rig.requests(lane).iter().map(|request| request.stream()).collect();
    (client, lane, streams)
}

fn mark(stream: usize, len: usize) -> Vec<u8> {
    vec![u8::try_from(stream).unwrap() + 1; len]
}

#[test]
fn a_large_answer_is_whole_however_much_the_socket_takes() {
    for room in [0, 1, 9, 10, LARGE / 2, LARGE + 12, LARGE + 13, usize::MAX] {
        let mut rig = Rig::new();
        rig.room = room;
        let (client, lane, streams) = asked(&mut rig, 1);
        rig.result(lane, streams[0], &rows(&mark(0, LARGE)));
        assert_eq!(rig.passed.len(), 1, "the socket is offered it");
        let answer = rig.answer(client);
        assert_eq!((answer.stream(), answer.mark()), (0, &mark(0, LARGE)[..]), "room {room}");
        rig.finish();
    }
}

#[test]
fn bytes_that_wait_for_a_client_leave_before_a_large_answer() {
    for room in [0, 100, usize::MAX] {
        let mut rig = Rig::new();
        rig.room = room;
        let (client, lane, streams) = asked(&mut rig, 5);
        for (number, len) in [10, LARGE, 10, LARGE, LARGE].into_iter().enumerate() {
            rig.result(lane, streams[number], &rows(&mark(number, len)));
        }
        let answers = rig.answers(client);
        let got: Vec<(i16, usize)> =
            answers.iter().map(|it| (it.stream(), it.mark().len())).collect();
        assert_eq!(got, [(0, 10), (1, LARGE), (2, 10), (3, LARGE), (4, LARGE)]);
        rig.finish();
    }
}

#[test]
fn one_after_the_other_goes_straight_through_and_each_is_counted() {
    let mut rig = Rig::new();
    rig.room = usize::MAX;
    let (client, lane, streams) = asked(&mut rig, 4);
    for (number, stream) in streams.iter().enumerate() {
        rig.result(lane, *stream, &rows(&mark(number, LARGE)));
    }
    assert_eq!(rig.passed.len(), 4);
    assert_eq!(rig.engine.client_output(client).unwrap(), b"");
    assert_eq!(rig.engine.client_in_flight(client), Some(0));
    assert_eq!(rig.answers(client).len(), 4);
    rig.finish();
}

#[test]
fn answers_that_have_to_be_changed_are_copied() {
    let mut rig = Rig::new();
    rig.room = usize::MAX;
    let lane = rig.lane(0, 0);
    for (version, compression) in [(3, None), (4, Some("lz4"))] {
        let client = rig.client_of(version, compression);
        let mut request = query(1, "SELECT");
        request[0] = version;
        rig.send(client, &request);
        let asked = rig.requests(lane).remove(0);
        rig.result(lane, asked.stream(), &rows(&mark(0, LARGE)));
        assert!(rig.passed.is_empty(), "v{version} {compression:?}");
        assert!(!rig.raw_answers(client).is_empty());
    }
    rig.finish();
}

#[test]
fn a_client_that_takes_nothing_more_is_held_up_as_ever() {
    let mut rig = Rig::with_limits(|limits: &mut Limits| limits.outbox_high_bytes = LARGE / 2);
    let (client, lane, streams) = asked(&mut rig, 2);
    rig.result(lane, streams[0], &rows(&mark(0, LARGE)));
    assert!(!rig.engine.may_read(client), "its answer waits");
    let _answer = rig.answer(client);
    assert!(rig.engine.may_read(client));
    rig.result(lane, streams[1], &rows(&mark(1, LARGE)));
    let _answer = rig.answer(client);
    rig.finish();
}

#[test]
fn a_large_answer_after_which_its_lane_is_closed_still_reaches_its_client() {
    for room in [0, usize::MAX] {
        let mut rig = Rig::new();
        rig.room = room;
        let (client, lane, streams) = asked(&mut rig, 1);
        let mut set_keyspace = vec![0, 0, 0, 3, 0, 2, b'k', b's'];
        set_keyspace.resize(LARGE, 0);
        rig.result(lane, streams[0], &set_keyspace);
        assert_eq!(rig.lanes_to_close(), [lane], "a plain lane has no keyspace");
        assert_eq!(rig.answer(client).stream(), 0);
        assert_eq!(rig.engine.client_in_flight(client), Some(0));
        rig.finish();
    }
}

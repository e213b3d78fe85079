//! A bound that refuses something is named with its value: in the ERROR, and for the log.

use cql::error_code::ErrorCode;
use cql::opcode::Opcode;
use shardlane::engine::action::Action;
use shardlane::engine::client::ClientKey;
use shardlane::engine::limits::Limits;
use shardlane::engine::pending::LaneKey;

use crate::support::frames::{query, rows, void};
use crate::support::rig::Rig;

/// What was named since this was last asked, with its value.
fn named(rig: &mut Rig) -> Vec<(&'static str, u64)> {
    let named = rig.actions.iter().filter_map(|action| match action {
        Action::BoundMet { setting, value, .. } => Some((*setting, *value)),
        _ => None,
    });
    let named = named.collect();
    rig.actions.retain(|action| !matches!(action, Action::BoundMet { .. }));
    named
}

/// The text of the one ERROR that waits for a client.
fn refusal(rig: &mut Rig, client: ClientKey) -> String {
    rig.answer(client).error().text.into_owned()
}

fn bounded(change: impl FnOnce(&mut Limits)) -> (Rig, LaneKey, ClientKey) {
    let mut rig = Rig::with_limits(change);
    let lane = rig.lane(0, 0);
    let client = rig.client();
    (rig, lane, client)
}

#[test]
fn a_bound_of_requests_is_named_in_the_error_and_for_the_log() {
    let (mut rig, lane, client) = bounded(|limits| limits.lane_streams_max = 2);
    for stream in 1..=3 {
        rig.send(client, &query(stream, "SELECT"));
    }
    assert_eq!(rig.requests(lane).len(), 2);
    let text = refusal(&mut rig, client);
    assert!(text.contains("(2 requests, see limits.lane_streams_max)"), "{text}");
    assert_eq!(named(&mut rig), [("limits.lane_streams_max", 2)]);
    rig.send(client, &query(4, "SELECT"));
    assert_eq!(rig.answer(client).code(), ErrorCode::OVERLOADED);
    assert_eq!(named(&mut rig), [], "a line in ten seconds");

    let (mut rig, _, client) = bounded(|limits| limits.frame_body_bytes_max = 200_000);
    rig.send(client, &query(1, &"x".repeat(200_001)));
    let text = refusal(&mut rig, client);
    assert!(text.contains("200000") && text.contains("limits.frame_body_bytes_max"), "{text}");
    assert_eq!(named(&mut rig), [("limits.frame_body_bytes_max", 200_000)]);

    let (mut rig, _, client) = bounded(|limits| limits.keyspaces_max = 0);
    rig.send(client, &query(1, "USE ks"));
    let text = refusal(&mut rig, client);
    assert!(text.ends_with("0 are in use, which is limits.keyspaces_max"), "{text}");
    assert_eq!(named(&mut rig), [("limits.keyspaces_max", 0)]);
}

#[test]
fn a_bound_of_time_is_named_in_the_error_and_for_the_log() {
    let (mut rig, _, client) = bounded(|limits| limits.request_timeout_us = 2_000_000);
    rig.send(client, &query(1, "SELECT"));
    rig.pass_time(2_300_000);
    let text = refusal(&mut rig, client);
    assert!(text.contains("within 2000 ms, which is timeouts.request_ms"), "{text}");
    assert_eq!(named(&mut rig), [("timeouts.request_ms", 2_000)]);

    let (mut rig, ..) = bounded(|limits| limits.login_timeout_us = 1_000_000);
    let silent = rig.silent_client();
    rig.pass_time(1_300_000);
    let text = refusal(&mut rig, silent);
    assert!(text.contains("within 1000 ms, which is timeouts.login_ms"), "{text}");
    assert_eq!(named(&mut rig), [("timeouts.login_ms", 1_000)]);
}

#[test]
fn a_bound_that_leaves_no_error_is_named_for_the_log() {
    let (mut rig, lane, client) = bounded(|limits| limits.client_backlog_bytes_max = 250_000);
    rig.send(client, &[1, 2, 3, 4].map(|stream| query(stream, "SELECT")).concat());
    for request in rig.requests(lane) {
        rig.result(lane, request.stream(), &rows(&[7; 200_000]));
    }
    assert_eq!(rig.clients_to_close(), [client]);
    assert_eq!(named(&mut rig), [("limits.client_backlog_bytes_max", 250_000)]);

    let (mut rig, lane, client) = bounded(|limits| {
        (limits.lane_orphans_max, limits.request_timeout_us) = (1, 2_000_000);
    });
    for stream in 0..2 {
        rig.send(client, &query(stream, "INSERT"));
    }
    rig.pass_time(2_300_000);
    assert_eq!(rig.lanes_to_close(), [lane]);
    assert!(named(&mut rig).contains(&("limits.lane_orphans_max", 1)));
}

#[test]
fn reads_that_are_not_sent_again_since_too_many_were_name_the_budget() {
    let (mut rig, lane, client) = bounded(|limits| {
        (limits.retry_percent, limits.retry_floor_per_s) = (20, 0);
    });
    for stream in 0..40 {
        rig.send(client, &query(stream, "SELECT"));
    }
    assert_eq!(rig.requests(lane).len(), 40);
    let other = rig.lane(1, 0);
    rig.lose(lane);
    let again = rig.requests(other);
    for request in &again {
        rig.result(other, request.stream(), &void());
    }
    let answers = rig.answers(client);
    let refused: Vec<_> =
        answers.iter().filter(|answer| answer.opcode() == Opcode::Error).collect();
    assert_eq!(refused.len() + again.len(), 40);
    assert_eq!(refused[0].code(), ErrorCode::READ_TIMEOUT);
    let text = &refused[0].error().text;
    assert!(text.ends_with("20 of 100, which is retries.percent"), "{text}");
    assert_eq!(named(&mut rig), [("retries.percent", 20)]);
}

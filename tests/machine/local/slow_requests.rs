//! Requests that took long, and times of statements, as the console shows them.

use std::net::SocketAddr;

use shardlane::engine::settings::{ConsoleSettings, EngineSettings};
use shardlane::facade::console::table::ConsoleTable;

use crate::support::frames::{execute, query};
use crate::support::rig::{Rig, settings};

/// Texts and times of the slow requests that a rig keeps, the newest first.
fn slow(rig: &mut Rig) -> Vec<(Option<String>, u64)> {
    let seen = rig.engine.inspect(&[ConsoleTable::SlowRequests]);
    seen.slow.iter().map(|slow| (slow.text.as_deref().map(str::to_owned), slow.waited_us)).collect()
}

#[test]
fn requests_that_took_long_are_kept_without_their_values() {
    let mut rig = Rig::with_all_lanes();
    let peer: SocketAddr = "10.1.2.3:555".parse().unwrap();
    let client = rig.client();
    rig.input(|engine| engine.on_client_named(client, peer));
    rig.prepare_select(client, "tab", 9);
    let ask = |rig: &mut Rig, frame: &[u8], us: u64| {
        rig.send(client, frame);
        let (lane, request) = rig.request();
        rig.pass_time(us);
        rig.result(lane, request.stream(), &[0, 0, 0, 1]);
        rig.answer(client);
    };
    ask(&mut rig, &execute(7, &[9; 16], b"key "), 99_999);
    assert_eq!(slow(&mut rig), []);
    ask(&mut rig, &execute(7, &[9; 16], b"key "), 100_000);
    ask(&mut rig, &query(8, "SELECT v FROM ks.t WHERE k = 'secret'"), 250_000);
    let seen = rig.engine.inspect(&[ConsoleTable::SlowRequests]).slow;
    assert_eq!(seen.len(), 2);
    let (newest, oldest) = (&seen[0], &seen[1]);
    assert_eq!(newest.text.as_deref(), Some("SELECT v FROM ks.t WHERE k = ?"));
    assert_eq!((newest.waited_us, newest.number), (250_000, 2));
    assert_eq!(oldest.table.as_ref().map(|(_, table)| &**table), Some("t"));
    assert!(oldest.text.as_deref().is_some_and(|text| text.starts_with("SELECT")), "{oldest:?}");
    assert_eq!((oldest.peer, oldest.is_failed), (Some(peer), false));
    // A value that does not fit into what is kept of the text.
    let long = format!("SELECT v FROM ks.t WHERE k = '{}' AND v = 'w'", "x".repeat(2_000));
    ask(&mut rig, &query(9, &long), 250_000);
    assert_eq!(slow(&mut rig)[0].0.as_deref(), Some("SELECT v FROM ks.t WHERE k = ?"));
    rig.finish();
}

#[test]
fn slow_requests_are_bounded_in_number_and_in_time_and_can_be_turned_off() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    let ask = |rig: &mut Rig, us: u64| {
        rig.send(client, &execute(7, &[9; 16], b"key "));
        let (lane, request) = rig.request();
        rig.pass_time(us);
        rig.result(lane, request.stream(), &[0, 0, 0, 1]);
        rig.answer(client);
    };
    let slow_us = |us: u64| ConsoleSettings { slow_us: us, ..ConsoleSettings::default() };
    let with = |rig: &mut Rig, console: ConsoleSettings| {
        let settings = EngineSettings { console, ..settings() };
        rig.input(|engine| engine.on_settings(settings));
    };
    for _ in 0..200 {
        ask(&mut rig, 100_000);
    }
    assert_eq!(slow(&mut rig).len(), 128);
    with(&mut rig, slow_us(1));
    // The next one is kept only a millisecond after the last.
    ask(&mut rig, 400);
    ask(&mut rig, 400);
    ask(&mut rig, 400);
    let newest: Vec<u64> = slow(&mut rig).iter().map(|(_, us)| *us).take(2).collect();
    assert_eq!(newest, [400, 100_000]);
    for off in [slow_us(0), ConsoleSettings { enabled: false, ..slow_us(1) }] {
        with(&mut rig, off);
        let before = slow(&mut rig);
        ask(&mut rig, 10_000_000);
        assert_eq!(slow(&mut rig), before);
    }
    rig.finish();
}

#[test]
fn a_statement_has_a_sample_of_its_times() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    for number in 0..160_u64 {
        rig.send(client, &execute(7, &[9; 16], b"key "));
        let (lane, request) = rig.request();
        // One in sixteen is counted, from the first on.
        rig.pass_time(if number.is_multiple_of(16) { 3_000 } else { 10 });
        rig.result(lane, request.stream(), &[0, 0, 0, 1]);
        rig.answer(client);
    }
    let statement = &rig.engine.inspect(&[ConsoleTable::Statements]).statements[0];
    assert_eq!(statement.answered, 160);
    let p99 = statement.sample.quantile(990).unwrap();
    assert!((3_000..=4_500).contains(&p99), "{p99}");
    rig.finish();
}

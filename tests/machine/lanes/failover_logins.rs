//! Other data centers where clients log in themselves, and no credential has lanes at the moment.

use shardlane::pool::connection::FailureKind;
use shardlane::pool::nodes::failover::FailoverSettings;

use crate::lanes::pools::{ODD, PLAIN, Shell, target};

#[test]
fn logins_that_no_local_node_can_be_asked_about_go_to_another_data_center() {
    let failover =
        FailoverSettings { remote_nodes_max: 1, after_ms: 500, ..FailoverSettings::default() };
    let mut shell = Shell::new(failover, &[0, 1], &[3]);
    shell.client(PLAIN);
    for _ in 0..2 {
        let login = shell.order();
        shell.fail(&login, FailureKind::Broken);
    }
    assert!(shell.orders.is_empty(), "no node is left");
    shell.pass_ms(100);
    shell.pass_ms(400);
    assert!(!shell.pools.failover().is_active(), "the time begins with the silence of all");
    shell.pass_ms(100);
    assert!(shell.pools.failover().is_active());

    shell.client(PLAIN);
    let login = shell.order();
    assert_eq!(login.target, target(3), "those that could not be reached come last");
    shell.open(&login);
    assert_eq!(shell.lanes.len(), 1);
    while let Some(order) = shell.orders.pop() {
        let is_back = order.target == target(0);
        if is_back { shell.open(&order) } else { shell.fail(&order, FailureKind::Broken) }
    }
    assert!(!shell.pools.failover().is_active(), "a local node is back");
}

#[test]
fn a_local_node_is_asked_about_logins_now_and_then_and_ends_a_failover() {
    let failover =
        FailoverSettings { remote_nodes_max: 1, after_ms: 500, ..FailoverSettings::default() };
    let mut shell = Shell::new(failover, &[0], &[3]);
    shell.client(ODD);
    let login = shell.order();
    shell.fail(&login, FailureKind::Broken);
    shell.pass_ms(100);
    shell.pass_ms(500);
    assert!(shell.pools.failover().is_active());
    let mut asked = Vec::new();
    while asked.last() != Some(&target(0)) {
        assert!(asked.len() < 16, "{asked:?}");
        shell.client(ODD);
        let login = shell.order();
        asked.push(login.target);
        shell.open(&login);
    }
    assert!(asked.len() > 2, "the other data center is asked first");
    shell.pass_ms(100);
    assert!(!shell.pools.failover().is_active());
}

#[test]
fn a_node_that_refuses_a_login_can_be_reached() {
    let failover =
        FailoverSettings { remote_nodes_max: 1, after_ms: 500, ..FailoverSettings::default() };
    let mut shell = Shell::new(failover, &[0, 1], &[3]);
    for _ in 0..2 {
        shell.client(PLAIN);
        let login = shell.order();
        shell.refuse(&login);
    }
    shell.pass_ms(100);
    shell.pass_ms(1_000);
    assert!(!shell.pools.failover().is_active());
}

#[test]
fn the_connection_of_a_single_client_to_another_data_center_keeps_no_failover_going() {
    let failover =
        FailoverSettings { remote_nodes_max: 1, after_ms: 500, ..FailoverSettings::default() };
    let mut shell = Shell::new(failover, &[0], &[3]);
    shell.client(PLAIN);
    let login = shell.order();
    shell.open(&login);
    let lane = shell.lanes.remove(0);
    shell.input(|pools, engine| pools.on_lane_lost(engine, lane));
    shell.play_far_away();
    shell.pass_ms(500);
    shell.play_far_away();
    assert!(shell.pools.failover().is_active());
    // A login that a local node can be asked about: what could not be asked would keep failover going.
    shell.client(PLAIN);
    let asked = shell.order();
    assert_eq!(asked.target, target(0));
    shell.open(&asked);
    shell.client(ODD);
    shell.play_far_away();
    assert_eq!(shell.lanes.len(), 2, "one of them is the client's own");

    let shared = shell.lanes.remove(0);
    shell.input(|pools, engine| pools.on_lane_lost(engine, shared));
    let base = shell.pools.open_pools().next().unwrap();
    shell.input(|_, engine| engine.on_credential_revoked(base));
    assert_eq!(shell.lanes.len(), 1);
    assert!(shell.orders.is_empty());
    shell.pass_ms(100);
    assert!(!shell.pools.failover().is_active(), "no lane is wanted");
    shell.client(PLAIN);
    let login = shell.order();
    assert_eq!(login.target, target(0));
    shell.fail(&login, FailureKind::Broken);
    assert!(shell.orders.is_empty(), "the other data center is not asked");
}

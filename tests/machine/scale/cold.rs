//! How many requests go astray until a proxy knows all tablets of a table that is new to it, and what reading them costs.

use std::fmt::Write;

use shardlane::control::tables::table_reads::TableReadSettings;

use super::newcomer::{QUESTION_ROWS, QUESTION_US, SECOND_US, World, astray};
use crate::support::frames;

/// Each row of `system.tablets` takes a node this long: a real server, built without optimisation, took 27 ms for 256.
const ROW_US: u64 = 105;
/// The same of a server that is ten times as fast.
const FAST_ROW_US: u64 = 10;

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    pub(crate) tablets: u32,
    pub(crate) requests_per_s: u64,
    /// Whether the proxy's role may read `system.tablets`.
    pub(crate) may_read: bool,
    /// Time of a node for each row of it.
    pub(crate) row_us: u64,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Requests that reached another shard than their row's, until all tablets were known.
    pub(crate) astray: u64,
    /// Requests in that time.
    pub(crate) requests: u64,
    /// That time.
    pub(crate) known_ms: u64,
    /// Most tablets that a worker was given at once.
    pub(crate) page: u64,
    /// Requests for another table, whose tablets were known, that went astray in that time.
    pub(crate) others_astray: u64,
}

/// Asks for rows of a cold table until all of its tablets are known, and for those of a warm one between.
pub(crate) fn run(scene: Scene) -> Outcome {
    let Scene { tablets, requests_per_s, may_read, row_us } = scene;
    let (cold, warm) = (format!("ks{tablets}.cold"), "ks16.warm".to_owned());
    let tables = [(cold.clone(), tablets), (warm.clone(), 16)];
    let mut world = World::new(&tables, may_read, TableReadSettings::default());
    world.row_us = row_us;
    let gap_us = SECOND_US / requests_per_s / 2;
    let others = world.prepare(&warm);
    while world.tablets_known() < 16 {
        world.pass_time(gap_us);
        world.execute(&others);
    }
    let (cold_keyspace, warm_before) = (format!("ks{tablets}"), world.arrivals("ks16", "warm"));
    (world.page_max, world.spent) = (0, Vec::new());
    let began_us = world.now_us;
    let id = world.prepare(&cold);
    let mut requests = 0;
    while world.tablets_known() < 16 + u64::from(tablets) {
        world.pass_time(gap_us);
        world.execute(&id);
        world.pass_time(gap_us);
        world.execute(&others);
        requests += 1;
        assert!(requests < 1_000_000, "{scene:?}: they are never known");
    }
    let known_us = world.now_us - began_us;
    let reached = world.arrivals(&cold_keyspace, "cold");
    for _ in 0..1_000 {
        world.pass_time(gap_us);
        world.execute(&id);
    }
    let after = world.arrivals(&cold_keyspace, "cold");
    assert_eq!(astray(after), astray(reached), "{scene:?}: what is known is right");
    Outcome {
        astray: astray(reached),
        requests,
        known_ms: known_us.div_ceil(1_000),
        page: world.page_max,
        others_astray: astray(world.arrivals("ks16", "warm")) - astray(warm_before),
    }
}

/// The table of the page.
pub(crate) fn table() -> String {
    let mut table = String::from(
        "| tablets | requests/s | may read `system.tablets` | a row of it takes, µs | requests astray | of | all known after, ms | astray of another table meanwhile |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for (tablets, requests_per_s, may_read, row_us) in [
        (64, 100, true, ROW_US),
        (64, 1_000, true, ROW_US),
        (64, 100, true, FAST_ROW_US),
        (64, 1_000, true, FAST_ROW_US),
        (64, 100, false, ROW_US),
        (4_096, 100, true, ROW_US),
        (4_096, 1_000, true, ROW_US),
        (4_096, 100, true, FAST_ROW_US),
        (4_096, 1_000, true, FAST_ROW_US),
        (4_096, 1_000, false, ROW_US),
    ] {
        let scene = Scene { tablets, requests_per_s, may_read, row_us };
        let outcome = run(scene);
        let (word, row_us) =
            if may_read { ("yes", row_us.to_string()) } else { ("no", "-".to_owned()) };
        let Outcome { astray, requests, known_ms, others_astray, .. } = outcome;
        writeln!(
            table,
            "| {tablets} | {requests_per_s} | {word} | {row_us} | {astray} | {requests} | {known_ms} | {others_astray} |",
        )
        .unwrap();
    }
    table
}

#[test]
fn a_small_table_costs_three_requests_at_most_where_tablets_may_be_read() {
    for row_us in [ROW_US, FAST_ROW_US] {
        let scene = Scene { tablets: 64, requests_per_s: 200, may_read: true, row_us };
        let outcome = run(scene);
        assert!(outcome.astray <= 3, "{outcome:?}");
    }
}

#[test]
fn a_large_table_costs_three_requests_at_most_where_nodes_read_it_fast() {
    let scene = Scene { tablets: 4_096, requests_per_s: 100, may_read: true, row_us: FAST_ROW_US };
    let outcome = run(scene);
    assert!(outcome.astray <= 3, "{outcome:?}");
}

#[test]
fn a_large_table_is_known_when_it_was_read_once() {
    let scene = Scene { tablets: 4_096, requests_per_s: 1_000, may_read: true, row_us: ROW_US };
    let outcome = run(scene);
    // One question for the table's id, nine for its rows.
    let read_ms = (10 * QUESTION_US + 4_096 * ROW_US).div_ceil(1_000);
    assert!(outcome.known_ms <= read_ms + 2, "{outcome:?}");
    assert!(
        outcome.astray <= outcome.requests.div_ceil(2) + 50,
        "{outcome:?}: pages count as they come"
    );
    assert!(outcome.page <= 500, "{outcome:?}: a worker takes no more at once");
    assert_eq!(outcome.others_astray, 0);
}

#[test]
fn each_tablet_costs_one_request_where_tablets_may_not_be_read() {
    for (tablets, requests_per_s) in [(64, 100), (4_096, 1_000)] {
        let scene = Scene { tablets, requests_per_s, may_read: false, row_us: ROW_US };
        let outcome = run(scene);
        assert_eq!((outcome.page, outcome.others_astray), (0, 0));
        assert!(outcome.astray <= u64::from(tablets), "{outcome:?}");
    }
}

/// Tables that are all named within a minute, and tablets of each.
const TABLES: u64 = 5_000;
const TABLETS: u32 = 16;

#[test]
fn tables_that_are_all_named_within_a_minute_are_read_within_the_budget() {
    // They are more than a minute's worth.
    let rows_per_s = 1_500;
    let reads = TableReadSettings { rows_per_s, ..TableReadSettings::default() };
    let mut world = World::new(&[(format!("ks{TABLETS}.t0"), TABLETS)], true, reads);
    world.is_one = true;
    let began_us = world.now_us;
    for number in 0..TABLES {
        world.say(&frames::query(1, &format!("SELECT v FROM ks{TABLETS}.t{number} WHERE k = 1")));
        world.pass_time(60 * SECOND_US / TABLES);
    }
    let cost = |world: &World| world.spent.iter().map(|(_, cost)| cost).sum::<u64>();
    let in_a_minute = cost(&world);
    // A second's worth was saved up, and the last question may cost more than was left.
    let question = QUESTION_ROWS + u64::from(TABLETS);
    assert!(in_a_minute <= 61 * rows_per_s + question, "{in_a_minute}");
    let all = TABLES * u64::from(TABLETS);
    while world.tablets_known() < all {
        assert!(world.now_us < began_us + 300 * SECOND_US, "{} are known", world.tablets_known());
        world.pass_time(SECOND_US);
    }
    let most = world.most_spent_within_a_second();
    assert!(most <= 2 * rows_per_s + question, "{most}");
    assert_eq!(cost(&world), all + 2 * TABLES * QUESTION_ROWS, "each is read once");
}

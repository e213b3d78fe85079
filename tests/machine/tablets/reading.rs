//! The tablets of a table, read all at once when a statement first names it.

use std::collections::BTreeSet;
use std::sync::Arc;

use shardlane::engine::action::{Action, TableFact, TableRequest};
use shardlane::engine::client::ClientKey;
use shardlane::routing::decision::Reason;
use shardlane::topology::tablet_page::{ReadEnd, ReadTablet, TabletPage};

use crate::support::frames::{execute, query, tablet_payload, void};
use crate::support::rig::{Rig, host, snapshot, snapshot_with_copies, token};
use cql::header::FLAG_PAYLOAD;
use cql::opcode::Opcode;
use cql::values::column_type::ColumnType;

const SECOND_US: u64 = 1_000_000;

/// What the engine wants read.
pub(crate) fn wanted(rig: &mut Rig) -> Vec<TableRequest> {
    let mut wanted = Vec::new();
    rig.actions.retain(|action| match action {
        Action::ReadTable(request) => {
            wanted.push(request.clone());
            false
        }
        _ => true,
    });
    wanted
}

pub(crate) fn request() -> TableRequest {
    TableRequest { keyspace: "tab".into(), table: "t".into(), wanted: TableFact::Tablets }
}

/// A page of `tab.t` with the whole ring on `node`.1, if there is one.
pub(crate) fn page(rig: &Rig, node: Option<u16>, end: Option<ReadEnd>) -> TabletPage {
    let tablet =
        |node| ReadTablet { first: i64::MIN, last: i64::MAX, replicas: vec![(host(node), 1)] };
    TabletPage {
        keyspace: "tab".into(),
        table: "t".into(),
        began_us: rig.now_us,
        tablets: node.map(tablet).into_iter().collect(),
        end,
    }
}

pub(crate) const COMPLETE: Option<ReadEnd> = Some(ReadEnd::Complete { moving: false });

/// Sends an EXECUTE, and answers it with nothing.
fn ask(rig: &mut Rig) -> shardlane::engine::pending::LaneKey {
    let client = rig.clients[0];
    rig.send(client, &execute(5, &[9; 16], b"key "));
    let (lane, request) = rig.request();
    rig.result(lane, request.stream(), &void());
    rig.answer(client);
    lane
}

#[test]
fn a_statement_that_names_a_table_has_its_tablets_read_once() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    assert_eq!(wanted(&mut rig), [request()]);
    rig.prepare_select(client, "tab", 8);
    ask(&mut rig);
    rig.pass_time(SECOND_US);
    assert_eq!(wanted(&mut rig), [], "it is asked for");

    let page = page(&rig, Some(2), COMPLETE);
    rig.input(|engine| engine.on_tablets_read(&page));
    assert_eq!(ask(&mut rig), rig.lanes[5]);
    assert_eq!(rig.decisions(Reason::TabletReplica), 1);
    assert_eq!(rig.engine.tally().tablets_filled, 1);
    rig.pass_time(120 * SECOND_US);
    rig.prepare_select(client, "tab", 7);
    assert_eq!(wanted(&mut rig), [], "it is known");
    rig.finish();
}

#[test]
fn only_tables_with_tablets_are_read_and_only_where_that_is_wanted() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "ring", 9);
    rig.prepare_select(client, "own", 8);
    assert_eq!(wanted(&mut rig), []);

    let mut rig = Rig::with_settings(|settings| settings.prefetch_tablets = false);
    rig.open_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    ask(&mut rig);
    rig.pass_time(SECOND_US);
    assert_eq!(wanted(&mut rig), []);
    rig.finish();
}

#[test]
fn a_request_that_is_lost_is_made_again_a_few_times_and_when_a_tablet_is_missed() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    assert_eq!(wanted(&mut rig), [request()]);
    rig.pass_time(6 * SECOND_US);
    assert_eq!(wanted(&mut rig), [request()], "though no request misses anything");
    for wait_s in [10, 20, 40, 80] {
        rig.pass_time(wait_s * SECOND_US);
        assert_eq!(wanted(&mut rig), [request()], "after {wait_s} s");
    }
    rig.pass_time(600 * SECOND_US);
    assert_eq!(wanted(&mut rig), [], "that is often enough");
    ask(&mut rig);
    rig.pass_time(SECOND_US);
    assert_eq!(wanted(&mut rig), [request()]);
    rig.finish();
}

/// A client's EXECUTE is answered, with the report that the whole ring is on node 2, shard 1.
fn answer_with_report(rig: &mut Rig, client: ClientKey) {
    rig.send(client, &execute(4, &[9; 16], b"key "));
    let (lane, asked) = rig.request();
    let payload = tablet_payload(i64::MIN, i64::MAX, &[(host(2).0, 1)]);
    let body = [&payload[..], &void()].concat();
    rig.respond(lane, FLAG_PAYLOAD, asked.stream(), Opcode::Result, &body);
    rig.answer(client);
}

#[test]
fn a_nodes_report_wins_over_a_read_under_way() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    let page = page(&rig, Some(1), COMPLETE);
    rig.pass_time(1_000);
    answer_with_report(&mut rig, client);
    rig.pass_time(1_000);
    rig.input(|engine| engine.on_tablets_read(&page));
    assert_eq!(ask(&mut rig), rig.lanes[5]);
    assert_eq!(rig.engine.tally().tablets_outdated, 1);
    rig.finish();
}

#[test]
fn a_tablet_that_was_read_where_a_report_has_just_replaced_it_is_read_again() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    assert_eq!(wanted(&mut rig), [request()]);
    let before = page(&rig, Some(1), COMPLETE);
    rig.input(|engine| engine.on_tablets_read(&before));
    rig.pass_time(20 * SECOND_US);
    answer_with_report(&mut rig, client);
    // The tablet is back, or the node that is read lags: this reading does not say which.
    rig.pass_time(500_000);
    wanted(&mut rig);
    let back = page(&rig, Some(1), COMPLETE);
    rig.input(|engine| engine.on_tablets_read(&back));
    assert_eq!(rig.engine.tally().tablets_outdated, 1);
    assert_eq!(wanted(&mut rig), []);
    rig.pass_time(2 * SECOND_US + 500_000);
    assert_eq!(wanted(&mut rig), [request()]);
    rig.finish();
}

#[test]
fn a_role_that_may_not_read_tablets_is_not_asked_for_a_while() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    assert_eq!(wanted(&mut rig).len(), 1);
    let page = page(&rig, None, Some(ReadEnd::Refused));
    rig.input(|engine| engine.on_tablets_read(&page));
    for _ in 0..9 {
        rig.pass_time(60 * SECOND_US);
        ask(&mut rig);
        rig.prepare_select(client, "tab", 9);
    }
    assert_eq!(wanted(&mut rig), []);
    rig.pass_time(90 * SECOND_US);
    ask(&mut rig);
    rig.pass_time(SECOND_US);
    assert_eq!(wanted(&mut rig), [request()], "the right may have been granted since");
    rig.finish();
}

#[test]
fn a_tablet_on_a_host_that_is_not_known_is_left_to_be_learned() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    let page = page(&rig, Some(3), COMPLETE);
    rig.input(|engine| engine.on_tablets_read(&page));
    assert_eq!(rig.engine.gauges().tablets, 0);
    assert!(rig.actions.iter().any(|action| matches!(action, Action::RefreshTopology)));
    rig.input(|engine| engine.on_snapshot(snapshot(2, 4)));
    rig.input(|engine| engine.on_tablets_read(&page));
    assert_eq!(rig.engine.gauges().tablets, 1);
    rig.finish();
}

#[test]
fn a_table_with_tablets_on_unknown_hosts_is_read_again_while_it_is_used() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    assert_eq!(wanted(&mut rig), [request()]);
    let page = page(&rig, Some(3), COMPLETE);
    rig.input(|engine| engine.on_tablets_read(&page));
    rig.input(|engine| engine.on_snapshot(snapshot(2, 4)));
    ask(&mut rig);
    rig.pass_time(5 * SECOND_US);
    assert_eq!(wanted(&mut rig), [], "its hosts may not be known yet");
    rig.pass_time(6 * SECOND_US);
    assert_eq!(wanted(&mut rig), [request()]);
    rig.finish();
}

#[test]
fn a_table_that_is_made_anew_is_read_anew() {
    use cql::response::event::{Event, write_event};
    use cql::response::schema_change::{SchemaChange, SchemaTarget};

    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    let page = page(&rig, Some(2), COMPLETE);
    rig.input(|engine| engine.on_tablets_read(&page));
    wanted(&mut rig);
    let mut event = Vec::new();
    let target = SchemaTarget::Table("t");
    let change = SchemaChange { change: "CREATED", keyspace: "tab", target };
    write_event(&mut event, 4, &Event::Schema(change));
    rig.input(|engine| engine.on_event(&event[9..]));
    assert_eq!(rig.engine.gauges().tablets, 0);
    let _versions = rig.all_requests();
    rig.prepare_select(client, "tab", 8);
    assert_eq!(wanted(&mut rig), [request()]);
}

#[test]
fn the_tablet_that_is_read_has_the_key_in_its_range() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    let here = token(b"key ");
    let tablet = |first, last, node| ReadTablet { first, last, replicas: vec![(host(node), 0)] };
    let mut page = page(&rig, None, None);
    page.tablets = vec![tablet(i64::MIN, here, 1), tablet(here, i64::MAX, 2)];
    rig.input(|engine| engine.on_tablets_read(&Arc::new(page)));
    assert_eq!(ask(&mut rig), rig.lanes[2]);
    rig.finish();
}

/// A page of `tab.t` with the whole ring on the shards 1 of `nodes`.
fn page_on(rig: &Rig, nodes: &[u16], end: Option<ReadEnd>) -> TabletPage {
    let replicas = nodes.iter().map(|node| (host(*node), 1)).collect();
    let tablets = vec![ReadTablet { first: i64::MIN, last: i64::MAX, replicas }];
    TabletPage { tablets, ..page(rig, None, end) }
}

/// A rig that has read the one tablet of its table, on shard 1 of the first node, and used it.
fn rig_that_read() -> Rig {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    assert_eq!(wanted(&mut rig), [request()]);
    let page = page_on(&rig, &[0], COMPLETE);
    rig.input(|engine| engine.on_tablets_read(&page));
    assert_eq!(ask(&mut rig), rig.lanes[1]);
    rig
}

/// How many of nine requests each of the three lanes gets that lead to the shards 1.
fn shares(rig: &mut Rig) -> [usize; 3] {
    let lanes: Vec<_> = (0..9).map(|_| ask(rig)).collect();
    [1, 3, 5].map(|at| lanes.iter().filter(|lane| **lane == rig.lanes[at]).count())
}

#[test]
fn after_another_replication_the_added_replicas_get_their_share() {
    let mut rig = rig_that_read();
    rig.input(|engine| engine.on_snapshot(snapshot_with_copies(2, 3, "3")));
    assert_eq!(shares(&mut rig), [9, 0, 0], "no answer says that there are more");
    rig.pass_time(SECOND_US);
    assert_eq!(wanted(&mut rig), [request()]);
    let moving = page_on(&rig, &[0], Some(ReadEnd::Complete { moving: true }));
    rig.input(|engine| engine.on_tablets_read(&moving));
    ask(&mut rig);
    rig.pass_time(11 * SECOND_US);
    assert_eq!(wanted(&mut rig), [request()], "until they are there");
    let there = page_on(&rig, &[0, 1, 2], COMPLETE);
    rig.input(|engine| engine.on_tablets_read(&there));
    assert_eq!(shares(&mut rig), [3, 3, 3]);
    rig.pass_time(61 * SECOND_US);
    assert_eq!(wanted(&mut rig), [request()], "and once more when it has settled");
    rig.input(|engine| engine.on_tablets_read(&there));
    rig.input(|engine| engine.on_snapshot(snapshot_with_copies(3, 3, "3")));
    rig.pass_time(61 * SECOND_US);
    assert_eq!(wanted(&mut rig), []);
    rig.finish();
}

#[test]
fn without_the_right_to_read_another_replication_is_learned_anew() {
    let mut rig = rig_that_read();
    let refused = page(&rig, None, Some(ReadEnd::Refused));
    rig.input(|engine| engine.on_snapshot(snapshot_with_copies(2, 3, "3")));
    rig.pass_time(SECOND_US);
    assert_eq!(wanted(&mut rig), [request()]);
    rig.input(|engine| engine.on_tablets_read(&refused));
    assert_eq!(rig.engine.gauges().tablets, 0);

    // What was learned while replicas were added may lack them again.
    rig.know_tablet(&[(0, 1)]);
    assert_eq!(rig.engine.gauges().tablets, 1);
    rig.pass_time(61 * SECOND_US);
    assert_eq!((wanted(&mut rig), rig.engine.gauges().tablets), (vec![], 0));
    rig.know_tablet(&[(0, 1), (1, 1), (2, 1)]);
    rig.pass_time(120 * SECOND_US);
    assert_eq!(rig.engine.gauges().tablets, 1, "that is enough");

    // It is known by now that it may not.
    rig.input(|engine| engine.on_snapshot(snapshot_with_copies(3, 3, "2")));
    rig.pass_time(SECOND_US);
    assert_eq!((wanted(&mut rig), rig.engine.gauges().tablets), (vec![], 0));
    rig.finish();
}

#[test]
fn tables_in_use_are_read_again_when_nodes_come_or_events_were_missed() {
    let mut rig = rig_that_read();
    rig.input(|engine| engine.on_snapshot(snapshot(2, 4)));
    ask(&mut rig);
    rig.pass_time(SECOND_US);
    assert_eq!(wanted(&mut rig), [request()]);
    let page = page_on(&rig, &[0], COMPLETE);
    rig.input(|engine| engine.on_tablets_read(&page));

    rig.input(|engine| engine.on_events_missed());
    rig.pass_time(SECOND_US);
    let key = TableRequest { wanted: TableFact::Key, ..request() };
    assert_eq!(wanted(&mut rig), [key], "it was not used since");
    rig.know_key("tab", "t", &[("k", ColumnType::Int)]);
    ask(&mut rig);
    rig.pass_time(2 * SECOND_US);
    assert_eq!(wanted(&mut rig), [request()]);
}

#[test]
fn a_table_in_use_is_read_again_after_ten_minutes() {
    let mut rig = rig_that_read();
    rig.pass_time(599 * SECOND_US);
    assert_eq!(wanted(&mut rig), []);
    rig.pass_time(2 * SECOND_US);
    assert_eq!(wanted(&mut rig), [request()]);
    let page = page_on(&rig, &[0], COMPLETE);
    rig.input(|engine| engine.on_tablets_read(&page));
    rig.pass_time(1_200 * SECOND_US);
    assert_eq!(wanted(&mut rig), [], "it is not used");
    rig.finish();
}

#[test]
fn every_table_of_a_burst_has_its_key_read_though_it_is_named_once() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    for table in 0..200 {
        let text = format!("SELECT v FROM tab.burst{table} WHERE k = 1");
        rig.send(client, &query(1, &text));
        let (lane, request) = rig.request();
        rig.result(lane, request.stream(), &void());
        rig.answer(client);
    }
    let lost = wanted(&mut rig);
    assert_eq!(lost.len(), 64, "as many are asked for at the same time");
    let mut read = BTreeSet::new();
    for _ in 0..40 {
        rig.pass_time(250_000);
        for request in wanted(&mut rig) {
            if request.wanted == TableFact::Key {
                rig.know_key("tab", &request.table, &[("k", ColumnType::Int)]);
                read.insert(request.table);
            }
        }
    }
    assert_eq!(read.len(), 200);
    assert!(lost.iter().all(|request| read.contains(&request.table)), "and the lost ones again");
    rig.finish();
}

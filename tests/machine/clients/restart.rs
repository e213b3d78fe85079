//! What one engine has learned, another begins with.

use std::sync::Arc;

use cql::consistency::Consistency;
use cql::opcode::Opcode;
use cql::values::column_type::ColumnType;
use shardlane::engine::action::{Action, TableFact};
use shardlane::engine::learned::PartStart;
use shardlane::routing::decision::Reason;
use shardlane::state::record::Record;
use shardlane::topology::tablet_page::{ReadEnd, ReadTablet, TabletPage};

use crate::support::frames::{SKIP_METADATA, execute, execute_at, prepared, query, void};
use crate::support::rig::{Rig, host, snapshot_with_copies};

const SECOND_US: u64 = 1_000_000;

/// An engine that knows a statement, and that all of `tab.t` is on node 2, shard 1.
fn old() -> Rig {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    let replicas = vec![(host(2), 1)];
    let page = TabletPage {
        keyspace: "tab".into(),
        table: "t".into(),
        began_us: rig.now_us,
        tablets: vec![ReadTablet { first: i64::MIN, last: i64::MAX, replicas }],
        end: Some(ReadEnd::Complete { moving: false }),
    };
    rig.input(|engine| engine.on_tablets_read(&page));
    rig
}

/// All that an engine has learned.
fn learned(rig: &Rig) -> Vec<Record> {
    let (mut records, mut from) = (Vec::new(), Some(PartStart::BEGIN));
    while let Some(place) = from {
        let part = rig.engine.learned(place);
        records.extend(part.records);
        from = part.next;
    }
    records
}

/// An engine that begins with records, and then gets its lanes.
fn begun_with(mut rig: Rig, records: &[Record]) -> Rig {
    for record in records {
        rig.input(|engine| engine.on_restored(record));
    }
    rig.open_all_lanes();
    let answer = prepared(&[9; 16], 0, "tab.t", b"columns");
    for (lane, request) in rig.all_requests() {
        assert_eq!(request.opcode(), Opcode::Prepare);
        rig.result(lane, request.stream(), &answer);
    }
    rig
}

#[test]
fn the_first_request_with_an_old_id_goes_to_the_shard_that_owns_its_row() {
    let mut rig = begun_with(Rig::new(), &learned(&old()));
    assert_eq!(rig.engine.tally().statements_restored, 1);
    assert_eq!(rig.engine.tally().tablets_restored, 1);
    let client = rig.client();
    rig.send(client, &execute(4, &[9; 16], b"key "));
    let (lane, request) = rig.request();
    assert_eq!((lane, request.opcode()), (rig.lanes[5], Opcode::Execute));
    assert_eq!(rig.decisions(Reason::TabletReplica), 1);
    rig.finish();
}

#[test]
fn a_statement_is_prepared_on_nodes_before_it_is_needed_there() {
    let mut rig = Rig::new();
    for record in &learned(&old()) {
        rig.input(|engine| engine.on_restored(record));
    }
    let lane = rig.lane(0, 0);
    let prepares = rig.requests(lane);
    assert_eq!(prepares.len(), 1);
    assert_eq!(prepares[0].text(), "SELECT v FROM tab.t WHERE k = ? /* 9 */");
}

#[test]
fn columns_that_the_old_process_knew_hold_in_the_new_one() {
    let asks_for_columns = |changed: bool| {
        let mut records = learned(&old());
        for record in &mut records {
            if let Record::Statements(statements) = record {
                statements[0].changed = changed;
            }
        }
        let mut rig = begun_with(Rig::new(), &records);
        let client = rig.client();
        let asked = execute_at(4, &[9; 16], b"key ", Consistency::One, SKIP_METADATA);
        rig.send(client, &asked);
        let (_, request) = rig.request();
        request.body != asked[9..]
    };
    assert!(!asks_for_columns(false));
    assert!(asks_for_columns(true));
}

#[test]
fn tablets_are_not_taken_back_when_their_keyspace_is_replicated_otherwise() {
    let mut rig = Rig::new();
    rig.input(|engine| engine.on_snapshot(snapshot_with_copies(2, 3, "3")));
    let rig = begun_with(rig, &learned(&old()));
    assert_eq!(rig.engine.gauges().tablets, 0);
    assert_eq!(rig.engine.tally().statements_restored, 1);
}

#[test]
fn a_table_in_use_is_read_again_soon_as_its_tablets_may_have_moved() {
    let mut rig = begun_with(Rig::new(), &learned(&old()));
    let reads = |rig: &mut Rig| {
        rig.pass_time(2 * SECOND_US);
        let is_read = |action: &Action| matches!(action, Action::ReadTable(request) if request.wanted == TableFact::Tablets);
        let count = rig.actions.iter().filter(|action| is_read(action)).count();
        rig.actions.clear();
        count
    };
    assert_eq!(reads(&mut rig), 0, "no request has used it");
    let client = rig.client();
    rig.send(client, &execute(5, &[9; 16], b"key "));
    let (lane, request) = rig.request();
    rig.result(lane, request.stream(), &void());
    rig.answer(client);
    assert_eq!(reads(&mut rig), 1);
    rig.finish();
}

#[test]
fn a_new_processs_own_knowledge_stays() {
    let mut rig = old();
    let statement = |record: &mut Record| match record {
        Record::Statements(statements) => {
            let mut other = (*statements[0].statement).clone();
            other.text = "SELECT older FROM tab.t WHERE k = ?".into();
            statements[0].statement = Arc::new(other);
        }
        Record::Header(_) | Record::Keys(_) | Record::Tablets(_) => {}
    };
    let mut records = learned(&rig);
    records.iter_mut().for_each(statement);
    for record in &records {
        rig.input(|engine| engine.on_restored(record));
    }
    assert_eq!(rig.engine.tally().statements_restored, 0);
    assert_eq!(rig.engine.tally().tablets_restored, 0);
    assert_ne!(learned(&rig), records);
}

#[test]
fn keys_of_tables_are_taken_back_for_statements_by_text() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.send(client, &query(3, "SELECT v FROM tab.t WHERE k = 1"));
    rig.know_key("tab", "t", &[("k", ColumnType::Int)]);
    let records = learned(&rig);
    let keys = records.iter().filter_map(|record| match record {
        Record::Keys(keys) => Some(keys.len()),
        Record::Header(_) | Record::Statements(_) | Record::Tablets(_) => None,
    });
    assert_eq!(keys.sum::<usize>(), 1);
    let mut rig = begun_with(Rig::new(), &records);
    let client = rig.client();
    rig.send(client, &query(3, "SELECT v FROM tab.t WHERE k = 1"));
    assert_eq!(rig.decisions(Reason::TextUnknownTable), 0);
    rig.request();
}

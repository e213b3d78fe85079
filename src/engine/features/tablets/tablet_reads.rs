//! The tablets of a table, read all at once from the cluster's own tables when requests want it.
//!
//! A server reports a tablet only to a request that missed it, one at a time. What is read spares
//! those misses; what servers report meanwhile wins.

use std::sync::Arc;

use crate::engine::action::Action;
use crate::engine::core::core::Core;
use crate::engine::view::tally::Tally;
use crate::routing::tables::read_times::{EndedReading, Pace, TabletsChange, Want};
use crate::routing::tables::table_routes;
use crate::topology::snapshot::Snapshot;
use crate::topology::table::TableId;
use crate::topology::table_key::TableKey;
use crate::topology::tablet::Tablet;
use crate::topology::tablet_page::{ReadEnd, TabletPage};

/// Tables that are asked for in one sweep, since they may have been dropped.
const CONFIRMED_AT_ONCE: usize = 8;

/// Asks for the tablets of which requests met unknown ones, and for those that may have changed.
pub(crate) fn sweep(core: &mut Core) {
    confirm_tables(core);
    ask_waiting(core);
    for table in core.router.read_times.take_unknown() {
        core.want_tablets(table, Want::Unknown);
    }
    let pace = pace(core);
    let tally = &core.tally;
    let due = core.router.read_times.take_due(pace, |table| judged(tally, table));
    for (table, change) in due {
        if core.reads_tablets() {
            core.want_tablets(table, Want::Again);
        } else if change == TabletsChange::Replication {
            forget(core, table);
        }
    }
}

/// Asks for the keys that found no room before, and for those whose question was lost.
fn ask_waiting(core: &mut Core) {
    let questions = core.router.keys.ask_waiting(core.now_us);
    core.read_tables(questions);
}

/// Asks whether tables still exist whose end may have been missed: a few at a time.
fn confirm_tables(core: &mut Core) {
    for _ in 0..CONFIRMED_AT_ONCE {
        let Some(table) = core.router.tables.take_unconfirmed() else { return };
        let Some((keyspace, name)) = core.router.tables.name(table) else { continue };
        // The schema does not list all tables that each node has for itself.
        if !table_routes::is_of_each_node(keyspace) {
            let question = core.router.keys.ask(keyspace, name, core.now_us);
            core.read_tables(question);
        }
    }
}

/// The partition key of a table was read: a statement by text names the table, or it may have been dropped.
pub(crate) fn on_key(core: &mut Core, key: Arc<TableKey>) {
    if let Some(table) = core.router.tables.get(&key.keyspace, &key.table)
        && key.is_absent
    {
        core.forget_table(table, false);
    }
    if let Some(table) = core.router.learn_key(key) {
        core.want_tablets(table, Want::Named);
    }
    ask_waiting(core);
}

/// There is another picture of the cluster: the tablets of which tables may have changed with it.
pub(crate) fn on_snapshot(core: &mut Core, snapshot: Arc<Snapshot>) {
    let before = Arc::clone(core.router.snapshot());
    core.set_snapshot(snapshot);
    let now = Arc::clone(core.router.snapshot());
    let hosts =
        |snapshot: &Snapshot| -> Vec<_> { snapshot.nodes().iter().map(|node| node.host).collect() };
    // The first nodes that are known are no change.
    if !before.nodes().is_empty() && hosts(&before) != hosts(&now) {
        on_topology(core);
    }
    for (name, keyspace) in now.keyspaces().filter(|(_, keyspace)| keyspace.tablets) {
        let other = before.keyspace(name).filter(|it| it.replication != keyspace.replication);
        if other.is_some() {
            let tables: Vec<TableId> = core.router.tables.of_keyspace(name).collect();
            changed(core, tables, TabletsChange::Replication);
        }
    }
}

/// Nodes came or went, or it is not known whether they did.
pub(crate) fn on_topology(core: &mut Core) {
    let tables = (0..).map(TableId);
    let known = tables.map_while(|table| core.router.tables.name(table).map(|_| table));
    let tables: Vec<TableId> = known.collect();
    changed(core, tables, TabletsChange::Topology);
}

fn changed(core: &mut Core, tables: Vec<TableId>, change: TabletsChange) {
    for table in tables {
        // Of what is not known nothing can be outdated.
        if core.router.tablets.table_len(table) > 0 {
            core.router.read_times.on_changed(table, change, core.now_us);
        }
    }
}

/// Some of a table's tablets were read, for this worker or for another one.
pub(crate) fn on_page(core: &mut Core, page: &TabletPage) {
    let Some(table) = core.router.tables.get(&page.keyspace, &page.table) else { return };
    let snapshot = Arc::clone(core.router.snapshot());
    let tablets: Vec<Tablet> =
        page.tablets.iter().filter_map(|read| read.by_number(&snapshot)).collect();
    if tablets.len() < page.tablets.len() {
        // The rest is learned from answers, or by another reading, once its hosts are known.
        core.actions.push_back(Action::RefreshTopology);
        core.router.read_times.on_unplaced(table);
    }
    let (began_ms, now_ms) = (page.began_us / 1_000, core.now_us / 1_000);
    let filled = core.router.tablets.fill(table, tablets, began_ms, now_ms);
    if filled.unsettled > 0 {
        core.router.read_times.on_unsettled(table);
    }
    core.tally.tablets_filled += u64::try_from(filled.taken).unwrap_or(u64::MAX);
    core.tally.tablets_outdated += u64::try_from(filled.outdated).unwrap_or(u64::MAX);
    if let Some(end) = page.end {
        let is_waited_for = core.router.read_times.is_after_replication(table);
        let judged = judged(&core.tally, table);
        let reading = EndedReading { began_us: page.began_us, end, judged };
        let pace = pace(core);
        core.router.read_times.on_end(table, reading, pace);
        if end == ReadEnd::Refused && is_waited_for {
            forget(core, table);
        }
    }
}

/// Another replication cannot be read: what is known of a table may lack replicas, and no answer would
/// ever say so.
fn forget(core: &mut Core, table: TableId) {
    core.router.tablets.forget_table(table);
    core.router.read_times.on_forgotten(table, core.now_us);
}

/// When it is, and how often tables are read.
fn pace(core: &Core) -> Pace {
    Pace { now_us: core.now_us, every_us: core.settings.tablets_reread_us }
}

/// Answers about a table that nodes have judged.
fn judged(tally: &Tally, table: TableId) -> u64 {
    let at = usize::try_from(table.0).unwrap_or(usize::MAX);
    tally.feedback.get(at).map_or(0, |feedback| feedback.hits + feedback.misses)
}

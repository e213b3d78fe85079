//! What a worker has learned: handed out in small parts, so that no request waits for long, and taken back by the
//! process after it.

use std::sync::Arc;

use crate::engine::core::core::Core;
use crate::engine::features::statements::prepared_statements;
use crate::routing::statement::Restored;
use crate::routing::tables::read_times::TabletsChange;
use crate::state::record::{Record, TableTablets};
use crate::topology::snapshot::Snapshot;
use crate::topology::table::TableId;
use crate::topology::tablet::Tablet;
use crate::topology::tablet_page::ReadTablet;

/// Statements or keys that are handed out at once.
const ITEMS: usize = 256;

/// What one part may cost: a table costs 1, and a part of its tablets [`TABLETS_COST`].
const COST_MAX: usize = 256;
const TABLETS_COST: usize = 64;

/// Where a part begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PartStart {
    /// Prepared statements, from a place in the catalog on.
    Statements(usize),
    /// Keys of tables, likewise.
    Keys(usize),
    /// Tablets of a table, behind a token, and those of the tables after it.
    Tablets {
        /// The table.
        table: TableId,
        /// The token.
        after: i64,
    },
}

impl PartStart {
    /// Where the first part begins.
    pub const BEGIN: Self = Self::Statements(0);
}

/// A part of what a worker has learned.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LearnedPart {
    /// What it consists of.
    pub records: Vec<Record>,
    /// Where the next part begins; `None` when this is the last.
    pub next: Option<PartStart>,
    /// Whether statements were forgotten, so that clients may hold columns that are recorded nowhere.
    pub incomplete: bool,
}

/// Copies a part. What changes between two parts is in the next state.
pub(crate) fn part(core: &Core, from: PartStart) -> LearnedPart {
    let (records, next) = match from {
        PartStart::Statements(first) => {
            let (entries, next) = core.router.catalog.part(first, ITEMS);
            let statements = entries.into_iter().map(|entry| Restored {
                statement: Arc::clone(&entry.statement),
                changed: entry.changed,
                mixed: entry.mixed,
                writes: entry.writes,
                used: entry.used,
            });
            let record = Record::Statements(statements.collect());
            (vec![record], next.map_or(PartStart::Keys(0), PartStart::Statements))
        }
        PartStart::Keys(first) => {
            let (keys, next) = core.router.keys.part(first, ITEMS);
            let tablets = PartStart::Tablets { table: TableId(0), after: i64::MIN };
            (vec![Record::Keys(keys)], next.map_or(tablets, PartStart::Keys))
        }
        PartStart::Tablets { table, after } => {
            let (records, next) = tablets(core, table, after);
            return part_of(core, records, next);
        }
    };
    part_of(core, records, Some(next))
}

fn part_of(core: &Core, records: Vec<Record>, next: Option<PartStart>) -> LearnedPart {
    LearnedPart { records, next, incomplete: core.router.catalog.is_incomplete() }
}

fn tablets(core: &Core, table: TableId, after: i64) -> (Vec<Record>, Option<PartStart>) {
    let (mut table, mut after) = (table, after);
    let (mut records, mut cost) = (Vec::new(), 0);
    while let Some((keyspace, name)) = core.router.tables.name(table) {
        if cost >= COST_MAX {
            return (records, Some(PartStart::Tablets { table, after }));
        }
        let (known, up_to) = core.router.tablets.part(table, after);
        cost += if known.is_empty() { 1 } else { TABLETS_COST };
        let snapshot = core.router.snapshot();
        let tablets: Vec<_> = known.iter().filter_map(|tablet| by_host(snapshot, tablet)).collect();
        if let Some(of) = snapshot.keyspace(keyspace).filter(|_| !tablets.is_empty()) {
            records.push(Record::Tablets(TableTablets {
                keyspace: keyspace.into(),
                table: name.into(),
                replication: of.replication.clone(),
                tablets,
            }));
        }
        (table, after) =
            if up_to == i64::MAX { (TableId(table.0 + 1), i64::MIN) } else { (table, up_to) };
    }
    (records, None)
}

/// A tablet as other processes understand it; `None` when one of its nodes has left.
fn by_host(snapshot: &Snapshot, tablet: &Tablet) -> Option<ReadTablet> {
    let replicas = tablet.replicas.list().iter();
    let replicas = replicas.map(|it| Some((snapshot.node(it.node)?.host, it.shard.0)));
    let replicas = replicas.collect::<Option<_>>()?;
    Some(ReadTablet { first: tablet.first, last: tablet.last, replicas })
}

/// Takes back a record of the process before. What is known already is newer, and stays.
pub(crate) fn restore(core: &mut Core, record: &Record) {
    match record {
        Record::Header(about) => {
            if about.incomplete {
                core.router.catalog.set_incomplete();
            }
        }
        Record::Statements(statements) => {
            for restored in statements {
                let table = prepared_statements::table_of(core, &restored.statement);
                // Statements stay when their table is dropped.
                table.into_iter().for_each(|table| core.router.tables.set_unconfirmed(table));
                let is_new = core.router.catalog.restore(restored.clone(), table);
                core.tally.statements_restored += u64::from(is_new);
            }
        }
        Record::Keys(keys) => {
            for key in keys {
                if core.router.keys.find(&key.keyspace, &key.table).is_none() {
                    core.router.learn_key(Arc::clone(key));
                }
            }
        }
        Record::Tablets(tablets) => restore_tablets(core, tablets),
    }
}

/// Takes tablets of a keyspace that is replicated as it was. They are read again soon after a request has used
/// their table, since they may have moved meanwhile.
fn restore_tablets(core: &mut Core, saved: &TableTablets) {
    let snapshot = Arc::clone(core.router.snapshot());
    let Some(keyspace) = snapshot.keyspace(&saved.keyspace) else { return };
    if !keyspace.tablets || keyspace.replication != saved.replication {
        return;
    }
    let Some(table) = core.router.tables.intern(&saved.keyspace, &saved.table) else { return };
    // A tablet with a node that is not there any more has moved.
    let tablets = saved.tablets.iter().filter_map(|read| read.by_number(&snapshot));
    let filled = core.router.tablets.fill(table, tablets, 0, core.now_us / 1_000);
    core.tally.tablets_restored += u64::try_from(filled.taken).unwrap_or(u64::MAX);
    core.router.read_times.on_changed(table, TabletsChange::Topology, core.now_us);
}

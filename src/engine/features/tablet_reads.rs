//! The tablets of a table, read all at once from the cluster's own tables when requests want it.
//!
//! A server reports a tablet only to a request that missed it, one at a time. What is read spares
//! those misses; what servers report meanwhile wins.

use std::sync::Arc;

use crate::engine::action::Action;
use crate::engine::core::core::Core;
use crate::routing::read_times::Want;
use crate::topology::snapshot::Snapshot;
use crate::topology::tablet::{Replica, Tablet};
use crate::topology::tablet_page::{ReadTablet, TabletPage};
use cql::token::shard::ShardId;

/// Asks for the tablets of which requests met unknown ones, and for those that are due again.
pub(crate) fn sweep(core: &mut Core) {
    for table in core.router.read_times.take_unknown() {
        core.want_tablets(table, Want::Unknown);
    }
    for table in core.router.read_times.take_due(core.now_us) {
        core.want_tablets(table, Want::Again);
    }
}

/// Some of a table's tablets were read, for this worker or for another one.
pub(crate) fn on_page(core: &mut Core, page: &TabletPage) {
    let Some(table) = core.router.tables.get(&page.keyspace, &page.table) else { return };
    let snapshot = Arc::clone(core.router.snapshot());
    let tablets: Vec<Tablet> =
        page.tablets.iter().filter_map(|read| tablet(&snapshot, read)).collect();
    if tablets.len() < page.tablets.len() {
        // The rest is learned from answers, once its hosts are known.
        core.actions.push_back(Action::RefreshTopology);
    }
    let times_ms = (page.began_us / 1_000, core.now_us / 1_000);
    let filled = core.router.tablets.fill(table, tablets, times_ms);
    core.tally.tablets_filled += u64::try_from(filled.taken).unwrap_or(u64::MAX);
    core.tally.tablets_outdated += u64::try_from(filled.outdated).unwrap_or(u64::MAX);
    if let Some(end) = page.end {
        core.router.read_times.on_end(table, end, core.now_us);
    }
}

/// The tablet by our numbers; `None` when a host is not known yet.
fn tablet(snapshot: &Snapshot, read: &ReadTablet) -> Option<Tablet> {
    let replica = |(host, shard): &(_, u16)| {
        let node = snapshot.number_of(*host)?;
        Some(Replica { node, shard: ShardId(*shard) })
    };
    let replicas = read.replicas.iter().map(replica).collect::<Option<_>>()?;
    Some(Tablet { first: read.first, last: read.last, replicas })
}

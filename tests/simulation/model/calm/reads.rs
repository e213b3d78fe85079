//! In the calm: what is read of a table's tablets spares every miss, and never undoes what a node
//! has reported since.

use std::collections::BTreeMap;

use crate::faults::fault_kind::FaultKind;
use crate::model::frames::Hand;
use crate::model::statements::{Handle, KEYSPACES, keyspace};
use crate::scenario::OUR_CENTER;
use crate::world::World;
use shardlane::engine::engine::Engine;
use sim::{Cluster, ClusterError};

/// A table in use is read again within this time, by pages of one row as well.
const READ_AGAIN_US: u64 = 10_000_000;
/// A worker with room for one message asks for one table so often: at each of the engine's sweeps.
const ONE_ASKED_US: u64 = 250_000;
/// Tables that clients read.
const TABLES_MAX: u64 = 40;
/// Most copies of a row.
const COPIES_MAX: usize = 3;
/// Requests for one row of which each replica gets some.
const ASKED_OF_ONE: usize = 64;
/// A table whose tablets are on their way is read again within this time, when that was seen twice.
const MOVED_US: u64 = 20_000_000;
/// Within this time after a change the reading begins.
const BEGINS_US: u64 = 1_000_000;

/// Moves a tablet's replica, or begins to.
type Move =
    fn(&mut Cluster, &str, &str, i64, (usize, u16), (usize, u16)) -> Result<(), ClusterError>;

impl World {
    /// Tablets move; those of the table are read again, before or while a client reads its rows.
    pub(crate) fn judge_reads(&mut self, number: usize, handle: Handle) {
        let can_read = self.scenario.prefetch && self.scenario.may_read;
        if handle.keyspace != 0 || !can_read || self.misses_anyway() {
            return;
        }
        // They may be read already when they move, and this is reported.
        self.events_missed();
        let begins_us = self.chance.below(BEGINS_US);
        // Often right after the first page: what else comes of that reading is older than the move.
        let (read, is_reading) = (self.counted.tablets_read, !begins_us.is_multiple_of(4));
        let until_us = self.now_us + if is_reading { BEGINS_US } else { begins_us };
        self.run(until_us, |world| is_reading && world.counted.tablets_read > read);
        if !self.move_tablets(handle.keyspace, "t") {
            return;
        }
        self.events_missed();
        if self.read_row(number, handle, 0).is_none() {
            return;
        }
        self.run(self.now_us + self.read_again_us(), |_| false);
        let Some(missed) = self.misses_by_tablet(number, handle) else { return };
        if let Some((last, _)) = missed.iter().find(|(_, count)| **count > 0) {
            return self.blame(format_args!(
                "the tablet up to {last} was missed, though all were read again since it moved"
            ));
        }
        // And they may move when they are read, and not reported yet.
        self.events_missed();
        if self.read_row(number, handle, 0).is_none() {
            return;
        }
        let read = self.counted.tablets_read;
        let is_read = |world: &mut Self| world.counted.tablets_read > read;
        self.run(self.now_us + self.read_again_us(), is_read);
        self.move_tablets(handle.keyspace, "t");
        let Some(mut missed) = self.misses_by_tablet(number, handle) else { return };
        self.run(self.now_us + self.read_again_us(), |_| false);
        for (last, count) in self.misses_by_tablet(number, handle).unwrap_or_default() {
            *missed.entry(last).or_default() += count;
        }
        if let Some((last, count)) = missed.iter().find(|(_, count)| **count > 1) {
            self.blame(format_args!(
                "the tablet up to {last} moved once while it was read, and was missed {count} times"
            ));
        }
        self.counted.read_again += 1;
        self.judge_moving(number, handle);
    }

    /// Tablets are read while they are on their way: until they are there, requests go where they were,
    /// and then the table is read again, though no event says so.
    fn judge_moving(&mut self, number: usize, handle: Handle) {
        if !self.move_each(handle.keyspace, "t", Cluster::begin_move) {
            return;
        }
        self.events_missed();
        if self.read_row(number, handle, 0).is_none() {
            return;
        }
        self.run(self.now_us + self.read_again_us(), |_| false);
        let Some(mut missed) = self.misses_by_tablet(number, handle) else { return };
        self.end_moves();
        // What is not used is not read again, and the reading that goes on may be the last of a use.
        for _ in 0..2 {
            if self.read_row(number, handle, 0).is_none() {
                return;
            }
            self.run(self.now_us + MOVED_US + self.read_again_us(), |_| false);
        }
        for (last, count) in self.misses_by_tablet(number, handle).unwrap_or_default() {
            *missed.entry(last).or_default() += count;
        }
        if let Some((last, count)) = missed.iter().find(|(_, count)| **count > 0) {
            return self.blame(format_args!(
                "the tablet up to {last} was read on its way, and was missed {count} times"
            ));
        }
        self.counted.read_moving += 1;
    }

    /// The rows of a table get other numbers of copies: every replica that was added serves, and none
    /// is asked that was taken away. No answer ever says that a replica was added.
    pub(crate) fn judge_replication(&mut self, number: usize, handle: Handle) {
        let nodes = self.cluster.members.iter().filter(|member| member.belongs()).count();
        let (factor, most) = (self.scenario.factor, nodes.min(COPIES_MAX));
        let is_told = !self.scenario.has(FaultKind::HostileNode) && !self.scenario.has_rack();
        if handle.keyspace != 0 || most < 2 || self.misses_anyway() || !is_told {
            return;
        }
        let other = if factor < most { most } else { factor - 1 };
        for copies in [other, factor] {
            if self.broken.is_some() || !self.set_copies(copies) {
                return;
            }
            let can_read = self.scenario.prefetch && self.scenario.may_read;
            // What cannot be read is forgotten at once, and once more when all has settled.
            let wait_us = if can_read { self.read_again_us() } else { READ_AGAIN_US };
            self.run(self.now_us + wait_us, |_| false);
            let missed_max = u64::from(!can_read);
            let Some(missed) = self.misses_by_tablet(number, handle) else { return };
            if let Some((last, count)) = missed.iter().find(|(_, count)| **count > missed_max) {
                return self.blame(format_args!(
                    "the tablet up to {last} has {copies} copies now, and was missed {count} times"
                ));
            }
            self.arrivals.clear();
            for _ in 0..ASKED_OF_ONE {
                if self.read_row(number, handle, 0).is_none() {
                    return;
                }
            }
            // An unknown tablet may be met by chance before it is reported.
            let strays = self.arrivals.values().filter(|count| **count <= missed_max).count();
            if self.arrivals.len() != copies + strays || strays > 1 {
                let served = self.arrivals.clone();
                return self.blame(format_args!(
                    "a row has {copies} copies, and requests for it arrived at {served:?}"
                ));
            }
        }
        self.counted.copies_changed += 1;
    }

    /// Within this time a table in use is read again; longer where one question of a worker finds room at a
    /// time, and those for all other tables come first.
    pub(crate) fn read_again_us(&self) -> u64 {
        let first_us = if self.scenario.loses_reports() { ONE_ASKED_US * TABLES_MAX } else { 0 };
        READ_AGAIN_US + first_us
    }

    /// The rows of the keyspace with tablets get another number of copies.
    pub(crate) fn set_copies(&mut self, copies: usize) -> bool {
        let alive = self.cluster.members.iter().position(|member| member.answers());
        let Some(connection) = alive.and_then(|node| self.own_connection(node, 30_003)) else {
            return false;
        };
        let text = format!(
            "ALTER KEYSPACE {} WITH replication = \
             {{'class': 'NetworkTopologyStrategy', '{OUR_CENTER}': {copies}}}",
            keyspace(0)
        );
        let said = self.ask_node(connection, &Hand::OWN.query(&text));
        self.cluster.close(connection);
        self.expect_result(&text, said).is_some()
    }

    fn events_missed(&mut self) {
        for worker in self.workers.numbers() {
            self.input(worker, Engine::on_events_missed);
            self.flush(worker);
        }
    }

    /// Moves a replica of each tablet to the next shard of its node; `false` when none has another.
    pub(crate) fn move_tablets(&mut self, keyspace: usize, table: &str) -> bool {
        self.move_each(keyspace, table, Cluster::move_tablet)
    }

    fn move_each(&mut self, keyspace: usize, table: &str, how: Move) -> bool {
        let name = KEYSPACES.get(keyspace).copied().unwrap_or_default();
        let tablets = self.cluster.tablets(name, table).map(|it| it.all().to_vec());
        let mut moved = false;
        for tablet in tablets.unwrap_or_default() {
            let Some(from) = tablet.replicas.first().copied() else { continue };
            let shards = self.cluster.members.get(from.0).map_or(1, |it| it.nr_shards());
            let to = (from.0, (from.1 + 1) % shards.max(1));
            if to != from {
                let done = how(&mut self.cluster, name, table, tablet.last, from, to);
                moved |= done.is_ok();
            }
        }
        moved
    }

    /// A client reads every row once; how often each tablet was missed, by its last token.
    fn misses_by_tablet(&mut self, number: usize, handle: Handle) -> Option<BTreeMap<i64, u64>> {
        let mut missed = BTreeMap::new();
        for (key, last) in self.rows_with_tablets(handle.keyspace) {
            *missed.entry(last).or_default() += self.read_row(number, handle, key)?;
        }
        Some(missed)
    }
}

//! In the calm: clients read while the rows of a table get other numbers of copies. Requests go to a replica
//! that is gone once for each tablet at most, and each replica that is there gets its share.

use std::collections::{BTreeMap, BTreeSet};

use crate::clients::driver::{Driver, WayIn};
use crate::faults::fault_kind::FaultKind;
use crate::model::frames::Hand;
use crate::model::statements::{Handle, RequestKind, Shape, keyspace};
use crate::network::link::LinkId;
use crate::run::token_of_row;
use crate::world::World;
use shardlane::routing::decision::Reason;

/// Clients that read, each rows of tablets that no other one reads.
const READERS: usize = 4;
/// Copies of each row: one, many, one.
const COPIES: [usize; 3] = [1, 3, 1];
/// Clients have something to read so often, µs.
const PAUSE_US: u64 = 60_000;
/// The same while a change becomes known: so often in that time.
const PAUSES: u64 = 200;
/// They read so long before the number of copies changes, µs.
const BEFORE_US: u64 = 300_000;
/// Requests for one tablet by which the shares of its replicas are judged.
const JUDGED: u64 = 96;
/// A replica gets one part in so many of its even share at least: the least busy lane is asked, and lanes of some
/// replicas serve what others read as well.
const UNEVEN: u64 = 8;

/// Readers alone take no more streams of a lane: each has one request on the way, and the proxy asks a few
/// things of its own.
const STREAMS_FEW: u16 = 12;

/// A node and a shard.
type Replica = (usize, u16);

/// Where requests for one table arrive, by the last token of the tablet.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    /// Requests that were asked since then, µs; none is counted while there is none.
    since_us: Option<u64>,
    /// The replicas before the change.
    before: BTreeMap<i64, BTreeSet<Replica>>,
    /// Requests that found no free stream on a lane to a replica, by then.
    elsewhere: u64,
    /// Requests at replicas that are gone.
    gone: BTreeMap<i64, u64>,
    /// Requests at each replica.
    served: BTreeMap<i64, BTreeMap<Replica, u64>>,
}

impl World {
    /// A request reached a node.
    pub(crate) fn note_replica(&mut self, id: LinkId, number: u64) {
        let Some(since_us) = self.arrived.since_us else { return };
        let Some(record) = self.ledger.get(number).filter(|it| it.asked_us >= since_us) else {
            return;
        };
        let RequestKind::Execute(handle, key) = record.ask else { return };
        if handle.shape != Shape::Read || handle.keyspace != 0 {
            return;
        }
        let lane = self.links.get_mut(&id).and_then(|link| link.lane());
        let Some(replica) = lane.map(|lane| (lane.node, lane.shard)) else { return };
        let tablets = self.cluster.tablets(keyspace(0), "t");
        let tablet = tablets.and_then(|tablets| tablets.locate(token_of_row(key)));
        let Some((_, tablet)) = tablet else { return };
        let last = tablet.last;
        if tablet.replicas.contains(&replica) {
            *self.arrived.served.entry(last).or_default().entry(replica).or_default() += 1;
        } else if self.arrived.before.get(&last).is_some_and(|it| it.contains(&replica)) {
            *self.arrived.gone.entry(last).or_default() += 1;
            self.narrate(format_args!(
                "{number} comes to {replica:?}, where the tablet up to {last} is no longer"
            ));
        }
    }

    /// Clients read while rows get more copies, and fewer again.
    pub(crate) fn judge_copies(&mut self, number: usize, handle: Handle) {
        let nodes = self.cluster.members.iter().filter(|member| member.belongs()).count();
        let is_told = !self.scenario.has(FaultKind::HostileNode) && !self.scenario.has_rack();
        let most = COPIES.into_iter().max().unwrap_or(1);
        if !self.scenario.copies || nodes < most || self.misses_anyway() || !is_told {
            return;
        }
        let Some(readers) = self.readers(number, handle) else { return };
        for copies in COPIES.into_iter().chain([self.scenario.factor]) {
            self.judge_change(&readers, handle, copies);
        }
        self.arrived = Arrived::default();
        self.counted.copies_judged += u64::from(self.broken.is_none());
    }

    /// Some clients of one worker, with the rows that each reads.
    fn readers(&mut self, number: usize, handle: Handle) -> Option<Vec<(usize, Vec<u64>)>> {
        let mut by_tablet: BTreeMap<i64, Vec<u64>> = BTreeMap::new();
        for (key, last) in self.rows_with_tablets(handle.keyspace) {
            by_tablet.entry(last).or_default().push(key);
        }
        let mut readers = vec![(number, Vec::new())];
        for _ in 1..READERS.min(by_tablet.len()) {
            readers.push((self.another_like(number, handle)?, Vec::new()));
        }
        let count = readers.len();
        for (at, rows) in by_tablet.into_values().enumerate() {
            if let Some((_, own)) = readers.get_mut(at % count) {
                own.extend(rows);
            }
        }
        Some(readers)
    }

    /// Another client of the same worker and role, which has prepared the same.
    fn another_like(&mut self, like: usize, handle: Handle) -> Option<usize> {
        let of = self.drivers.get(like)?;
        let (role, link) = (of.role, of.link?);
        let worker = self.links.get(&link)?.worker();
        self.workers.dealt = worker + self.workers.numbers().len() - 1;
        let number = self.drivers.len();
        let driver =
            Driver { role, way_in: WayIn::Plain, stopped: true, ..Driver::draw(&mut self.chance) };
        self.drivers.push(driver);
        self.on_driver_dials(number);
        if !self.settle() {
            return None;
        }
        self.ask(number, RequestKind::Prepare(handle), |hand| hand.prepare(&handle.text()));
        self.settle().then_some(number)
    }

    fn judge_change(&mut self, readers: &[(usize, Vec<u64>)], handle: Handle, copies: usize) {
        let until_us = self.now_us + BEFORE_US;
        self.read_on(readers, PAUSE_US, handle, |world| world.now_us >= until_us);
        let elsewhere = self.sent_elsewhere();
        self.arrived = Arrived { before: self.replicas(), elsewhere, ..Arrived::default() };
        if self.broken.is_some() || !self.set_copies(copies) {
            return;
        }
        self.arrived.since_us = Some(self.now_us);
        let can_read = self.scenario.prefetch && self.scenario.may_read;
        let (until_us, pause_us) =
            (self.now_us + self.read_again_us(), self.read_again_us() / PAUSES);
        self.read_on(readers, pause_us, handle, |world| world.now_us >= until_us);
        // What cannot be read is forgotten at once, and once more when all has settled; what is not known
        // goes anywhere, and its answer says where it belongs.
        let most = if can_read { 1 } else { 3 } + self.sent_elsewhere() - self.arrived.elsewhere;
        let gone = self.arrived.gone.iter().find(|(_, count)| **count > most);
        if let Some((last, count)) = gone.map(|(last, count)| (*last, *count)) {
            return self.blame(format_args!(
                "the tablet up to {last} has {copies} copies now, and {count} requests went to one that is gone"
            ));
        }
        let gone = std::mem::take(&mut self.arrived.gone);
        self.narrate(format_args!(
            "{copies} copies: {gone:?} requests went to replicas that are gone"
        ));
        self.judge_shares(readers, handle);
    }

    /// Requests that found no free stream on a lane to a replica, and went to any node; none where lanes have
    /// more of them than readers take.
    fn sent_elsewhere(&self) -> u64 {
        if self.scenario.limits.lane_streams_max > STREAMS_FEW {
            return 0;
        }
        let at = usize::from(Reason::ReplicaDown as u8);
        self.workers.all().filter_map(|it| it.engine.tally().routing.get(at)).sum()
    }

    /// Each replica of some tablets gets its share.
    fn judge_shares(&mut self, readers: &[(usize, Vec<u64>)], handle: Handle) {
        self.arrived.served.clear();
        let first =
            |(number, rows): &(usize, Vec<u64>)| (*number, rows.iter().take(1).copied().collect());
        let readers: Vec<(usize, Vec<u64>)> = readers.iter().map(first).collect();
        let count = readers.len();
        let judged = |of: &BTreeMap<Replica, u64>| of.values().sum::<u64>() >= JUDGED;
        self.read_on(&readers, PAUSE_US, handle, |world| {
            world.arrived.served.values().filter(|of| judged(of)).count() >= count
        });
        for (last, replicas) in self.replicas() {
            let Some(served) = self.arrived.served.get(&last).cloned() else { continue };
            let all: u64 = served.values().sum();
            let copies = u64::try_from(replicas.len()).unwrap_or(1).max(1);
            let least = all / copies / UNEVEN;
            self.narrate(format_args!("shares of the tablet up to {last}: {served:?}"));
            let is_short = |replica: &Replica| served.get(replica).copied().unwrap_or(0) < least;
            if let Some(short) = replicas.iter().find(|replica| is_short(replica)) {
                return self.blame(format_args!(
                    "replica {short:?} of the tablet up to {last} gets less than its share: {served:?}"
                ));
            }
        }
    }

    /// The replicas of each tablet.
    fn replicas(&self) -> BTreeMap<i64, BTreeSet<Replica>> {
        let tablets = self.cluster.tablets(keyspace(0), "t");
        let tablets = tablets.map(|tablets| tablets.all()).unwrap_or_default();
        tablets.iter().map(|it| (it.last, it.replicas.iter().copied().collect())).collect()
    }

    /// Clients read rows, each one at a time and all together, each `pause_us` at most until `done`.
    fn read_on(
        &mut self,
        readers: &[(usize, Vec<u64>)],
        pause_us: u64,
        handle: Handle,
        done: impl Fn(&Self) -> bool,
    ) {
        while self.broken.is_none() && !done(self) {
            for (number, rows) in readers {
                let driver = self.drivers.get(*number);
                let is_idle = driver.is_some_and(|driver| driver.waiting.is_empty());
                // Not all in the same order, or turns would go by reader.
                if is_idle && self.chance.one_in(2) {
                    let key = self.chance.pick(rows).copied().unwrap_or(0);
                    self.ask_for_row(*number, handle, key);
                }
            }
            let until_us = self.now_us + 1 + self.chance.below(pause_us);
            self.run(until_us, |_| false);
        }
        self.settle();
    }

    /// A client asks for a row by the statement that it has prepared.
    fn ask_for_row(&mut self, number: usize, handle: Handle, key: u64) {
        let held = self.drivers.get(number).and_then(|driver| driver.held.get(&handle));
        let Some(id) = held.map(|held| held.id.clone()) else {
            return self.blame(format_args!("client {number} has lost {handle:?}"));
        };
        let value = i64::try_from(key).unwrap_or(0);
        let ask = RequestKind::Execute(handle, key);
        self.ask(number, ask, |hand: Hand| hand.execute(&id, &[value], false));
    }
}

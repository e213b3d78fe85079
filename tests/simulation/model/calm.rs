//! After the faults: all lanes are back, no request waits, and every request reaches its shard once each
//! tablet has cost its one miss.

pub(crate) mod copies; // clients read while rows get other numbers of copies
mod demand; // lanes come when they are asked for, and go when they are not used
mod moved; // texts with constants after their tablets moved
mod own_rows; // a client on a connection of its own reads columns that are new
pub(crate) mod reads; // tablets that are read again
mod shapes; // statements by text that are run as prepared ones
mod spreading; // what is used is soon on every node, and a flood is not

use std::collections::{BTreeMap, BTreeSet};

use crate::clients::driver::{Driver, WayIn};
use crate::model::frames::Hand;
use crate::model::statements::{Handle, KEYSPACES, RequestKind, SECOND_ROW, Shape};
use crate::network::link::End;
use crate::proxy::dialing::SimDial;
use crate::run::token_of_row;
use crate::scenario::ROWS;
use crate::world::World;

/// All that broke must be whole again within this time: the shard-aware port is left alone for
/// 300 s after it lied, and searches rest for 60.
const WHOLE_US: u64 = 900_000_000;
/// One request of the calm may take so long.
const ANSWER_US: u64 = 5_000_000;
/// The map of tablets believes an older word again only after a second.
const SETTLED_US: u64 = 1_500_000;
/// Times that each tablet is read.
const ROUNDS: usize = 3;

/// How often each tablet was missed, by its keyspace and last token.
type Misses = BTreeMap<(usize, i64), u64>;

impl World {
    /// Waits until everything is whole, then counts misses.
    pub(crate) fn judge_calm(&mut self) {
        self.end_trouble();
        let until = self.now_us + WHOLE_US;
        if !self.run(until, Self::is_whole) {
            let missing = self.what_is_missing();
            return self.blame(format_args!("after the faults: {missing}"));
        }
        self.calm = true;
        self.narrate(format_args!("all is whole again"));
        self.run(self.now_us + SETTLED_US, |_| false);
        let mut missed = BTreeMap::new();
        let mut readers = Vec::new();
        for worker in self.workers.numbers() {
            readers.extend(self.count_misses(worker, &mut missed));
        }
        self.judge_unused();
        // Before anything changes: what cannot be read after another replication is forgotten, twice.
        self.compare_misses(&missed);
        for number in readers {
            self.judge_changes(number);
        }
        self.judge_own_rows();
        self.compare_counts();
        self.compare_rows();
    }

    fn is_whole(&mut self) -> bool {
        let silent = self.refillers().all(|(key, refiller)| {
            let plan = refiller.schedule().slots();
            let dialled = plan.sharder().is_some() || key.pool != 0;
            dialled && plan.is_complete()
        });
        let lost =
            |end: &End| matches!(end, End::Lane(lane) if lane.key.is_some() && lane.node_gone);
        let members = self.cluster.members.iter().filter(|member| member.belongs());
        // As many nodes may be others than those that are there.
        let hosts: BTreeSet<[u8; 16]> = members.map(|member| member.host_id).collect();
        silent
            && self.pools_cover_nodes()
            && self.workers.all().all(|worker| {
                // Where no client is logged in no lane shows that chosen nodes are back: the next login does.
                let asks = worker.pools.refillers().next().is_some();
                let stands_in = worker.pools.failover().is_active() || worker.is_wide();
                worker.hosts == hosts && !(asks && stands_in)
            })
            && !self.links.values().any(|link| lost(&link.end))
            && !self.dials.values().any(SimDial::is_silent)
            && self.ledger.waiting().next().is_none()
            && self.kept_though_withdrawn(|_, withdrawn_us| withdrawn_us).is_none()
    }

    fn what_is_missing(&mut self) -> String {
        let waiting = self.ledger.waiting().next().map(|(number, it)| format!("{number} {it:?}"));
        let plans = self.refillers().map(|(key, refiller)| (key, refiller.schedule().slots()));
        let lanes: Vec<String> = plans
            .filter(|(_, plan)| !plan.is_complete())
            .map(|(key, plan)| format!("{key:?}: {} of {} lanes", plan.up(), plan.wanted()))
            .collect();
        let known: Vec<usize> = self.workers.all().map(|worker| worker.picture.1).collect();
        let covered = self.pools_cover_nodes();
        format!("waiting: {waiting:?}, {lanes:?}, {known:?} nodes known, all dialled: {covered}")
    }

    /// A client that holds nothing yet reads every tablet, one request at a time. Returns its number.
    fn count_misses(&mut self, worker: usize, all: &mut Misses) -> Option<usize> {
        if self.broken.is_some() {
            return None;
        }
        // It gets this worker.
        self.workers.dealt = worker + self.workers.numbers().len() - 1;
        let number = self.drivers.len();
        let mut driver = Driver::draw(&mut self.chance);
        driver.stopped = true;
        driver.way_in = WayIn::Plain;
        self.drivers.push(driver);
        self.on_driver_dials(number);
        if !self.settle() {
            return None;
        }
        // It may be the first of its credential, which has one lane by now.
        if !self.run(self.now_us + WHOLE_US, Self::is_whole) {
            let missing = self.what_is_missing();
            self.blame(format_args!("for a new client: {missing}"));
            return None;
        }
        for keyspace in 0..KEYSPACES.len() {
            let handle = Handle { shape: Shape::Read, keyspace, qualified: true };
            self.ask(number, RequestKind::Prepare(handle), |hand| hand.prepare(&handle.text()));
            if !self.settle() {
                return None;
            }
            if self.scenario.on_demand() {
                self.read_on_demand(number, handle);
            } else {
                self.read_tablets(number, handle, all);
            }
        }
        Some(number)
    }

    /// A client goes on to read while tablets move, copies come and go, and tables are made anew.
    fn judge_changes(&mut self, number: usize) {
        if self.broken.is_some() {
            return;
        }
        if !self.scenario.on_demand() {
            let handle = Handle { shape: Shape::Read, keyspace: 0, qualified: true };
            self.judge_reads(number, handle);
            self.judge_copies(number, handle);
            self.judge_replication(number, handle);
        }
        self.judge_spreading(number);
        self.judge_texts(number);
        self.judge_shapes(number);
    }

    fn read_tablets(&mut self, number: usize, handle: Handle, all_workers: &mut Misses) {
        let mut missed: BTreeMap<i64, u64> = BTreeMap::new();
        let rows = self.rows_with_tablets(handle.keyspace);
        for round in 0..ROUNDS {
            for (key, tablet) in &rows {
                let Some(misses) = self.read_row(number, handle, *key) else { return };
                *missed.entry(*tablet).or_default() += misses;
            }
            let often = missed.iter().find(|(_, count)| **count > 1 && !self.misses_anyway());
            if let Some((last, count)) = often {
                let name = KEYSPACES.get(handle.keyspace);
                return self.blame(format_args!(
                    "in round {round} the tablet up to {last} in {name:?} was missed {count} times"
                ));
            }
        }
        for (tablet, count) in &missed {
            *all_workers.entry((handle.keyspace, *tablet)).or_default() += count;
        }
        let all: u64 = missed.values().sum();
        self.narrate(format_args!("{} tablets, {all} misses", missed.len()));
        if handle.keyspace == 1 && all > 0 && !self.scenario.some_nodes() {
            self.blame(format_args!("{all} requests for rows on the ring went astray"));
        }
    }

    /// A client reads a row, and waits for it; how often that missed its shard.
    pub(crate) fn read_row(&mut self, number: usize, handle: Handle, key: u64) -> Option<u64> {
        let before = self.misses(handle.keyspace);
        let id = self.drivers.get(number).and_then(|driver| driver.held.get(&handle));
        let Some(id) = id.map(|held| held.id.clone()) else {
            self.blame(format_args!("a new client cannot prepare {handle:?}"));
            return None;
        };
        let value = i64::try_from(key).unwrap_or(0);
        let ask = RequestKind::Execute(handle, key);
        self.ask(number, ask, |hand: Hand| hand.execute(&id, &[value], false));
        self.settle().then(|| self.misses(handle.keyspace) - before)
    }

    /// A copy that comes too late teaches nothing, for its answer is dropped unread; and the only
    /// replica may stand in the other data center, or be a node that was not chosen.
    pub(crate) fn misses_anyway(&self) -> bool {
        self.scenario.limits.speculative_delay_us > 0
            || self.scenario.centers > 1
            || self.scenario.some_nodes()
    }

    /// What one worker has learned, the other need not learn again, unless the message was lost.
    fn compare_misses(&mut self, missed: &Misses) {
        if self.scenario.report_room < 2 || !self.scenario.is_benign() || self.misses_anyway() {
            return;
        }
        if let Some(((_, last), count)) = missed.iter().find(|(_, count)| **count > 1) {
            self.blame(format_args!(
                "the tablet up to {last} was missed {count} times, though workers send each other what they learn"
            ));
        }
    }

    /// Lets the one request on the way be answered.
    pub(crate) fn settle(&mut self) -> bool {
        let until = self.now_us + ANSWER_US;
        let done = self.run(until, |world| world.ledger.waiting().next().is_none());
        if !done && self.broken.is_none() {
            let missing = self.what_is_missing();
            self.blame(format_args!("in the calm: {missing}"));
        }
        done && self.broken.is_none()
    }

    /// Requests that arrived where they do not belong.
    fn misses(&self, keyspace: usize) -> u64 {
        let name = KEYSPACES.get(keyspace).copied().unwrap_or_default();
        let requests = self.cluster.requests(name, "t").unwrap_or_default();
        let arrivals = requests.routable;
        arrivals.wrong_shard + arrivals.non_replica
    }

    /// Every row with the last token of its tablet; on the ring each row is one of its own.
    pub(crate) fn rows_with_tablets(&self, keyspace: usize) -> Vec<(u64, i64)> {
        let name = KEYSPACES.get(keyspace).copied().unwrap_or_default();
        let tablets = self.cluster.tablets(name, "t");
        let rows = (0..ROWS).map(|key| {
            let token = token_of_row(key);
            let tablet = tablets.and_then(|tablets| tablets.locate(token));
            (key, tablet.map_or(token, |(_, tablet)| tablet.last))
        });
        rows.collect()
    }

    /// Everything that came in has ended, and all that clients were sent was counted.
    fn compare_counts(&mut self) {
        // Requests of clients that have left, or a question of our own, may be on their way still.
        let quiet = |world: &mut Self| {
            let gauges = world.workers.all().map(|worker| worker.engine.gauges());
            let (received, ended) = world.received_and_ended();
            gauges.map(|gauges| gauges.in_flight - gauges.orphans).sum::<u64>() == 0
                && received == ended
        };
        if !self.run(self.now_us + ANSWER_US, quiet) {
            let (received, ended) = self.received_and_ended();
            return self.blame(format_args!(
                "requests stay in flight in the calm: received {received} requests, {ended} have ended"
            ));
        }
        self.compare_sent();
    }

    fn received_and_ended(&self) -> (u64, u64) {
        let tallies = || self.workers.all().map(|worker| worker.engine.tally());
        let received = tallies().flat_map(|tally| tally.received.iter()).sum();
        let ended = tallies().flat_map(|tally| tally.ended.iter().flatten()).sum();
        (received, ended)
    }

    fn compare_sent(&mut self) {
        use crate::faults::fault_kind::FaultKind::{
            CutClient, DeafClient, Hog, HostileClient, SlowClient, Withdraw,
        };
        // Who is closed in the middle of a frame, or sends nonsense, cannot be counted from outside.
        let countable = [CutClient, DeafClient, Hog, HostileClient, SlowClient, Withdraw]
            .iter()
            .all(|kind| !self.scenario.has(*kind));
        if !countable {
            return;
        }
        let tallies = || self.workers.all().map(|worker| worker.engine.tally());
        let (received, ended) = self.received_and_ended();
        let rows = tallies().flat_map(|tally| tally.ended.iter());
        let abandoned: u64 = rows.filter_map(|row| row.last()).sum();
        let counted = self.counted;
        if counted.given != received || counted.sent != ended - abandoned {
            self.blame(format_args!(
                "clients sent {} requests and got {} answers, the engine counted {received} and {}",
                counted.given,
                counted.sent,
                ended - abandoned
            ));
        }
    }

    /// What the database holds is what was acknowledged, once.
    fn compare_rows(&mut self) {
        let mut broken = None;
        let mut expected = Vec::new();
        for (number, record) in self.ledger.iter() {
            let rows = if let RequestKind::Batch(handle, key)
            | RequestKind::TextBatch(handle, key) = &record.ask
            {
                vec![(*handle, *key), (*handle, key + SECOND_ROW)]
            } else if let RequestKind::Execute(handle, key) | RequestKind::Text(handle, key) =
                &record.ask
                && handle.shape == Shape::Count
            {
                vec![(*handle, *key)]
            } else {
                continue;
            };
            let is_sure = record.acknowledged && !record.tainted && !record.ran_again;
            let most = if record.ran_again { i64::MAX } else { 1 };
            expected.push((number, (is_sure, most), rows));
        }
        for (number, (is_sure, most), rows) in expected {
            for (handle, key) in rows {
                let count = self.counter(handle.keyspace, key);
                if count > most || (is_sure && count != 1) {
                    broken = Some(format!("write {number} is in the database {count} times"));
                }
            }
        }
        if let Some(broken) = broken {
            self.blame(format_args!("{broken}"));
        }
    }
}

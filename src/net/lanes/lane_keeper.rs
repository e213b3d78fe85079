//! Keeps the lanes of one node and one set open: the first as soon as it can be, then the rest.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinError;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::net::clock::now_ms;
use crate::net::lanes::backoff::{Backoff, BackoffSettings};
use crate::net::lanes::dial::{Aim, Dialer, NodeTarget, OpenedLane};
use crate::net::lanes::dial_error::DialError;
use crate::net::lanes::dial_stats::PortVerdict;
use crate::net::lanes::handshake_budget::{HANDSHAKES_PER_NODE, NodeGate};
use crate::net::lanes::lane_plan::{Arrival, Dial, LanePlan, LaneSerial};
use crate::net::lanes::lane_set::LaneSet;
use crate::token::shard::Sharder;
use crate::topology::id::NodeId;

/// Connections of shards that have their lane, held for each shard of the node while others are
/// looked for on the plain port: the server gives the next connection to the shard with fewest,
/// so to close one at once would bring the same shard again.
const EXCESS_PER_SHARD: usize = 3;
/// How long a keeper rests after a search on the plain port that did not find every shard.
const HUNT_REST_MS: u64 = 60_000;
/// Shortest wait after a node answered with an ERROR: a wrong password or a missing keyspace will
/// not be right a moment later, and each login costs the node a hash.
const REFUSED_REST_MS: u64 = 1_000;
/// No node is restarted with other shards so soon again: nodes of several kinds share the address,
/// and dialling goes on slowly.
const RESHARD_GAP_MS: u64 = 10_000;
/// A node that is said to be up is dialled within this time, not by all proxies at once.
const NODE_UP_SPREAD_MS: u64 = 500;

/// What a keeper is told.
#[derive(Debug)]
pub enum KeeperInput {
    /// A lane is gone, for whatever reason; open another.
    LaneDown(LaneSerial),
    /// The node is said to be up; do not wait any longer.
    NodeUp,
}

/// What a keeper tells.
#[derive(Debug)]
pub enum LaneReport {
    /// A lane is ready.
    Up {
        /// Whose lane it is.
        set: LaneSet,
        /// To be named when it goes down.
        serial: LaneSerial,
        /// The connection.
        lane: OpenedLane,
    },
    /// A try failed; the keeper goes on trying.
    Failed {
        /// The node.
        node: NodeId,
        /// The set whose lane it would have been.
        set: LaneSet,
        /// Why.
        error: DialError,
        /// When the next try starts, at the earliest.
        retry_in_ms: u64,
    },
    /// The node now divides its data otherwise. It comes before the first lane of the new kind;
    /// lanes from before are as good as down, and need not be reported as such.
    Resharded {
        /// The node.
        node: NodeId,
        /// The set whose lane found out.
        set: LaneSet,
        /// How it divides its data now; `None` without shards.
        sharder: Option<Sharder>,
    },
}

/// Everything a keeper starts with.
#[derive(Debug)]
pub struct LaneKeeper {
    /// Opens connections.
    pub dialer: Arc<Dialer>,
    /// The node.
    pub target: NodeTarget,
    /// The node's gate, shared with all that dial it.
    pub gate: Arc<NodeGate>,
    /// Whose lanes to keep: one a shard, or a single one if the set has a keyspace.
    pub set: LaneSet,
    /// Waits after failures, and where its random numbers start.
    pub backoff: (BackoffSettings, u64),
    /// A connection that is there already, and becomes the first lane.
    pub first: Option<Box<OpenedLane>>,
}

type Attempt = (Dial, Result<OpenedLane, DialError>);

struct Keeper {
    start: LaneKeeper,
    plan: LanePlan,
    backoff: Backoff,
    running: JoinSet<Attempt>,
    reports: VecDeque<LaneReport>,
    excess: Vec<OpenedLane>,
    shard_aware_port: Option<u16>,
    /// The shard-aware port failed; whether that is the port's fault tells the plain port.
    suspect: bool,
    failing: bool,
    not_before_ms: u64,
    hunt_after_ms: u64,
    resharded_ms: Option<u64>,
}

/// Keeps lanes until `inputs` is closed. Reports wait in a queue of a few, and no new lane is
/// dialled meanwhile, so the two channels cannot block each other.
pub async fn keep(
    start: LaneKeeper,
    mut inputs: Receiver<KeeperInput>,
    reports: Sender<LaneReport>,
) {
    let mut start = start;
    let first = start.first.take();
    let mut keeper = Keeper::new(start);
    if let Some(lane) = first {
        keeper.on_opened(Dial::Any, *lane, now_ms());
    }
    loop {
        let now = now_ms();
        let rest_ms = keeper.start_attempts(now);
        tokio::select! {
            input = inputs.recv() => match input {
                Some(input) => keeper.on_input(&input, now_ms()),
                None => return,
            },
            Some(ended) = keeper.running.join_next() => keeper.on_ended(ended, now_ms()),
            room = reports.reserve(), if !keeper.reports.is_empty() => match room {
                Ok(room) => {
                    if let Some(report) = keeper.reports.pop_front() {
                        room.send(report);
                    }
                }
                Err(_) => return,
            },
            () = sleep(Duration::from_millis(rest_ms.unwrap_or(0))), if rest_ms.is_some() => {}
        }
    }
}

impl Keeper {
    fn new(start: LaneKeeper) -> Self {
        let (settings, seed) = start.backoff;
        Self {
            plan: LanePlan::new(start.set.keyspace.is_none()),
            backoff: Backoff::new(settings, seed),
            running: JoinSet::new(),
            reports: VecDeque::new(),
            excess: Vec::new(),
            shard_aware_port: start.dialer.settings().shard_aware_port_default,
            suspect: false,
            failing: false,
            not_before_ms: 0,
            hunt_after_ms: 0,
            resharded_ms: None,
            start,
        }
    }

    /// Starts what may start; otherwise tells in how many milliseconds to look again, if time is
    /// what it waits for.
    fn start_attempts(&mut self, now: u64) -> Option<u64> {
        // A node that just failed gets one careful try at a time.
        let limit = if self.failing { 1 } else { HANDSHAKES_PER_NODE };
        while self.reports.is_empty() && self.running.len() < limit {
            if now < self.not_before_ms {
                return Some(self.not_before_ms - now);
            }
            let aware = self.is_aware(now);
            let Some(dial) = self.plan.next(aware, now >= self.hunt_after_ms) else {
                let is_resting = !self.plan.is_complete() && self.running.is_empty();
                return is_resting.then(|| self.hunt_after_ms.saturating_sub(now).max(1_000));
            };
            self.start_attempt(dial);
        }
        None
    }

    fn is_aware(&self, now: u64) -> bool {
        self.start.dialer.settings().shard_aware
            && self.shard_aware_port.is_some()
            && self.plan.sharder().is_some()
            && !self.suspect
            && self.start.gate.is_port_open(now)
    }

    fn start_attempt(&mut self, dial: Dial) {
        let aim = match (dial, self.plan.sharder(), self.shard_aware_port) {
            (Dial::Shard(shard), Some(sharder), Some(port)) => {
                Aim::Shard { shard, sharder, port, start: self.backoff.jitter().word() }
            }
            (Dial::Any | Dial::Shard(_), _, _) => Aim::Any,
        };
        let (dialer, gate) = (Arc::clone(&self.start.dialer), Arc::clone(&self.start.gate));
        let (target, set) = (self.start.target, self.start.set.clone());
        let failures = if self.failing { self.backoff.failures() } else { 0 };
        self.running
            .spawn(async move { (dial, dialer.open(&target, &gate, &set, (aim, failures)).await) });
    }

    fn on_input(&mut self, input: &KeeperInput, now: u64) {
        match input {
            KeeperInput::LaneDown(serial) => {
                if self.plan.on_down(*serial) {
                    self.wait_after_failure(now);
                }
            }
            KeeperInput::NodeUp => {
                let soon = now + self.backoff.jitter().below(NODE_UP_SPREAD_MS);
                self.not_before_ms = self.not_before_ms.min(soon);
            }
        }
    }

    fn on_ended(&mut self, ended: Result<Attempt, JoinError>, now: u64) {
        match ended {
            Ok((dial, Ok(lane))) => self.on_opened(dial, lane, now),
            Ok((dial, Err(error))) => self.on_failed(dial, error, now),
            // Nobody aborts attempts, and they do not panic. If one did, start over.
            Err(_) => {
                self.plan = LanePlan::new(self.start.set.keyspace.is_none());
                self.wait_after_failure(now);
            }
        }
    }

    fn on_opened(&mut self, dial: Dial, lane: OpenedLane, now: u64) {
        self.failing = false;
        self.shard_aware_port = lane.shard_aware_port.or(self.shard_aware_port);
        if dial == Dial::Any && self.suspect {
            self.suspect = false;
            let until_ms = now.saturating_add(self.start.dialer.settings().port_block_ms);
            self.start.gate.block_port(PortVerdict::Closed, until_ms);
        }
        if self.plan.on_sharder(lane.sharder) {
            self.excess.clear();
            if self.resharded_ms.is_some_and(|at| now - at < RESHARD_GAP_MS) {
                self.wait_after_failure(now);
            }
            self.resharded_ms = Some(now);
            let (node, set) = (lane.node, self.start.set.clone());
            self.reports.push_back(LaneReport::Resharded { node, set, sharder: lane.sharder });
        }
        match self.plan.on_opened(dial, lane.shard) {
            Arrival::Lane(serial) => {
                let set = self.start.set.clone();
                self.reports.push_back(LaneReport::Up { set, serial, lane });
            }
            Arrival::Excess => {
                self.start.gate.stats.on_excess();
                self.excess.push(lane);
            }
        }
        let is_full = self.excess.len() >= EXCESS_PER_SHARD * self.plan.wanted();
        if is_full {
            let spread = self.backoff.jitter().below(HUNT_REST_MS / 2);
            self.hunt_after_ms = now + HUNT_REST_MS + spread;
        }
        if is_full || self.plan.is_complete() {
            self.excess.clear();
        }
    }

    fn on_failed(&mut self, dial: Dial, error: DialError, now: u64) {
        self.plan.on_failed(dial);
        match (dial, &error) {
            // The port was blocked when this was found; the plain port comes next, at once.
            (Dial::Shard(_), DialError::SourcePorts { .. }) => {}
            (Dial::Shard(_), _) => {
                self.suspect = error.server_error().is_none();
                self.wait_after_failure(now);
            }
            (Dial::Any, _) => {
                self.suspect = false;
                self.wait_after_failure(now);
            }
        }
        if error.server_error().is_some() {
            self.not_before_ms = self.not_before_ms.max(now + REFUSED_REST_MS);
        }
        let retry_in_ms = self.not_before_ms.saturating_sub(now);
        let (node, set) = (self.start.target.node, self.start.set.clone());
        self.reports.push_back(LaneReport::Failed { node, set, error, retry_in_ms });
    }

    /// Lanes of a node fall together; all that fall before the next try are one failure.
    fn wait_after_failure(&mut self, now: u64) {
        if now >= self.not_before_ms {
            self.not_before_ms = now + self.backoff.on_failure(now);
        }
        self.failing = true;
    }
}

#[cfg(test)]
mod tests;

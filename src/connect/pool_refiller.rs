//! Keeps the lanes of one node and one pool open: the first as soon as it can be, then the rest.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinError;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::connect::dial_error::DialError;
use crate::connect::dial_stats::PortVerdict;
use crate::connect::dialer::{Aim, Dialer, OpenedLane};
use crate::connect::handshake_budget::NodeGate;
use crate::platform::clock::now_ms;
use crate::pool::backoff::BackoffSettings;
use crate::pool::dial_schedule::{DialSchedule, Failure, Next};
use crate::pool::lane_slots::{Arrival, Dial, LaneSerial, Wanted};
use crate::pool::node_target::NodeTarget;
use crate::pool::pool_key::PoolKey;
use crate::topology::id::NodeId;
use cql::token::shard::{ShardId, Sharder};

/// What a refiller is told.
#[derive(Debug)]
pub enum RefillerInput {
    /// A lane is gone, for whatever reason; open another.
    LaneDown(LaneSerial),
    /// The node is said to be up; do not wait any longer.
    NodeUp,
    /// A request asked for a shard that has no lane.
    AskedFor(ShardId),
    /// A lane was closed since nobody used it; open no other before somebody asks.
    Unused(LaneSerial),
}

/// What a refiller tells.
#[derive(Debug)]
pub enum LaneReport {
    /// A lane is ready.
    Up {
        /// Whose lane it is.
        pool: PoolKey,
        /// To be named when it goes down.
        serial: LaneSerial,
        /// The connection.
        lane: OpenedLane,
    },
    /// A try failed; the refiller goes on trying.
    Failed {
        /// The node.
        node: NodeId,
        /// The pool whose lane it would have been.
        pool: PoolKey,
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
        /// The pool whose lane found out.
        pool: PoolKey,
        /// How it divides its data now; `None` without shards.
        sharder: Option<Sharder>,
    },
}

/// Everything a refiller starts with.
#[derive(Debug)]
pub struct PoolRefiller {
    /// Opens connections.
    pub dialer: Arc<Dialer>,
    /// The node.
    pub target: NodeTarget,
    /// The node's gate, shared with all that dial it.
    pub gate: Arc<NodeGate>,
    /// Whose lanes to keep: those that the settings ask for, or a single one if the pool has a
    /// keyspace.
    pub pool: PoolKey,
    /// Waits after failures, and where its random numbers start.
    pub backoff: (BackoffSettings, u64),
    /// A connection that is there already, and becomes the first lane.
    pub first: Option<Box<OpenedLane>>,
}

type Attempt = (Dial, Result<OpenedLane, DialError>);

struct Refiller {
    start: PoolRefiller,
    schedule: DialSchedule,
    running: JoinSet<Attempt>,
    reports: VecDeque<LaneReport>,
    excess: Vec<OpenedLane>,
    shard_aware_port: Option<u16>,
}

/// Keeps lanes until `inputs` is closed. Reports wait in a queue of a few, and no new lane is
/// dialled meanwhile, so the two channels cannot block each other.
pub async fn keep(
    start: PoolRefiller,
    mut inputs: Receiver<RefillerInput>,
    reports: Sender<LaneReport>,
) {
    let mut start = start;
    let first = start.first.take();
    let mut refiller = Refiller::new(start);
    if let Some(lane) = first {
        refiller.on_opened(Dial::Any, *lane, now_ms());
    }
    loop {
        let now = now_ms();
        let rest_ms = refiller.start_attempts(now);
        tokio::select! {
            input = inputs.recv() => match input {
                Some(input) => refiller.on_input(&input, now_ms()),
                None => return,
            },
            Some(ended) = refiller.running.join_next() => refiller.on_ended(ended, now_ms()),
            room = reports.reserve(), if !refiller.reports.is_empty() => match room {
                Ok(room) => {
                    if let Some(report) = refiller.reports.pop_front() {
                        room.send(report);
                    }
                }
                Err(_) => return,
            },
            () = sleep(Duration::from_millis(rest_ms.unwrap_or(0))), if rest_ms.is_some() => {}
        }
    }
}

impl Refiller {
    fn new(start: PoolRefiller) -> Self {
        let (settings, seed) = start.backoff;
        let lanes = match start.pool.keyspace {
            None => start.dialer.settings().lanes,
            Some(_) => Wanted::One,
        };
        Self {
            schedule: DialSchedule::new(lanes, settings, seed),
            running: JoinSet::new(),
            reports: VecDeque::new(),
            excess: Vec::new(),
            shard_aware_port: start.dialer.settings().shard_aware_port_default,
            start,
        }
    }

    /// Starts what may start; otherwise tells in how many milliseconds to look again, if time is
    /// what it waits for.
    fn start_attempts(&mut self, now: u64) -> Option<u64> {
        while self.reports.is_empty() {
            let (settings, told) = (self.start.dialer.settings(), self.shard_aware_port);
            let port = settings.shard_port(&self.start.target, told).is_some()
                && self.start.gate.is_port_open(now);
            match self.schedule.next(port, now) {
                Next::Dial(dial) => self.start_attempt(dial),
                Next::Wait(rest_ms) => return Some(rest_ms),
                Next::Rest => return None,
            }
        }
        None
    }

    fn start_attempt(&mut self, dial: Dial) {
        let settings = self.start.dialer.settings();
        let port = settings.shard_port(&self.start.target, self.shard_aware_port);
        let aim = match (dial, self.schedule.plan().sharder(), port) {
            (Dial::Shard(shard), Some(sharder), Some(port)) => {
                Aim::Shard { shard, sharder, port, start: self.schedule.word() }
            }
            (Dial::Any | Dial::Shard(_), _, _) => Aim::Any,
        };
        let (dialer, gate) = (Arc::clone(&self.start.dialer), Arc::clone(&self.start.gate));
        let (target, pool) = (self.start.target, self.start.pool.clone());
        let failures = self.schedule.failures();
        self.running.spawn(async move {
            (dial, dialer.open(&target, &gate, &pool, (aim, failures)).await)
        });
    }

    fn on_input(&mut self, input: &RefillerInput, now: u64) {
        match input {
            RefillerInput::LaneDown(serial) => self.schedule.on_lane_down(*serial, now),
            RefillerInput::NodeUp => self.schedule.on_node_up(now),
            RefillerInput::AskedFor(shard) => self.schedule.on_asked_for(*shard),
            RefillerInput::Unused(serial) => self.schedule.on_unused(*serial),
        }
    }

    fn on_ended(&mut self, ended: Result<Attempt, JoinError>, now: u64) {
        match ended {
            Ok((dial, Ok(lane))) => self.on_opened(dial, lane, now),
            Ok((dial, Err(error))) => self.on_failed(dial, error, now),
            // Nobody aborts attempts, and they do not panic.
            Err(_) => self.schedule.on_vanished(now),
        }
    }

    fn on_opened(&mut self, dial: Dial, lane: OpenedLane, now: u64) {
        self.shard_aware_port = lane.shard_aware_port.or(self.shard_aware_port);
        let opened = self.schedule.on_opened(dial, lane.shard, lane.sharder, now);
        if opened.is_port_at_fault {
            let until_ms = now.saturating_add(self.start.dialer.settings().port_block_ms);
            self.start.gate.block_port(PortVerdict::Closed, until_ms);
        }
        if opened.is_resharded {
            self.excess.clear();
            let (node, pool) = (lane.node, self.start.pool.clone());
            self.reports.push_back(LaneReport::Resharded { node, pool, sharder: lane.sharder });
        }
        match opened.arrival {
            Arrival::Lane(serial) => {
                let pool = self.start.pool.clone();
                self.reports.push_back(LaneReport::Up { pool, serial, lane });
            }
            Arrival::Excess => {
                self.start.gate.stats.on_excess();
                self.excess.push(lane);
            }
        }
        if opened.releases_excess {
            self.excess.clear();
        }
    }

    fn on_failed(&mut self, dial: Dial, error: DialError, now: u64) {
        let failure = if matches!(error, DialError::SourcePorts { .. }) {
            Failure::NoSourcePort
        } else if error.server_error().is_some() {
            Failure::Refused
        } else {
            Failure::Broken
        };
        let retry_in_ms = self.schedule.on_failed(dial, failure, now);
        let (node, pool) = (self.start.target.node, self.start.pool.clone());
        self.reports.push_back(LaneReport::Failed { node, pool, error, retry_in_ms });
    }
}

#[cfg(test)]
mod tests;

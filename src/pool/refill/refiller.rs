//! The lanes of one node and pool: what is dialled, and what each connection is good for.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use crate::pool::connection::{Connection, DialFailure, DialId, FailureKind, RefusedStep};
use crate::pool::nodes::node_state::{NodeState, PortEvidence};
use crate::pool::nodes::node_target::{NodeTarget, ShardPort};
use crate::pool::refill::backoff::BackoffSettings;
use crate::pool::refill::dial_schedule::{DialSchedule, Failure, Next};
use crate::pool::refill::lane_slots::{Dial, LaneSerial, NewConnection, WantedLanes};
use crate::topology::id::NodeId;
use cql::token::shard::ShardId;

/// Where the shards of nodes are dialled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ShardPortSettings {
    /// Whether shards are dialled one by one at all.
    pub shard_aware: bool,
    /// Shard-aware port of nodes that do not advertise theirs.
    pub default: Option<u16>,
    /// Port where a PROXY protocol header names the source port; it stands for the shard-aware one.
    pub proxy_protocol: Option<u16>,
    /// How long a port that did not work is left alone, milliseconds.
    pub block_ms: u64,
}

impl ShardPortSettings {
    /// The port where the shards of `target`, which advertises `advertised`, are dialled; `None` when
    /// they cannot be.
    #[must_use]
    pub fn port_of(&self, target: &NodeTarget, advertised: Option<u16>) -> Option<u16> {
        match target.shard_port {
            ShardPort::AsAdvertised => self.proxy_protocol.or(advertised),
            ShardPort::At(port) => Some(port),
            ShardPort::Nowhere => None,
        }
        .filter(|_| self.shard_aware)
    }
}

/// The lanes of one pool to one node.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct RefillerKey {
    /// Number of the pool.
    pub pool: u16,
    /// The node.
    pub node: NodeId,
}

/// What a new connection came to.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// Its place among the lanes; `None` when its shard has a lane.
    pub(crate) serial: Option<LaneSerial>,
    /// The node divides its data otherwise now: lanes of before are to be closed.
    pub(crate) is_resharded: bool,
    /// Connections that are of no use any more.
    pub(crate) released: Vec<DialId>,
    /// Why the shard-aware port failed, once the plain port has answered and shows that the node is up.
    pub(crate) port_failure: Option<String>,
}

/// Keeps the lanes of one node and pool open.
#[derive(Debug)]
pub struct PoolRefiller {
    target: NodeTarget,
    node: Arc<NodeState>,
    ports: ShardPortSettings,
    shard_aware_port: Option<u16>,
    schedule: DialSchedule,
    running: BTreeMap<DialId, Dial>,
    /// Why the last try at the shard-aware port failed, until the plain port has answered.
    port_failure: Option<String>,
    /// Connections to shards that have a lane: to close one at once would bring the same shard again.
    excess: Vec<DialId>,
    /// When it is looked at again, µs.
    pub(crate) wakes_us: Option<u64>,
}

impl PoolRefiller {
    /// A refiller without lanes. The waits are drawn from `seed`.
    pub(crate) fn new(
        target: NodeTarget,
        node: Arc<NodeState>,
        lanes: WantedLanes,
        ports: ShardPortSettings,
        backoff: BackoffSettings,
        seed: u64,
    ) -> Self {
        Self {
            target,
            node,
            ports,
            shard_aware_port: ports.default,
            schedule: DialSchedule::new(lanes, backoff, seed),
            running: BTreeMap::new(),
            port_failure: None,
            excess: Vec::new(),
            wakes_us: None,
        }
    }

    /// Draws the next waits by these settings.
    pub(crate) fn set_backoff(&mut self, settings: BackoffSettings) {
        self.schedule.set_backoff(settings);
    }

    /// Where it dials.
    #[must_use]
    pub fn target(&self) -> &NodeTarget {
        &self.target
    }

    /// What the node's dialers share.
    pub(crate) fn node(&self) -> &NodeState {
        &self.node
    }

    /// Which lanes are there, and what is dialled when.
    #[must_use]
    pub fn schedule(&self) -> &DialSchedule {
        &self.schedule
    }

    /// Picks what to do.
    pub(crate) fn next(&mut self, now_ms: u64) -> Next {
        let port = self.ports.port_of(&self.target, self.shard_aware_port);
        self.schedule.next(port.filter(|_| self.node.is_port_open(now_ms)), now_ms)
    }

    /// The try that [`Self::next`] gave has a name.
    pub(crate) fn on_started(&mut self, id: DialId, dial: Dial) {
        self.running.insert(id, dial);
    }

    /// A connection is ready: one that was dialled here, or the one on which a client logged in.
    pub(crate) fn on_opened(&mut self, id: DialId, opened: &Connection, now_ms: u64) -> Arrived {
        let dial = self.running.remove(&id).unwrap_or(Dial::Any);
        self.shard_aware_port = opened.shard_aware_port.or(self.shard_aware_port);
        if let Dial::Shard { shard, sharder, .. } = dial {
            let (wanted, found) = ((shard, sharder), (opened.shard, opened.sharder));
            self.judge_port(PortEvidence::Came { wanted, found }, now_ms);
        }
        let came = self.schedule.on_opened(dial, opened.shard, opened.sharder, now_ms);
        let mut port_failure = self.port_failure.take();
        if came.is_port_at_fault {
            self.judge_port(PortEvidence::PlainPortAlone, now_ms);
        } else {
            port_failure = None;
        }
        let mut released = Vec::new();
        if came.is_resharded {
            released.append(&mut self.excess);
        }
        let serial = match came.connection {
            NewConnection::Lane(serial) => Some(serial),
            NewConnection::Excess => {
                self.node.on_excess();
                self.excess.push(id);
                None
            }
        };
        if came.releases_excess {
            released.append(&mut self.excess);
        }
        Arrived { serial, is_resharded: came.is_resharded, released, port_failure }
    }

    /// A try failed.
    pub(crate) fn on_failed(&mut self, id: DialId, failure: &DialFailure, now_ms: u64) -> Dial {
        let dial = self.running.remove(&id).unwrap_or(Dial::Any);
        let DialFailure { kind, reason, .. } = failure;
        let failure = match kind {
            FailureKind::NoSourcePort => {
                self.judge_port(PortEvidence::NoSourcePort, now_ms);
                Failure::NoSourcePort
            }
            FailureKind::Refused(RefusedStep::Use, _) => Failure::RefusedUse,
            FailureKind::Refused(RefusedStep::Login | RefusedStep::Other, _) => Failure::Refused,
            FailureKind::Broken => Failure::Broken,
        };
        if matches!((failure, dial), (Failure::Broken, Dial::Shard { .. })) {
            self.port_failure = Some(reason.clone());
        }
        self.schedule.on_failed(dial, failure, now_ms);
        dial
    }

    fn judge_port(&self, evidence: PortEvidence, now_ms: u64) {
        self.node.judge_port(evidence, now_ms, self.ports.block_ms);
    }

    /// A lane is gone.
    pub(crate) fn on_lane_down(&mut self, serial: LaneSerial, now_ms: u64) {
        self.schedule.on_lane_down(serial, now_ms);
    }

    /// A lane was closed since no request used it.
    pub(crate) fn on_unused(&mut self, serial: LaneSerial) {
        self.schedule.on_unused(serial);
    }

    /// A request asked for a shard.
    pub(crate) fn on_asked_for(&mut self, shard: ShardId) {
        self.schedule.on_asked_for(shard);
    }

    /// The node is said to be up.
    pub(crate) fn on_node_up(&mut self, now_ms: u64) {
        self.schedule.on_node_up(now_ms);
    }

    /// It ends: the connections that are no lanes, and are to be given up.
    pub(crate) fn end(mut self) -> impl Iterator<Item = DialId> {
        let open = mem::take(&mut self.excess);
        mem::take(&mut self.running).into_keys().chain(open)
    }
}

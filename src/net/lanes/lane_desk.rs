//! The keepers of one worker: one for each node and set, started and ended as the cluster changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::mpsc::{Receiver, Sender};

use crate::net::failover::FailoverSettings;
use crate::net::lanes::backoff::{BackoffSettings, Jitter};
use crate::net::lanes::credential::Credential;
use crate::net::lanes::dial::{Dialer, NodeTarget};
use crate::net::lanes::handshake_budget::HandshakeBudget;
use crate::net::lanes::lane_keeper;
use crate::net::lanes::lane_keeper::{KeeperInput, LaneKeeper, LaneReport};
use crate::net::lanes::lane_plan::LaneSerial;
use crate::net::lanes::lane_set::LaneSet;
use crate::topology::id::NodeId;
use crate::upstream::lane::SetId;

/// Messages to one keeper that may wait; more are as good as the ones that do.
const INPUTS: usize = 1024;
/// Reports of all keepers that may wait; a keeper that finds no room waits itself.
const REPORTS: usize = 64;

/// What every keeper of a process is started with.
#[derive(Clone, Debug)]
pub struct DeskSettings {
    /// Opens connections.
    pub dialer: Arc<Dialer>,
    /// Handshakes that may run at once, for the whole process.
    pub budget: Arc<HandshakeBudget>,
    /// Whose rights the lanes have.
    pub credential: Option<Arc<Credential>>,
    /// Waits after failures.
    pub backoff: BackoffSettings,
    /// Whether nodes of other data centers are used, and when.
    pub failover: FailoverSettings,
    /// Where this worker's random numbers start.
    pub seed: u64,
}

/// The keepers of one worker.
#[derive(Debug)]
pub struct LaneDesk {
    settings: DeskSettings,
    jitter: Jitter,
    sets: BTreeMap<u16, LaneSet>,
    keepers: BTreeMap<(u16, NodeId), (NodeTarget, Sender<KeeperInput>)>,
    nodes: Vec<NodeTarget>,
    reports: Sender<LaneReport>,
}

impl LaneDesk {
    /// A desk without nodes, and where its keepers report.
    #[must_use]
    pub fn new(settings: DeskSettings) -> (Self, Receiver<LaneReport>) {
        let (sender, receiver) = mpsc::channel(REPORTS);
        let plain = LaneSet::plain(settings.credential.clone());
        let desk = Self {
            jitter: Jitter::new(settings.seed),
            settings,
            sets: BTreeMap::from([(SetId::PLAIN.0, plain)]),
            keepers: BTreeMap::new(),
            nodes: Vec::new(),
            reports: sender,
        };
        (desk, receiver)
    }

    /// Whether nodes of other data centers are used, and when.
    #[must_use]
    pub fn failover(&self) -> FailoverSettings {
        self.settings.failover
    }

    /// Takes the nodes that want lanes: starts the keepers that are missing and ends the others.
    /// Returns who was ended; their lanes are to be closed.
    pub fn set_nodes(&mut self, nodes: Vec<NodeTarget>) -> Vec<(SetId, NodeId)> {
        self.nodes = nodes;
        let wanted = &self.nodes;
        let mut ended = Vec::new();
        self.keepers.retain(|(set, node), (target, _)| {
            let stays = wanted.contains(target);
            if !stays {
                ended.push((SetId(*set), *node));
            }
            stays
        });
        let sets: Vec<SetId> = self.sets.keys().copied().map(SetId).collect();
        for set in sets {
            self.start(set);
        }
        ended
    }

    /// Opens lanes of a keyspace.
    pub fn open_set(&mut self, set: SetId, keyspace: Arc<str>) {
        let plain = LaneSet::plain(self.settings.credential.clone());
        self.sets.insert(set.0, LaneSet { keyspace: Some(keyspace), ..plain });
        self.start(set);
    }

    /// Ends the keepers of a set; its lanes are to be closed.
    pub fn close_set(&mut self, set: SetId) {
        self.sets.remove(&set.0);
        self.keepers.retain(|(of, _), _| *of != set.0);
    }

    /// The number of the set that a report is about.
    #[must_use]
    pub fn set_of(&self, set: &LaneSet) -> Option<SetId> {
        let mut found = self.sets.iter().filter(|(_, known)| *known == set);
        found.next().map(|(number, _)| SetId(*number))
    }

    /// Whether a keeper still wants the lanes of `node` in `set`.
    #[must_use]
    pub fn wants(&self, set: SetId, node: NodeId) -> bool {
        self.keepers.contains_key(&(set.0, node))
    }

    /// A lane is gone: its keeper opens another.
    pub fn on_lane_down(&self, (set, node): (SetId, NodeId), serial: LaneSerial) {
        self.tell((set.0, node), KeeperInput::LaneDown(serial));
    }

    /// A node is said to be up.
    pub fn on_node_up(&self, node: NodeId) {
        for key in self.keepers.keys().filter(|(_, of)| *of == node) {
            self.tell(*key, KeeperInput::NodeUp);
        }
    }

    fn tell(&self, key: (u16, NodeId), input: KeeperInput) {
        if let Some((_, keeper)) = self.keepers.get(&key)
            && keeper.try_send(input).is_err()
        {
            tracing::warn!(node = key.1.0, "a lane keeper does not listen");
        }
    }

    fn start(&mut self, number: SetId) {
        let Some(set) = self.sets.get(&number.0).cloned() else { return };
        for target in &self.nodes {
            let key = (number.0, target.node);
            if self.keepers.contains_key(&key) {
                continue;
            }
            let (sender, inputs) = mpsc::channel(INPUTS);
            self.keepers.insert(key, (*target, sender));
            let keeper = LaneKeeper {
                dialer: Arc::clone(&self.settings.dialer),
                target: *target,
                gate: self.settings.budget.gate(target.node),
                set: set.clone(),
                backoff: (self.settings.backoff, self.jitter.bits()),
            };
            tokio::spawn(lane_keeper::keep(keeper, inputs, self.reports.clone()));
        }
    }
}

//! The keepers of one worker: one for each node and set, started and ended as the cluster changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::mpsc::{Receiver, Sender};

use crate::net::clock;
use crate::net::failover::FailoverSettings;
use crate::net::lanes::credential::Credential;
use crate::net::lanes::dialling::dial::{Dialer, NodeTarget, OpenedLane};
use crate::net::lanes::keeping::backoff::{BackoffSettings, Jitter};
use crate::net::lanes::keeping::handshake_budget::HandshakeBudget;
use crate::net::lanes::keeping::lane_keeper;
use crate::net::lanes::keeping::lane_keeper::{KeeperInput, LaneKeeper, LaneReport};
use crate::net::lanes::keeping::lane_plan::LaneSerial;
use crate::net::lanes::lane_set::LaneSet;
use crate::net::logins::login_desk::LoginSettings;
use crate::session::sasl::SaslToken;
use crate::topology::id::NodeId;
use crate::upstream::lane::SetId;
use cql::token::shard::ShardId;

/// Messages to one keeper that may wait; more are as good as the ones that do.
const INPUTS: usize = 1024;
/// Reports of all keepers that may wait; a keeper that finds no room waits itself.
const REPORTS: usize = 64;

/// A keyspace that no node has taken, nor refused, within this time is asked of all of them, µs.
const DOUBT_US: u64 = 200_000;

/// What every keeper of a process is started with.
#[derive(Clone, Debug)]
pub struct DeskSettings {
    /// Opens connections.
    pub dialer: Arc<Dialer>,
    /// Handshakes that may run at once, for the whole process.
    pub budget: Arc<HandshakeBudget>,
    /// Whose rights the lanes have that every client may take.
    pub credential: Option<Arc<Credential>>,
    /// Waits after failures.
    pub backoff: BackoffSettings,
    /// Whether nodes of other data centers are used, and when.
    pub failover: FailoverSettings,
    /// Where this worker's random numbers start.
    pub seed: u64,
    /// How clients log in themselves.
    pub logins: LoginSettings,
}

/// The keepers of one worker.
#[derive(Debug)]
pub struct LaneDesk {
    settings: DeskSettings,
    jitter: Jitter,
    sets: BTreeMap<u16, LaneSet>,
    /// Keyspaces that one node is asked for, since when: clients misspell them.
    doubted_us: BTreeMap<u16, u64>,
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
            doubted_us: BTreeMap::new(),
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
            self.start(set, None);
        }
        ended
    }

    /// Opens lanes of a keyspace, with the rights of `home`: to one node until that has taken it.
    pub fn open_set(&mut self, set: SetId, home: SetId, keyspace: Arc<str>) {
        let Some(plain) = self.sets.get(&home.0).cloned() else { return };
        self.sets.insert(set.0, LaneSet { keyspace: Some(keyspace), ..plain });
        self.doubted_us.insert(set.0, clock::now_us());
        self.start(set, None);
    }

    /// There is such a keyspace, or the node that was asked cannot tell: lanes go to all nodes.
    pub fn believe(&mut self, set: SetId) {
        if self.doubted_us.remove(&set.0).is_some() {
            self.start(set, None);
        }
    }

    /// Time goes on: no client waits for one node alone.
    pub fn on_time(&mut self, now_us: u64) {
        let old = |since_us: &u64| now_us.saturating_sub(*since_us) >= DOUBT_US;
        let sets = self.doubted_us.iter().filter(|(_, since_us)| old(since_us));
        for set in sets.map(|(set, _)| SetId(*set)).collect::<Vec<_>>() {
            self.believe(set);
        }
    }

    /// Opens lanes of a credential; `first` is a connection that has it already.
    pub fn open_home(&mut self, home: SetId, credential: Arc<Credential>, first: OpenedLane) {
        self.sets.insert(home.0, LaneSet::plain(Some(credential)));
        self.start(home, Some(first));
    }

    /// Opens or closes the lanes that every client may take: none where each has to log in.
    /// Whether they are to be closed now.
    pub fn set_open_to_all(&mut self, open: bool) -> bool {
        let is_open = self.sets.contains_key(&SetId::PLAIN.0);
        if open && !is_open {
            let plain = LaneSet::plain(self.settings.credential.clone());
            self.sets.insert(SetId::PLAIN.0, plain);
            self.start(SetId::PLAIN, None);
        } else if !open && is_open {
            self.close_set(SetId::PLAIN);
            return true;
        }
        false
    }

    /// Whether nobody wants lanes: no client has logged in.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.sets.is_empty()
    }

    /// The home of the credential with this token.
    #[must_use]
    pub fn home_of(&self, token: &SaslToken) -> Option<SetId> {
        let has = |set: &LaneSet| {
            let credential = set.credential.as_ref();
            set.keyspace.is_none() && credential.is_some_and(|known| known.token() == *token)
        };
        let mut found = self.sets.iter().filter(|(_, set)| has(set));
        found.next().map(|(number, _)| SetId(*number))
    }

    /// Ends the keepers of a set; its lanes are to be closed.
    pub fn close_set(&mut self, set: SetId) {
        self.sets.remove(&set.0);
        self.doubted_us.remove(&set.0);
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

    /// A request asked for a shard of a node that has no lane in `set`.
    pub fn on_asked_for(&self, (set, node): (SetId, NodeId), shard: ShardId) {
        self.tell((set.0, node), KeeperInput::AskedFor(shard));
    }

    /// A lane was closed since nobody used it.
    pub fn on_lane_unused(&self, (set, node): (SetId, NodeId), serial: LaneSerial) {
        self.tell((set.0, node), KeeperInput::Unused(serial));
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

    fn start(&mut self, number: SetId, mut first: Option<OpenedLane>) {
        let Some(set) = self.sets.get(&number.0).cloned() else { return };
        let count = self.nodes.len().max(1);
        let doubted = self.doubted_us.contains_key(&number.0);
        let only = doubted.then_some(usize::from(number.0) % count);
        for (at, target) in self.nodes.iter().enumerate() {
            let key = (number.0, target.node);
            if self.keepers.contains_key(&key) || only.is_some_and(|only| only != at) {
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
                first: first.take_if(|lane| lane.node == target.node).map(Box::new),
            };
            tokio::spawn(lane_keeper::keep(keeper, inputs, self.reports.clone()));
        }
    }
}

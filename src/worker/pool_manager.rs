//! The refillers of one worker: one for each node and set, started and ended as the cluster changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::mpsc::{Receiver, Sender};

use crate::auth::login_service::LoginSettings;
use crate::connect::dialer::{Dialer, OpenedLane};
use crate::connect::handshake_budget::HandshakeBudget;
use crate::connect::pool_refiller;
use crate::connect::pool_refiller::{LaneReport, PoolRefiller, RefillerInput};
use crate::platform::clock;
use crate::pool::backoff::{BackoffSettings, Jitter};
use crate::pool::credential::Credential;
use crate::pool::failover::FailoverSettings;
use crate::pool::lane_slots::LaneSerial;
use crate::pool::node_target::NodeTarget;
use crate::pool::pool_key::PoolKey;
use crate::session::sasl::SaslToken;
use crate::topology::id::NodeId;
use crate::upstream::lane::PoolId;
use cql::token::shard::ShardId;

/// Messages to one refiller that may wait; more are as good as the ones that do.
const INPUTS: usize = 1024;
/// Reports of all refillers that may wait; a refiller that finds no room waits itself.
const REPORTS: usize = 64;

/// A keyspace that no node has taken, nor refused, within this time is asked of all of them, µs.
const DOUBT_US: u64 = 200_000;

/// What every refiller of a process is started with.
#[derive(Clone, Debug)]
pub struct PoolSettings {
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

/// The refillers of one worker.
#[derive(Debug)]
pub struct PoolManager {
    settings: PoolSettings,
    jitter: Jitter,
    pools: BTreeMap<u16, PoolKey>,
    /// Keyspaces that one node is asked for, since when: clients misspell them.
    doubted_us: BTreeMap<u16, u64>,
    refillers: BTreeMap<(u16, NodeId), (NodeTarget, Sender<RefillerInput>)>,
    nodes: Vec<NodeTarget>,
    reports: Sender<LaneReport>,
}

impl PoolManager {
    /// A desk without nodes, and where its refillers report.
    #[must_use]
    pub fn new(settings: PoolSettings) -> (Self, Receiver<LaneReport>) {
        let (sender, receiver) = mpsc::channel(REPORTS);
        let plain = PoolKey::plain(settings.credential.clone());
        let pool_manager = Self {
            jitter: Jitter::new(settings.seed),
            settings,
            pools: BTreeMap::from([(PoolId::PLAIN.0, plain)]),
            doubted_us: BTreeMap::new(),
            refillers: BTreeMap::new(),
            nodes: Vec::new(),
            reports: sender,
        };
        (pool_manager, receiver)
    }

    /// Whether nodes of other data centers are used, and when.
    #[must_use]
    pub fn failover(&self) -> FailoverSettings {
        self.settings.failover
    }

    /// Takes the nodes that want lanes: starts the refillers that are missing and ends the others.
    /// Returns who was ended; their lanes are to be closed.
    pub fn set_nodes(&mut self, nodes: Vec<NodeTarget>) -> Vec<(PoolId, NodeId)> {
        self.nodes = nodes;
        let wanted = &self.nodes;
        let mut ended = Vec::new();
        self.refillers.retain(|(pool, node), (target, _)| {
            let stays = wanted.contains(target);
            if !stays {
                ended.push((PoolId(*pool), *node));
            }
            stays
        });
        let pools: Vec<PoolId> = self.pools.keys().copied().map(PoolId).collect();
        for pool in pools {
            self.start(pool, None);
        }
        ended
    }

    /// Opens lanes of a keyspace, with the rights of `home`: to one node until that has taken it.
    pub fn open_pool(&mut self, pool: PoolId, home: PoolId, keyspace: Arc<str>) {
        let Some(plain) = self.pools.get(&home.0).cloned() else { return };
        self.pools.insert(pool.0, PoolKey { keyspace: Some(keyspace), ..plain });
        self.doubted_us.insert(pool.0, clock::now_us());
        self.start(pool, None);
    }

    /// There is such a keyspace, or the node that was asked cannot tell: lanes go to all nodes.
    pub fn believe(&mut self, pool: PoolId) {
        if self.doubted_us.remove(&pool.0).is_some() {
            self.start(pool, None);
        }
    }

    /// Time goes on: no client waits for one node alone.
    pub fn on_time(&mut self, now_us: u64) {
        let old = |since_us: &u64| now_us.saturating_sub(*since_us) >= DOUBT_US;
        let pools = self.doubted_us.iter().filter(|(_, since_us)| old(since_us));
        for pool in pools.map(|(pool, _)| PoolId(*pool)).collect::<Vec<_>>() {
            self.believe(pool);
        }
    }

    /// Opens lanes of a credential; `first` is a connection that has it already.
    pub fn open_home(&mut self, home: PoolId, credential: Arc<Credential>, first: OpenedLane) {
        self.pools.insert(home.0, PoolKey::plain(Some(credential)));
        self.start(home, Some(first));
    }

    /// Opens or closes the lanes that every client may take: none where each has to log in.
    /// Whether they are to be closed now.
    pub fn set_open_to_all(&mut self, open: bool) -> bool {
        let is_open = self.pools.contains_key(&PoolId::PLAIN.0);
        if open && !is_open {
            let plain = PoolKey::plain(self.settings.credential.clone());
            self.pools.insert(PoolId::PLAIN.0, plain);
            self.start(PoolId::PLAIN, None);
        } else if !open && is_open {
            self.close_pool(PoolId::PLAIN);
            return true;
        }
        false
    }

    /// Whether nobody wants lanes: no client has logged in.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.pools.is_empty()
    }

    /// The home of the credential with this token.
    #[must_use]
    pub fn home_of(&self, token: &SaslToken) -> Option<PoolId> {
        let has = |pool: &PoolKey| {
            let credential = pool.credential.as_ref();
            pool.keyspace.is_none() && credential.is_some_and(|known| known.token() == *token)
        };
        let mut found = self.pools.iter().filter(|(_, pool)| has(pool));
        found.next().map(|(number, _)| PoolId(*number))
    }

    /// Ends the refillers of a pool; its lanes are to be closed.
    pub fn close_pool(&mut self, pool: PoolId) {
        self.pools.remove(&pool.0);
        self.doubted_us.remove(&pool.0);
        self.refillers.retain(|(of, _), _| *of != pool.0);
    }

    /// The number of the pool that a report is about.
    #[must_use]
    pub fn pool_of(&self, pool: &PoolKey) -> Option<PoolId> {
        let mut found = self.pools.iter().filter(|(_, known)| *known == pool);
        found.next().map(|(number, _)| PoolId(*number))
    }

    /// Whether a refiller still wants the lanes of `node` in `set`.
    #[must_use]
    pub fn wants(&self, pool: PoolId, node: NodeId) -> bool {
        self.refillers.contains_key(&(pool.0, node))
    }

    /// A lane is gone: its refiller opens another.
    pub fn on_lane_down(&self, (pool, node): (PoolId, NodeId), serial: LaneSerial) {
        self.tell((pool.0, node), RefillerInput::LaneDown(serial));
    }

    /// A request asked for a shard of a node that has no lane in `set`.
    pub fn on_asked_for(&self, (pool, node): (PoolId, NodeId), shard: ShardId) {
        self.tell((pool.0, node), RefillerInput::AskedFor(shard));
    }

    /// A lane was closed since nobody used it.
    pub fn on_lane_unused(&self, (pool, node): (PoolId, NodeId), serial: LaneSerial) {
        self.tell((pool.0, node), RefillerInput::Unused(serial));
    }

    /// A node is said to be up.
    pub fn on_node_up(&self, node: NodeId) {
        for key in self.refillers.keys().filter(|(_, of)| *of == node) {
            self.tell(*key, RefillerInput::NodeUp);
        }
    }

    fn tell(&self, key: (u16, NodeId), input: RefillerInput) {
        if let Some((_, refiller)) = self.refillers.get(&key)
            && refiller.try_send(input).is_err()
        {
            tracing::warn!(node = key.1.0, "a lane keeper does not listen");
        }
    }

    fn start(&mut self, number: PoolId, mut first: Option<OpenedLane>) {
        let Some(pool) = self.pools.get(&number.0).cloned() else { return };
        let count = self.nodes.len().max(1);
        let doubted = self.doubted_us.contains_key(&number.0);
        let only = doubted.then_some(usize::from(number.0) % count);
        for (at, target) in self.nodes.iter().enumerate() {
            let key = (number.0, target.node);
            if self.refillers.contains_key(&key) || only.is_some_and(|only| only != at) {
                continue;
            }
            let (sender, inputs) = mpsc::channel(INPUTS);
            self.refillers.insert(key, (*target, sender));
            let refiller = PoolRefiller {
                dialer: Arc::clone(&self.settings.dialer),
                target: *target,
                gate: self.settings.budget.gate(target.node),
                pool: pool.clone(),
                backoff: (self.settings.backoff, self.jitter.bits()),
                first: first.take_if(|lane| lane.node == target.node).map(Box::new),
            };
            tokio::spawn(pool_refiller::keep(refiller, inputs, self.reports.clone()));
        }
    }
}

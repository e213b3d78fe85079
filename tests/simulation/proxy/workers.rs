//! The workers of a world: engines and pools, and what their shells keep beside them.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use crate::network::link::LinkId;
use crate::scenario::Scenario;
use crate::world::World;
use shardlane::engine::client::ClientKey;
use shardlane::engine::engine::Engine;
use shardlane::engine::pending::LaneKey;
use shardlane::engine::settings::EngineSettings;
use shardlane::platform::memory::MemoryShares;
use shardlane::pool::login::credential_book::CredentialBook;
use shardlane::pool::nodes::node_state::NodeStates;
use shardlane::pool::pool_manager::{PoolManager, PoolShared};
use shardlane::pool::worker_events::{WorkerEvent, WorkerReporter};
use shardlane::topology::snapshot::SnapshotBuilder;
use shardlane::worker::memory_share::MemoryShare;
use sim::mix;

/// One worker.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) engine: Engine,
    pub(crate) deadline_us: u64,
    pub(crate) lane_links: HashMap<LaneKey, LinkId>,
    pub(crate) client_links: HashMap<ClientKey, LinkId>,
    /// Connections with something to read.
    pub(crate) ready: Vec<LinkId>,
    pub(crate) turn_planned: bool,
    pub(crate) pools: PoolManager,
    pub(crate) reporter: WorkerReporter,
    pub(crate) memory: MemoryShare,
    /// What it has reported, and the server has not taken.
    pub(crate) reported: VecDeque<WorkerEvent>,
    /// Nodes that got lanes when that was last looked at.
    pub(crate) used: Vec<usize>,
    /// Of its picture of the cluster: the version, and how many nodes there are.
    pub(crate) picture: (u64, usize),
    /// The host ids of these nodes.
    pub(crate) hosts: BTreeSet<[u8; 16]>,
    /// When the last message of the other worker arrives: they keep their order.
    pub(crate) news_us: u64,
    /// When the last thing arrives that the control connection read of a table.
    pub(crate) read_us: u64,
    /// When a node could not be asked whether a credential is still taken, the last time.
    pub(crate) unknown_us: u64,
}

impl Worker {
    fn new(
        number: usize,
        scenario: &Scenario,
        settings: EngineSettings,
        shared: PoolShared,
        memory: MemoryShares,
    ) -> Self {
        let nothing = Arc::new(SnapshotBuilder::new(0, Vec::new()).build());
        let seed = mix(scenario.seed, 77 + u64::try_from(number).unwrap_or(0));
        Self {
            engine: Engine::new(settings, nothing),
            deadline_us: u64::MAX,
            lane_links: HashMap::new(),
            client_links: HashMap::new(),
            ready: Vec::new(),
            turn_planned: false,
            pools: PoolManager::new(scenario.pools(), shared, seed, 0),
            reporter: WorkerReporter::new(number),
            memory: MemoryShare::new(memory, number),
            reported: VecDeque::new(),
            used: Vec::new(),
            picture: (0, 0),
            hosts: BTreeSet::new(),
            news_us: 0,
            read_us: 0,
            unknown_us: 0,
        }
    }

    /// Whether nodes that were not chosen get lanes.
    pub(crate) fn is_wide(&self) -> bool {
        let failover = self.pools.failover();
        let chosen = |node: usize| failover.is_chosen(World::node_id(node));
        !failover.is_active() && !self.nodes().into_iter().all(chosen)
    }

    /// Numbers of the nodes that get lanes.
    pub(crate) fn nodes(&self) -> Vec<usize> {
        self.pools.failover().targets().iter().map(|target| usize::from(target.node.0)).collect()
    }
}

/// The workers: one or two.
#[derive(Debug)]
pub(crate) struct Workers {
    count: usize,
    /// The credentials that the cluster has taken.
    pub(crate) book: Arc<CredentialBook>,
    first: Worker,
    second: Worker,
    /// Clients that were dealt out.
    pub(crate) dealt: usize,
}

impl Workers {
    /// The workers of a scenario.
    pub(crate) fn new(scenario: &Scenario, settings: &EngineSettings) -> Self {
        let shared = PoolShared {
            nodes: Arc::new(NodeStates::default()),
            book: Arc::new(CredentialBook::new(scenario.limits.credentials_max)),
            credential: None,
        };
        let memory = MemoryShares::new(scenario.workers);
        let worker = |number| {
            Worker::new(number, scenario, settings.clone(), shared.clone(), memory.clone())
        };
        let book = Arc::clone(&shared.book);
        Self { count: scenario.workers, book, first: worker(0), second: worker(1), dealt: 0 }
    }

    /// Numbers of the workers.
    pub(crate) fn numbers(&self) -> Range<usize> {
        0..self.count
    }

    /// A worker.
    pub(crate) fn get(&self, number: usize) -> &Worker {
        if number == 0 { &self.first } else { &self.second }
    }

    /// A worker, to be changed.
    pub(crate) fn get_mut(&mut self, number: usize) -> &mut Worker {
        if number == 0 { &mut self.first } else { &mut self.second }
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Worker> {
        [&self.first, &self.second].into_iter().take(self.count)
    }

    /// Who gets the next client.
    pub(crate) fn deal(&mut self) -> usize {
        self.dealt += 1;
        self.dealt.checked_rem(self.count).unwrap_or(0)
    }
}

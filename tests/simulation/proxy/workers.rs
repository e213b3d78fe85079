//! The workers of a world: engines, and what their shells keep beside them.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use crate::model::credentials::Credential;
use crate::network::link::LinkId;
use crate::world::World;
use shardlane::engine::client::ClientKey;
use shardlane::engine::engine::Engine;
use shardlane::engine::pending::LaneKey;
use shardlane::engine::settings::EngineSettings;
use shardlane::pool::failover::{Failover, FailoverSettings};
use shardlane::topology::snapshot::SnapshotBuilder;

/// Which lanes belong together.
#[derive(Clone, Debug, Default)]
pub(crate) struct PoolKey {
    /// What they say `USE` of.
    pub(crate) keyspace: Option<Arc<str>>,
    /// Whose rights they have, where clients log in.
    pub(crate) credential: Option<Credential>,
}

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
    pub(crate) pools: BTreeMap<u16, PoolKey>,
    /// Which nodes get lanes.
    pub(crate) failover: Failover,
    /// Of its picture of the cluster: the version, and how many nodes there are.
    pub(crate) picture: (u64, usize),
    /// When the last message of the other worker arrives: they keep their order.
    pub(crate) news_us: u64,
    /// The login of each client that the cluster is asked about.
    pub(crate) logins: HashMap<ClientKey, u64>,
    /// When the cluster is asked again about each home's credential.
    pub(crate) rechecks: BTreeMap<u16, u64>,
    /// When nobody could say whether a credential is still taken, the last time.
    pub(crate) unknown_us: u64,
}

impl Worker {
    fn new(settings: EngineSettings, failover: FailoverSettings) -> Self {
        let nothing = Arc::new(SnapshotBuilder::new(0, Vec::new()).build());
        Self {
            engine: Engine::new(settings, nothing),
            deadline_us: u64::MAX,
            lane_links: HashMap::new(),
            client_links: HashMap::new(),
            ready: Vec::new(),
            turn_planned: false,
            pools: BTreeMap::from([(0, PoolKey::default())]),
            failover: Failover::new(failover, 0),
            picture: (0, 0),
            news_us: 0,
            logins: HashMap::new(),
            rechecks: BTreeMap::new(),
            unknown_us: 0,
        }
    }

    /// Whether nodes that were not chosen get lanes.
    pub(crate) fn is_wide(&self) -> bool {
        let chosen = |node: usize| self.failover.is_chosen(World::node_id(node));
        !self.failover.is_active() && !self.nodes().into_iter().all(chosen)
    }

    /// Numbers of the nodes that get lanes.
    pub(crate) fn nodes(&self) -> Vec<usize> {
        self.failover.targets().iter().map(|target| usize::from(target.node.0)).collect()
    }
}

/// The workers: one or two.
#[derive(Debug)]
pub(crate) struct Workers {
    count: usize,
    first: Worker,
    second: Worker,
    /// Clients that were dealt out.
    pub(crate) dealt: usize,
}

impl Workers {
    /// A crew of `count` workers.
    pub(crate) fn new(count: usize, settings: &EngineSettings, failover: FailoverSettings) -> Self {
        Self {
            count,
            first: Worker::new(settings.clone(), failover),
            second: Worker::new(settings.clone(), failover),
            dealt: 0,
        }
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

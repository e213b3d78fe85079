//! The cluster at one moment, as the system tables describe it. Never changed, only replaced.
//!
//! It holds what all workers share. Tablets are not in it: each worker learns its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::topology::id::HostId;
use crate::topology::id::NodeId;
use crate::topology::node::Node;
use crate::topology::replication::Replication;
use crate::topology::ring::RingReplicas;
use cql::token::partitioner::Partitioner;

/// Nodes and keyspaces of one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    version: u64,
    nodes: Vec<Arc<Node>>,
    /// Index into `nodes` by our number.
    by_id: Vec<Option<Arc<Node>>>,
    by_host: BTreeMap<HostId, NodeId>,
    keyspaces: BTreeMap<Arc<str>, Arc<Keyspace>>,
}

/// What routing needs of a keyspace.
#[derive(Debug)]
pub struct Keyspace {
    /// Its tables have tablets (`scylla_keyspaces.initial_tablets` is not null, be it 0).
    pub tablets: bool,
    /// Each node has its own rows of its tables (`LocalStrategy`).
    pub is_local: bool,
    /// Replicas of its tables. Empty if they have tablets: until a tablet is learned nothing is
    /// known of its replicas, and the ring would send most requests astray.
    pub ring: Arc<RingReplicas>,
    /// The tables whose partitioner is not Murmur3; none stands for one that we don't know.
    pub partitioners: BTreeMap<Box<str>, Option<Partitioner>>,
    /// Its replication in the schema's own words, to be compared with later ones.
    pub replication: Box<str>,
}

/// Puts a snapshot together.
#[derive(Debug)]
pub struct SnapshotBuilder {
    snapshot: Snapshot,
    rings: BTreeMap<Replication, Arc<RingReplicas>>,
    no_ring: Arc<RingReplicas>,
}

impl Snapshot {
    /// Tells which snapshot it is; each is later than the one before.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Lists the nodes, those without tokens too.
    #[must_use]
    pub fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    /// Finds a node by our number for it. None if it has left, or was never seen.
    #[inline]
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Arc<Node>> {
        self.by_id.get(usize::from(id.0))?.as_ref()
    }

    /// Finds our number for a host of the cluster.
    #[must_use]
    pub fn number_of(&self, host: HostId) -> Option<NodeId> {
        self.by_host.get(&host).copied()
    }

    /// Finds a node by its own name, as payloads give it.
    #[must_use]
    pub fn node_of(&self, host: HostId) -> Option<&Arc<Node>> {
        self.node(self.number_of(host)?)
    }

    /// Finds a keyspace. Whoever keeps the result keeps the version with it.
    #[must_use]
    pub fn keyspace(&self, name: &str) -> Option<&Arc<Keyspace>> {
        self.keyspaces.get(name)
    }

    /// Lists the keyspaces in the order of their names.
    pub fn keyspaces(&self) -> impl Iterator<Item = (&str, &Arc<Keyspace>)> {
        self.keyspaces.iter().map(|(name, keyspace)| (&**name, keyspace))
    }
}

impl Keyspace {
    /// Tells how a table's keys become tokens. None if we don't know: then its requests cannot be
    /// routed by key.
    #[must_use]
    pub fn partitioner(&self, table: &str) -> Option<Partitioner> {
        self.partitioners.get(table).copied().unwrap_or_else(|| Some(Partitioner::default()))
    }
}

impl SnapshotBuilder {
    /// Begins with the nodes. Of two with the same number or host the later one holds.
    #[must_use]
    pub fn new(version: u64, nodes: Vec<Node>) -> Self {
        let mut by_id: Vec<Option<Arc<Node>>> = Vec::new();
        for node in nodes {
            let index = usize::from(node.id.0);
            if by_id.len() <= index {
                by_id.resize(index + 1, None);
            }
            if let Some(slot) = by_id.get_mut(index) {
                *slot = Some(Arc::new(node));
            }
        }
        let nodes: Vec<Arc<Node>> = by_id.iter().flatten().map(Arc::clone).collect();
        let by_host = nodes.iter().map(|node| (node.host, node.id)).collect();
        let keyspaces = BTreeMap::new();
        Self {
            snapshot: Snapshot { version, nodes, by_id, by_host, keyspaces },
            rings: BTreeMap::new(),
            no_ring: Arc::default(),
        }
    }

    /// Adds a keyspace whose tables have tablets.
    #[must_use]
    pub fn tablet_keyspace(
        self,
        name: &str,
        partitioners: BTreeMap<Box<str>, Option<Partitioner>>,
    ) -> Self {
        let ring = Arc::clone(&self.no_ring);
        let replication = Box::default();
        self.add(name, Keyspace { tablets: true, is_local: false, ring, partitioners, replication })
    }

    /// Says how a keyspace that was added is replicated, in the schema's own words.
    #[must_use]
    pub fn replicated<'a>(
        mut self,
        name: &str,
        entries: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        if let Some(keyspace) = self.snapshot.keyspaces.get_mut(name).and_then(Arc::get_mut) {
            let words = entries.into_iter().map(|(key, value)| format!("{key}={value}"));
            let mut words: Vec<String> = words.collect();
            words.sort_unstable();
            keyspace.replication = words.join(",").into();
        }
        self
    }

    /// Adds a keyspace whose tables lie on the ring. Keyspaces with equal replication share one.
    #[must_use]
    pub fn ring_keyspace(
        mut self,
        name: &str,
        replication: Replication,
        partitioners: BTreeMap<Box<str>, Option<Partitioner>>,
    ) -> Self {
        let nodes = &self.snapshot.nodes;
        let is_local = replication == Replication::Local;
        let ring = self.rings.entry(replication);
        let ring = ring.or_insert_with_key(|key| Arc::new(RingReplicas::new(nodes, key)));
        let ring = Arc::clone(ring);
        let replication = Box::default();
        self.add(name, Keyspace { tablets: false, is_local, ring, partitioners, replication })
    }

    /// Ends it.
    #[must_use]
    pub fn build(self) -> Snapshot {
        self.snapshot
    }

    fn add(mut self, name: &str, keyspace: Keyspace) -> Self {
        self.snapshot.keyspaces.insert(name.into(), Arc::new(keyspace));
        self
    }
}

#[cfg(test)]
mod tests;

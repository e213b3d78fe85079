//! What the watching connection learned, ready for workers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::control::contact::contact_point::PORT_DEFAULT;
use crate::control::tables::metadata::{ClusterMetadata, HostRow};
use crate::control::tables::server_tables::ServerTables;
use crate::pool::nodes::node_target::{Route, ShardPort};
use crate::state::record::StateHeader;
use crate::topology::id::{HostId, NodeId};
use crate::topology::node::Node;
use crate::topology::node_numbers::NodeNumbers;
use crate::topology::replication::Replication;
use crate::topology::snapshot::{Snapshot, SnapshotBuilder};

/// The cluster at one moment, and all that goes with it.
#[derive(Clone, Debug)]
pub(crate) struct Publication {
    /// The cluster.
    pub snapshot: Arc<Snapshot>,
    /// The connected node's own words, for the facade.
    pub tables: Arc<ServerTables>,
    /// The data center where requests should stay: the same for as long as the process lives.
    pub data_center: Arc<str>,
    /// Our own rack, in the same way. While no node of our data center is known, it is the rack of
    /// the node that is watched.
    pub rack: Arc<str>,
    /// Nodes whose shards are dialled at other addresses than the nodes report.
    pub shard_ports: Arc<BTreeMap<NodeId, ShardPort>>,
    /// All nodes are to be dialled now, rather than when their waits are over: events may have been
    /// lost since the publication before, and which nodes are back is not known from them.
    pub dial_all_now: bool,
}

/// Turns system tables into publications, sharing what has not changed.
#[derive(Debug, Default)]
pub(crate) struct Publisher {
    numbers: NodeNumbers,
    version: u64,
    /// The data center that was set, or else that of the first node that answered.
    data_center: Option<Arc<str>>,
    /// The rack that was set, or else that of the first node found in the data center.
    rack: Option<Arc<str>>,
    /// The cluster and the place that clients of the process before saw, until the cluster is known.
    before: Option<StateHeader>,
    last: Option<(ClusterMetadata, Publication)>,
    /// Nodes that the cluster said are down, and has not said are up. They stay in the snapshot.
    down: BTreeSet<NodeId>,
}

impl Publisher {
    /// Starts with a data center, or takes that of the first node.
    #[must_use]
    pub(crate) fn new(data_center: Option<&str>) -> Self {
        Self { data_center: data_center.map(Arc::from), ..Self::default() }
    }

    /// The rack where it runs; without one it takes that of the first node in its data center.
    #[must_use]
    pub(crate) fn in_rack(self, rack: Option<&str>) -> Self {
        Self { rack: rack.map(Arc::from), ..self }
    }

    /// Stays at the place that clients of the process before saw, where none is set: a driver that keeps to a data center
    /// would turn away from one that moved because another contact point answered first.
    #[must_use]
    pub(crate) fn after(self, before: Option<StateHeader>) -> Self {
        Self { before, ..self }
    }

    /// What was last published.
    #[must_use]
    pub(crate) fn last(&self) -> Option<&Publication> {
        self.last.as_ref().map(|(_, publication)| publication)
    }

    /// Records what the node at `contact` says. `None` when nothing is new, unless `events_lost`
    /// is news enough.
    pub(crate) fn on_metadata(
        &mut self,
        metadata: ClusterMetadata,
        contact: SocketAddr,
        events_lost: bool,
    ) -> Option<Publication> {
        if let Some(before) = self.before.take() {
            self.stay(&metadata, &before);
        }
        let own = metadata.hosts.first();
        let data_center = self
            .data_center
            .get_or_insert_with(|| own.map_or("", |own| own.data_center.as_str()).into());
        let data_center = Arc::clone(data_center);
        let rack = self.rack(&metadata, &data_center);
        let before = self.last.take();
        let nodes = self.nodes(&metadata, contact);
        let is_same = |(old, publication): &(ClusterMetadata, Publication)| {
            let old_nodes = publication.snapshot.nodes().iter().map(|node| &**node);
            old_nodes.eq(&nodes)
                && old.keyspaces == metadata.keyspaces
                && same_routes(old, &metadata)
        };
        let (snapshot, tables) = match before {
            Some(last) if is_same(&last) => {
                if last.0.tables == metadata.tables && !events_lost {
                    self.last = Some(last);
                    return None;
                }
                (last.1.snapshot, last.1.tables)
            }
            Some((_, publication)) => {
                let snapshot = self.snapshot(&metadata, nodes);
                self.down.retain(|node| snapshot.node(*node).is_some());
                (snapshot, publication.tables)
            }
            None => (self.snapshot(&metadata, nodes), Arc::default()),
        };
        let tables =
            if *tables == metadata.tables { tables } else { Arc::new(metadata.tables.clone()) };
        let shard_ports = Arc::new(shard_ports(&metadata, &snapshot));
        let dial_all_now = events_lost;
        let publication =
            Publication { snapshot, tables, data_center, rack, shard_ports, dial_all_now };
        self.last = Some((metadata, publication.clone()));
        Some(publication)
    }

    /// Takes the place of the process before, if this is its cluster and the place is still there.
    fn stay(&mut self, metadata: &ClusterMetadata, before: &StateHeader) {
        let hosts = || metadata.hosts.iter();
        let is_same = metadata.cluster_name.as_deref().unwrap_or_default() == &*before.cluster
            && hosts().any(|row| before.hosts.contains(&row.host));
        let in_data_center = |row: &&HostRow| *row.data_center == *before.data_center;
        if !is_same || !hosts().any(|row| in_data_center(&row)) {
            return;
        }
        let data_center = self.data_center.get_or_insert_with(|| (&*before.data_center).into());
        let has_rack = hosts().filter(in_data_center).any(|row| *row.rack == *before.rack);
        if **data_center == *before.data_center && has_rack {
            self.rack.get_or_insert_with(|| (&*before.rack).into());
        }
    }

    /// Our own rack. It is settled with the first node of our data center, and stays.
    fn rack(&mut self, metadata: &ClusterMetadata, data_center: &str) -> Arc<str> {
        if let Some(rack) = &self.rack {
            return Arc::clone(rack);
        }
        let mut hosts = metadata.hosts.iter();
        if let Some(local) = hosts.find(|host| host.data_center == data_center) {
            let rack: Arc<str> = local.rack.as_str().into();
            self.rack = Some(Arc::clone(&rack));
            return rack;
        }
        metadata.hosts.first().map_or("", |watched| watched.rack.as_str()).into()
    }

    /// Our number for a host that is in the cluster.
    #[must_use]
    pub(crate) fn number_of(&self, host: HostId) -> Option<NodeId> {
        self.last()?.snapshot.number_of(host)
    }

    /// Our number for the node with this address for clients.
    #[must_use]
    pub(crate) fn node_at(&self, address: IpAddr) -> Option<NodeId> {
        let (metadata, publication) = self.last.as_ref()?;
        // A node with a route is dialled elsewhere, and events still name its own address.
        let mut hosts = metadata.hosts.iter().filter(|row| row.address == Some(address));
        if let Some(host) = hosts.next() {
            return publication.snapshot.number_of(host.host);
        }
        let nodes = publication.snapshot.nodes();
        nodes.iter().find(|node| node.address == address).map(|node| node.id)
    }

    /// Records that the node at `address` is up or down. It changes in which order nodes are asked
    /// next time, and no publication: lanes show by themselves which nodes answer.
    pub(crate) fn on_status(&mut self, address: IpAddr, is_up: bool) {
        let Some(node) = self.node_at(address) else { return };
        if is_up {
            self.down.remove(&node);
        } else {
            self.down.insert(node);
        }
    }

    /// Whether the cluster said last that a node is down.
    #[must_use]
    pub(crate) fn is_down(&self, node: NodeId) -> bool {
        self.down.contains(&node)
    }

    /// Forgets which nodes are down, as another node is watched that has reported none yet.
    pub(crate) fn forget_down(&mut self) {
        self.down.clear();
    }

    /// The nodes in the order of their numbers, as a snapshot has them.
    fn nodes(&mut self, metadata: &ClusterMetadata, contact: SocketAddr) -> Vec<Node> {
        let is_alone = metadata.hosts.len() == 1;
        // A port that leads to one node by its route says nothing of the ports of others.
        let leads_to = |route: &Route| route.address == contact.ip() && route.port.is_some();
        let mut routes = metadata.hosts.iter().filter_map(|row| row.route.as_ref());
        let port = if routes.any(leads_to) { PORT_DEFAULT } else { contact.port() };
        let nodes = metadata.hosts.iter().enumerate().filter_map(|(index, row)| {
            // Of the connected node we know an address that works. It is taken when the node is
            // alone, so that whatever leads to it leads to no other, or has no other address.
            let reached = (index == 0).then(|| contact.ip());
            let reported = row.address.filter(|_| !(is_alone && index == 0));
            let id = self.numbers.number(row.host)?;
            Some(match row.route {
                Some(route) => node(id, row, route.address, route.port.unwrap_or(port)),
                None => node(id, row, reported.or(reached)?, port),
            })
        });
        let mut nodes: Vec<Node> = nodes.collect();
        nodes.sort_by_key(|node| node.id);
        nodes
    }

    fn snapshot(&mut self, metadata: &ClusterMetadata, nodes: Vec<Node>) -> Arc<Snapshot> {
        self.version += 1;
        let mut builder = SnapshotBuilder::new(self.version, nodes);
        for (name, keyspace) in &metadata.keyspaces {
            let partitioners = keyspace.partitioners.clone();
            let entries = keyspace.replication.iter();
            let entries = entries.map(|(key, value)| (key.as_str(), value.as_str()));
            builder = if keyspace.tablets {
                builder.tablet_keyspace(name, partitioners).replicated(name, entries)
            } else {
                builder.ring_keyspace(name, Replication::parse(entries), partitioners)
            };
        }
        Arc::new(builder.build())
    }
}

fn same_routes(one: &ClusterMetadata, other: &ClusterMetadata) -> bool {
    let routes = |metadata: &ClusterMetadata| -> Vec<Option<Route>> {
        metadata.hosts.iter().map(|row| row.route).collect()
    };
    routes(one) == routes(other)
}

/// Where the shards of nodes with a route are dialled, if not at the address that they report.
fn shard_ports(metadata: &ClusterMetadata, snapshot: &Snapshot) -> BTreeMap<NodeId, ShardPort> {
    let ports = metadata.hosts.iter().filter_map(|row| {
        let port = row.route.map(|route| route.shard_port)?;
        (port != ShardPort::AsAdvertised).then_some((snapshot.number_of(row.host)?, port))
    });
    ports.collect()
}

fn node(id: NodeId, row: &HostRow, address: IpAddr, port: u16) -> Node {
    Node {
        id,
        host: row.host,
        address,
        port,
        data_center: row.data_center.as_str().into(),
        rack: row.rack.as_str().into(),
        tokens: row.tokens.clone(),
    }
}

#[cfg(test)]
mod tests;

//! Stands in for the control connection: hears events, reads the cluster, gives the engine pictures.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::sim::cluster::cluster::Door;
use crate::sim::cluster::connections::ConnectionId;
use crate::sim::cluster::replicas::layout::is_system;
use crate::sim::world::agenda::Event;
use crate::sim::world::model::frames::{Cutter, Hand};
use crate::sim::world::world::World;
use crate::token::token::Token;
use crate::topology::id::{HostId, NodeId};
use crate::topology::node::Node;
use crate::topology::replication::Replication;
use crate::topology::snapshot::{Snapshot, SnapshotBuilder};
use crate::wire::opcode::Opcode;
use crate::wire::response::event::Event as NodeEvent;

/// A control connection that was lost dials again within this time.
const REDIAL_US: u64 = 800_000;
/// Events reach the engine within this time.
const HEARD_US: u64 = 40_000;
/// Reading the system tables takes up to this long.
const READ_US: u64 = 60_000;

/// The control connection.
#[derive(Debug, Default)]
pub(in crate::sim::world) struct Control {
    connection: Option<ConnectionId>,
    heard: Cutter,
    version: u64,
    nodes: Vec<NodeId>,
}

impl World {
    /// The nodes that the engine knows.
    pub(in crate::sim::world) fn engine_nodes(&self) -> &[NodeId] {
        &self.control.nodes
    }

    /// The control connection tries a node.
    pub(in crate::sim::world) fn on_control_dials(&mut self) {
        if self.control.connection.is_some() {
            return;
        }
        let node = self.chance.index(self.cluster.members.len());
        let peer = SocketAddr::from(([127, 0, 0, 1], 40_000));
        match self.cluster.open(node, Door::Plain, peer) {
            Some(connection) => {
                let hand = Hand { version: 4, stream: 0, number: 0 };
                self.ask_node(connection, &hand.startup(&[("CQL_VERSION", "3.0.0")]));
                self.ask_node(connection, &hand.register());
                self.control.connection = Some(connection);
                self.control.heard = Cutter::default();
                self.tell(format_args!("control connection to node {node}"));
                self.refresh_topology();
            }
            None => self.redial_control(),
        }
    }

    fn redial_control(&mut self) {
        let wait = 1 + self.chance.below(REDIAL_US);
        self.agenda.plan(self.now_us + wait, Event::ControlDials);
    }

    /// A node closed a connection that is no lane.
    pub(in crate::sim::world) fn on_control_lost(&mut self, id: ConnectionId) {
        if self.control.connection == Some(id) {
            self.tell(format_args!("the control connection is lost"));
            self.control.connection = None;
            self.redial_control();
        }
        for keeper in self.keepers.values_mut() {
            keeper.excess.retain(|excess| *excess != id);
        }
    }

    /// Bytes for a connection that is no lane.
    pub(in crate::sim::world) fn on_control_mail(&mut self, id: ConnectionId, bytes: &[u8]) {
        if self.control.connection != Some(id) {
            return;
        }
        for frame in self.control.heard.push(bytes) {
            if frame.opcode() == Some(Opcode::Event) {
                let at = self.now_us + self.chance.below(HEARD_US);
                self.agenda.plan(at, Event::ControlHears { body: frame.body });
            }
        }
    }

    /// An event has come.
    pub(in crate::sim::world) fn on_control_hears(&mut self, body: &[u8]) {
        match NodeEvent::read(body) {
            Ok(NodeEvent::Schema(_)) => {
                self.input(|engine| engine.on_event(body));
                self.flush();
            }
            Ok(NodeEvent::Status(_)) => {
                let now_ms = self.now_us / 1000;
                let keys: Vec<(u16, usize)> = self.keepers.keys().copied().collect();
                for key in keys {
                    if let Some(keeper) = self.keepers.get_mut(&key) {
                        keeper.course.on_node_up(now_ms);
                    }
                    self.on_keeper_wakes(key);
                }
            }
            Ok(
                NodeEvent::Topology(_) | NodeEvent::ClientRoutes { .. } | NodeEvent::Unknown { .. },
            )
            | Err(_) => {}
        }
        self.refresh_topology();
    }

    /// The topology is to be read again.
    pub(in crate::sim::world) fn refresh_topology(&mut self) {
        let at = self.now_us + self.chance.below(READ_US);
        self.agenda.plan(at, Event::ControlReads);
    }

    /// The system tables are read; the picture is on its way to the engine.
    pub(in crate::sim::world) fn on_control_reads(&mut self) {
        if self.control.connection.is_none() {
            return;
        }
        let snapshot = Arc::new(self.picture());
        let at = self.now_us + 1 + self.chance.below(READ_US);
        self.agenda.plan(at, Event::Picture(snapshot));
    }

    /// The engine gets a picture, unless it has a later one.
    pub(in crate::sim::world) fn on_picture(&mut self, snapshot: Arc<Snapshot>) {
        let version = snapshot.version();
        if version <= self.control.version {
            return;
        }
        self.control.version = version;
        self.control.nodes = snapshot.nodes().iter().map(|node| node.id).collect();
        self.tell(format_args!("picture {version}: {} nodes", self.control.nodes.len()));
        self.input(|engine| engine.on_snapshot(snapshot));
        self.start_keepers();
        self.flush();
    }

    fn picture(&self) -> Snapshot {
        // Later pictures have higher numbers, since time goes on.
        let version = self.now_us;
        let members = self.cluster.members.iter().enumerate();
        let nodes = members.filter(|(_, member)| member.belongs()).map(|(number, member)| Node {
            id: Self::node_id(number),
            host: HostId(member.host_id),
            address: member.address,
            port: self.cluster.options.port,
            data_center: member.data_center.as_str().into(),
            rack: member.rack.as_str().into(),
            tokens: member.tokens.iter().map(|token| Token::new(*token)).collect(),
        });
        let mut builder = SnapshotBuilder::new(version, nodes.collect());
        for (name, keyspace) in &self.cluster.database.schema().keyspaces {
            if is_system(name) {
                continue;
            }
            let partitioners = BTreeMap::new();
            builder = match keyspace.tablets {
                Some(_) => builder.tablet_keyspace(name, partitioners),
                None => {
                    let entries = keyspace.replication.iter();
                    let pairs = entries.map(|(key, value)| (key.as_str(), value.as_str()));
                    builder.ring_keyspace(name, Replication::parse(pairs), partitioners)
                }
            };
        }
        builder.build()
    }
}

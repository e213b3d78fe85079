//! Stands in for the control connection: hears events, reads the cluster, gives the engine pictures.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::agenda::Event;
use crate::chance::Chance;
use crate::model::frames::{Cutter, Hand};
use crate::scenario::{OUR_CENTER, Scenario};
use crate::world::World;
use cql::opcode::Opcode;
use cql::response::event::Event as NodeEvent;
use cql::response::rows::Rows;
use cql::token::token::Token;
use shardlane::control::tables::server_tables::ServerTables;
use shardlane::control::tables::table_reads::TableReads;
use shardlane::engine::engine::Engine;
use shardlane::facade::tables::system_tables::OneNode;
use shardlane::pool::nodes::node_choice::{Candidates, NodeChoice};
use shardlane::server::facade;
use shardlane::server::facade::{Front, Location};
use shardlane::topology::id::HostId;
use shardlane::topology::node::Node;
use shardlane::topology::replication::Replication;
use shardlane::topology::snapshot::{Snapshot, SnapshotBuilder};
use sim::{ConnectionId, is_system};

/// A control connection that was lost dials again within this time.
const REDIAL_US: u64 = 800_000;
/// Events reach the engine within this time.
const HEARD_US: u64 = 40_000;
/// Reading the system tables takes up to this long.
const READ_US: u64 = 60_000;

/// The id of the one node that clients see.
pub(crate) const FACADE_ID: [u8; 16] = *b"\xfa\xca\xde\0\0\0\x80\0\x80\0\0\0\0\0\0\x01";
/// Where the proxy is, whichever node is watched. No node is in this rack.
pub(crate) const OUR_RACK: &str = "rack of the proxy";
/// What the cluster calls its authenticator.
const AUTHENTICATOR: &str = "org.apache.cassandra.auth.PasswordAuthenticator";

/// The control connection.
#[derive(Debug)]
pub(crate) struct Control {
    connection: Option<ConnectionId>,
    heard: Cutter,
    /// Set once a node was watched.
    was_there: bool,
    /// What workers want to know of single tables.
    pub(crate) reads: TableReads,
    /// Draws how long that takes.
    pub(crate) reads_chance: Chance,
    /// Another node is watched than before: which nodes are back is not known from events.
    dial_all_now: bool,
}

impl Control {
    /// No connection yet.
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self {
            connection: None,
            heard: Cutter::default(),
            was_there: false,
            reads: TableReads::new(scenario.reads),
            reads_chance: Chance::new(scenario.seed, 18),
            dial_all_now: false,
        }
    }

    /// The connection, while there is one.
    pub(crate) fn connection(&self) -> Option<ConnectionId> {
        self.connection
    }

    /// Takes the connection away: nothing is heard until the next is dialled.
    pub(crate) fn take_connection(&mut self) -> Option<ConnectionId> {
        self.connection.take()
    }
}

impl World {
    /// The control connection tries a node.
    pub(crate) fn on_control_dials(&mut self) {
        if self.control.connection.is_some() {
            return;
        }
        let node = self.chance.index(self.cluster.members.len());
        match self.own_connection(node, 40_000) {
            Some(connection) => {
                self.narrate_logins(node);
                self.read_facade(connection);
                self.ask_node(connection, &Hand::OWN.register());
                self.control.dial_all_now = std::mem::replace(&mut self.control.was_there, true);
                self.control.connection = Some(connection);
                if self.control.dial_all_now {
                    self.report_missed_events();
                }
                self.control.heard = Cutter::default();
                self.control.reads.clear();
                self.narrate(format_args!("control connection to node {node}"));
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
    pub(crate) fn on_control_lost(&mut self, id: ConnectionId) {
        if self.control.connection == Some(id) {
            self.narrate(format_args!("the control connection is lost"));
            self.control.connection = None;
            for number in self.workers.numbers() {
                self.input(number, Engine::on_watch_lost);
            }
            self.redial_control();
        }
    }

    /// Bytes for a connection that is no lane.
    pub(crate) fn on_control_mail(&mut self, id: ConnectionId, bytes: &[u8]) {
        if self.control.connection != Some(id) {
            return;
        }
        for frame in self.control.heard.push(bytes) {
            if frame.opcode() != Some(Opcode::Event) {
                continue;
            }
            if let Ok(event) = NodeEvent::read(&frame.body) {
                self.control.reads.on_event(&event);
            }
            for worker in self.workers.numbers() {
                // What was read before the event is known before it.
                let read_us = self.workers.get(worker).read_us;
                let at = read_us.max(self.now_us + self.chance.below(HEARD_US));
                let body = frame.body.clone();
                self.agenda.plan(at, Event::ControlHears { worker, body });
            }
        }
    }

    /// A worker hears of an event.
    pub(crate) fn on_control_hears(&mut self, worker: usize, body: &[u8]) {
        match NodeEvent::read(body) {
            Ok(NodeEvent::Schema(_)) => {
                self.input(worker, |engine| engine.on_event(body));
                self.flush(worker);
            }
            Ok(NodeEvent::Status(status)) => {
                let mut members = self.cluster.members.iter();
                let node = members.position(|member| member.address == status.address);
                if let Some(node) = node.filter(|_| status.change == "UP") {
                    self.pools_input(worker, |pools, _| pools.on_node_up(Self::node_id(node)));
                    self.flush(worker);
                }
            }
            Ok(
                NodeEvent::Topology(_) | NodeEvent::ClientRoutes { .. } | NodeEvent::Unknown { .. },
            )
            | Err(_) => {}
        }
        if worker == 0 {
            self.refresh_topology();
        }
    }

    /// Where clients log in, there are no lanes that all of them may take.
    fn narrate_logins(&mut self, node: usize) {
        if self.scenario.roles == 0 {
            return;
        }
        let address = self.cluster.members.get(node).map(|member| member.address);
        let port = self.cluster.options.port;
        let contacts: Vec<_> = address.map(|address| (address, port).into()).into_iter().collect();
        for number in self.workers.numbers() {
            let class = Some(AUTHENTICATOR.into());
            self.pools_input(number, |pools, engine| {
                pools.on_authenticator(engine, class, &contacts);
            });
            self.flush(number);
        }
    }

    /// What clients are shown of the cluster is made of the node that is watched.
    fn read_facade(&mut self, connection: ConnectionId) {
        let mut read = |text: &str| self.ask_node(connection, &Hand::OWN.query(text));
        let local = read("SELECT * FROM system.local");
        let peers = read("SELECT * FROM system.peers");
        let (Some(local), Some(peers)) = (local, peers) else { return };
        let (Ok(local), Ok(peers)) = (Rows::read(&local.body), Rows::read(&peers.body)) else {
            return self.blame(format_args!("the system tables cannot be read"));
        };
        let Ok(tables) = ServerTables::read(&local, &peers) else {
            return self.blame(format_args!("no facade can be made of the system tables"));
        };
        let place = Location { data_center: OUR_CENTER, rack: OUR_RACK };
        let front = Front::new(&[], false);
        let node = OneNode { host_id: FACADE_ID, ..facade::of(&tables, place, &front) };
        let facade = Arc::new(node.facade());
        for number in self.workers.numbers() {
            let facade = Arc::clone(&facade);
            self.input(number, |engine| engine.on_facade(facade));
        }
    }

    /// The topology is to be read again.
    pub(crate) fn refresh_topology(&mut self) {
        let at = self.now_us + self.chance.below(READ_US);
        self.agenda.plan(at, Event::ControlReads);
    }

    /// The system tables are read; the picture is on its way to the engine.
    pub(crate) fn on_control_reads(&mut self) {
        if self.control.connection.is_none() {
            return;
        }
        let snapshot = Arc::new(self.picture());
        let dial_all_now = std::mem::take(&mut self.control.dial_all_now);
        for worker in self.workers.numbers() {
            let at = self.now_us + 1 + self.chance.below(READ_US);
            let snapshot = Arc::clone(&snapshot);
            self.agenda.plan(at, Event::Picture { worker, snapshot, dial_all_now });
        }
    }

    /// An engine gets a picture, unless it has a later one.
    pub(crate) fn on_picture(
        &mut self,
        number: usize,
        snapshot: &Arc<Snapshot>,
        dial_all_now: bool,
    ) {
        let (version, nodes) = (snapshot.version(), snapshot.nodes().len());
        let worker = self.workers.get_mut(number);
        if version <= worker.picture.0 {
            return;
        }
        worker.picture = (version, nodes);
        worker.hosts = snapshot.nodes().iter().map(|node| node.host.0).collect();
        self.narrate(format_args!("picture {version} for worker {number}: {nodes} nodes"));
        self.input(number, |engine| engine.on_snapshot(Arc::clone(snapshot)));
        let choice = NodeChoice {
            rack: None,
            remote_nodes_max: self.scenario.failover.remote_nodes_max,
            seed: self.scenario.seed,
        };
        let shard_ports = BTreeMap::new();
        let candidates =
            Candidates { snapshot, data_center: OUR_CENTER, shard_ports: &shard_ports };
        let (local, remote) = (choice.local_targets(candidates), choice.remote_targets(candidates));
        let nodes: Vec<_> = local.iter().map(|target| target.node).collect();
        self.pools_input(number, |pools, engine| {
            pools.on_nodes(engine, local, remote);
            for node in nodes.into_iter().filter(|_| dial_all_now) {
                pools.on_node_up(node);
            }
        });
        self.flush(number);
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
        for (name, keyspace) in &self.cluster.schema().keyspaces {
            if is_system(name) {
                continue;
            }
            let partitioners = BTreeMap::new();
            let entries = keyspace.replication.iter();
            let pairs = entries.map(|(key, value)| (key.as_str(), value.as_str()));
            builder = match keyspace.tablets {
                Some(_) => builder.tablet_keyspace(name, partitioners).replicated(name, pairs),
                None => builder.ring_keyspace(name, Replication::parse(pairs), partitioners),
            };
        }
        builder.build()
    }
}

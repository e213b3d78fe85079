//! The whole simulated cluster as one value, for real sockets and for virtual time alike.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;
use md5::{Digest, Md5};
use uuid::Version;

use crate::cluster::client_routes::ClientRoutes;
use crate::cluster::connections::{Connections, Mail};
use crate::cluster::error::ClusterError;
use crate::cluster::life::member::{Member, State};
use crate::cluster::life::schema_lag::History;
use crate::cluster::life::timeline::{Due, Timeline};
use crate::cluster::options::ClusterOptions;
use crate::cluster::replicas::layout::{Layout, Located};
use crate::cluster::replicas::ring::Ring;
use crate::cluster::replicas::tablets::Tablets;
use crate::cluster::requests::Requests;
use crate::cluster::roles::Roles;
use crate::cluster::seed::{mix, uuid};
use crate::cluster::statements::{Statement, StatementId};
use crate::cluster::system_rows::Columns;
use crate::cluster::traces::Traces;
use crate::cql::error::CqlError;
use crate::node::connection::{Connection, ConnectionId, PortKind};
use crate::node::frames::event::Event;
use crate::node::frames::metadata::metadata_id;
use crate::store::database::Database;
use crate::store::definitions::schema::Schema;
use crate::store::execution::outcome::SchemaChange;

/// Texts of QUERY that are remembered, so that each is parsed once.
const TEXTS_MAX: usize = 16_384;

/// Each use of the seed gets a constant of its own, so that their numbers are independent.
const CHANCE_OF_NAT: u64 = 0x6e61_7400;
const CHANCE_OF_TRACES: u64 = 0x7472_6300;

/// Nodes, data, tablets and everything else of a simulated cluster.
///
/// It does no I/O and reads no clock: `now` is an argument, the time since its beginning.
#[derive(Debug)]
pub struct Cluster {
    /// The options that it was created with.
    pub options: ClusterOptions,
    /// Its nodes. A node's number is its index here; a node that left keeps its index.
    pub members: Vec<Member>,
    /// The ring of all nodes that belong to the cluster.
    pub(crate) ring: Ring,
    /// Tablets and request counts of each table.
    pub(crate) layout: Layout,
    /// The rows and the schema.
    pub(crate) database: Database,
    /// Its clients.
    pub(crate) connections: Connections,
    /// Answers and events that are due later.
    pub(crate) timeline: Timeline,
    /// Schema changes that some node has not heard of yet.
    pub(crate) history: History,
    /// Columns of the system tables.
    pub(crate) columns: Columns,
    /// Addresses of nodes for clients behind private endpoints.
    pub(crate) client_routes: ClientRoutes,
    /// The roles, with their passwords and grants.
    pub roles: Roles,
    pub(crate) traces: Traces,
    texts: HashMap<StatementId, Arc<Statement>>,
    chance: u64,
}

impl Cluster {
    /// A cluster of running nodes, without tables.
    pub fn new(options: ClusterOptions) -> Result<Self, ClusterError> {
        if options.nodes == 0 {
            return Err(ClusterError::NoNodes);
        }
        if options.shards == 0 {
            return Err(ClusterError::NoShards);
        }
        let database = Database::new(options.like).with_datacenters(Vec::new());
        let mut cluster = Self {
            members: Vec::new(),
            ring: Ring::default(),
            layout: Layout::new(options.like, options.tablets, options.seed),
            columns: Columns::read(database.schema()),
            roles: Roles::new(&options.users),
            database,
            connections: Connections::default(),
            timeline: Timeline::default(),
            history: History::default(),
            client_routes: ClientRoutes::default(),
            traces: Traces::default(),
            texts: HashMap::default(),
            chance: 0,
            options,
        };
        for _ in 0..cluster.options.nodes {
            cluster.found(cluster.options.shards, None)?;
        }
        cluster.ring = Ring::new(&cluster.members);
        cluster.layout.follow(cluster.database.schema(), &cluster.members);
        Ok(cluster)
    }

    /// The next pseudo-random number.
    pub(crate) fn chance(&mut self) -> u64 {
        self.chance += 1;
        mix(self.options.seed, self.chance)
    }

    /// An id for a trace.
    pub(crate) fn trace_id(&mut self) -> [u8; 16] {
        self.chance += 1;
        uuid(self.options.seed ^ CHANCE_OF_TRACES, self.chance, Version::Mac)
    }

    /// The wall-clock time in µs since 1970.
    #[must_use]
    pub(crate) fn wall_micros(&self, now: Duration) -> i64 {
        let micros = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
        self.options.epoch_micros.saturating_add(micros)
    }

    /// A client connects to `node`; `None` when the node does not run.
    pub fn open(&mut self, node: usize, kind: PortKind, peer: SocketAddr) -> Option<ConnectionId> {
        let chance = mix(self.options.seed ^ CHANCE_OF_NAT, self.connections.next_id().0);
        let (nat, ports) = (self.options.nat, (self.options.port, self.options.shard_aware_port));
        let proxy_port = self.options.proxy_port.unwrap_or_default();
        let member = self.members.get_mut(node).filter(|member| member.answers())?;
        let shard_of =
            |number: u64| u16::try_from(number % u64::from(member.nr_shards())).unwrap_or_default();
        let (shard, port) = match kind {
            PortKind::Plain => (member.idlest_shard(), ports.0),
            PortKind::ShardAware if nat => (shard_of(chance), ports.1),
            PortKind::ShardAware => (shard_of(u64::from(peer.port())), ports.1),
            PortKind::Proxied => (shard_of(u64::from(peer.port())), proxy_port),
        };
        if kind == PortKind::Plain {
            member.land(shard);
        }
        let id = self.connections.next_id();
        self.connections.put(Box::new(Connection::new(id, node, shard, kind, port, peer)));
        Some(id)
    }

    /// A client's connection has ended.
    pub fn close(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.take(id) else { return };
        let member = self.members.get_mut(connection.node);
        if let (Some(member), PortKind::Plain) = (member, connection.kind) {
            member.leave(connection.shard);
        }
    }

    /// All keyspaces, tables and types.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        self.database.schema()
    }

    /// The tablets of a table; `None` when there is no such table, or it has none.
    #[must_use]
    pub fn tablets(&self, keyspace: &str, table: &str) -> Option<&Tablets> {
        self.layout.table(keyspace, table)?.tablets.as_ref()
    }

    /// Where the requests for a table arrived; `None` when there is no such table.
    #[must_use]
    pub fn requests(&self, keyspace: &str, table: &str) -> Option<Requests> {
        Some(self.layout.table(keyspace, table)?.requests)
    }

    /// The replicas of the partition with this token; `None` for tables that do not exist or are not
    /// replicated.
    #[must_use]
    pub fn locate(&self, keyspace: &str, table: &str, token: i64) -> Option<Located> {
        self.layout.locate(keyspace, table, token, &self.ring, &self.members)
    }

    /// The keyspace that a client chose with `USE`.
    #[must_use]
    pub fn keyspace_in_use(&self, client: ConnectionId) -> Option<&str> {
        self.connections.get(client)?.keyspace.as_deref()
    }

    /// Takes all frames that wait for connections, other than answers to the bytes just received.
    pub fn take_mail(&mut self) -> Vec<Mail> {
        std::mem::take(&mut self.connections.mail)
    }

    /// Whether there is mail to take.
    #[must_use]
    pub fn has_mail(&self) -> bool {
        !self.connections.mail.is_empty()
    }

    /// The time at which [`Cluster::on_time`] must be called next, since the start of the cluster.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        self.timeline.next()
    }

    /// Does everything that is due at `now`, the time since the start of the cluster.
    pub fn on_time(&mut self, now: Duration) {
        while let Some(due) = self.timeline.pop(now) {
            match due {
                Due::Answer { connection, bytes } => {
                    self.connections.mail.push(Mail::Bytes(connection, bytes));
                }
                Due::SchemaSeen { node, seen } => self.hear(node, seen, None),
                Due::SeenDown { node, epoch } => self.notice_death(node, epoch),
            }
        }
    }

    /// The id that PREPARE of this text returns on a connection whose `USE` chose `keyspace`; `None`
    /// when PREPARE is refused.
    pub fn statement_id(&mut self, text: &str, keyspace: Option<&str>) -> Option<[u8; 16]> {
        self.statement(text, keyspace).ok().map(|statement| statement.id)
    }

    /// Whether every shard of a node has the statement with this id prepared.
    #[must_use]
    pub fn has_prepared(&self, node: usize, id: &[u8]) -> bool {
        let Some(member) = self.members.get(node) else { return false };
        (0..member.nr_shards()).all(|shard| member.statement(shard, id).is_some())
    }

    /// The statement with this text, from the cache or parsed now.
    pub(crate) fn statement(
        &mut self,
        text: &str,
        keyspace: Option<&str>,
    ) -> Result<Arc<Statement>, CqlError> {
        let mut hash = Md5::new();
        hash.update(keyspace.unwrap_or_default().as_bytes());
        hash.update(text.as_bytes());
        let id: StatementId = hash.finalize().into();
        let known = self.texts.get(&id).filter(|known| self.database.is_current(&known.prepared));
        if let Some(known) = known {
            return Ok(Arc::clone(known));
        }
        let prepared = self.database.prepare(text, keyspace)?;
        let metadata_id = metadata_id(&prepared.result);
        let statement = Arc::new(Statement { id, prepared, metadata_id });
        if self.texts.len() >= TEXTS_MAX {
            self.texts.clear();
        }
        self.texts.insert(id, Arc::clone(&statement));
        Ok(statement)
    }

    /// The client `asking` changed the schema through `node`. Its own event goes before its
    /// answer; all other registered clients get theirs now, or after the schema lag.
    pub(crate) fn on_schema_changed(
        &mut self,
        node: usize,
        asking: ConnectionId,
        changes: Vec<SchemaChange>,
        now: Duration,
    ) {
        self.layout.follow(self.database.schema(), &self.members);
        self.history.push(changes);
        let seen = self.history.len();
        self.hear(node, seen, Some(asking));
        let others = (0..self.members.len()).filter(|other| *other != node);
        for other in others {
            if self.options.schema_lag.is_zero() {
                self.hear(other, seen, None);
            } else {
                let at = now + self.options.schema_lag;
                self.timeline.plan(at, Due::SchemaSeen { node: other, seen });
            }
        }
    }

    /// Sends an event to the registered clients of `node`, except to `except`.
    pub(crate) fn announce(
        &mut self,
        node: usize,
        event: &Event<'_>,
        except: Option<ConnectionId>,
    ) {
        let registered = self.connections.iter().filter(|connection| {
            connection.node == node && Some(connection.id) != except && event.is_for(connection)
        });
        let mail: Vec<Mail> = registered
            .map(|connection| Mail::Bytes(connection.id, event.frame_for(connection)))
            .collect();
        self.connections.mail.extend(mail);
    }

    /// Lets `node` see schema changes, up to number `seen`.
    pub(crate) fn hear(&mut self, node: usize, seen: u64, except: Option<ConnectionId>) {
        let Some(member) = self.members.get_mut(node) else { return };
        let before = member.schema_seen;
        if before >= seen {
            return;
        }
        member.schema_seen = seen;
        if member.answers() {
            let changes: Vec<SchemaChange> = self.history.between(before, seen).cloned().collect();
            for change in &changes {
                self.announce(node, &Event::Schema(change), except);
            }
        }
        let known = self.members.iter().filter(|member| member.belongs());
        self.history.forget(known.map(|member| member.schema_seen).min().unwrap_or(seen));
    }

    /// Marks a node as down, unless it was started again since `epoch`.
    fn notice_death(&mut self, node: usize, epoch: u64) {
        let Some(member) = self.members.get_mut(node) else { return };
        if member.epoch == epoch && member.state == State::Silent {
            member.state = State::Down;
            let address = member.address;
            self.announce_everywhere(node, &Event::Status { up: false, address });
        }
    }

    /// Sends an event to the registered clients of all nodes but `about`.
    pub(crate) fn announce_everywhere(&mut self, about: usize, event: &Event<'_>) {
        for node in (0..self.members.len()).filter(|node| *node != about) {
            self.announce(node, event, None);
        }
    }
}

#[cfg(test)]
mod tests;

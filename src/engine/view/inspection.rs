//! What an engine looks like inside at one moment, for the console and the page. It is copied when it is
//! asked for, and costs nothing before.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::collections::latency_sample::LatencySample;
use crate::engine::core::core::Core;
use crate::engine::view::slow_request::SlowRequest;
use crate::engine::view::tally::Feedback;
use crate::facade::console::contents::ROWS_MAX;
use crate::facade::console::table::ConsoleTable;
use crate::routing::decision::Reason;
use crate::routing::statement::Statement;
use crate::routing::tables::table_routes::FoundBy;
use crate::session::session::Phase;
use crate::topology::id::NodeId;
use crate::topology::table::TableId;
use crate::topology::tablet::Tablet;
use crate::upstream::lane::{Backlog, LaneLife};
use cql::compression::Compression;
use cql::token::shard::ShardId;

/// How often requests went somewhere, by the number of the reason.
pub type ByReason = [u64; Reason::ALL.len()];

/// One engine at one moment; what was not asked for is empty.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// Its time, µs.
    pub now_us: u64,
    /// Clients that are served.
    pub clients: Vec<ClientView>,
    /// All lanes.
    pub lanes: Vec<LaneView>,
    /// How many shards each node has, as far as lanes say it.
    pub shards: Vec<(NodeId, u16)>,
    /// All tables that have a number, also those that were dropped.
    pub tables: Vec<TableView>,
    /// Decisions about requests whose table is not known.
    pub without_table: ByReason,
    /// Tablets, with keyspace and table.
    pub tablets: Vec<(Arc<str>, Arc<str>, Tablet)>,
    /// The latest requests that took long, the newest first.
    pub slow: Vec<SlowRequest>,
    /// Prepared statements.
    pub statements: Vec<StatementView>,
}

/// A client.
#[derive(Clone, Debug)]
pub struct ClientView {
    /// A number that no other client of the worker has now.
    pub id: usize,
    /// Its address; `None` for a Unix socket.
    pub peer: Option<SocketAddr>,
    /// When it connected, µs of the engine.
    pub since_us: u64,
    /// Its driver's name and version.
    pub driver: Option<(String, String)>,
    /// Its role, if it logged in itself.
    pub role: Option<Arc<str>>,
    /// Its version of the protocol.
    pub version: Option<u8>,
    /// How its bodies are compressed.
    pub compression: Option<Compression>,
    /// Its keyspace.
    pub keyspace: Option<Box<str>>,
    /// Its requests without an answer.
    pub in_flight: u32,
}

/// A lane.
#[derive(Clone, Debug)]
pub struct LaneView {
    /// A number that no other lane of the worker has now.
    pub id: usize,
    /// Its node.
    pub node: NodeId,
    /// Its shard.
    pub shard: ShardId,
    /// What it does.
    pub state: LaneState,
    /// Its keyspace; `None` for a plain lane.
    pub keyspace: Option<Arc<str>>,
    /// Requests without an answer.
    pub in_flight: usize,
    /// Of those, the ones that are given up.
    pub orphans: usize,
    /// Requests of clients that it has carried.
    pub requests: u64,
    /// Of those, the ones that were answered.
    pub answered: u64,
    /// How long these waited all together, µs.
    pub waited_us: u64,
    /// Bytes that its socket has not taken yet.
    pub unsent_bytes: usize,
    /// When it last carried a request of a client, µs of the engine; 0 is never.
    pub used_us: u64,
    /// How its bodies are compressed.
    pub compression: Option<Compression>,
}

/// What a lane does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LaneState {
    /// It takes requests.
    Open,
    /// Its outbox drains: the clients that filled it wait.
    Full,
    /// Its node takes nothing and says nothing.
    Stalled,
    /// It waits for its last answers.
    Draining,
}

impl LaneState {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Full => "full",
            Self::Stalled => "stalled",
            Self::Draining => "draining",
        }
    }
}

/// A table.
#[derive(Clone, Debug)]
pub struct TableView {
    /// Keyspace.
    pub keyspace: Arc<str>,
    /// Table.
    pub table: Arc<str>,
    /// Whether the schema has it, as far as is known.
    pub is_present: bool,
    /// How its replicas are found.
    pub found_by: FoundBy,
    /// Tablets that are known.
    pub tablets: usize,
    /// Decisions about its requests.
    pub requests: ByReason,
    /// What the server said of them.
    pub feedback: Feedback,
}

/// A prepared statement.
#[derive(Clone, Debug)]
pub struct StatementView {
    /// The statement.
    pub statement: Arc<Statement>,
    /// How often it was executed.
    pub requests: u64,
    /// How often a node answered it with a result.
    pub answered: u64,
    /// How long these requests waited all together, µs.
    pub waited_us: u64,
    /// How long some of them waited.
    pub sample: LatencySample,
    /// How its table's replicas are found; `None` without a table.
    pub found_by: Option<FoundBy>,
}

impl Inspection {
    /// Looks at what these tables show.
    pub(crate) fn of(core: &mut Core, wanted: &[ConsoleTable]) -> Self {
        let mut seen = Self { now_us: core.now_us, ..Self::default() };
        for table in wanted {
            match table {
                ConsoleTable::Clients => seen.clients = clients(core),
                ConsoleTable::Lanes | ConsoleTable::Nodes if seen.lanes.is_empty() => {
                    seen.lanes = lanes(core);
                    seen.shards = shards(core);
                }
                ConsoleTable::Routing | ConsoleTable::Tables if seen.tables.is_empty() => {
                    seen.add_tables(core);
                }
                ConsoleTable::SlowRequests => seen.slow = core.slow.iter().cloned().collect(),
                ConsoleTable::Statements => seen.statements = statements(core),
                ConsoleTable::Tablets => seen.add_tablets(core),
                ConsoleTable::Lanes
                | ConsoleTable::Nodes
                | ConsoleTable::Routing
                | ConsoleTable::Tables
                | ConsoleTable::Events
                | ConsoleTable::Settings => {}
            }
        }
        seen
    }

    fn add_tables(&mut self, core: &mut Core) {
        self.without_table = core.tally.routing;
        for table in numbers(core) {
            let Some((keyspace, name)) = names(core, table) else { continue };
            let at = usize::try_from(table.0).unwrap_or(usize::MAX);
            let requests = core.tally.by_table.get(at).copied().unwrap_or_default();
            for (left, of_table) in self.without_table.iter_mut().zip(requests) {
                *left = left.saturating_sub(of_table);
            }
            self.tables.push(TableView {
                keyspace,
                table: name,
                is_present: core.router.tables.is_present(table),
                found_by: core.router.found_by(table),
                tablets: core.router.tablets.table_len(table),
                requests,
                feedback: core.tally.feedback.get(at).copied().unwrap_or_default(),
            });
        }
    }

    fn add_tablets(&mut self, core: &Core) {
        for table in numbers(core) {
            let Some((keyspace, name)) = names(core, table) else { continue };
            let room = ROWS_MAX.saturating_sub(self.tablets.len());
            let tablets = core.router.tablets.tablets(table).take(room);
            let named = tablets.map(|tablet| (Arc::clone(&keyspace), Arc::clone(&name), tablet));
            self.tablets.extend(named);
        }
    }
}

fn numbers(core: &Core) -> impl Iterator<Item = TableId> + use<> {
    (0..u32::try_from(core.router.tables.len()).unwrap_or(u32::MAX)).map(TableId)
}

fn names(core: &Core, table: TableId) -> Option<(Arc<str>, Arc<str>)> {
    let (keyspace, name) = core.router.tables.name(table)?;
    Some((keyspace.into(), name.into()))
}

fn clients(core: &Core) -> Vec<ClientView> {
    let served = core.clients.iter().filter(|(_, client)| client.session.phase == Phase::Ready);
    let view = served.map(|(key, client)| ClientView {
        id: key.index(),
        peer: client.about.peer,
        since_us: client.about.since_us,
        driver: client.about.driver.clone(),
        role: client.about.role.clone(),
        version: client.session.version,
        compression: client.session.compression,
        keyspace: core.keyspace_of(key).map(Box::from),
        in_flight: client.in_flight,
    });
    view.take(ROWS_MAX).collect()
}

fn lanes(core: &Core) -> Vec<LaneView> {
    let view = core.lanes.iter().map(|(key, lane)| LaneView {
        id: key.index(),
        node: lane.route.node,
        shard: lane.route.shard,
        state: match (lane.life, lane.backlog) {
            (LaneLife::Draining | LaneLife::Broken, _) => LaneState::Draining,
            (LaneLife::Open, Backlog::Stalled) => LaneState::Stalled,
            (LaneLife::Open, Backlog::Full) => LaneState::Full,
            (LaneLife::Open, Backlog::Usual) => LaneState::Open,
        },
        keyspace: core.pools.keyspace(lane.route.pool),
        in_flight: lane.ids.in_flight(),
        orphans: lane.ids.orphaned(),
        requests: lane.requests,
        answered: lane.answered,
        waited_us: lane.waited_us,
        unsent_bytes: lane.outbox.waiting_len(),
        used_us: lane.used_us,
        compression: lane.route.compression,
    });
    view.collect()
}

fn shards(core: &Core) -> Vec<(NodeId, u16)> {
    let mut shards: Vec<(NodeId, u16)> = Vec::new();
    for (_, pool) in core.pools.iter() {
        for (node, sharder) in pool.lane_map.sharders() {
            if shards.iter().all(|(known, _)| *known != node) {
                shards.push((node, sharder.nr_shards().get()));
            }
        }
    }
    shards
}

fn statements(core: &mut Core) -> Vec<StatementView> {
    let entries: Vec<_> = core.router.catalog.entries().take(ROWS_MAX).collect();
    let entries: Vec<_> = entries
        .into_iter()
        .map(|entry| {
            let counts = [entry.requests, entry.answered, entry.waited_us];
            (Arc::clone(&entry.statement), counts, (entry.sample.clone(), entry.table))
        })
        .collect();
    let view = entries.into_iter().map(|(statement, counts, (sample, table))| {
        let [requests, answered, waited_us] = counts;
        let found_by = table.map(|table| core.router.found_by(table));
        StatementView { statement, requests, answered, waited_us, sample, found_by }
    });
    view.collect()
}

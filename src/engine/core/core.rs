//! The core of an engine: clients, lanes, pools, router, counters, outputs and what is still to do.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use crate::collections::slab::Slab;
use crate::collections::spare::Spare;
use crate::engine::action::{Action, Output, TableFact, TableRequest};
use crate::engine::client::{Client, ClientKey, ClientStream};
use crate::engine::core::collected::Collected;
use crate::engine::core::memory::Memory;
use crate::engine::core::pool_lanes::{PoolLanes, Preference};
use crate::engine::core::pools::Pools;
use crate::engine::core::slow_requests::SlowRequests;
use crate::engine::core::todo::Todo;
use crate::engine::pending::{LaneKey, Outgoing, Pending, Purpose, RequestOrigin, Subject};
use crate::engine::settings::EngineSettings;
use crate::engine::view::tally::Tally;
use crate::facade::local_statements::LocalStatements;
use crate::routing::catalog::Catalog;
use crate::routing::router::Router;
use crate::topology::id::NodeId;
use crate::topology::snapshot::Snapshot;
use crate::topology::tablet_map::TabletMap;
use crate::upstream::lane::{Lane, PoolId};
use cql::opcode::Opcode;
use cql::statement::write_type::WriteType;

/// Shapes of texts take at most this part of the bytes that prepared statements may take.
const SHAPES_PART: usize = 8;

/// What every part of the engine may touch.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) settings: EngineSettings,
    pub(crate) clients: Slab<Client>,
    pub(crate) lanes: Slab<Lane<Pending>>,
    pub(crate) pools: Pools,
    /// Nodes that have a stalled lane, each once; none as a rule.
    pub(crate) stalled_nodes: Vec<NodeId>,
    pub(crate) router: Router,
    pub(crate) tally: Tally,
    pub(crate) memory: Memory,
    /// Statements that were prepared here.
    pub(crate) local_statements: LocalStatements,
    pub(crate) now_us: u64,
    /// Whether there is a console: it is on, and the cluster has no keyspace of its name.
    pub(crate) has_console: bool,
    /// Whether the cluster's nodes are of Apache Cassandra.
    pub(crate) is_cassandra: bool,
    /// The rows of the console that were last collected.
    pub(crate) console: Collected,
    /// What the shell is to do, oldest first.
    pub(crate) actions: VecDeque<Action>,
    /// What has to be routed or served again before this input ends, oldest first.
    pub(crate) todo: VecDeque<Todo>,
    /// Nodes in our own rack, by number.
    local_rack: Vec<bool>,
    /// Clients with something to be sent, each once.
    pub(crate) touched_clients: VecDeque<ClientKey>,
    /// Lanes with something to send, each once.
    pub(crate) touched_lanes: VecDeque<LaneKey>,
    pub(crate) spare: Spare,
    pub(crate) slow: SlowRequests,
}

impl Core {
    /// No clients and no lanes.
    pub(crate) fn new(settings: EngineSettings, snapshot: Arc<Snapshot>) -> Self {
        let limits = settings.limits;
        let catalog = Catalog::new(limits.catalog_bytes_max);
        let tablets = TabletMap::new(limits.tablets_max);
        let mut core = Self {
            settings,
            clients: Slab::default(),
            lanes: Slab::default(),
            pools: Pools::default(),
            stalled_nodes: Vec::new(),
            router: Router::new(catalog, tablets, Arc::clone(&snapshot)),
            tally: Tally::default(),
            memory: Memory::default(),
            local_statements: LocalStatements::default(),
            now_us: 0,
            has_console: false,
            is_cassandra: false,
            console: Collected::default(),
            actions: VecDeque::new(),
            todo: VecDeque::new(),
            local_rack: Vec::new(),
            touched_clients: VecDeque::new(),
            touched_lanes: VecDeque::new(),
            spare: Spare::default(),
            slow: SlowRequests::default(),
        };
        core.bound_shapes();
        core.set_snapshot(snapshot);
        core
    }

    /// Routes by a new picture of the cluster from now on.
    pub(crate) fn set_snapshot(&mut self, snapshot: Arc<Snapshot>) {
        let before = Arc::clone(self.router.snapshot());
        for node in before.nodes() {
            if snapshot.node(node.id).is_none() {
                self.router.tablets.forget_node(node.id);
            }
        }
        let rack = self.settings.rack.clone();
        self.local_rack.clear();
        for node in snapshot.nodes() {
            let at = usize::from(node.id.0);
            if self.local_rack.len() <= at {
                self.local_rack.resize(at + 1, false);
            }
            if let Some(local) = self.local_rack.get_mut(at) {
                *local = rack.as_ref().is_some_and(|rack| *rack == node.rack);
            }
        }
        self.router.set_snapshot(snapshot);
        self.look_for_console();
    }

    /// Shapes may take a part of what prepared statements may take.
    fn bound_shapes(&mut self) {
        let bytes_max = self.settings.limits.catalog_bytes_max / SHAPES_PART;
        self.router.shapes.set_bytes_max(bytes_max);
    }

    /// Goes by other settings from now on. Connections that are open keep what was agreed for them.
    pub(crate) fn set_settings(&mut self, settings: EngineSettings) {
        self.router.catalog.set_bytes_max(settings.limits.catalog_bytes_max);
        self.settings = settings;
        self.bound_shapes();
        self.look_for_console();
    }

    /// The lanes of a pool as the routing policy sees them, and the router.
    #[inline]
    pub(crate) fn routing(
        &mut self,
        pool: PoolId,
        preference: Preference,
    ) -> (&mut Router, PoolLanes<'_>) {
        let lanes = PoolLanes {
            lane_map: self.pools.lane_map(pool),
            lanes: &self.lanes,
            local_rack: &self.local_rack,
            stalled: &self.stalled_nodes,
            preference,
            some_nodes: self.settings.some_nodes,
            on_demand: if preference.is_in_keyspace {
                self.settings.limits.keyspace_lane_unused_us > 0
            } else {
                self.settings.limits.lane_unused_us > 0
            },
        };
        (&mut self.router, lanes)
    }

    /// The lanes for the EXECUTE of an id. Plain ones as a rule: the id fixes the table. Apache Cassandra
    /// warns where a statement without a keyspace is run elsewhere than in the one it was prepared in.
    #[inline]
    pub(crate) fn pool_of_statement(&self, base: PoolId, id: &[u8]) -> PoolId {
        if self.is_cassandra { self.keyspace_lanes(base, id).unwrap_or(base) } else { base }
    }

    #[cold]
    fn keyspace_lanes(&self, base: PoolId, id: &[u8]) -> Option<PoolId> {
        let statement = self.router.catalog.peek(id)?;
        self.pools.live_of_keyspace(base, statement.keyspace.as_deref()?)
    }

    /// The lanes of a pool as the routing policy sees them.
    pub(crate) fn lanes_of(&mut self, pool: PoolId) -> PoolLanes<'_> {
        self.routing(pool, Preference::default()).1
    }

    /// Asks the shell to read the partition keys of tables, by keyspace and name, if there are any to be read.
    #[inline]
    pub(crate) fn read_tables(&mut self, names: impl IntoIterator<Item = (Arc<str>, Arc<str>)>) {
        for (keyspace, table) in names {
            let wanted = TableFact::Key;
            self.actions.push_back(Action::ReadTable(TableRequest { keyspace, table, wanted }));
        }
    }

    /// A client's request on its way to a lane, arrived now; counts it as in flight.
    #[inline]
    pub(crate) fn begin(&mut self, to: ClientStream, opcode: Opcode) -> Outgoing {
        let base = match self.clients.get_mut(to.client) {
            Some(client) => {
                client.in_flight += 1;
                client.base
            }
            None => PoolId::NOWHERE,
        };
        Outgoing {
            origin: RequestOrigin::Client { to, purpose: Purpose::Forward },
            base,
            opcode,
            is_read: false,
            is_bare: false,
            resent: 0,
            arrived_us: self.now_us,
            subject: Subject::Unknown,
            write_type: WriteType::Unknown,
        }
    }

    /// The plain lanes with the rights of who asks; what we ask ourselves needs none.
    #[inline]
    pub(crate) fn base_of(&self, origin: RequestOrigin) -> PoolId {
        match origin {
            RequestOrigin::Client { to, .. } => {
                self.clients.get(to.client).map_or(PoolId::NOWHERE, |client| client.base)
            }
            RequestOrigin::Internal(_) => PoolId::NOWHERE,
        }
    }

    /// Notes that a client has something to send.
    #[inline]
    pub(crate) fn touch_client(&mut self, client: ClientKey) {
        let Some(entry) = self.clients.get_mut(client) else { return };
        if entry.disconnected {
            entry.session.discard_unsent();
        } else if !mem::replace(&mut entry.touched, true) {
            self.touched_clients.push_back(client);
        }
    }

    /// The next thing for the shell: actions first, then lanes, then clients.
    #[inline]
    pub(crate) fn take_output(&mut self) -> Option<Output> {
        if let Some(action) = self.actions.pop_front() {
            return Some(Output::Action(action));
        }
        if let Some(key) = self.touched_lanes.pop_front() {
            if let Some(lane) = self.lanes.get_mut(key) {
                lane.touched = false;
            }
            return Some(Output::LaneBytes(key));
        }
        let key = self.touched_clients.pop_front()?;
        if let Some(client) = self.clients.get_mut(key) {
            client.touched = false;
        }
        Some(Output::ClientBytes(key))
    }
}

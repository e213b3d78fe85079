//! The engine of one worker: every session and lane, and what passes between them.
//!
//! Inputs are called `on_*`, outputs `take_*` or `*_output`. The shell gives an input, then takes
//! all outputs, then gives the next. Nothing here does I/O or reads a clock: the shell says what
//! time it is before it gives inputs.

use std::cell::Cell;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::collections::slab::Slab;
use crate::engine::action::Action;
use crate::engine::answers::agreement::Agreement;
use crate::engine::answers::learn::Unresolved;
use crate::engine::answers::passing::Large;
use crate::engine::answers::reprepare::Parked;
use crate::engine::client::{Client, ClientKey};
use crate::engine::homes::pools::Pools;
use crate::engine::homes::remote::Remote;
use crate::engine::limits::Limits;
use crate::engine::pending::{LaneKey, Pending};
use crate::engine::pool_lanes::PoolLanes;
use crate::engine::requests::local_traces::LocalTraces;
use crate::engine::requests::pages::Pages;
use crate::engine::tally::Tally;
use crate::engine::trouble::retry_budget::RetryBudget;
use crate::engine::trouble::speculate::Speculation;
use crate::engine::trouble::stall::Stalls;
use crate::facade::facade::Facade;
use crate::facade::statements::LocalStatements;
use crate::routing::catalog::Catalog;
use crate::routing::router::Router;
use crate::session::session::Phase;
use crate::topology::id::NodeId;
use crate::topology::snapshot::Snapshot;
use crate::topology::tablet_map::TabletMap;
use crate::upstream::lane::{Lane, PoolId};
use cql::compression::Compression;
use cql::token::shard::ShardId;

/// Buffers of answered requests that are kept for the next ones.
const SPARE_MAX: usize = 256;
/// Capacity of a buffer that is worth keeping; more is given back.
const SPARE_BYTES_MAX: usize = 4 << 10;

/// What tells engines apart, and what they go by.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// The bounds.
    pub limits: Limits,
    /// Our own rack; its replicas come first.
    pub rack: Option<Arc<str>>,
    /// Whether only some nodes of the data center are used.
    pub some_nodes: bool,
    /// Whether other workers want to know what this one learns.
    pub has_peers: bool,
    /// Algorithms that clients are told of. One that asks for another gets it all the same.
    pub compression_told: Vec<Compression>,
}

/// Sessions on one side, lanes on the other.
#[derive(Debug)]
pub struct Engine {
    pub(super) settings: EngineSettings,
    pub(super) clients: Slab<Client>,
    pub(super) lanes: Slab<Lane<Pending>>,
    pub(super) pools: Pools,
    pub(super) local_rack: Vec<bool>,
    pub(super) remote: Remote,
    pub(super) router: Router,
    pub(super) facade: Option<Arc<Facade>>,
    /// What the cluster calls its authenticator, while clients must log in.
    pub(super) authenticator: Option<Arc<str>>,
    pub(super) local_statements: LocalStatements,
    pub(super) local_traces: LocalTraces,
    pub(super) agreement: Agreement,
    pub(super) pages: Pages,
    pub(super) large: Large,
    pub(super) retry_budget: RetryBudget,
    /// The node that has just refused the request which is routed anew.
    pub(super) avoided: Option<NodeId>,
    pub(super) speculation: Speculation,
    /// A replica that the last decision passed over for want of a lane.
    pub(super) missing: Cell<Option<(NodeId, ShardId)>>,
    /// By the number of the PREPARE that they wait for.
    pub(super) parked: HashMap<u64, Vec<Parked>>,
    pub(super) unresolved: VecDeque<Unresolved>,
    pub(super) stalls: Stalls,
    pub(super) actions: VecDeque<Action>,
    pub(super) tally: Tally,
    pub(super) now_us: u64,
    pub(super) numbers: u64,
    pub(super) swept_us: u64,
    touched_clients: Vec<ClientKey>,
    touched_lanes: Vec<LaneKey>,
    spare: Vec<Vec<u8>>,
}

impl Engine {
    /// An engine without clients or lanes.
    #[must_use]
    pub fn new(settings: EngineSettings, snapshot: Arc<Snapshot>) -> Self {
        let limits = settings.limits;
        let catalog = Catalog::new(limits.catalog_bytes_max);
        let tablets = TabletMap::new(limits.tablets_max);
        let mut engine = Self {
            settings,
            clients: Slab::default(),
            lanes: Slab::default(),
            pools: Pools::default(),
            local_rack: Vec::new(),
            remote: Remote::default(),
            router: Router::new(catalog, tablets, Arc::clone(&snapshot)),
            facade: None,
            authenticator: None,
            local_statements: LocalStatements::default(),
            local_traces: LocalTraces::default(),
            agreement: Agreement::default(),
            pages: Pages::default(),
            large: Large::No,
            retry_budget: RetryBudget::default(),
            avoided: None,
            speculation: Speculation::default(),
            missing: Cell::new(None),
            parked: HashMap::new(),
            unresolved: VecDeque::new(),
            stalls: Stalls::default(),
            actions: VecDeque::new(),
            tally: Tally::default(),
            now_us: 0,
            numbers: 0,
            swept_us: 0,
            touched_clients: Vec::new(),
            touched_lanes: Vec::new(),
            spare: Vec::new(),
        };
        engine.on_snapshot(snapshot);
        engine
    }

    /// Tells the time, µs since any moment; never goes back. Given before inputs.
    pub fn on_time(&mut self, now_us: u64) {
        debug_assert!(now_us >= self.now_us, "time goes on");
        self.now_us = now_us;
    }

    /// Takes a new picture of the cluster.
    pub fn on_snapshot(&mut self, snapshot: Arc<Snapshot>) {
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
        self.resolve_tablets();
    }

    /// Takes what system.local and system.peers look like.
    pub fn on_facade(&mut self, facade: Arc<Facade>) {
        let version = facade.facts().schema_version;
        self.facade = Some(facade);
        self.on_schema_read(version);
    }

    /// The bounds that it keeps.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.settings.limits
    }

    /// A client connected to `local_address`; `None` when there are too many.
    pub fn on_client_open(&mut self, local_address: SocketAddr) -> Option<ClientKey> {
        if self.clients.len() >= self.settings.limits.clients_max {
            self.tally.clients_refused += 1;
            return None;
        }
        self.tally.clients_opened += 1;
        let body_max = self.settings.limits.frame_body_bytes_max;
        // At `[::]` clients over IPv4 come to `::ffff:…`, which drivers take for another host.
        let seen_at = SocketAddr::new(local_address.ip().to_canonical(), local_address.port());
        Some(self.clients.insert(Client::new(seen_at, body_max)))
    }

    /// A client is gone. Answers that are still to come for it are dropped when they come.
    pub fn on_client_closed(&mut self, client: ClientKey) {
        let gone = self.clients.remove(client);
        let Some(gone) = gone else { return };
        if !gone.held_by.is_empty() {
            self.forget_held(client);
        }
        if gone.login.is_some() || gone.home != PoolId::PLAIN {
            self.on_login_left(&gone);
        }
    }

    /// What is to be sent to a client; `None` when it is gone.
    #[must_use]
    pub fn client_output(&self, client: ClientKey) -> Option<&[u8]> {
        self.clients.get(client).map(|client| client.session.outbox.waiting())
    }

    /// What is to be sent on a lane; `None` when it is gone.
    #[must_use]
    pub fn lane_output(&self, lane: LaneKey) -> Option<&[u8]> {
        self.lanes.get(lane).map(|lane| lane.outbox.waiting())
    }

    /// A client's socket took `count` bytes of its output.
    pub fn on_client_sent(&mut self, client: ClientKey, count: usize) {
        if let Some(entry) = self.clients.get_mut(client) {
            entry.session.outbox.on_sent(count);
            if entry.paused {
                self.resume_if_possible(client);
            }
        }
    }

    /// A lane's socket took `count` bytes of its output.
    pub fn on_lane_sent(&mut self, lane: LaneKey, count: usize) {
        let Some(entry) = self.lanes.get_mut(lane) else { return };
        entry.outbox.on_sent(count);
        if entry.full && entry.outbox.waiting_len() <= self.settings.limits.outbox_low_bytes {
            self.on_lane_drained(lane);
        }
    }

    /// Whether the shell may read a client now.
    #[must_use]
    pub fn may_read(&self, client: ClientKey) -> bool {
        self.clients
            .get(client)
            .is_some_and(|client| !client.paused && client.session.phase != Phase::Closing)
    }

    /// A client's requests without an answer; `None` when it is gone.
    #[must_use]
    pub fn client_in_flight(&self, client: ClientKey) -> Option<u32> {
        self.clients.get(client).map(|client| client.in_flight)
    }

    /// Hands out the clients that have something to send since the last call, into `into`.
    pub fn take_touched_clients(&mut self, into: &mut Vec<ClientKey>) {
        into.append(&mut self.touched_clients);
        for client in into.iter() {
            if let Some(client) = self.clients.get_mut(*client) {
                client.touched = false;
            }
        }
    }

    /// Hands out the lanes that have something to send since the last call, into `into`.
    pub fn take_touched_lanes(&mut self, into: &mut Vec<LaneKey>) {
        into.append(&mut self.touched_lanes);
        for lane in into.iter() {
            if let Some(lane) = self.lanes.get_mut(*lane) {
                lane.touched = false;
            }
        }
    }

    /// Hands out the next thing for the shell to do.
    pub fn take_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The numbers so far.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The numbers so far, for what only the shell can measure.
    pub fn tally_mut(&mut self) -> &mut Tally {
        &mut self.tally
    }

    pub(super) fn touch_client(&mut self, client: ClientKey) {
        let Some(entry) = self.clients.get_mut(client) else { return };
        if entry.disconnected {
            entry.session.outbox.on_sent(usize::MAX);
        } else if !mem::replace(&mut entry.touched, true) {
            self.touched_clients.push(client);
        }
    }

    pub(super) fn touch_lane(&mut self, lane: LaneKey) {
        if let Some(entry) = self.lanes.get_mut(lane)
            && !mem::replace(&mut entry.touched, true)
        {
            self.touched_lanes.push(lane);
        }
    }

    /// The lanes of a pool as the routing policy sees them, beside the router itself.
    #[inline]
    pub(super) fn field(&mut self, pool: PoolId) -> (&mut Router, PoolLanes<'_>) {
        let lane_map = self.pools.lane_map(pool);
        let (lanes, local_rack) = (&self.lanes, &*self.local_rack);
        let missing = (self.settings.limits.lane_unused_us > 0).then_some(&self.missing);
        let some_nodes = self.settings.some_nodes;
        let (sticky, avoided) = (None, self.avoided);
        let stalled = &*self.stalls.nodes;
        let lanes = PoolLanes {
            lane_map,
            lanes,
            local_rack,
            stalled,
            sticky,
            avoided,
            some_nodes,
            missing,
        };
        (&mut self.router, lanes)
    }

    /// A number that was never given before.
    pub(super) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// A buffer with a copy of `frame`.
    #[inline]
    pub(super) fn keep(&mut self, frame: &[u8]) -> Vec<u8> {
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.extend_from_slice(frame);
        kept
    }

    /// Takes a buffer back for the next request.
    #[inline]
    pub(super) fn give_back(&mut self, mut kept: Vec<u8>) {
        if self.spare.len() < SPARE_MAX && kept.capacity() <= SPARE_BYTES_MAX {
            kept.clear();
            self.spare.push(kept);
        }
    }

    /// Lets a client be read again once nothing holds it up any more.
    pub(super) fn resume_if_possible(&mut self, client: ClientKey) {
        let limits = self.settings.limits;
        let Some(entry) = self.clients.get_mut(client) else { return };
        let free = entry.in_flight < limits.client_in_flight_max
            && entry.held_by.is_empty()
            && entry.switching.is_none()
            && entry.session.outbox.waiting_len() <= limits.outbox_low_bytes;
        if entry.paused && free {
            entry.paused = false;
            self.actions.push_back(Action::ResumeClient(client));
        }
    }

    /// Stops reading a client that has too much under way; [`Self::reconsider`] lets it go on.
    pub(super) fn pause_if_needed(&mut self, client: ClientKey) {
        let limits = self.settings.limits;
        let Some(entry) = self.clients.get_mut(client) else { return };
        entry.paused |= entry.in_flight >= limits.client_in_flight_max
            || !entry.held_by.is_empty()
            || entry.switching.is_some()
            || entry.session.outbox.waiting_len() > limits.outbox_high_bytes;
    }

    /// Whether a client left so much unread that it gets nothing more and is closed.
    ///
    /// Asked before an answer is added: one answer may be longer than the bound.
    #[inline]
    pub(super) fn disconnects_if_unread(&mut self, client: ClientKey) -> bool {
        let backlog_max = self.settings.limits.client_backlog_bytes_max;
        let Some(entry) = self.clients.get_mut(client) else { return false };
        if !entry.disconnected && entry.session.outbox.waiting_len() > backlog_max {
            entry.disconnected = true;
            entry.session.phase = Phase::Closing;
            // What follows must not be taken for the rest of a frame that left by half.
            entry.session.outbox.on_sent(usize::MAX);
            self.tally.clients_cut_off += 1;
            self.actions.push_back(Action::CloseClient(client));
        }
        self.clients.get(client).is_some_and(|entry| entry.disconnected)
    }
}

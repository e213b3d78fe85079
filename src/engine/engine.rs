//! The engine of one worker: it owns the client sessions and the lanes, and moves frames between
//! them. It does no I/O, reads no clock and draws no random numbers.
//!
//! # The contract
//!
//! There are three kinds of methods.
//! - **Inputs** are called `on_*` (and `open_*`). Before a batch of them, [`Engine::on_time`] gives
//!   the time. An input is complete when it returns: nothing is left to be done inside.
//! - **Outputs** come from [`Engine::take_output`], which is called after each batch of inputs until it has no
//!   more. An [`Output`] is an action, or names a lane or a client that has something to send; actions come
//!   first, oldest first, then lanes, then clients. The shell writes [`Engine::lane_output`] or
//!   [`Engine::client_output`] and reports how much the socket took by [`Engine::on_lane_sent`] or
//!   [`Engine::on_client_sent`], which are inputs. A connection with bytes left is not named again until the
//!   engine adds to it: the shell writes on when the socket is ready.
//!   There is one exception: [`Engine::on_lane_bytes`] gets a `write`, which it may call during the input, to
//!   write one large answer from where it was read.
//!   [`Engine::next_deadline_us`] says when [`Engine::on_deadline`] is due if nothing else happens.
//! - **Questions** change nothing: [`Engine::may_read`], [`Engine::tally`], [`Engine::gauges`]. They stand in
//!   `view/questions`.
//!
//! Inputs of one connection keep their order. A client of whom `may_read` is false is not read until
//! `Action::ResumeClient` names it. Closing is the shell's: `Action::CloseLane` and `Action::CloseClient` ask for
//! it, [`Engine::on_lane_down`] and [`Engine::on_client_closed`] confirm it, and no input names the connection
//! after that (one that does is ignored).
//!
//! # The inside
//!
//! `Core` is what all parts work on; `Features` know the core and not each other. `requests` is the
//! way up, `answers` the way down. What must be routed or served again waits on the core's to-do queue,
//! which is emptied here before the next frame is read: no part calls back the way it came.

use std::mem;
use std::sync::Arc;

use crate::engine::action::{Action, Output, PeerMessage};
use crate::engine::answers::{dispatch, lost};
use crate::engine::client::ClientKey;
use crate::engine::core::core::Core;
use crate::engine::core::todo::Todo;
use crate::engine::features::clients::{keyspaces, logins, moves};
use crate::engine::features::features::Features;
use crate::engine::features::statements::prepared_statements;
use crate::engine::features::tablets::tablet_reads;
use crate::engine::limits::OtherMemory;
use crate::engine::pending::LaneKey;
use crate::engine::requests::{inbound, route};
use crate::engine::settings::EngineSettings;
use crate::engine::timers::{Timer, Timers};
use crate::engine::verdict::LoginVerdict;
use crate::facade::console::{contents::Contents, table::ConsoleTable};
use crate::facade::facade::Facade;
use crate::topology::id::NodeId;
use crate::topology::snapshot::Snapshot;
use crate::topology::table_key::TableKey;
use crate::topology::tablet_page::TabletPage;
use crate::upstream::lane::{Backlog, LaneRoute, PoolId};
use cql::token::shard::Sharder;

/// Client sessions, the lanes to shards, and what routes between them.
#[derive(Debug)]
pub struct Engine {
    pub(super) core: Core,
    pub(super) features: Features,
    timers: Timers,
}

/// Inputs: time, the cluster and other workers.
impl Engine {
    /// An engine without clients or lanes.
    #[must_use]
    pub fn new(settings: EngineSettings, snapshot: Arc<Snapshot>) -> Self {
        let core = Core::new(settings, snapshot);
        Self { core, features: Features::default(), timers: Timers::default() }
    }

    /// The time, µs since any moment; never goes back. Given before inputs.
    pub fn on_time(&mut self, now_us: u64) {
        debug_assert!(now_us >= self.core.now_us, "time goes on");
        self.core.now_us = now_us;
    }

    /// A timer is due.
    pub fn on_deadline(&mut self) {
        for timer in Timer::ALL {
            self.timers.fire_if_due(timer, &mut self.core, &mut self.features);
            self.do_todo();
        }
    }

    /// The cluster has changed: routes by this picture of it.
    pub fn on_snapshot(&mut self, snapshot: Arc<Snapshot>) {
        tablet_reads::on_snapshot(&mut self.core, snapshot);
        // It comes whenever a node is watched again, behind [`Self::on_events_missed`].
        self.core.router.shapes.set_watched(true);
        self.features.tablet_reports.resolve(&mut self.core);
    }

    /// What system.local and system.peers look like from now on.
    pub fn on_facade(&mut self, facade: Arc<Facade>) {
        let version = facade.facts().schema_version;
        self.features.local.set_facade(facade);
        self.features.agreement.on_schema_read(&mut self.core, version);
        self.do_todo();
    }

    /// The operator changed settings: goes by these from now on. `rack`, `some_nodes` and
    /// `has_peers` stay as they were, and so does the room for tablets.
    pub fn on_settings(&mut self, settings: EngineSettings) {
        self.core.set_settings(settings);
    }

    /// What the rest of the process takes of `memory_bytes_max`.
    pub fn on_other_memory(&mut self, other: OtherMemory) {
        self.core.memory.other = other;
    }

    /// Whether clients must log in: the class of the cluster's authenticator, if it has one.
    /// Clients that came before that was known are closed.
    pub fn on_authenticator(&mut self, class: Option<Arc<str>>) {
        self.features.logins.set_authenticator(&mut self.core, class);
        self.do_todo();
    }

    /// The control connection received an EVENT with this body.
    pub fn on_event(&mut self, body: &[u8]) {
        self.features.agreement.on_event(&mut self.core, body);
        self.do_todo();
    }

    /// The control connection may have missed events: what they would have changed is not known.
    pub fn on_events_missed(&mut self) {
        self.core.router.keys.clear();
        self.core.router.tables.set_all_unconfirmed();
        self.core.router.shapes.clear();
        tablet_reads::on_topology(&mut self.core);
    }

    /// No node is watched: changes of the schema are not heard of until the next picture of the cluster.
    pub fn on_watch_lost(&mut self) {
        self.core.router.shapes.set_watched(false);
    }

    /// The partition key of a table was read: for this worker, or for another one.
    pub fn on_table_key(&mut self, key: Arc<TableKey>) {
        tablet_reads::on_key(&mut self.core, key);
    }

    /// Some of a table's tablets were read: for this worker, or for another one.
    pub fn on_tablets_read(&mut self, page: &TabletPage) {
        tablet_reads::on_page(&mut self.core, page);
    }

    /// The rows of a table of the console were collected, or could not be.
    pub fn on_console(&mut self, table: ConsoleTable, contents: Option<Arc<Contents>>) {
        self.features.console.on_collected(&mut self.core, table, contents);
        self.do_todo();
    }

    /// Another worker learned something.
    pub fn on_peer_message(&mut self, message: PeerMessage) {
        let core = &mut self.core;
        match message {
            PeerMessage::Tablet(tablet) => self.features.tablet_reports.on_peer(core, &tablet),
            PeerMessage::Statement(statement) => {
                prepared_statements::record(core, statement);
            }
            PeerMessage::StatementsMissed => core.router.catalog.on_missed(),
        }
    }
}

/// Inputs: clients.
impl Engine {
    /// A client sent `chunk`.
    pub fn on_client_bytes(&mut self, client: ClientKey, chunk: &mut [u8]) {
        let left = self.serve_client(client, chunk);
        if left > 0 {
            self.hold(client, chunk, left);
        }
        self.look_at_memory();
    }

    /// A client's socket took `count` bytes of its output.
    pub fn on_client_sent(&mut self, client: ClientKey, count: usize) {
        if let Some(entry) = self.core.clients.get_mut(client) {
            entry.session.on_sent(count);
            if entry.paused {
                self.core.resume_if_possible(client);
                self.do_todo();
            }
        }
    }

    /// A client is gone. Answers that are still to come for it are dropped when they come.
    pub fn on_client_closed(&mut self, client: ClientKey) {
        let Some(gone) = self.core.clients.remove(client) else { return };
        if gone.full_lanes > 0 {
            self.features.stalls.on_client_closed(client);
        }
        inbound::abandon(&mut self.core, gone.switching.as_deref().unwrap_or_default());
        self.features.unknown_ids.on_client_closed(client);
        self.features.column_changes.on_client_closed(client);
        logins::on_client_closed(&mut self.core, &gone);
        self.do_todo();
    }

    /// The cluster's word on a client's login. A client that has left needs none; a pool that was opened for it is closed
    /// like any other that no client uses.
    pub fn on_verdict(&mut self, client: ClientKey, verdict: LoginVerdict<'_>) {
        logins::on_verdict(&mut self.core, client, verdict);
        self.do_todo();
    }
}

/// Inputs: lanes and their pools.
impl Engine {
    /// A lane is open. It is used from now on; `None` when its pool is closed.
    pub fn on_lane_up(&mut self, route: LaneRoute, sharder: Option<Sharder>) -> Option<LaneKey> {
        let up = self.core.add_lane(route, sharder)?;
        if up.is_first {
            prepared_statements::warm(&mut self.core, up.lane, route.pool);
        }
        keyspaces::send_waiting(&mut self.core, route.pool);
        moves::serve_waiting(&mut self.core, route.pool);
        logins::welcome(&mut self.core, route.pool);
        self.do_todo();
        Some(up.lane)
    }

    /// A lane received `chunk`. `write` is given large frames, to write to a client for whom nothing else
    /// waits; it returns how many bytes the socket took.
    pub fn on_lane_bytes(
        &mut self,
        lane: LaneKey,
        chunk: &mut [u8],
        mut write: impl FnMut(ClientKey, &[u8]) -> usize,
    ) {
        let Some(mut chunk) = dispatch::begin(&mut self.core, lane, chunk) else { return };
        while dispatch::next(&mut self.core, &mut self.features, &mut chunk, &mut write) {
            self.do_todo();
        }
        self.do_todo();
        dispatch::end(&mut self.core, chunk);
        self.look_at_memory();
    }

    /// A lane's socket took `count` bytes of its output.
    pub fn on_lane_sent(&mut self, lane: LaneKey, count: usize) {
        let Some(entry) = self.core.lanes.get_mut(lane) else { return };
        entry.outbox.on_sent(count);
        let low_bytes = self.core.settings.limits.outbox_low_bytes;
        if entry.backlog != Backlog::Usual && entry.outbox.waiting_len() <= low_bytes {
            self.features.stalls.on_drained(&mut self.core, lane);
            self.do_todo();
        }
    }

    /// A lane is gone. What waited on it is sent elsewhere if it can do no harm, and gets an
    /// answer of ours if it might.
    pub fn on_lane_down(&mut self, lane: LaneKey) {
        for request in lost::on_lane_down(&mut self.core, &mut self.features, lane) {
            lost::on_lost(&mut self.core, &mut self.features, request);
            self.do_todo();
        }
        self.do_todo();
    }

    /// No lane of a pool could be opened; `refusal` is the node's ERROR frame, if it sent one.
    pub fn on_pool_failed(&mut self, pool: PoolId, refusal: Option<&[u8]>) {
        keyspaces::on_pool_failed(&mut self.core, pool, refusal);
        moves::serve_waiting(&mut self.core, pool);
        self.do_todo();
    }

    /// Opens the plain pool of a credential; `None` when there are too many.
    pub fn open_base(&mut self) -> Option<PoolId> {
        self.core.pools.add_base(false)
    }

    /// Opens the pool of one client's own connection, which is its only lane.
    pub fn open_dedicated(&mut self) -> Option<PoolId> {
        self.core.pools.add_base(true)
    }

    /// The cluster does not accept a credential any more: its lanes are closed, and its clients.
    pub fn on_credential_revoked(&mut self, base: PoolId) {
        logins::revoke(&mut self.core, base);
        self.do_todo();
    }

    /// Nodes of other data centers stand in for the local one; none as a rule. `local_consistency` is
    /// whether requests that name the local data center go there too.
    pub fn on_remote_nodes(&mut self, nodes: Vec<NodeId>, local_consistency: bool) {
        self.features.remote.set(&mut self.core, nodes, local_consistency);
    }

    /// A node is not used any more: its lanes take nothing new and close once nothing is in flight.
    pub fn retire_node(&mut self, node: NodeId) {
        self.core.retire_lanes_to(|of| of == node);
        self.core.pools.forget_shards_of(node);
    }
}

/// Outputs.
impl Engine {
    /// Hands out the next thing for the shell; `None` when there is no more for now.
    #[inline]
    pub fn take_output(&mut self) -> Option<Output> {
        self.core.take_output()
    }

    /// What is to be sent to a client; `None` when it is gone.
    #[must_use]
    pub fn client_output(&self, client: ClientKey) -> Option<&[u8]> {
        self.core.clients.get(client).map(|client| client.session.unsent())
    }

    /// What is to be sent on a lane; `None` when it is gone.
    #[must_use]
    pub fn lane_output(&self, lane: LaneKey) -> Option<&[u8]> {
        self.core.lanes.get(lane).map(|lane| lane.outbox.waiting())
    }

    /// When [`Engine::on_deadline`] is due, in the engine's own µs.
    #[must_use]
    pub fn next_deadline_us(&self) -> u64 {
        self.timers.next_us(&self.core, &self.features)
    }
}

/// What is done before an input ends.
impl Engine {
    /// Does what the input left to be done.
    #[inline]
    pub(super) fn do_todo(&mut self) {
        while let Some(todo) = self.core.todo.pop_front() {
            self.carry_out(todo);
        }
    }

    /// Serves what a client sent. Returns how many bytes are left at the end, because the client has as
    /// much under way as it may have.
    #[inline(never)]
    fn serve_client(&mut self, client: ClientKey, chunk: &mut [u8]) -> usize {
        let Some(mut chunk) = inbound::begin(&mut self.core, client, chunk) else { return 0 };
        while inbound::next(&mut self.core, &mut self.features, &mut chunk) {
            self.do_todo();
        }
        self.do_todo();
        inbound::end(&mut self.core, chunk)
    }

    /// Keeps the last `left` bytes of a chunk until its client has less under way.
    #[cold]
    fn hold(&mut self, client: ClientKey, chunk: &[u8], left: usize) {
        let rest = chunk.get(chunk.len() - left..).unwrap_or_default();
        inbound::hold(&mut self.core, client, rest.to_vec(), 0);
        self.do_todo();
    }

    /// Serves what was kept of a client.
    fn read_held(&mut self, client: ClientKey) {
        let Some(entry) = self.core.clients.get_mut(client) else { return };
        let (mut held, done) = (mem::take(&mut entry.held), mem::take(&mut entry.held_done));
        let left = self.serve_client(client, held.get_mut(done..).unwrap_or_default());
        if left > 0 {
            let done = held.len() - left;
            inbound::hold(&mut self.core, client, held, done);
        } else if self.core.clients.get(client).is_some_and(|entry| !entry.paused) {
            self.core.actions.push_back(Action::ResumeClient(client));
        }
    }

    #[cold]
    fn carry_out(&mut self, todo: Todo) {
        let (core, features) = (&mut self.core, &mut self.features);
        match todo {
            Todo::RouteAgain { pool, pending, avoided } => {
                route::again(core, features, pool, pending, avoided);
            }
            Todo::SendAgain { lane, pending } => route::again_on(core, features, lane, pending),
            Todo::SendUse(request) => route::send_use(core, features, request),
            Todo::Resume { client, mut frames } => {
                inbound::resume(core, features, client, &mut frames);
            }
            Todo::EnterKeyspace(client) => moves::enter_keyspace(core, client),
            Todo::ReadHeld(client) => self.read_held(client),
            Todo::ServeTraced(request) => inbound::serve_traced(core, features, request),
            Todo::LaneFull { lane, client } => features.stalls.on_full(core, lane, client),
            Todo::PoolClosed { pool, instead } => features.reprepare.on_pool_closed(pool, instead),
        }
    }

    /// Measures memory if so much was brought that it may have come near a mark.
    #[inline]
    pub(super) fn look_at_memory(&mut self) {
        if self.core.memory.is_due() {
            self.features.memory.look(&mut self.core);
            self.do_todo();
        }
    }
}

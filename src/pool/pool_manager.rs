//! The pools of one worker: which connections are opened, which become lanes, which are closed.
//!
//! Inputs are called `on_*`, the output is [`PoolManager::take_action`]. The shell first says what
//! time it is, then gives an input with the engine whose lanes these are, then carries out all
//! actions of both. Nothing here opens a socket, reads a clock, or draws a number that its seed
//! does not determine; the simulation runs the same object.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::collections::key_table::KeyTable;
use crate::engine::action::Action;
use crate::engine::client::ClientKey;
use crate::engine::engine::Engine;
use crate::engine::pending::{LaneKey, Pending};
use crate::engine::verdict::LoginVerdict;
use crate::pool::action::{Orders, Owner, PoolAction, PoolNotice};
use crate::pool::connection::{Connection, DialFailure, DialId, Dialled};
use crate::pool::login::credential::Credential;
use crate::pool::login::credential_book::CredentialBook;
use crate::pool::login::login_queue::LoginOrigin;
use crate::pool::login::logins::{LoginService, LoginSettings};
use crate::pool::nodes::failover::{Failover, FailoverSettings};
use crate::pool::nodes::node_state::{NodeStates, Outage};
use crate::pool::nodes::node_target::NodeTarget;
use crate::pool::pool_key::PoolKey;
use crate::pool::refill::backoff::{BackoffSettings, Jitter};
use crate::pool::refill::lane_slots::{LaneSerial, WantedLanes};
use crate::pool::refill::refiller::{PoolRefiller, RefillerKey, ShardPortSettings};
use crate::upstream::lane::{Lane, LaneRoute, PoolId};

/// What the pools of a worker go by.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// Which lanes a node gets.
    pub lanes: WantedLanes,
    /// Which of them in a keyspace.
    pub keyspace_lanes: WantedLanes,
    /// Where its shards are dialled.
    pub ports: ShardPortSettings,
    /// Waits after failures.
    pub backoff: BackoffSettings,
    /// Whether nodes of other data centers are used, and when.
    pub failover: FailoverSettings,
    /// How clients log in themselves.
    pub logins: LoginSettings,
}

/// What the pools of all workers share.
#[derive(Clone, Debug)]
pub struct PoolShared {
    /// What is known of each node.
    pub nodes: Arc<NodeStates>,
    /// Every credential that has lanes.
    pub book: Arc<CredentialBook>,
    /// Whose rights the lanes have that every client may take.
    pub credential: Option<Arc<Credential>>,
}

/// Which refiller opened a lane, and the number that the lane has there.
#[derive(Clone, Copy, Debug)]
pub(super) struct LaneOwner {
    pub(super) key: RefillerKey,
    pub(super) serial: LaneSerial,
}

/// A pool that has lanes, or is to have some.
#[derive(Debug)]
pub(super) struct OpenPool {
    pub(super) key: PoolKey,
    /// Since when one node alone is probed for the keyspace, µs: clients misspell them.
    pub(super) probed_since_us: Option<u64>,
}

/// The pools of one worker.
#[derive(Debug)]
pub struct PoolManager {
    pub(super) settings: PoolSettings,
    pub(super) shared: PoolShared,
    pub(super) now_us: u64,
    pub(super) jitter: Jitter,
    pub(super) pools: BTreeMap<u16, OpenPool>,
    pub(super) refillers: BTreeMap<RefillerKey, PoolRefiller>,
    /// When each refiller that waits is looked at again.
    pub(super) wakes: BTreeSet<(u64, RefillerKey)>,
    pub(super) lanes: KeyTable<Lane<Pending>, LaneOwner>,
    pub(super) failover: Failover,
    /// Nodes that get lanes.
    pub(super) targets: Vec<NodeTarget>,
    pub(super) logins: LoginService,
    pub(super) orders: Orders,
}

impl PoolManager {
    /// Pools without nodes. The waits are drawn from `seed`.
    #[must_use]
    pub fn new(settings: PoolSettings, shared: PoolShared, seed: u64, now_us: u64) -> Self {
        let plain = PoolKey::plain(shared.credential.clone());
        let plain = OpenPool { key: plain, probed_since_us: None };
        Self {
            settings,
            shared,
            now_us,
            jitter: Jitter::new(seed),
            pools: BTreeMap::from([(PoolId::PLAIN.0, plain)]),
            refillers: BTreeMap::new(),
            wakes: BTreeSet::new(),
            lanes: KeyTable::default(),
            failover: Failover::new(settings.failover, now_us),
            targets: Vec::new(),
            logins: LoginService::new(settings.logins, seed),
            orders: Orders::default(),
        }
    }

    /// Takes the time, before other inputs.
    pub fn on_time(&mut self, now_us: u64) {
        self.now_us = now_us;
    }

    /// The operator changed settings. Lanes that are open stay; the waits that follow, failover and
    /// the checks of logins go by the new values. What fixes the shape of pools (`lanes`, `ports`
    /// and the count of local nodes) stays as it was.
    pub fn on_settings(&mut self, engine: &mut Engine, settings: PoolSettings) {
        self.settings.backoff = settings.backoff;
        for refiller in self.refillers.values_mut() {
            refiller.set_backoff(settings.backoff);
        }
        self.settings.failover = settings.failover;
        self.failover.set_settings(settings.failover);
        self.set_remote_nodes(engine);
        self.settings.logins = settings.logins;
        self.logins.settings = settings.logins;
    }

    /// When [`Self::on_deadline`] wants to be called because of lanes that wait to be dialled. What
    /// else goes by time is looked at whenever it is called: ten times a second, or more often.
    #[must_use]
    pub fn next_deadline_us(&self) -> u64 {
        self.wakes.first().map_or(u64::MAX, |(at_us, _)| *at_us)
    }

    /// What is to be done next; `None` when there is nothing before the next input.
    pub fn take_action(&mut self) -> Option<PoolAction> {
        self.orders.pop()
    }

    /// Whether there is any lane.
    #[must_use]
    pub fn has_lanes(&self) -> bool {
        !self.lanes.is_empty()
    }

    /// Which nodes get lanes.
    #[must_use]
    pub fn failover(&self) -> &Failover {
        &self.failover
    }

    /// All that keep lanes open.
    pub fn refillers(&self) -> impl Iterator<Item = (RefillerKey, &PoolRefiller)> {
        self.refillers.iter().map(|(key, refiller)| (*key, refiller))
    }

    /// Who opened a lane, and its number there.
    #[must_use]
    pub fn owner_of(&self, lane: LaneKey) -> Option<(RefillerKey, LaneSerial)> {
        self.lanes.get(lane).map(|owner| (owner.key, owner.serial))
    }

    /// The pools that are open, without the connections of single clients.
    pub fn open_pools(&self) -> impl Iterator<Item = PoolId> {
        self.pools.keys().copied().map(PoolId)
    }

    /// What the lanes of a pool have in common, if it is open.
    #[must_use]
    pub fn pool_key(&self, pool: PoolId) -> Option<&PoolKey> {
        self.pools.get(&pool.0).map(|pool| &pool.key)
    }

    /// Time has passed.
    pub fn on_deadline(&mut self, engine: &mut Engine) {
        self.end_probes();
        self.failover_step(engine);
        self.logins.recheck(self.now_ms(), &mut self.orders);
        self.settle_logins(engine);
        while let Some((at_us, key)) = self.wakes.first().copied() {
            if at_us > self.now_us {
                return;
            }
            self.wakes.pop_first();
            if let Some(refiller) = self.refillers.get_mut(&key) {
                refiller.wakes_us = None;
            }
            self.pump(key);
        }
    }

    /// Takes what the engine wants done. What is not about pools comes back.
    pub fn on_engine_action(&mut self, engine: &mut Engine, action: Action) -> Option<Action> {
        match action {
            Action::OpenPool { pool, keyspace } => self.open_keyspace(engine, pool, keyspace),
            Action::ClosePool(pool) => self.close_pool(engine, pool),
            Action::LogIn { client, token } => {
                let origin = match self.shared.book.has(&token) {
                    true => LoginOrigin::Known,
                    false => LoginOrigin::Unverified(engine.client_address(client)),
                };
                self.logins.on_token(client, token, origin, &mut self.orders);
                self.settle_logins(engine);
            }
            Action::CloseLane(lane) => self.on_lane_lost(engine, lane),
            Action::CloseUnused(lane) => {
                let owner = self.lanes.get(lane);
                if let Some(refiller) = owner.and_then(|of| self.refillers.get_mut(&of.key)) {
                    refiller.on_unused(owner.map_or(LaneSerial(0), |of| of.serial));
                }
                self.on_lane_lost(engine, lane);
            }
            Action::OpenLane { pool, node, shard } => {
                let key = RefillerKey { pool: pool.0, node };
                if let Some(refiller) = self.refillers.get_mut(&key) {
                    refiller.on_asked_for(shard);
                    self.pump(key);
                }
            }
            other @ (Action::CloseClient(_)
            | Action::ResumeClient(_)
            | Action::ToOtherWorkers(_)
            | Action::RefreshTopology
            | Action::ReadTable(_)
            | Action::CollectConsole(_)
            | Action::BoundMet { .. }) => return Some(other),
        }
        None
    }

    /// A client is gone.
    pub fn on_client_closed(&mut self, engine: &mut Engine, client: ClientKey) {
        self.logins.on_client_closed(client, &mut self.orders);
        self.settle_logins(engine);
    }

    /// A lane's connection is gone, or cannot be served.
    pub fn on_lane_lost(&mut self, engine: &mut Engine, lane: LaneKey) {
        let Some(LaneOwner { key, serial }) = self.lanes.remove(lane) else { return };
        if let Some(refiller) = self.refillers.get_mut(&key) {
            refiller.on_lane_down(serial, self.now_us / 1_000);
        }
        self.orders.push(PoolAction::Close(lane));
        engine.on_lane_down(lane);
        self.fail_back(engine);
        self.pump(key);
    }

    /// A node asks a login on.
    pub fn on_challenged(&mut self, engine: &mut Engine, id: DialId, challenge: &[u8]) {
        let Some(Owner::Login(run)) = self.orders.owner(id).copied() else { return };
        if let Some(client) = self.logins.on_challenged(run, self.now_ms(), &mut self.orders) {
            engine.on_verdict(client, LoginVerdict::Challenged(challenge));
        }
        self.settle_logins(engine);
    }

    /// A connection is ready, or will never be.
    pub fn on_dialled(
        &mut self,
        engine: &mut Engine,
        id: DialId,
        result: Result<Connection, DialFailure>,
    ) {
        let result = result.map(|connection| Dialled { id, connection });
        match self.orders.owner(id).copied() {
            Some(Owner::Refiller(key)) => match result {
                Ok(opened) => self.on_opened(engine, key, &opened),
                Err(failure) => self.on_failed(engine, key, id, &failure),
            },
            Some(Owner::Login(run)) => {
                if result.is_err() {
                    self.orders.forget(id);
                }
                let now_ms = self.now_ms();
                self.logins.on_dialled(run, result, now_ms, &mut self.orders);
                self.settle_logins(engine);
            }
            // It was given up meanwhile.
            None => self.orders.push(PoolAction::Drop(id)),
        }
    }

    pub(super) fn on_opened(&mut self, engine: &mut Engine, key: RefillerKey, opened: &Dialled) {
        let Dialled { id, connection } = opened;
        let now_ms = self.now_ms();
        let Some(refiller) = self.refillers.get_mut(&key) else { return self.orders.drop(*id) };
        let target = *refiller.target();
        self.logins.nodes.note(target.node, true);
        if let Some(Outage::Back { away_ms }) = refiller.node().on_reached(now_ms) {
            let away_s = away_ms / 1_000;
            self.orders.push(PoolAction::Log(PoolNotice::NodeBack { target, away_s }));
        }
        let arrived = refiller.on_opened(*id, connection, now_ms);
        for id in arrived.released {
            self.orders.drop(id);
        }
        if let Some(reason) = arrived.port_failure {
            self.on_closed_port(key, reason);
        }
        if arrived.is_resharded {
            self.orders
                .push(PoolAction::Log(PoolNotice::Resharded { target, pool: PoolId(key.pool) }));
            self.close_lanes_of(engine, |of| *of == key);
        }
        self.confirm_keyspace(PoolId(key.pool));
        if let Some(serial) = arrived.serial {
            let route = route_of(PoolId(key.pool), connection);
            match engine.on_lane_up(route, connection.sharder) {
                Some(lane) => self.serve(engine, *id, lane, LaneOwner { key, serial }),
                None => {
                    self.orders.drop(*id);
                    if let Some(refiller) = self.refillers.get_mut(&key) {
                        refiller.on_lane_down(serial, now_ms);
                    }
                }
            }
        }
        self.pump(key);
    }

    pub(super) fn serve(
        &mut self,
        engine: &mut Engine,
        id: DialId,
        lane: LaneKey,
        owner: LaneOwner,
    ) {
        self.lanes.insert(lane, owner);
        self.orders.serve(id, lane);
        self.fail_back(engine);
    }

    pub(super) fn close_lanes_of(
        &mut self,
        engine: &mut Engine,
        of: impl Fn(&RefillerKey) -> bool,
    ) {
        for (lane, owner) in self.lanes.all() {
            if of(&owner.key) {
                self.on_lane_lost(engine, lane);
            }
        }
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.now_us / 1_000
    }
}

/// Where a lane of `pool` leads.
pub(super) fn route_of(pool: PoolId, connection: &Connection) -> LaneRoute {
    LaneRoute {
        node: connection.node,
        shard: connection.shard,
        pool,
        lwt_mask: connection.lwt_mask,
        metadata_ids: connection.metadata_ids,
        is_cassandra: connection.is_cassandra,
        compression: connection.compression,
    }
}

//! Pools that open and close: of every client, of a credential, of a keyspace that one node is asked for
//! first.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::engine::engine::Engine;
use crate::pool::action::Owner;
use crate::pool::connection::Hello;
use crate::pool::pool_key::PoolKey;
use crate::pool::pool_manager::{OpenPool, PoolManager, PoolSettings};
use crate::pool::refill::dial_schedule::Next;
use crate::pool::refill::refiller::{PoolRefiller, RefillerKey};
use crate::session::sasl::SaslToken;
use crate::topology::id::NodeId;
use crate::upstream::lane::PoolId;

/// How long one node is probed for a keyspace before lanes are opened to all nodes, µs.
const PROBE_US: u64 = 200_000;

impl PoolManager {
    /// Learns whether clients log in themselves: then the class of the cluster's authenticator, and
    /// where to ask while no node is known.
    pub fn on_authenticator(
        &mut self,
        engine: &mut Engine,
        class: Option<Arc<str>>,
        contacts: &[SocketAddr],
    ) {
        let is_open = self.pools.contains_key(&PoolId::PLAIN.0);
        if class.is_none() && !is_open {
            self.open(PoolId::PLAIN, PoolKey::plain(self.shared.credential.clone()), None);
        } else if class.is_some() && is_open {
            self.close_pool(engine, PoolId::PLAIN);
        }
        self.logins.nodes.set_contacts(contacts);
        engine.on_authenticator(class);
    }

    /// What the clients of a base pool logged in with; `None` for a pool whose rights are the proxy's own.
    #[must_use]
    pub fn token_of(&self, base: PoolId) -> Option<SaslToken> {
        let pool = self.pools.get(&base.0).filter(|_| base != PoolId::PLAIN)?;
        pool.key.credential.as_ref().map(|credential| credential.token())
    }

    /// Opens lanes of a keyspace, with the rights of its base pool: to one node at first, to probe
    /// whether the keyspace exists.
    pub(super) fn open_keyspace(&mut self, engine: &Engine, pool: PoolId, keyspace: Arc<str>) {
        let base = engine.base_of(pool);
        let Some(plain) = self.pools.get(&base.0).map(|base| base.key.clone()) else { return };
        let key = PoolKey { keyspace: Some(keyspace), ..plain };
        self.open(pool, key, Some(self.now_us));
    }

    pub(super) fn open(&mut self, pool: PoolId, key: PoolKey, probed_since_us: Option<u64>) {
        self.pools.insert(pool.0, OpenPool { key, probed_since_us });
        self.start(pool, None);
    }

    /// The keyspace exists, or the node that was probed cannot say: lanes go to all nodes.
    pub(super) fn confirm_keyspace(&mut self, pool: PoolId) {
        let probed = self.pools.get_mut(&pool.0).and_then(|pool| pool.probed_since_us.take());
        if probed.is_some() {
            self.start(pool, None);
        }
    }

    /// Ends probes that have taken too long: clients wait for them.
    pub(super) fn end_probes(&mut self) {
        let now_us = self.now_us;
        let is_old = |pool: &OpenPool| {
            pool.probed_since_us.is_some_and(|since_us| now_us.saturating_sub(since_us) >= PROBE_US)
        };
        let old = self.pools.iter().filter(|(_, pool)| is_old(pool)).map(|(pool, _)| PoolId(*pool));
        for pool in old.collect::<Vec<_>>() {
            self.confirm_keyspace(pool);
        }
    }

    /// Starts the refillers of a pool that are missing. The one of `first` has a lane coming, and
    /// dials nothing before that.
    pub(super) fn start(&mut self, number: PoolId, first: Option<NodeId>) {
        let Some(pool) = self.pools.get(&number.0) else { return };
        let count = self.targets.len().max(1);
        let is_asked = self.refillers.keys().any(|key| key.pool == number.0);
        if pool.probed_since_us.is_some() && is_asked {
            return;
        }
        let only = pool.probed_since_us.map(|_| usize::from(number.0) % count);
        let PoolSettings { lanes, keyspace_lanes, .. } = self.settings;
        let lanes = if pool.key.keyspace.is_some() { keyspace_lanes } else { lanes };
        for (at, target) in self.targets.clone().into_iter().enumerate() {
            let key = RefillerKey { pool: number.0, node: target.node };
            if self.refillers.contains_key(&key) || only.is_some_and(|only| only != at) {
                continue;
            }
            let node = self.shared.nodes.of(target.node);
            let (backoff, seed) = (self.settings.backoff, self.jitter.bits());
            let ports = self.settings.ports;
            let refiller = PoolRefiller::new(target, node, lanes, ports, backoff, seed);
            self.refillers.insert(key, refiller);
            if first != Some(target.node) {
                self.pump(key);
            }
        }
    }

    /// Ends the refillers of a pool and closes its lanes.
    pub(super) fn close_pool(&mut self, engine: &mut Engine, pool: PoolId) {
        self.pools.remove(&pool.0);
        self.logins.unwatch(pool, &mut self.orders);
        let keys = self.refillers.keys().copied().filter(|key| key.pool == pool.0);
        for key in keys.collect::<Vec<_>>() {
            self.end_refiller(key);
        }
        self.close_lanes_of(engine, |of| of.pool == pool.0);
    }

    pub(super) fn end_refiller(&mut self, key: RefillerKey) {
        let Some(refiller) = self.refillers.remove(&key) else { return };
        if let Some(at_us) = refiller.wakes_us {
            self.wakes.remove(&(at_us, key));
        }
        for id in refiller.end() {
            self.orders.drop(id);
        }
    }

    /// Dials what may be dialled, and notes when to look again.
    pub(super) fn pump(&mut self, key: RefillerKey) {
        let now_ms = self.now_ms();
        while let Some(refiller) = self.refillers.get_mut(&key) {
            match refiller.next(now_ms) {
                Next::Dial(dial) => {
                    let Some(pool) = self.pools.get(&key.pool) else { return };
                    let failures = refiller.schedule().failures();
                    let hello = Hello::Lane { pool: PoolId(key.pool), key: pool.key.clone() };
                    let owner = Owner::Refiller(key);
                    let id = self.orders.dial(owner, *refiller.target(), dial, failures, hello);
                    refiller.on_started(id, dial);
                }
                Next::Wait(rest_ms) => {
                    let at_us = self.now_us + 1_000 * rest_ms;
                    if let Some(before) = refiller.wakes_us.replace(at_us) {
                        self.wakes.remove(&(before, key));
                    }
                    self.wakes.insert((at_us, key));
                    return;
                }
                Next::Rest => return,
            }
        }
    }
}

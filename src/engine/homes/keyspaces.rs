//! `USE`: the lanes of each keyspace that a client uses.
//!
//! A keyspace belongs to a connection, so statements by text need lanes that said the same `USE`.
//! They are opened when the first client asks, one to each node; the node's own answer to `USE`
//! is what the client gets. An EXECUTE never needs them: its id fixes the table.

use std::sync::Arc;

use crate::engine::action::Action;
use crate::engine::client::ClientKey;
use crate::engine::engine::Engine;
use crate::engine::homes::pools::{Pool, Waiting};
use crate::engine::limits::KEYS;
use crate::engine::pending::{LaneKey, Origin, Pending, Purpose};
use crate::engine::requests::forward::Outgoing;
use crate::engine::tally::{Outcome, RequestKind};
use crate::routing::decision::Reason;
use crate::session::session::Phase;
use crate::topology::id::NodeId;
use crate::upstream::lane::{Lane, LaneRoute, PoolId};
use cql::error_code::ErrorCode;
use cql::frame;
use cql::header::{HEADER_LEN, Header};
use cql::notation::Reader;
use cql::opcode::Opcode;
use cql::token::shard::Sharder;

/// The lanes of a keyspace, or of a credential, that nobody uses for this long are closed.
const IDLE_US_MAX: u64 = 60_000_000;

impl Engine {
    /// A lane is open. It is used from now on.
    pub fn on_lane_up(&mut self, route: LaneRoute, sharder: Option<Sharder>) -> Option<LaneKey> {
        let limits = self.settings.limits;
        let mut lane = Lane::new(route, limits.lane_streams_max);
        lane.heard_us = self.now_us;
        lane.used_us = self.now_us;
        let first = !self.pools.reaches(route.node, self.pools.keyspace(route.pool).as_deref());
        let pool = self.pools.get_mut(route.pool).filter(|pool| !pool.gone)?;
        lane.home = pool.home;
        pool.refusal = None;
        let key = self.lanes.insert(lane);
        if let Some(before) = pool.lane_map.insert((route.node, route.shard), sharder, key) {
            self.retire_lane(before);
        }
        if first {
            self.warm(key, route.pool);
        }
        self.use_waiting(route.pool);
        self.welcome_arrivals(route.pool);
        Some(key)
    }

    /// Lets a lane finish what is in flight; it takes nothing new.
    pub(in crate::engine) fn retire_lane(&mut self, key: LaneKey) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        lane.draining = true;
        if !lane.is_awaited() {
            self.actions.push_back(Action::CloseLane(key));
        }
    }

    /// No lane of a pool could be opened; `refusal` is the node's ERROR frame that says that there is
    /// no such keyspace. That is a verdict for clients that want to use it. Clients that are in it
    /// stay there: they get the node's words while it is gone, and go on once it is back.
    pub fn on_set_failed(&mut self, id: PoolId, refusal: Option<&[u8]>) {
        let Some(pool) = self.pools.get_mut(id) else { return };
        if !pool.lane_map.live().is_empty() || id == PoolId::PLAIN {
            return;
        }
        let waiting = std::mem::take(&mut pool.waiting);
        if let Some(refusal) = refusal {
            pool.refusal = Some(refusal.into());
            let is_used = self.clients.iter().any(|(_, client)| client.pool == id);
            if !is_used {
                self.retire_pool(id);
            }
        }
        for waiting in waiting {
            let (client, stream) = (waiting.client, waiting.stream());
            match refusal {
                Some(refusal) => self.pass_refusal((client, stream), Opcode::Query, refusal),
                None => self.refuse_waiting(client, stream),
            }
            self.on_use_ended(client);
        }
    }

    fn refuse_waiting(&mut self, client: ClientKey, stream: i16) {
        if self.clients.get(client).is_none() {
            return self.on_ended(Opcode::Query, Outcome::Abandoned);
        }
        let text = "shardlane could not open a connection for this keyspace";
        self.leave(client);
        self.refuse((client, stream), RequestKind::Query, ErrorCode::OVERLOADED, text);
    }

    /// The refusal of a keyspace that a client is in, which is gone.
    pub(in crate::engine) fn keyspace_refusal(&self, client: ClientKey) -> Option<Arc<[u8]>> {
        let client = self.clients.get(client).filter(|client| client.pool != client.home)?;
        self.pools.pools.get(usize::from(client.pool.0))?.refusal.clone()
    }

    pub(in crate::engine) fn pass_refusal(
        &mut self,
        (client, stream): (ClientKey, i16),
        opcode: Opcode,
        refusal: &[u8],
    ) {
        let mut answer = refusal.to_vec();
        frame::patch_stream(&mut answer, stream);
        if let (Some(entry), Some(version)) = (self.clients.get(client), answer.first_mut()) {
            *version = entry.session.response_version();
        }
        self.deliver_frame(client, (opcode, self.now_us), Outcome::Failed, &answer);
    }

    /// A client says `USE`. What it sends after that waits until the answer is there.
    pub(in crate::engine) fn on_use(&mut self, client: ClientKey, keyspace: &str, frame: &[u8]) {
        let Origin::Client { stream, .. } = self.client_origin(client, frame) else { return };
        if let Some(entry) = self.clients.get_mut(client) {
            entry.switching = Some(Vec::new());
        }
        let home = self.home_of(Origin::Client { client, stream, purpose: Purpose::Forward });
        if self.pools.is_dedicated(home) {
            let origin = Origin::Client { client, stream, purpose: Purpose::Use(home) };
            let outgoing = self.outgoing(origin, Opcode::Query);
            self.send_anywhere(home, Reason::Dedicated, outgoing, frame);
            return self.pause_if_needed(client);
        }
        let pool = self.pools.of_keyspace(home, Some(keyspace));
        let pool = pool.or_else(|| self.open_pool(home, keyspace));
        let Some(pool) = pool else {
            let (key, max) = (KEYS.keyspaces_max, self.settings.limits.keyspaces_max);
            let text = format!(
                "shardlane cannot use keyspace '{keyspace}': {max} are in use, which is {key}"
            );
            self.leave(client);
            self.refuse((client, stream), RequestKind::Query, ErrorCode::OVERLOADED, &text);
            return self.on_use_ended(client);
        };
        let since_us = self.now_us;
        if let Some(entry) = self.pools.get_mut(pool) {
            entry.waiting.push(Waiting { client, frame: frame.to_vec(), since_us });
        }
        self.use_waiting(pool);
        self.pause_if_needed(client);
    }

    fn open_pool(&mut self, home: PoolId, keyspace: &str) -> Option<PoolId> {
        if self.pools.in_use(home) >= self.settings.limits.keyspaces_max {
            let own = |pool: &PoolId| *pool != home && self.pools.home(*pool) == home;
            let idle = self.idle_sets().into_iter().find(own)?;
            self.retire_pool(idle);
        }
        let keyspace: Arc<str> = keyspace.into();
        let pool = self.pools.add(Pool::new(home, Some(Arc::clone(&keyspace))))?;
        self.actions.push_back(Action::OpenPool { pool, keyspace });
        Some(pool)
    }

    /// Closes the lanes of keyspaces and credentials that nobody has used for a while.
    pub(in crate::engine) fn expire_sets(&mut self) {
        if self.pools.pools.len() <= 1 {
            return;
        }
        let idle = self.idle_sets();
        let now = self.now_us;
        for (pool, number) in self.pools.pools.iter_mut().zip(0u16..) {
            if !idle.contains(&PoolId(number)) {
                pool.idle_since_us = None;
            } else if pool.idle_since_us.is_none() {
                pool.idle_since_us = Some(now);
            }
        }
        for number in idle {
            let since = self.pools.get_mut(number).and_then(|pool| pool.idle_since_us);
            if since.is_some_and(|since| now.saturating_sub(since) >= IDLE_US_MAX) {
                for own in self.pools.of_home(number) {
                    self.retire_pool(own);
                }
                self.retire_pool(number);
            }
        }
    }

    /// Pools that no client uses and that have nothing in flight.
    fn idle_sets(&self) -> Vec<PoolId> {
        let mut busy = vec![false; self.pools.pools.len()];
        for (_, client) in self.clients.iter() {
            for used in [client.pool, client.home] {
                if let Some(busy) = busy.get_mut(usize::from(used.0)) {
                    *busy = true;
                }
            }
        }
        let quiet = |(_, lane): &(NodeId, LaneKey)| {
            self.lanes.get(*lane).is_none_or(|lane| lane.ids.in_flight() == 0)
        };
        let pools = self.pools.pools.iter().zip(busy).zip(0u16..).skip(1);
        let idle = pools.filter(|((pool, busy), _)| {
            let awaited = !pool.waiting.is_empty() || !pool.arrivals.is_empty();
            !busy && !pool.gone && !awaited && pool.lane_map.live().iter().all(quiet)
        });
        idle.map(|(_, number)| PoolId(number)).collect()
    }

    /// Closes the lanes of a pool. Its number may stand for another one day, so nobody keeps it:
    /// clients whose keyspace is gone go on without one, those whose credential is go nowhere.
    pub(in crate::engine) fn retire_pool(&mut self, id: PoolId) {
        let Some(pool) = self.pools.get_mut(id).filter(|pool| !pool.gone) else { return };
        pool.gone = true;
        let waiting = std::mem::take(&mut pool.waiting);
        let instead = if pool.home == id { PoolId::NOWHERE } else { pool.home };
        self.pools.gone.push_back(id);
        self.actions.push_back(Action::ClosePool(id));
        for key in self.clients.keys() {
            let Some(client) = self.clients.get_mut(key) else { continue };
            if client.home == id {
                client.home = instead;
            }
            if client.pool == id {
                client.pool = instead;
            }
        }
        self.forget_parked_route(id, instead);
        for waiting in waiting {
            self.refuse_waiting(waiting.client, waiting.stream());
            self.on_use_ended(waiting.client);
        }
    }

    /// Sends the `USE` requests that waited for a lane of the pool.
    fn use_waiting(&mut self, id: PoolId) {
        if self.pools.lane_map(id).live().is_empty() {
            return;
        }
        let Some(pool) = self.pools.get_mut(id) else { return };
        for waiting in std::mem::take(&mut pool.waiting) {
            let stream = waiting.stream();
            let Waiting { client, frame, since_us } = waiting;
            let origin = Origin::Client { client, stream, purpose: Purpose::Use(id) };
            if self.clients.get(client).is_none() {
                self.on_ended(Opcode::Query, Outcome::Abandoned);
                continue;
            }
            let outgoing =
                Outgoing { arrived_us: since_us, ..self.outgoing(origin, Opcode::Query) };
            self.send_anywhere(id, Reason::Text, outgoing, &frame);
        }
    }

    /// The lane of a `USE` is gone: it waits for the next.
    pub(in crate::engine) fn retry_use(
        &mut self,
        client: ClientKey,
        pool: PoolId,
        pending: Pending,
    ) {
        let since_us = pending.arrived_us;
        match self.pools.get_mut(pool).filter(|pool| !pool.gone && !pending.frame.is_empty()) {
            Some(entry) => {
                entry.waiting.push(Waiting { client, frame: pending.frame, since_us });
                self.use_waiting(pool);
            }
            None => {
                let text = "shardlane lost the connection on which it said USE";
                self.give_up(pending, ErrorCode::OVERLOADED, text);
            }
        }
    }

    /// A node accepted a client's `USE`.
    pub(in crate::engine) fn on_keyspace_set(
        &mut self,
        client: ClientKey,
        pool: PoolId,
        message: &[u8],
    ) {
        let name = message.get(4..).and_then(|body| Reader::new(body).string().ok());
        if let (Some(entry), Some(name)) = (self.clients.get_mut(client), name) {
            entry.session.keyspace = Some(name.into());
            entry.pool = pool;
            self.pools.set_keyspace(pool, name);
        }
    }

    /// A `USE` has its answer: what waited behind it goes on.
    pub(in crate::engine) fn on_use_ended(&mut self, client: ClientKey) {
        let Some(entry) = self.clients.get_mut(client) else { return };
        let Some(mut waiting) = entry.switching.take() else { return };
        let mut rest = waiting.as_mut_slice();
        while let Some(header) = Header::peek(rest) {
            if self.clients.get(client).is_none_or(|c| c.session.phase == Phase::Closing) {
                break;
            }
            let len = HEADER_LEN + usize::try_from(header.body_len).unwrap_or(usize::MAX);
            let Some((frame, behind)) = rest.split_at_mut_checked(len) else { break };
            self.on_client_frame(client, frame);
            rest = behind;
        }
        self.resume_if_possible(client);
    }

    /// Gives up on `USE` requests that found no lane in time.
    pub(in crate::engine) fn expire_waiting(&mut self) {
        let timeout = self.settings.limits.request_timeout_us;
        let now = self.now_us;
        let old = |waiting: &Waiting| now.saturating_sub(waiting.since_us) >= timeout;
        let numbers = 0..u16::try_from(self.pools.pools.len()).unwrap_or(u16::MAX);
        for pool in numbers.map(PoolId) {
            let late = self.pools.get_mut(pool).is_some_and(|pool| pool.waiting.iter().any(old));
            if late {
                self.on_set_failed(pool, None);
            }
        }
    }
}

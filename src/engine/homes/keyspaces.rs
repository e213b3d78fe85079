//! `USE`: the lanes of each keyspace that a client uses.
//!
//! A keyspace belongs to a connection, so statements by text need lanes that said the same `USE`.
//! They are opened when the first client asks, one to each node; the node's own answer to `USE`
//! is what the client gets. An EXECUTE never needs them: its id fixes the table.

use std::sync::Arc;

use crate::engine::client::ClientKey;
use crate::engine::engine::Engine;
use crate::engine::homes::sets::{Set, Waiting};
use crate::engine::order::Order;
use crate::engine::pending::{Asker, LaneKey, Pending, Purpose};
use crate::engine::requests::forward::Outgoing;
use crate::engine::tally::{Ask, Outcome};
use crate::routing::decision::Reason;
use crate::session::session::Phase;
use crate::topology::id::NodeId;
use crate::upstream::lane::{Lane, LaneRoute, SetId};
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
        let first = !self.sets.reaches(route.node, self.sets.keyspace(route.set).as_deref());
        let set = self.sets.get_mut(route.set).filter(|set| !set.gone)?;
        lane.home = set.home;
        let key = self.lanes.insert(lane);
        if let Some(before) = set.fleet.insert((route.node, route.shard), sharder, key) {
            self.retire_lane(before);
        }
        if first {
            self.warm(key, route.set);
        }
        self.use_waiting(route.set);
        self.welcome_arrivals(route.set);
        Some(key)
    }

    /// Lets a lane finish what is in flight; it takes nothing new.
    pub(in crate::engine) fn retire_lane(&mut self, key: LaneKey) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        lane.draining = true;
        if !lane.is_awaited() {
            self.orders.push_back(Order::CloseLane(key));
        }
    }

    /// No lane of a set could be opened; `refusal` is the node's ERROR frame, if it sent one.
    pub fn on_set_failed(&mut self, id: SetId, refusal: Option<&[u8]>) {
        let Some(set) = self.sets.get_mut(id) else { return };
        if !set.fleet.live().is_empty() || id == SetId::PLAIN {
            return;
        }
        let waiting = std::mem::take(&mut set.waiting);
        if refusal.is_some() {
            self.retire_set(id);
        }
        for waiting in waiting {
            let (client, stream) = (waiting.client, waiting.stream());
            match refusal {
                Some(refusal) => self.pass_refusal(client, stream, refusal),
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
        self.refuse((client, stream), Ask::Query, ErrorCode::OVERLOADED, text);
    }

    fn pass_refusal(&mut self, client: ClientKey, stream: i16, refusal: &[u8]) {
        let mut answer = refusal.to_vec();
        frame::patch_stream(&mut answer, stream);
        if let (Some(entry), Some(version)) = (self.clients.get(client), answer.first_mut()) {
            *version = entry.session.response_version();
        }
        self.deliver_frame(client, (Opcode::Query, self.now_us), Outcome::Failed, &answer);
    }

    /// A client says `USE`. What it sends after that waits until the answer is there.
    pub(in crate::engine) fn on_use(&mut self, client: ClientKey, keyspace: &str, frame: &[u8]) {
        let Asker::Client { stream, .. } = self.client_asker(client, frame) else { return };
        if let Some(entry) = self.clients.get_mut(client) {
            entry.switching = Some(Vec::new());
        }
        let home = self.home_of(Asker::Client { client, stream, purpose: Purpose::Forward });
        if self.sets.is_dedicated(home) {
            let asker = Asker::Client { client, stream, purpose: Purpose::Use(home) };
            let outgoing = self.outgoing(asker, Opcode::Query);
            self.send_anywhere(home, Reason::Dedicated, outgoing, frame);
            return self.hold_up(client);
        }
        let set = self.sets.of_keyspace(home, Some(keyspace));
        let set = set.or_else(|| self.open_set(home, keyspace));
        let Some(set) = set else {
            let text = format!("shardlane cannot use keyspace '{keyspace}': too many are in use");
            self.leave(client);
            self.refuse((client, stream), Ask::Query, ErrorCode::OVERLOADED, &text);
            return self.on_use_ended(client);
        };
        let since_us = self.now_us;
        if let Some(entry) = self.sets.get_mut(set) {
            entry.waiting.push(Waiting { client, frame: frame.to_vec(), since_us });
        }
        self.use_waiting(set);
        self.hold_up(client);
    }

    fn open_set(&mut self, home: SetId, keyspace: &str) -> Option<SetId> {
        if self.sets.in_use(home) >= self.settings.limits.keyspaces_max {
            let own = |set: &SetId| *set != home && self.sets.home(*set) == home;
            let idle = self.idle_sets().into_iter().find(own)?;
            self.retire_set(idle);
        }
        let keyspace: Arc<str> = keyspace.into();
        let set = self.sets.add(Set::new(home, Some(Arc::clone(&keyspace))))?;
        self.orders.push_back(Order::OpenSet { set, keyspace });
        Some(set)
    }

    /// Closes the lanes of keyspaces and credentials that nobody has used for a while.
    pub(in crate::engine) fn expire_sets(&mut self) {
        if self.sets.sets.len() <= 1 {
            return;
        }
        let idle = self.idle_sets();
        let now = self.now_us;
        for (set, number) in self.sets.sets.iter_mut().zip(0u16..) {
            if !idle.contains(&SetId(number)) {
                set.idle_since_us = None;
            } else if set.idle_since_us.is_none() {
                set.idle_since_us = Some(now);
            }
        }
        for number in idle {
            let since = self.sets.get_mut(number).and_then(|set| set.idle_since_us);
            if since.is_some_and(|since| now.saturating_sub(since) >= IDLE_US_MAX) {
                for own in self.sets.of_home(number) {
                    self.retire_set(own);
                }
                self.retire_set(number);
            }
        }
    }

    /// Sets that no client uses and that have nothing in flight.
    fn idle_sets(&self) -> Vec<SetId> {
        let mut busy = vec![false; self.sets.sets.len()];
        for (_, client) in self.clients.iter() {
            for used in [client.set, client.home] {
                if let Some(busy) = busy.get_mut(usize::from(used.0)) {
                    *busy = true;
                }
            }
        }
        let quiet = |(_, lane): &(NodeId, LaneKey)| {
            self.lanes.get(*lane).is_none_or(|lane| lane.ids.in_flight() == 0)
        };
        let sets = self.sets.sets.iter().zip(busy).zip(0u16..).skip(1);
        let idle = sets.filter(|((set, busy), _)| {
            let awaited = !set.waiting.is_empty() || !set.arrivals.is_empty();
            !busy && !set.gone && !awaited && set.fleet.live().iter().all(quiet)
        });
        idle.map(|(_, number)| SetId(number)).collect()
    }

    /// Closes the lanes of a set. Its number may stand for another one day, so nobody keeps it:
    /// clients whose keyspace is gone go on without one, those whose credential is go nowhere.
    pub(in crate::engine) fn retire_set(&mut self, id: SetId) {
        let Some(set) = self.sets.get_mut(id).filter(|set| !set.gone) else { return };
        set.gone = true;
        let waiting = std::mem::take(&mut set.waiting);
        let instead = if set.home == id { SetId::NOWHERE } else { set.home };
        self.sets.gone.push_back(id);
        self.orders.push_back(Order::CloseSet(id));
        for key in self.clients.keys() {
            let Some(client) = self.clients.get_mut(key) else { continue };
            if client.home == id {
                client.home = instead;
            }
            if client.set == id {
                client.set = instead;
            }
        }
        self.forget_parked_route(id, instead);
        for waiting in waiting {
            self.refuse_waiting(waiting.client, waiting.stream());
            self.on_use_ended(waiting.client);
        }
    }

    /// Sends the `USE` requests that waited for a lane of the set.
    fn use_waiting(&mut self, id: SetId) {
        if self.sets.fleet(id).live().is_empty() {
            return;
        }
        let Some(set) = self.sets.get_mut(id) else { return };
        for waiting in std::mem::take(&mut set.waiting) {
            let stream = waiting.stream();
            let Waiting { client, frame, since_us } = waiting;
            let asker = Asker::Client { client, stream, purpose: Purpose::Use(id) };
            if self.clients.get(client).is_none() {
                self.on_ended(Opcode::Query, Outcome::Abandoned);
                continue;
            }
            let outgoing = Outgoing { arrived_us: since_us, ..self.outgoing(asker, Opcode::Query) };
            self.send_anywhere(id, Reason::Text, outgoing, &frame);
        }
    }

    /// The lane of a `USE` is gone: it waits for the next.
    pub(in crate::engine) fn retry_use(&mut self, client: ClientKey, set: SetId, pending: Pending) {
        let since_us = pending.arrived_us;
        match self.sets.get_mut(set).filter(|set| !set.gone && !pending.frame.is_empty()) {
            Some(entry) => {
                entry.waiting.push(Waiting { client, frame: pending.frame, since_us });
                self.use_waiting(set);
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
        set: SetId,
        message: &[u8],
    ) {
        let name = message.get(4..).and_then(|body| Reader::new(body).string().ok());
        if let (Some(entry), Some(name)) = (self.clients.get_mut(client), name) {
            entry.session.keyspace = Some(name.into());
            entry.set = set;
            self.sets.set_keyspace(set, name);
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
        self.reconsider(client);
    }

    /// Gives up on `USE` requests that found no lane in time.
    pub(in crate::engine) fn expire_waiting(&mut self) {
        let timeout = self.settings.limits.request_timeout_us;
        let now = self.now_us;
        let old = |waiting: &Waiting| now.saturating_sub(waiting.since_us) >= timeout;
        let numbers = 0..u16::try_from(self.sets.sets.len()).unwrap_or(u16::MAX);
        for set in numbers.map(SetId) {
            let late = self.sets.get_mut(set).is_some_and(|set| set.waiting.iter().any(old));
            if late {
                self.on_set_failed(set, None);
            }
        }
    }
}

//! The shell around the engine, as `net` is it: reads all that is ready, does what is ordered,
//! writes what was touched.

use crate::engine::client::ClientKey;
use crate::engine::engine::Engine;
use crate::engine::order::Order;
use crate::sim::world::agenda::Event;
use crate::sim::world::network::link::{End, LinkId};
use crate::sim::world::world::World;

/// How long a client that was told that it is closed may take to read that.
const LINGER_US: u64 = 3_000_000;
/// The engine's thread sleeps no longer.
const TICK_US_MAX: u64 = 100_000;
/// Longest wait of the proxy's thread for its turn.
const TURN_US_MAX: u64 = 150;
/// Rounds of orders and writes after one input; more would be a loop without end.
const ROUNDS_MAX: usize = 10_000;

impl World {
    /// A connection of the proxy has something to read.
    pub(in crate::sim::world) fn proxy_is_wanted(&mut self, id: LinkId) {
        if !self.ready.contains(&id) {
            self.ready.push(id);
        }
        if !self.turn_planned {
            self.turn_planned = true;
            let wait = self.chance.below(TURN_US_MAX);
            self.agenda.plan(self.now_us + wait, Event::ProxyTurn);
        }
    }

    /// Gives the engine an input.
    pub(in crate::sim::world) fn input<T>(&mut self, feed: impl FnOnce(&mut Engine) -> T) -> T {
        self.engine.on_time(self.now_us);
        feed(&mut self.engine)
    }

    /// Reads every connection that is ready, then writes.
    pub(in crate::sim::world) fn on_proxy_turn(&mut self) {
        self.turn_planned = false;
        for id in std::mem::take(&mut self.ready) {
            match self.links.get(&id).map(|link| &link.end) {
                Some(End::Client(_)) => self.read_client(id),
                Some(End::Lane(_)) => self.read_lane(id),
                None => {}
            }
        }
        self.flush();
    }

    fn read_client(&mut self, id: LinkId) {
        let key = self.links.get_mut(&id).and_then(|link| link.client()?.key);
        let Some(key) = key else { return };
        if !self.engine.may_read(key) {
            self.counted.held_up += 1;
            return;
        }
        let mut bytes = self.take_arrived(id, true, self.scenario.read_bytes);
        if bytes.is_empty() {
            return;
        }
        self.count_given(id, &bytes);
        self.input(|engine| engine.on_client_bytes(key, &mut bytes));
        if self.links.get(&id).is_some_and(|link| !link.up.arrived.is_empty()) {
            self.proxy_is_wanted(id);
        }
    }

    fn read_lane(&mut self, id: LinkId) {
        let key = self.links.get_mut(&id).and_then(|link| link.lane()?.key);
        let Some(key) = key else { return };
        let mut bytes = self.take_arrived(id, false, self.scenario.read_bytes);
        if bytes.is_empty() {
            return;
        }
        self.release_streams(id, &bytes);
        self.note_moved(id);
        self.input(|engine| engine.on_lane_bytes(key, &mut bytes, |_, _| 0));
        if self.links.get(&id).is_some_and(|link| !link.down.arrived.is_empty()) {
            self.proxy_is_wanted(id);
        }
    }

    /// Does what the engine ordered and writes what it touched, until there is no more of either.
    pub(in crate::sim::world) fn flush(&mut self) {
        let (mut lanes, mut clients) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS_MAX {
            while let Some(order) = self.engine.take_order() {
                self.carry_out(order);
            }
            self.engine.take_touched_lanes(&mut lanes);
            self.engine.take_touched_clients(&mut clients);
            if lanes.is_empty() && clients.is_empty() {
                self.check_bounds();
                self.check_held();
                return self.arm_deadline();
            }
            for key in lanes.drain(..) {
                if let Some(id) = self.lane_links.get(&key).copied() {
                    self.write_link(id);
                }
            }
            for key in clients.drain(..) {
                if let Some(id) = self.client_links.get(&key).copied() {
                    self.write_link(id);
                }
            }
        }
        self.blame(format_args!("the engine has something to do for ever"));
    }

    /// Writes what waits for a connection; what finds no room waits for it.
    pub(in crate::sim::world) fn write_link(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        match &link.end {
            End::Client(client) => {
                let Some(key) = client.key else { return };
                let Some(bytes) = self.engine.client_output(key).map(<[u8]>::to_vec) else {
                    return;
                };
                let count = self.transmit(id, false, &bytes);
                let sent = bytes.get(..count).unwrap_or_default();
                self.count_sent(id, sent);
                self.input(|engine| engine.on_client_sent(key, count));
                if count == bytes.len() {
                    self.after_client_flush(id);
                }
            }
            End::Lane(lane) => {
                let Some(key) = lane.key else { return };
                let Some(bytes) = self.engine.lane_output(key).map(<[u8]>::to_vec) else { return };
                let count = self.transmit(id, true, &bytes);
                let sent = bytes.get(..count).unwrap_or_default();
                self.take_streams(id, sent);
                if count > 0 {
                    self.note_moved(id);
                }
                self.input(|engine| engine.on_lane_sent(key, count));
            }
        }
    }

    fn after_client_flush(&mut self, id: LinkId) {
        let closing = self.links.get_mut(&id).and_then(|link| Some(link.client()?.closing));
        if closing == Some(true) {
            self.close_client(id);
        }
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::OpenSet { set, keyspace } => self.open_set(set.0, keyspace),
            Order::CloseSet(set) => self.close_set(set.0),
            // Lanes are opened ahead here, and never closed for want of requests.
            Order::CloseUnused(_) | Order::OpenLane { .. } => {}
            Order::CloseLane(lane) => {
                if let Some(id) = self.lane_links.get(&lane).copied() {
                    self.tell(format_args!("the engine closes lane {id}"));
                    self.close_lane(id);
                }
            }
            Order::CloseClient(client) => self.on_close_client(client),
            Order::ResumeClient(client) => {
                if let Some(id) = self.client_links.get(&client).copied() {
                    self.proxy_is_wanted(id);
                }
            }
            // There is one worker: a message to the others is a message that was lost.
            Order::Tell(_) => {}
            Order::RefreshTopology => self.refresh_topology(),
            Order::LogIn { client, .. } => {
                self.blame(format_args!("{client:?} is to log in, which nobody asked for"));
            }
        }
    }

    /// A client of the network stands at the proxy's door.
    pub(in crate::sim::world) fn on_client_arrives(&mut self, id: LinkId) {
        if !self.links.contains_key(&id) {
            return;
        }
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 9042));
        let Some(key) = self.input(|engine| engine.on_client_open(address)) else {
            self.tell(format_args!("client link {id} is refused"));
            let latency = self.links.get(&id).map_or(0, |link| link.latency_us);
            self.agenda.plan(self.now_us + latency, Event::AskerClosed { link: id });
            return;
        };
        self.client_links.insert(key, id);
        if let Some(client) = self.links.get_mut(&id).and_then(|link| link.client()) {
            client.key = Some(key);
        }
        self.proxy_is_wanted(id);
    }

    /// A client is gone, and the proxy hears of it.
    pub(in crate::sim::world) fn on_client_gone(&mut self, id: LinkId) {
        let key = self.links.get_mut(&id).and_then(|link| link.client()?.key.take());
        self.links.remove(&id);
        if let Some(key) = key {
            self.client_links.remove(&key);
            self.input(|engine| engine.on_client_closed(key));
            self.flush();
        }
    }

    /// The engine wants a client closed, once it was sent what waits for it.
    fn on_close_client(&mut self, key: ClientKey) {
        let Some(id) = self.client_links.get(&key).copied() else { return };
        self.check_may_close(id);
        if let Some(client) = self.links.get_mut(&id).and_then(|link| link.client()) {
            client.closing = true;
        }
        self.agenda.plan(self.now_us + LINGER_US, Event::Linger { link: id });
        self.write_link(id);
    }

    /// The proxy closes a client's connection.
    pub(in crate::sim::world) fn close_client(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let at = link.down.last_us.max(self.now_us + link.latency_us);
        let Some(key) = link.client().and_then(|client| client.key.take()) else { return };
        self.tell(format_args!("the proxy closes client link {id}"));
        self.client_links.remove(&key);
        self.input(|engine| engine.on_client_closed(key));
        self.agenda.plan(at, Event::AskerClosed { link: id });
    }

    /// Plans the next wake-up of the engine.
    pub(in crate::sim::world) fn arm_deadline(&mut self) {
        let now = self.now_us;
        let at = self.engine.next_deadline_us().clamp(now + 1, now + TICK_US_MAX);
        if at < self.deadline_us {
            self.deadline_us = at;
            self.agenda.plan(at, Event::Deadline);
        }
    }

    /// The engine's time is there.
    pub(in crate::sim::world) fn on_deadline(&mut self) {
        if self.now_us < self.deadline_us {
            return;
        }
        self.deadline_us = u64::MAX;
        self.input(Engine::on_deadline);
        self.flush();
    }
}

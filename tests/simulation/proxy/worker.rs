//! The shell around the engine, as the worker is it: reads all that is ready, does what is ordered,
//! writes what was touched.

use std::net::SocketAddr;

use crate::agenda::Event;
use crate::network::link::{End, Link, LinkId};
use crate::proxy::lanes::WorkerRefiller;
use crate::proxy::workers::Worker;
use crate::world::World;
use shardlane::engine::action::{Action, Output, PeerMessage};
use shardlane::engine::client::ClientKey;
use shardlane::engine::engine::Engine;
use shardlane::pool::worker_events::{WorkerEvent, WorkerReporter};

/// How long a client that is to be closed may take to read its last answer.
const LINGER_US: u64 = 3_000_000;
/// The engine's thread sleeps no longer.
const TICK_US_MAX: u64 = 100_000;
/// Longest wait of the proxy's thread for its turn.
const TURN_US_MAX: u64 = 150;
/// A message between workers takes no longer.
const NEWS_US: u64 = 3_000;
/// Where clients reach the proxy: the only address that they may be shown.
pub(crate) const PROXY: ([u8; 4], u16) = ([10, 9, 8, 7], 9142);
/// Outputs after one input; more would be a loop without end.
const OUTPUTS_MAX: usize = 100_000;

impl World {
    /// A connection of the proxy has something to read.
    pub(crate) fn proxy_is_wanted(&mut self, id: LinkId) {
        let Some(number) = self.links.get(&id).map(Link::worker) else { return };
        let worker = self.workers.get_mut(number);
        if !worker.ready.contains(&id) {
            worker.ready.push(id);
        }
        if !worker.turn_planned {
            worker.turn_planned = true;
            let wait = self.chance.below(TURN_US_MAX);
            self.agenda.plan(self.now_us + wait, Event::ProxyTurn { worker: number });
        }
    }

    /// Gives an engine an input.
    pub(crate) fn input<T>(&mut self, worker: usize, feed: impl FnOnce(&mut Engine) -> T) -> T {
        let engine = &mut self.workers.get_mut(worker).engine;
        engine.on_time(self.now_us);
        feed(engine)
    }

    /// Reads every connection that is ready, then writes.
    pub(crate) fn on_proxy_turn(&mut self, number: usize) {
        let worker = self.workers.get_mut(number);
        worker.turn_planned = false;
        for id in std::mem::take(&mut worker.ready) {
            match self.links.get(&id).map(|link| &link.end) {
                Some(End::Client(_)) => self.read_client(id),
                Some(End::Lane(_)) => self.read_lane(id),
                None => {}
            }
        }
        self.flush(number);
    }

    fn read_client(&mut self, id: LinkId) {
        let client = self.links.get_mut(&id).and_then(|link| link.client());
        let known = client.and_then(|client| Some((client.worker, client.key?)));
        let Some((worker, key)) = known else { return };
        if !self.workers.get(worker).engine.may_read(key) {
            self.counted.held_up += 1;
            return;
        }
        let mut bytes = self.take_arrived(id, true, self.scenario.read_bytes);
        if bytes.is_empty() {
            return;
        }
        self.count_given(id, &bytes);
        self.input(worker, |engine| engine.on_client_bytes(key, &mut bytes));
        if self.links.get(&id).is_some_and(|link| !link.up.arrived.is_empty()) {
            self.proxy_is_wanted(id);
        }
    }

    fn read_lane(&mut self, id: LinkId) {
        let lane = self.links.get_mut(&id).and_then(|link| link.lane());
        let Some((worker, key)) = lane.and_then(|lane| Some((lane.worker, lane.key?))) else {
            return;
        };
        let bytes = self.take_arrived(id, false, self.scenario.read_bytes);
        if bytes.is_empty() {
            return;
        }
        self.release_streams(id, &bytes);
        self.note_moved(id);
        self.give_lane_bytes(worker, key, bytes);
        if self.links.get(&id).is_some_and(|link| !link.down.arrived.is_empty()) {
            self.proxy_is_wanted(id);
        }
    }

    /// Does what the pools and the engine want done and writes what waits, until there is no more.
    pub(crate) fn flush(&mut self, worker: usize) {
        for _ in 0..OUTPUTS_MAX {
            if let Some(action) = self.workers.get_mut(worker).pools.take_action() {
                self.carry_out_for_pools(worker, action);
                continue;
            }
            let link = match self.workers.get_mut(worker).engine.take_output() {
                Some(Output::Action(action)) => {
                    self.on_engine_action(worker, action);
                    continue;
                }
                Some(Output::LaneBytes(key)) => {
                    self.workers.get(worker).lane_links.get(&key).copied()
                }
                Some(Output::ClientBytes(key)) => {
                    self.workers.get(worker).client_links.get(&key).copied()
                }
                None => {
                    self.show_memory(worker);
                    self.check_bounds(worker);
                    self.check_held();
                    return self.arm_deadline(worker);
                }
            };
            if let Some(id) = link {
                self.write_link(id);
            }
        }
        self.blame(format_args!("the engine has something to do for ever"));
    }

    /// Does what an engine wants done, its pools first.
    fn on_engine_action(&mut self, worker: usize, action: Action) {
        self.check_action(worker, &action);
        let rest = self.pools_input(worker, |pools, engine| pools.on_engine_action(engine, action));
        if let Some(action) = rest {
            self.carry_out(worker, action);
        }
    }

    fn check_action(&mut self, worker: usize, action: &Action) {
        match action {
            Action::OpenPool { pool, keyspace } => {
                self.narrate(format_args!(
                    "lanes for keyspace {keyspace} are wanted: pool {}",
                    pool.0
                ));
            }
            Action::ClosePool(pool) => self.narrate(format_args!("pool {} is closed", pool.0)),
            Action::CloseUnused(lane) => self.check_unused(worker, *lane),
            Action::OpenLane { pool, node, shard } => {
                let node = usize::from(node.0);
                self.on_asked_for(WorkerRefiller { worker, pool: pool.0, node }, *shard);
            }
            Action::LogIn { client, .. } if self.scenario.roles == 0 => {
                self.blame(format_args!("{client:?} is to log in, which no client asked for"));
            }
            Action::LogIn { client, token } => self.note_login(worker, *client, token),
            Action::CloseLane(_)
            | Action::CloseClient(_)
            | Action::ResumeClient(_)
            | Action::ToOtherWorkers(_)
            | Action::RefreshTopology
            | Action::ReadTable(_)
            | Action::CollectConsole(_) => {}
        }
    }

    /// Writes what waits for a connection; what finds no room waits for it.
    pub(crate) fn write_link(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        match &link.end {
            End::Client(client) => {
                let (worker, Some(key)) = (client.worker, client.key) else { return };
                let room = link.down.room();
                let output = self.workers.get(worker).engine.client_output(key);
                let Some(bytes) = output.map(|output| offered(output, room)) else { return };
                let count = self.transmit(id, false, &bytes);
                let sent = bytes.get(..count).unwrap_or_default();
                self.count_sent(id, sent);
                self.input(worker, |engine| engine.on_client_sent(key, count));
                if count == bytes.len() {
                    self.after_client_flush(id);
                }
            }
            End::Lane(lane) => {
                let (worker, Some(key)) = (lane.worker, lane.key) else { return };
                let room = link.up.room();
                let output = self.workers.get(worker).engine.lane_output(key);
                let Some(bytes) = output.map(|output| offered(output, room)) else { return };
                let count = self.transmit(id, true, &bytes);
                let sent = bytes.get(..count).unwrap_or_default();
                self.take_streams(id, sent);
                if count > 0 {
                    self.note_moved(id);
                }
                self.input(worker, |engine| engine.on_lane_sent(key, count));
            }
        }
    }

    fn after_client_flush(&mut self, id: LinkId) {
        let closing = self.links.get_mut(&id).and_then(|link| Some(link.client()?.closing));
        if closing == Some(true) {
            self.close_client(id);
        }
    }

    fn carry_out(&mut self, worker: usize, action: Action) {
        match action {
            Action::CloseClient(client) => self.on_close_client(worker, client),
            Action::ResumeClient(client) => {
                if let Some(id) = self.workers.get(worker).client_links.get(&client).copied() {
                    self.proxy_is_wanted(id);
                }
            }
            Action::ToOtherWorkers(message) => {
                self.report(worker, |reporter, send| reporter.peer_message(message, send));
            }
            Action::RefreshTopology => self.report(worker, |_, send| {
                send(WorkerEvent::RefreshTopology);
            }),
            Action::ReadTable(question) => {
                self.report(worker, |reporter, send| reporter.question(question, send));
            }
            // No client asks; one that did would be refused.
            Action::CollectConsole(table) => {
                self.workers.get_mut(worker).engine.on_console(table, None);
            }
            Action::OpenPool { .. }
            | Action::ClosePool(_)
            | Action::CloseUnused(_)
            | Action::OpenLane { .. }
            | Action::CloseLane(_)
            | Action::LogIn { .. } => self.blame(format_args!("{action:?} is about pools")),
        }
    }

    /// A worker reports something, if there is room.
    fn report(
        &mut self,
        number: usize,
        say: impl FnOnce(&mut WorkerReporter, &mut dyn FnMut(WorkerEvent) -> bool),
    ) {
        let room = self.scenario.report_room;
        let Worker { reporter, reported, .. } = self.workers.get_mut(number);
        let (before, mut lost) = (reported.len(), 0);
        say(reporter, &mut |event| {
            let is_free = reported.len() < room;
            if is_free {
                reported.push_back(event);
            } else {
                lost += 1;
            }
            is_free
        });
        let is_first = before == 0 && !reported.is_empty();
        self.counted.reports_lost += lost;
        if is_first {
            let at = self.now_us + self.chance.below(NEWS_US);
            self.agenda.plan(at, Event::ServerListens { worker: number });
        }
    }

    /// The server takes what a worker has reported, and passes on to the other what it has learned.
    pub(crate) fn on_server_listens(&mut self, from: usize) {
        let reported = std::mem::take(&mut self.workers.get_mut(from).reported);
        for event in reported {
            match event {
                WorkerEvent::PeerMessage(_, message) => self.pass_on(from, &message),
                WorkerEvent::RefreshTopology => self.refresh_topology(),
                WorkerEvent::ReadTable(request) => self.read_table_soon(request),
                WorkerEvent::PoolLanes(..)
                | WorkerEvent::LoggedIn
                | WorkerEvent::CollectConsole(..) => {}
            }
        }
    }

    fn pass_on(&mut self, from: usize, message: &PeerMessage) {
        for to in self.workers.numbers().filter(|to| *to != from) {
            let worker = self.workers.get_mut(to);
            let at = worker.news_us.max(self.now_us + self.chance.below(NEWS_US));
            worker.news_us = at;
            self.counted.messages += 1;
            self.agenda.plan(at, Event::PeerMessage { worker: to, message: message.clone() });
        }
    }

    /// A worker hears what the other has learned.
    pub(crate) fn on_peer_message(&mut self, worker: usize, message: PeerMessage) {
        self.input(worker, |engine| engine.on_peer_message(message));
        self.flush(worker);
    }

    /// A client of the network connects to the proxy.
    pub(crate) fn on_client_arrives(&mut self, id: LinkId) {
        if !self.links.contains_key(&id) {
            return;
        }
        let worker = self.workers.deal();
        let peer = self.peer_of(id);
        let open = |engine: &mut Engine| {
            let key = engine.on_client_open(SocketAddr::from(PROXY))?;
            engine.on_client_named(key, peer);
            Some(key)
        };
        let Some(key) = self.input(worker, open) else {
            self.narrate(format_args!("client link {id} is refused"));
            let latency = self.links.get(&id).map_or(0, |link| link.latency_us);
            self.agenda.plan(self.now_us + latency, Event::DriverClosed { link: id });
            return;
        };
        self.workers.get_mut(worker).client_links.insert(key, id);
        if let Some(client) = self.links.get_mut(&id).and_then(|link| link.client()) {
            (client.worker, client.key) = (worker, Some(key));
        }
        self.proxy_is_wanted(id);
    }

    /// A client is gone, and the proxy hears of it.
    pub(crate) fn on_client_gone(&mut self, id: LinkId) {
        let client = self.links.get_mut(&id).and_then(|link| link.client());
        let known = client.and_then(|client| Some((client.worker, client.key.take()?)));
        self.note_large_left(id);
        self.links.remove(&id);
        if let Some((worker, key)) = known {
            self.forget_client(worker, key);
            self.flush(worker);
        }
    }

    /// The engine wants a client closed, once it was sent what waits for it.
    fn on_close_client(&mut self, worker: usize, key: ClientKey) {
        let Some(id) = self.workers.get(worker).client_links.get(&key).copied() else { return };
        self.check_may_close(id);
        if let Some(client) = self.links.get_mut(&id).and_then(|link| link.client()) {
            client.closing = true;
        }
        self.agenda.plan(self.now_us + LINGER_US, Event::Linger { link: id });
        self.write_link(id);
    }

    /// The proxy closes a client's connection.
    pub(crate) fn close_client(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let at = link.down.last_us.max(self.now_us + link.latency_us);
        let client = link.client();
        let known = client.and_then(|client| Some((client.worker, client.key.take()?)));
        let Some((worker, key)) = known else { return };
        self.narrate(format_args!("the proxy closes client link {id}"));
        self.note_large_left(id);
        self.forget_client(worker, key);
        self.agenda.plan(at, Event::DriverClosed { link: id });
    }

    fn forget_client(&mut self, number: usize, key: ClientKey) {
        self.input(number, |engine| engine.on_client_closed(key));
        self.pools_input(number, |pools, engine| pools.on_client_closed(engine, key));
        self.workers.get_mut(number).client_links.remove(&key);
    }

    /// Plans the next wake-up of an engine.
    pub(crate) fn arm_deadline(&mut self, number: usize) {
        let now = self.now_us;
        let worker = self.workers.get_mut(number);
        let due = worker.engine.next_deadline_us().min(worker.pools.next_deadline_us());
        let at = due.clamp(now + 1, now + TICK_US_MAX);
        if at < worker.deadline_us {
            worker.deadline_us = at;
            self.agenda.plan(at, Event::Deadline { worker: number });
        }
    }

    /// An engine's time is there.
    pub(crate) fn on_deadline(&mut self, number: usize) {
        let worker = self.workers.get_mut(number);
        if self.now_us < worker.deadline_us {
            return;
        }
        worker.deadline_us = u64::MAX;
        self.learn_memory(number);
        self.input(number, Engine::on_deadline);
        self.pools_input(number, |pools, engine| pools.on_deadline(engine));
        let has_lanes = self.workers.get(number).pools.has_lanes();
        self.report(number, |reporter, send| {
            reporter.lanes(has_lanes, &mut *send);
            reporter.make_up(send);
        });
        self.flush(number);
    }
}

/// As much of `output` as shows whether it finds room.
fn offered(output: &[u8], room: usize) -> Vec<u8> {
    output.get(..=room).unwrap_or(output).to_vec()
}

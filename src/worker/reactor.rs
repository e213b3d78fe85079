//! A worker's loop: read every ready socket, let the engine decide, then write what it produced.
//!
//! All sockets of a worker are served by one thread. Every socket that is ready is read before
//! anything is written, so that many requests leave in few writes without any timer.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::{Receiver, Sender};

use crate::collections::key_table::KeyTable;
use crate::collections::log_throttle::LogThrottle;
use crate::connect::dial_report::DialReport;
use crate::connect::dial_tasks::Dialing;
use crate::engine::action::Output;
use crate::engine::client::{Client, ClientKey};
use crate::engine::engine::Engine;
use crate::engine::pending::{LaneKey, Pending};
use crate::platform::clock;
use crate::pool::pool_manager::PoolManager;
use crate::pool::worker_events::{WorkerEvent, WorkerReporter};
use crate::sockets::poller::Poller;
use crate::sockets::transport::Transport;
use crate::topology::snapshot::Snapshot;
use crate::upstream::lane::Lane;
use crate::worker::clients::login_lines::LoginLines;
use crate::worker::clients::transfer::{Giving, HandshakenClient};
use crate::worker::command::{WorkerCommand, report};
use crate::worker::memory_share::MemoryShare;
use crate::worker::ready_list::ReadyList;
use crate::worker::recess::Recess;
use crate::worker::setup::WorkerSetup;
use crate::worker::slots::{COMMANDS, FIRST_SOCKET, HANDSHAKEN, REPORTS};
use crate::worker::socket::{Read, Socket, Who};

/// Bytes read at once; all sockets share the buffer.
const READ_BYTES: usize = 128 << 10;
/// Full buffers read from one socket before others have their turn.
const READS_IN_A_ROW: usize = 4;
/// Clients past their TLS handshake that may wait to be served.
const HANDSHAKEN_MAX: usize = 64;
/// It never sleeps longer, so that time goes on for a quiet engine as well.
const TICK_US_MAX: u64 = 100_000;

/// One worker.
#[derive(Debug)]
pub(crate) struct Reactor {
    pub(super) engine: Engine,
    pub(super) pools: PoolManager,
    pub(super) dialing: Dialing,
    pub(super) reporter: WorkerReporter,
    pub(super) events: Sender<WorkerEvent>,
    pub(super) drain_until_us: Option<u64>,
    /// Whether no client is read, or only some are: they leave, or the worker drains.
    pub(super) holds_clients: bool,
    pub(super) giving: Option<Giving>,
    pub(super) lane_slots: KeyTable<Lane<Pending>, usize>,
    pub(super) client_slots: KeyTable<Client, usize>,
    pub(super) commands: Receiver<WorkerCommand>,
    pub(super) reports: Receiver<DialReport>,
    pub(super) handshaken: (Sender<HandshakenClient>, Receiver<HandshakenClient>),
    /// Log lines about clients beyond the bound.
    pub(super) refusals: LogThrottle,
    pub(super) login_lines: LoginLines,
    memory: MemoryShare,
    pub(super) sockets: Vec<Option<Socket>>,
    pub(super) free: Vec<usize>,
    ready: Arc<ReadyList>,
    wakers: [Waker; FIRST_SOCKET],
    pub(super) poller: Poller,
    /// When the last round began, and when time itself is to be looked at.
    round_us: u64,
    timer_at_us: u64,
    /// Whether timers wait after the process was stopped.
    recess: Recess,
    buffer: Vec<u8>,
    slots: Vec<usize>,
    /// Sockets that are looked at again in the next round.
    again: Vec<usize>,
}

impl Reactor {
    /// A worker without sockets. Called within its runtime.
    pub(super) fn new(
        setup: WorkerSetup,
        commands: Receiver<WorkerCommand>,
        events: Sender<WorkerEvent>,
        poller: Poller,
        bell: mio::Waker,
    ) -> Self {
        let ready = Arc::new(ReadyList::default());
        ready.set_bell(bell);
        let wakers = [COMMANDS, REPORTS, HANDSHAKEN].map(|slot| ready.waker(slot));
        for slot in [COMMANDS, REPORTS, HANDSHAKEN] {
            ready.set(slot);
        }
        let (dialing, reports) = Dialing::new(setup.dialing);
        Self {
            engine: Engine::new(setup.engine, Arc::new(Snapshot::default())),
            pools: PoolManager::new(setup.pools, setup.shared, setup.seed, clock::now_us()),
            dialing,
            reporter: WorkerReporter::new(setup.number),
            events,
            drain_until_us: None,
            holds_clients: false,
            giving: None,
            lane_slots: KeyTable::default(),
            client_slots: KeyTable::default(),
            commands,
            reports,
            handshaken: mpsc::channel(HANDSHAKEN_MAX),
            refusals: LogThrottle::default(),
            login_lines: LoginLines::default(),
            memory: MemoryShare::new(setup.memory, setup.number),
            sockets: (0..FIRST_SOCKET).map(|_| None).collect(),
            free: Vec::new(),
            ready,
            wakers,
            poller,
            round_us: 0,
            timer_at_us: 0,
            recess: Recess::default(),
            buffer: vec![0; READ_BYTES],
            slots: Vec::new(),
            again: Vec::new(),
        }
    }

    /// Serves until it has drained.
    pub(super) fn run(mut self) {
        while !self.round() {
            self.sleep();
        }
    }

    /// One round; `true` when the worker has drained.
    fn round(&mut self) -> bool {
        let began_us = clock::now_us();
        self.engine.on_time(began_us);
        self.pools.on_time(began_us);
        self.round_us = began_us;
        let mut slots = std::mem::take(&mut self.slots);
        let reads = slots.iter().any(|slot| *slot >= FIRST_SOCKET);
        let may_fire = self.recess.on_round(began_us, self.timer_at_us, reads);
        let answers_before = self.engine.tally().latency.count();
        for slot in slots.drain(..) {
            match slot {
                COMMANDS => self.take_commands(),
                REPORTS => self.take_reports(),
                HANDSHAKEN => self.take_handshaken(),
                _ => self.on_socket_ready(slot),
            }
        }
        self.slots = slots;
        if may_fire && self.timer_at_us <= began_us {
            self.on_timer(began_us);
        }
        self.write_out();
        self.memory.show(&mut self.engine);
        if self.giving.is_some() {
            self.give_clients();
        }
        let ended_us = clock::now_us();
        if self.engine.tally().latency.count() > answers_before {
            self.engine.tally_mut().own_time.record(ended_us.saturating_sub(began_us));
        }
        let due_us = self.engine.next_deadline_us().min(self.pools.next_deadline_us());
        let due_us = self.recess.timer_at_us(began_us, due_us);
        self.timer_at_us = due_us.clamp(began_us, began_us + TICK_US_MAX);
        self.drain_until_us.is_some() && self.client_slots.is_empty()
    }

    /// Waits until there is something to do, and notes what.
    fn sleep(&mut self) {
        let may_sleep = self.ready.may_sleep() && self.again.is_empty();
        let rest_us = if may_sleep { self.timer_at_us.saturating_sub(self.round_us) } else { 0 };
        self.poller.sleep(Duration::from_micros(rest_us));
        self.ready.on_awake();
        for (slot, event) in self.poller.ready() {
            if let Some(socket) = self.sockets.get_mut(slot).and_then(Option::as_mut) {
                socket.on_event(event);
                self.slots.push(slot);
            }
        }
        for slot in self.again.drain(..) {
            if let Some(socket) = self.sockets.get_mut(slot).and_then(Option::as_mut) {
                socket.again = false;
                self.slots.push(slot);
            }
        }
        self.ready.take(&mut self.slots);
    }

    /// The waker of one of the slots that are no sockets.
    pub(super) fn waker(&self, slot: usize) -> Waker {
        self.wakers.get(slot).map_or_else(|| self.ready.waker(slot), Waker::clone)
    }

    /// Looks at a slot again in the next round.
    pub(super) fn look_again(&mut self, slot: usize) {
        if slot < FIRST_SOCKET {
            self.ready.set(slot);
        } else if let Some(socket) = self.socket(slot)
            && !std::mem::replace(&mut socket.again, true)
        {
            self.again.push(slot);
        }
    }

    /// Starts to serve a socket; `None` when it cannot be watched.
    pub(super) fn add_socket(&mut self, who: Who, stream: Transport) -> Option<usize> {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.sockets.push(None);
            self.sockets.len() - 1
        });
        match stream.adopt(&self.poller, slot) {
            Ok(stream) => *self.sockets.get_mut(slot)? = Some(Socket::new(who, stream)),
            Err(error) => {
                tracing::warn!(%error, "a socket cannot be watched");
                self.free.push(slot);
                return None;
            }
        }
        self.look_again(slot);
        Some(slot)
    }

    /// Ends a socket at once.
    pub(super) fn drop_socket(&mut self, slot: usize) {
        if let Some(socket) = self.sockets.get_mut(slot)
            && socket.take().is_some()
        {
            self.free.push(slot);
        }
    }

    pub(super) fn socket(&mut self, slot: usize) -> Option<&mut Socket> {
        self.sockets.get_mut(slot)?.as_mut()
    }

    /// Sockets whose time is over.
    fn overdue(&self, now_us: u64) -> Vec<(usize, Who)> {
        let numbered = self.sockets.iter().enumerate();
        let sockets = numbered.filter_map(|(slot, socket)| Some((slot, socket.as_ref()?)));
        let over = sockets.filter(|(_, socket)| socket.close_by_us.is_some_and(|by| by <= now_us));
        over.map(|(slot, socket)| (slot, socket.who)).collect()
    }

    fn on_socket_ready(&mut self, slot: usize) {
        let Some(socket) = self.sockets.get_mut(slot).and_then(Option::as_mut) else { return };
        let who = socket.who;
        if socket.finishing {
            socket.finish();
        }
        if socket.blocked {
            self.write_to(slot);
        }
        match who {
            Who::Client(client) => self.read_client(slot, client),
            Who::Lane(lane) => self.read_lane(slot, lane),
            Who::Lingering => self.read_out(slot),
        }
    }

    fn read_client(&mut self, slot: usize, client: ClientKey) {
        for _ in 0..READS_IN_A_ROW {
            if !self.engine.may_read(client) || self.holds_clients && self.holds(slot, client) {
                return;
            }
            let Some(socket) = self.sockets.get_mut(slot).and_then(Option::as_mut) else { return };
            if socket.ended {
                return;
            }
            match socket.read(&mut self.buffer) {
                Read::Bytes(count) => {
                    let chunk = self.buffer.get_mut(..count).unwrap_or_default();
                    self.engine.on_client_bytes(client, chunk);
                }
                Read::Later => return,
                Read::End => return self.on_client_done(slot, client),
                Read::Lost => return self.on_client_end(slot, client),
            }
        }
        self.look_again(slot);
    }

    fn read_lane(&mut self, slot: usize, lane: LaneKey) {
        for _ in 0..READS_IN_A_ROW {
            let Some(socket) = self.sockets.get_mut(slot).and_then(Option::as_mut) else { return };
            match socket.read(&mut self.buffer) {
                Read::Bytes(count) => {
                    let chunk = self.buffer.get_mut(..count).unwrap_or_default();
                    let (sockets, slots) = (&mut self.sockets, &self.client_slots);
                    let pass = |client: ClientKey, frame: &[u8]| {
                        let slot = slots.get(client).and_then(|slot| sockets.get_mut(slot));
                        let socket = slot.and_then(Option::as_mut).filter(|it| !it.blocked);
                        // What a broken socket did not take is written again, and fails again.
                        socket.map_or(0, |socket| socket.write(frame).unwrap_or(0))
                    };
                    self.engine.on_lane_bytes(lane, chunk, pass);
                }
                Read::Later => return,
                Read::End | Read::Lost => return self.close_lane(lane),
            }
        }
        self.look_again(slot);
    }

    /// Reads and drops what a client still sends after it was sent the reason for its end.
    fn read_out(&mut self, slot: usize) {
        for _ in 0..READS_IN_A_ROW {
            let Some(socket) = self.sockets.get_mut(slot).and_then(Option::as_mut) else { return };
            match socket.read(&mut self.buffer) {
                Read::Bytes(_) => {}
                Read::Later => return,
                Read::End | Read::Lost => return self.drop_socket(slot),
            }
        }
        self.look_again(slot);
    }

    /// Does what the pools and the engine want done and writes what waits, until there is no more.
    fn write_out(&mut self) {
        loop {
            if let Some(action) = self.pools.take_action() {
                self.carry_out_for_pools(action);
                continue;
            }
            let slot = match self.engine.take_output() {
                Some(Output::Action(action)) => {
                    if let Some(action) = self.pools.on_engine_action(&mut self.engine, action) {
                        self.carry_out(action);
                    }
                    continue;
                }
                Some(Output::LaneBytes(lane)) => self.lane_slots.get(lane),
                Some(Output::ClientBytes(client)) => self.client_slots.get(client),
                None => return,
            };
            if let Some(slot) = slot {
                self.write_to(slot);
            }
        }
    }

    /// Writes what waits for a socket.
    pub(super) fn write_to(&mut self, slot: usize) {
        let Some(socket) = self.sockets.get_mut(slot).and_then(Option::as_mut) else { return };
        let who = socket.who;
        let output = match who {
            Who::Client(client) => self.engine.client_output(client),
            Who::Lane(lane) => self.engine.lane_output(lane),
            Who::Lingering => None,
        };
        let Some(output) = output else { return };
        let written = socket.write(output);
        let all = written.as_ref().is_ok_and(|count| *count == output.len()) && !socket.blocked;
        match (written, who) {
            (Ok(count), Who::Client(client)) => {
                self.engine.on_client_sent(client, count);
                if all {
                    self.after_client_flush(slot, client);
                }
            }
            (Ok(count), Who::Lane(lane)) => self.engine.on_lane_sent(lane, count),
            (Err(_), Who::Client(client)) => self.on_client_end(slot, client),
            (Err(_), Who::Lane(lane)) => self.close_lane(lane),
            (_, Who::Lingering) => {}
        }
    }

    fn on_timer(&mut self, now_us: u64) {
        self.memory.learn(&mut self.engine, now_us, self.client_slots.is_empty());
        self.engine.on_deadline();
        self.pools.on_deadline(&mut self.engine);
        for (slot, who) in self.overdue(now_us) {
            match who {
                Who::Client(client) => self.on_client_end(slot, client),
                Who::Lane(lane) => self.close_lane(lane),
                Who::Lingering => self.drop_socket(slot),
            }
        }
        self.drain_step(now_us);
        let events = &self.events;
        self.reporter.lanes(self.pools.has_lanes(), |event| report(events, event));
        self.reporter.make_up(|event| report(events, event));
    }
}

//! What a worker does besides passing frames: messages, clients that come and go, draining.

use std::task::{Context, Poll};

use crate::engine::action::Action;
use crate::engine::client::ClientKey;
use crate::platform::clock;
use crate::pool::worker_events::WorkerEvent;
use crate::worker::command::{WorkerCommand, report};
use crate::worker::reactor::Reactor;
use crate::worker::setup::WorkerSettings;
use crate::worker::slots::{COMMANDS, MESSAGES_IN_A_ROW};
use crate::worker::socket::Who;

/// How long a client that is being closed may go on reading the reason, and sending.
const LINGER_US: u64 = 3_000_000;

impl Reactor {
    pub(super) fn take_commands(&mut self) {
        let waker = self.waker(COMMANDS);
        let mut context = Context::from_waker(&waker);
        for _ in 0..MESSAGES_IN_A_ROW {
            match self.commands.poll_recv(&mut context) {
                Poll::Ready(Some(command)) => self.on_command(command),
                Poll::Ready(None) => {
                    self.drain_until_us.get_or_insert(0);
                    self.holds_clients = true;
                    return;
                }
                Poll::Pending => return,
            }
        }
        self.look_again(COMMANDS);
    }

    fn on_command(&mut self, command: WorkerCommand) {
        match command {
            WorkerCommand::Client(client) => self.on_client(client),
            WorkerCommand::Snapshot { snapshot, targets, remote } => {
                self.engine.on_snapshot(snapshot);
                self.pools.on_nodes(&mut self.engine, targets, remote);
            }
            WorkerCommand::Facade(facade) => self.engine.on_facade(facade),
            WorkerCommand::Authenticator { class, contacts } => {
                self.pools.on_authenticator(&mut self.engine, class, &contacts);
            }
            WorkerCommand::Event(body) => self.engine.on_event(&body),
            WorkerCommand::EventsMissed => self.engine.on_events_missed(),
            WorkerCommand::WatchLost => self.engine.on_watch_lost(),
            WorkerCommand::NodeUp(node) => self.pools.on_node_up(node),
            WorkerCommand::PeerMessage(message) => self.engine.on_peer_message(message),
            WorkerCommand::Tablets(page) => self.engine.on_tablets_read(&page),
            WorkerCommand::TableKey(key) => self.engine.on_table_key(key),
            WorkerCommand::Settings(settings, taken) => {
                let WorkerSettings { engine, pools, dialer } = *settings;
                self.engine.on_settings(engine);
                self.pools.on_settings(&mut self.engine, pools);
                self.dialing.set_dialer(dialer);
                drop(taken);
            }
            WorkerCommand::Report(to) => {
                // The caller may have given up meanwhile.
                let _unwanted = to.send((self.engine.tally().clone(), self.engine.gauges()));
            }
            WorkerCommand::Inspect { wanted, to } => {
                let _unwanted = to.send(self.engine.inspect(&wanted));
            }
            WorkerCommand::Learned { from, to } => {
                let _unwanted = to.send(self.engine.learned(from));
            }
            WorkerCommand::GiveClients(giving) => self.start_giving(giving),
            WorkerCommand::Restore(record) => self.engine.on_restored(&record),
            WorkerCommand::Console { table, contents } => self.engine.on_console(table, contents),
            WorkerCommand::Drain { until_us } => {
                (self.giving, self.holds_clients) = (None, true);
                let sooner = self.drain_until_us.map_or(until_us, |before| before.min(until_us));
                self.drain_until_us = Some(sooner);
                self.drain_step(clock::now_us());
            }
        }
    }

    pub(super) fn on_client_end(&mut self, slot: usize, client: ClientKey) {
        self.forget_client(client);
        self.drop_socket(slot);
    }

    pub(super) fn forget_client(&mut self, client: ClientKey) {
        self.engine.on_client_closed(client);
        self.pools.on_client_closed(&mut self.engine, client);
        self.client_slots.remove(client);
    }

    /// A client sends nothing more. It gets the answers that it still waits for.
    pub(super) fn on_client_done(&mut self, slot: usize, client: ClientKey) {
        let Some(socket) = self.socket(slot) else { return };
        socket.ended = true;
        // TLS may hold bytes that the engine takes for sent.
        if socket.blocked {
            return;
        }
        if self.engine.client_output(client).is_none_or(<[u8]>::is_empty) {
            self.after_client_flush(slot, client);
        }
    }

    /// All that waited for a client has left: a client that is to be closed is closed now.
    pub(super) fn after_client_flush(&mut self, slot: usize, client: ClientKey) {
        let idle = self.engine.client_in_flight(client).unwrap_or(0) == 0;
        let Some(socket) = self.socket(slot) else { return };
        if socket.ended && idle {
            return self.on_client_end(slot, client);
        }
        if !socket.closing {
            return;
        }
        socket.finish();
        socket.who = Who::Lingering;
        socket.close_by_us = Some(clock::now_us() + LINGER_US);
        self.forget_client(client);
        self.look_again(slot);
    }

    /// Handles the actions that concern clients and other workers; `PoolManager::on_engine_action` took the
    /// rest.
    pub(super) fn carry_out(&mut self, action: Action) {
        match action {
            Action::CloseClient(client) => {
                let Some(slot) = self.client_slots.get(client) else { return };
                if let Some(socket) = self.socket(slot) {
                    socket.closing = true;
                    socket.close_by_us = Some(clock::now_us() + LINGER_US);
                }
                self.write_to(slot);
            }
            Action::ResumeClient(client) => {
                if let Some(slot) = self.client_slots.get(client) {
                    self.look_again(slot);
                }
            }
            Action::ToOtherWorkers(message) => {
                let events = &self.events;
                self.reporter.peer_message(message, |event| report(events, event));
            }
            Action::RefreshTopology => {
                report(&self.events, WorkerEvent::RefreshTopology);
            }
            Action::ReadTable(question) => {
                let events = &self.events;
                self.reporter.question(question, |event| report(events, event));
            }
            Action::CollectConsole(table) => {
                let collect = WorkerEvent::CollectConsole(self.reporter.number(), table);
                if !report(&self.events, collect) {
                    self.engine.on_console(table, None);
                }
            }
            Action::BoundMet { setting, value, left_out } => {
                tracing::warn!(
                    setting,
                    value,
                    left_out,
                    "a bound was met: what is beyond it is refused"
                );
            }
            Action::OpenPool { .. }
            | Action::ClosePool(_)
            | Action::LogIn { .. }
            | Action::CloseLane(_)
            | Action::CloseUnused(_)
            | Action::OpenLane { .. } => {}
        }
    }

    /// While draining: closes the clients that wait for nothing, and in the end all.
    pub(super) fn drain_step(&mut self, now_us: u64) {
        let Some(until_us) = self.drain_until_us else { return };
        for (client, slot) in self.client_slots.all() {
            if now_us >= until_us {
                self.on_client_end(slot, client);
            } else if self.engine.client_in_flight(client) == Some(0) {
                if let Some(socket) = self.socket(slot) {
                    socket.closing = true;
                }
                self.write_to(slot);
            }
        }
    }
}

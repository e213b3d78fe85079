//! The workers as the rest of the process sees them.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, Sender};
use tokio::time::timeout;

use crate::config::settings::Settings;
use crate::connect::dial_tasks::DialingSettings;
use crate::control::error::ControlError;
use crate::control::tables::publication::Publication;
use crate::control::watch::ControlReport;
use crate::engine::action::PeerMessage;
use crate::listen::client_tls::ClientTls;
use crate::listen::listener::{Accepted, Caller};
use crate::platform::memory::MemoryShares;
use crate::pool::nodes::node_choice::{Candidates, NodeChoice};
use crate::pool::pool_manager::PoolShared;
use crate::pool::worker_events::WorkerEvent;
use crate::server::assemble;
use crate::server::facade;
use crate::server::facade::{Front, Location};
use crate::state::client::MovedClient;
use crate::worker::clients::transfer::ConnectedClient;
use crate::worker::command::WorkerCommand;
use crate::worker::setup::{WorkerSettings, WorkerSetup};
use crate::worker::worker::Worker;

/// How long a reload waits for workers, each of which is in the middle of something for a moment at most.
const SETTINGS_WAIT: Duration = Duration::from_secs(1);

/// What all workers start with.
#[derive(Debug)]
pub(super) struct WorkerStart {
    pub(super) shared: PoolShared,
    pub(super) dialing: DialingSettings,
    pub(super) to_server: Sender<WorkerEvent>,
    pub(super) seed: u64,
}

/// Starts all workers. Called within a runtime.
pub(super) fn start_workers(settings: &Settings, start: &WorkerStart) -> io::Result<Vec<Worker>> {
    let memory = MemoryShares::new(settings.workers);
    let worker = |number| {
        let setup = WorkerSetup {
            number,
            engine: assemble::engine(settings),
            pools: assemble::pools(settings, start.dialing.dialer.settings()),
            shared: start.shared.clone(),
            dialing: start.dialing.clone(),
            memory: memory.clone(),
            seed: start.seed.wrapping_add(1 + u64::try_from(number).unwrap_or(0)),
        };
        Worker::start(setup, start.to_server.clone())
    };
    (0..settings.workers).map(worker).collect()
}

/// All workers.
#[derive(Debug)]
pub(crate) struct Workers {
    workers: Vec<Worker>,
    /// Where clients connect, and what they see there.
    front: Front,
    /// The handshake that TCP clients have to pass.
    tls: Option<Arc<ClientTls>>,
    choice: NodeChoice,
    /// Who gets the next client.
    next: usize,
}

impl Workers {
    /// The workers, for clients that connect at `front`, by `tls` if there is any.
    #[must_use]
    pub(crate) fn new(
        workers: Vec<Worker>,
        front: Front,
        tls: Option<Arc<ClientTls>>,
        choice: NodeChoice,
    ) -> Self {
        Self { workers, front, tls, choice, next: 0 }
    }

    /// How to reach each of them.
    #[must_use]
    pub(crate) fn commands(&self) -> Vec<Sender<WorkerCommand>> {
        self.workers.iter().map(|worker| worker.commands.clone()).collect()
    }

    /// Gives a client to the next worker.
    pub(crate) async fn hand_out(&mut self, client: Caller) {
        let Caller { stream, no_descriptor } = client;
        let client = ConnectedClient { stream, no_descriptor, tls: self.tls.clone(), moved: None };
        self.serve(client).await;
    }

    /// Gives a client that comes from another process to the next worker.
    pub(crate) async fn take_in(&mut self, stream: Accepted, client: MovedClient) {
        let moved = Some(Box::new(client));
        self.serve(ConnectedClient { stream, no_descriptor: None, tls: None, moved }).await;
    }

    async fn serve(&mut self, client: ConnectedClient) {
        self.next = (self.next + 1) % self.workers.len().max(1);
        if let Some(worker) = self.workers.get(self.next)
            && worker.commands.send(WorkerCommand::Client(client)).await.is_err()
        {
            tracing::error!(worker = self.next, "a worker is gone");
        }
    }

    /// Sends a command to every worker.
    pub(crate) async fn send_all(&self, command: impl Fn() -> WorkerCommand) {
        for worker in &self.workers {
            // A worker that has ended needs to know nothing.
            worker.commands.send(command()).await.ok();
        }
    }

    /// Has every worker go by new settings, and the choice of nodes at the next look at the cluster. Returns when
    /// all of them do, or after a second.
    pub(crate) async fn on_settings(&mut self, settings: &WorkerSettings, remote_nodes_max: usize) {
        self.choice.remote_nodes_max = remote_nodes_max;
        settle(&self.commands(), settings).await;
    }

    /// Passes on what the control connection reports. Returns why the process cannot go on, if so.
    pub(crate) async fn on_control(&self, report: ControlReport) -> Option<ControlError> {
        match report {
            ControlReport::Published(publication) => self.on_publication(&publication).await,
            ControlReport::SchemaChange(body) => {
                let body: Arc<[u8]> = body.into();
                self.send_all(|| WorkerCommand::Event(Arc::clone(&body))).await;
            }
            ControlReport::Tablets(page) => {
                let page = Arc::new(page);
                self.send_all(|| WorkerCommand::Tablets(Arc::clone(&page))).await;
            }
            ControlReport::EventsMissed => self.send_all(|| WorkerCommand::EventsMissed).await,
            ControlReport::NodeUp(node) => self.send_all(|| WorkerCommand::NodeUp(node)).await,
            ControlReport::Authenticator { class, contacts } => {
                let command = || WorkerCommand::Authenticator {
                    class: class.clone(),
                    contacts: contacts.clone(),
                };
                self.send_all(command).await;
            }
            ControlReport::TableKey(key) => {
                let key = Arc::new(key);
                self.send_all(|| WorkerCommand::TableKey(Arc::clone(&key))).await;
            }
            ControlReport::Failed(error) => {
                tracing::debug!(%error, "not watching the cluster");
                self.send_all(|| WorkerCommand::WatchLost).await;
            }
            ControlReport::Refused(error) => return Some(error),
        }
        None
    }

    async fn on_publication(&self, publication: &Publication) {
        let place = Location { data_center: &publication.data_center, rack: &publication.rack };
        let facade = Arc::new(facade::of(&publication.tables, place, &self.front).facade());
        self.send_all(|| WorkerCommand::Facade(Arc::clone(&facade))).await;
        let snapshot = &publication.snapshot;
        let targets = self.choice.local_targets(candidates(publication));
        if targets.is_empty() {
            tracing::error!("{}", no_local_node(publication));
        }
        let remote = self.choice.remote_targets(candidates(publication));
        let snapshot_to = || WorkerCommand::Snapshot {
            snapshot: Arc::clone(snapshot),
            targets: targets.clone(),
            remote: remote.clone(),
        };
        self.send_all(snapshot_to).await;
        if publication.dial_all_now {
            for target in &targets {
                self.send_all(|| WorkerCommand::NodeUp(target.node)).await;
            }
        }
    }

    /// Passes on what one worker learned. Who has no room for a tablet learns it by a miss;
    /// statements wait for room, for a worker must know which columns clients hold.
    pub(crate) async fn broadcast(&self, from: usize, message: &PeerMessage) {
        let others = self.workers.iter().enumerate().filter(|(number, _)| *number != from);
        for (number, worker) in others {
            if !send_message(&worker.commands, message).await {
                tracing::debug!(worker = number, "the message found no room");
            }
        }
    }

    /// Waits until all workers have ended.
    pub(crate) async fn ended(&self) {
        for worker in &self.workers {
            worker.commands.closed().await;
        }
    }
}

/// Sends a message to one worker; `false` when a message that may be lost was lost.
async fn send_message(to: &Sender<WorkerCommand>, message: &PeerMessage) -> bool {
    let command = WorkerCommand::PeerMessage(message.clone());
    if message.may_be_lost() {
        return to.try_send(command).is_ok();
    }
    // A worker that has ended needs to know nothing.
    to.send(command).await.ok();
    true
}

/// What is wrong when no node is in the data center that is to be used.
#[must_use]
pub(crate) fn no_local_node(publication: &Publication) -> String {
    let nodes = publication.snapshot.nodes().iter();
    let known: BTreeSet<&str> = nodes.map(|node| &*node.data_center).collect();
    let wanted = &publication.data_center;
    format!("no node is in data center `{wanted}`; the cluster has {known:?}")
}

/// The cluster as far as the choice of nodes goes.
#[must_use]
pub(crate) fn candidates(publication: &Publication) -> Candidates<'_> {
    Candidates {
        snapshot: &publication.snapshot,
        data_center: &publication.data_center,
        shard_ports: &publication.shard_ports,
    }
}

/// Has workers go by these settings. Returns when all of them do, or after a second: the caller of a reload relies on it.
async fn settle(workers: &[Sender<WorkerCommand>], settings: &WorkerSettings) {
    // Each worker drops its sender once it has taken them.
    let (taken, mut all_taken) = mpsc::channel::<()>(1);
    for worker in workers {
        let command = WorkerCommand::Settings(Box::new(settings.clone()), taken.clone());
        // A worker that has ended goes by nothing.
        worker.send(command).await.ok();
    }
    drop(taken);
    if timeout(SETTINGS_WAIT, all_taken.recv()).await.is_err() {
        tracing::debug!("a worker has not taken the changed settings yet");
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;
    use tokio::sync::mpsc;

    use super::*;
    use crate::engine::action::LearnedTablet;
    use crate::server::rotation::Tls;

    #[test]
    fn a_reload_ends_when_the_last_worker_has_taken_the_settings() {
        let settings = Settings::default();
        let dialer = Arc::new(assemble::dialer(&settings, &Tls::load(&settings).unwrap()));
        let pools = assemble::pools(&settings, dialer.settings());
        let changed = WorkerSettings { engine: assemble::engine(&settings), pools, dialer };
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (fast, mut of_fast) = mpsc::channel(1);
            let (slow, mut of_slow) = mpsc::channel(1);
            let (gone, of_gone) = mpsc::channel(1);
            drop(of_gone);
            let settled = tokio::spawn(async move { settle(&[fast, gone, slow], &changed).await });
            drop(of_fast.recv().await.unwrap());
            let held = of_slow.recv().await.unwrap();
            assert!(matches!(held, WorkerCommand::Settings(..)));
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            assert!(!settled.is_finished(), "the second worker has not taken them");
            drop(held);
            timeout(SETTINGS_WAIT / 2, settled).await.unwrap().unwrap();
        });
    }

    #[test]
    fn a_statement_waits_for_room_and_a_tablet_does_not() {
        let table = ("ks".into(), "t".into());
        let tablet = LearnedTablet { table, first: 0, last: 1, replicas: Vec::new() };
        let tablet = PeerMessage::Tablet(Arc::new(tablet));
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (to, mut commands) = mpsc::channel(1);
            assert!(send_message(&to, &tablet).await);
            assert!(!send_message(&to, &tablet).await);
            let message = PeerMessage::Statement(Arc::default());
            let (is_sent, first) = tokio::join!(send_message(&to, &message), commands.recv());
            assert!(
                is_sent
                    && matches!(first, Some(WorkerCommand::PeerMessage(PeerMessage::Tablet(_))))
            );
            assert!(matches!(
                commands.recv().await,
                Some(WorkerCommand::PeerMessage(PeerMessage::Statement(_)))
            ));
        });
    }
}

//! A worker: one thread, one engine, and no lock on the road.

use std::io;
use std::sync::Arc;
use std::thread;
use std::thread::JoinHandle;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::Sender;

use crate::auth::login_service::LoginService;
use crate::engine::engine::Engine;
use crate::engine::settings::EngineSettings;
use crate::sockets::poller::Poller;
use crate::topology::snapshot::Snapshot;
use crate::worker::command::{Command, WorkerEvent};
use crate::worker::pool_manager::{PoolManager, PoolSettings};
use crate::worker::reactor::Reactor;

/// Messages to a worker that may wait.
const COMMANDS: usize = 1024;

/// A worker that runs.
#[derive(Debug)]
pub struct Worker {
    /// Tells it what to do.
    pub commands: Sender<Command>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts worker `number`. Called within a runtime, which runs what is no frame's business:
    /// the refillers of the lanes.
    pub fn start(
        number: usize,
        settings: EngineSettings,
        pool_manager: PoolSettings,
        snapshot: Arc<Snapshot>,
        events: Sender<WorkerEvent>,
    ) -> io::Result<Self> {
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let runtime = Handle::current();
        let poller = Poller::new()?;
        let bell = poller.bell()?;
        let thread = thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
            let _within = runtime.enter();
            let engine = Engine::new(settings, snapshot);
            let logins = LoginService::new(pool_manager.logins.clone(), pool_manager.seed);
            let desks = (PoolManager::new(pool_manager), logins);
            Reactor::new(number, engine, desks, (inbox, events), (poller, bell)).run();
        })?;
        Ok(Self { commands, thread })
    }

    /// Waits until it has ended.
    pub fn join(self) {
        drop(self.commands);
        if self.thread.join().is_err() {
            tracing::error!("a worker's thread panicked");
        }
    }
}

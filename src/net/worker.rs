//! A worker: one thread with a runtime of its own, one engine, and no lock on the road.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::thread;
use std::thread::JoinHandle;

use tokio::runtime;
use tokio::sync::mpsc;
use tokio::sync::mpsc::Sender;

use crate::engine::engine::{Engine, EngineSettings};
use crate::net::command::{Command, WorkerEvent};
use crate::net::lanes::lane_desk::{DeskSettings, LaneDesk};
use crate::net::logins::login_desk::LoginDesk;
use crate::net::reactor::Reactor;
use crate::topology::snapshot::Snapshot;

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
    /// Starts worker `number`.
    pub fn start(
        number: usize,
        settings: EngineSettings,
        desk: DeskSettings,
        snapshot: Arc<Snapshot>,
        events: Sender<WorkerEvent>,
    ) -> io::Result<Self> {
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
            runtime.block_on(async move {
                let engine = Engine::new(settings, snapshot);
                let logins = LoginDesk::new(desk.logins.clone(), desk.seed);
                let desks = (LaneDesk::new(desk), logins);
                let mut reactor = Reactor::new(number, engine, desks, inbox, events);
                // A task of its own is woken without a system call, and without a budget it may
                // serve as many sockets in one round as are ready.
                let serve = poll_fn(move |context| reactor.poll(context));
                let served = tokio::spawn(tokio::task::unconstrained(serve)).await;
                if let Err(error) = served {
                    tracing::error!(%error, "a worker ended");
                }
            });
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

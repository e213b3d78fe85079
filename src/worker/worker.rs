//! A worker: one thread, one engine, and no lock on the road.

use std::io;
use std::thread;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::Sender;

use crate::pool::worker_events::WorkerEvent;
use crate::sockets::poller::Poller;
use crate::worker::command::WorkerCommand;
use crate::worker::reactor::Reactor;
use crate::worker::setup::WorkerSetup;

/// Messages to a worker that may wait.
const COMMANDS: usize = 1024;

/// A worker that runs.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Commands to it.
    pub commands: Sender<WorkerCommand>,
}

impl Worker {
    /// Starts a worker. Called within a runtime, which dials.
    pub(crate) fn start(setup: WorkerSetup, events: Sender<WorkerEvent>) -> io::Result<Self> {
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let runtime = Handle::current();
        let poller = Poller::new()?;
        let bell = poller.bell()?;
        let name = format!("worker-{}", setup.number);
        thread::Builder::new().name(name).spawn(move || {
            let _within = runtime.enter();
            Reactor::new(setup, inbox, events, poller, bell).run();
        })?;
        Ok(Self { commands })
    }
}

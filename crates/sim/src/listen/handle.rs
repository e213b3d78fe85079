//! A simulated cluster on a thread of its own, for tests and the demo.

use std::net::SocketAddr;
use std::sync::mpsc as std_mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::mpsc;

use crate::cluster::cluster::Cluster;
use crate::listen::error::SimError;
use crate::listen::options::SimOptions;
use crate::listen::serve::{Command, Started, serve_commands};

/// Commands that may wait for the cluster's thread.
const COMMANDS_MAX: usize = 64;

/// A running cluster; dropping it ends it.
#[derive(Debug)]
pub struct SimHandle {
    started: Started,
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<Result<(), SimError>>>,
}

impl SimHandle {
    /// Starts a cluster, and waits until it listens.
    pub fn spawn(options: SimOptions) -> Result<Self, SimError> {
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let (sender, answer) = std_mpsc::sync_channel(1);
        let run = move || {
            let runtime = Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(SimError::Thread)?;
            runtime.block_on(serve_commands(options, receiver, |started| {
                // The receiver is gone if the spawning thread has ended.
                sender.send(started.clone()).ok();
            }))
        };
        let thread = thread::Builder::new().name("sim".to_owned()).spawn(run);
        let thread = thread.map_err(SimError::Thread)?;
        match answer.recv() {
            Ok(started) => Ok(Self { started, commands: Some(commands), thread: Some(thread) }),
            Err(_) => Err(join(thread).err().unwrap_or(SimError::Ended)),
        }
    }

    /// Plain port of each node that there was at the beginning.
    #[must_use]
    pub fn contact_points(&self) -> &[SocketAddr] {
        &self.started.contact_points
    }

    /// Address of the HTTP API.
    #[must_use]
    pub fn api(&self) -> Option<SocketAddr> {
        self.started.api
    }

    /// Runs `what` with the cluster on its thread and returns its result.
    pub fn with<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Cluster, Duration) -> T + Send + 'static,
    ) -> Result<T, SimError> {
        let (sender, answer) = std_mpsc::sync_channel(1);
        let command: Command = Box::new(move |cluster, now| {
            // The receiver is gone if the calling thread has ended.
            sender.send(what(cluster, now)).ok();
        });
        let commands = self.commands.as_ref().ok_or(SimError::Ended)?;
        commands.try_send(command).map_err(|_| SimError::Ended)?;
        answer.recv().map_err(|_| SimError::Ended)
    }

    /// Ends the cluster and waits for its end.
    pub fn stop(mut self) -> Result<(), SimError> {
        drop(self.commands.take());
        self.thread.take().map_or(Ok(()), join)
    }
}

impl Drop for SimHandle {
    fn drop(&mut self) {
        drop(self.commands.take());
        if let Some(thread) = self.thread.take() {
            // Only `stop` returns the result of the thread.
            join(thread).ok();
        }
    }
}

fn join(thread: JoinHandle<Result<(), SimError>>) -> Result<(), SimError> {
    thread.join().unwrap_or(Err(SimError::Ended))
}

#[cfg(test)]
mod tests;

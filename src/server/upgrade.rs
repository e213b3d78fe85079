//! An upgrade as the old process sees it: it offers its places and what it has learned, to one new process at a time.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::listen::listener::{Accepted, Caller};
use crate::listen::unix_listener::UnixSocket;
use crate::server::collector::Collector;
use crate::server::error::NoLane;
use crate::server::succession::Peer;
use crate::state::client::MovedClient;
use crate::state::record::About;
use crate::worker::command::Command;

/// Pause after a failed attempt.
const PAUSE: Duration = Duration::from_millis(100);

/// What happens at the places where a process listens.
#[derive(Debug)]
pub enum Step {
    /// A client connected.
    Client(Caller),
    /// A client came from the process before.
    MovedIn(Accepted, Box<MovedClient>),
    /// The process before listens no more: this one does.
    Listening,
    /// All clients of the process before have come, or it has ended.
    AllMovedIn,
    /// A new process is ready to take over.
    Successor(Peer),
    /// It has all clients that could move.
    GivenAway,
    /// This process has no lane: the process before goes on.
    NoLane(NoLane),
}

/// What is offered besides places.
#[derive(Debug)]
pub struct Offer {
    /// The worker that speaks for all.
    pub worker: Sender<Command>,
    /// What a state is about.
    pub abouts: watch::Receiver<Option<About>>,
    /// Longest state.
    pub bytes_max: u64,
}

/// Offers everything to processes that ask at a socket, until one takes it.
pub async fn offer(
    mut socket: UnixSocket,
    places: Arc<Vec<(String, OwnedFd)>>,
    what: Offer,
    steps: Sender<Step>,
) {
    loop {
        let handed_over = match socket.accept().await {
            Ok(stream) => match Peer::new(stream) {
                Ok(peer) => hand_over(peer, &places, &what).await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        match handed_over {
            Ok(next) => {
                socket.leave();
                // A server that has ended gives nothing away.
                steps.send(Step::Successor(next)).await.ok();
                return;
            }
            Err(error) => {
                tracing::warn!(%error, "no other process has taken over: this one goes on");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn hand_over(
    mut next: Peer,
    places: &Arc<Vec<(String, OwnedFd)>>,
    what: &Offer,
) -> io::Result<Peer> {
    let places = Arc::clone(places);
    next = in_background(move || {
        next.check_user()?;
        next.expect_hello()?;
        for (name, descriptor) in &*places {
            next.send_place(name, descriptor)?;
        }
        Ok(next)
    })
    .await?;
    tracing::info!("another process wants to take over");
    let about = what.abouts.borrow().clone();
    if let Some(about) = about {
        let limits = (what.bytes_max, Duration::ZERO);
        let mut state = Collector::new(what.worker.clone(), about, limits);
        while let Some(chunk) = state.next().await? {
            next = in_background(move || next.send_state(&chunk).map(|()| next)).await?;
        }
    }
    in_background(move || next.wait_ready().map(|()| next)).await
}

async fn in_background<T: Send + 'static>(
    act: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(act).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

//! An upgrade as the old process sees it: it offers its places and what it has learned, to one new process at a time.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::listen::listener::{Accepted, Caller};
use crate::listen::unix_listener::UnixSocket;
use crate::server::error::NoLane;
use crate::server::upgrade::succession::Peer;
use crate::server::views::collector::Collector;
use crate::state::client::MovedClient;
use crate::state::record::StateHeader;
use crate::worker::command::WorkerCommand;

/// Pause after a failed attempt.
const PAUSE: Duration = Duration::from_millis(100);
/// Processes that may have connected and said nothing yet.
const HELLOS_MAX: usize = 16;

/// What happens at the places where a process listens.
#[derive(Debug)]
pub(crate) enum ListenEvent {
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
pub(crate) struct Offer {
    /// The worker that speaks for all.
    pub worker: Sender<WorkerCommand>,
    /// What a state is about.
    pub abouts: watch::Receiver<Option<StateHeader>>,
    /// Longest state.
    pub bytes_max: u64,
}

/// Offers everything to processes that ask at a socket, one after another, until one takes it. One that says nothing keeps
/// no other waiting.
pub(crate) async fn offer(
    mut socket: UnixSocket,
    places: Arc<Vec<(String, OwnedFd)>>,
    what: Offer,
    steps: Sender<ListenEvent>,
) {
    let (asks, mut asking) = mpsc::channel(1);
    let turns = Arc::new(Semaphore::new(HELLOS_MAX));
    loop {
        let handed_over = tokio::select! {
            Some(next) = asking.recv() => hand_over(next, &places, &what).await,
            accepted = accept_peer(&socket, &turns, &asks) => match accepted {
                Ok(()) => continue,
                Err(error) => Err(error),
            },
        };
        match handed_over {
            Ok(next) => {
                socket.leave();
                // A server that has ended gives nothing away.
                steps.send(ListenEvent::Successor(next)).await.ok();
                return;
            }
            Err(error) => {
                note(&error);
                sleep(PAUSE).await;
            }
        }
    }
}

fn note(error: &io::Error) {
    tracing::warn!(%error, "no other process has taken over: this one goes on");
}

/// Accepts one process, and waits for its hello in the background.
async fn accept_peer(
    socket: &UnixSocket,
    turns: &Arc<Semaphore>,
    asks: &Sender<Peer>,
) -> io::Result<()> {
    let turn = Arc::clone(turns).acquire_owned().await.map_err(io::Error::other)?;
    let mut next = Peer::new(socket.accept().await?)?;
    let asks = asks.clone();
    tokio::spawn(async move {
        let accepted = in_background(move || {
            next.check_user()?;
            next.expect_hello()?;
            Ok(next)
        });
        match accepted.await {
            // It is not taken once another process has taken over.
            Ok(next) => drop(asks.send(next).await),
            Err(error) => note(&error),
        }
        drop(turn);
    });
    Ok(())
}

async fn hand_over(
    mut next: Peer,
    places: &Arc<Vec<(String, OwnedFd)>>,
    what: &Offer,
) -> io::Result<Peer> {
    let places = Arc::clone(places);
    next = in_background(move || {
        for (name, descriptor) in &*places {
            next.send_place(name, descriptor)?;
        }
        Ok(next)
    })
    .await?;
    tracing::info!("another process wants to take over");
    let about = what.abouts.borrow().clone();
    if let Some(about) = about {
        let worker = what.worker.clone();
        let mut state = Collector::new(worker, about, what.bytes_max, Duration::ZERO);
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

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::{env, process};

    use super::*;
    use crate::platform::clock;

    #[tokio::test]
    async fn a_process_that_says_nothing_keeps_no_other_waiting() {
        let path = env::temp_dir().join(format!("shardlane-offer-{}", process::id()));
        let socket = UnixSocket::bind(&path, 0o600).unwrap();
        let (worker, _) = mpsc::channel(1);
        let (_about, abouts) = watch::channel(None);
        let (steps, mut stepped) = mpsc::channel(1);
        let what = Offer { worker, abouts, bytes_max: 10 };
        let offering = tokio::spawn(offer(socket, Arc::default(), what, steps));
        let silent: Vec<_> = (0..3).map(|_| UnixStream::connect(&path).unwrap()).collect();
        let began_us = clock::now_us();
        let inherited = spawn_blocking(move || Peer::inherit(&path, 10)).await.unwrap();
        let inherited = inherited.unwrap().unwrap();
        assert!(clock::now_us() - began_us < 5_000_000, "it waited for the silent one");
        assert!(inherited.places.is_empty() && inherited.state.is_empty());
        inherited.peer.say_ready().unwrap();
        assert!(matches!(stepped.recv().await, Some(ListenEvent::Successor(_))));
        offering.await.unwrap();
        drop(silent);
    }
}

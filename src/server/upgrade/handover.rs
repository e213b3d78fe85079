//! An upgrade as the old process sees it: it offers its places and what it has learned, to one new process at a time.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
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
    /// This process ends, and a new one has its place already.
    PlaceLeft,
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

/// Descriptors of the places that are offered, with their names.
#[derive(Debug, Default)]
pub(crate) struct OfferedPlaces {
    /// Where clients connect.
    pub clients: Arc<Vec<(String, OwnedFd)>>,
    /// The admin address and the socket of upgrades, where a process listens until its end.
    pub own: Arc<Vec<(String, OwnedFd)>>,
}

/// How the task that offers the places and the server speak with each other.
#[derive(Debug)]
pub(crate) struct OfferLine {
    /// This process ends. The answer is whether another has all its places already.
    pub ends: Receiver<oneshot::Sender<bool>>,
    /// Whether another process takes over just now.
    pub is_asked: Arc<AtomicBool>,
    /// What becomes of it.
    pub steps: Sender<ListenEvent>,
}

/// Offers everything to processes that ask at a socket, one after another, until one takes it. One that says nothing keeps
/// no other waiting. From a message of `ends` on it offers what a process keeps until its end; clients cannot connect here any
/// more once that is answered.
pub(crate) async fn offer(
    mut socket: UnixSocket,
    mut places: OfferedPlaces,
    what: Offer,
    OfferLine { mut ends, is_asked, steps }: OfferLine,
) {
    let (asks, mut asking) = mpsc::channel(1);
    let turns = Arc::new(Semaphore::new(HELLOS_MAX));
    let mut is_ending = false;
    loop {
        let next = tokio::select! {
            Some(done) = ends.recv() => {
                is_ending = true;
                places.clients = Arc::default();
                // A server that has ended waits no more.
                done.send(false).ok();
                continue;
            }
            Some(next) = asking.recv() => {
                is_asked.store(true, Ordering::Relaxed);
                next
            }
            accepted = accept_peer(&socket, &turns, &asks) => {
                if let Err(error) = accepted {
                    note(&error);
                    sleep(PAUSE).await;
                }
                continue;
            }
        };
        let step = if is_ending {
            leave_to(next, &mut socket, &places, &what).await.map(|()| ListenEvent::PlaceLeft)
        } else {
            match hand_over(next, &places, &what).await {
                Ok(next) => wait_ready(next, &mut ends).await,
                Err(error) => Err(error),
            }
        };
        match step {
            Ok(step) => {
                socket.leave();
                // A server that has ended gives nothing away.
                steps.send(step).await.ok();
                return;
            }
            Err(error) if is_ending => {
                tracing::warn!(%error, "this process ends, and no other has taken its place yet");
            }
            Err(error) => note(&error),
        }
        is_asked.store(false, Ordering::Relaxed);
        sleep(PAUSE).await;
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

/// Leaves its place at once to a process that need not wait: this one serves no new client.
async fn leave_to(
    next: Peer,
    socket: &mut UnixSocket,
    places: &OfferedPlaces,
    what: &Offer,
) -> io::Result<()> {
    let next = send_places(next, &places.own).await?;
    // Workers may have ended: without them the next process begins with the file of `state.file`.
    let state = collect(what).await.unwrap_or_default();
    // The file is the other's from the last word on.
    socket.leave();
    let left = in_background(move || {
        next.send_state(&state)?;
        next.say_ending()
    });
    left.await.inspect_err(|_| socket.own())
}

/// What was learned, whole.
async fn collect(what: &Offer) -> io::Result<Vec<u8>> {
    let (about, mut all) = (what.abouts.borrow().clone(), Vec::new());
    if let Some(about) = about {
        let worker = what.worker.clone();
        let mut state = Collector::new(worker, about, what.bytes_max, Duration::ZERO);
        while let Some(chunk) = state.next().await? {
            all.extend_from_slice(&chunk);
        }
    }
    Ok(all)
}

async fn send_places(next: Peer, places: &Arc<Vec<(String, OwnedFd)>>) -> io::Result<Peer> {
    let places = Arc::clone(places);
    in_background(move || {
        for (name, descriptor) in &*places {
            next.send_place(name, descriptor)?;
        }
        Ok(next)
    })
    .await
}

async fn hand_over(mut next: Peer, places: &OfferedPlaces, what: &Offer) -> io::Result<Peer> {
    next = send_places(next, &places.clients).await?;
    next = send_places(next, &places.own).await?;
    tracing::info!("another process wants to take over");
    let about = what.abouts.borrow().clone();
    if let Some(about) = about {
        let worker = what.worker.clone();
        let mut state = Collector::new(worker, about, what.bytes_max, Duration::ZERO);
        while let Some(chunk) = state.next().await? {
            next = in_background(move || next.send_state(&chunk).map(|()| next)).await?;
        }
    }
    in_background(move || next.say_complete().map(|()| next)).await
}

/// Waits until a process listens that has all that is offered. It listens at once when this one ends first.
async fn wait_ready(
    mut next: Peer,
    ends: &mut Receiver<oneshot::Sender<bool>>,
) -> io::Result<ListenEvent> {
    let hang_up = next.hang_up()?;
    let waiting = in_background(move || next.wait_ready().map(|()| next));
    tokio::select! {
        ready = waiting => ready.map(ListenEvent::Successor),
        Some(done) = ends.recv() => {
            hang_up();
            // A server that has ended waits no more.
            done.send(true).ok();
            Ok(ListenEvent::PlaceLeft)
        }
    }
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
        let (_ends, ending) = mpsc::channel(1);
        let line = OfferLine { ends: ending, is_asked: Arc::default(), steps };
        let offering = tokio::spawn(offer(socket, OfferedPlaces::default(), what, line));
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

    #[tokio::test]
    async fn a_process_that_has_all_places_takes_them_when_this_one_ends() {
        let path = env::temp_dir().join(format!("shardlane-offer-ends-{}", process::id()));
        let socket = UnixSocket::bind(&path, 0o600).unwrap();
        let (worker, _) = mpsc::channel(1);
        let (_about, abouts) = watch::channel(None);
        let (steps, mut stepped) = mpsc::channel(1);
        let (ends, ending) = mpsc::channel(1);
        let is_asked = Arc::<AtomicBool>::default();
        let line = OfferLine { ends: ending, is_asked: Arc::clone(&is_asked), steps };
        let what = Offer { worker, abouts, bytes_max: 10 };
        let offering = tokio::spawn(offer(socket, OfferedPlaces::default(), what, line));
        let asked = path.clone();
        let inherited = spawn_blocking(move || Peer::inherit(&asked, 10)).await.unwrap();
        let inherited = inherited.unwrap().unwrap();
        assert!(is_asked.load(Ordering::Relaxed) && !inherited.is_ending);
        assert!(!inherited.peer.is_gone());
        let (done, is_done) = oneshot::channel();
        ends.send(done).await.unwrap();
        assert!(is_done.await.unwrap(), "the other has all places");
        assert!(inherited.peer.is_gone());
        assert!(matches!(stepped.recv().await, Some(ListenEvent::PlaceLeft)));
        offering.await.unwrap();
        assert!(path.exists(), "the file is the other's");
        std::fs::remove_file(&path).unwrap();
    }
}

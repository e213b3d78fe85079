//! Where the process listens: how it comes to these places, from the process before if there is one, and how it leaves
//! them to the next.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use crate::admin::http;
use crate::config::settings::Settings;
use crate::control::error::ControlError;
use crate::listen::listener;
use crate::listen::listener::{Bind, Listeners};
use crate::listen::passed::Passed;
use crate::listen::unix_listener::UnixSocket;
use crate::platform::{clock, service_manager};
use crate::server::error::ServerError;
use crate::server::state_file::Kept;
use crate::server::upgrade::admin_place::bind_once_free;
use crate::server::upgrade::handover::{ListenEvent, Offer, OfferLine, OfferedPlaces, offer};
use crate::server::upgrade::succession::{Inheritance, Peer, TakeoverRefused};
use crate::server::upgrade::takeover::{Patience, take_over};
use crate::server::views::pages::AdminPages;
use crate::server::workers::Workers;
use crate::sockets::descriptors;
use crate::state::record::StateHeader;
use crate::worker::clients::transfer::Giving;
use crate::worker::command::WorkerCommand;

/// Steps that may wait.
const STEPS: usize = 256;
/// Clients that may be on their way from the workers to the next process.
const GIVEN: usize = 256;
/// How long clients may take to get their last answers here before they move. A process waits longer for the other's next
/// word.
const GIVING_US: u64 = 8_000_000;
/// How long a process that ends waits until it does not offer its listeners any more: a handover may be under way.
const CLOSED_MAX: Duration = Duration::from_secs(1);

/// Where the process listens.
#[derive(Debug)]
pub(crate) struct ListeningPlaces {
    listeners: Option<Listeners>,
    admin: Option<TcpListener>,
    admin_address: SocketAddr,
    binds: Vec<Bind>,
    /// Serves the pages.
    probes: Option<JoinHandle<()>>,
    /// The process before, which listens until this one is ready.
    before: Option<Peer>,
    /// Where places are offered to the next process, and their descriptors.
    offer: Option<(UnixSocket, OfferedPlaces)>,
    /// What is offered besides.
    offered: Option<Offer>,
    /// Where the task that offers the places learns that this process ends.
    offering: Option<Sender<oneshot::Sender<bool>>>,
    /// Whether another process takes over just now.
    is_asked: Arc<AtomicBool>,
    /// Connections that stay here for the next process, TLS; each holds the other end.
    relays: Option<Receiver<Infallible>>,
    /// Whether the process before still listens.
    is_waiting: bool,
    /// Whether it goes on.
    patience: Patience,
    /// Whether it was reported to the service manager that clients are served.
    is_ready: bool,
    steps: (Sender<ListenEvent>, Receiver<ListenEvent>),
}

impl ListeningPlaces {
    /// Listens at all places of the settings, by the descriptors of the process before if one is there, or of the service
    /// manager. Returns what that process has learned, too. Called within a runtime.
    pub(crate) fn open(
        settings: &Settings,
        mut passed: Passed,
    ) -> Result<(Self, Option<Vec<u8>>), ServerError> {
        let failed = |setting, (address, error)| ServerError::Bind { setting, address, error };
        let path = settings.upgrade_socket.as_deref();
        let inherited = match path {
            Some(path) => Peer::inherit(path, settings.state.bytes_max).map_err(|refused| {
                let (path, TakeoverRefused { pid, error }) = (Bind::Unix(path.to_owned()), refused);
                match error.kind() == io::ErrorKind::TimedOut {
                    true => ServerError::Silent { path, pid },
                    false => ServerError::NotHandedOver { path, error },
                }
            })?,
            None => None,
        };
        let (before, mut inherited, state) = match inherited {
            Some(Inheritance { peer, places, state, is_ending }) => {
                if is_ending {
                    tracing::info!("the process before drains: this one serves new clients");
                }
                ((!is_ending).then_some(peer), places, Some(state))
            }
            None => (None, Vec::new(), None),
        };
        let mut take = |name: &str| {
            let at = inherited.iter().position(|(known, _)| known == name)?;
            Some(inherited.swap_remove(at).1)
        };
        let admin = take(&admin_name(settings.admin)).or_else(|| passed.take(settings.admin));
        let admin = match admin {
            Some(descriptor) => listener::adopt(descriptor),
            None if path.is_some() => bind_once_free(settings.admin),
            None => listener::bind(settings.admin),
        };
        let admin = admin.map_err(|error| failed("admin", (Bind::Tcp(settings.admin), error)))?;
        let taken = |bind: &Bind| match bind {
            Bind::Tcp(address) => take(&door_name(bind)).or_else(|| passed.take(*address)),
            Bind::Unix(_) => take(&door_name(bind)),
        };
        let listeners = Listeners::take_over(&settings.bind, settings.bind_mode, taken)
            .map_err(|error| failed("bind", error))?;
        let offer = path.map(|path| {
            let socket = match take(UPGRADE) {
                Some(descriptor) => UnixSocket::take_over(path, descriptor),
                None => UnixSocket::bind(path, 0o600),
            };
            let socket = socket?;
            Ok((named_descriptors(settings, &listeners, &admin, &socket)?, socket))
        });
        let offer = offer.transpose().map_err(|error: io::Error| {
            let path = path.map(std::path::Path::to_owned).unwrap_or_default();
            failed("upgrade.socket", (Bind::Unix(path), error))
        })?;
        let admin_address = admin.local_addr().unwrap_or(settings.admin);
        let places = Self {
            binds: listeners.binds(),
            listeners: Some(listeners),
            admin: Some(admin),
            admin_address,
            probes: None,
            is_waiting: before.is_some(),
            before,
            offer: offer.map(|(descriptors, socket)| (socket, descriptors)),
            offered: None,
            offering: None,
            is_asked: Arc::default(),
            relays: None,
            patience: Patience::new(settings.upgrade_lanes_wait_s, state.as_deref()),
            is_ready: false,
            steps: mpsc::channel(STEPS),
        };
        Ok((places, state))
    }

    /// Every place where clients connect.
    #[must_use]
    pub(crate) fn binds(&self) -> Vec<Bind> {
        self.binds.clone()
    }

    /// Where metrics and probes are served.
    #[must_use]
    pub(crate) const fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// Serves the pages and offers all of it to the next process. If there is a process before this one, it is asked
    /// to leave first, once all lanes are there.
    pub(crate) fn start(&mut self, pages: &Arc<AdminPages>, what: Option<Offer>) {
        self.offered = what;
        let Some(before) = self.before.take() else {
            self.enter(pages);
            self.offer_places();
            return;
        };
        let (pages, steps, wait_s) =
            (Arc::clone(pages), self.steps.0.clone(), self.patience.wait_s());
        tokio::spawn(take_over(before, pages, steps, wait_s));
    }

    /// Whether this process may go on after another round in which no contact point could be used, `error`.
    pub(crate) fn on_round_failed(&mut self, error: &ControlError) -> bool {
        !self.is_waiting || self.patience.on_round_failed(error)
    }

    /// Whether this process may go on now that a cluster was reached, `own`.
    pub(crate) fn on_cluster(&mut self, own: &StateHeader) -> bool {
        !self.is_waiting || self.patience.on_cluster(own)
    }

    /// This process is the one that listens.
    fn enter(&mut self, pages: &Arc<AdminPages>) {
        let listeners = self.listeners.iter().flat_map(Listeners::tcp);
        keep(listeners.chain(&self.admin).map(AsFd::as_fd));
        self.serve_pages(pages);
        if let Some(listeners) = &mut self.listeners {
            listeners.own();
        }
        if let Some((socket, _)) = &mut self.offer {
            socket.own();
        }
    }

    /// Offers everything to the next process. Clients of the process before have come by now: one that came later would
    /// find this process at its end.
    fn offer_places(&mut self) {
        if let Some(((socket, descriptors), what)) = self.offer.take().zip(self.offered.take()) {
            let (ends, ending) = mpsc::channel(1);
            self.offering = Some(ends);
            let (is_asked, steps) = (Arc::clone(&self.is_asked), self.steps.0.clone());
            let line = OfferLine { ends: ending, is_asked, steps };
            tokio::spawn(offer(socket, descriptors, what, line));
        }
    }

    fn serve_pages(&mut self, pages: &Arc<AdminPages>) {
        if let Some(admin) = self.admin.take() {
            let pages = Arc::clone(pages);
            self.probes =
                Some(tokio::spawn(async move { match http::serve(admin, pages).await {} }));
        }
    }

    /// Clients can be served.
    pub(crate) fn on_open(&mut self) {
        if !self.is_waiting && !std::mem::replace(&mut self.is_ready, true) {
            service_manager::notify_ready();
        }
    }

    /// Whether another process takes over just now: it has asked, and has not got all clients yet.
    #[must_use]
    pub(crate) fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed)
    }

    /// What happens next. New clients come only if `is_open`.
    pub(crate) async fn next(&mut self, is_open: bool) -> ListenEvent {
        let is_open = is_open && !self.is_waiting;
        let client = async {
            match &mut self.listeners {
                Some(listeners) if is_open => listeners.accept().await,
                Some(_) | None => pending().await,
            }
        };
        tokio::select! {
            client = client => ListenEvent::Client(client),
            Some(step) = self.steps.1.recv() => step,
        }
    }

    /// Does what a step asks for; whether nothing is left to be done here.
    pub(crate) async fn on_step(
        &mut self,
        step: ListenEvent,
        workers: &mut Workers,
        pages: &Arc<AdminPages>,
        kept: &mut Kept,
    ) -> bool {
        match step {
            ListenEvent::Client(client) => workers.hand_out(client).await,
            ListenEvent::MovedIn(stream, client) => workers.take_in(stream, *client).await,
            ListenEvent::Listening => self.on_listening(pages),
            ListenEvent::AllMovedIn => self.offer_places(),
            ListenEvent::Successor(next) => {
                kept.leave_file();
                self.give(next, workers).await;
            }
            ListenEvent::GivenAway => {
                self.is_asked.store(false, Ordering::Relaxed);
                return true;
            }
            ListenEvent::PlaceLeft => {
                kept.leave_file();
                self.stop_pages();
                tracing::info!("a new process serves new clients: this one ends with its requests");
            }
            ListenEvent::NoLane(why) => {
                self.patience.give_up(why);
                kept.leave_file();
                return true;
            }
        }
        false
    }

    /// The process before listens no more.
    fn on_listening(&mut self, pages: &Arc<AdminPages>) {
        (self.is_waiting, self.is_ready) = (false, true);
        self.enter(pages);
        tracing::info!("the place of the process before is taken");
    }

    /// Leaves all places to the next process, and gives it the clients.
    async fn give(&mut self, next: Peer, workers: &Workers) {
        if let Some(listeners) = self.listeners.take() {
            listeners.leave();
        }
        self.stop_pages();
        let (given, mut arriving) = mpsc::channel(GIVEN);
        let since_us = clock::now_us();
        let giving = Giving { to: given, since_us, until_us: since_us + GIVING_US };
        workers.send_all(|| WorkerCommand::GiveClients(giving.clone())).await;
        drop(giving);
        let steps = self.steps.0.clone();
        let (holds, relays) = mpsc::channel(1);
        self.relays = Some(relays);
        let runtime = Handle::current();
        drop(spawn_blocking(move || {
            let (mut count, mut relayed) = (0_u64, 0_u64);
            while let Some(client) = arriving.blocking_recv() {
                count += 1;
                if let Err(error) = next.send_client(&client) {
                    tracing::warn!(%error, "a client is closed: the process that it moves to is gone");
                } else if let Some(relay) = client.connection.relay {
                    relayed += 1;
                    let hold = holds.clone();
                    runtime.spawn(async move {
                        relay.run().await;
                        drop(hold);
                    });
                }
            }
            if let Err(error) = next.say_done() {
                tracing::warn!(%error, "the process that took over is gone");
            }
            tracing::info!(clients = count, relayed, "another process has taken over");
            steps.blocking_send(ListenEvent::GivenAway).ok();
        }));
    }

    /// Whether this process served until it was to end; the process before goes on if this one may not take its place.
    pub(crate) fn verdict(&mut self) -> Result<(), ServerError> {
        self.patience.take_reason().map_or(Ok(()), Err)
    }

    /// Waits until the last client over TLS is gone whose requests the next process serves.
    pub(crate) async fn relayed(&mut self) {
        if let Some(relays) = &mut self.relays {
            relays.recv().await;
        }
    }

    /// Clients can connect here no more. A new process that comes meanwhile gets the admin address.
    pub(crate) async fn close(&mut self) {
        if self.listeners.is_some() {
            service_manager::notify_stopping();
        }
        if !self.is_waiting {
            self.offer_places();
        }
        self.offer = None;
        // New clients are refused at once, instead of waiting in the kernel for the end, unless another process may have the
        // listeners already.
        let listeners = self.listeners.take().filter(|_| self.is_asked());
        if let Some(offering) = self.offering.take() {
            let (done, is_done) = oneshot::channel();
            // It has ended where another process has taken over.
            let is_sent = offering.send(done).await.is_ok();
            let is_taken = is_sent && matches!(timeout(CLOSED_MAX, is_done).await, Ok(Ok(true)));
            if let Some(listeners) = listeners
                && is_taken
            {
                listeners.leave();
            }
        }
    }

    /// Serves no page any more.
    pub(crate) fn stop_pages(&mut self) {
        if let Some(probes) = self.probes.take() {
            probes.abort();
        }
    }
}

/// Has the service manager keep listeners of TCP, and no others, so that clients wait in them while the process is
/// started again, and are not refused. Files of Unix sockets go with the process.
fn keep<'a>(listeners: impl Iterator<Item = BorrowedFd<'a>>) {
    let Some(manager) = service_manager::connect() else { return };
    service_manager::notify("FDSTOREREMOVE=1\nFDNAME=shardlane");
    for listener in listeners {
        if let Err(error) = descriptors::send(&manager, b"FDSTORE=1\nFDNAME=shardlane", &[listener])
        {
            tracing::debug!(%error, "the service manager was not given a listener");
        }
    }
}

const UPGRADE: &str = "upgrade";

fn door_name(bind: &Bind) -> String {
    format!("clients {bind}")
}

fn admin_name(address: SocketAddr) -> String {
    format!("admin {address}")
}

/// A descriptor of each place, with its name.
fn named_descriptors(
    settings: &Settings,
    listeners: &Listeners,
    admin: &TcpListener,
    socket: &UnixSocket,
) -> io::Result<OfferedPlaces> {
    let names = settings.bind.iter().map(door_name);
    let clients = names.zip(listeners.descriptors()?).collect();
    let admin = (admin_name(settings.admin), admin.as_fd().try_clone_to_owned()?);
    let socket = (UPGRADE.to_owned(), socket.as_fd().try_clone_to_owned()?);
    Ok(OfferedPlaces { clients: Arc::new(clients), own: Arc::new(vec![admin, socket]) })
}

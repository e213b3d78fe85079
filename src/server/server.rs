//! The whole: control connection, workers, listener and pages, started together and drained.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::sleep;

use crate::config::reader::SettingEntry;
use crate::config::settings::{AuthMode, DrainSettings, Settings};
use crate::control::contact::hint;
use crate::control::control;
use crate::control::error::chain;
use crate::control::watch::{ControlReport, ControlRequest};
use crate::listen::listener::Bind;
use crate::listen::passed::Passed;
use crate::platform::clock;
use crate::pool::login::credential_book::CredentialBook;
use crate::pool::nodes::node_choice::NodeChoice;
use crate::pool::worker_events::WorkerEvent;
use crate::server::assemble;
use crate::server::drain::{Drain, DrainPhase};
use crate::server::error::ServerError;
use crate::server::facade::Front;
use crate::server::reload::{ReloadRequest, ReloadStats, Reloadable, Reloader, SettingsChange};
use crate::server::rotation::Tls;
use crate::server::secrets;
use crate::server::state_file::Kept;
use crate::server::upgrade::handover::Offer;
use crate::server::upgrade::places::ListeningPlaces;
use crate::server::views::pages::{AdminPages, PageControl};
use crate::server::workers::{WorkerStart, Workers, start_workers};
use crate::telemetry::logging;
use crate::worker::command::WorkerCommand;
use crate::worker::setup::WorkerSettings;

/// Messages of the control connection, and of workers, that may wait.
const MESSAGES: usize = 1024;
/// Requests for a reload that may wait.
const RELOADS: usize = 16;

/// How often clients are counted while the process lingers after SIGTERM.
const CLIENTS_POLL: Duration = Duration::from_millis(250);
/// How long clients wait for the first lane; after that they are served errors.
const FIRST_LANE: Duration = Duration::from_secs(15);

/// Reloads of the settings, on their way.
#[derive(Debug)]
struct Reloads {
    ask: Sender<ReloadRequest>,
    requests: Receiver<ReloadRequest>,
    stats: Arc<ReloadStats>,
}

/// A server that is bound and has its workers, and serves no client yet.
#[derive(Debug)]
pub(crate) struct Server {
    workers: Workers,
    places: ListeningPlaces,
    tls: Tls,
    pages: Arc<AdminPages>,
    control: (Sender<ControlRequest>, Receiver<ControlReport>),
    events: Receiver<WorkerEvent>,
    file_poll_ms: u64,
    drain: DrainSettings,
    /// Asks for the end, by the admin address.
    quit: Receiver<()>,
    book: Arc<CredentialBook>,
    reloads: Reloads,
    startup_without_cluster: bool,
    kept: Kept,
    state_bytes_max: u64,
}

impl Server {
    /// Binds the addresses, unless listeners are passed, and starts workers and control connection. Called within a
    /// runtime.
    pub(crate) fn start(settings: &Settings, passed: Passed) -> Result<Self, ServerError> {
        let tls = Tls::load(settings)?;
        let (places, state) = ListeningPlaces::open(settings, passed)?;
        let credential = assemble::credential(settings).map_err(|error| {
            let file = settings.password_file.clone().unwrap_or_default();
            ServerError::Password { file: file.display().to_string(), error }
        })?;
        let is_service = settings.auth_mode() == AuthMode::Service;
        let seed = RandomState::new().build_hasher().finish();
        let rights = credential.clone().filter(|_| is_service);
        let (dialing, shared) = assemble::connecting(settings, rights, &tls);
        let budget = Arc::clone(&dialing.lanes);
        let book = Arc::clone(&shared.book);
        if let Some(credential) = &credential {
            tokio::spawn(secrets::follow(settings.clone(), Arc::clone(credential)));
        }
        let (to_server, events) = mpsc::channel(MESSAGES);
        let start = WorkerStart { shared, dialing, to_server, seed };
        let workers = start_workers(settings, &start).map_err(ServerError::Worker)?;
        let remote_nodes_max = settings.failover.remote_nodes_max;
        let choice = NodeChoice { rack: settings.rack.clone(), remote_nodes_max, seed };
        let front = Front::new(&settings.bind, settings.bind_as_nodes);
        let workers = Workers::new(workers, front, tls.clients.clone(), choice);
        let (quit, quits) = mpsc::channel(1);
        let (reload, requests) = mpsc::channel(RELOADS);
        let stats = Arc::new(ReloadStats::new());
        let ask = reload.clone();
        let kept = Kept::start(&settings.state, workers.commands().into_iter().next(), state);
        let reload_stats = Arc::clone(&stats);
        let page_control = PageControl { quit, reload, reload_stats, state_stats: kept.stats() };
        let reloads = Reloads { ask, requests, stats };
        let commands = workers.commands();
        let pages = AdminPages::new(commands, budget, settings, tls.clone(), page_control);
        let pages = Arc::new(pages);
        if settings.startup_without_cluster {
            pages.on_open();
        }
        let (ask, requests) = mpsc::channel(MESSAGES);
        let (sender, reports) = mpsc::channel(MESSAGES);
        let mut control = assemble::control(settings, credential, &tls, seed);
        control.before = kept.place();
        control.reach.own = tcp_addresses(&places.binds()).collect();
        control.reach.book = (!is_service).then(|| Arc::clone(&book));
        tokio::spawn(control::run(control, requests, sender));
        Ok(Self {
            workers,
            places,
            tls,
            pages,
            control: (ask, reports),
            events,
            file_poll_ms: settings.file_poll_ms,
            drain: settings.drain,
            quit: quits,
            book,
            reloads,
            startup_without_cluster: settings.startup_without_cluster,
            kept,
            state_bytes_max: settings.state.bytes_max,
        })
    }

    /// Shows these settings in the console, with where they come from.
    pub(crate) fn show_settings(&self, settings: Vec<SettingEntry>) {
        self.pages.on_settings(settings);
    }

    /// Where clients connect by TCP; the first address of several.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        let absent = || io::Error::new(io::ErrorKind::NotFound, "no address to connect to");
        tcp_addresses(&self.binds()).next().ok_or_else(absent)
    }

    /// Every place where clients connect.
    #[must_use]
    pub(crate) fn binds(&self) -> Vec<Bind> {
        self.places.binds()
    }

    /// Where metrics and probes are served.
    #[must_use]
    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.places.admin_address()
    }

    /// How to ask each worker for its numbers, for a caller that started the server in its own process.
    #[must_use]
    pub(crate) fn workers(&self) -> Vec<Sender<WorkerCommand>> {
        self.workers.commands()
    }

    /// Where to ask for a reload of the settings.
    #[must_use]
    pub(crate) fn reloads(&self) -> Sender<ReloadRequest> {
        self.reloads.ask.clone()
    }

    /// Serves until `stop` hands out its first message, then ends in the phases of [`Drain`]; each further message skips
    /// one. It stops by itself, and fails, when contact points turn out to lead to several clusters, or to nothing but
    /// proxies. The settings are read again if they are `reloadable`.
    pub(crate) async fn serve(
        self,
        mut stop: Receiver<()>,
        reloadable: Option<Reloadable>,
    ) -> Result<(), ServerError> {
        let Self { mut workers, mut places, mut kept, pages, mut events, .. } = self;
        let (book, (ask, mut reports), tls) = (self.book, self.control, self.tls.clone());
        let mut changes = reload(self.reloads, reloadable);
        places.start(&pages, offer_of(&workers, &kept, self.state_bytes_max));
        let rotation =
            self.tls.is_used().then(|| tokio::spawn(self.tls.look_after(self.file_poll_ms)));
        let (mut drain, mut quit) = (Drain::new(self.drain), self.quit);
        let (mut open, mut phase) = (self.startup_without_cluster, drain.phase());
        let (mut outcome, mut patience) = (Ok(()), Box::pin(sleep(FIRST_LANE)));
        while drain.phase() != DrainPhase::Stopped {
            let serving = drain.phase() < DrainPhase::Draining;
            if !serving {
                // Before clients are closed: they connect again at once, and would wait for the end.
                places.close().await;
            } else if open {
                places.on_open();
            }
            if phase != drain.phase() {
                phase = drain.phase();
                enter(&drain, &pages, &workers, &mut kept).await;
            }
            let rest = drain.deadline_us().map(|at| at.saturating_sub(clock::now_us()));
            tokio::select! {
                _ = stop.recv() => current(&mut drain, &places).on_signal(clock::now_us()),
                _ = quit.recv() => {
                    tracing::info!("asked to stop by the admin address");
                    current(&mut drain, &places).on_quit(clock::now_us());
                }
                () = sleep(CLIENTS_POLL), if phase == DrainPhase::Lingering => {
                    let clients = pages.clients().await;
                    current(&mut drain, &places).on_clients(clients, clock::now_us());
                }
                step = places.next(serving && open) => {
                    if places.on_step(step, &mut workers, &pages, &mut kept).await {
                        current(&mut drain, &places).on_quit(clock::now_us());
                    }
                }
                Some(report) = reports.recv() => {
                    open |= matches!(report, ControlReport::Authenticator { class: Some(_), .. });
                    let refused = on_report(report, &workers, &pages, &mut kept, &mut places);
                    if let Some(error) = refused.await {
                        outcome = Err(error);
                        drain.on_quit(clock::now_us());
                    }
                }
                Some(event) = events.recv() => {
                    open |= matches!(event, WorkerEvent::PoolLanes(_, true));
                    on_event(event, &workers, &pages, &ask).await;
                }
                Some(change) = changes.recv() => {
                    put_in_force(&change.settings, &tls, &mut workers, &pages, &book, &ask).await;
                    drain.set_settings(change.settings.drain);
                    show_changed(change, &pages);
                }
                () = &mut patience, if !open => open = true,
                () = workers.ended(), if !serving => {
                    drain.on_idle(clock::now_us());
                    drain.on_closed();
                }
                () = sleep(Duration::from_micros(rest.unwrap_or(0))), if rest.is_some() => {
                    current(&mut drain, &places).on_time(clock::now_us());
                }
            }
        }
        places.stop_pages();
        if let Some(rotation) = rotation {
            rotation.abort();
        }
        outcome.and(relay(places, stop, &drain).await)
    }
}

/// The steps to the end; they wait while another process takes over.
fn current<'a>(drain: &'a mut Drain, places: &ListeningPlaces) -> &'a mut Drain {
    drain.on_takeover(places.is_asked(), clock::now_us());
    drain
}

/// Passes on the requests of clients over TLS, which the next process serves, until the last client is gone or a signal
/// comes; where a signal has come before, for `timeouts.drain_ms` at most. Returns an error if this process never served.
async fn relay(
    mut places: ListeningPlaces,
    mut stop: Receiver<()>,
    drain: &Drain,
) -> Result<(), ServerError> {
    tokio::select! {
        () = places.relayed() => {}
        _ = stop.recv() => {}
        () = sleep(drain.drain_time()), if drain.is_signalled() => {}
    }
    places.verdict()
}

/// What the next process is offered besides the places.
fn offer_of(workers: &Workers, kept: &Kept, bytes_max: u64) -> Option<Offer> {
    let worker = workers.commands().into_iter().next()?;
    Some(Offer { worker, abouts: kept.abouts(), bytes_max })
}

/// Passes on what the control connection reported; returns why the process has to stop, if it has to.
async fn on_report(
    report: ControlReport,
    workers: &Workers,
    pages: &AdminPages,
    kept: &mut Kept,
    places: &mut ListeningPlaces,
) -> Option<ServerError> {
    if let ControlReport::Failed(error) = &report
        && !places.on_round_failed(error)
    {
        kept.leave_file();
        return places.verdict().err();
    }
    kept.on_control(&report);
    // Looked at before there are lanes: with the first one this process would take over.
    let cluster = kept.abouts().borrow().clone();
    if cluster.is_some_and(|cluster| !places.on_cluster(&cluster)) {
        kept.leave_file();
        return places.verdict().err();
    }
    pages.on_control(&report);
    let refused = workers.on_control(report).await;
    if let Some(error) = &refused {
        let hint = hint::of_control(error);
        tracing::error!(error = chain(error), hint, "stopping: see contact_points");
    }
    kept.hand_to(workers).await;
    refused.map(ServerError::ContactPoints)
}

/// Starts what reads the settings again when that is asked for; returns where the changes arrive.
fn reload(reloads: Reloads, reloadable: Option<Reloadable>) -> Receiver<SettingsChange> {
    let (changes, arriving) = mpsc::channel(1);
    let Reloads { ask, requests, stats } = reloads;
    drop(ask);
    if let Some(Reloadable { sources, running }) = reloadable {
        tokio::spawn(Reloader { sources, running, requests, changes, stats }.run());
    }
    arriving
}

/// Puts changed settings in force, without touching a connection.
async fn put_in_force(
    settings: &Settings,
    tls: &Tls,
    workers: &mut Workers,
    pages: &AdminPages,
    book: &CredentialBook,
    ask: &Sender<ControlRequest>,
) {
    if let Err(error) = logging::set_level(&settings.log.level) {
        tracing::warn!(error, "log.level cannot be applied: the level of the log is unchanged");
    }
    let dialer = Arc::new(assemble::dialer(settings, tls));
    let pools = assemble::pools(settings, dialer.settings());
    let of_workers = WorkerSettings { engine: assemble::engine(settings), pools, dialer };
    workers.on_settings(&of_workers, settings.failover.remote_nodes_max).await;
    want(ask, ControlRequest::Pace(assemble::pace(settings)));
    pages.on_limits(assemble::limits(settings));
    book.set_max(settings.limits.credentials_max);
}

/// Does what a worker's report asks for.
async fn on_event(
    event: WorkerEvent,
    workers: &Workers,
    pages: &Arc<AdminPages>,
    ask: &Sender<ControlRequest>,
) {
    match event {
        WorkerEvent::PoolLanes(worker, up) => pages.on_lanes(worker, up),
        WorkerEvent::PeerMessage(from, message) => workers.broadcast(from, &message).await,
        WorkerEvent::RefreshTopology => want(ask, ControlRequest::Refresh),
        WorkerEvent::ReadTable(request) => want(ask, ControlRequest::ReadTable(request)),
        WorkerEvent::LoggedIn => want(ask, ControlRequest::Reach),
        WorkerEvent::CollectConsole(worker, table) => {
            let pages = Arc::clone(pages);
            tokio::spawn(async move { pages.collect_for(worker, table).await });
        }
    }
}

/// Asks something of the control connection. One whose queue is full looks at the cluster again
/// anyway, and workers ask again for tables.
fn want(ask: &Sender<ControlRequest>, request: ControlRequest) {
    if let Err(error) = ask.try_send(request) {
        tracing::debug!(%error, "a request for the control connection was lost");
    }
}

/// Shows changed settings, and reports that they are in force.
fn show_changed(change: SettingsChange, pages: &AdminPages) {
    pages.on_settings(change.entries);
    // The caller may have given up.
    change.done.send(()).ok();
}

/// Makes probes and workers follow a new phase.
async fn enter(drain: &Drain, pages: &AdminPages, workers: &Workers, kept: &mut Kept) {
    pages.on_draining();
    if drain.phase() >= DrainPhase::Draining {
        kept.write_last().await;
    }
    if let Some(until_us) = drain.deadline_us().filter(|_| drain.phase() >= DrainPhase::Draining) {
        tracing::info!(clients = pages.clients().await, "draining");
        workers.send_all(|| WorkerCommand::Drain { until_us }).await;
    }
}

fn tcp_addresses(binds: &[Bind]) -> impl Iterator<Item = SocketAddr> + '_ {
    binds.iter().filter_map(|bind| match bind {
        Bind::Tcp(address) => Some(*address),
        Bind::Unix(_) => None,
    })
}

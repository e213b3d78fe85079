//! What the operator's pages show: readiness, and the numbers of all workers.

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::admin::page::PageSource;
use crate::admin::readiness::{ProcessState, Readiness};
use crate::config::origin::SettingOrigin;
use crate::config::reader::SettingEntry;
use crate::config::settings::{PageAccess, Settings};
use crate::connect::handshake_budget::HandshakeBudget;
use crate::control::error::{ControlError, chain};
use crate::control::watch::ControlReport;
use crate::engine::limits::Limits;
use crate::engine::view::inspection::{LaneState, LaneView};
use crate::facade::console::table::ConsoleTable;
use crate::platform::clock;
use crate::pool::nodes::node_choice::NodeChoice;
use crate::server::assemble;
use crate::server::reload::{ReloadRequest, ReloadStats};
use crate::server::rotation::Tls;
use crate::server::state_file::StateStats;
use crate::server::views::dials;
use crate::server::views::live;
use crate::server::views::view::View;
use crate::server::workers;
use crate::telemetry::exporter;
use crate::telemetry::logging;
use crate::telemetry::openmetrics::Format;
use crate::telemetry::recent;
use crate::telemetry::report::{ClusterReport, TabletReadReport, WorkerReport};
use crate::topology::snapshot::Snapshot;
use crate::worker::command::WorkerCommand;

/// How long the workers may take to show themselves.
const VIEW_TIMEOUT: Duration = Duration::from_secs(3);

/// How old a message of the live page may be, µs; another is made each second.
const LIVE_AGE_US_MAX: u64 = 900_000;

/// The source of the pages. Its locks are never held across a wait, nor taken on the road.
#[derive(Debug)]
pub(crate) struct AdminPages {
    workers: Vec<Sender<WorkerCommand>>,
    budget: Arc<HandshakeBudget>,
    limits: RwLock<Limits>,
    tls: Tls,
    readiness: RwLock<Readiness>,
    /// Which workers have a lane.
    have_lanes: RwLock<Vec<bool>>,
    /// Whether clients log in themselves: there are no lanes before the first has.
    on_demand: AtomicBool,
    snapshot: RwLock<Arc<Snapshot>>,
    settings: RwLock<Vec<SettingEntry>>,
    /// To whom the live page is shown.
    page_access: PageAccess,
    /// The last message of the live page, and when it was made, µs: all that look at it share one.
    kept_live: RwLock<Option<(String, u64)>>,
    /// When the process began, ms since 1970.
    started_ms: i64,
    tablet_reads: RwLock<TabletReadReport>,
    control: PageControl,
}

/// What pages may ask of the process.
#[derive(Clone, Debug)]
pub(crate) struct PageControl {
    /// Ends it.
    pub quit: Sender<()>,
    /// Has its settings read again.
    pub reload: Sender<ReloadRequest>,
    /// What became of that.
    pub reload_stats: Arc<ReloadStats>,
    /// What became of the file that is kept over a restart.
    pub state_stats: Arc<StateStats>,
}

impl AdminPages {
    /// Pages of a process that is starting.
    #[must_use]
    pub(crate) fn new(
        workers: Vec<Sender<WorkerCommand>>,
        budget: Arc<HandshakeBudget>,
        settings: &Settings,
        tls: Tls,
        control: PageControl,
    ) -> Self {
        let reason = "no node of the cluster was reached yet";
        Self {
            have_lanes: RwLock::new(vec![false; workers.len()]),
            on_demand: AtomicBool::new(false),
            workers,
            budget,
            limits: RwLock::new(assemble::limits(settings)),
            tls,
            readiness: RwLock::new(Readiness::because(ProcessState::Starting, reason)),
            snapshot: RwLock::default(),
            settings: RwLock::default(),
            page_access: settings.page,
            kept_live: RwLock::default(),
            started_ms: clock::unix_us() / 1_000,
            tablet_reads: RwLock::default(),
            control,
        }
    }

    /// These bounds are in force from now on.
    pub(crate) fn on_limits(&self, limits: Limits) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// Clients are served from now on, whether or not there is a lane.
    pub(crate) fn on_open(&self) {
        let reason = "no connection to any node of the cluster";
        self.set_serving(Readiness::because(ProcessState::Serving, reason));
    }

    /// A worker has its first lane, or has lost its last. From the first one on clients are
    /// served, and get errors while there is none.
    pub(crate) fn on_lanes(&self, worker: usize, up: bool) {
        let mut have_lanes = self.have_lanes.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(has_lane) = have_lanes.get_mut(worker) {
            *has_lane = up;
        }
        let any = have_lanes.contains(&true) || self.on_demand.load(Ordering::Relaxed);
        drop(have_lanes);
        let mut readiness = self.readiness.write().unwrap_or_else(PoisonError::into_inner);
        if readiness.state == ProcessState::Draining {
            return;
        }
        *readiness = if any {
            Readiness::serving()
        } else {
            Readiness::because(ProcessState::Serving, "no connection to any node of the cluster")
        };
    }

    /// The process is about to stop.
    pub(crate) fn on_draining(&self) {
        let reason = Readiness::because(ProcessState::Draining, "stopping");
        *self.readiness.write().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    /// The control connection reported something.
    pub(crate) fn on_control(&self, report: &ControlReport) {
        match report {
            ControlReport::Published(publication) => {
                let mut snapshot = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
                *snapshot = Arc::clone(&publication.snapshot);
                drop(snapshot);
                let candidates = workers::candidates(publication);
                let local = NodeChoice::default().local_targets(candidates);
                self.not_started_since(&if local.is_empty() {
                    workers::no_local_node(publication)
                } else {
                    "no connection to a node is ready yet".to_owned()
                });
            }
            ControlReport::Authenticator { class, .. } => {
                self.on_demand.store(class.is_some(), Ordering::Relaxed);
                if class.is_some() {
                    self.set_serving(Readiness::serving());
                }
            }
            ControlReport::Failed(error) | ControlReport::Refused(error) => self.on_failed(error),
            ControlReport::Tablets(page) => {
                let mut reads = self.tablet_reads.write().unwrap_or_else(PoisonError::into_inner);
                reads.add(page);
            }
            ControlReport::SchemaChange(_)
            | ControlReport::TableKey(_)
            | ControlReport::EventsMissed
            | ControlReport::NodeUp(_) => {}
        }
    }

    /// No node can be watched. Where there are lanes, their own state is shown.
    fn on_failed(&self, error: &ControlError) {
        self.not_started_since(&chain(error));
        let have_lanes = self.have_lanes.read().unwrap_or_else(PoisonError::into_inner);
        let is_alone = !have_lanes.contains(&true) && error.logins_wanted().is_empty();
        drop(have_lanes);
        if is_alone && self.on_demand.load(Ordering::Relaxed) {
            self.set_serving(Readiness::because(ProcessState::Serving, &chain(error)));
        }
    }

    /// Sets the state that is shown, unless the process is about to end.
    fn set_serving(&self, now: Readiness) {
        let mut readiness = self.readiness.write().unwrap_or_else(PoisonError::into_inner);
        if readiness.state != ProcessState::Draining {
            *readiness = now;
        }
    }

    /// Sets the reason why clients are not served yet, as long as they are not.
    fn not_started_since(&self, reason: &str) {
        let mut readiness = self.readiness.write().unwrap_or_else(PoisonError::into_inner);
        if readiness.state == ProcessState::Starting {
            *readiness = Readiness::because(ProcessState::Starting, reason);
        }
    }
}

impl PageSource for AdminPages {
    async fn metrics(&self, format: Format) -> Result<String, String> {
        let reports = self.reports().await.ok_or_else(|| "a worker has ended".to_owned())?;
        let snapshot = Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner));
        let dials = dials::report(&self.budget);
        let cluster = ClusterReport {
            snapshot,
            limits: *self.limits.read().unwrap_or_else(PoisonError::into_inner),
            dials,
            tls: self.tls.report(),
            tablet_reads: *self.tablet_reads.read().unwrap_or_else(PoisonError::into_inner),
            log_lines_lost: logging::lines_lost(),
            reload: self.control.reload_stats.report(),
            state: self.control.state_stats.report(),
        };
        exporter::render(&reports, &cluster, format)
    }

    async fn live(&self) -> Result<String, String> {
        let now_us = clock::now_us();
        {
            let kept = self.kept_live.read().unwrap_or_else(PoisonError::into_inner);
            if let Some((text, at_us)) = &*kept
                && now_us.saturating_sub(*at_us) < LIVE_AGE_US_MAX
            {
                return Ok(String::clone(text));
            }
        }
        let looked = async { Some((self.view(&live::SHOWN).await?, self.reports().await?)) };
        let looked = timeout(VIEW_TIMEOUT, looked).await.ok().flatten();
        let (view, reports) = looked.ok_or_else(|| "a worker did not answer in time".to_owned())?;
        let text = live::message(&view, &reports, &self.readiness(), self.started_ms);
        let kept = Some((text.clone(), now_us));
        *self.kept_live.write().unwrap_or_else(PoisonError::into_inner) = kept;
        Ok(text)
    }

    fn shows_page(&self, is_local: bool) -> bool {
        self.page_access.admits(is_local)
    }

    fn readiness(&self) -> Readiness {
        self.readiness.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn quit(&self) {
        // A full queue means that it was asked for already.
        self.control.quit.try_send(()).ok();
    }

    async fn reload(&self) -> Result<String, String> {
        let (answer, outcome) = oneshot::channel();
        let request = ReloadRequest { cause: "admin", answer: Some(answer) };
        let asked = self.control.reload.send(request).await;
        let unasked = "the settings of this process cannot be read again";
        asked.map_err(|_| unasked.to_owned())?;
        outcome.await.unwrap_or_else(|_| Err(unasked.to_owned()))
    }

    fn log_level(&self) -> String {
        logging::level()
    }

    fn set_log_level(&self, level: &str) -> Result<(), String> {
        logging::set_level(level)?;
        tracing::info!(level, "the level of the log was set by PUT /log-level");
        let mut settings = self.settings.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = settings.iter_mut().find(|entry| entry.key == "log.level") {
            level.clone_into(&mut entry.value);
            entry.origin = SettingOrigin::Command("PUT /log-level");
        }
        Ok(())
    }
}

impl AdminPages {
    /// The numbers of all workers; `None` when one has ended.
    async fn reports(&self) -> Option<Vec<WorkerReport>> {
        let mut reports = Vec::new();
        for worker in &self.workers {
            let (answer, report) = oneshot::channel();
            worker.send(WorkerCommand::Report(answer)).await.ok()?;
            let (tally, gauges) = report.await.ok()?;
            reports.push(WorkerReport { tally, gauges });
        }
        Some(reports)
    }

    /// Shows these settings from now on.
    pub(crate) fn on_settings(&self, settings: Vec<SettingEntry>) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// Looks at all workers, as far as these tables show them; `None` when one does not answer in time.
    pub(crate) async fn view(&self, wanted: &[ConsoleTable]) -> Option<View> {
        let wanted: Arc<[ConsoleTable]> = wanted.into();
        let looks = async {
            let mut workers = Vec::new();
            for worker in &self.workers {
                let (to, inspection) = oneshot::channel();
                worker
                    .send(WorkerCommand::Inspect { wanted: Arc::clone(&wanted), to })
                    .await
                    .ok()?;
                workers.push(inspection.await.ok()?);
            }
            Some(workers)
        };
        let workers = timeout(VIEW_TIMEOUT, looks).await.ok()??;
        let snapshot = Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner));
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner).clone();
        let (dials, lines, unix_us) =
            (dials::report(&self.budget), recent::lines(), clock::unix_us());
        Some(View { workers, snapshot, dials, settings, lines, unix_us })
    }

    /// Collects the rows of a table of the console and hands them to the worker that asked.
    pub(crate) async fn collect_for(&self, worker: usize, table: ConsoleTable) {
        let view = self.view(&[table]).await;
        let contents = view.map(|view| Arc::new(view.contents(table)));
        if let Some(worker) = self.workers.get(worker) {
            // A worker that has ended asks for nothing more.
            worker.send(WorkerCommand::Console { table, contents }).await.ok();
        }
    }

    /// How many lanes there are, and how many there would be with one to each shard. Where clients log in themselves
    /// lanes come with them, and one is said to be there.
    pub(crate) async fn lanes(&self) -> (usize, usize) {
        if self.on_demand.load(Ordering::Relaxed) {
            return (1, 1);
        }
        let Some(view) = self.view(&[ConsoleTable::Lanes]).await else { return (0, 0) };
        let is_plain = |lane: &LaneView| lane.keyspace.is_none() && lane.state == LaneState::Open;
        let open = view.all_lanes().filter(|(_, _, lane)| is_plain(lane)).count();
        let shards = view.snapshot.nodes().iter().map(|node| view.shards_of(node.id));
        let shards = shards.map(|shards| shards.map(usize::from)).sum::<Option<usize>>();
        (open, shards.map_or(usize::MAX, |shards| shards * self.workers.len()))
    }

    /// How many clients are connected, by the workers' own count.
    pub(crate) async fn clients(&self) -> u64 {
        let mut clients = 0;
        for worker in &self.workers {
            let (answer, report) = oneshot::channel();
            if worker.send(WorkerCommand::Report(answer)).await.is_ok()
                && let Ok((_, gauges)) = report.await
            {
                clients += gauges.clients;
            }
        }
        clients
    }
}

//! What was learned is kept in a file: read when the process starts, written every so often and when it stops.
//!
//! A worker hands out what it knows in small parts between its requests; files are touched by a thread of their
//! own. The first worker speaks for all: they report to each other what they learn.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::config::settings::StateSettings;
use crate::control::tables::publication::Publication;
use crate::control::watch::ControlReport;
use crate::platform::bounded_file;
use crate::platform::clock;
use crate::platform::replaced_file::ReplacedFile;
use crate::server::views::collector::Collector;
use crate::server::workers::Workers;
use crate::state::format::{self, CheckedState};
use crate::state::record::{Record, StateHeader};
use crate::telemetry::report::StateReport;
use crate::worker::command::WorkerCommand;

/// Pause of the worker between two parts.
const PAUSE: Duration = Duration::from_millis(1);
/// How long the file may take when the process stops.
const LAST_MAX: Duration = Duration::from_secs(3);

/// What became of the file so far.
#[derive(Debug, Default)]
pub(crate) struct StateStats {
    restored_age_s: AtomicU64,
    writes: AtomicU64,
    write_failures: AtomicU64,
    read_failures: AtomicU64,
    written_s: AtomicU64,
    bytes: AtomicU64,
}

impl StateStats {
    /// The numbers for the metrics page.
    #[must_use]
    pub(crate) fn report(&self) -> StateReport {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        StateReport {
            restored_age_s: get(&self.restored_age_s),
            writes: get(&self.writes),
            write_failures: get(&self.write_failures),
            read_failures: get(&self.read_failures),
            written_s: get(&self.written_s),
            bytes: get(&self.bytes),
        }
    }
}

/// What is kept, as the server sees it.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The state of the process before, until the cluster is known.
    before: Option<Vec<u8>>,
    about: watch::Sender<Option<StateHeader>>,
    /// Asks for a last writing; `None` when nothing is kept.
    last: Option<Sender<oneshot::Sender<()>>>,
    stats: Arc<StateStats>,
}

impl Kept {
    /// Begins with what the process before handed over, else with its file, and keeps the file up to date from now
    /// on. Called within a runtime.
    #[must_use]
    pub(crate) fn start(
        settings: &StateSettings,
        worker: Option<Sender<WorkerCommand>>,
        handed_over: Option<Vec<u8>>,
    ) -> Self {
        let stats = Arc::new(StateStats::default());
        let (about, abouts) = watch::channel(None);
        let read = || read(settings.file.as_deref()?, settings, &stats);
        let before = handed_over.filter(|bytes| CheckedState::check(bytes).is_ok()).or_else(read);
        let saver = settings.file.clone().zip(worker);
        let last = saver.map(|(path, worker)| {
            let (last, asked) = mpsc::channel(1);
            let (settings, stats) = (settings.clone(), Arc::clone(&stats));
            let saver = StateSaver { path: path.into(), settings, worker, abouts, stats };
            tokio::spawn(saver.run(asked));
            last
        });
        Self { before, about, last, stats }
    }

    /// What became of the file.
    #[must_use]
    pub(crate) fn stats(&self) -> Arc<StateStats> {
        Arc::clone(&self.stats)
    }

    /// Which cluster the process before served, and where clients saw it; `None` when nothing is known of it.
    #[must_use]
    pub(crate) fn place(&self) -> Option<StateHeader> {
        let state = CheckedState::check(self.before.as_deref()?).ok()?;
        Some(state.about().clone())
    }

    /// The control connection reported something, perhaps another picture of the cluster.
    pub(crate) fn on_control(&self, report: &ControlReport) {
        if let ControlReport::Published(publication) = report {
            self.about.send_replace(Some(about(publication)));
        }
    }

    /// Hands to the workers what the process before knew, once they have a picture of the cluster.
    pub(crate) async fn hand_to(&mut self, workers: &Workers) {
        let now = self.about.borrow().clone();
        if let Some(now) = now
            && let Some(bytes) = self.before.take()
        {
            self.restore(&bytes, &now, workers).await;
        }
    }

    async fn restore(&self, bytes: &[u8], now: &StateHeader, workers: &Workers) {
        // It was checked when it was read.
        let Ok(state) = CheckedState::check(bytes) else { return };
        if let Some(reason) = state.about().differs_from(now) {
            self.stats.read_failures.fetch_add(1, Ordering::Relaxed);
            let cluster = &*state.about().cluster;
            tracing::warn!(reason, cluster, "the state of the process before is not used");
            return;
        }
        let has_schema = state.about().has_schema_of(now);
        let age_s = now.collected_s.saturating_sub(state.about().collected_s);
        self.stats.restored_age_s.store(age_s, Ordering::Relaxed);
        let first = Record::Header(state.about().clone());
        let (mut tablets, mut statements) = (0, 0);
        for record in std::iter::once(first).chain(state) {
            let Some(record) = as_of_now(record, has_schema) else { continue };
            match &record {
                Record::Statements(some) => statements += some.len(),
                Record::Tablets(some) => tablets += some.tablets.len(),
                Record::Header(_) | Record::Keys(_) => {}
            }
            let record = Arc::new(record);
            workers.send_all(|| WorkerCommand::Restore(Arc::clone(&record))).await;
        }
        tracing::info!(tablets, statements, age_s, "began with the state of the process before");
    }

    /// The header that a state collected now has; `None` before the cluster is known.
    #[must_use]
    pub(crate) fn abouts(&self) -> watch::Receiver<Option<StateHeader>> {
        self.about.subscribe()
    }

    /// The file is another process's from now on.
    pub(crate) fn leave_file(&mut self) {
        self.last = None;
    }

    /// Writes the file a last time, in bounded time: the workers are about to end.
    pub(crate) async fn write_last(&mut self) {
        let Some(last) = self.last.take() else { return };
        let (done, is_done) = oneshot::channel();
        if last.send(done).await.is_ok() && timeout(LAST_MAX, is_done).await.is_err() {
            tracing::warn!("the file of state.file took too long and was not written at the end");
        }
    }
}

/// The header that a state collected now has.
fn about(publication: &Publication) -> StateHeader {
    let tables = &publication.tables;
    let cell = |name: &str| {
        let at = tables.local.iter().position(|column| column.name == name)?;
        tables.local_row.get(at)?.as_deref()
    };
    let cluster = cell("cluster_name").and_then(|cell| str::from_utf8(cell).ok());
    StateHeader {
        cluster: cluster.unwrap_or_default().into(),
        schema_version: cell("schema_version").and_then(|cell| cell.try_into().ok()),
        hosts: publication.snapshot.nodes().iter().map(|node| node.host).collect(),
        data_center: (&*publication.data_center).into(),
        rack: (&*publication.rack).into(),
        incomplete: false,
        collected_s: unix_s(),
    }
}

/// What is still true of a record. After a change of the schema no client's columns are known, and no key is.
fn as_of_now(record: Record, has_schema: bool) -> Option<Record> {
    match record {
        Record::Statements(mut statements) => {
            for restored in &mut statements {
                restored.changed |= !has_schema;
                restored.mixed |= !has_schema;
            }
            Some(Record::Statements(statements))
        }
        Record::Keys(keys) => has_schema.then_some(Record::Keys(keys)),
        record @ (Record::Header(_) | Record::Tablets(_)) => Some(record),
    }
}

/// Reads the file and checks all of its bytes.
fn read(path: &Path, settings: &StateSettings, stats: &StateStats) -> Option<Vec<u8>> {
    let refuse = |reason: &str| {
        stats.read_failures.fetch_add(1, Ordering::Relaxed);
        let path = path.display();
        tracing::warn!(%path, reason, "the state of the process before is not used");
    };
    match bounded_file::read_up_to(path, settings.bytes_max) {
        Ok(bytes) => match CheckedState::check(&bytes) {
            Ok(_) => Some(bytes),
            Err(error) => {
                refuse(&error.to_string());
                None
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            refuse(&error.to_string());
            None
        }
    }
}

/// Writes the file every so often.
#[derive(Debug)]
struct StateSaver {
    path: Arc<Path>,
    settings: StateSettings,
    worker: Sender<WorkerCommand>,
    abouts: watch::Receiver<Option<StateHeader>>,
    stats: Arc<StateStats>,
}

impl StateSaver {
    async fn run(self, mut asked: Receiver<oneshot::Sender<()>>) {
        let mut is_failing = false;
        loop {
            let last = tokio::select! {
                last = asked.recv() => match last {
                    Some(last) => Some(last),
                    None => return,
                },
                () = sleep(Duration::from_secs(self.settings.interval_s)) => None,
            };
            let pause = if last.is_some() { Duration::ZERO } else { PAUSE };
            // Before the cluster is known there is nothing to write, and the file may be of use later.
            let about = self.abouts.borrow().clone();
            if let Some(about) = about {
                match self.write(StateHeader { collected_s: unix_s(), ..about }, pause).await {
                    Ok(bytes) => self.on_written(bytes, &mut is_failing),
                    Err(error) => self.on_failed(&error, &mut is_failing),
                }
            }
            if let Some(last) = last {
                // The server may have waited long enough.
                last.send(()).ok();
                return;
            }
        }
    }

    fn on_written(&self, bytes: u64, is_failing: &mut bool) {
        self.stats.writes.fetch_add(1, Ordering::Relaxed);
        self.stats.bytes.store(bytes, Ordering::Relaxed);
        self.stats.written_s.store(unix_s(), Ordering::Relaxed);
        tracing::debug!(bytes, "the file of state.file was written");
        if std::mem::take(is_failing) {
            tracing::info!("the file of state.file can be written again");
        }
    }

    fn on_failed(&self, error: &io::Error, is_failing: &mut bool) {
        self.stats.write_failures.fetch_add(1, Ordering::Relaxed);
        if !std::mem::replace(is_failing, true) {
            let path = self.path.display();
            let hint = "let this user make files in its folder, and give the name of no other file";
            tracing::warn!(%path, %error, hint, "the file of state.file cannot be written");
        }
    }

    /// Writes what the worker knows; returns the length of the file.
    async fn write(&self, about: StateHeader, pause: Duration) -> io::Result<u64> {
        let path = Arc::clone(&self.path);
        let mut file = in_background(move || ReplacedFile::begin(&path, format::is_state)).await?;
        let bytes_max = self.settings.bytes_max;
        let mut state = Collector::new(self.worker.clone(), about, bytes_max, pause);
        let mut written = 0_u64;
        while let Some(chunk) = state.next().await? {
            written += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            file = in_background(move || file.write(&chunk).map(|()| file)).await?;
        }
        in_background(move || file.commit()).await?;
        Ok(written)
    }
}

/// Touches a file: its system may be slow, or hang.
async fn in_background<T: Send + 'static>(
    act: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(act).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn unix_s() -> u64 {
    u64::try_from(clock::unix_us()).unwrap_or(0) / 1_000_000
}

//! Reads the settings again while the process runs: when asked, and when their file has changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::config::error::Faults;
use crate::config::reader::SettingEntry;
use crate::config::running::{Reloaded, Running, Sources};
use crate::config::settings::Settings;
use crate::platform::{bounded_file, clock};
use crate::telemetry::report::ReloadReport;

/// Settings that can be read again.
#[derive(Debug)]
pub(crate) struct Reloadable {
    /// Where they come from.
    pub sources: Sources,
    /// Those in force.
    pub running: Running,
}

/// A wish to have the settings read again.
#[derive(Debug)]
pub(crate) struct ReloadRequest {
    /// What asks, for the log: `signal`, `admin` or `file`.
    pub cause: &'static str,
    /// Gets one line about what changed, or all that is wrong.
    pub answer: Option<oneshot::Sender<Result<String, String>>>,
}

/// Changed settings, for the server to put in force.
#[derive(Debug)]
pub(crate) struct SettingsChange {
    /// What is in force from now on.
    pub settings: Box<Settings>,
    /// The same as it was written, with where it comes from.
    pub entries: Vec<SettingEntry>,
    /// Is sent once they are.
    pub done: oneshot::Sender<()>,
}

/// What became of the reloads so far.
#[derive(Debug)]
pub(crate) struct ReloadStats {
    generation: AtomicU64,
    failures: AtomicU64,
    has_failed: AtomicBool,
    succeeded_s: AtomicU64,
}

impl ReloadStats {
    /// The settings of the start are the first generation.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self {
            generation: AtomicU64::new(1),
            failures: AtomicU64::new(0),
            has_failed: AtomicBool::new(false),
            succeeded_s: AtomicU64::new(unix_s()),
        }
    }

    fn on_success(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
        self.has_failed.store(false, Ordering::Relaxed);
        self.succeeded_s.store(unix_s(), Ordering::Relaxed);
    }

    fn on_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.has_failed.store(true, Ordering::Relaxed);
    }

    /// The numbers for the metrics page.
    #[must_use]
    pub(crate) fn report(&self) -> ReloadReport {
        ReloadReport {
            generation: self.generation.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            last_succeeded: !self.has_failed.load(Ordering::Relaxed),
            succeeded_s: self.succeeded_s.load(Ordering::Relaxed),
        }
    }
}

impl Default for ReloadStats {
    fn default() -> Self {
        Self::new()
    }
}

fn unix_s() -> u64 {
    u64::try_from(clock::unix_us()).unwrap_or(0) / 1_000_000
}

/// Looks that find no file until that is a fault: one that is replaced may be away for a moment. A process
/// that starts would fail.
const GONE_AFTER: u32 = 2;

/// Reads the settings again for each request, and whenever the text of their file is another.
#[derive(Debug)]
pub(crate) struct Reloader {
    /// Where the settings are read.
    pub sources: Sources,
    /// What is in force.
    pub running: Running,
    /// Who asks.
    pub requests: Receiver<ReloadRequest>,
    /// Puts changes in force.
    pub changes: Sender<SettingsChange>,
    /// What became of it.
    pub stats: Arc<ReloadStats>,
}

impl Reloader {
    /// Serves requests until no more can come.
    pub(crate) async fn run(mut self) {
        let poll = Duration::from_millis(self.running.settings.file_poll_ms);
        // What was read last, good or not: what is faulty is not read and named again and again.
        let mut seen = self.running.text.clone();
        let mut missed = 0_u32;
        loop {
            let request = tokio::select! {
                request = self.requests.recv() => match request {
                    Some(request) => request,
                    None => return,
                },
                () = sleep(poll), if self.sources.path().is_some() => {
                    let now = self.file_text().await;
                    let was_gone = missed >= GONE_AFTER;
                    missed = if now.is_some() { 0 } else { missed.saturating_add(1) };
                    let is_gone = missed == GONE_AFTER;
                    let is_there = now.is_some() && (now != seen || was_gone);
                    if !(is_gone || is_there) {
                        continue;
                    }
                    ReloadRequest { cause: "file", answer: None }
                }
            };
            seen = self.file_text().await.or(seen);
            let outcome = self.reload(request.cause).await;
            if let Some(answer) = request.answer {
                // The caller may have given up.
                answer.send(outcome).ok();
            }
        }
    }

    async fn file_text(&self) -> Option<String> {
        let path = self.sources.path()?.clone();
        // A file system may be slow, or hang.
        spawn_blocking(move || bounded_file::read_text(&path)).await.ok()?.ok()
    }

    async fn reload(&mut self, cause: &'static str) -> Result<String, String> {
        let (sources, running) = (self.sources.clone(), self.running.clone());
        let read = spawn_blocking(move || sources.reload(&running)).await;
        let reloaded =
            match read.unwrap_or_else(|_| Err(Faults { faults: Vec::new(), doubts: Vec::new() })) {
                Ok(reloaded) => reloaded,
                Err(faults) => {
                    self.stats.on_failure();
                    let error = faults.to_string();
                    tracing::error!(
                        cause,
                        error,
                        "the new settings are rejected, the previous ones stay in force"
                    );
                    return Err(format!("the previous settings stay in force: {error}"));
                }
            };
        let Reloaded { running, changed, waiting } = reloaded;
        let (done, is_done) = oneshot::channel();
        let settings = Box::new(running.settings.clone());
        let change = SettingsChange { settings, entries: running.entries.clone(), done };
        if self.changes.send(change).await.is_err() || is_done.await.is_err() {
            return Err("the process is about to end".to_owned());
        }
        self.running = running;
        self.stats.on_success();
        let (changed, waiting) = (changed.join(", "), waiting.join(", "));
        tracing::info!(cause, changed, "the settings were read again");
        if !waiting.is_empty() {
            tracing::warn!(
                settings = waiting,
                "new values of settings wait for a restart of the process"
            );
        }
        Ok(summary(&changed, &waiting))
    }
}

/// What one reload came to, as a line.
fn summary(changed: &str, waiting: &str) -> String {
    let changed = if changed.is_empty() { "nothing" } else { changed };
    let restart = if waiting.is_empty() {
        String::new()
    } else {
        format!("; waits for a restart: {waiting}")
    };
    format!("changed: {changed}{restart}")
}

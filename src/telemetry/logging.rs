//! Logs to stderr, as text for people or as JSON for collectors.
//!
//! A thread of its own writes them: who reads our stderr may be slow, stuck or gone, and no request
//! waits for that. Lines that find no room are lost and counted.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::{OnceLock, PoisonError, RwLock};

use tracing::Subscriber;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::telemetry::journal::{self, Prioritized};
use crate::telemetry::recent::RecentLines;

/// Lines that may wait to be written.
const WAITING_LINES_MAX: usize = 4096;

/// Longest line, bytes. What clients and nodes said may be in it.
const LINE_BYTES_MAX: usize = 4096;

/// Counts the lines that found no room.
static LOST: OnceLock<ErrorCounter> = OnceLock::new();

/// How a log line looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("no such format".to_owned()),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// What is logged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogSettings {
    /// How a line looks.
    pub format: LogFormat,
    /// A level, then exceptions for single modules: `info,shardlane::worker=debug`.
    pub level: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

/// Says what is wrong with a level. The filter itself would take a misspelt level for the name of
/// a module and then log nothing.
pub fn check_level(text: &str) -> Result<(), String> {
    for (index, part) in text.split(',').map(str::trim).enumerate() {
        let level = match part.split_once('=') {
            Some((module, level)) if index > 0 && !module.is_empty() => level,
            Some(_) => return Err(format!("`{part}` stands where a plain level should")),
            None if index > 0 => return Err(format!("`{part}` lacks `module=`")),
            None => part,
        };
        if !matches!(level, "off" | "error" | "warn" | "info" | "debug" | "trace") {
            return Err(format!("`{level}` is not a level"));
        }
    }
    Ok(())
}

/// Replaces the filter of the process's log.
static LEVEL: OnceLock<Level> = OnceLock::new();

/// The filter in force, and how to replace it.
struct Level {
    text: RwLock<String>,
    replace: Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>,
}

/// Logs by `level` from now on. The error says what is wrong with it; then nothing changes.
pub fn set_level(level: &str) -> Result<(), String> {
    check_level(level)?;
    let Some(of_process) = LEVEL.get() else { return Err("nothing is logged".to_owned()) };
    (of_process.replace)(EnvFilter::new(level))?;
    level.clone_into(&mut of_process.text.write().unwrap_or_else(PoisonError::into_inner));
    Ok(())
}

/// What is logged, as [`LogSettings::level`] says it; empty before the log has started.
#[must_use]
pub fn level() -> String {
    let text = LEVEL.get().map(|level| level.text.read().unwrap_or_else(PoisonError::into_inner));
    text.map(|text| text.clone()).unwrap_or_default()
}

/// Writes what still waits, for a second at most, when it is dropped.
#[derive(Debug)]
#[must_use = "what still waits is written when it is dropped"]
pub struct Log {
    _writes_on: WorkerGuard,
}

/// Starts to log to stderr; `now_us` is the time, µs since 1970, for lines that are kept. Stdout stays free for what a command was asked to print.
pub fn start(settings: &LogSettings, now_us: fn() -> i64) -> Result<Log, String> {
    let (writer, log) = apart(io::stderr());
    LOST.get_or_init(|| writer.error_counter());
    let is_on = journal::reads_stderr();
    match settings.format {
        LogFormat::Text => {
            let lines = Prioritized { lines: move || OneLine(writer.clone()), is_on };
            let builder = builder(settings, lines);
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            install(builder.finish(), now_us)?;
            follow(settings, move |filter| handle.reload(filter).map_err(|e| e.to_string()));
        }
        LogFormat::Json => {
            let lines = Prioritized { lines: writer, is_on };
            let builder = builder(settings, lines).json().flatten_event(true);
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            install(builder.finish(), now_us)?;
            follow(settings, move |filter| handle.reload(filter).map_err(|e| e.to_string()));
        }
    }
    Ok(log)
}

/// Makes `subscriber` the log of the process, and keeps its last lines as well.
fn install<S>(subscriber: S, now_us: fn() -> i64) -> Result<(), String>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync + 'static,
{
    subscriber.with(RecentLines { now_us }).try_init().map_err(|error| error.to_string())
}

/// Keeps how the level is replaced later.
fn follow(
    settings: &LogSettings,
    replace: impl Fn(EnvFilter) -> Result<(), String> + Send + Sync + 'static,
) {
    let text = RwLock::new(settings.level.clone());
    LEVEL.get_or_init(|| Level { text, replace: Box::new(replace) });
}

/// Lines that were lost, since they were not read in time.
#[must_use]
pub fn lines_lost() -> u64 {
    let lost = LOST.get().map_or(0, ErrorCounter::dropped_lines);
    u64::try_from(lost).unwrap_or(u64::MAX)
}

/// Keeps each event on one line. Names that clients send may have line ends in them, and commands for
/// a terminal.
struct OneLine<W>(W);

impl<W: io::Write> io::Write for OneLine<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let mut out = String::with_capacity(text.len() + 1);
        for letter in text.chars() {
            if out.len() > LINE_BYTES_MAX {
                out.push('…');
                break;
            }
            if letter.is_control() {
                out.extend(letter.escape_default());
            } else {
                out.push(letter);
            }
        }
        out.push('\n');
        self.0.write_all(out.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Has a thread of its own write to `out`.
fn apart(out: impl io::Write + Send + 'static) -> (NonBlocking, Log) {
    let builder = NonBlockingBuilder::default().lossy(true).thread_name("log");
    let (writer, guard) = builder.buffered_lines_limit(WAITING_LINES_MAX).finish(out);
    (writer, Log { _writes_on: guard })
}

type Builder<W> = tracing_subscriber::fmt::SubscriberBuilder<
    tracing_subscriber::fmt::format::DefaultFields,
    tracing_subscriber::fmt::format::Format,
    EnvFilter,
    W,
>;

fn builder<W>(settings: &LogSettings, writer: W) -> Builder<W>
where
    W: for<'a> MakeWriter<'a> + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(&settings.level))
        .with_ansi(false)
        // It would say so on stderr, which is what fails.
        .log_internal_errors(false)
        .with_writer(writer)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;
    use std::sync::mpsc;

    use tracing::subscriber::with_default;

    use super::*;

    #[derive(Clone)]
    struct Pipe(Arc<mpsc::SyncSender<Vec<u8>>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn pipe() -> (Pipe, mpsc::Receiver<Vec<u8>>) {
        let (sender, receiver) = mpsc::sync_channel(64);
        (Pipe(Arc::new(sender)), receiver)
    }

    fn settings(level: &str) -> LogSettings {
        LogSettings { format: LogFormat::Json, level: level.to_owned() }
    }

    #[test]
    fn a_json_line_is_one_object_with_its_fields() {
        let (writer, lines) = pipe();
        let subscriber =
            builder(&settings("info"), move || writer.clone()).json().flatten_event(true).finish();
        with_default(subscriber, || {
            tracing::info!(node = 3, "lane up");
            tracing::debug!("too quiet to be logged");
        });
        let text = lines.try_iter().flatten().collect::<Vec<_>>();
        let line: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(line["message"], "lane up");
        assert_eq!(line["node"], 3);
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn a_module_may_speak_louder_than_the_rest() {
        let (writer, lines) = pipe();
        let subscriber =
            builder(&settings("warn,shardlane=debug"), move || writer.clone()).finish();
        with_default(subscriber, || {
            tracing::debug!("heard");
            tracing::info!(target: "hyper", "not heard");
        });
        let text = String::from_utf8(lines.try_iter().flatten().collect()).unwrap();
        assert!(text.contains("heard") && !text.contains("not heard"), "{text}");
    }

    #[test]
    fn a_name_makes_no_line_of_its_own_and_none_without_end() {
        let (writer, lines) = pipe();
        let subscriber = builder(&settings("info"), move || OneLine(writer.clone())).finish();
        with_default(subscriber, || {
            tracing::info!(name = %"a\nb\u{1b}[31m", "named");
            tracing::info!(name = %"ä".repeat(1 << 20), "named");
        });
        let lines: Vec<String> =
            lines.try_iter().map(|line| String::from_utf8(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].contains("a\\nb\\u{1b}[31m"), "{}", lines[0]);
        for line in lines {
            assert_eq!(line.find(char::is_control), Some(line.len() - 1));
            assert!(line.len() < LINE_BYTES_MAX + 20);
        }
    }

    #[test]
    fn a_line_for_the_journal_begins_with_its_priority() {
        let (writer, lines) = pipe();
        let lines_of = move || OneLine(writer.clone());
        let log = Prioritized { lines: lines_of, is_on: true };
        with_default(builder(&settings("info"), log).finish(), || {
            tracing::error!("one");
            tracing::warn!("two");
            tracing::info!("three");
        });
        let lines = lines.try_iter().map(|line| String::from_utf8(line).unwrap());
        let begins: Vec<String> = lines.map(|line| line[..5].to_owned()).collect();
        assert_eq!(begins, ["<3>20", "<4>20", "<6>20"], "each in one piece, before its time");
    }

    /// Takes nothing until it is let go; then fails.
    struct Stuck(mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.0.recv().ok();
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_logging_thread_waits_for_no_reader_and_survives_its_end() {
        let (let_go, stuck) = mpsc::channel();
        let (writer, log) = apart(Stuck(stuck));
        let lost = writer.error_counter();
        let subscriber = builder(&settings("info"), writer).finish();
        with_default(subscriber, || {
            for number in 0..2 * WAITING_LINES_MAX {
                tracing::info!(number, "this is not read");
            }
            assert!(lost.dropped_lines() >= WAITING_LINES_MAX - 1);
            drop(let_go);
            for number in 0..10 {
                tracing::info!(number, "nor is this");
            }
        });
        drop(log);
    }

    #[test]
    fn a_misspelt_level_is_a_fault() {
        for good in ["info", "off", "warn,shardlane::worker=debug", "info, hyper=off"] {
            assert_eq!(check_level(good), Ok(()), "{good}");
        }
        for bad in ["", "verbose", "INFO", "a=info", "info,debug", "info,a=loud", "info,=debug"] {
            assert!(check_level(bad).is_err(), "{bad} was taken");
        }
    }
}

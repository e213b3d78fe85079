//! What a command's end means to the shell.

use std::error::Error;
use std::fmt;
use std::io::{self, StdoutLock, Write};
use std::process::ExitCode;

use tracing::Level;

use crate::cli::args::WrongUsage;
use crate::config::error::Faults;
use crate::telemetry::journal;

/// Wrong usage or configuration: trying again without a change is useless.
const USAGE: u8 = 2;

/// The exit code of a command; what went wrong is printed on stderr.
#[must_use]
pub(crate) fn exit_code(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    let is_closed = |cause: &(dyn Error + 'static)| {
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inner.is_some_and(|inner| inner.is::<ReaderGone>())
    };
    if error.chain().any(is_closed) {
        return ExitCode::SUCCESS;
    }
    let before = if journal::reads_stderr() { journal::priority(Level::ERROR) } else { "" };
    let text = format!("shardlane: {error:#}");
    let text: String = text.lines().map(|line| format!("{before}{line}\n")).collect();
    // Nothing can be reported when stderr itself fails.
    io::stderr().write_all(text.as_bytes()).ok();
    let is_usage = error.is::<Faults>() || error.is::<WrongUsage>();
    if is_usage { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
}

/// The reader of stdout has closed it, as `head` does once it has enough: what is left is not wanted.
#[derive(Debug)]
struct ReaderGone;

impl fmt::Display for ReaderGone {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the reader of stdout has closed it")
    }
}

impl Error for ReaderGone {}

/// Stdout of a command. When its reader closes it, the command ends without a fault.
#[derive(Debug)]
pub(crate) struct Output(StdoutLock<'static>);

impl Output {
    /// Locks stdout.
    pub(crate) fn new() -> Self {
        Self(io::stdout().lock())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(of_reader)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(of_reader)
    }
}

fn of_reader(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return io::Error::new(io::ErrorKind::BrokenPipe, ReaderGone);
    }
    error
}

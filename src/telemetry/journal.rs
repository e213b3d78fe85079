//! The journal of systemd as the reader of stderr: it takes the priority of a line from its beginning, `<4>` for a warning
//! (sd-daemon(3)), and lines without one for information.

use std::env;
use std::io;

use rustix::fs::fstat;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Whether the journal reads our stderr: systemd names the stream, and it may have been replaced since.
#[must_use]
pub(crate) fn reads_stderr() -> bool {
    let Ok(stream) = env::var("JOURNAL_STREAM") else { return false };
    fstat(io::stderr()).is_ok_and(|own| stream == format!("{}:{}", own.st_dev, own.st_ino))
}

/// What stands before a line of this level.
#[must_use]
pub(crate) fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}

/// Puts the priority of each line before it, if `is_on`.
#[derive(Debug)]
pub(crate) struct Prioritized<M> {
    /// Where lines go.
    pub lines: M,
    /// Whether the reader wants it.
    pub is_on: bool,
}

/// The writer of one line.
#[derive(Debug)]
pub(crate) struct Line<W> {
    out: W,
    before: Option<&'static str>,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Prioritized<M> {
    type Writer = Line<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { out: self.lines.make_writer(), before: None }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Self::Writer {
        let before = self.is_on.then(|| priority(*about.level()));
        Line { out: self.lines.make_writer_for(about), before }
    }
}

impl<W: io::Write> io::Write for Line<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(before) = self.before.take() else { return self.out.write(bytes) };
        // In one piece: lines that find no room are lost as a whole.
        self.out.write_all(&[before.as_bytes(), bytes].concat())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

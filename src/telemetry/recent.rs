//! The latest lines of the log, kept for the console and the page.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::sync::{PoisonError, RwLock};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Lines that are kept.
const LINES_MAX: usize = 256;
/// Longest line that is kept whole, bytes.
const LINE_BYTES_MAX: usize = 512;

static LINES: RwLock<Lines> = RwLock::new(Lines { next: 1, kept: VecDeque::new() });

#[derive(Debug)]
struct Lines {
    next: u64,
    kept: VecDeque<LogLine>,
}

/// A line of the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct LogLine {
    /// The number of lines before it, and one.
    pub number: u64,
    /// When it was written, µs since 1970.
    pub at_us: i64,
    /// `ERROR`, `WARN`, `INFO` or less.
    pub level: &'static str,
    /// The module that wrote it.
    pub source: &'static str,
    /// The message with its fields.
    pub message: String,
}

/// The latest lines, the newest first.
#[must_use]
pub(crate) fn lines() -> Vec<LogLine> {
    let lines = LINES.read().unwrap_or_else(PoisonError::into_inner);
    lines.kept.iter().rev().cloned().collect()
}

/// Keeps what is logged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecentLines {
    /// The time, µs since 1970.
    pub now_us: fn() -> i64,
}

impl<S: Subscriber> Layer<S> for RecentLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let message = text.message + &text.fields;
        let metadata = event.metadata();
        // A worker that logs never waits: a line that is written while others are copied is not kept.
        let Ok(mut lines) = LINES.try_write() else { return };
        let number = lines.next;
        lines.next += 1;
        if lines.kept.len() >= LINES_MAX {
            lines.kept.pop_front();
        }
        lines.kept.push_back(LogLine {
            number,
            at_us: (self.now_us)(),
            level: metadata.level().as_str(),
            source: metadata.target(),
            message,
        });
    }
}

/// A line while it is put together, within its bound and without control characters.
#[derive(Debug, Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let room = LINE_BYTES_MAX.saturating_sub(self.message.len() + self.fields.len());
        if field.name() == "message" {
            write!(Bounded { text: &mut self.message, room }, "{value:?}").ok();
        } else {
            write!(Bounded { text: &mut self.fields, room }, " {}={value:?}", field.name()).ok();
        }
    }
}

/// Takes so many bytes and no more.
struct Bounded<'a> {
    text: &'a mut String,
    room: usize,
}

impl Write for Bounded<'_> {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for letter in more.chars() {
            if letter.len_utf8() > self.room {
                return Err(fmt::Error);
            }
            self.room -= letter.len_utf8();
            self.text.push(if letter.is_control() { ' ' } else { letter });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::registry;

    use super::*;

    #[test]
    fn the_latest_lines_are_kept_and_none_without_end() {
        with_default(registry().with(RecentLines { now_us: || 7 }), || {
            for number in 0..LINES_MAX + 10 {
                tracing::info!(number, "a line");
            }
            tracing::warn!(name = %"ä\n".repeat(1 << 12), "long");
        });
        let lines = lines();
        assert_eq!(lines.len(), LINES_MAX);
        let long = lines.iter().find(|line| line.message.starts_with("long name=")).unwrap();
        assert!(long.message.len() <= LINE_BYTES_MAX && !long.message.contains('\n'));
        assert_eq!(long.level, "WARN");
        assert!(lines.iter().any(|line| line.message == "a line number=265"), "{lines:?}");
    }
}

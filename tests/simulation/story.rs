//! The time line of a run, for people; it costs nothing unless it is kept.

use std::fmt;

/// Lines that are kept at most; the oldest make room.
const LINES_MAX: usize = 200_000;

/// What happened, one line each.
#[derive(Debug, Default)]
pub(super) struct Story {
    kept: bool,
    lines: Vec<String>,
}

impl Story {
    /// A story that is kept, or one that is not.
    pub(super) fn new(kept: bool) -> Self {
        Self { kept, lines: Vec::new() }
    }

    /// Adds a line.
    pub(super) fn note(&mut self, now_us: u64, what: fmt::Arguments<'_>) {
        if self.kept && self.lines.len() < LINES_MAX {
            let (seconds, micros) = (now_us / 1_000_000, now_us % 1_000_000);
            self.lines.push(format!("{seconds:>5}.{micros:06}  {what}"));
        }
    }

    /// All lines.
    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines
    }
}

//! Progress for people: a bar on a terminal, a line a second elsewhere, nothing for programs.

use std::io::{self, IsTerminal, Write};

use crate::cli::simulated::demo::sample::{Window, percent};

/// Cells of the bar; with the numbers beside it, a line of 80 columns is not exceeded.
const BAR: u64 = 20;
/// The time that the shown rates look back.
pub(crate) const SECOND_US: u64 = 1_000_000;

/// Where progress is shown.
#[derive(Debug)]
pub(crate) struct Screen {
    style: Style,
    duration_us: u64,
    next_us: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Style {
    Silent,
    Lines,
    Bar,
}

impl Screen {
    /// A screen for a load of this length; `silent` leaves stdout to the summary.
    #[must_use]
    pub(crate) fn new(silent: bool, duration_us: u64) -> Self {
        let style = match (silent, io::stdout().is_terminal()) {
            (true, _) => Style::Silent,
            (false, true) => Style::Bar,
            (false, false) => Style::Lines,
        };
        Self { style, duration_us, next_us: SECOND_US }
    }

    /// Shows how things are.
    pub(crate) fn on_sample(&mut self, window: &Window) {
        let at_us = window.last().at_us;
        match self.style {
            Style::Silent => {}
            Style::Bar => write(&format!("\r\x1b[2K{}", self.line(window))),
            Style::Lines if at_us >= self.next_us => {
                self.next_us = (at_us / SECOND_US + 1) * SECOND_US;
                write(&format!("{}\n", self.line(window)));
            }
            Style::Lines => {}
        }
    }

    /// Prints a line about an event, above the bar.
    pub(crate) fn announce(&self, text: &str) {
        match self.style {
            Style::Silent => {}
            Style::Bar => write(&format!("\r\x1b[2K{text}\n")),
            Style::Lines => write(&format!("{text}\n")),
        }
    }

    /// Leaves the bar's line.
    pub(crate) fn end(&self) {
        if self.style == Style::Bar {
            write("\n");
        }
    }

    fn line(&self, window: &Window) -> String {
        let last = window.last();
        let (hits, requests) = window.lately(SECOND_US);
        let at_us = last.at_us.min(self.duration_us);
        let done = (at_us * BAR).checked_div(self.duration_us).unwrap_or(BAR);
        let bar: String = (0..BAR).map(|cell| if cell < done { '#' } else { '-' }).collect();
        format!(
            "{:2}/{} s [{bar}] hit rate {:>8} {requests:5}/s missed {} tablets {}/{}",
            at_us / SECOND_US,
            self.duration_us / SECOND_US,
            percent(hits, requests),
            last.misses,
            last.learned,
            last.tablets,
        )
    }
}

/// A closed pipe does not end the demo: its exit code says whether it went well.
fn write(text: &str) {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::simulated::demo::sample::Sample;

    #[test]
    fn a_line_shows_the_last_second_and_the_whole() {
        let mut window = Window::new(SECOND_US);
        window.push(Sample { at_us: 1_000_000, hits: 3, misses: 5, learned: 5, tablets: 64 });
        window.push(Sample { at_us: 2_000_000, hits: 90, misses: 8, learned: 8, tablets: 64 });
        let screen = Screen::new(true, 4_000_000);
        assert_eq!(
            screen.line(&window),
            " 2/4 s [##########----------] hit rate  96.66 %    90/s missed 8 tablets 8/64"
        );
    }
}

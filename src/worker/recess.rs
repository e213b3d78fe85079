//! When the timers of a worker wait: it was stopped for a while, and has not read yet what came meanwhile.
//!
//! A process that is stopped (SIGSTOP, a frozen cgroup, a machine that is suspended) wakes with time gone and
//! with answers in its sockets. Timers that fire first would give up requests whose answers are there.

/// A round that begins so much later than a timer was due, µs, comes after a stop.
const LATE_US: u64 = 500_000;
/// Sockets that bring nothing for so long, µs, have been read: nodes' own queues are empty, too.
const QUIET_US: u64 = 50_000;
/// Timers wait no longer than this, µs: a busy worker's sockets are never quiet.
const RECESS_US_MAX: u64 = 2_000_000;
/// While timers wait, a round begins at least so often, µs.
const ROUND_US: u64 = 10_000;

/// Whether timers wait.
#[derive(Debug, Default)]
pub(super) struct Recess {
    ends: Option<Ends>,
}

/// When the timers go on.
#[derive(Clone, Copy, Debug)]
struct Ends {
    /// If nothing more is read until then, µs.
    quiet_us: u64,
    /// In any case, µs.
    latest_us: u64,
}

impl Recess {
    /// A round begins, which `reads` sockets or does not; a timer was due at `timer_at_us`. Returns
    /// whether timers may fire in it.
    pub(super) fn on_round(&mut self, began_us: u64, timer_at_us: u64, reads: bool) -> bool {
        // Before the first round no timer was set.
        if timer_at_us > 0 && began_us > timer_at_us.saturating_add(LATE_US) {
            let latest_us = began_us + RECESS_US_MAX;
            self.ends = Some(Ends { quiet_us: began_us + QUIET_US, latest_us });
        }
        let Some(ends) = &mut self.ends else { return true };
        if reads {
            ends.quiet_us = began_us + QUIET_US;
        }
        let is_over = began_us >= ends.quiet_us.min(ends.latest_us);
        if is_over {
            self.ends = None;
        }
        is_over
    }

    /// When the next round is to begin at the latest: `due_us`, but for timers that wait.
    pub(super) fn timer_at_us(&self, began_us: u64, due_us: u64) -> u64 {
        if self.ends.is_some() { due_us.max(began_us + ROUND_US) } else { due_us }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_as_long_as_rounds_are_in_time() {
        let mut recess = Recess::default();
        assert!(recess.on_round(7_000_000, 0, true), "the first round of all");
        assert!(recess.on_round(7_100_000, 7_100_000, true));
        assert!(recess.on_round(7_700_000, 7_200_000, false), "late by as much as it may be");
        assert_eq!(recess.timer_at_us(7_700_000, 7_700_100), 7_700_100);
    }

    #[test]
    fn timers_wait_after_a_stop_until_sockets_bring_nothing_more() {
        let mut recess = Recess::default();
        let woken_us = 27_000_000;
        assert!(!recess.on_round(woken_us, 7_000_000, true));
        assert_eq!(recess.timer_at_us(woken_us, 7_000_000), woken_us + ROUND_US);
        let read_us = woken_us + 30_000;
        assert!(!recess.on_round(read_us, woken_us + ROUND_US, true), "more came");
        assert!(!recess.on_round(read_us + QUIET_US - 1, read_us + ROUND_US, false));
        assert!(recess.on_round(read_us + QUIET_US, read_us + ROUND_US, false));
        assert!(recess.on_round(read_us + QUIET_US + 1, read_us + ROUND_US, true), "it is over");
    }

    #[test]
    fn sockets_that_are_never_quiet_hold_timers_up_for_two_seconds() {
        let mut recess = Recess::default();
        let woken_us = 27_000_000;
        let rounds = (0..).map(|number| woken_us + number * ROUND_US);
        let mut due_us = 7_000_000;
        let first = rounds.into_iter().find(|began_us| {
            let may_fire = recess.on_round(*began_us, due_us, true);
            due_us = recess.timer_at_us(*began_us, *began_us);
            may_fire
        });
        assert_eq!(first, Some(woken_us + RECESS_US_MAX));
    }
}

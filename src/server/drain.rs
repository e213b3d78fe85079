//! How the process ends: step by step, and in bounded time.

use std::time::Duration;

use crate::config::settings::DrainSettings;

/// Steps to the end; none is taken back.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum DrainPhase {
    /// Clients come and go.
    Serving,
    /// SIGTERM came, and clients still come and go: the application may be stopped at the same time, and need the cluster
    /// for its last work.
    Lingering,
    /// No new clients; idle ones are closed, and requests in flight are finished.
    Draining,
    /// Nothing is in flight, or it took too long: every connection is closed.
    Closing,
    /// Nothing is left.
    Stopped,
}

/// Where the process is on its way to the end. It does no I/O: the server reports what happened, and
/// does what the phase says.
#[derive(Debug)]
pub(crate) struct Drain {
    phase: DrainPhase,
    settings: DrainSettings,
    deadline_us: Option<u64>,
    /// While lingering, when the process may go on if no client is connected.
    min_until_us: u64,
    is_signalled: bool,
    /// Whether another process takes this one's place just now.
    is_taken_over: bool,
    /// Whether the process lingers for that alone.
    awaits_takeover: bool,
}

impl Drain {
    /// Time for the last bytes to leave, and for threads to end.
    const CLOSING_US: u64 = 1_000_000;
    /// Time for a takeover that has begun: its clients keep their connections.
    const TAKEOVER_US: u64 = 10_000_000;

    /// Serving.
    #[must_use]
    pub(crate) fn new(settings: DrainSettings) -> Self {
        Self {
            phase: DrainPhase::Serving,
            settings,
            deadline_us: None,
            min_until_us: 0,
            is_signalled: false,
            is_taken_over: false,
            awaits_takeover: false,
        }
    }

    /// Takes these times for phases that begin from now on.
    pub(crate) fn set_settings(&mut self, settings: DrainSettings) {
        self.settings = settings;
    }

    /// The current phase.
    #[must_use]
    pub(crate) fn phase(&self) -> DrainPhase {
        self.phase
    }

    /// When `on_time` wants to be called; never while serving or stopped.
    #[must_use]
    pub(crate) fn deadline_us(&self) -> Option<u64> {
        self.deadline_us
    }

    /// Time of running requests, from the end of the delay on.
    #[must_use]
    pub(crate) const fn drain_time(&self) -> Duration {
        Duration::from_millis(self.settings.drain_ms)
    }

    /// Whether SIGTERM or SIGINT came.
    #[must_use]
    pub(crate) const fn is_signalled(&self) -> bool {
        self.is_signalled
    }

    /// SIGTERM or SIGINT came. Each further one skips a phase.
    pub(crate) fn on_signal(&mut self, now_us: u64) {
        self.is_signalled = true;
        let DrainSettings { min_sigterm_delay_s, max_sigterm_delay_s, .. } = self.settings;
        let longest_s = min_sigterm_delay_s.max(max_sigterm_delay_s);
        match self.phase {
            DrainPhase::Serving if longest_s > 0 => {
                let after = |seconds: u64| now_us.saturating_add(seconds.saturating_mul(1_000_000));
                self.min_until_us = after(min_sigterm_delay_s);
                self.enter(DrainPhase::Lingering, after(longest_s));
            }
            DrainPhase::Serving | DrainPhase::Lingering => self.leave(now_us),
            DrainPhase::Draining => self.close(now_us),
            DrainPhase::Closing => self.stop(),
            DrainPhase::Stopped => {}
        }
    }

    /// The application said that it needs the proxy no longer.
    pub(crate) fn on_quit(&mut self, now_us: u64) {
        if self.phase < DrainPhase::Draining {
            self.leave(now_us);
        }
    }

    /// Whether another process takes this one's place just now. A process that is to end serves until that is done, or
    /// has failed.
    pub(crate) fn on_takeover(&mut self, is_under_way: bool, now_us: u64) {
        self.is_taken_over = is_under_way;
        if self.phase == DrainPhase::Lingering && self.awaits_takeover && !is_under_way {
            self.drain(now_us);
        }
    }

    /// So many clients are connected.
    pub(crate) fn on_clients(&mut self, count: u64, now_us: u64) {
        if self.phase == DrainPhase::Lingering && count == 0 && now_us >= self.min_until_us {
            self.leave(now_us);
        }
    }

    /// Nothing is in flight: no client waits for an answer.
    pub(crate) fn on_idle(&mut self, now_us: u64) {
        if self.phase == DrainPhase::Draining {
            self.close(now_us);
        }
    }

    /// Every connection is closed and every worker has ended.
    pub(crate) fn on_closed(&mut self) {
        if self.phase == DrainPhase::Closing {
            self.stop();
        }
    }

    /// Time has passed.
    pub(crate) fn on_time(&mut self, now_us: u64) {
        if self.deadline_us.is_none_or(|deadline_us| now_us < deadline_us) {
            return;
        }
        match self.phase {
            DrainPhase::Lingering => self.leave(now_us),
            DrainPhase::Draining => self.close(now_us),
            DrainPhase::Closing => self.stop(),
            DrainPhase::Serving | DrainPhase::Stopped => {}
        }
    }

    /// Drains, once a takeover has had its time.
    fn leave(&mut self, now_us: u64) {
        if self.awaits_takeover || !self.is_taken_over {
            self.drain(now_us);
        } else {
            (self.phase, self.awaits_takeover) = (DrainPhase::Lingering, true);
            self.deadline_us = Some(now_us.saturating_add(Self::TAKEOVER_US));
            // Clients that leave do not end it.
            self.min_until_us = u64::MAX;
        }
    }

    fn drain(&mut self, now_us: u64) {
        let drain_us = self.settings.drain_ms.saturating_mul(1_000);
        self.enter(DrainPhase::Draining, now_us.saturating_add(drain_us));
    }

    fn close(&mut self, now_us: u64) {
        self.enter(DrainPhase::Closing, now_us.saturating_add(Self::CLOSING_US));
    }

    fn stop(&mut self) {
        self.phase = DrainPhase::Stopped;
        self.deadline_us = None;
    }

    fn enter(&mut self, phase: DrainPhase, deadline_us: u64) {
        debug_assert!(self.phase < phase, "{:?} comes before {phase:?}", self.phase);
        self.phase = phase;
        self.deadline_us = Some(deadline_us);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn draining_for(drain_ms: u64) -> Drain {
        Drain::new(DrainSettings { drain_ms, ..DrainSettings::default() })
    }

    fn lingering(min_sigterm_delay_s: u64, max_sigterm_delay_s: u64) -> Drain {
        let settings = DrainSettings { min_sigterm_delay_s, max_sigterm_delay_s, drain_ms: 0 };
        let mut drain = Drain::new(settings);
        drain.on_signal(0);
        drain
    }

    #[test]
    fn clients_are_served_for_the_shortest_delay_even_if_none_is_connected() {
        let mut drain = lingering(2, 0);
        drain.on_clients(0, 1_999_999);
        assert_eq!(drain.phase(), DrainPhase::Lingering);
        drain.on_clients(0, 2_000_000);
        assert_eq!(drain.phase(), DrainPhase::Draining);
    }

    #[test]
    fn a_connected_client_is_served_until_the_longest_delay() {
        let mut drain = lingering(0, 30);
        drain.on_clients(1, 29_000_000);
        assert_eq!((drain.phase(), drain.deadline_us()), (DrainPhase::Lingering, Some(30_000_000)));
        drain.on_time(30_000_000);
        assert_eq!(drain.phase(), DrainPhase::Draining);
    }

    #[test]
    fn the_last_client_that_leaves_ends_the_delay() {
        let mut drain = lingering(0, 30);
        drain.on_clients(0, 1);
        assert_eq!(drain.phase(), DrainPhase::Draining);
    }

    #[test]
    fn an_application_that_quits_ends_every_delay() {
        let mut drain = lingering(10, 30);
        drain.on_quit(1);
        assert_eq!(drain.phase(), DrainPhase::Draining);
        drain.on_quit(2);
        assert_eq!(drain.phase(), DrainPhase::Draining, "a second one skips nothing");
    }

    #[test]
    fn an_idle_process_ends_without_waiting() {
        let mut drain = draining_for(10_000);
        drain.on_idle(5);
        assert_eq!(drain.phase(), DrainPhase::Serving, "being idle is no reason to end");
        drain.on_signal(7);
        assert_eq!((drain.phase(), drain.deadline_us()), (DrainPhase::Draining, Some(10_000_007)));
        drain.on_idle(8);
        assert_eq!(drain.phase(), DrainPhase::Closing);
        drain.on_closed();
        assert_eq!((drain.phase(), drain.deadline_us()), (DrainPhase::Stopped, None));
    }

    #[test]
    fn running_requests_have_until_the_deadline() {
        let mut drain = draining_for(2);
        drain.on_signal(0);
        drain.on_time(1_999);
        assert_eq!(drain.phase(), DrainPhase::Draining);
        drain.on_time(2_000);
        assert_eq!(drain.phase(), DrainPhase::Closing);
        drain.on_time(2_000 + Drain::CLOSING_US);
        assert_eq!(drain.phase(), DrainPhase::Stopped);
    }

    #[test]
    fn a_second_signal_ends_the_patience() {
        let mut drain = draining_for(10_000);
        drain.on_signal(0);
        drain.on_signal(1);
        assert_eq!(drain.phase(), DrainPhase::Closing);
    }

    #[test]
    fn a_takeover_that_has_begun_is_finished_first() {
        for ends_by in ["takeover", "time", "signal"] {
            let mut drain = draining_for(10_000);
            drain.on_takeover(true, 0);
            drain.on_signal(1);
            drain.on_clients(0, 2);
            let until_us = 1 + Drain::TAKEOVER_US;
            assert_eq!(
                (drain.phase(), drain.deadline_us()),
                (DrainPhase::Lingering, Some(until_us))
            );
            match ends_by {
                "takeover" => drain.on_takeover(false, 3),
                "time" => drain.on_time(until_us),
                _ => drain.on_signal(3),
            }
            assert_eq!(drain.phase(), DrainPhase::Draining, "by {ends_by}");
        }
    }

    #[test]
    fn a_takeover_that_begins_within_the_delay_has_its_time_as_well() {
        let mut drain = lingering(0, 30);
        drain.on_takeover(true, 29_999_999);
        drain.on_time(30_000_000);
        let until_us = 30_000_000 + Drain::TAKEOVER_US;
        assert_eq!((drain.phase(), drain.deadline_us()), (DrainPhase::Lingering, Some(until_us)));
    }

    proptest! {
        #[test]
        fn no_step_is_taken_back_and_each_but_the_first_and_last_ends(
            max_s in 0_u64..20,
            events in prop::collection::vec((0_u8..8, 0_u64..20_000_000), 0..40),
        ) {
            let mut drain = Drain::new(DrainSettings {
                min_sigterm_delay_s: max_s / 2,
                max_sigterm_delay_s: max_s,
                drain_ms: 10_000,
            });
            let mut now_us = 0;
            for (event, later_us) in events {
                let before = drain.phase();
                now_us += later_us;
                match event {
                    0 => drain.on_signal(now_us),
                    1 => drain.on_idle(now_us),
                    2 => drain.on_closed(),
                    3 => drain.on_quit(now_us),
                    4 => drain.on_clients(later_us % 2, now_us),
                    5 => drain.on_takeover(true, now_us),
                    6 => drain.on_takeover(false, now_us),
                    _ => drain.on_time(now_us),
                }
                prop_assert!(drain.phase() >= before);
                let lasting = [DrainPhase::Serving, DrainPhase::Stopped];
                let ends = !lasting.contains(&drain.phase());
                prop_assert_eq!(drain.deadline_us().is_some(), ends);
            }
        }
    }
}

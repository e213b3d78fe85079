//! How the process ends: step by step, and in bounded time.

/// Steps to the end; none is taken back.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Phase {
    /// Clients come and go.
    Serving,
    /// No new clients; idle ones are closed, and what runs is finished.
    Draining,
    /// Nothing runs, or it took too long: every connection is closed.
    Closing,
    /// Nothing is left.
    Stopped,
}

/// Where the process is on its way to the end. It does no I/O: the server tells what happened, and
/// does what the phase says.
#[derive(Debug)]
pub struct Drain {
    phase: Phase,
    drain_us: u64,
    deadline_us: Option<u64>,
}

impl Drain {
    /// Time for the last bytes to leave, and for threads to end.
    const CLOSING_US: u64 = 1_000_000;

    /// Serving, and with `drain_ms` for what runs once told to stop.
    #[must_use]
    pub fn new(drain_ms: u64) -> Self {
        let drain_us = drain_ms.saturating_mul(1000);
        Self { phase: Phase::Serving, drain_us, deadline_us: None }
    }

    /// Where we are.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// When `on_time` wants to be called; never while serving or stopped.
    #[must_use]
    pub fn deadline_us(&self) -> Option<u64> {
        self.deadline_us
    }

    /// A signal came. A second one ends the patience.
    pub fn on_signal(&mut self, now_us: u64) {
        match self.phase {
            Phase::Serving => self.enter(Phase::Draining, now_us.saturating_add(self.drain_us)),
            Phase::Draining => self.close(now_us),
            Phase::Closing => self.stop(),
            Phase::Stopped => {}
        }
    }

    /// Nothing runs any more: no client waits for an answer.
    pub fn on_idle(&mut self, now_us: u64) {
        if self.phase == Phase::Draining {
            self.close(now_us);
        }
    }

    /// Every connection is closed and every worker has ended.
    pub fn on_closed(&mut self) {
        if self.phase == Phase::Closing {
            self.stop();
        }
    }

    /// Time has passed.
    pub fn on_time(&mut self, now_us: u64) {
        if self.deadline_us.is_none_or(|deadline_us| now_us < deadline_us) {
            return;
        }
        match self.phase {
            Phase::Draining => self.close(now_us),
            Phase::Closing => self.stop(),
            Phase::Serving | Phase::Stopped => {}
        }
    }

    fn close(&mut self, now_us: u64) {
        self.enter(Phase::Closing, now_us.saturating_add(Self::CLOSING_US));
    }

    fn stop(&mut self) {
        self.phase = Phase::Stopped;
        self.deadline_us = None;
    }

    fn enter(&mut self, phase: Phase, deadline_us: u64) {
        debug_assert!(self.phase < phase, "{:?} comes before {phase:?}", self.phase);
        self.phase = phase;
        self.deadline_us = Some(deadline_us);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_idle_process_ends_without_waiting() {
        let mut drain = Drain::new(10_000);
        drain.on_idle(5);
        assert_eq!(drain.phase(), Phase::Serving, "being idle is no reason to end");
        drain.on_signal(7);
        assert_eq!((drain.phase(), drain.deadline_us()), (Phase::Draining, Some(10_000_007)));
        drain.on_idle(8);
        assert_eq!(drain.phase(), Phase::Closing);
        drain.on_closed();
        assert_eq!((drain.phase(), drain.deadline_us()), (Phase::Stopped, None));
    }

    #[test]
    fn what_runs_has_until_the_deadline() {
        let mut drain = Drain::new(2);
        drain.on_signal(0);
        drain.on_time(1_999);
        assert_eq!(drain.phase(), Phase::Draining);
        drain.on_time(2_000);
        assert_eq!(drain.phase(), Phase::Closing);
        drain.on_time(2_000 + Drain::CLOSING_US);
        assert_eq!(drain.phase(), Phase::Stopped);
    }

    #[test]
    fn a_second_signal_ends_the_patience() {
        let mut drain = Drain::new(10_000);
        drain.on_signal(0);
        drain.on_signal(1);
        assert_eq!(drain.phase(), Phase::Closing);
    }

    proptest! {
        #[test]
        fn no_step_is_taken_back_and_each_but_the_first_and_last_ends(
            events in prop::collection::vec((0_u8..4, 0_u64..20_000_000), 0..40),
        ) {
            let mut drain = Drain::new(10_000);
            let mut now_us = 0;
            for (event, later_us) in events {
                let before = drain.phase();
                now_us += later_us;
                match event {
                    0 => drain.on_signal(now_us),
                    1 => drain.on_idle(now_us),
                    2 => drain.on_closed(),
                    _ => drain.on_time(now_us),
                }
                prop_assert!(drain.phase() >= before);
                let ends = matches!(drain.phase(), Phase::Draining | Phase::Closing);
                prop_assert_eq!(drain.deadline_us().is_some(), ends);
            }
        }
    }
}

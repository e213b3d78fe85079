//! Whether to send us clients, and if not, why.

use serde::Serialize;

/// Where the process is in its life, as probes see it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProcessState {
    /// Not yet listening to clients.
    #[default]
    Starting,
    /// Listening.
    Serving,
    /// Was asked to stop; requests in flight are being finished.
    Draining,
}

/// The answer to a readiness probe.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub(crate) struct Readiness {
    /// Where the process is in its life.
    pub state: ProcessState,
    /// What is missing, in words for an operator; ready only when nothing is.
    pub reasons: Vec<String>,
}

impl Readiness {
    /// Serving, and nothing is missing.
    #[must_use]
    pub(crate) fn serving() -> Self {
        Self { state: ProcessState::Serving, reasons: Vec::new() }
    }

    /// In `state`, with one reason to show.
    #[must_use]
    pub(crate) fn because(state: ProcessState, reason: &str) -> Self {
        Self { state, reasons: vec![reason.to_owned()] }
    }

    /// Whether clients should come.
    #[must_use]
    pub(crate) fn is_ready(&self) -> bool {
        self.state == ProcessState::Serving && self.reasons.is_empty()
    }

    /// Whether start-up is over. It stays so while draining: a startup probe that failed then would
    /// have the container restarted in the middle of its last work.
    #[must_use]
    pub(crate) fn is_started(&self) -> bool {
        self.state != ProcessState::Starting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_serving_with_nothing_missing() {
        assert!(Readiness::serving().is_ready());
        assert!(!Readiness::default().is_ready());
        assert!(!Readiness::because(ProcessState::Serving, "no lane to any node").is_ready());
        assert!(!Readiness { state: ProcessState::Draining, reasons: Vec::new() }.is_ready());
    }

    #[test]
    fn draining_has_started() {
        assert!(Readiness::because(ProcessState::Draining, "stopping").is_started());
        assert!(!Readiness::default().is_started());
    }
}

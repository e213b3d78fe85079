//! Traces of requests: each step with its node and shard.

use std::collections::VecDeque;
use std::net::IpAddr;

/// Traces that are kept; older ones are forgotten.
const TRACES_MAX: usize = 1024;
/// Events of one trace; later ones are left out.
const EVENTS_MAX: usize = 64;
/// Bytes of a statement that a trace shows.
const TEXT_MAX: usize = 1024;
/// How long each step of a request seems to take, µs.
const STEP_MICROS: i32 = 10;

/// One step of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TraceEvent {
    /// Text of the step.
    pub activity: String,
    /// Address of the node.
    pub source: IpAddr,
    /// Shard of the node.
    pub shard: u16,
    /// µs since the request began.
    pub elapsed_micros: i32,
}

/// One traced request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Trace {
    /// Its id, a version 1 uuid, which the response carries as well.
    pub id: [u8; 16],
    /// The client's address.
    pub client: IpAddr,
    /// The node that received the request.
    pub coordinator: IpAddr,
    /// The shard that received the request.
    pub shard: u16,
    /// What kind of request it is, in the server's words.
    pub request: &'static str,
    /// The role that sent it.
    pub username: String,
    /// When it began, µs since 1970.
    pub started_micros: i64,
    /// Length of its body in bytes.
    pub request_size: usize,
    /// Length of the response's body in bytes.
    pub response_size: usize,
    /// Query text, consistency, and what else the server shows.
    pub parameters: Vec<(&'static str, String)>,
    /// Its steps, in order.
    pub events: Vec<TraceEvent>,
}

impl Trace {
    /// How long the request seemed to take, µs.
    #[must_use]
    pub(crate) fn duration_micros(&self) -> i32 {
        self.events.last().map_or(0, |event| event.elapsed_micros) + STEP_MICROS
    }
}

/// The traces of a cluster. While no trace is open, notes are dropped.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    open: Option<Trace>,
    closed: VecDeque<Trace>,
}

impl Traces {
    /// Opens a trace: what is noted from now on belongs to it.
    pub(crate) fn begin(&mut self, trace: Trace) {
        self.open = Some(trace);
    }

    /// Whether a trace is open.
    #[must_use]
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Notes a step of the coordinator.
    pub(crate) fn note(&mut self, activity: impl Into<String>) {
        if let Some(trace) = &self.open {
            let here = (trace.coordinator, trace.shard);
            self.note_at(here, activity);
        }
    }

    /// Notes a step of the shard `(address, shard)`.
    pub(crate) fn note_at(&mut self, place: (IpAddr, u16), activity: impl Into<String>) {
        let Some(trace) = self.open.as_mut().filter(|trace| trace.events.len() < EVENTS_MAX) else {
            return;
        };
        let steps = i32::try_from(trace.events.len()).unwrap_or(0) + 1;
        trace.events.push(TraceEvent {
            activity: activity.into(),
            source: place.0,
            shard: place.1,
            elapsed_micros: steps * STEP_MICROS,
        });
    }

    /// Notes a parameter of the request, shortened to 1 KiB.
    pub(crate) fn parameter(&mut self, name: &'static str, value: &str) {
        if let Some(trace) = &mut self.open {
            let end = value.floor_char_boundary(TEXT_MAX);
            let value = value.get(..end).unwrap_or_default();
            trace.parameters.push((name, value.to_owned()));
        }
    }

    /// Closes the open trace and keeps it.
    pub(crate) fn end(&mut self, response_size: usize) {
        let Some(trace) = self.open.take() else { return };
        if self.closed.len() >= TRACES_MAX {
            self.closed.pop_front();
        }
        self.closed.push_back(Trace { response_size, ..trace });
    }

    /// All traces that are closed and kept, oldest first.
    pub(crate) fn closed(&self) -> impl Iterator<Item = &Trace> {
        self.closed.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(number: u8) -> Trace {
        let address = IpAddr::from([127, 0, 0, 1]);
        Trace {
            id: [number; 16],
            client: address,
            coordinator: address,
            shard: 1,
            request: "Execute CQL3 query",
            username: "anonymous".to_owned(),
            started_micros: 0,
            request_size: 0,
            response_size: 0,
            parameters: Vec::new(),
            events: Vec::new(),
        }
    }

    #[test]
    fn only_notes_between_begin_and_end_are_kept() {
        let mut traces = Traces::default();
        traces.note("before");
        traces.begin(trace(1));
        traces.note("during");
        traces.parameter("query", &"ä".repeat(TEXT_MAX));
        traces.end(7);
        traces.note("after");
        let kept = traces.closed().next().unwrap();
        assert_eq!(kept.events.len(), 1);
        assert_eq!(kept.events[0].activity, "during");
        assert_eq!((kept.response_size, kept.duration_micros()), (7, 20));
        assert_eq!(kept.parameters[0].1.len(), TEXT_MAX);
    }

    #[test]
    fn traces_and_their_events_are_bounded() {
        let mut traces = Traces::default();
        for _ in 0..TRACES_MAX + 1 {
            traces.begin(trace(0));
            (0..EVENTS_MAX + 1).for_each(|_| traces.note("step"));
            traces.end(0);
        }
        assert_eq!(traces.closed().count(), TRACES_MAX);
        assert!(traces.closed().all(|trace| trace.events.len() == EVENTS_MAX));
    }
}

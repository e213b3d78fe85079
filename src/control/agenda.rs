//! When to look at the system tables again, and when to ask whether the node is still there.
//!
//! Events come in bursts. The first one sets the time; those after it change nothing, so that
//! a stream of events cannot put a refresh off for ever.

use cql::request::register::EventKind;
use cql::response::event::Event;
use cql::response::schema_change::SchemaTarget;

/// When things are done, in milliseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct AgendaSettings {
    /// Longest time between two looks at the system tables.
    pub refresh_every_ms: u64,
    /// From a keyspace's change to the look: its replication decides where requests go.
    pub keyspace_delay_ms: u64,
    /// From a node's event to the look: system tables lag behind events.
    pub topology_delay_ms: u64,
    /// Shortest time between two looks that workers ask for.
    pub refresh_gap_ms: u64,
    /// Time without a word after which the node is asked for one.
    pub heartbeat_ms: u64,
}

impl Default for AgendaSettings {
    fn default() -> Self {
        Self {
            refresh_every_ms: 60_000,
            keyspace_delay_ms: 100,
            topology_delay_ms: 1_000,
            refresh_gap_ms: 1_000,
            heartbeat_ms: 30_000,
        }
    }
}

/// What is due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Due {
    /// Read the system tables.
    Refresh,
    /// Ask the node for a sign of life.
    Heartbeat,
}

/// What will be done, and when.
#[derive(Debug)]
pub(crate) struct Agenda {
    settings: AgendaSettings,
    refreshed_ms: u64,
    refresh_at_ms: u64,
    heartbeat_at_ms: u64,
}

impl Agenda {
    /// Starts at `now_ms`, with tables just read.
    #[must_use]
    pub(crate) fn new(settings: AgendaSettings, now_ms: u64) -> Self {
        let mut agenda = Self { settings, refreshed_ms: 0, refresh_at_ms: 0, heartbeat_at_ms: 0 };
        agenda.on_refreshed(now_ms);
        agenda
    }

    /// What is due at `now_ms`, if anything.
    #[must_use]
    pub(crate) fn due(&self, now_ms: u64) -> Option<Due> {
        if now_ms >= self.refresh_at_ms {
            Some(Due::Refresh)
        } else if now_ms >= self.heartbeat_at_ms {
            Some(Due::Heartbeat)
        } else {
            None
        }
    }

    /// How many milliseconds to wait for the next thing.
    #[must_use]
    pub(crate) fn wait_ms(&self, now_ms: u64) -> u64 {
        self.refresh_at_ms.min(self.heartbeat_at_ms).saturating_sub(now_ms)
    }

    /// Records that the tables were read.
    pub(crate) fn on_refreshed(&mut self, now_ms: u64) {
        self.refreshed_ms = now_ms;
        self.refresh_at_ms = now_ms.saturating_add(self.settings.refresh_every_ms);
        self.on_word(now_ms);
    }

    /// Records that the node gave a sign of life.
    pub(crate) fn on_word(&mut self, now_ms: u64) {
        self.heartbeat_at_ms = now_ms.saturating_add(self.settings.heartbeat_ms);
    }

    /// Takes note that fresh tables are wanted now.
    pub(crate) fn on_request(&mut self, now_ms: u64) {
        let earliest = self.refreshed_ms.saturating_add(self.settings.refresh_gap_ms);
        self.refresh_by(earliest.max(now_ms));
    }

    /// Records an event.
    pub(crate) fn on_event(&mut self, event: &Event<'_>, now_ms: u64) {
        self.on_word(now_ms);
        let delay_ms = match event {
            Event::Schema(change) if change.target == SchemaTarget::Keyspace => {
                self.settings.keyspace_delay_ms
            }
            Event::Schema(_)
            | Event::Status(_)
            | Event::Topology(_)
            | Event::ClientRoutes { .. } => self.settings.topology_delay_ms,
            Event::Unknown { .. } => return,
        };
        self.refresh_by(now_ms.saturating_add(delay_ms));
    }

    fn refresh_by(&mut self, at_ms: u64) {
        self.refresh_at_ms = self.refresh_at_ms.min(at_ms);
    }
}

/// The events that are wanted; every server knows them.
pub(crate) const EVENTS: [EventKind; 3] =
    [EventKind::TopologyChange, EventKind::StatusChange, EventKind::SchemaChange];

#[cfg(test)]
mod tests {
    use super::*;
    use cql::response::event::NodeEvent;
    use cql::response::schema_change::SchemaChange;

    #[test]
    fn tables_are_read_again_after_a_while_and_silence_is_asked_about() {
        let mut agenda = Agenda::new(AgendaSettings::default(), 1_000);
        assert_eq!((agenda.due(30_999), agenda.wait_ms(1_000)), (None, 30_000));
        assert_eq!(agenda.due(31_000), Some(Due::Heartbeat));
        agenda.on_word(31_000);
        assert_eq!(agenda.due(60_999), None);
        assert_eq!(agenda.due(61_000), Some(Due::Refresh));
    }

    #[test]
    fn a_burst_of_events_is_one_look_soon_after_the_first() {
        let mut agenda = Agenda::new(AgendaSettings::default(), 0);
        for now in 0..20 {
            agenda.on_event(&status(), now * 100);
        }
        assert_eq!(agenda.due(999), None);
        assert_eq!(agenda.due(1_000), Some(Due::Refresh));
        agenda.on_refreshed(1_000);
        assert_eq!(agenda.due(2_000), None);
    }

    #[test]
    fn a_keyspace_is_more_urgent_than_a_node() {
        let mut agenda = Agenda::new(AgendaSettings::default(), 0);
        agenda.on_event(&status(), 0);
        let target = SchemaTarget::Keyspace;
        let change = SchemaChange { change: "UPDATED", keyspace: "ks", target };
        agenda.on_event(&Event::Schema(change), 10);
        assert_eq!(agenda.due(110), Some(Due::Refresh));
    }

    #[test]
    fn requests_of_workers_keep_a_gap() {
        let mut agenda = Agenda::new(AgendaSettings::default(), 0);
        agenda.on_request(200);
        assert_eq!((agenda.due(999), agenda.due(1_000)), (None, Some(Due::Refresh)));
        agenda.on_refreshed(1_000);
        agenda.on_request(5_000);
        assert_eq!(agenda.due(5_000), Some(Due::Refresh));
    }

    fn status() -> Event<'static> {
        let address = std::net::IpAddr::from([10, 0, 0, 1]);
        Event::Status(NodeEvent { change: "UP", address, port: 9_042 })
    }
}

//! What is due later: delayed answers, news that travels, deaths that are noticed.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cluster::connections::ConnectionId;

/// Something that is due.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Due {
    /// An answer is to be sent.
    Answer {
        /// On which connection.
        connection: ConnectionId,
        /// The whole frame.
        bytes: Vec<u8>,
    },
    /// A node hears of schema changes.
    SchemaSeen {
        /// Which node.
        node: usize,
        /// Of how many changes in all it has heard then.
        seen: u64,
    },
    /// The others notice that a node is dead.
    SeenDown {
        /// Which node.
        node: usize,
        /// Its epoch when it died; when it is another now, it was started again.
        epoch: u64,
    },
}

/// Everything that is due later, by the cluster's own time.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    due: BTreeMap<(Duration, u64), Due>,
    serial: u64,
}

impl Timeline {
    /// Plans something for `at`; what is planned for one moment comes in the order it was planned.
    pub(crate) fn plan(&mut self, at: Duration, due: Due) {
        self.serial += 1;
        self.due.insert((at, self.serial), due);
    }

    /// When the next thing is due.
    #[must_use]
    pub(crate) fn next(&self) -> Option<Duration> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next thing that is due at `now`, if there is one.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<Due> {
        if self.next()? > now {
            return None;
        }
        self.due.pop_first().map(|(_, due)| due)
    }
}

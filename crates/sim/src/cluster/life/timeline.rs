//! Things that are due later: delayed answers, schema changes, nodes that are seen down.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::node::connection::ConnectionId;

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
    /// A node sees schema changes.
    SchemaSeen {
        /// Which node.
        node: usize,
        /// The number of changes that it has seen then.
        seen: u64,
    },
    /// The other nodes notice that a node is down.
    SeenDown {
        /// Which node.
        node: usize,
        /// Its epoch when it was killed. Another epoch now means that it was started again.
        epoch: u64,
    },
}

/// Everything that is due later, by the time since the start of the cluster.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    due: BTreeMap<(Duration, u64), Due>,
    serial: u64,
}

impl Timeline {
    /// Schedules something for `at`. Items for the same time keep their order.
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

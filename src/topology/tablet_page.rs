//! Tablets of one table as the cluster's own `system.tablets` has them.

use std::sync::Arc;

use crate::topology::id::HostId;
use crate::topology::snapshot::Snapshot;
use crate::topology::tablet::{Replica, Tablet};
use cql::token::shard::ShardId;

/// What was read of a table's tablets, a part at a time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TabletPage {
    /// The table's keyspace.
    pub keyspace: Arc<str>,
    /// The table or view.
    pub table: Arc<str>,
    /// When the table was first asked for its tablets, µs of the process's clock: what nodes report
    /// after that is newer.
    pub began_us: u64,
    /// Tablets in token order; what was damaged is left out.
    pub tablets: Vec<ReadTablet>,
    /// How it ended, with the last page.
    pub end: Option<ReadEnd>,
}

/// A tablet that was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReadTablet {
    /// Token before the range.
    pub first: i64,
    /// Last token of the range.
    pub last: i64,
    /// Host and shard of each replica, in the server's order.
    pub replicas: Vec<(HostId, u16)>,
}

impl ReadTablet {
    /// The tablet by our numbers; `None` when a host is not known yet.
    #[must_use]
    pub fn by_number(&self, snapshot: &Snapshot) -> Option<Tablet> {
        let replica = |(host, shard): &(_, u16)| {
            let node = snapshot.number_of(*host)?;
            Some(Replica { node, shard: ShardId(*shard) })
        };
        let replicas = self.replicas.iter().map(replica).collect::<Option<_>>()?;
        Some(Tablet { first: self.first, last: self.last, replicas })
    }
}

/// How the reading of a table's tablets ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReadEnd {
    /// All were read.
    Complete {
        /// Whether some of them were about to get other replicas.
        moving: bool,
    },
    /// The role of the control connection may not read them.
    Refused,
    /// The table is not there, or its rows make no sense.
    Failed,
}

//! What workers and control hand in when the metrics are asked for: plain data, copied once a scrape.

use std::sync::Arc;

use crate::engine::limits::Limits;
use crate::engine::view::gauges::Gauges;
use crate::engine::view::tally::Tally;
use crate::topology::id::NodeId;
use crate::topology::snapshot::Snapshot;
use crate::topology::tablet_page::{ReadEnd, TabletPage};

/// The numbers of one worker.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkerReport {
    /// What its engine has counted so far.
    pub tally: Tally,
    /// What its engine holds now.
    pub gauges: Gauges,
}

/// What is known apart from workers.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClusterReport {
    /// The newest picture of the cluster; it names the nodes.
    pub snapshot: Arc<Snapshot>,
    /// The bounds in force.
    pub limits: Limits,
    /// What happened when nodes were dialled.
    pub dials: Vec<NodeDials>,
    /// What is known about TLS; nothing when it is off.
    pub tls: TlsReport,
    /// What was read of tablets.
    pub tablet_reads: TabletReadReport,
    /// Log lines that were lost.
    pub log_lines_lost: u64,
    /// What became of reloads of the settings.
    pub reload: ReloadReport,
    /// What is kept over a restart.
    pub state: StateReport,
}

/// What is kept over a restart.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct StateReport {
    /// How old the state was that the process began with, seconds; 0 without one.
    pub restored_age_s: u64,
    /// How often it was written.
    pub writes: u64,
    /// How often it could not be written.
    pub write_failures: u64,
    /// How often it was there and could not be read, or was not to be used.
    pub read_failures: u64,
    /// When it was written last, seconds since 1970; 0 is never.
    pub written_s: u64,
    /// Length of what was written last, bytes.
    pub bytes: u64,
}

/// Reloads of the settings.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct ReloadReport {
    /// How often settings came into force: 1 since the start.
    pub generation: u64,
    /// Reloads that failed.
    pub failures: u64,
    /// Whether the last one did not fail.
    pub last_succeeded: bool,
    /// When settings came into force last, seconds since 1970.
    pub succeeded_s: u64,
}

/// What was read from the cluster's own table of tablets.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct TabletReadReport {
    /// Tablets that were read.
    pub tablets: u64,
    /// Tables that were read to the end.
    pub complete: u64,
    /// Tables that the role may not read.
    pub refused: u64,
    /// Tables that could not be read for another reason.
    pub failed: u64,
}

impl TabletReadReport {
    /// Counts some tablets that were read.
    pub(crate) fn add(&mut self, page: &TabletPage) {
        self.tablets += u64::try_from(page.tablets.len()).unwrap_or(u64::MAX);
        match page.end {
            Some(ReadEnd::Complete { .. }) => self.complete += 1,
            Some(ReadEnd::Refused) => self.refused += 1,
            Some(ReadEnd::Failed) => self.failed += 1,
            None => {}
        }
    }
}

/// TLS on both sides.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct TlsReport {
    /// What became of files that were replaced, by side.
    pub rotations: Vec<RotationReport>,
    /// Handshakes of clients by result, such as `done` or `plain_cql`.
    pub client_handshakes: Vec<(&'static str, u64)>,
}

/// The files of one side.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct RotationReport {
    /// `nodes` or `clients`.
    pub side: &'static str,
    /// Changes that were taken over.
    pub loads: u64,
    /// Changes that were not.
    pub failures: u64,
    /// Until when our certificate is valid, seconds since 1970; `None` without one.
    pub expires_s: Option<u64>,
}

/// What happened when one node was dialled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct NodeDials {
    /// The node.
    pub node: NodeId,
    /// Attempts by result, such as `opened` or `timed_out`.
    pub results: Vec<(&'static str, u64)>,
    /// Connections to a shard that had its lane already.
    pub excess: u64,
    /// Source ports that could not be bound.
    pub ports_taken: u64,
    /// Connections to another shard than the source port names.
    pub mismatches: u64,
    /// What is known of its shard-aware port.
    pub port_verdict: &'static str,
}

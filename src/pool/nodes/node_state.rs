//! What all that dial a node share about it: whether its shard-aware port works, and whether the node is away.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::topology::id::NodeId;
use cql::token::shard::{ShardId, Sharder};

/// Longest time without a line about a node that stays away, or goes on refusing lanes.
const NOTICE_EVERY_MS: u64 = 60_000;
/// How long a node is away before that is logged: one that was decommissioned closes its connections before
/// the tables say that it left, and one that comes and goes would fill the log.
const NOTICE_AFTER_MS: u64 = 3_000;
/// Stands for "not away" and "never": no clock of ours starts there.
const NEVER: u64 = u64::MAX;

/// The states of all nodes, one for the whole process. It grows with the nodes ever seen.
#[derive(Debug, Default)]
pub struct NodeStates {
    states: RwLock<BTreeMap<NodeId, Arc<NodeState>>>,
}

impl NodeStates {
    /// The state of `node`, the same for all that dial it.
    #[must_use]
    pub fn of(&self, node: NodeId) -> Arc<NodeState> {
        if let Some(state) = self.states.read().unwrap_or_else(PoisonError::into_inner).get(&node) {
            return Arc::clone(state);
        }
        let mut states = self.states.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(states.entry(node).or_default())
    }
}

/// What is known of a node's shard-aware port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum PortVerdict {
    /// Not tried, or the node has a single shard, where every port is right.
    Unknown = 0,
    /// The source port chose the shard.
    Direct = 1,
    /// A connection came to another shard than its source port says: something between us and
    /// the node rewrites source ports (NAT, a load balancer).
    Rewritten = 2,
    /// The plain port answers and this one does not.
    Closed = 3,
    /// No free source port was found.
    NoSourcePort = 4,
}

impl PortVerdict {
    /// Every verdict, each at the index of its number.
    pub const ALL: [Self; 5] =
        [Self::Unknown, Self::Direct, Self::Rewritten, Self::Closed, Self::NoSourcePort];
}

/// What a try through the shard-aware port, or beside it, shows of that port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PortEvidence {
    /// A connection came to a shard.
    Came {
        /// The shard that its source port names, and how the node divided its data when it was chosen.
        wanted: (ShardId, Sharder),
        /// The shard that SUPPORTED names, and how the node divides its data now.
        found: (ShardId, Option<Sharder>),
    },
    /// Every source port that was tried is taken.
    NoSourcePort,
    /// The shard-aware port did not answer, and then the plain port did.
    PlainPortAlone,
}

/// What is worth a line in the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outage {
    /// The node cannot be reached any more.
    Lost,
    /// It has been away for so long.
    StillAway {
        /// Since it was lost, milliseconds.
        away_ms: u64,
    },
    /// It is back after so long.
    Back {
        /// Since it was lost, milliseconds.
        away_ms: u64,
    },
}

/// One node as all workers know it. Any thread may read and change it.
#[derive(Debug)]
pub struct NodeState {
    /// The shard-aware port is left alone until then.
    blocked_until_ms: AtomicU64,
    verdict: AtomicU8,
    mismatches: AtomicU64,
    excess: AtomicU64,
    /// Since when it is away.
    lost_ms: AtomicU64,
    /// When that was last logged, never at first; and when a refused lane was.
    outage_logged_ms: AtomicU64,
    refusal_logged_ms: AtomicU64,
}

impl Default for NodeState {
    fn default() -> Self {
        Self {
            blocked_until_ms: AtomicU64::new(0),
            verdict: AtomicU8::new(0),
            mismatches: AtomicU64::new(0),
            excess: AtomicU64::new(0),
            lost_ms: AtomicU64::new(NEVER),
            outage_logged_ms: AtomicU64::new(NEVER),
            refusal_logged_ms: AtomicU64::new(NEVER),
        }
    }
}

impl NodeState {
    /// Whether the shard-aware port may be tried.
    #[must_use]
    pub fn is_port_open(&self, now_ms: u64) -> bool {
        now_ms >= self.blocked_until_ms.load(Ordering::Relaxed)
    }

    /// Judges the shard-aware port, from evidence alone. One that does not work is left alone for
    /// `block_ms`. A node that says the same number of shards as when the source port was chosen,
    /// and names another shard, has not seen that port.
    pub fn judge_port(&self, evidence: PortEvidence, now_ms: u64, block_ms: u64) {
        let fault = match evidence {
            PortEvidence::NoSourcePort => PortVerdict::NoSourcePort,
            PortEvidence::PlainPortAlone => PortVerdict::Closed,
            PortEvidence::Came { wanted: (wanted, before), found: (found, now) } => {
                let nr_shards = before.nr_shards();
                if nr_shards.get() == 1 || now.map(Sharder::nr_shards) != Some(nr_shards) {
                    return;
                }
                if wanted == found {
                    // Chance may be right once. After a mismatch it takes a try in a later period.
                    if self.is_port_open(now_ms) {
                        self.verdict.store(PortVerdict::Direct as u8, Ordering::Relaxed);
                    }
                    return;
                }
                self.mismatches.fetch_add(1, Ordering::Relaxed);
                PortVerdict::Rewritten
            }
        };
        self.blocked_until_ms.store(now_ms.saturating_add(block_ms), Ordering::Relaxed);
        self.verdict.store(fault as u8, Ordering::Relaxed);
    }

    /// What is known of its shard-aware port.
    #[must_use]
    pub fn verdict(&self) -> PortVerdict {
        let number = usize::from(self.verdict.load(Ordering::Relaxed));
        PortVerdict::ALL.get(number).copied().unwrap_or(PortVerdict::Unknown)
    }

    /// Connections that came to another shard than their source port says.
    #[must_use]
    pub fn mismatches(&self) -> u64 {
        self.mismatches.load(Ordering::Relaxed)
    }

    /// Counts a connection of the plain port to a shard that had its lane already.
    pub fn on_excess(&self) {
        self.excess.fetch_add(1, Ordering::Relaxed);
    }

    /// Such connections so far.
    #[must_use]
    pub fn excess(&self) -> u64 {
        self.excess.load(Ordering::Relaxed)
    }

    /// Its plain port does not answer.
    pub fn on_unreachable(&self, now_ms: u64) -> Option<Outage> {
        let (was, now) = (Ordering::AcqRel, Ordering::Acquire);
        let lost_ms = match self.lost_ms.compare_exchange(NEVER, now_ms, was, now) {
            Ok(_) => now_ms,
            Err(before) => before,
        };
        let away_ms = now_ms.saturating_sub(lost_ms);
        let is_first = self.outage_logged_ms.load(Ordering::Relaxed) == NEVER;
        if away_ms < NOTICE_AFTER_MS || !is_due(&self.outage_logged_ms, now_ms) {
            return None;
        }
        Some(if is_first { Outage::Lost } else { Outage::StillAway { away_ms } })
    }

    /// A connection to it is ready.
    pub fn on_reached(&self, now_ms: u64) -> Option<Outage> {
        let lost_ms = self.lost_ms.swap(NEVER, Ordering::AcqRel);
        if lost_ms == NEVER {
            return None;
        }
        let is_logged = self.outage_logged_ms.swap(NEVER, Ordering::Relaxed) != NEVER;
        is_logged.then(|| Outage::Back { away_ms: now_ms.saturating_sub(lost_ms) })
    }

    /// It answers, and there is no lane all the same: whether that is to be logged.
    pub fn is_refusal_logged(&self, now_ms: u64) -> bool {
        is_due(&self.refusal_logged_ms, now_ms)
    }
}

/// Whether the last line is long ago; then the next one is `now_ms`.
fn is_due(logged_ms: &AtomicU64, now_ms: u64) -> bool {
    let last_ms = logged_ms.load(Ordering::Relaxed);
    let due = last_ms == NEVER || now_ms.saturating_sub(last_ms) >= NOTICE_EVERY_MS;
    // Of several workers that find it due, one logs it.
    due && logged_ms.compare_exchange(last_ms, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK_MS: u64 = 500;

    #[test]
    fn a_node_has_one_state_for_all() {
        let states = NodeStates::default();
        assert!(Arc::ptr_eq(&states.of(NodeId(1)), &states.of(NodeId(1))));
        assert!(!Arc::ptr_eq(&states.of(NodeId(1)), &states.of(NodeId(2))));
    }

    #[test]
    fn a_blocked_port_opens_again() {
        let node = NodeState::default();
        assert!(node.is_port_open(0));
        node.judge_port(PortEvidence::PlainPortAlone, 0, BLOCK_MS);
        assert_eq!(node.verdict(), PortVerdict::Closed);
        assert!(!node.is_port_open(499));
        assert!(node.is_port_open(500));
    }

    #[test]
    fn a_wrong_shard_blocks_the_port_and_a_right_one_by_chance_does_not_open_it() {
        let node = NodeState::default();
        let sharder = Sharder::new(4, 12).unwrap();
        let came = |found: u16| PortEvidence::Came {
            wanted: (ShardId(1), sharder),
            found: (ShardId(found), Some(sharder)),
        };
        node.judge_port(came(1), 0, BLOCK_MS);
        assert_eq!(node.verdict(), PortVerdict::Direct);
        node.judge_port(came(2), 0, BLOCK_MS);
        node.judge_port(came(1), 10, BLOCK_MS);
        assert_eq!((node.verdict(), node.mismatches()), (PortVerdict::Rewritten, 1));
        assert!(!node.is_port_open(10));
        node.judge_port(came(1), 500, BLOCK_MS);
        assert_eq!(node.verdict(), PortVerdict::Direct);
    }

    #[test]
    fn a_node_with_other_shards_than_before_proves_nothing() {
        let node = NodeState::default();
        let evidence = PortEvidence::Came {
            wanted: (ShardId(1), Sharder::new(4, 12).unwrap()),
            found: (ShardId(0), Sharder::new(2, 12).ok()),
        };
        node.judge_port(evidence, 0, BLOCK_MS);
        assert_eq!((node.verdict(), node.mismatches()), (PortVerdict::Unknown, 0));
        assert!(node.is_port_open(0));
    }

    #[test]
    fn a_verdict_is_read_as_it_was_set() {
        for verdict in PortVerdict::ALL {
            let node = NodeState::default();
            node.verdict.store(verdict as u8, Ordering::Relaxed);
            assert_eq!(node.verdict(), verdict);
        }
    }

    #[test]
    fn a_node_that_stays_away_costs_a_line_when_lost_one_a_minute_and_one_when_back() {
        let node = NodeState::default();
        assert_eq!(node.on_reached(0), None);
        assert_eq!(node.on_unreachable(1_000), None);
        assert_eq!(node.on_unreachable(4_000), Some(Outage::Lost));
        for now_ms in (4_000..64_000).step_by(500) {
            assert_eq!(node.on_unreachable(now_ms), None, "at {now_ms}");
        }
        let away_ms = 63_000;
        assert_eq!(node.on_unreachable(64_000), Some(Outage::StillAway { away_ms }));
        assert_eq!(node.on_unreachable(64_000), None);
        assert_eq!(node.on_reached(65_000), Some(Outage::Back { away_ms: 64_000 }));
        assert_eq!(node.on_reached(65_000), None);
        assert_eq!(node.on_unreachable(65_001), None);
        assert_eq!(node.on_unreachable(68_001), Some(Outage::Lost));
    }

    #[test]
    fn a_node_that_comes_and_goes_fills_no_log() {
        let node = NodeState::default();
        // The lanes of eight keyspaces, one after the other, of which one in two opens.
        for now_ms in (0..10_000).step_by(20) {
            let line = match now_ms % 40 {
                0 => node.on_unreachable(now_ms),
                _ => node.on_reached(now_ms),
            };
            assert_eq!(line, None, "at {now_ms}");
        }
    }
}

//! How many handshakes may run at once: few for each node, whatever the number of workers.
//!
//! A node lets few connections per shard be in their handshake and makes all others wait, those
//! of other proxies too. A burst of ours would lock them out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

use crate::connect::dial_stats::{DialStats, PortVerdict};
use crate::pool::dial_schedule::HANDSHAKES_PER_NODE;
use crate::topology::id::NodeId;

/// The gates of all nodes; one for the whole process. It grows with the nodes ever seen.
#[derive(Debug, Default)]
pub struct HandshakeBudget {
    gates: RwLock<BTreeMap<NodeId, Arc<NodeGate>>>,
}

impl HandshakeBudget {
    /// The gate of `node`, the same for all that dial it.
    #[must_use]
    pub fn gate(&self, node: NodeId) -> Arc<NodeGate> {
        if let Some(gate) = self.gates.read().unwrap_or_else(PoisonError::into_inner).get(&node) {
            return Arc::clone(gate);
        }
        let mut gates = self.gates.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry(node).or_default())
    }

    /// The gates of all nodes that were dialled so far, by node.
    #[must_use]
    pub fn gates(&self) -> Vec<(NodeId, Arc<NodeGate>)> {
        let gates = self.gates.read().unwrap_or_else(PoisonError::into_inner);
        gates.iter().map(|(node, gate)| (*node, Arc::clone(gate))).collect()
    }
}

/// What all dialers of one node share: permits, counters, and whether its shard-aware port works.
#[derive(Debug)]
pub struct NodeGate {
    permits: Arc<Semaphore>,
    /// The shard-aware port is left alone until then.
    blocked_until_ms: AtomicU64,
    /// Counters of this node.
    pub stats: DialStats,
}

impl Default for NodeGate {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(HANDSHAKES_PER_NODE)),
            blocked_until_ms: AtomicU64::new(0),
            stats: DialStats::default(),
        }
    }
}

impl NodeGate {
    /// Waits for a turn; whoever asked first goes first. Hold it until the connection is ready.
    pub async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed, so this is never `None`.
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }

    /// Whether the shard-aware port may be tried.
    #[must_use]
    pub fn is_port_open(&self, now_ms: u64) -> bool {
        now_ms >= self.blocked_until_ms.load(Ordering::Relaxed)
    }

    /// Leaves the shard-aware port alone until `until_ms`, because of `verdict`.
    pub fn block_port(&self, verdict: PortVerdict, until_ms: u64) {
        self.blocked_until_ms.store(until_ms, Ordering::Relaxed);
        self.stats.set_verdict(verdict);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_one_gate_for_all() {
        let budget = HandshakeBudget::default();
        assert!(Arc::ptr_eq(&budget.gate(NodeId(1)), &budget.gate(NodeId(1))));
        assert!(!Arc::ptr_eq(&budget.gate(NodeId(1)), &budget.gate(NodeId(2))));
        assert_eq!(budget.gates().len(), 2);
    }

    #[tokio::test]
    async fn a_third_handshake_waits_for_one_to_end() {
        let gate = NodeGate::default();
        let first = gate.enter().await;
        let second = gate.enter().await;
        let mut third = Box::pin(gate.enter());
        assert!(tokio::select! { biased; _ = &mut third => false, () = async {} => true });

        drop(first);
        assert!(third.await.is_some());
        drop(second);
    }

    #[test]
    fn a_blocked_port_opens_again() {
        let gate = NodeGate::default();
        assert!(gate.is_port_open(0));
        gate.block_port(PortVerdict::Rewritten, 500);
        assert!(!gate.is_port_open(499));
        assert!(gate.is_port_open(500));
    }
}

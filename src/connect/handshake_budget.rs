//! Handshakes that may run at once with each node, whatever the number of workers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;

use tokio::sync::oneshot;

use crate::connect::dial_stats::DialStats;
use crate::pool::nodes::node_state::{NodeState, NodeStates};
use crate::pool::refill::handshake_turns::{HandshakeTurns, Whose};
use crate::topology::id::NodeId;

/// The gates of all nodes; one for the whole process. It grows with the nodes ever seen.
#[derive(Debug, Default)]
pub struct HandshakeBudget {
    nodes: Arc<NodeStates>,
    gates: RwLock<BTreeMap<NodeId, Arc<NodeGate>>>,
}

impl HandshakeBudget {
    /// A budget beside what is known of each node.
    #[must_use]
    pub fn new(nodes: Arc<NodeStates>) -> Self {
        Self { nodes, gates: RwLock::default() }
    }

    /// The gate of `node`, the same for all that dial it.
    #[must_use]
    pub fn gate(&self, node: NodeId) -> Arc<NodeGate> {
        if let Some(gate) = self.gates.read().unwrap_or_else(PoisonError::into_inner).get(&node) {
            return Arc::clone(gate);
        }
        let mut gates = self.gates.write().unwrap_or_else(PoisonError::into_inner);
        let state = self.nodes.of(node);
        let gate = gates.entry(node).or_insert_with(|| Arc::new(NodeGate::new(state)));
        Arc::clone(gate)
    }

    /// The gates of all nodes that were dialled so far, by node.
    #[must_use]
    pub fn gates(&self) -> Vec<(NodeId, Arc<NodeGate>)> {
        let gates = self.gates.read().unwrap_or_else(PoisonError::into_inner);
        gates.iter().map(|(node, gate)| (*node, Arc::clone(gate))).collect()
    }
}

/// What all dialers of one node share: turns, counters, and what is known of the node.
#[derive(Debug, Default)]
pub struct NodeGate {
    turns: Arc<RwLock<HandshakeTurns<oneshot::Sender<HandshakeTurn>>>>,
    /// Counters of this node.
    pub stats: DialStats,
    /// What is known of it.
    pub state: Arc<NodeState>,
}

/// A turn to shake hands. It is over when this is dropped.
#[derive(Debug)]
pub struct HandshakeTurn {
    /// Where it is given back; `None` once another has it.
    turns: Option<Arc<RwLock<HandshakeTurns<oneshot::Sender<Self>>>>>,
    whose: Whose,
}

/// A turn that two may end: the handshake when it is over, and a client that is waited for.
#[derive(Clone, Debug, Default)]
pub struct HeldTurn(Arc<RwLock<Option<HandshakeTurn>>>);

impl HeldTurn {
    /// Holds a turn.
    pub fn set(&self, turn: Option<HandshakeTurn>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = turn;
    }

    /// Ends it, if it is held.
    pub fn end(&self) {
        self.set(None);
    }
}

impl NodeGate {
    /// A gate of a node in this state.
    #[must_use]
    pub fn new(state: Arc<NodeState>) -> Self {
        Self { turns: Arc::default(), stats: DialStats::default(), state }
    }

    /// Waits for a turn, in the order of asking; unverified logins have one of them at most. Hold it until the
    /// connection is ready.
    pub async fn enter(&self, whose: Whose) -> Option<HandshakeTurn> {
        let (waiter, turn) = oneshot::channel();
        let now = self.turns.write().unwrap_or_else(PoisonError::into_inner).ask(waiter, whose);
        match now {
            Some(_) => Some(HandshakeTurn { turns: Some(Arc::clone(&self.turns)), whose }),
            // Its sender waits among the turns, and is not dropped before it has sent one.
            None => turn.await.ok(),
        }
    }
}

impl Drop for HandshakeTurn {
    fn drop(&mut self) {
        let Some(turns) = self.turns.take() else { return };
        loop {
            let next = turns.write().unwrap_or_else(PoisonError::into_inner).on_ended(self.whose);
            let Some((next, whose)) = next else { return };
            match next.send(Self { turns: Some(Arc::clone(&turns)), whose }) {
                Ok(()) => return,
                // It has given up: the turn is the next one's.
                Err(mut unused) => unused.turns = None,
            }
            self.whose = whose;
        }
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
        let first = gate.enter(Whose::Known).await;
        let second = gate.enter(Whose::Known).await;
        let mut third = Box::pin(gate.enter(Whose::Known));
        assert!(tokio::select! { biased; _ = &mut third => false, () = async {} => true });

        drop(first);
        assert!(third.await.is_some());
        drop(second);
    }

    #[tokio::test]
    async fn a_turn_of_one_that_has_given_up_is_the_next_ones() {
        let gate = NodeGate::default();
        let (first, _second) = (gate.enter(Whose::Known).await, gate.enter(Whose::Known).await);
        let mut third = Box::pin(gate.enter(Whose::Known));
        let mut fourth = Box::pin(gate.enter(Whose::Known));
        assert!(tokio::select! { biased; _ = &mut third => false, () = async {} => true });
        assert!(tokio::select! { biased; _ = &mut fourth => false, () = async {} => true });
        drop(third);
        drop(first);
        assert!(fourth.await.is_some());
    }
}

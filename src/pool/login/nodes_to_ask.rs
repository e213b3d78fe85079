//! The nodes that are asked about logins, and in which order.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

use crate::pool::nodes::node_target::{NodeTarget, ShardPort};
use crate::topology::id::NodeId;

/// Nodes that are asked about one login before it is given up; a client waits.
const NODES_MAX: usize = 3;
/// One login in so many is asked of nodes that could not be reached as of any other, to learn whether they are
/// back: a connection of a single client brings no lanes that would show it.
const ASKED_AGAIN: usize = 8;
/// Stands for a node that is asked by its address, before the nodes of the cluster are known.
pub(in crate::pool) const UNNUMBERED: NodeId = NodeId(u16::MAX);

/// Whom logins are asked of.
#[derive(Debug, Default)]
pub(in crate::pool) struct NodesToAsk {
    /// Nodes to ask; before they are known, addresses to ask.
    targets: Vec<NodeTarget>,
    /// Nodes that are asked as well when one of those has refused a credential: all of the data
    /// center, also where lanes lead to some of them only.
    second_opinions: Vec<NodeTarget>,
    contacts: Vec<NodeTarget>,
    /// Which of them is asked first next time.
    turn: usize,
    /// Those that could not be reached when one was asked last: they are asked after the others.
    silent: BTreeSet<NodeId>,
}

impl NodesToAsk {
    /// Takes the nodes to ask, and all of the local data center, to be asked for a second opinion.
    pub(in crate::pool) fn set_nodes(&mut self, targets: &[NodeTarget], local: &[NodeTarget]) {
        self.targets = targets.to_vec();
        let is_other = |node: &&NodeTarget| targets.iter().all(|known| known.node != node.node);
        self.second_opinions = local.iter().filter(is_other).copied().collect();
        let known = self.targets.iter().chain(&self.second_opinions).map(|target| target.node);
        let known: BTreeSet<NodeId> = known.collect();
        self.silent.retain(|silent| known.contains(silent));
    }

    /// Takes the addresses to ask as long as no node is known.
    pub(in crate::pool) fn set_contacts(&mut self, contacts: &[SocketAddr]) {
        let target = |address: &SocketAddr| NodeTarget {
            node: UNNUMBERED,
            host: None,
            address: *address,
            shard_port: ShardPort::AsAdvertised,
        };
        self.contacts = contacts.iter().map(target).collect();
    }

    /// A node was asked, and answered or could not be reached; or a lane leads to it now.
    pub(in crate::pool) fn note(&mut self, node: NodeId, is_reached: bool) {
        if is_reached {
            self.silent.remove(&node);
        } else if node != UNNUMBERED {
            self.silent.insert(node);
        }
    }

    /// Whether each of some nodes was asked, and none could be reached.
    pub(in crate::pool) fn are_silent(&self, nodes: &[NodeTarget]) -> bool {
        !nodes.is_empty() && nodes.iter().all(|target| self.silent.contains(&target.node))
    }

    fn known(&self) -> &[NodeTarget] {
        if self.targets.is_empty() { &self.contacts } else { &self.targets }
    }

    /// The nodes for one login, another one first each time.
    pub(super) fn next(&mut self) -> VecDeque<NodeTarget> {
        self.turn = self.turn.wrapping_add(1);
        let known = self.known();
        let start = self.turn.checked_rem(known.len()).unwrap_or(0);
        let in_turn = known.iter().cycle().skip(start).take(known.len());
        let mut nodes: Vec<NodeTarget> = in_turn.copied().collect();
        if !self.turn.is_multiple_of(ASKED_AGAIN) {
            nodes.sort_by_key(|target| self.silent.contains(&target.node));
        }
        nodes.truncate(NODES_MAX);
        nodes.into()
    }

    /// The nodes for a second opinion, the one whose opinion is known last.
    pub(super) fn next_second_opinions(&mut self, refused_by: NodeId) -> VecDeque<NodeTarget> {
        let mut nodes: Vec<NodeTarget> = self.next().into();
        nodes.extend_from_slice(&self.second_opinions);
        nodes.sort_by_key(|target| target.node == refused_by);
        nodes.truncate(NODES_MAX);
        nodes.into()
    }

    /// Whether there is no other node to ask than this one.
    pub(super) fn is_only(&self, node: NodeId) -> bool {
        self.known().iter().chain(&self.second_opinions).all(|target| target.node == node)
    }
}

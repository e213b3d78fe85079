//! Lanes to other data centers, in use while no local one is up: which requests may go there.

use std::mem;

use crate::engine::core::core::Core;
use crate::engine::core::message::Message;
use crate::engine::pending::{LaneKey, Outgoing, RequestOrigin};
use crate::engine::view::tally::RequestKind;
use crate::routing::decision::Decision;
use crate::topology::id::NodeId;
use cql::consistency::Consistency;
use cql::response::error::Extras;

/// Nodes of other data centers.
#[derive(Debug, Default)]
pub(crate) struct Remote {
    /// Those that are used now; none as a rule.
    nodes: Vec<NodeId>,
    /// Whether requests that name the local data center go there too.
    local_consistency: bool,
}

/// A request must not go where it was routed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooFar {
    /// Its consistency, which names the local data center.
    consistency: Consistency,
}

impl Remote {
    /// Uses these nodes of other data centers from now on. Lanes to nodes that are no longer among
    /// them accept no new requests and close once nothing is in flight.
    pub(crate) fn set(&mut self, core: &mut Core, nodes: Vec<NodeId>, local_consistency: bool) {
        let former = mem::replace(self, Self { nodes, local_consistency });
        core.retire_lanes_to(|node| former.nodes.contains(&node) && !self.nodes.contains(&node));
    }

    /// Whether any node of another data center is used.
    #[inline]
    pub(crate) fn is_in_use(&self) -> bool {
        !self.nodes.is_empty()
    }

    /// Whether a request must not go where it was routed: there, "local" would mean another data
    /// center than its sender's.
    pub(crate) fn forbids(
        &self,
        core: &Core,
        decision: Option<Decision<LaneKey>>,
        message: &Message<'_>,
    ) -> Option<TooFar> {
        if self.local_consistency {
            return None;
        }
        let node = core.lanes.get(decision?.lane)?.route.node;
        let too_far = self.nodes.contains(&node) && message.names_local();
        too_far.then(|| TooFar { consistency: message.consistency() })
    }
}

/// Answers a request that must not go to another data center: in its own, no replica is alive.
pub(crate) fn refuse(core: &mut Core, outgoing: &Outgoing, too_far: TooFar) {
    let RequestOrigin::Client { to, purpose } = outgoing.origin else { return };
    let text = "shardlane reaches no node of its data center, and the request asks for it by its \
                consistency";
    let consistency = too_far.consistency;
    let extras = Extras::Unavailable { consistency, required: 1, alive: 0 };
    core.refuse_with(to, RequestKind::of(outgoing.opcode), text, &extras);
    core.leave(to.client);
    core.end_use(to.client, purpose);
}

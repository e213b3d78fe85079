//! Lanes to other data centers, in use while no local one is up: who may go there, and the end of it.

use std::mem;

use crate::engine::engine::Engine;
use crate::engine::pending::{LaneKey, Origin, Purpose};
use crate::engine::requests::forward::Outgoing;
use crate::engine::tally::{Outcome, RequestKind};
use crate::engine::trouble::lost::consistency_of;
use crate::topology::id::NodeId;
use cql::consistency::Consistency;
use cql::header::HEADER_LEN;
use cql::opcode::Opcode;
use cql::request::batch::Batch;
use cql::request::execute::Execute;
use cql::request::query::Query;
use cql::response::error;
use cql::response::error::Extras;

/// Nodes of other data centers.
#[derive(Debug, Default)]
pub(in crate::engine) struct Remote {
    /// Those that are used now; none as a rule.
    pub(in crate::engine) nodes: Vec<NodeId>,
    /// Whether requests that name the local data center go there too.
    local_consistency: bool,
}

impl Engine {
    /// Takes the nodes of other data centers that stand in for the local one. Lanes of those that
    /// do no longer take nothing new, and are closed once they owe nothing.
    pub fn on_remote_nodes(&mut self, nodes: Vec<NodeId>, local_consistency: bool) {
        let remote = Remote { nodes, local_consistency };
        let former = mem::replace(&mut self.remote, remote).nodes;
        for key in self.lanes.keys() {
            let node = self.lanes.get(key).map(|lane| lane.route.node);
            let is_over =
                |node: &NodeId| former.contains(node) && !self.remote.nodes.contains(node);
            if node.as_ref().is_some_and(is_over) {
                self.retire_lane(key);
            }
        }
    }

    /// A node is not used any more: its lanes take nothing new, and are closed once they owe nothing.
    pub fn retire_node(&mut self, node: NodeId) {
        for key in self.lanes.keys() {
            if self.lanes.get(key).is_some_and(|lane| lane.route.node == node) {
                self.retire_lane(key);
            }
        }
    }

    /// Whether a request must not go where `lane` leads: there, "local" would mean another data
    /// center than its sender's.
    pub(in crate::engine) fn is_too_far(
        &self,
        lane: LaneKey,
        outgoing: &Outgoing,
        frame: &[u8],
    ) -> bool {
        if self.remote.local_consistency {
            return false;
        }
        let node = self.lanes.get(lane).map(|lane| lane.route.node);
        let body = frame.get(HEADER_LEN..).unwrap_or_default();
        node.is_some_and(|node| self.remote.nodes.contains(&node))
            && names_local(outgoing.opcode, body)
    }

    /// Answers a request that must not go to another data center: of its own, no replica is alive.
    pub(in crate::engine) fn refuse_too_far(&mut self, outgoing: Outgoing, frame: &[u8]) {
        let Origin::Client { client, stream, purpose } = outgoing.origin else { return };
        let body = frame.get(HEADER_LEN..).unwrap_or_default();
        let consistency = consistency_of(outgoing.opcode, body);
        let text = "shardlane reaches no node of its data center, and the request asks for it by \
                    its consistency";
        if let Some(entry) = self.clients.get_mut(client) {
            let version = entry.session.response_version();
            let mut frame = Vec::new();
            let extras = Extras::Unavailable { consistency, required: 1, alive: 0 };
            error::write_error_with(&mut frame, version, stream, text, &extras);
            entry.session.send(&frame);
            self.touch_client(client);
        }
        self.tally.on_ended(RequestKind::of(outgoing.opcode), Outcome::Refused);
        self.leave(client);
        if let Purpose::Use(_) = purpose {
            self.on_use_ended(client);
        }
    }
}

/// Whether a request's consistency, or that of its Paxos phase, names the local data center.
fn names_local(opcode: Opcode, body: &[u8]) -> bool {
    let serial = if opcode == Opcode::Execute {
        let options = Execute::read(body).and_then(|request| request.parameters.options());
        options.map(|options| options.serial_consistency)
    } else if opcode == Opcode::Query {
        let options = Query::read(body).and_then(|request| request.parameters.options());
        options.map(|options| options.serial_consistency)
    } else if opcode == Opcode::Batch {
        Batch::read(body).and_then(|batch| batch.tail()).map(|tail| tail.serial_consistency)
    } else {
        return false;
    };
    consistency_of(opcode, body).is_local()
        || serial.ok().flatten().is_some_and(Consistency::is_local)
}

//! The dialler's counters, as telemetry exports them.

use crate::connect::handshake_budget::{HandshakeBudget, NodeGate};
use crate::pool::nodes::node_state::PortVerdict;
use crate::telemetry::report::NodeDials;
use crate::topology::id::NodeId;

/// Reports on every node that was dialled so far.
#[must_use]
pub(crate) fn report(budget: &HandshakeBudget) -> Vec<NodeDials> {
    budget.gates().into_iter().map(|(node, gate)| report_one(node, &gate)).collect()
}

fn report_one(node: NodeId, gate: &NodeGate) -> NodeDials {
    let counts = gate.stats.counts();
    let results = vec![
        ("opened", counts.opened),
        ("unreachable", counts.unreachable),
        ("timed_out", counts.timed_out),
        ("refused", counts.refused),
        ("tls_failed", counts.tls_failed),
        ("broken", counts.broken),
    ];
    let port_verdict = match gate.state.verdict() {
        PortVerdict::Unknown => "unknown",
        PortVerdict::Direct => "direct",
        PortVerdict::Rewritten => "rewritten",
        PortVerdict::Closed => "closed",
        PortVerdict::NoSourcePort => "no_source_port",
    };
    NodeDials {
        node,
        results,
        excess: gate.state.excess(),
        ports_taken: counts.bind_errors,
        mismatches: gate.state.mismatches(),
        port_verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_was_never_dialled_reports_zeroes() {
        let budget = HandshakeBudget::default();
        assert!(report(&budget).is_empty());
        drop(budget.gate(NodeId(3)));
        let reports = report(&budget);
        assert_eq!(reports.len(), 1);
        assert_eq!((reports[0].node, reports[0].port_verdict), (NodeId(3), "unknown"));
        assert!(reports[0].results.iter().all(|(_, count)| *count == 0));
    }
}

//! Our numbers for hosts, each given once.

use std::collections::BTreeMap;

use crate::topology::id::HostId;
use crate::topology::id::NodeId;

/// Hosts that get a number in the life of the process. Nodes that left keep theirs, so this bounds
/// the replacements, too; a sidecar's process sees a few hundred at most.
pub(crate) const NODES_MAX: u16 = 4_096;

/// The numbers given so far. A number is never given to another host: what was learned of a node
/// that has left can then never be taken for knowledge of its successor.
#[derive(Debug, Default)]
pub(crate) struct NodeNumbers {
    numbers: BTreeMap<HostId, NodeId>,
}

impl NodeNumbers {
    /// Gives a host its number, or finds the one it has. None once [`NODES_MAX`] are given.
    pub(crate) fn number(&mut self, host: HostId) -> Option<NodeId> {
        if let Some(id) = self.numbers.get(&host) {
            return Some(*id);
        }
        let next = u16::try_from(self.numbers.len()).ok().filter(|next| *next < NODES_MAX)?;
        self.numbers.insert(host, NodeId(next));
        Some(NodeId(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_keeps_its_number() {
        let mut numbers = NodeNumbers::default();
        let first = numbers.number(host(1)).unwrap();
        let second = numbers.number(host(2)).unwrap();
        assert_ne!(first, second);
        assert_eq!(numbers.number(host(1)), Some(first));
    }

    #[test]
    fn numbers_run_out_and_known_hosts_keep_theirs() {
        let mut numbers = NodeNumbers::default();
        for index in 0..NODES_MAX {
            assert_eq!(numbers.number(host(index)), Some(NodeId(index)));
        }
        assert_eq!(numbers.number(host(NODES_MAX)), None);
        assert_eq!(numbers.number(host(7)), Some(NodeId(7)));
        assert_eq!(numbers.numbers.len(), usize::from(NODES_MAX));
    }

    fn host(number: u16) -> HostId {
        HostId(u128::from(number).to_be_bytes())
    }
}

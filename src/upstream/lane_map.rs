//! Which lane leads to which shard of which node.

use crate::topology::id::NodeId;
use crate::topology::tablet::Replica;
use cql::token::shard::ShardId;
use cql::token::shard::Sharder;

/// The lanes of one kind by node and shard; `K` names a lane.
#[derive(Debug)]
pub(crate) struct LaneMap<K> {
    nodes: Vec<NodeLanes<K>>,
    /// Every lane, for requests that any shard may take.
    live: Vec<(NodeId, K)>,
}

/// The lanes to one node.
#[derive(Debug)]
pub(crate) struct NodeLanes<K> {
    /// How the node deals tokens to shards; `None` for a server without shards.
    pub sharder: Option<Sharder>,
    shards: Vec<Option<K>>,
    /// Of each shard without a lane: when a request last asked for one, and when it was opened.
    asked: Vec<Asked>,
    live: u16,
}

/// How a shard without a lane was asked for, µs.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    last_us: Option<u64>,
    opened_us: Option<u64>,
}

/// When a missing lane is opened, µs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AskTimes {
    /// Two requests within this time open it.
    pub window_us: u64,
    /// It is not opened again within this time.
    pub again_us: u64,
}

impl<K> LaneMap<K> {
    /// No lanes.
    #[must_use]
    pub(crate) const fn new() -> Self {
        Self { nodes: Vec::new(), live: Vec::new() }
    }
}

impl<K: Copy + Eq> LaneMap<K> {
    /// Adds a lane. One that stands at the same place already is handed back: it is one too many.
    pub(crate) fn insert(&mut self, at: Replica, sharder: Option<Sharder>, lane: K) -> Option<K> {
        let Replica { node, shard } = at;
        let number = usize::from(node.0);
        if self.nodes.len() <= number {
            self.nodes.resize_with(number + 1, NodeLanes::default);
        }
        let lanes = self.nodes.get_mut(number)?;
        lanes.sharder = sharder;
        let place = usize::from(shard.0);
        if lanes.shards.len() <= place {
            lanes.shards.resize(place + 1, None);
        }
        let before = lanes.shards.get_mut(place)?.replace(lane);
        self.live.push((node, lane));
        match before {
            Some(before) => self.live.retain(|(_, live)| *live != before),
            None => lanes.live += 1,
        }
        before
    }

    /// Forgets a lane; `false` when it was not here.
    pub(crate) fn remove(&mut self, node: NodeId, lane: K) -> bool {
        let lanes = self.nodes.get_mut(usize::from(node.0));
        let Some(lanes) = lanes else { return false };
        let Some(place) = lanes.shards.iter_mut().find(|place| **place == Some(lane)) else {
            return false;
        };
        *place = None;
        lanes.live -= 1;
        self.live.retain(|(_, live)| *live != lane);
        true
    }

    /// A request asks for a lane to a shard, which is not there. Whether to open it: the node is
    /// known, another request asked within `window_us` before, so that lanes are not opened for one
    /// request each, and it was not opened within `again_us`.
    pub(crate) fn ask_for(&mut self, at: Replica, now_us: u64, times: AskTimes) -> bool {
        let Replica { node, shard } = at;
        let Some(lanes) = self.nodes.get_mut(usize::from(node.0)) else { return false };
        let (place, count) = (usize::from(shard.0), lanes.sharder.map(|all| all.nr_shards().get()));
        let is_there = lanes.shards.get(place).is_some_and(Option::is_some);
        if is_there || place >= count.map_or(0, usize::from) {
            return false;
        }
        if lanes.asked.len() <= place {
            lanes.asked.resize(place + 1, Asked::default());
        }
        let Some(asked) = lanes.asked.get_mut(place) else { return false };
        let within = |at: Option<u64>, us| at.is_some_and(|at| now_us.saturating_sub(at) < us);
        let opens =
            within(asked.last_us, times.window_us) && !within(asked.opened_us, times.again_us);
        asked.last_us = Some(now_us);
        if opens {
            asked.opened_us = Some(now_us);
        }
        opens
    }

    /// The lane to a shard of a node.
    #[inline]
    #[must_use]
    pub(crate) fn lane(&self, node: NodeId, shard: ShardId) -> Option<K> {
        *self.nodes.get(usize::from(node.0))?.shards.get(usize::from(shard.0))?
    }

    /// What is known of a node; `None` before its first lane.
    #[inline]
    #[must_use]
    pub(crate) fn node(&self, node: NodeId) -> Option<&NodeLanes<K>> {
        self.nodes.get(usize::from(node.0))
    }

    /// The lanes to one node.
    pub(crate) fn lanes_of(&self, node: NodeId) -> impl Iterator<Item = K> {
        let lanes = self.nodes.get(usize::from(node.0));
        lanes.into_iter().flat_map(|lanes| lanes.shards.iter().copied().flatten())
    }

    /// Every lane with its node.
    #[must_use]
    pub(crate) fn live(&self) -> &[(NodeId, K)] {
        &self.live
    }

    /// How each node divided its data when its last lane was opened, also where no lane is left.
    pub(crate) fn sharders(&self) -> impl Iterator<Item = (NodeId, Sharder)> {
        let numbers = (0u16..).map(NodeId).zip(&self.nodes);
        numbers.filter_map(|(node, lanes)| Some((node, lanes.sharder?)))
    }

    /// A node is not used any more: none of its shards lacks a lane.
    pub(crate) fn forget_sharder(&mut self, node: NodeId) {
        if let Some(lanes) = self.nodes.get_mut(usize::from(node.0)) {
            lanes.sharder = None;
        }
    }

    /// The nodes that have a lane.
    pub(crate) fn live_nodes(&self) -> impl Iterator<Item = NodeId> {
        let numbers = self.nodes.iter().zip(0u16..);
        numbers.filter(|(lanes, _)| lanes.live > 0).map(|(_, number)| NodeId(number))
    }
}

impl<K> Default for LaneMap<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> Default for NodeLanes<K> {
    fn default() -> Self {
        Self { sharder: None, shards: Vec::new(), asked: Vec::new(), live: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lane_to_a_shard_hands_the_first_back() {
        let mut lane_map = LaneMap::default();
        let place = Replica { node: NodeId(2), shard: ShardId(3) };
        assert_eq!(lane_map.insert(place, None, 'a'), None);
        assert_eq!(lane_map.insert(place, None, 'b'), Some('a'));
        assert_eq!(lane_map.lane(place.node, place.shard), Some('b'));
        assert_eq!(lane_map.live(), [(NodeId(2), 'b')]);

        assert!(!lane_map.remove(place.node, 'a'));
        assert!(lane_map.remove(place.node, 'b'));
        assert_eq!(lane_map.live_nodes().count(), 0);
        assert_eq!(lane_map.lane(place.node, place.shard), None);
    }

    #[test]
    fn the_shards_of_a_node_without_lanes_are_known_until_it_is_left() {
        let mut lane_map = LaneMap::default();
        let place = Replica { node: NodeId(2), shard: ShardId(3) };
        lane_map.insert(place, Sharder::new(4, 12).ok(), 'a');
        lane_map.remove(place.node, 'a');
        let known = |map: &LaneMap<char>| -> Vec<_> {
            map.sharders().map(|(node, all)| (node, all.nr_shards().get())).collect()
        };
        assert_eq!(known(&lane_map), [(NodeId(2), 4)]);
        lane_map.forget_sharder(place.node);
        assert_eq!(known(&lane_map), []);
    }

    #[test]
    fn a_lane_is_opened_when_it_is_asked_for_twice_and_again_after_a_while() {
        let mut lane_map = LaneMap::default();
        let at = |shard| Replica { node: NodeId(2), shard: ShardId(shard) };
        let (place, times) = (at(3), AskTimes { window_us: 1_000, again_us: 100 });
        assert!(!lane_map.ask_for(place, 10, times), "the node is not known yet");
        lane_map.insert(at(0), Sharder::new(4, 12).ok(), 'a');
        assert!(!lane_map.ask_for(place, 10, times));
        assert!(lane_map.ask_for(place, 1_009, times));
        assert!(!lane_map.ask_for(place, 1_108, times));
        assert!(lane_map.ask_for(place, 1_109, times));
        assert!(!lane_map.ask_for(place, 2_109, times), "the one before is too long ago");
        assert!(!lane_map.ask_for(at(4), 2_109, times), "there is no such shard");
        for now_us in [2_200, 2_300] {
            assert!(!lane_map.ask_for(at(0), now_us, times), "it has its lane");
        }
    }
}

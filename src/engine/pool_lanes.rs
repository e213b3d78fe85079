//! The lanes as the routing policy sees them.

use std::cell::Cell;

use crate::collections::slab::Slab;
use crate::engine::pending::{LaneKey, Pending};
use crate::routing::policy::LaneView;
use crate::topology::id::NodeId;
use crate::upstream::lane::Lane;
use crate::upstream::lane_map::LaneMap;
use cql::token::shard::{ShardId, Sharder};

/// How many lanes are compared when any would do.
const COMPARED_MAX: usize = 16;

/// The lanes of one kind, with what is in flight on each.
#[derive(Debug)]
pub struct PoolLanes<'a> {
    /// Which lane leads where.
    pub lane_map: &'a LaneMap<LaneKey>,
    /// The lanes.
    pub lanes: &'a Slab<Lane<Pending>>,
    /// Nodes in our own rack, by number.
    pub local_rack: &'a [bool],
    /// Nodes that have a stalled lane.
    pub stalled: &'a [NodeId],
    /// The lane that comes first if it leads to a replica: it sent the page before.
    pub sticky: Option<LaneKey>,
    /// A node that is passed over while there is another: it has the request already, or has just
    /// refused it.
    pub avoided: Option<NodeId>,
    /// Whether only some nodes of the data center are used.
    pub some_nodes: bool,
    /// Where lanes are opened on demand: a replica that none leads to.
    pub missing: Option<&'a Cell<Option<(NodeId, ShardId)>>>,
}

impl PoolLanes<'_> {
    #[inline]
    fn load(&self, lane: LaneKey) -> Option<usize> {
        self.lanes.get(lane)?.load()
    }

    /// The least busy lane to the nodes that `may`; `turn` tells where to start looking.
    #[inline]
    fn least_busy(&self, turn: usize, may: impl Fn(NodeId) -> bool) -> Option<LaneKey> {
        let live = self.lane_map.live();
        let start = turn % live.len().max(1);
        let rotated = live.iter().cycle().skip(start).take(live.len());
        let allowed = rotated.filter(|(node, _)| may(*node));
        let loads = allowed.filter_map(|(_, lane)| Some((self.load(*lane)?, *lane)));
        loads.take(COMPARED_MAX).min_by_key(|(load, _)| *load).map(|(_, lane)| lane)
    }
}

impl LaneView for PoolLanes<'_> {
    type Lane = LaneKey;

    #[inline]
    fn lane(&self, node: NodeId, shard: ShardId) -> Option<(LaneKey, usize)> {
        if self.avoided == Some(node) {
            return None;
        }
        let lane = self.lane_map.lane(node, shard)?;
        Some((lane, self.load(lane)?))
    }

    fn on_passed_over(&self, node: NodeId, shard: ShardId) {
        if let Some(missing) = self.missing
            && self.lane_map.lane(node, shard).is_none()
        {
            missing.set(Some((node, shard)));
        }
    }

    fn opens_on_demand(&self) -> bool {
        self.missing.is_some()
    }

    fn uses_some_nodes(&self) -> bool {
        self.some_nodes
    }

    fn lane_of_node(&self, node: NodeId) -> Option<LaneKey> {
        if self.avoided == Some(node) {
            return None;
        }
        let lanes = self.lane_map.lanes_of(node);
        let loads = lanes.filter_map(|lane| Some((self.load(lane)?, lane)));
        loads.min_by_key(|(load, _)| *load).map(|(_, lane)| lane)
    }

    #[inline]
    fn is_sticky(&self, lane: LaneKey) -> bool {
        self.sticky == Some(lane)
    }

    fn any_lane(&self, turn: usize) -> Option<LaneKey> {
        let sticky = self.sticky.filter(|_| self.avoided.is_none());
        if let Some(lane) = sticky.filter(|lane| self.load(*lane).is_some()) {
            return Some(lane);
        }
        // Other lanes of a node that fell silent, or refuses, may be idle, and yet not the place to
        // go.
        let elsewhere = |node: NodeId| !self.is_stalled(node) && self.avoided != Some(node);
        let wide = || self.least_busy(turn, |_| true);
        if self.stalled.is_empty() && self.avoided.is_none() {
            wide()
        } else {
            self.least_busy(turn, elsewhere).or_else(wide)
        }
    }

    #[inline]
    fn is_stalled(&self, node: NodeId) -> bool {
        self.stalled.contains(&node)
    }

    #[inline]
    fn sharder(&self, node: NodeId) -> Option<Sharder> {
        self.lane_map.node(node)?.sharder
    }

    #[inline]
    fn in_local_rack(&self, node: NodeId) -> bool {
        self.local_rack.get(usize::from(node.0)).copied().unwrap_or(false)
    }
}

//! The lanes as the routing policy sees them.

use crate::collections::slab::Slab;
use crate::engine::pending::{LaneKey, Pending};
use crate::routing::policy::LaneCandidates;
use crate::topology::id::NodeId;
use crate::upstream::lane::Lane;
use crate::upstream::lane_map::LaneMap;
use cql::token::shard::{ShardId, Sharder};

/// How many lanes are compared when any would do.
const COMPARED_MAX: usize = 16;

/// Which lanes come first, and which last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Preference {
    /// The lane that comes first if it leads to a replica: it sent the page before.
    pub(crate) sticky: Option<LaneKey>,
    /// A node that is passed over while there is another: it has the request already, or has just
    /// refused it.
    pub(crate) avoided: Option<NodeId>,
    /// Whether the lanes are those of a keyspace, which are opened as they are asked for.
    pub(crate) is_in_keyspace: bool,
}

/// The lanes of one pool, with what is in flight on each.
#[derive(Debug)]
pub(crate) struct PoolLanes<'a> {
    /// Which lane leads where.
    pub(crate) lane_map: &'a LaneMap<LaneKey>,
    /// The lanes of all pools.
    pub(crate) lanes: &'a Slab<Lane<Pending>>,
    /// Nodes in our own rack, by number.
    pub(crate) local_rack: &'a [bool],
    /// Nodes that have a stalled lane.
    pub(crate) stalled: &'a [NodeId],
    pub(crate) preference: Preference,
    /// Whether only some nodes of the data center are used.
    pub(crate) some_nodes: bool,
    /// Whether lanes are opened when requests ask for them.
    pub(crate) on_demand: bool,
}

impl PoolLanes<'_> {
    #[inline]
    fn load(&self, lane: LaneKey) -> Option<usize> {
        self.lanes.get(lane)?.load()
    }

    /// The least busy lane to a node for which `may` returns true; the search starts at `turn`.
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

impl LaneCandidates for PoolLanes<'_> {
    type Lane = LaneKey;

    #[inline]
    fn lane(&self, node: NodeId, shard: ShardId) -> Option<(LaneKey, usize)> {
        if self.preference.avoided == Some(node) {
            return None;
        }
        let lane = self.lane_map.lane(node, shard)?;
        Some((lane, self.load(lane)?))
    }

    fn is_missing(&self, node: NodeId, shard: ShardId) -> bool {
        self.on_demand && self.lane_map.lane(node, shard).is_none()
    }

    fn opens_on_demand(&self) -> bool {
        self.on_demand
    }

    fn uses_some_nodes(&self) -> bool {
        self.some_nodes
    }

    fn lane_of_node(&self, node: NodeId) -> Option<LaneKey> {
        if self.preference.avoided == Some(node) {
            return None;
        }
        let lanes = self.lane_map.lanes_of(node);
        let loads = lanes.filter_map(|lane| Some((self.load(lane)?, lane)));
        loads.min_by_key(|(load, _)| *load).map(|(_, lane)| lane)
    }

    #[inline]
    fn sticky(&self) -> Option<LaneKey> {
        self.preference.sticky
    }

    fn any_lane(&self, turn: usize) -> Option<LaneKey> {
        let sticky = self.preference.sticky.filter(|_| self.preference.avoided.is_none());
        if let Some(lane) = sticky.filter(|lane| self.load(*lane).is_some()) {
            return Some(lane);
        }
        // Other lanes of a node that is silent, or refuses, may be idle, and yet are no better.
        let elsewhere =
            |node: NodeId| !self.is_stalled(node) && self.preference.avoided != Some(node);
        let wide = || self.least_busy(turn, |_| true);
        if self.stalled.is_empty() && self.preference.avoided.is_none() {
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

//! Which of several replicas: that of the page before, the local rack, then the least busy.

use crate::routing::decision::{Decision, Reason};
use crate::topology::id::NodeId;
use crate::topology::tablet::Replica;
use cql::token::shard::{ShardId, Sharder};

/// What the policy asks about lanes; only lanes of the local data center are seen.
pub(crate) trait LaneCandidates {
    /// Names a lane.
    type Lane: Copy + Eq;

    /// The lane to a shard and its requests in flight; `None` when there is none that takes more.
    fn lane(&self, node: NodeId, shard: ShardId) -> Option<(Self::Lane, usize)>;

    /// Whether a shard has no lane at all and should get one when requests ask for it.
    fn is_missing(&self, _node: NodeId, _shard: ShardId) -> bool {
        false
    }

    /// Whether lanes are opened when requests ask for them.
    fn opens_on_demand(&self) -> bool {
        false
    }

    /// Whether lanes lead to some nodes and not to all.
    fn uses_some_nodes(&self) -> bool {
        false
    }

    /// The least busy lane to a node.
    fn lane_of_node(&self, node: NodeId) -> Option<Self::Lane>;

    /// Whether a lane to a node has stalled: its node takes nothing and says nothing.
    fn is_stalled(&self, _node: NodeId) -> bool {
        false
    }

    /// The lane that comes before the others if it leads to a replica, since it sent the page before.
    fn sticky(&self) -> Option<Self::Lane> {
        None
    }

    /// The least busy lane of all; the search starts at `turn`.
    fn any_lane(&self, turn: usize) -> Option<Self::Lane>;

    /// How a node deals tokens to shards; `None` when it has no shards or no lane yet.
    fn sharder(&self, node: NodeId) -> Option<Sharder>;

    /// Whether the node stands in our own rack.
    fn in_local_rack(&self, node: NodeId) -> bool;
}

/// How to choose among replicas.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    /// Local rack first, then the least busy; `turn` breaks ties.
    LeastBusy {
        /// A number that grows with each request.
        turn: usize,
    },
    /// The first that is up, so that all clients contend at one coordinator.
    Fixed,
}

/// What was chosen, and what could not be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LaneChoice<L> {
    /// Lane and reason; `None` when there is no lane at all.
    pub decision: Option<Decision<L>>,
    /// A replica that was passed over because no lane leads to it, where lanes are opened on demand.
    pub missing: Option<Replica>,
}

impl<L> LaneChoice<L> {
    /// A choice without replicas to pass over.
    #[must_use]
    pub(crate) fn of(decision: Option<Decision<L>>) -> Self {
        Self { decision, missing: None }
    }

    /// The same for `reason`, if it leads to a replica's shard: a text names the partition.
    #[must_use]
    pub(crate) fn by_text(mut self, reason: Reason) -> Self {
        if let Some(decision) = &mut self.decision
            && matches!(decision.reason, Reason::TabletReplica | Reason::RingReplica)
        {
            decision.reason = reason;
        }
        self
    }
}

/// Chooses a lane among `replicas`.
pub(crate) fn choose<F: LaneCandidates>(
    view: &F,
    replicas: &(impl Iterator<Item = Replica> + Clone),
    order: Order,
    reason: Reason,
) -> LaneChoice<F::Lane> {
    let mut missing = None;
    let on_shard = match order {
        Order::Fixed => {
            let mut lanes = replicas.clone().map(|replica| lane_of(view, replica, &mut missing));
            lanes.find_map(|lane| lane).map(|(lane, _)| (lane, Reason::LwtPrimary))
        }
        Order::LeastBusy { turn } => {
            least_busy(view, replicas.clone(), turn, &mut missing).map(|lane| (lane, reason))
        }
    };
    if let Some((lane, reason)) = on_shard {
        return LaneChoice { decision: Some(Decision { lane, reason }), missing };
    }
    LaneChoice { decision: beside(view, replicas, order), missing }
}

/// Chooses another shard of a replica's node, or else any lane.
fn beside<F: LaneCandidates>(
    view: &F,
    replicas: &(impl Iterator<Item = Replica> + Clone),
    order: Order,
) -> Option<Decision<F::Lane>> {
    // It is the node that is silent: a request to another of its shards would wait as well.
    let mut stalled = false;
    let mut beside = replicas.clone().filter_map(|replica| match view.is_stalled(replica.node) {
        true => {
            stalled = true;
            None
        }
        false => view.lane_of_node(replica.node),
    });
    if let Some(lane) = beside.next() {
        let asked_for = view.opens_on_demand();
        let reason = if asked_for { Reason::ShardNotOpen } else { Reason::ShardDown };
        return Some(Decision { lane, reason });
    }
    let reason = if stalled {
        Reason::ReplicaStalled
    } else if view.uses_some_nodes() {
        Reason::ReplicaNotUsed
    } else {
        Reason::ReplicaDown
    };
    any(view, order, reason)
}

/// Chooses the least busy lane of all.
pub(crate) fn any<F: LaneCandidates>(
    view: &F,
    order: Order,
    reason: Reason,
) -> Option<Decision<F::Lane>> {
    let turn = match order {
        Order::LeastBusy { turn } => turn,
        Order::Fixed => 0,
    };
    view.any_lane(turn).map(|lane| Decision { lane, reason })
}

#[inline]
fn least_busy<F: LaneCandidates>(
    view: &F,
    replicas: impl Iterator<Item = Replica> + Clone,
    turn: usize,
    missing: &mut Option<Replica>,
) -> Option<F::Lane> {
    let count = replicas.clone().count().max(1);
    let mut rotated = turn % count;
    let mut best: Option<(u64, F::Lane)> = None;
    for replica in replicas.clone() {
        if let Some((lane, load)) = lane_of(view, replica, missing) {
            let rank = rank(!view.in_local_rack(replica.node), load, rotated);
            if best.is_none_or(|(least, _)| rank < least) {
                best = Some((rank, lane));
            }
        }
        rotated += 1;
        if rotated == count {
            rotated = 0;
        }
    }
    let best = best.map(|(_, lane)| lane);
    match view.sticky() {
        Some(sticky) => of_page_before(view, replicas, sticky).or(best),
        None => best,
    }
}

/// The lane that sent the page before, if it leads to a replica and takes more.
#[cold]
fn of_page_before<F: LaneCandidates>(
    view: &F,
    mut replicas: impl Iterator<Item = Replica>,
    sticky: F::Lane,
) -> Option<F::Lane> {
    let lane = |replica: Replica| view.lane(replica.node, replica.shard).map(|(lane, _)| lane);
    replicas.any(|replica| lane(replica) == Some(sticky)).then_some(sticky)
}

/// The lane to a replica and its load; notes the replica when no lane leads to it.
#[inline]
fn lane_of<F: LaneCandidates>(
    view: &F,
    replica: Replica,
    missing: &mut Option<Replica>,
) -> Option<(F::Lane, usize)> {
    let Replica { node, shard } = replica;
    let lane = view.lane(node, shard);
    if lane.is_none() && view.is_missing(node, shard) {
        *missing = Some(replica);
    }
    lane
}

/// One number to compare by: the local rack first, then the least busy, then whose turn it is. A lane
/// has at most 32,767 requests in flight, and a tablet 64 replicas.
#[inline]
fn rank(is_far: bool, load: usize, rotated: usize) -> u64 {
    let number = |count| u64::try_from(count).unwrap_or(u64::MAX);
    (u64::from(is_far) << 63) | (number(load) << 16) | number(rotated)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lanes by node: load, local rack. Every lane stands at shard 0.
    struct PoolLanes(Vec<(u16, Option<usize>, bool)>);

    impl LaneCandidates for PoolLanes {
        type Lane = u16;

        fn lane(&self, node: NodeId, shard: ShardId) -> Option<(u16, usize)> {
            let (_, load, _) = self.0.iter().find(|(id, ..)| *id == node.0 && shard.0 == 0)?;
            Some((node.0, (*load)?))
        }

        fn lane_of_node(&self, node: NodeId) -> Option<u16> {
            self.lane(node, ShardId(0)).map(|(lane, _)| lane)
        }

        fn any_lane(&self, turn: usize) -> Option<u16> {
            let up: Vec<_> = self.0.iter().filter(|(_, load, _)| load.is_some()).collect();
            up.get(turn % up.len().max(1)).map(|(id, ..)| *id)
        }

        fn sharder(&self, _: NodeId) -> Option<Sharder> {
            None
        }

        fn in_local_rack(&self, node: NodeId) -> bool {
            self.0.iter().any(|(id, _, local)| *id == node.0 && *local)
        }
    }

    fn pick(lanes: &PoolLanes, replicas: &[(u16, u16)], order: Order) -> Option<(u16, Reason)> {
        let replica =
            |(node, shard): &(u16, u16)| Replica { node: NodeId(*node), shard: ShardId(*shard) };
        let replicas = replicas.iter().map(replica);
        let decision = choose(lanes, &replicas, order, Reason::TabletReplica).decision?;
        Some((decision.lane, decision.reason))
    }

    const TURN: Order = Order::LeastBusy { turn: 0 };

    #[test]
    fn the_local_rack_comes_before_the_less_busy() {
        let lanes = PoolLanes(vec![(1, Some(0), false), (2, Some(9), true), (3, Some(4), true)]);
        let replicas = [(1, 0), (2, 0), (3, 0)];
        assert_eq!(pick(&lanes, &replicas, TURN), Some((3, Reason::TabletReplica)));
    }

    #[test]
    fn equally_busy_replicas_take_turns() {
        let lanes = PoolLanes(vec![(1, Some(0), false), (2, Some(0), false)]);
        let one = pick(&lanes, &[(1, 0), (2, 0)], Order::LeastBusy { turn: 0 });
        let other = pick(&lanes, &[(1, 0), (2, 0)], Order::LeastBusy { turn: 1 });
        assert_ne!(one, other);
    }

    #[test]
    fn a_light_weight_transaction_goes_to_the_first_that_is_up() {
        let lanes = PoolLanes(vec![(1, None, true), (2, Some(9), false), (3, Some(0), true)]);
        let chosen = pick(&lanes, &[(1, 0), (2, 0), (3, 0)], Order::Fixed);
        assert_eq!(chosen, Some((2, Reason::LwtPrimary)));
    }

    #[test]
    fn a_missing_shard_falls_back_to_its_node_then_to_any() {
        let lanes = PoolLanes(vec![(1, Some(0), false), (2, Some(0), false)]);
        assert_eq!(pick(&lanes, &[(2, 7)], TURN), Some((2, Reason::ShardDown)));
        assert_eq!(pick(&lanes, &[(9, 0)], TURN), Some((1, Reason::ReplicaDown)));
        assert_eq!(pick(&PoolLanes(Vec::new()), &[(1, 0)], TURN), None);
    }
}

//! Lanes on demand: what the engine asks for is dialled, and what it does not use is closed; neither
//! without a cause.

use std::collections::BTreeSet;

use crate::network::link::{End, LaneEnd, LinkId};
use crate::proxy::lanes::WorkerRefiller;
use crate::world::World;
use cql::token::shard::ShardId;
use shardlane::engine::pending::LaneKey;
use shardlane::pool::refill::lane_slots::{Dial, WantedLanes};

/// Shards of one node and pool that may have lanes.
#[derive(Debug, Default)]
pub(crate) struct Called {
    /// Shards that a request has asked for, or that had a lane, until it was closed for want of
    /// requests.
    called_for: BTreeSet<u16>,
    /// Those of them that a request has asked for, and that have had no lane since.
    asked_for: BTreeSet<u16>,
}

impl World {
    /// A request asked for a shard that has no lane.
    pub(crate) fn on_asked_for(&mut self, key: WorkerRefiller, shard: ShardId) {
        // It may have come in this very moment, after that was asked.
        let now = self.now_us;
        let there =
            |lane: &LaneEnd| lane.shard == shard.0 && lane.sealed.is_none() && lane.opened_us < now;
        // A data center that was left and is used again may have two for a while.
        let lane = self.lanes_of_keeper(key).find(|(_, lane)| there(lane)).map(|(id, _)| id);
        if let Some(id) = lane.filter(|_| self.scenario.centers == 1) {
            return self
                .blame(format_args!("{shard:?} of {key:?} is asked for, and has lane {id}"));
        }
        self.narrate(format_args!("{shard:?} of {key:?} is asked for"));
        if self.refiller(key).is_some() {
            let called = self.called.entry(key).or_default();
            called.called_for.insert(shard.0);
            called.asked_for.insert(shard.0);
        }
    }

    /// A lane is there: if it is lost, another is wanted.
    pub(crate) fn note_called_for(&mut self, key: WorkerRefiller, shard: u16) {
        let called = self.called.entry(key).or_default();
        called.called_for.insert(shard);
        let asked_for = called.asked_for.remove(&shard);
        self.counted.opened_on_demand += u64::from(asked_for);
    }

    /// What a refiller dials: a first lane, or one that a request has called for.
    pub(crate) fn check_called_for(&mut self, key: WorkerRefiller, dial: Dial) {
        let Some(refiller) = self.refiller(key) else { return };
        let plan = refiller.schedule().slots();
        if plan.lanes() != WantedLanes::ShardsInUse || plan.up() == 0 {
            return;
        }
        let none = Called::default();
        let called = self.called.get(&key).unwrap_or(&none);
        let is_called_for = match dial {
            Dial::Shard { shard, .. } => called.called_for.contains(&shard.0),
            Dial::Any => called.called_for.len() > plan.up(),
        };
        if !is_called_for {
            self.blame(format_args!("{key:?} dials {dial:?}, which was not called for"));
        }
    }

    /// The engine closes a lane for want of requests: no request may wait for anything on it, and its
    /// node must have another.
    pub(crate) fn check_unused(&mut self, number: usize, lane: LaneKey) {
        let worker = self.workers.get(number);
        let Some(id) = worker.lane_links.get(&lane).copied() else { return };
        let unsent = worker.engine.lane_output(lane).map_or(0, <[u8]>::len);
        let (now, limits) = (self.now_us, self.scenario.limits);
        let Some(lane) = self.links.get_mut(&id).and_then(|link| link.lane()) else { return };
        let idle_us = match lane.keyspace {
            Some(_) => limits.keyspace_lane_unused_us,
            None => limits.lane_unused_us,
        };
        let (key, shard) = (lane.refiller(), lane.shard);
        let (owed, used_us) = (lane.taken.len(), now - lane.used_us);
        let is_owed = unsent > 0 || (owed > 0 && !lane.hostile);
        if is_owed || used_us < idle_us || idle_us == 0 {
            self.blame(format_args!(
                "lane {id} is closed as unused: asked {used_us} µs ago, {owed} answers and \
                 {unsent} bytes on their way"
            ));
        }
        if self.lanes_of_keeper(key).nth(1).is_none() {
            self.blame(format_args!("lane {id} is closed as unused, and is the last of {key:?}"));
        }
        self.narrate(format_args!("lane {id} is closed, since it is not used"));
        self.counted.closed_unused += 1;
        self.called.entry(key).or_default().called_for.remove(&shard);
    }

    fn lanes_of_keeper(&self, key: WorkerRefiller) -> impl Iterator<Item = (LinkId, &LaneEnd)> {
        self.links.iter().filter_map(move |(id, link)| match &link.end {
            End::Lane(lane) if lane.key.is_some() && lane.refiller() == key => Some((*id, &**lane)),
            End::Lane(_) | End::Client(_) => None,
        })
    }
}

//! Lanes' connections: who wants them, and how they end.

use crate::agenda::Event;
use crate::network::link::{Cut, End, LaneEnd, Link, LinkId};
use crate::proxy::passing::is_large;
use crate::world::World;
use shardlane::engine::engine::Engine;
use shardlane::engine::pending::LaneKey;
use shardlane::pool::action::{PoolAction, PoolNotice};
use shardlane::pool::pool_manager::PoolManager;
use shardlane::pool::refill::refiller::{PoolRefiller, RefillerKey};
use shardlane::topology::id::NodeId;

/// The kernel's own watch finds a half-open connection after this.
pub(crate) const KEEPALIVE_US: u64 = 20_000_000;

/// The lanes of one node and pool of a worker.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct WorkerRefiller {
    /// Number of the worker.
    pub(crate) worker: usize,
    /// Number of the pool.
    pub(crate) pool: u16,
    /// Number of the node.
    pub(crate) node: usize,
}

impl WorkerRefiller {
    pub(crate) fn new(worker: usize, key: RefillerKey) -> Self {
        Self { worker, pool: key.pool, node: usize::from(key.node.0) }
    }
}

impl LaneEnd {
    /// Who opened it.
    pub(crate) fn refiller(&self) -> WorkerRefiller {
        WorkerRefiller { worker: self.worker, pool: self.pool, node: self.node }
    }
}

impl World {
    /// Number of a node as the engine knows it.
    pub(crate) fn node_id(node: usize) -> NodeId {
        NodeId(u16::try_from(node).unwrap_or(u16::MAX))
    }

    /// All that keep lanes open.
    pub(crate) fn refillers(&self) -> impl Iterator<Item = (WorkerRefiller, &PoolRefiller)> {
        self.workers.numbers().flat_map(|worker| {
            let refillers = self.workers.get(worker).pools.refillers();
            refillers.map(move |(key, refiller)| (WorkerRefiller::new(worker, key), refiller))
        })
    }

    /// What keeps the lanes of one node and pool open.
    pub(crate) fn refiller(&self, key: WorkerRefiller) -> Option<&PoolRefiller> {
        let wanted = RefillerKey { pool: key.pool, node: Self::node_id(key.node) };
        let mut refillers = self.workers.get(key.worker).pools.refillers();
        refillers.find(|(key, _)| *key == wanted).map(|(_, refiller)| refiller)
    }

    /// Gives the pools of a worker an input, with its engine.
    pub(crate) fn pools_input<T>(
        &mut self,
        number: usize,
        feed: impl FnOnce(&mut PoolManager, &mut Engine) -> T,
    ) -> T {
        let now = self.now_us;
        let worker = self.workers.get_mut(number);
        worker.engine.on_time(now);
        worker.pools.on_time(now);
        let fed = feed(&mut worker.pools, &mut worker.engine);
        self.seal_lanes(number);
        fed
    }

    /// Lanes of nodes that are left finish what they owe.
    fn seal_lanes(&mut self, number: usize) {
        let used = self.workers.get(number).nodes();
        if std::mem::replace(&mut self.workers.get_mut(number).used, used.clone()) == used {
            return;
        }
        self.called.retain(|key, _| key.worker != number || used.contains(&key.node));
        let engine = &self.workers.get(number).engine;
        for link in self.links.values_mut() {
            let End::Lane(lane) = &mut link.end else { continue };
            let Some(key) = lane.key.filter(|_| lane.worker == number) else { continue };
            if !used.contains(&lane.node) && lane.sealed.is_none() && !lane.dedicated {
                // A frame that has begun to leave ends there, too.
                let waiting = engine.lane_output(key).map_or(0, <[u8]>::len);
                lane.sealed = Some(waiting + lane.sent.partial_len());
            }
        }
    }

    /// Does what the pools of a worker want done.
    pub(crate) fn carry_out_for_pools(&mut self, worker: usize, action: PoolAction) {
        match action {
            PoolAction::Dial(order) => self.on_dial_order(worker, order),
            PoolAction::Drop(id) => self.drop_dial((worker, id)),
            PoolAction::Serve { id, lane } => self.serve_lane((worker, id), lane),
            PoolAction::Close(lane) => self.close_lane(worker, lane),
            PoolAction::Answer { id, token } => self.on_challenge_answered((worker, id), &token),
            PoolAction::Log(notice) => self.on_notice(worker, &notice),
            PoolAction::LoggedIn => {}
        }
    }

    fn on_notice(&mut self, worker: usize, notice: &PoolNotice) {
        self.narrate(format_args!("worker {worker} logs {notice:?}"));
        match notice {
            PoolNotice::RemoteUsed(_) => self.counted.failed_over += 1,
            PoolNotice::AllLocalUsed => self.counted.widened += 1,
            PoolNotice::LoginRevoked { .. } => self.counted.revoked += 1,
            PoolNotice::Resharded { target, pool } => {
                let node = usize::from(target.node.0);
                self.called.remove(&WorkerRefiller { worker, pool: pool.0, node });
            }
            PoolNotice::NodeLost { .. }
            | PoolNotice::NodeAway { .. }
            | PoolNotice::NodeBack { .. }
            | PoolNotice::NoLane { .. }
            | PoolNotice::StandInsLeft
            | PoolNotice::LoginNotServed(_)
            | PoolNotice::LoginUnknown(_) => {}
        }
    }

    /// A new connection.
    pub(crate) fn new_link(&mut self, end: End) -> LinkId {
        self.links_made += 1;
        let cut = Cut::draw(&mut self.chance);
        let link = Link::new(end, self.scenario.latency_us, self.scenario.pipe_bytes, cut);
        self.links.insert(self.links_made, link);
        self.links_made
    }

    /// The proxy closes a lane. What it had sent may still reach the node.
    fn close_lane(&mut self, worker: usize, key: LaneKey) {
        let Some(id) = self.workers.get_mut(worker).lane_links.remove(&key) else { return };
        self.narrate(format_args!("lane {id} is closed"));
        let now = self.now_us;
        let Some(link) = self.links.get_mut(&id) else { return };
        let at = link.up.last_us.max(now + link.latency_us);
        let Some(lane) = link.lane() else { return };
        lane.key = None;
        let (node_gone, refiller) = (lane.node_gone, lane.refiller());
        self.counted.large_lost += u64::from(!lane.hostile && is_large(&lane.given));
        self.note_lost(refiller);
        if node_gone {
            self.links.remove(&id);
        } else {
            self.agenda.plan(at, Event::NodeClosed { link: id });
        }
    }

    /// The proxy learns that a lane is gone: it reads what had come before, then lets go.
    pub(crate) fn on_lane_gone(&mut self, id: LinkId) {
        let lane = self.links.get_mut(&id).and_then(|link| link.lane());
        let Some((worker, key)) = lane.and_then(|lane| Some((lane.worker, lane.key?))) else {
            return;
        };
        let rest = self.take_arrived(id, false, usize::MAX);
        if !rest.is_empty() {
            self.release_streams(id, &rest);
            self.give_lane_bytes(worker, key, rest);
        }
        self.narrate(format_args!("lane {id} is gone"));
        self.pools_input(worker, |pools, engine| pools.on_lane_lost(engine, key));
        self.flush(worker);
    }

    /// A node learns that the proxy closed a lane.
    pub(crate) fn on_node_closed(&mut self, id: LinkId) {
        let connection = self.links.get_mut(&id).and_then(|link| Some(link.lane()?.connection));
        self.links.remove(&id);
        if let Some(connection) = connection {
            self.node_links.remove(&connection);
            self.cluster.close(connection);
        }
    }
}

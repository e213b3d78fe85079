//! Dialling lanes, and their end.

use std::sync::Arc;

use crate::agenda::Event;
use crate::model::frames::Cutter;
use crate::network::link::{Cut, End, LaneEnd, Link, LinkId};
use crate::proxy::greeting::{Greeted, Refused};
use crate::proxy::passing::is_large;
use crate::proxy::refiller::Refiller;
use crate::proxy::workers::PoolKey;
use crate::world::World;
use cql::token::shard::ShardId;
use shardlane::pool::dial_schedule::{Failure, Next};
use shardlane::pool::lane_slots::{Arrival, Dial, Wanted};
use shardlane::topology::id::NodeId;
use shardlane::upstream::lane::{LaneRoute, PoolId};

/// A connection to a silent node is given up after this.
const CONNECT_US: u64 = 5_000_000;
/// The kernel's own watch finds a half-open connection after this.
pub(crate) const KEEPALIVE_US: u64 = 20_000_000;
/// Which refiller.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct KeeperKey {
    /// Number of the worker.
    pub(crate) worker: usize,
    /// Number of the pool.
    pub(crate) pool: u16,
    /// Number of the node.
    pub(crate) node: usize,
}

impl LaneEnd {
    /// Who opened it.
    pub(crate) fn refiller(&self) -> KeeperKey {
        KeeperKey { worker: self.worker, pool: self.pool, node: self.node }
    }
}

impl World {
    /// Number of a node as the engine knows it.
    pub(crate) fn node_id(node: usize) -> NodeId {
        NodeId(u16::try_from(node).unwrap_or(u16::MAX))
    }

    /// Clients want lanes of a keyspace, with the rights that they have.
    pub(crate) fn open_pool(&mut self, number: usize, pool: PoolId, keyspace: Arc<str>) {
        self.tell(format_args!("lanes for keyspace {keyspace} are wanted (set {})", pool.0));
        let worker = self.workers.get_mut(number);
        let home = worker.engine.home_of_set(pool);
        let Some(plain) = worker.pools.get(&home.0).cloned() else { return };
        worker.pools.insert(pool.0, PoolKey { keyspace: Some(keyspace), ..plain });
        self.start_keepers(number);
    }

    /// Nobody uses a keyspace, or a credential, any more.
    pub(crate) fn close_pool(&mut self, worker: usize, pool: u16) {
        self.tell(format_args!("pool {pool} is closed"));
        self.workers.get_mut(worker).pools.remove(&pool);
        self.workers.get_mut(worker).rechecks.remove(&pool);
        let of = |key: &KeeperKey| key.worker == worker && key.pool == pool;
        let ended: Vec<KeeperKey> = self.refillers.keys().copied().filter(of).collect();
        for key in ended {
            self.end_keeper(key);
        }
        self.close_lanes(|lane| lane.worker == worker && lane.pool == pool);
    }

    /// Starts the refillers that are missing for the nodes that get lanes, and ends the others.
    /// Returns those: whether their lanes are closed too is not theirs to say.
    pub(crate) fn start_keepers(&mut self, worker: usize) -> Vec<KeeperKey> {
        let nodes = self.workers.get(worker).nodes();
        let of = |key: &KeeperKey| key.worker == worker && !nodes.contains(&key.node);
        let ended: Vec<KeeperKey> = self.refillers.keys().copied().filter(of).collect();
        for key in &ended {
            self.end_keeper(*key);
        }
        let pools = self.workers.get(worker).pools.clone();
        for (pool, of) in pools {
            for node in nodes.iter().copied() {
                let key = KeeperKey { worker, pool, node };
                if !self.refillers.contains_key(&key) {
                    let seed = self.chance.bits();
                    let each = of.keyspace.is_none();
                    let wanted = match each {
                        true if self.scenario.on_demand() => Wanted::ShardsInUse,
                        true => Wanted::EachShard,
                        false => Wanted::One,
                    };
                    self.refillers.insert(key, Refiller::new(wanted, seed));
                    self.on_keeper_wakes(key);
                }
            }
        }
        ended
    }

    fn end_keeper(&mut self, key: KeeperKey) {
        let Some(refiller) = self.refillers.remove(&key) else { return };
        for connection in refiller.excess {
            self.cluster.close(connection);
        }
    }

    /// Closes the lanes of refillers.
    pub(crate) fn close_lanes_of(&mut self, refillers: &[KeeperKey]) {
        self.close_lanes(|lane| refillers.contains(&lane.refiller()));
    }

    fn close_lanes(&mut self, of: impl Fn(&LaneEnd) -> bool) {
        let is = |link: &Link| match &link.end {
            End::Lane(lane) => lane.key.is_some() && of(lane),
            End::Client(_) => false,
        };
        let ids: Vec<LinkId> =
            self.links.iter().filter(|(_, link)| is(link)).map(|(id, _)| *id).collect();
        for id in ids {
            self.close_lane(id);
        }
    }

    /// A refiller looks what to do.
    pub(crate) fn on_keeper_wakes(&mut self, key: KeeperKey) {
        let now = self.now_us;
        if let Some(refiller) = self.refillers.get_mut(&key)
            && refiller.wakes_us.is_some_and(|at| at <= now)
        {
            refiller.wakes_us = None;
        }
        while let Some(refiller) = self.refillers.get_mut(&key) {
            match refiller.schedule.next(refiller.is_port_open(now), now / 1000) {
                Next::Rest => return,
                Next::Wait(ms) => {
                    let at = now + 1000 * ms;
                    if refiller.wakes_us.is_none_or(|planned| planned > at) {
                        refiller.wakes_us = Some(at);
                        self.agenda.plan(at, Event::KeeperWakes { refiller: key });
                    }
                    return;
                }
                Next::Dial(dial) => {
                    self.check_called_for(key, dial);
                    self.dial(key, dial);
                }
            }
        }
    }

    fn dial(&mut self, key: KeeperKey, dial: Dial) {
        let silent = self.mood(key.node).is_cut_off(self.now_us);
        let latency = self.scenario.latency_us;
        let time = if silent { CONNECT_US } else { latency * 6 + self.chance.below(latency + 1) };
        self.agenda.plan(self.now_us + time, Event::Dialled { refiller: key, dial });
    }

    /// A try to open a lane ends.
    pub(crate) fn on_dialled(&mut self, key: KeeperKey, dial: Dial) {
        let now = self.now_us;
        let Some(refiller) = self.refillers.get_mut(&key) else { return };
        let sharder = refiller.schedule.plan().sharder();
        let silent = self.mood(key.node).is_cut_off(now);
        let greeted = if silent { Err(Refused::Silent) } else { self.greet(key, (dial, sharder)) };
        match greeted {
            Ok(greeted) => self.on_greeted(key, dial, greeted),
            Err(refused) => {
                self.tell(format_args!("no lane to node {} for set {}", key.node, key.pool));
                if let Some(refiller) = self.refillers.get_mut(&key) {
                    let silent = matches!(refused, Refused::Silent);
                    let failure = if silent { Failure::Broken } else { Failure::Refused };
                    refiller.schedule.on_failed(dial, failure, now / 1000);
                }
                self.on_lane_refused(key, refused);
            }
        }
        self.on_keeper_wakes(key);
    }

    /// The pool of a lane that no node lets in.
    fn on_lane_refused(&mut self, KeeperKey { worker, pool, .. }: KeeperKey, refused: Refused) {
        let home = self.workers.get(worker).engine.home_of_set(PoolId(pool));
        match refused {
            Refused::Silent => {}
            Refused::Login(_) => {
                if let Some(due) = self.workers.get_mut(worker).rechecks.get_mut(&home.0) {
                    *due = 0;
                }
            }
            Refused::Said(_) if home.0 == pool => {}
            Refused::Said(refusal) => {
                let bytes = refusal.bytes();
                self.input(worker, |engine| engine.on_set_failed(PoolId(pool), Some(&bytes)));
                self.flush(worker);
            }
        }
    }

    fn on_greeted(&mut self, key: KeeperKey, dial: Dial, greeted: Greeted) {
        let now = self.now_us;
        let Some(refiller) = self.refillers.get_mut(&key) else { return };
        let before = refiller.schedule.plan().sharder();
        let astray = matches!(dial, Dial::Shard(shard) if shard.0 != greeted.shard);
        let shard = ShardId(greeted.shard);
        let opened = refiller.schedule.on_opened(dial, shard, greeted.sharder, now / 1000);
        if opened.is_port_at_fault || (astray && before == greeted.sharder) {
            refiller.block_port(now);
        }
        if opened.is_resharded {
            refiller.called_for.clear();
            refiller.asked_for.clear();
            self.tell(format_args!("node {} has other shards", key.node));
            self.close_lanes_of(&[key]);
        }
        match opened.arrival {
            Arrival::Lane(serial) => {
                self.note_called_for(key, greeted.shard);
                let KeeperKey { worker, pool, node } = key;
                let of = self.workers.get(worker).pools.get(&pool).cloned().unwrap_or_default();
                let lane = LaneEnd {
                    key: None,
                    worker,
                    pool,
                    node,
                    shard: greeted.shard,
                    serial,
                    connection: greeted.connection,
                    keyspace: of.keyspace.map(|name| name.to_string()),
                    credential: of.credential,
                    compression: self.scenario.lane_compression,
                    sealed: None,
                    sent: Cutter::default(),
                    given: Cutter::default(),
                    taken: std::collections::BTreeMap::new(),
                    input: Cutter::default(),
                    output: Vec::new(),
                    hostile: false,
                    metadata_ids: greeted.metadata_ids,
                    moved_us: now,
                    used_us: now,
                    opened_us: now,
                    node_gone: false,
                };
                self.on_lane_open(lane, greeted);
            }
            Arrival::Excess => {
                if let Some(refiller) = self.refillers.get_mut(&key) {
                    refiller.excess.push(greeted.connection);
                }
            }
        }
        let refiller = self.refillers.get_mut(&key).filter(|_| opened.releases_excess);
        let needless = refiller.map(|refiller| std::mem::take(&mut refiller.excess));
        for connection in needless.into_iter().flatten() {
            self.cluster.close(connection);
        }
    }

    fn on_lane_open(&mut self, mut lane: LaneEnd, greeted: Greeted) {
        let (worker, node) = (lane.worker, lane.node);
        let route = LaneRoute {
            node: Self::node_id(node),
            shard: ShardId(greeted.shard),
            pool: PoolId(lane.pool),
            lwt_mask: greeted.lwt_mask,
            metadata_ids: greeted.metadata_ids,
            compression: lane.compression,
        };
        let Some(key) = self.input(worker, |engine| engine.on_lane_up(route, greeted.sharder))
        else {
            return self.cluster.close(greeted.connection);
        };
        lane.key = Some(key);
        let id = self.new_link(End::Lane(Box::new(lane)));
        self.tell(format_args!(
            "lane {id} to node {node} shard {} set {}",
            greeted.shard, route.pool.0
        ));
        self.workers.get_mut(worker).lane_links.insert(key, id);
        self.node_links.insert(greeted.connection, id);
        self.check_lane_may_open(id);
        self.fail_back(worker);
        self.flush(worker);
    }

    /// A new connection.
    pub(crate) fn new_link(&mut self, end: End) -> LinkId {
        self.links_made += 1;
        let cut = Cut::draw(&mut self.chance);
        let of = (self.scenario.latency_us, self.scenario.pipe_bytes);
        self.links.insert(self.links_made, Link::new(end, of, cut));
        self.links_made
    }

    /// The proxy closes a lane. What it had sent may still reach the node.
    pub(crate) fn close_lane(&mut self, id: LinkId) {
        let now = self.now_us;
        let Some(link) = self.links.get_mut(&id) else { return };
        let at = link.up.last_us.max(now + link.latency_us);
        let Some(lane) = link.lane() else { return };
        let Some(key) = lane.key.take() else { return };
        let (refiller, serial, node_gone) = (lane.refiller(), lane.serial, lane.node_gone);
        self.counted.large_lost += u64::from(!lane.hostile && is_large(&lane.given));
        self.workers.get_mut(refiller.worker).lane_links.remove(&key);
        if node_gone {
            self.links.remove(&id);
        } else {
            self.agenda.plan(at, Event::NodeClosed { link: id });
        }
        if let Some(refiller) = self.refillers.get_mut(&refiller) {
            refiller.schedule.on_lane_down(serial, now / 1000);
        }
        self.input(refiller.worker, |engine| engine.on_lane_down(key));
        self.fail_back(refiller.worker);
        self.on_keeper_wakes(refiller);
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
            self.give_lane_bytes((worker, key), rest);
        }
        self.tell(format_args!("lane {id} is gone"));
        self.close_lane(id);
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

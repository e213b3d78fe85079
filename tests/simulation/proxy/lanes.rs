//! Dialling lanes, and their end.

use std::sync::Arc;

use crate::agenda::Event;
use crate::model::frames::Cutter;
use crate::network::link::{Cut, End, LaneEnd, Link, LinkId};
use crate::proxy::crew::LaneSet;
use crate::proxy::greeting::{Greeted, Refused};
use crate::proxy::keeper::Keeper;
use crate::proxy::passing::is_large;
use crate::world::World;
use cql::token::shard::ShardId;
use shardlane::net::lanes::keeping::lane_course::{Failure, Next};
use shardlane::net::lanes::keeping::lane_plan::{Arrival, Dial, Wanted};
use shardlane::topology::id::NodeId;
use shardlane::upstream::lane::{LaneRoute, SetId};

/// A connection to a silent node is given up after this.
const CONNECT_US: u64 = 5_000_000;
/// The kernel's own watch finds a half-open connection after this.
pub(crate) const KEEPALIVE_US: u64 = 20_000_000;
/// Which keeper.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct KeeperKey {
    /// Number of the worker.
    pub(crate) worker: usize,
    /// Number of the set.
    pub(crate) set: u16,
    /// Number of the node.
    pub(crate) node: usize,
}

impl LaneEnd {
    /// Who opened it.
    pub(crate) fn keeper(&self) -> KeeperKey {
        KeeperKey { worker: self.worker, set: self.set, node: self.node }
    }
}

impl World {
    /// Number of a node as the engine knows it.
    pub(crate) fn node_id(node: usize) -> NodeId {
        NodeId(u16::try_from(node).unwrap_or(u16::MAX))
    }

    /// Clients want lanes of a keyspace, with the rights that they have.
    pub(crate) fn open_set(&mut self, number: usize, set: SetId, keyspace: Arc<str>) {
        self.tell(format_args!("lanes for keyspace {keyspace} are wanted (set {})", set.0));
        let worker = self.crew.get_mut(number);
        let home = worker.engine.home_of_set(set);
        let Some(plain) = worker.sets.get(&home.0).cloned() else { return };
        worker.sets.insert(set.0, LaneSet { keyspace: Some(keyspace), ..plain });
        self.start_keepers(number);
    }

    /// Nobody uses a keyspace, or a credential, any more.
    pub(crate) fn close_set(&mut self, worker: usize, set: u16) {
        self.tell(format_args!("set {set} is closed"));
        self.crew.get_mut(worker).sets.remove(&set);
        self.crew.get_mut(worker).rechecks.remove(&set);
        let of = |key: &KeeperKey| key.worker == worker && key.set == set;
        let ended: Vec<KeeperKey> = self.keepers.keys().copied().filter(of).collect();
        for key in ended {
            self.end_keeper(key);
        }
        self.close_lanes(|lane| lane.worker == worker && lane.set == set);
    }

    /// Starts the keepers that are missing for the nodes that get lanes, and ends the others.
    /// Returns those: whether their lanes are closed too is not theirs to say.
    pub(crate) fn start_keepers(&mut self, worker: usize) -> Vec<KeeperKey> {
        let nodes = self.crew.get(worker).nodes();
        let of = |key: &KeeperKey| key.worker == worker && !nodes.contains(&key.node);
        let ended: Vec<KeeperKey> = self.keepers.keys().copied().filter(of).collect();
        for key in &ended {
            self.end_keeper(*key);
        }
        let sets = self.crew.get(worker).sets.clone();
        for (set, of) in sets {
            for node in nodes.iter().copied() {
                let key = KeeperKey { worker, set, node };
                if !self.keepers.contains_key(&key) {
                    let seed = self.chance.bits();
                    let each = of.keyspace.is_none();
                    let wanted = match each {
                        true if self.scenario.on_demand() => Wanted::ShardsInUse,
                        true => Wanted::EachShard,
                        false => Wanted::One,
                    };
                    self.keepers.insert(key, Keeper::new(wanted, seed));
                    self.on_keeper_wakes(key);
                }
            }
        }
        ended
    }

    fn end_keeper(&mut self, key: KeeperKey) {
        let Some(keeper) = self.keepers.remove(&key) else { return };
        for connection in keeper.excess {
            self.cluster.close(connection);
        }
    }

    /// Closes the lanes of keepers.
    pub(crate) fn close_lanes_of(&mut self, keepers: &[KeeperKey]) {
        self.close_lanes(|lane| keepers.contains(&lane.keeper()));
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

    /// A keeper looks what to do.
    pub(crate) fn on_keeper_wakes(&mut self, key: KeeperKey) {
        let now = self.now_us;
        if let Some(keeper) = self.keepers.get_mut(&key)
            && keeper.wakes_us.is_some_and(|at| at <= now)
        {
            keeper.wakes_us = None;
        }
        while let Some(keeper) = self.keepers.get_mut(&key) {
            match keeper.course.next(keeper.is_port_open(now), now / 1000) {
                Next::Rest => return,
                Next::Wait(ms) => {
                    let at = now + 1000 * ms;
                    if keeper.wakes_us.is_none_or(|planned| planned > at) {
                        keeper.wakes_us = Some(at);
                        self.agenda.plan(at, Event::KeeperWakes { keeper: key });
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
        self.agenda.plan(self.now_us + time, Event::Dialled { keeper: key, dial });
    }

    /// A try to open a lane ends.
    pub(crate) fn on_dialled(&mut self, key: KeeperKey, dial: Dial) {
        let now = self.now_us;
        let Some(keeper) = self.keepers.get_mut(&key) else { return };
        let sharder = keeper.course.plan().sharder();
        let silent = self.mood(key.node).is_cut_off(now);
        let greeted = if silent { Err(Refused::Silent) } else { self.greet(key, (dial, sharder)) };
        match greeted {
            Ok(greeted) => self.on_greeted(key, dial, greeted),
            Err(refused) => {
                self.tell(format_args!("no lane to node {} for set {}", key.node, key.set));
                if let Some(keeper) = self.keepers.get_mut(&key) {
                    let silent = matches!(refused, Refused::Silent);
                    let failure = if silent { Failure::Broken } else { Failure::Refused };
                    keeper.course.on_failed(dial, failure, now / 1000);
                }
                self.on_lane_refused(key, refused);
            }
        }
        self.on_keeper_wakes(key);
    }

    /// The set of a lane that no node lets in.
    fn on_lane_refused(&mut self, KeeperKey { worker, set, .. }: KeeperKey, refused: Refused) {
        let home = self.crew.get(worker).engine.home_of_set(SetId(set));
        match refused {
            Refused::Silent => {}
            Refused::Login(_) => {
                if let Some(due) = self.crew.get_mut(worker).rechecks.get_mut(&home.0) {
                    *due = 0;
                }
            }
            Refused::Said(_) if home.0 == set => {}
            Refused::Said(refusal) => {
                let bytes = refusal.bytes();
                self.input(worker, |engine| engine.on_set_failed(SetId(set), Some(&bytes)));
                self.flush(worker);
            }
        }
    }

    fn on_greeted(&mut self, key: KeeperKey, dial: Dial, greeted: Greeted) {
        let now = self.now_us;
        let Some(keeper) = self.keepers.get_mut(&key) else { return };
        let before = keeper.course.plan().sharder();
        let astray = matches!(dial, Dial::Shard(shard) if shard.0 != greeted.shard);
        let shard = ShardId(greeted.shard);
        let opened = keeper.course.on_opened(dial, shard, greeted.sharder, now / 1000);
        if opened.is_port_at_fault || (astray && before == greeted.sharder) {
            keeper.block_port(now);
        }
        if opened.is_resharded {
            keeper.called_for.clear();
            keeper.asked_for.clear();
            self.tell(format_args!("node {} has other shards", key.node));
            self.close_lanes_of(&[key]);
        }
        match opened.arrival {
            Arrival::Lane(serial) => {
                self.note_called_for(key, greeted.shard);
                let KeeperKey { worker, set, node } = key;
                let of = self.crew.get(worker).sets.get(&set).cloned().unwrap_or_default();
                let lane = LaneEnd {
                    key: None,
                    worker,
                    set,
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
                if let Some(keeper) = self.keepers.get_mut(&key) {
                    keeper.excess.push(greeted.connection);
                }
            }
        }
        let keeper = self.keepers.get_mut(&key).filter(|_| opened.releases_excess);
        let needless = keeper.map(|keeper| std::mem::take(&mut keeper.excess));
        for connection in needless.into_iter().flatten() {
            self.cluster.close(connection);
        }
    }

    fn on_lane_open(&mut self, mut lane: LaneEnd, greeted: Greeted) {
        let (worker, node) = (lane.worker, lane.node);
        let route = LaneRoute {
            node: Self::node_id(node),
            shard: ShardId(greeted.shard),
            set: SetId(lane.set),
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
            greeted.shard, route.set.0
        ));
        self.crew.get_mut(worker).lane_links.insert(key, id);
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
        let (keeper, serial, node_gone) = (lane.keeper(), lane.serial, lane.node_gone);
        self.counted.large_lost += u64::from(!lane.hostile && is_large(&lane.given));
        self.crew.get_mut(keeper.worker).lane_links.remove(&key);
        if node_gone {
            self.links.remove(&id);
        } else {
            self.agenda.plan(at, Event::NodeClosed { link: id });
        }
        if let Some(keeper) = self.keepers.get_mut(&keeper) {
            keeper.course.on_lane_down(serial, now / 1000);
        }
        self.input(keeper.worker, |engine| engine.on_lane_down(key));
        self.fail_back(keeper.worker);
        self.on_keeper_wakes(keeper);
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

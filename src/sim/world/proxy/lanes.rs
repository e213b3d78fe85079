//! Dialling lanes, and their end.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::net::lanes::lane_course::{Failure, Next};
use crate::net::lanes::lane_plan::{Arrival, Dial, Wanted};
use crate::sim::cluster::cluster::Door;
use crate::sim::cluster::connections::ConnectionId;
use crate::sim::world::agenda::Event;
use crate::sim::world::model::frames::{Cutter, Frame, Hand};
use crate::sim::world::network::link::{Cut, End, LaneEnd, Link, LinkId};
use crate::sim::world::proxy::keeper::Keeper;
use crate::sim::world::world::World;
use crate::token::shard::{ShardId, Sharder};
use crate::topology::id::NodeId;
use crate::upstream::lane::{LaneRoute, SetId};
use crate::wire::opcode::Opcode;
use crate::wire::response::supported::Supported;

/// A connection to a silent node is given up after this.
const CONNECT_US: u64 = 5_000_000;
/// The kernel's own watch finds a half-open connection after this.
pub(in crate::sim::world) const KEEPALIVE_US: u64 = 20_000_000;
/// First source port of lanes.
const PORT_FIRST: u64 = 49_152;
const PORTS: u64 = 16_384;

/// Which keeper: number of the set, number of the node.
pub(in crate::sim::world) type KeeperKey = (u16, usize);

/// What a handshake told.
#[derive(Clone, Copy)]
struct Greeted {
    connection: ConnectionId,
    shard: u16,
    sharder: Option<Sharder>,
    lwt_mask: u32,
    metadata_ids: bool,
}

impl World {
    /// Number of a node as the engine knows it.
    pub(in crate::sim::world) fn node_id(node: usize) -> NodeId {
        NodeId(u16::try_from(node).unwrap_or(u16::MAX))
    }

    /// Clients want lanes of a keyspace.
    pub(in crate::sim::world) fn open_set(&mut self, set: u16, keyspace: Arc<str>) {
        self.tell(format_args!("lanes for keyspace {keyspace} are wanted (set {set})"));
        self.sets.insert(set, Some(keyspace));
        self.start_keepers();
    }

    /// Nobody uses a keyspace any more.
    pub(in crate::sim::world) fn close_set(&mut self, set: u16) {
        self.tell(format_args!("set {set} is closed"));
        self.sets.remove(&set);
        let ended: Vec<KeeperKey> =
            self.keepers.keys().copied().filter(|(of, _)| *of == set).collect();
        for key in ended {
            self.end_keeper(key);
        }
    }

    /// Starts the keepers that are missing for the nodes that there are, and ends the others.
    pub(in crate::sim::world) fn start_keepers(&mut self) {
        let nodes: Vec<usize> =
            self.engine_nodes().iter().map(|node| usize::from(node.0)).collect();
        let ended: Vec<KeeperKey> =
            self.keepers.keys().copied().filter(|(_, node)| !nodes.contains(node)).collect();
        for key in ended {
            self.end_keeper(key);
        }
        let sets: Vec<u16> = self.sets.keys().copied().collect();
        for key in sets.iter().flat_map(|set| nodes.iter().map(|node| (*set, *node))) {
            if !self.keepers.contains_key(&key) {
                let seed = self.chance.bits();
                let wanted = if key.0 == 0 { Wanted::EachShard } else { Wanted::One };
                self.keepers.insert(key, Keeper::new(wanted, seed));
                self.on_keeper_wakes(key);
            }
        }
    }

    fn end_keeper(&mut self, key: KeeperKey) {
        let Some(keeper) = self.keepers.remove(&key) else { return };
        for connection in keeper.excess {
            self.cluster.close(connection);
        }
        self.close_lanes_of(key);
    }

    fn close_lanes_of(&mut self, (set, node): KeeperKey) {
        let is = |link: &Link| match &link.end {
            End::Lane(lane) => lane.set == set && lane.node == node && lane.key.is_some(),
            End::Client(_) => false,
        };
        let ids: Vec<LinkId> =
            self.links.iter().filter(|(_, link)| is(link)).map(|(id, _)| *id).collect();
        for id in ids {
            self.close_lane(id);
        }
    }

    /// A keeper looks what to do.
    pub(in crate::sim::world) fn on_keeper_wakes(&mut self, key: KeeperKey) {
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
                        let (set, node) = key;
                        self.agenda.plan(at, Event::KeeperWakes { set, node });
                    }
                    return;
                }
                Next::Dial(dial) => self.dial(key, dial),
            }
        }
    }

    fn dial(&mut self, (set, node): KeeperKey, dial: Dial) {
        let silent = self.mood(node).is_cut_off(self.now_us);
        let latency = self.scenario.latency_us;
        let time = if silent { CONNECT_US } else { latency * 6 + self.chance.below(latency + 1) };
        self.agenda.plan(self.now_us + time, Event::Dialled { set, node, dial });
    }

    /// A try to open a lane ends.
    pub(in crate::sim::world) fn on_dialled(&mut self, key: KeeperKey, dial: Dial) {
        let now = self.now_us;
        let Some(keeper) = self.keepers.get_mut(&key) else { return };
        let sharder = keeper.course.plan().sharder();
        let silent = self.mood(key.1).is_cut_off(now);
        let greeted = if silent { Err(None) } else { self.greet(key, (dial, sharder)) };
        match greeted {
            Ok(greeted) => self.on_greeted(key, dial, greeted),
            Err(refusal) => {
                self.tell(format_args!("no lane to node {} for set {}", key.1, key.0));
                if let Some(keeper) = self.keepers.get_mut(&key) {
                    let failure =
                        if refusal.is_some() { Failure::Refused } else { Failure::Broken };
                    keeper.course.on_failed(dial, failure, now / 1000);
                }
                if let Some(refusal) = refusal.filter(|_| key.0 != 0) {
                    let bytes = refusal.bytes();
                    self.input(|engine| engine.on_set_failed(SetId(key.0), Some(&bytes)));
                    self.flush();
                }
            }
        }
        self.on_keeper_wakes(key);
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
            self.tell(format_args!("node {} has other shards", key.1));
            self.close_lanes_of(key);
        }
        match opened.arrival {
            Arrival::Lane(serial) => {
                let (set, node) = key;
                let keyspace = self.sets.get(&set).cloned().flatten();
                let lane = LaneEnd {
                    key: None,
                    set,
                    node,
                    serial,
                    connection: greeted.connection,
                    keyspace: keyspace.map(|name| name.to_string()),
                    sent: Cutter::default(),
                    given: Cutter::default(),
                    taken: std::collections::BTreeMap::new(),
                    input: Cutter::default(),
                    output: Vec::new(),
                    hostile: false,
                    metadata_ids: greeted.metadata_ids,
                    moved_us: now,
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
        let node = lane.node;
        let route = LaneRoute {
            node: Self::node_id(node),
            shard: ShardId(greeted.shard),
            set: SetId(lane.set),
            lwt_mask: greeted.lwt_mask,
            metadata_ids: greeted.metadata_ids,
            // Answers pass through the model, which reads them as they are.
            compression: None,
        };
        let Some(key) = self.input(|engine| engine.on_lane_up(route, greeted.sharder)) else {
            return self.cluster.close(greeted.connection);
        };
        lane.key = Some(key);
        let id = self.new_link(End::Lane(Box::new(lane)));
        self.tell(format_args!(
            "lane {id} to node {node} shard {} set {}",
            greeted.shard, route.set.0
        ));
        self.lane_links.insert(key, id);
        self.node_links.insert(greeted.connection, id);
        self.flush();
    }

    /// A new connection.
    pub(in crate::sim::world) fn new_link(&mut self, end: End) -> LinkId {
        self.links_made += 1;
        let cut = Cut::draw(&mut self.chance);
        let of = (self.scenario.latency_us, self.scenario.pipe_bytes);
        self.links.insert(self.links_made, Link::new(end, of, cut));
        self.links_made
    }

    /// Opens a connection to a node and says what a lane says. An `Err` is the node's ERROR, or
    /// none when the node does not answer.
    fn greet(
        &mut self,
        (set, node): KeeperKey,
        (dial, sharder): (Dial, Option<Sharder>),
    ) -> Result<Greeted, Option<Frame>> {
        let (door, port) = match (dial, sharder) {
            (Dial::Shard(shard), Some(sharder)) => {
                let shards = u64::from(sharder.nr_shards().get());
                let port = PORT_FIRST + self.chance.below(PORTS) / shards * shards;
                let port = port - port % shards + u64::from(shard.0);
                (Door::ShardAware, port)
            }
            (Dial::Any | Dial::Shard(_), _) => (Door::Plain, PORT_FIRST + self.chance.below(PORTS)),
        };
        let peer = SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap_or(u16::MAX)));
        let connection = self.cluster.open(node, door, peer).ok_or(None)?;
        let hand = Hand { version: 4, stream: 0, number: 0 };
        let supported = self.ask_node(connection, &hand.options()).ok_or(None)?;
        let supported = Supported::read(&supported.body).map_err(|_| None)?;
        let metadata_ids = supported.metadata_id && self.scenario.metadata_ids;
        let mut options = vec![
            ("CQL_VERSION", "3.0.0"),
            ("TABLETS_ROUTING_V1", ""),
            ("SCYLLA_LWT_ADD_METADATA_MARK", ""),
        ];
        options.extend(metadata_ids.then_some(("SCYLLA_USE_METADATA_ID", "")));
        let ready = self.ask_node(connection, &hand.startup(&options));
        let mut said = ready.ok_or(None)?;
        if let Some(keyspace) = self.sets.get(&set).cloned().flatten() {
            let text = format!("USE \"{keyspace}\"");
            said = self.ask_node(connection, &hand.query(&text)).ok_or(None)?;
        }
        if said.opcode() == Some(Opcode::Error) {
            self.cluster.close(connection);
            return Err(Some(said));
        }
        let sharding = supported.sharding;
        Ok(Greeted {
            connection,
            shard: sharding.map_or(0, |sharding| sharding.shard),
            sharder: sharding.and_then(|s| Sharder::new(s.nr_shards, s.ignore_msb).ok()),
            lwt_mask: supported.lwt_mask.unwrap_or(0),
            metadata_ids,
        })
    }

    /// Asks a node something outside of the network's time.
    pub(in crate::sim::world) fn ask_node(
        &mut self,
        connection: ConnectionId,
        frame: &[u8],
    ) -> Option<Frame> {
        let now = self.cluster_now();
        let mut out = Vec::new();
        self.cluster.receive(connection, frame, now, &mut out);
        Cutter::default().push(&out).pop()
    }

    /// The proxy closes a lane. What it had sent may still reach the node.
    pub(in crate::sim::world) fn close_lane(&mut self, id: LinkId) {
        let now = self.now_us;
        let Some(link) = self.links.get_mut(&id) else { return };
        let at = link.up.last_us.max(now + link.latency_us);
        let Some(lane) = link.lane() else { return };
        let Some(key) = lane.key.take() else { return };
        let (keeper, serial, node_gone) = ((lane.set, lane.node), lane.serial, lane.node_gone);
        self.lane_links.remove(&key);
        if node_gone {
            self.links.remove(&id);
        } else {
            self.agenda.plan(at, Event::NodeClosed { link: id });
        }
        if let Some(keeper) = self.keepers.get_mut(&keeper) {
            keeper.course.on_lane_down(serial, now / 1000);
        }
        self.input(|engine| engine.on_lane_down(key));
        self.on_keeper_wakes(keeper);
    }

    /// The proxy learns that a lane is gone: it reads what had come before, then lets go.
    pub(in crate::sim::world) fn on_lane_gone(&mut self, id: LinkId) {
        let key = self.links.get_mut(&id).and_then(|link| link.lane()?.key);
        let Some(key) = key else { return };
        let mut rest = self.take_arrived(id, false, usize::MAX);
        if !rest.is_empty() {
            self.release_streams(id, &rest);
            self.input(|engine| engine.on_lane_bytes(key, &mut rest, |_, _| 0));
        }
        self.tell(format_args!("lane {id} is gone"));
        self.close_lane(id);
        self.flush();
    }

    /// A node learns that the proxy closed a lane.
    pub(in crate::sim::world) fn on_node_closed(&mut self, id: LinkId) {
        let connection = self.links.get_mut(&id).and_then(|link| Some(link.lane()?.connection));
        self.links.remove(&id);
        if let Some(connection) = connection {
            self.node_links.remove(&connection);
            self.cluster.close(connection);
        }
    }
}

//! One proxy whose lanes are opened on demand, at clusters of several sizes: the product's engine and the courses
//! of its pool refillers, in virtual time. Connections cost no time here; what is measured is how many there are.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use cql::opcode::Opcode;
use cql::token::shard::{ShardId, Sharder};
use cql::token::token::Token;
use shardlane::engine::action::{Action, Output};
use shardlane::engine::client::ClientKey;
use shardlane::engine::engine::Engine;
use shardlane::engine::limits::Limits;
use shardlane::engine::pending::LaneKey;
use shardlane::pool::refill::backoff::{BackoffSettings, Jitter};
use shardlane::pool::refill::dial_schedule::{DialSchedule, Next};
use shardlane::pool::refill::lane_slots::{Dial, LaneSerial, NewConnection, WantedLanes};
use shardlane::routing::decision::Reason;
use shardlane::topology::id::{HostId, NodeId};
use shardlane::topology::node::Node;
use shardlane::topology::replication::Replication;
use shardlane::topology::snapshot::SnapshotBuilder;
use shardlane::upstream::lane::{LaneRoute, PoolId};

use crate::scale::settings;
use crate::support::frames;
use crate::support::frames::Frame;

const SECOND_US: u64 = 1_000_000;
const STATEMENT: [u8; 16] = [8; 16];
/// Tokens of each node; they stand at random, as vnodes do.
const TOKENS: usize = 64;

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    pub(crate) nodes: u16,
    pub(crate) shards: u16,
    pub(crate) requests_per_s: u64,
    pub(crate) idle_close_s: u64,
}

/// What came of it, in the second half of the time.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Lanes in the mean.
    pub(crate) lanes: u64,
    /// Lanes opened, of 100 requests.
    pub(crate) opened_percent: u64,
    /// Requests that went to their row's own shard, of 100.
    pub(crate) routed_percent: u64,
}

struct Proxy {
    scene: Scene,
    engine: Engine,
    now_us: u64,
    chance: Jitter,
    schedules: Vec<DialSchedule>,
    lanes: BTreeMap<(u16, u64), LaneKey>,
    opened: u64,
    client: ClientKey,
}

/// Lives long enough for lanes to come and go, and reports on the second half of that.
pub(crate) fn run(scene: Scene) -> Outcome {
    let mut proxy = Proxy::start(scene);
    let half_s = scene.idle_close_s;
    proxy.live(half_s);
    let (opened, routed) = (proxy.opened, proxy.routed());
    let lanes = proxy.live(half_s);
    let requests = half_s * scene.requests_per_s;
    Outcome {
        lanes: lanes / half_s,
        opened_percent: 100 * (proxy.opened - opened) / requests,
        routed_percent: 100 * (proxy.routed() - routed) / requests,
    }
}

impl Proxy {
    fn start(scene: Scene) -> Self {
        let mut chance = Jitter::new(7);
        let node = |number: u16| Node {
            id: NodeId(number),
            host: HostId([u8::try_from(number).unwrap(); 16]),
            address: IpAddr::V4(Ipv4Addr::new(127, 0, 1, u8::try_from(number).unwrap())),
            port: 9042,
            data_center: "dc1".into(),
            rack: "r1".into(),
            tokens: (0..TOKENS).map(|_| Token::new(chance.bits().cast_signed())).collect(),
        };
        let nodes = (0..scene.nodes).map(node).collect();
        let snapshot = SnapshotBuilder::new(1, nodes)
            .ring_keyspace("ring", Replication::Simple { factor: 1 }, BTreeMap::new())
            .build();
        let unused_us = scene.idle_close_s * SECOND_US;
        let limits = Limits { heartbeat_us: 0, lane_unused_us: unused_us, ..Limits::default() };
        let mut engine = Engine::new(settings(limits), Arc::new(snapshot));
        let client = engine.on_client_open(SocketAddr::from(([127, 0, 0, 1], 9042))).unwrap();
        let schedule = |node| {
            DialSchedule::new(WantedLanes::ShardsInUse, BackoffSettings::default(), u64::from(node))
        };
        let schedules = (0..scene.nodes).map(schedule).collect();
        let lanes = BTreeMap::new();
        let mut proxy =
            Self { scene, engine, now_us: 0, chance, schedules, lanes, opened: 0, client };
        for node in 0..scene.nodes {
            proxy.dial(node);
        }
        proxy.say(&frames::startup(4, None));
        proxy.say(&frames::prepare(1, "SELECT v FROM ring.t WHERE k = ?"));
        proxy
    }

    /// Requests come evenly. The sum of the lanes that were open at each full second.
    fn live(&mut self, seconds: u64) -> u64 {
        let mut lanes = 0;
        for _ in 0..seconds {
            for _ in 0..self.scene.requests_per_s {
                self.now_us += SECOND_US / self.scene.requests_per_s;
                self.engine.on_time(self.now_us);
                let key = self.chance.bits().to_be_bytes();
                self.say(&frames::execute(1, &STATEMENT, &key));
            }
            self.engine.on_deadline();
            let answers = self.take_outputs();
            assert!(answers.is_empty(), "nothing was asked");
            lanes += u64::try_from(self.lanes.len()).unwrap();
        }
        lanes
    }

    fn routed(&self) -> u64 {
        self.engine.tally().routing[Reason::RingReplica as usize]
    }

    /// A client sends something; the nodes answer at once.
    fn say(&mut self, frame: &[u8]) {
        self.engine.on_client_bytes(self.client, &mut frame.to_vec());
        assert_eq!(frames::cut(&self.take_outputs()).len(), 1, "one answer");
    }

    /// Does what the engine wants done; the nodes answer at once. What the client is sent by then.
    fn take_outputs(&mut self) -> Vec<u8> {
        let mut answers = Vec::new();
        while let Some(output) = self.engine.take_output() {
            match output {
                Output::Action(Action::OpenLane { node, shard, .. }) => {
                    self.schedules[usize::from(node.0)].on_asked_for(shard);
                    self.dial(node.0);
                }
                Output::Action(Action::CloseUnused(lane)) => {
                    let place = *self.lanes.iter().find(|(_, key)| **key == lane).unwrap().0;
                    self.lanes.remove(&place);
                    self.schedules[usize::from(place.0)].on_unused(LaneSerial(place.1));
                    self.engine.on_lane_down(lane);
                }
                Output::Action(other) => panic!("{other:?} has no cause"),
                Output::LaneBytes(lane) => {
                    let bytes = self.engine.lane_output(lane).unwrap().to_vec();
                    self.engine.on_lane_sent(lane, bytes.len());
                    for asked in frames::cut(&bytes) {
                        self.engine.on_lane_bytes(lane, &mut answer(&asked), |_, _| 0);
                    }
                }
                Output::ClientBytes(client) => {
                    let got = self.engine.client_output(client).unwrap();
                    answers.extend_from_slice(got);
                    let len = got.len();
                    self.engine.on_client_sent(client, len);
                }
            }
        }
        answers
    }

    fn dial(&mut self, node: u16) {
        let now_ms = self.now_us / 1_000;
        let sharder = Sharder::new(self.scene.shards, 12).ok();
        while let Next::Dial(dial) = self.schedules[usize::from(node)].next(Some(19_042), now_ms) {
            let shard = match dial {
                Dial::Shard { shard, .. } => shard,
                Dial::Any => {
                    ShardId(u16::try_from(self.chance.below(u64::from(self.scene.shards))).unwrap())
                }
            };
            let opened = self.schedules[usize::from(node)].on_opened(dial, shard, sharder, now_ms);
            let NewConnection::Lane(serial) = opened.connection else {
                panic!("{opened:?} is in excess")
            };
            let (lwt_mask, metadata_ids, compression) = (0, false, None);
            let (node, pool) = (NodeId(node), PoolId::PLAIN);
            let is_cassandra = false;
            let route =
                LaneRoute { node, shard, pool, lwt_mask, metadata_ids, is_cassandra, compression };
            let lane = self.engine.on_lane_up(route, sharder).unwrap();
            self.lanes.insert((node.0, serial.0), lane);
            self.opened += 1;
        }
    }
}

fn answer(asked: &Frame) -> Vec<u8> {
    let (opcode, body) = match asked.opcode() {
        Opcode::Prepare => (Opcode::Result, frames::prepared(&STATEMENT, 0, "ring.t", b"v")),
        Opcode::Execute => (Opcode::Result, frames::void()),
        other => panic!("{other:?} is not asked here"),
    };
    frames::node_frame(asked.stream(), opcode, |out| out.extend_from_slice(&body))
}

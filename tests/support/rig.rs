//! An engine with hand-made clients and nodes. After each input all outputs are taken, as the
//! shell does; output that the engine did not report fails the test.

mod actions;
mod statements;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use cql::compression::Compression;
use cql::frame::FrameHead;
use cql::opcode::Opcode;
use cql::token::partitioner::Partitioner;
use cql::token::shard::{ShardId, Sharder};
use cql::token::token::Token;
use shardlane::engine::action::{Action, Output};
use shardlane::engine::client::ClientKey;
use shardlane::engine::engine::Engine;
use shardlane::engine::limits::Limits;
use shardlane::engine::pending::LaneKey;
use shardlane::engine::settings::{ConsoleSettings, EngineSettings};
use shardlane::routing::decision::Reason;
use shardlane::topology::id::{HostId, NodeId};
use shardlane::topology::node::Node;
use shardlane::topology::replication::Replication;
use shardlane::topology::snapshot::{Snapshot, SnapshotBuilder};
use shardlane::upstream::lane::PoolId;

use crate::support::frames;
use crate::support::frames::{Frame, cut};

pub(crate) const SHARDS: u16 = 2;
const MSB: u8 = 12;

pub(crate) struct Rig {
    pub(crate) engine: Engine,
    pub(crate) now_us: u64,
    /// Whether nodes agree to result metadata ids on lanes that come up.
    pub(crate) metadata_ids: bool,
    /// Whether they are of Apache Cassandra.
    pub(crate) is_cassandra: bool,
    /// What they agree to about bodies.
    pub(crate) lane_compression: Option<Compression>,
    /// Orders that no helper has carried out, oldest first.
    pub(crate) actions: VecDeque<Action>,
    /// How much of a large frame a client's socket takes at once.
    pub(crate) room: usize,
    /// What sockets took of large frames, and was not read yet.
    pub(crate) passed: Vec<(ClientKey, Vec<u8>)>,
    named_lanes: HashSet<LaneKey>,
    named_clients: HashSet<ClientKey>,
    closing: HashSet<ClientKey>,
    pub(crate) lanes: Vec<LaneKey>,
    pub(crate) clients: Vec<ClientKey>,
}

pub(crate) fn host(node: u16) -> HostId {
    HostId([node as u8 + 1; 16])
}

/// Nodes 0, 1, … each with a rack of its own, a tablet keyspace `tab` and a ring keyspace `ring`
/// with one copy of each row, and a keyspace `own` of which each node has its own rows.
pub(crate) fn snapshot(version: u64, nodes: u16) -> Arc<Snapshot> {
    snapshot_with_copies(version, nodes, "1")
}

/// The same, with so many copies of each row in `tab`.
pub(crate) fn snapshot_with_copies(version: u64, nodes: u16, copies: &str) -> Arc<Snapshot> {
    let node = |number: u16| Node {
        id: NodeId(number),
        host: host(number),
        address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, number as u8 + 1)),
        port: 9042,
        data_center: "dc1".into(),
        rack: format!("r{number}").into(),
        tokens: (0..8).map(|i| Token::new(i64::MAX / 40 * (i64::from(number) + 5 * i))).collect(),
    };
    let builder = SnapshotBuilder::new(version, (0..nodes).map(node).collect())
        .tablet_keyspace("tab", BTreeMap::new())
        .replicated("tab", [("dc1", copies)])
        .ring_keyspace("ring", Replication::Simple { factor: 1 }, BTreeMap::new())
        .ring_keyspace("own", Replication::Local, BTreeMap::new());
    Arc::new(builder.build())
}

/// How long requests wait for an answer, unless a test says otherwise.
pub(crate) const REQUEST_US_MAX: u64 = 15_000_000;

pub(crate) fn settings() -> EngineSettings {
    // No node here answers OPTIONS unasked; the tests of heartbeats turn them on.
    let limits =
        Limits { heartbeat_us: u64::MAX, request_timeout_us: REQUEST_US_MAX, ..Limits::default() };
    EngineSettings {
        limits,
        rack: None,
        some_nodes: false,
        tablet_samples_per_s: 100,
        routes_texts: true,
        runs_shapes: false,
        asks_to_prepare: false,
        has_peers: true,
        compression_offered: Vec::new(),
        console: ConsoleSettings::default(),
        prefetch_tablets: true,
        tablets_reread_us: 600_000_000,
    }
}

pub(crate) fn token(key: &[u8]) -> i64 {
    Partitioner::Murmur3.token(key).value()
}

pub(crate) fn shard_of(key: &[u8]) -> ShardId {
    Sharder::new(SHARDS, MSB).unwrap().shard_of(Partitioner::Murmur3.token(key))
}

impl Rig {
    /// Three nodes, no lane yet.
    pub(crate) fn new() -> Self {
        Self::with_limits(|_| {})
    }

    pub(crate) fn with_limits(change: impl FnOnce(&mut Limits)) -> Self {
        Self::with_settings(|settings| change(&mut settings.limits))
    }

    pub(crate) fn with_settings(change: impl FnOnce(&mut EngineSettings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        Self {
            engine: Engine::new(settings, snapshot(1, 3)),
            now_us: 1_000_000,
            metadata_ids: false,
            is_cassandra: false,
            lane_compression: None,
            actions: VecDeque::new(),
            room: 0,
            passed: Vec::new(),
            named_lanes: HashSet::new(),
            named_clients: HashSet::new(),
            closing: HashSet::new(),
            lanes: Vec::new(),
            clients: Vec::new(),
        }
    }

    /// One lane to each shard of each node, in the order of nodes and shards.
    pub(crate) fn with_all_lanes() -> Self {
        let mut rig = Self::new();
        rig.open_all_lanes();
        rig
    }

    pub(crate) fn open_all_lanes(&mut self) {
        for node in 0..3 {
            for shard in 0..SHARDS {
                self.lane(node, shard);
            }
        }
    }

    pub(crate) fn lane(&mut self, node: u16, shard: u16) -> LaneKey {
        self.lane_of(PoolId::PLAIN, node, shard).expect("the set is open")
    }

    pub(crate) fn lane_of(&mut self, pool: PoolId, node: u16, shard: u16) -> Option<LaneKey> {
        let route = self.route_to(pool, NodeId(node), ShardId(shard));
        let lane = self.input(|engine| engine.on_lane_up(route, Sharder::new(SHARDS, MSB).ok()))?;
        self.lanes.push(lane);
        Some(lane)
    }

    /// The lane to a place, by the order in which `open_all_lanes` opens them.
    pub(crate) fn lane_to(&self, node: u16, shard: ShardId) -> LaneKey {
        self.lanes[usize::from(node * SHARDS + shard.0)]
    }

    /// A client that has connected and said nothing.
    pub(crate) fn silent_client(&mut self) -> ClientKey {
        self.open(SocketAddr::from(([127, 0, 0, 1], 9042)))
    }

    fn open(&mut self, address: SocketAddr) -> ClientKey {
        let client = self.input(|engine| engine.on_client_open(address)).expect("room");
        self.clients.push(client);
        client
    }

    pub(crate) fn client(&mut self) -> ClientKey {
        self.client_of(4, None)
    }

    pub(crate) fn client_of(&mut self, version: u8, compression: Option<&str>) -> ClientKey {
        let client = self.silent_client();
        self.start(client, version, compression);
        client
    }

    /// A client of protocol v4 that has come to `address`.
    pub(crate) fn client_at(&mut self, address: SocketAddr) -> ClientKey {
        let client = self.open(address);
        self.start(client, 4, None);
        client
    }

    fn start(&mut self, client: ClientKey, version: u8, compression: Option<&str>) {
        self.send(client, &frames::startup(version, compression));
        let answers = self.answers(client);
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0].opcode(), Opcode::Ready);
    }

    /// Gives the engine an input, then takes what it says about outputs.
    pub(crate) fn input<T>(&mut self, input: impl FnOnce(&mut Engine) -> T) -> T {
        self.engine.on_time(self.now_us);
        let given = input(&mut self.engine);
        self.take_outputs();
        given
    }

    fn take_outputs(&mut self) {
        while let Some(output) = self.engine.take_output() {
            match output {
                Output::LaneBytes(lane) => {
                    self.named_lanes.insert(lane);
                }
                Output::ClientBytes(client) => {
                    self.named_clients.insert(client);
                }
                Output::Action(action) => {
                    if let Action::CloseClient(client) = action {
                        self.closing.insert(client);
                    }
                    self.actions.push_back(action);
                }
            }
        }
        for lane in &self.lanes {
            let waits = self.engine.lane_output(*lane).is_some_and(|out| !out.is_empty());
            assert!(
                !waits || self.named_lanes.contains(lane),
                "{lane:?} has bytes and was not named"
            );
        }
        for client in &self.clients {
            let waits = self.engine.client_output(*client).is_some_and(|out| !out.is_empty());
            assert!(
                !waits || self.named_clients.contains(client),
                "{client:?} has bytes and was not named"
            );
        }
    }

    pub(crate) fn send(&mut self, client: ClientKey, bytes: &[u8]) {
        let mut chunk = bytes.to_vec();
        self.input(|engine| engine.on_client_bytes(client, &mut chunk));
    }

    pub(crate) fn leave(&mut self, client: ClientKey) {
        self.input(|engine| engine.on_client_closed(client));
    }

    /// What a client was sent since the last call; all of it leaves.
    pub(crate) fn raw_answers(&mut self, client: ClientKey) -> Vec<u8> {
        let Some(bytes) = self.engine.client_output(client).map(<[u8]>::to_vec) else {
            return Vec::new();
        };
        self.named_clients.remove(&client);
        self.input(|engine| engine.on_client_sent(client, bytes.len()));
        let mut taken = Vec::new();
        self.passed.retain(|(of, passed)| {
            if *of == client {
                taken.extend_from_slice(passed);
            }
            *of != client
        });
        taken.extend(bytes);
        taken
    }

    pub(crate) fn answers(&mut self, client: ClientKey) -> Vec<Frame> {
        cut(&self.raw_answers(client))
    }

    /// The one answer that waits for a client.
    pub(crate) fn answer(&mut self, client: ClientKey) -> Frame {
        let mut answers = self.answers(client);
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers.remove(0)
    }

    /// The requests that reached a node by a lane since the last call.
    pub(crate) fn requests(&mut self, lane: LaneKey) -> Vec<Frame> {
        let Some(bytes) = self.engine.lane_output(lane).map(<[u8]>::to_vec) else {
            return Vec::new();
        };
        self.named_lanes.remove(&lane);
        self.input(|engine| engine.on_lane_sent(lane, bytes.len()));
        let frames = cut(&bytes);
        for frame in &frames {
            assert_eq!(frame.header.version, 4, "{frame:?}");
        }
        frames
    }

    /// The requests on all lanes since the last call.
    pub(crate) fn all_requests(&mut self) -> Vec<(LaneKey, Frame)> {
        let mut all = Vec::new();
        for lane in self.lanes.clone() {
            all.extend(self.requests(lane).into_iter().map(|frame| (lane, frame)));
        }
        all
    }

    /// The one request on all lanes.
    pub(crate) fn request(&mut self) -> (LaneKey, Frame) {
        let mut all = self.all_requests();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    pub(crate) fn lane_bytes(&mut self, lane: LaneKey, bytes: &[u8]) {
        let mut chunk = bytes.to_vec();
        let (mut passed, room) = (Vec::new(), self.room);
        self.input(|engine| {
            engine.on_lane_bytes(lane, &mut chunk, |client, frame| {
                let taken = room.min(frame.len());
                passed.push((client, frame.get(..taken).unwrap_or_default().to_vec()));
                taken
            });
        });
        self.passed.extend(passed);
    }

    /// A node answers `stream` with RESULT.
    pub(crate) fn result(&mut self, lane: LaneKey, stream: i16, body: &[u8]) {
        self.respond(lane, 0, stream, Opcode::Result, body);
    }

    /// A node answers `stream` with ERROR.
    pub(crate) fn error(&mut self, lane: LaneKey, stream: i16, body: &[u8]) {
        self.respond(lane, 0, stream, Opcode::Error, body);
    }

    pub(crate) fn respond(
        &mut self,
        lane: LaneKey,
        flags: u8,
        stream: i16,
        opcode: Opcode,
        body: &[u8],
    ) {
        let put = |out: &mut Vec<u8>| out.extend_from_slice(body);
        self.lane_bytes(
            lane,
            &frames::frame(FrameHead { version: 0x84, flags, stream }, opcode, put),
        );
    }

    /// A lane's connection breaks.
    pub(crate) fn lose(&mut self, lane: LaneKey) {
        self.input(|engine| engine.on_lane_down(lane));
        self.lanes.retain(|known| *known != lane);
        self.named_lanes.remove(&lane);
    }

    pub(crate) fn pass_time(&mut self, us: u64) {
        self.now_us += us;
        self.input(Engine::on_deadline);
    }

    pub(crate) fn decisions(&self, reason: Reason) -> u64 {
        self.engine.tally().routing[reason as usize]
    }

    pub(crate) fn received(&self) -> u64 {
        self.engine.tally().received.iter().sum()
    }

    pub(crate) fn ended(&self) -> u64 {
        self.engine.tally().ended.iter().flatten().sum()
    }

    /// All lanes break and all waits run out: then every request has ended, and nothing is left.
    pub(crate) fn finish(&mut self) {
        for lane in self.lanes.clone() {
            self.lose(lane);
        }
        for _ in 0..8 {
            self.pass_time(16_000_000);
        }
        assert_eq!(self.received(), self.ended(), "{:?}", self.engine.tally());
        for client in self.clients.clone() {
            let in_flight = self.engine.client_in_flight(client);
            assert!(in_flight.is_none_or(|count| count == 0), "{client:?}: {in_flight:?}");
            let _read = self.raw_answers(client);
            let open = in_flight.is_some() && !self.closing.contains(&client);
            assert!(!open || self.engine.may_read(client), "{client:?} is not read any more");
        }
        let gauges = self.engine.gauges();
        assert_eq!((gauges.in_flight, gauges.orphans), (0, 0));
    }
}

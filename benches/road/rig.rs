//! An engine between clients and nodes that cost next to nothing, in memory.
//!
//! Everything goes in and out as bytes, as from sockets: 3 nodes of 8 shards, a table of 1,024
//! tablets with 3 replicas each, learned from the nodes' answers before anything is measured.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use cql::header::{FLAG_PAYLOAD, HEADER_LEN, Header};
use cql::opcode::Opcode;
use cql::token::partitioner::Partitioner;
use cql::token::shard::{ShardId, Sharder};
use shardlane::engine::client::ClientKey;
use shardlane::engine::engine::Engine;
use shardlane::engine::limits::Limits;
use shardlane::engine::pending::LaneKey;
use shardlane::engine::settings::EngineSettings;
use shardlane::routing::decision::Reason;
use shardlane::topology::id::{HostId, NodeId};
use shardlane::topology::node::Node;
use shardlane::topology::replication::Replication;
use shardlane::topology::snapshot::{Snapshot, SnapshotBuilder};
use shardlane::upstream::lane::{LaneRoute, PoolId};

use crate::frames;
use crate::variant::Variant;

/// Nodes, and shards of each.
const NODES: u16 = 3;
const SHARDS: u16 = 8;
const MSB: u8 = 12;
/// Tablets of the table, a power of two.
const TABLETS: i128 = 1024;
/// What one read of a socket brings at most.
const READ_BYTES: usize = 128 << 10;
/// The id of the SELECT that clients prepared.
pub(crate) const SELECT: [u8; 16] = [7; 16];
/// Where the first value of an EXECUTE of [`SELECT`] begins.
const KEY_AT: usize = HEADER_LEN + 2 + SELECT.len() + 2 + 1 + 2 + 4;

/// The engine with its clients and nodes.
pub(crate) struct Rig {
    engine: Engine,
    variant: Variant,
    clients: Vec<ClientKey>,
    next_client: usize,
    now_us: u64,
    seed: u64,
    /// Whether what the engine does is to be counted.
    counting: bool,
    request: Vec<u8>,
    answer: Vec<u8>,
    buffer: Vec<u8>,
    to_answer: Vec<(LaneKey, Vec<u8>)>,
    lanes: Vec<LaneKey>,
    touched_clients: Vec<ClientKey>,
    answered: u64,
    /// Bytes of answers that were too large to be copied.
    passed: usize,
}

impl Rig {
    /// All lanes up, all clients greeted, all tablets learned.
    pub(crate) fn new(variant: Variant) -> Self {
        let settings = EngineSettings {
            limits: Limits::default(),
            rack: None,
            some_nodes: false,
            has_peers: false,
            compression_told: Vec::new(),
        };
        let mut answer = frames::frame((0x84, 0, 0), Opcode::Result, |out| {
            out.extend_from_slice(&frames::rows(&[7; 100]));
        });
        let mut rig = Self {
            engine: Engine::new(settings, snapshot()),
            variant,
            clients: Vec::new(),
            next_client: 0,
            now_us: 1_000_000,
            seed: 1,
            counting: false,
            request: frames::execute(0, &SELECT, &[0; 8]),
            answer: Vec::new(),
            buffer: vec![0; READ_BYTES],
            to_answer: Vec::new(),
            lanes: Vec::new(),
            touched_clients: Vec::new(),
            answered: 0,
            passed: 0,
        };
        std::mem::swap(&mut rig.answer, &mut answer);
        for (node, shard) in (0..NODES).flat_map(|node| (0..SHARDS).map(move |s| (node, s))) {
            let (node, shard) = (NodeId(node), ShardId(shard));
            let route = LaneRoute {
                node,
                shard,
                pool: PoolId::PLAIN,
                lwt_mask: frames::LWT_MASK,
                metadata_ids: false,
                compression: None,
            };
            let lane = rig.engine.on_lane_up(route, Sharder::new(SHARDS, MSB).ok()).unwrap();
            rig.to_answer.push((lane, Vec::new()));
        }
        for _ in 0..variant.shape().0 {
            rig.greet();
        }
        rig.prepare("tab", &SELECT);
        rig.prepare("ring", &[8; 16]);
        rig.learn();
        rig.request = variant.request();
        rig.answer = frames::frame((0x84, 0, 0), Opcode::Result, |out| {
            out.extend_from_slice(&frames::rows(&vec![7; variant.answer_bytes()]));
        });
        rig
    }

    /// Lets at least `requests` requests pass, and counts what the engine does if `counting`.
    pub(crate) fn pass(&mut self, requests: u64, counting: bool) -> u64 {
        self.counting = counting;
        let before = self.answered;
        while self.answered - before < requests {
            self.turn();
        }
        self.counting = false;
        self.answered - before
    }

    /// Fails unless each of `requests` requests went where its rows are: what was measured is what
    /// was meant.
    pub(crate) fn check(&self, requests: u64) {
        let meant = match self.variant {
            Variant::Pipelined | Variant::OneAtATime | Variant::LargeAnswers | Variant::Batch => {
                Reason::TabletReplica
            }
            Variant::Ring => Reason::RingReplica,
            Variant::Query => Reason::Text,
        };
        assert_eq!(self.engine.tally().routing[meant as usize], requests, "{meant:?}");
    }

    /// One round of a worker: some clients send, the nodes answer, the clients are told.
    fn turn(&mut self) {
        let (_, senders, each) = self.variant.shape();
        self.now_us += 50;
        let now_us = self.now_us;
        self.run(|engine| engine.on_time(now_us));
        for _ in 0..senders {
            self.send(each);
        }
        self.answer_all();
        self.take_answers(senders * each);
    }

    /// The next client sends `count` requests at once.
    fn send(&mut self, count: usize) {
        let client = self.clients[self.next_client];
        self.next_client = (self.next_client + 1) % self.clients.len();
        let mut buffer = std::mem::take(&mut self.buffer);
        let len = self.request.len();
        for index in 0..count {
            let key = random(&mut self.seed).to_be_bytes();
            let frame = &mut buffer[index * len..(index + 1) * len];
            frame.copy_from_slice(&self.request);
            frame[2..4].copy_from_slice(&(index as i16).to_be_bytes());
            if self.variant != Variant::Query && self.variant != Variant::Batch {
                frame[KEY_AT..KEY_AT + 8].copy_from_slice(&key);
            }
        }
        self.run(|engine| engine.on_client_bytes(client, &mut buffer[..count * len]));
        self.buffer = buffer;
    }

    /// The nodes answer what reached them.
    fn answer_all(&mut self) {
        let mut lanes = std::mem::take(&mut self.lanes);
        self.run(|engine| engine.take_touched_lanes(&mut lanes));
        let mut buffer = std::mem::take(&mut self.buffer);
        for lane in lanes.drain(..) {
            let (_, mut answers) = self.to_answer.swap_remove(0);
            answers.clear();
            let sent = self.engine.lane_output(lane).unwrap();
            let mut rest = sent;
            while let Some(header) = Header::peek(rest) {
                let at = answers.len();
                answers.extend_from_slice(&self.answer);
                answers[at + 2..at + 4].copy_from_slice(&header.stream.to_be_bytes());
                rest = &rest[HEADER_LEN + header.body_len as usize..];
            }
            let sent = sent.len();
            self.run(|engine| engine.on_lane_sent(lane, sent));
            for read in answers.chunks(READ_BYTES) {
                let chunk = &mut buffer[..read.len()];
                chunk.copy_from_slice(read);
                let mut passed = 0;
                let pass = |_, frame: &[u8]| {
                    passed += frame.len();
                    frame.len()
                };
                self.run(|engine| engine.on_lane_bytes(lane, chunk, pass));
                self.passed += passed;
            }
            self.to_answer.push((lane, answers));
        }
        self.buffer = buffer;
        self.lanes = lanes;
    }

    /// The clients take `count` answers.
    fn take_answers(&mut self, count: usize) {
        let mut clients = std::mem::take(&mut self.touched_clients);
        self.run(|engine| engine.take_touched_clients(&mut clients));
        let mut bytes = std::mem::take(&mut self.passed);
        for client in clients.drain(..) {
            let len = self.engine.client_output(client).unwrap().len();
            self.run(|engine| engine.on_client_sent(client, len));
            bytes += len;
        }
        assert_eq!(bytes, count * self.answer.len(), "each request is answered, whole");
        assert!(self.engine.take_action().is_none());
        self.touched_clients = clients;
        self.answered += count as u64;
    }

    /// A client connects and says STARTUP.
    fn greet(&mut self) {
        let client = self.engine.on_client_open(SocketAddr::from(([127, 0, 0, 1], 9042))).unwrap();
        self.engine.on_client_bytes(client, &mut frames::startup(4, None));
        self.clients.push(client);
        self.forget_answers();
    }

    /// A client prepares the SELECT of a keyspace.
    fn prepare(&mut self, keyspace: &str, id: &[u8]) {
        let text = format!("SELECT v FROM {keyspace}.t WHERE k = ?");
        self.engine.on_client_bytes(self.clients[0], &mut frames::prepare(1, &text));
        let prepared = frames::prepared(id, 0, (keyspace, "t"), b"columns");
        let usual = frames::frame((0x84, 0, 0), Opcode::Result, |out| {
            out.extend_from_slice(&prepared);
        });
        let usual = std::mem::replace(&mut self.answer, usual);
        loop {
            self.answer_all();
            let more = self.to_answer.iter().any(|(lane, _)| {
                self.engine.lane_output(*lane).is_some_and(|output| !output.is_empty())
            });
            if !more {
                break;
            }
        }
        self.answer = usual;
        self.forget_answers();
    }

    /// Asks for a row that always misses; each answer tells of another tablet.
    fn learn(&mut self) {
        let usual = self.answer.clone();
        let mut tablets: Vec<i128> = (0..TABLETS).collect();
        // The row's own tablet comes last: as long as it is unknown, every request misses.
        let key = [1; 8];
        tablets
            .sort_by_key(|tablet| *tablet == tablet_of(Partitioner::Murmur3.token(&key).value()));
        for tablet in tablets {
            let mut request = frames::execute(0, &SELECT, &key);
            assert_eq!(request[KEY_AT..KEY_AT + 8], key);
            self.engine.on_client_bytes(self.clients[0], &mut request);
            self.answer = with_tablet(&usual, tablet);
            self.answer_all();
            self.forget_answers();
        }
        self.answer = usual;
    }

    fn forget_answers(&mut self) {
        self.engine.take_touched_clients(&mut self.touched_clients);
        for client in self.touched_clients.drain(..) {
            let len = self.engine.client_output(client).unwrap().len();
            self.engine.on_client_sent(client, len);
        }
        while self.engine.take_action().is_some() {}
    }

    fn run(&mut self, act: impl FnOnce(&mut Engine)) {
        if self.counting { counted(&mut self.engine, act) } else { act(&mut self.engine) }
    }
}

/// What the engine does here is what a measurement counts, by this function's name.
#[inline(never)]
fn counted(engine: &mut Engine, act: impl FnOnce(&mut Engine)) {
    act(engine);
}

fn host(node: u16) -> HostId {
    HostId([node as u8 + 1; 16])
}

/// Nodes in one rack, a tablet keyspace `tab` and a ring keyspace `ring` with three copies.
fn snapshot() -> Arc<Snapshot> {
    let node = |number: u16| Node {
        id: NodeId(number),
        host: host(number),
        address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, number as u8 + 1)),
        port: 9042,
        data_center: "dc1".into(),
        rack: "r1".into(),
        tokens: (0..16).map(|vnode| token_at(i128::from(number + NODES * vnode), 48)).collect(),
    };
    let builder = SnapshotBuilder::new(1, (0..NODES).map(node).collect())
        .tablet_keyspace("tab", BTreeMap::new())
        .ring_keyspace("ring", Replication::Simple { factor: 3 }, BTreeMap::new());
    Arc::new(builder.build())
}

/// The token at `index` of `count` even steps around the ring.
fn token_at(index: i128, count: i128) -> cql::token::token::Token {
    let token = i128::from(i64::MIN) + (index << 64) / count;
    cql::token::token::Token::new(i64::try_from(token).unwrap())
}

fn tablet_of(token: i64) -> i128 {
    ((i128::from(token) - 1 - i128::from(i64::MIN)) * TABLETS) >> 64
}

/// `answer` with the custom payload that tells of a tablet.
fn with_tablet(answer: &[u8], index: i128) -> Vec<u8> {
    let border = |index: i128| {
        let token = i128::from(i64::MIN) + (index << 64) / TABLETS;
        i64::try_from(token).unwrap_or(i64::MAX)
    };
    let replicas: Vec<([u8; 16], i32)> = (0..NODES)
        .map(|node| (host(node).0, (index as i32 + i32::from(node)) % i32::from(SHARDS)))
        .collect();
    let payload = frames::tablet_payload(border(index), border(index + 1), &replicas);
    let framed = frames::with_payload(answer, &payload);
    assert_eq!(framed[1] & FLAG_PAYLOAD, FLAG_PAYLOAD);
    framed
}

/// A splitmix64 step.
fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

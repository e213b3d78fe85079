//! An engine between clients and nodes that cost next to nothing, in memory.
//!
//! Everything goes in and out as bytes, as from sockets: 3 nodes of 8 shards, a table of 1,024
//! tablets with 3 replicas each, learned from the nodes' answers before anything is measured.

#[path = "nodes.rs"]
mod nodes;

use std::net::SocketAddr;
use std::sync::Arc;

use cql::header::{HEADER_LEN, Header};
use cql::opcode::Opcode;
use cql::token::partitioner::Partitioner;
use cql::token::shard::{ShardId, Sharder};
use cql::values::column_type::ColumnType;
use shardlane::engine::action::Output;
use shardlane::engine::client::ClientKey;
use shardlane::engine::engine::Engine;
use shardlane::engine::limits::Limits;
use shardlane::engine::pending::LaneKey;
use shardlane::engine::settings::{ConsoleSettings, EngineSettings};
use shardlane::routing::decision::Reason;
use shardlane::topology::id::NodeId;
use shardlane::topology::table_key::{KeyColumn, TableKey};
use shardlane::upstream::lane::{LaneRoute, PoolId};

use self::nodes::{MSB, NODES, SHARDS, TABLETS, named, random, snapshot, tablet_of, with_tablet};
use crate::frames;
use crate::variant::{SELECT, Variant};

/// What one read of a socket brings at most.
const READ_BYTES: usize = 128 << 10;
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
    /// Whether nodes name each statement that they prepare by its text.
    naming: bool,
    request: Vec<u8>,
    answer: Vec<u8>,
    buffer: Vec<u8>,
    /// Answers on their way to the engine, by lane.
    answers: Vec<(LaneKey, Vec<u8>)>,
    /// Empty buffers for answers.
    spare: Vec<Vec<u8>>,
    answered: u64,
    /// Bytes that clients took.
    taken: usize,
    /// Actions that the engine wanted.
    actions: usize,
}

impl Rig {
    /// All lanes up, all clients greeted, all tablets learned.
    pub(crate) fn new(variant: Variant) -> Self {
        Self::with_shapes(variant, variant.runs_shapes())
    }

    /// The same; with `runs_shapes` texts that are seen often are run as prepared statements.
    pub(crate) fn with_shapes(variant: Variant, runs_shapes: bool) -> Self {
        let settings = EngineSettings {
            limits: Limits::default(),
            rack: None,
            some_nodes: false,
            tablet_samples_per_s: 100,
            routes_texts: true,
            runs_shapes,
            asks_to_prepare: true,
            has_peers: false,
            compression_offered: Vec::new(),
            console: ConsoleSettings::default(),
            prefetch_tablets: true,
            tablets_reread_us: 600_000_000,
        };
        let mut answer = frames::node_frame(0, Opcode::Result, |out| {
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
            naming: false,
            request: frames::execute(0, &SELECT, &[0; 8]),
            answer: Vec::new(),
            buffer: vec![0; READ_BYTES],
            answers: Vec::new(),
            spare: Vec::new(),
            answered: 0,
            taken: 0,
            actions: 0,
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
                is_cassandra: false,
                compression: None,
            };
            rig.engine.on_lane_up(route, Sharder::new(SHARDS, MSB).ok()).unwrap();
            rig.spare.push(Vec::new());
        }
        for _ in 0..variant.shape().0 {
            rig.greet();
        }
        rig.prepare("tab", &SELECT);
        rig.prepare("ring", &[8; 16]);
        rig.learn();
        rig.learn_key();
        rig.request = variant.request();
        rig.answer = frames::node_frame(0, Opcode::Result, |out| {
            out.extend_from_slice(&frames::rows(&vec![7; variant.answer_bytes()]));
        });
        rig.naming = runs_shapes;
        rig
    }

    /// A client asks by `text`, and nodes do what that leads to.
    pub(crate) fn ask(&mut self, text: &str) {
        self.now_us += 50;
        let (now_us, client) = (self.now_us, self.clients[0]);
        self.run(|engine| engine.on_time(now_us));
        let mut frame = frames::query(0, text);
        self.run(|engine| engine.on_client_bytes(client, &mut frame));
        self.answer_all();
        self.take_outputs();
        while !self.answers.is_empty() {
            self.answer_all();
            self.take_outputs();
        }
        assert_eq!(std::mem::take(&mut self.taken), self.answer.len(), "{text}: one answer");
    }

    /// The engine, to look at.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
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
            Variant::Query | Variant::QueryLong | Variant::QueryShape | Variant::QueryShapeLong => {
                Reason::TextLiteral
            }
            Variant::QueryBound => Reason::TextBound,
        };
        let tally = self.engine.tally();
        assert_eq!(tally.routing[meant as usize], requests, "{meant:?}");
        let as_texts = requests - tally.texts_executed;
        assert!(!self.variant.runs_shapes() || as_texts < 100, "{as_texts} were sent as texts");
    }

    /// One round of a worker: some clients send, the nodes answer, the clients get the answers.
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
            match self.variant {
                Variant::Pipelined
                | Variant::OneAtATime
                | Variant::LargeAnswers
                | Variant::Ring => frame[KEY_AT..KEY_AT + 8].copy_from_slice(&key),
                Variant::Batch
                | Variant::Query
                | Variant::QueryLong
                | Variant::QueryBound
                | Variant::QueryShape
                | Variant::QueryShapeLong => {}
            }
        }
        self.run(|engine| engine.on_client_bytes(client, &mut buffer[..count * len]));
        self.buffer = buffer;
    }

    /// The engine's outputs are taken; the nodes answer what reached them.
    fn answer_all(&mut self) {
        self.take_outputs();
        let mut answers = std::mem::take(&mut self.answers);
        let mut buffer = std::mem::take(&mut self.buffer);
        for (lane, mut bytes) in answers.drain(..) {
            for read in bytes.chunks(READ_BYTES) {
                let chunk = &mut buffer[..read.len()];
                chunk.copy_from_slice(read);
                let mut passed = 0;
                let pass = |_, frame: &[u8]| {
                    passed += frame.len();
                    frame.len()
                };
                self.run(|engine| engine.on_lane_bytes(lane, chunk, pass));
                self.taken += passed;
            }
            bytes.clear();
            self.spare.push(bytes);
        }
        self.buffer = buffer;
        self.answers = answers;
    }

    /// Lanes and clients take what the engine has for them; the nodes prepare their answers.
    fn take_outputs(&mut self) {
        loop {
            match self.run(Engine::take_output) {
                None => return,
                Some(Output::Action(_)) => self.actions += 1,
                Some(Output::LaneBytes(lane)) => {
                    let mut answers = self.spare.pop().unwrap();
                    let sent = self.engine.lane_output(lane).unwrap();
                    let mut rest = sent;
                    while let Some(header) = Header::peek(rest) {
                        let (at, len) = (answers.len(), HEADER_LEN + header.body_len as usize);
                        if self.naming && header.opcode == Opcode::Prepare as u8 {
                            answers.extend_from_slice(&named(&rest[HEADER_LEN..len]));
                        } else {
                            answers.extend_from_slice(&self.answer);
                        }
                        answers[at + 2..at + 4].copy_from_slice(&header.stream.to_be_bytes());
                        rest = &rest[len..];
                    }
                    let sent = sent.len();
                    self.run(|engine| engine.on_lane_sent(lane, sent));
                    self.answers.push((lane, answers));
                }
                Some(Output::ClientBytes(client)) => {
                    let len = self.engine.client_output(client).unwrap().len();
                    self.run(|engine| engine.on_client_sent(client, len));
                    self.taken += len;
                }
            }
        }
    }

    /// The clients take `count` answers.
    fn take_answers(&mut self, count: usize) {
        self.take_outputs();
        let taken = std::mem::take(&mut self.taken);
        assert_eq!(taken, count * self.answer.len(), "each request is answered, whole");
        assert_eq!(self.actions, 0, "nothing else is to be done");
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
        let prepared = frames::prepared(id, 0, &format!("{keyspace}.t"), b"columns");
        let usual = frames::node_frame(0, Opcode::Result, |out| {
            out.extend_from_slice(&prepared);
        });
        let usual = std::mem::replace(&mut self.answer, usual);
        self.answer_all();
        self.take_outputs();
        while !self.answers.is_empty() {
            self.answer_all();
            self.take_outputs();
        }
        self.answer = usual;
        self.forget_answers();
    }

    /// Asks for a row that always misses; each answer reports another tablet.
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

    /// The schema is read: the partition key of the table is known, for statements by text.
    fn learn_key(&mut self) {
        let kind = ColumnType::Bigint;
        let columns = Some(vec![KeyColumn { name: "k".into(), kind }].into_boxed_slice());
        let key = TableKey { keyspace: "tab".into(), table: "t".into(), columns, is_absent: false };
        self.engine.on_table_key(Arc::new(key));
    }

    fn forget_answers(&mut self) {
        self.take_outputs();
        (self.taken, self.actions) = (0, 0);
    }

    fn run<T>(&mut self, act: impl FnOnce(&mut Engine) -> T) -> T {
        if self.counting { counted(&mut self.engine, act) } else { act(&mut self.engine) }
    }
}

/// What the engine does here is what a measurement counts, by this function's name.
#[inline(never)]
fn counted<T>(engine: &mut Engine, act: impl FnOnce(&mut Engine) -> T) -> T {
    act(engine)
}

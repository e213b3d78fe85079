//! A proxy that knows no tablet yet, at the simulated cluster: the engine and the reading of tables are the product's, the
//! nodes those of `crates/sim`, and time is virtual.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cql::error_code::ErrorCode;
use cql::notation::{Reader, put_bytes};
use cql::opcode::Opcode;
use cql::response::rows::Rows;
use cql::token::shard::{ShardId, Sharder};
use cql::token::token::Token;
use shardlane::connect::handshake::put_page_query;
use shardlane::control::tables::table_reads::{TableReadSettings, TableReads, TableReport};
use shardlane::engine::action::{Action, Output};
use shardlane::engine::client::ClientKey;
use shardlane::engine::engine::Engine;
use shardlane::engine::limits::Limits;
use shardlane::engine::pending::LaneKey;
use shardlane::pool::refill::backoff::Jitter;
use shardlane::topology::id::{HostId, NodeId};
use shardlane::topology::node::Node;
use shardlane::topology::snapshot::{Snapshot, SnapshotBuilder};
use shardlane::upstream::lane::{LaneRoute, PoolId};
use sim::{Arrivals, Cluster, ClusterOptions, ConnectionId, Like, PortKind};

use crate::scale::settings;
use crate::support::frames::{self, Frame};

pub(super) const SECOND_US: u64 = 1_000_000;
const SHARDS: u16 = 8;
const MSB: u8 = 12;
/// A question of the control connection takes this long, there and back.
pub(super) const QUESTION_US: u64 = 1_000;
/// What it costs beside its rows, in rows, as the product counts.
pub(super) const QUESTION_ROWS: u64 = 8;
const ROOT: (&str, &str) = ("root", "secret");
const APP: (&str, &str) = ("app", "secret");

/// One worker of the product, its control connection, and a cluster.
pub(super) struct World {
    cluster: Cluster,
    engine: Engine,
    reads: TableReads,
    control: ConnectionId,
    lanes: HashMap<LaneKey, ConnectionId>,
    client: ClientKey,
    pub(super) now_us: u64,
    chance: Jitter,
    pub(super) row_us: u64,
    /// Whether what the control connection asks of `t1`, `t2` and so on is answered for `t0`.
    pub(super) is_one: bool,
    /// What the control connection was answered, and when that is there.
    answer: Option<(u64, Result<Vec<u8>, ErrorCode>)>,
    /// When something about tablets was asked for, and what that costs, in rows.
    pub(super) spent: Vec<(u64, u64)>,
    /// Most tablets that a worker was given at once.
    pub(super) page_max: u64,
}

impl World {
    /// All lanes are up, `tables` are there, and none of their tablets is known.
    pub(super) fn new(tables: &[(String, u32)], may_read: bool, reads: TableReadSettings) -> Self {
        let mut cluster = Cluster::new(ClusterOptions {
            like: Like::V2026_3,
            shards: SHARDS,
            users: vec![(ROOT.0.to_owned(), ROOT.1.to_owned())],
            schema_lag: Duration::ZERO,
            ..ClusterOptions::default()
        })
        .unwrap();
        cluster.roles.create(APP.0, APP.1, false);
        let root = connect(&mut cluster, 0, 40_000, ROOT);
        for (table, tablets) in tables {
            let keyspace = format!(
                "CREATE KEYSPACE IF NOT EXISTS ks{tablets} WITH replication = {{'class': \
                 'NetworkTopologyStrategy', 'replication_factor': 1}} AND tablets = {{'initial': {tablets}}}"
            );
            done(&ask(&mut cluster, root, &frames::query(1, &keyspace)));
            let table = format!("CREATE TABLE {table} (k bigint PRIMARY KEY, v int)");
            done(&ask(&mut cluster, root, &frames::query(1, &table)));
        }
        let control = connect(&mut cluster, 0, 40_001, if may_read { ROOT } else { APP });
        let limits = Limits { heartbeat_us: 0, ..Limits::default() };
        let mut engine = Engine::new(settings(limits), Arc::new(snapshot(&cluster)));
        let client =
            engine.on_client_open(SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000))).unwrap();
        let mut world = Self {
            cluster,
            engine,
            reads: TableReads::new(reads),
            control,
            lanes: HashMap::new(),
            client,
            now_us: SECOND_US,
            chance: Jitter::new(7),
            row_us: 0,
            is_one: false,
            answer: None,
            spent: Vec::new(),
            page_max: 0,
        };
        for (node, shard) in (0..3).flat_map(|node| (0..SHARDS).map(move |shard| (node, shard))) {
            world.open_lane(node, shard);
        }
        world.say(&frames::startup(4, None));
        world
    }

    fn open_lane(&mut self, node: u16, shard: u16) {
        let port = 41_000 - 41_000 % SHARDS + shard;
        let connection = connect(&mut self.cluster, usize::from(node), port, ROOT);
        let route = LaneRoute {
            node: NodeId(node),
            shard: ShardId(shard),
            pool: PoolId::PLAIN,
            lwt_mask: 0,
            metadata_ids: false,
            is_cassandra: false,
            compression: None,
        };
        let lane = self.engine.on_lane_up(route, Sharder::new(SHARDS, MSB).ok()).unwrap();
        self.lanes.insert(lane, connection);
    }

    /// A client sends something; the nodes answer at once.
    pub(super) fn say(&mut self, frame: &[u8]) -> Frame {
        self.engine.on_time(self.now_us);
        self.engine.on_client_bytes(self.client, &mut frame.to_vec());
        let mut answers = frames::cut(&self.take_outputs());
        assert_eq!(answers.len(), 1, "one answer: {answers:?}");
        answers.remove(0)
    }

    /// Does what the engine wants done. What the client is sent by then.
    fn take_outputs(&mut self) -> Vec<u8> {
        let mut answers = Vec::new();
        while let Some(output) = self.engine.take_output() {
            match output {
                Output::Action(Action::ReadTable(request)) => {
                    assert!(self.reads.on_request(request), "there is room for the request");
                }
                Output::Action(Action::ToOtherWorkers(_)) => {}
                Output::Action(other) => panic!("{other:?} has no cause"),
                Output::LaneBytes(lane) => {
                    let bytes = self.engine.lane_output(lane).unwrap().to_vec();
                    self.engine.on_lane_sent(lane, bytes.len());
                    let mut answer = Vec::new();
                    let now = Duration::from_micros(self.now_us);
                    let asked = self.lanes[&lane];
                    self.cluster.receive(asked, &bytes, now, &mut answer);
                    self.engine.on_lane_bytes(lane, &mut answer, |_, _| 0);
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

    /// Prepares a SELECT by key, as a driver does before its first request. Its id.
    pub(super) fn prepare(&mut self, table: &str) -> Vec<u8> {
        let prepared = self.say(&frames::prepare(1, &format!("SELECT v FROM {table} WHERE k = ?")));
        done(&prepared);
        let mut reader = Reader::new(&prepared.body);
        reader.int().unwrap();
        reader.short_bytes().unwrap().to_vec()
    }

    /// Asks for a row at random.
    pub(super) fn execute(&mut self, id: &[u8]) {
        let key = self.chance.bits().to_be_bytes();
        done(&self.say(&frames::execute(1, id, &key)));
    }

    /// Time passes, in which the control connection asks and is answered.
    pub(super) fn pass_time(&mut self, us: u64) {
        let until_us = self.now_us + us;
        while let Some(at_us) = self.control_due_us().filter(|at_us| *at_us <= until_us) {
            self.now_us = at_us.max(self.now_us);
            match self.answer.take_if(|(there_us, _)| *there_us <= self.now_us) {
                Some((_, answer)) => self.hear(&answer),
                None => self.ask_next(),
            }
        }
        self.now_us = until_us;
        self.engine.on_time(self.now_us);
        self.engine.on_deadline();
        let answers = self.take_outputs();
        assert!(answers.is_empty(), "nothing was asked");
    }

    fn control_due_us(&self) -> Option<u64> {
        match &self.answer {
            Some((there_us, _)) => Some(*there_us),
            None => self.reads.wait_us(self.now_us).map(|wait_us| self.now_us + wait_us),
        }
    }

    fn ask_next(&mut self) {
        let Some(mut question) = self.reads.next_question(self.now_us) else { return };
        if self.is_one {
            question.text = of_the_one_table(&question.text);
        }
        let query = match &question.page {
            None => frames::query(1, &question.text),
            Some((rows, state)) => frames::client_frame(1, Opcode::Query, |out| {
                put_page_query(out, &question.text, *rows, state.as_deref());
            }),
        };
        let answer = ask(&mut self.cluster, self.control, &query);
        let mut there_us = self.now_us + QUESTION_US;
        let mut rows = 0;
        if question.page.is_some() && answer.opcode() == Opcode::Result {
            rows = Rows::read(&answer.body).unwrap().rows().count() as u64;
            self.page_max = self.page_max.max(rows);
            there_us += self.row_us * rows;
        }
        if !question.text.contains("system_schema.columns") {
            self.spent.push((self.now_us, rows + QUESTION_ROWS));
        }
        let answer = match answer.opcode() {
            Opcode::Result => Ok(answer.body),
            _ => Err(answer.code()),
        };
        self.answer = Some((there_us, answer));
    }

    fn hear(&mut self, answer: &Result<Vec<u8>, ErrorCode>) {
        let answer = answer.as_ref().map(Vec::as_slice).map_err(|code| *code);
        let Some(report) = self.reads.on_answer(answer, self.now_us) else { return };
        self.engine.on_time(self.now_us);
        match report {
            TableReport::Key(key) => self.engine.on_table_key(Arc::new(key)),
            TableReport::Tablets(page) => self.engine.on_tablets_read(&page),
        }
        let answers = self.take_outputs();
        assert!(answers.is_empty(), "no request waited for it");
    }

    /// Prepared requests for a table by where they arrived, as the nodes judge.
    pub(super) fn arrivals(&self, keyspace: &str, table: &str) -> Arrivals {
        self.cluster.requests(keyspace, table).unwrap().routable
    }

    pub(super) fn tablets_known(&self) -> u64 {
        self.engine.gauges().tablets
    }

    /// Most rows that were paid within any second.
    pub(super) fn most_spent_within_a_second(&self) -> u64 {
        let (mut window, mut rows, mut most) = (VecDeque::new(), 0, 0);
        for (at_us, cost) in &self.spent {
            window.push_back((*at_us, *cost));
            rows += cost;
            while window.front().is_some_and(|(then_us, _)| then_us + SECOND_US <= *at_us) {
                rows -= window.pop_front().map_or(0, |(_, cost)| cost);
            }
            most = most.max(rows);
        }
        most
    }
}

/// What the control connection has read of the cluster.
fn snapshot(cluster: &Cluster) -> Snapshot {
    let members = (0..).zip(&cluster.members);
    let nodes = members.map(|(number, member)| Node {
        id: NodeId(number),
        host: HostId(member.host_id),
        address: member.address,
        port: 9042,
        data_center: member.data_center.as_str().into(),
        rack: member.rack.as_str().into(),
        tokens: member.tokens.iter().map(|token| Token::new(*token)).collect(),
    });
    let mut snapshot = SnapshotBuilder::new(1, nodes.collect());
    for (name, keyspace) in &cluster.schema().keyspaces {
        if keyspace.tablets.is_some() {
            let pairs = keyspace.replication.iter();
            snapshot = snapshot
                .tablet_keyspace(name, BTreeMap::new())
                .replicated(name, pairs.map(|(key, value)| (key.as_str(), value.as_str())));
        }
    }
    snapshot.build()
}

pub(super) fn astray(arrivals: Arrivals) -> u64 {
    arrivals.wrong_shard + arrivals.non_replica
}

/// A connection that has logged in.
fn connect(cluster: &mut Cluster, node: usize, port: u16, role: (&str, &str)) -> ConnectionId {
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let connection = cluster.open(node, PortKind::ShardAware, peer).unwrap();
    let startup = frames::client_frame(0, Opcode::Startup, |out| {
        let options = [("CQL_VERSION", "3.0.0"), ("TABLETS_ROUTING_V1", "")];
        cql::notation::put_string_map(out, &options);
    });
    assert_eq!(ask(cluster, connection, &startup).opcode(), Opcode::Authenticate);
    let token = format!("\0{}\0{}", role.0, role.1);
    let login = frames::client_frame(0, Opcode::AuthResponse, |out| {
        put_bytes(out, Some(token.as_bytes()));
    });
    assert_eq!(ask(cluster, connection, &login).opcode(), Opcode::AuthSuccess);
    connection
}

fn ask(cluster: &mut Cluster, connection: ConnectionId, frame: &[u8]) -> Frame {
    let mut out = Vec::new();
    cluster.receive(connection, frame, Duration::from_secs(1), &mut out);
    frames::cut(&out).remove(0)
}

/// A question about `t0` in the place of one about another table with a number.
fn of_the_one_table(question: &str) -> String {
    let Some((before, rest)) = question.split_once("= 't") else { return question.to_owned() };
    let rest = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
    format!("{before}= 't0{rest}")
}

pub(super) fn done(answer: &Frame) {
    assert_eq!(answer.opcode(), Opcode::Result, "{answer:?}");
}

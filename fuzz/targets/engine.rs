//! The whole engine: any bytes from clients and nodes, any order of events.
//!
//! A model of both ends checks after each step: answers are whole frames, go to clients that are
//! there, on streams that they asked on, and carry their own rows; no stream id of a lane is used
//! twice at a time; no write reaches nodes twice; every bound holds. At the end nobody is owed.

mod clients;
mod input;
mod logins;
mod nodes;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use cql::error_code::ErrorCode;
use cql::header::{HEADER_LEN, Header};
use cql::opcode::Opcode;
use cql::values::column_type::ColumnType;
use shardlane::engine::action::{Action, LearnedTablet, PeerMessage};
use shardlane::engine::client::ClientKey;
use shardlane::engine::pending::LaneKey;
use shardlane::facade::facade::Facade;
use shardlane::upstream::lane::PoolId;

use self::clients::Origin;
use self::input::Input;
use self::logins::Logins;
use self::nodes::Far;
use super::system_rows;
use crate::support::frames;
use crate::support::rig::{Rig, host, snapshot};

const BODY_LEN_MAX: u32 = 4096;
/// Longest request body that is passed over, as the engine has it.
const PASSED_LEN_MAX: u32 = 256 << 20;
const BACKLOG_MAX: usize = 1 << 20;
const CATALOG_MAX: usize = 64 << 10;
const CLIENTS_MAX: usize = 4;
const STREAMS_MAX: u16 = 8;
const TABLETS_MAX: usize = 16;
const STEPS_MAX: usize = 400;

const READ_ID: [u8; 16] = [9; 16];
const WRITE_ID: [u8; 16] = [8; 16];
/// Stands before each number, so that no fuzzed byte is taken for one.
const MARK: [u8; 16] = *b"\xf5row of request\xf5";

struct World {
    rig: Rig,
    askers: Vec<Origin>,
    far: Vec<(LaneKey, Far)>,
    pools: Vec<PoolId>,
    numbers: u64,
    origin: BTreeMap<u64, (ClientKey, i16)>,
    ran: BTreeSet<u64>,
    version: u64,
    /// Where clients must log in.
    logins: Option<Logins>,
}

pub(crate) fn run(data: &[u8]) {
    play(data, false);
}

/// The same where clients must log in, with several credentials.
pub(crate) fn run_logins(data: &[u8]) {
    play(data, true);
}

fn play(data: &[u8], guarded: bool) {
    if data.windows(MARK.len()).any(|window| window == MARK) {
        return;
    }
    let mut input = Input::new(data);
    let mut world = World::new(guarded);
    for _ in 0..STEPS_MAX {
        if input.is_over() {
            break;
        }
        world.step(&mut input);
        world.look_at_orders();
        world.check();
    }
    world.end();
}

fn real_facade() -> Arc<Facade> {
    static FACADE: OnceLock<Arc<Facade>> = OnceLock::new();
    Arc::clone(FACADE.get_or_init(|| Arc::new(system_rows::real_facade())))
}

fn marked(number: u64) -> Vec<u8> {
    [&MARK[..], &number.to_be_bytes()].concat()
}

/// The number behind the first mark, if there is one.
fn number_in(bytes: &[u8]) -> Option<u64> {
    let at = bytes.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
    Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

impl World {
    fn new(guarded: bool) -> Self {
        let mut rig = Rig::with_limits(|limits| {
            limits.frame_body_bytes_max = BODY_LEN_MAX;
            limits.client_in_flight_max = 6;
            limits.outbox_high_bytes = 4096;
            limits.outbox_low_bytes = 1024;
            limits.client_backlog_bytes_max = BACKLOG_MAX;
            limits.lane_streams_max = STREAMS_MAX;
            limits.lane_orphans_max = 3;
            limits.lane_retained_bytes_max = 8192;
            limits.clients_max = CLIENTS_MAX;
            limits.catalog_bytes_max = CATALOG_MAX;
            limits.tablets_max = TABLETS_MAX;
            limits.keyspaces_max = 2;
        });
        rig.lane(0, 0);
        let client = rig.client();
        rig.prepare_select(client, "tab", READ_ID[0]);
        rig.prepare_insert(client, "ring", WRITE_ID[0]);
        rig.leave(client);
        rig.lane(1, 1);
        let mut world = Self {
            far: rig.lanes.iter().map(|lane| (*lane, Far::default())).collect(),
            rig,
            askers: Vec::new(),
            pools: vec![PoolId::PLAIN],
            numbers: 0,
            origin: BTreeMap::new(),
            ran: BTreeSet::new(),
            version: 1,
            logins: None,
        };
        if guarded {
            world.guard();
        }
        world.join(4, None);
        world
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.byte() % 16 {
            0 => {
                let at = input.below(self.askers.len());
                self.feed(at, input.bytes());
            }
            1 => self.client_frame(input),
            2 => self.ask(input),
            3 => {
                let (at, count) = (input.below(self.askers.len()), input.short());
                self.take_answers(at, usize::from(count));
            }
            4 => {
                let (at, count) = (input.below(self.far.len()), input.short());
                self.carry(at, usize::from(count));
            }
            5 => self.answer_well(input),
            6 => self.answer_badly(input),
            7 => self.answer_anything(input),
            8 => {
                let at = input.below(self.far.len());
                self.lane_bytes(at, input.bytes());
            }
            9 => {
                if !self.far.is_empty() {
                    let (lane, _) = self.far.remove(input.below(self.far.len()));
                    self.rig.lose(lane);
                }
            }
            10 => self.open_lane(input),
            11 => self.rig.pass_time(u64::from(input.short()) * 1000),
            12 => {
                if self.askers.len() > 1 {
                    let origin = self.askers.remove(input.below(self.askers.len()));
                    self.rig.leave(origin.key);
                }
            }
            13 => {
                let version = 3 + u8::from(input.byte() & 1 == 0);
                let compression = [None, Some("lz4"), Some("snappy")][input.below(3)];
                self.join(version, compression);
            }
            14 => {
                if !self.login_step(input) {
                    self.control(input);
                }
            }
            _ => {
                self.obey();
                if self.askers.is_empty() {
                    self.join(4, None);
                }
            }
        }
    }

    fn join(&mut self, version: u8, compression: Option<&str>) {
        let address = SocketAddr::from(([127, 0, 0, 1], 9042));
        let opened = self.rig.input(|engine| engine.on_client_open(address));
        let Some(key) = opened else {
            assert!(self.rig.engine.gauges().clients >= CLIENTS_MAX as u64);
            return;
        };
        self.rig.clients.push(key);
        self.askers.push(Origin {
            key,
            version,
            next: 0,
            sent: Vec::new(),
            got: Vec::new(),
            asked: BTreeMap::new(),
            passing: 0,
            answered: BTreeMap::new(),
            garbled: false,
            closing: false,
            goodbye: false,
            tokens: Vec::new(),
            compresses: compression.is_some(),
        });
        let startup = frames::startup(version, compression);
        let at = self.askers.len() - 1;
        self.feed(at, &startup);
        self.send_token(at, u8::try_from(self.numbers % 251).expect("below"));
    }

    /// What comes from the control connection, and from other workers.
    fn control(&mut self, input: &mut Input<'_>) {
        match input.byte() % 6 {
            0 => {
                let body = input.bytes();
                self.rig.input(|engine| engine.on_event(body));
            }
            1 => {
                self.version += 1;
                let snapshot = snapshot(self.version, 1 + u16::from(input.byte() % 4));
                self.rig.input(|engine| engine.on_snapshot(snapshot));
            }
            2 => self.rig.input(|engine| engine.on_facade(real_facade())),
            3 => {
                let pool = self.pools[input.below(self.pools.len())];
                let refusal = frames::node_frame(0, Opcode::Error, |out| {
                    out.extend_from_slice(&frames::error(ErrorCode::INVALID, "no keyspace"));
                });
                let refusal = (input.byte() & 1 == 0).then_some(refusal.as_slice());
                self.rig.input(|engine| engine.on_pool_failed(pool, refusal));
            }
            4 => {
                let (first, last) = (i64::from(input.short()), i64::from(input.short()));
                let replicas =
                    (0..input.byte() % 80).map(|n| (host(u16::from(n % 4)), u16::from(n)));
                let tablet = LearnedTablet {
                    table: ("tab".into(), "t".into()),
                    first: first - 32_768,
                    last: last - 32_768,
                    replicas: replicas.collect(),
                };
                let news = PeerMessage::Tablet(Arc::new(tablet));
                self.rig.input(|engine| engine.on_peer_message(news));
            }
            _ => {
                let change = ["CREATED", "UPDATED", "DROPPED"][input.below(3)];
                let table = (input.byte() & 1 == 0).then_some("t");
                let body = frames::schema_event(change, ["tab", "ring"][input.below(2)], table);
                self.rig.input(|engine| engine.on_event(&body));
            }
        }
    }

    /// Clients that are being closed get nothing more that counts.
    fn look_at_orders(&mut self) {
        for order in &self.rig.actions {
            if let Action::CloseClient(client) = order {
                for origin in self.askers.iter_mut().filter(|origin| origin.key == *client) {
                    origin.closing = true;
                }
            }
        }
    }

    fn obey(&mut self) {
        self.take_logins();
        for order in std::mem::take(&mut self.rig.actions) {
            match order {
                Action::OpenPool { pool, .. } => self.pools.push(pool),
                Action::ClosePool(pool) => {
                    self.pools.retain(|known| *known != pool);
                    self.forget_home(pool);
                }
                Action::CloseLane(lane) => {
                    self.far.retain(|(far, _)| *far != lane);
                    self.rig.lose(lane);
                }
                Action::CloseClient(client) => {
                    if let Some(at) = self.askers.iter().position(|origin| origin.key == client) {
                        self.take_answers(at, usize::MAX);
                        self.askers.remove(at);
                    }
                    self.rig.leave(client);
                }
                // Every table that a text may name has a key of one column.
                Action::ReadTable(request) => {
                    self.rig.know_key(&request.keyspace, &request.table, &[("k", ColumnType::Int)]);
                }
                Action::LogIn { .. }
                | Action::CloseUnused(_)
                | Action::OpenLane { .. }
                | Action::ResumeClient(_)
                | Action::ToOtherWorkers(_)
                | Action::RefreshTopology
                | Action::CollectConsole(_) => {}
            }
        }
    }

    fn check(&self) {
        let gauges = self.rig.engine.gauges();
        assert!(gauges.clients <= CLIENTS_MAX as u64, "{gauges:?}");
        assert!(gauges.tablets <= TABLETS_MAX as u64, "{gauges:?}");
        assert!(gauges.catalog_bytes <= CATALOG_MAX as u64, "{gauges:?}");
        let lanes: u64 = gauges.lanes.values().map(|lanes| lanes.open + lanes.draining).sum();
        assert_eq!(lanes, self.rig.lanes.len() as u64, "{gauges:?}");
        assert!(gauges.in_flight <= lanes * u64::from(STREAMS_MAX), "{gauges:?}");
        assert!(gauges.orphans <= gauges.in_flight, "{gauges:?}");
        let waiting = self
            .askers
            .iter()
            .filter_map(|origin| self.rig.engine.client_output(origin.key).map(<[u8]>::len));
        assert!(waiting.max().unwrap_or(0) <= BACKLOG_MAX + (1 << 17));
    }

    /// Everything breaks, and time goes on: nobody is owed an answer.
    fn end(mut self) {
        for (lane, _) in std::mem::take(&mut self.far) {
            self.rig.lose(lane);
        }
        for _ in 0..8 {
            self.rig.pass_time(16_000_000);
            // Before what they were sent as a farewell is read.
            self.look_at_orders();
            for at in 0..self.askers.len() {
                self.take_answers(at, usize::MAX);
            }
            self.obey();
        }
        for origin in &self.askers {
            let owed = origin.asked != origin.answered && !origin.garbled && !origin.closing;
            assert!(!owed, "asked {:?}, answered {:?}", origin.asked, origin.answered);
        }
        self.rig.finish();
    }
}

/// The next whole frame of a stream.
fn take_frame(bytes: &mut Vec<u8>) -> Option<frames::Frame> {
    let header = Header::peek(bytes)?;
    let len = HEADER_LEN + header.body_len as usize;
    if bytes.len() < len {
        return None;
    }
    let body = bytes[HEADER_LEN..len].to_vec();
    bytes.drain(..len);
    Some(frames::Frame { header, body })
}

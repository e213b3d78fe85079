//! Any order of events: requests, answers, reads cut anywhere, lanes lost and opened, time, clients
//! that come and go. Whatever happens, each request is answered once, to its client, and no write
//! runs twice.

mod nodes;
mod ops;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use cql::error_code::ErrorCode;
use cql::header::{HEADER_LEN, Header};
use cql::notation::Reader;
use cql::opcode::Opcode;
use cql::request::execute::Execute;
use cql::response::prefix::Prefix;
use shardlane::engine::action::Action;
use shardlane::engine::client::ClientKey;
use shardlane::engine::pending::LaneKey;
use shardlane::upstream::lane::PoolId;

use self::nodes::{is_own_question, is_write, number_of, well};
use self::ops::{How, Op, RequestKind, op};
use crate::support::frames;
use crate::support::frames::{Frame, cut, unprepared};
use crate::support::rig::Rig;

const READ_ID: [u8; 16] = [9; 16];
const WRITE_ID: [u8; 16] = [8; 16];

/// A client with what it asked and the answers that it got.
struct Driver {
    key: ClientKey,
    /// Number of each stream's request, and what was asked.
    asked: BTreeMap<i16, (u64, RequestKind)>,
    answered: BTreeSet<i16>,
    /// Streams whose `USE` was granted, with the keyspace.
    switched: BTreeMap<i16, String>,
    next: i16,
}

impl Driver {
    fn keyspace_at(&self, stream: i16) -> Option<&String> {
        self.switched.range(..stream).next_back().map(|(_, keyspace)| keyspace)
    }
}

/// A node's end of a lane: bytes of a frame that is not whole yet, requests without an answer.
#[derive(Default)]
struct Far {
    partial: Vec<u8>,
    requests: Vec<Frame>,
    keyspace: Option<String>,
}

struct World {
    rig: Rig,
    drivers: Vec<Driver>,
    far: Vec<(LaneKey, Far)>,
    pools: Vec<(PoolId, Option<String>)>,
    numbers: u64,
    /// Who sent each number, and by which stream.
    driver: BTreeMap<u64, (ClientKey, i16)>,
    /// Writes that a node may have run.
    ran: BTreeSet<u64>,
}

impl World {
    /// Lanes are opened ahead, or on demand.
    fn new(on_demand: bool) -> Self {
        let mut rig = Rig::with_limits(|limits| {
            limits.lane_unused_us = if on_demand { 2_000_000 } else { 0 };
            limits.lane_streams_max = 8;
            limits.lane_orphans_max = 4;
            limits.client_in_flight_max = 6;
        });
        rig.lane(0, 0);
        let client = rig.client();
        rig.prepare_select(client, "tab", READ_ID[0]);
        rig.prepare_insert(client, "ring", WRITE_ID[0]);
        let mut world = Self {
            far: rig.lanes.iter().map(|lane| (*lane, Far::default())).collect(),
            rig,
            drivers: Vec::new(),
            pools: vec![(PoolId::PLAIN, None)],
            numbers: 0,
            driver: BTreeMap::new(),
            ran: BTreeSet::new(),
        };
        world.join();
        world.join();
        world
    }

    fn join(&mut self) {
        let key = self.rig.client();
        self.drivers.push(Driver {
            key,
            asked: BTreeMap::new(),
            answered: BTreeSet::new(),
            switched: BTreeMap::new(),
            next: 0,
        });
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::RequestKind { client, ask, cut } => self.ask(client, ask, cut),
            Op::Answer { lane, request, how } => self.answer(lane, request, how),
            Op::Carry { lane, bytes } => self.carry(lane, bytes),
            Op::Lose { lane } => {
                if !self.far.is_empty() {
                    let (lane, _) = self.far.remove(lane % self.far.len());
                    self.rig.lose(lane);
                }
            }
            Op::Open { pool, node, shard } => {
                let (pool, keyspace) = self.pools[pool % self.pools.len()].clone();
                if let Some(lane) = self.rig.lane_of(pool, node, shard) {
                    self.far.push((lane, Far { keyspace, ..Far::default() }));
                }
            }
            Op::Time { us } => self.rig.pass_time(us),
            Op::Leave { client } => {
                if self.drivers.len() > 1 {
                    let driver = self.drivers.remove(client % self.drivers.len());
                    self.rig.leave(driver.key);
                }
            }
            Op::Join => self.join(),
        }
        self.read_answers();
        self.obey();
    }

    fn ask(&mut self, client: usize, ask: RequestKind, at: usize) {
        let count = self.drivers.len();
        let driver = &mut self.drivers[client % count];
        if !self.rig.engine.may_read(driver.key) {
            return;
        }
        // Two requests in one write, of which the second may be a `USE` that the first must not see.
        let mut bytes = Vec::new();
        for ask in [RequestKind::Select, ask] {
            let (stream, number) = (driver.next, self.numbers);
            driver.next += 1;
            self.numbers += 1;
            driver.asked.insert(stream, (number, ask));
            self.driver.insert(number, (driver.key, stream));
            let key = number.to_be_bytes();
            bytes.extend(match ask {
                RequestKind::Select => frames::query(stream, &format!("SELECT {number}")),
                RequestKind::Insert => frames::query(stream, &format!("INSERT {number}")),
                RequestKind::Create => frames::query(stream, &format!("CREATE {number}")),
                RequestKind::ExecuteRead => frames::execute(stream, &READ_ID, &key),
                RequestKind::ExecuteWrite => frames::execute(stream, &WRITE_ID, &key),
                RequestKind::Batch => {
                    frames::batch(stream, 0, &[(&WRITE_ID, &key), (&READ_ID, &key)])
                }
                RequestKind::Use(keyspace) => frames::query(stream, &format!("USE ks{keyspace}")),
            });
        }
        let (first, rest) = bytes.split_at(at.min(bytes.len()));
        let key = driver.key;
        self.rig.send(key, first);
        self.rig.send(key, rest);
    }

    /// Bytes travel to a node.
    fn carry(&mut self, lane: usize, bytes: usize) {
        let count = self.far.len();
        if count == 0 {
            return;
        }
        let (lane, far) = &mut self.far[lane % count];
        let Some(out) = self.rig.engine.lane_output(*lane) else { return };
        let bytes = bytes.min(out.len());
        far.partial.extend_from_slice(&out[..bytes]);
        let lane = *lane;
        self.rig.input(|engine| engine.on_lane_sent(lane, bytes));
        loop {
            let at = lane_at(&self.far, lane);
            let (_, far) = &mut self.far[at];
            let Some(header) = Header::peek(&far.partial) else { return };
            let len = HEADER_LEN + header.body_len as usize;
            if far.partial.len() < len {
                return;
            }
            let frame = cut(&far.partial.drain(..len).collect::<Vec<u8>>()).remove(0);
            let keyspace = far.keyspace.clone();
            far.requests.push(frame.clone());
            self.on_arrival(&frame, keyspace.as_ref());
        }
    }

    fn on_arrival(&mut self, frame: &Frame, keyspace: Option<&String>) {
        if is_own_question(frame) {
            return;
        }
        if frame.opcode() == Opcode::Query {
            if frame.text().starts_with("USE") {
                assert_eq!(frame.text()[4..], *keyspace.unwrap());
                return;
            }
            let (client, stream) = self.driver[&number_of(frame)];
            if let Some(driver) = self.drivers.iter().find(|driver| driver.key == client) {
                assert_eq!(keyspace, driver.keyspace_at(stream), "{frame:?}");
            }
        }
        if is_write(frame) {
            assert!(self.ran.insert(number_of(frame)), "a write ran twice: {frame:?}");
        }
    }

    /// A node answers one of its requests.
    fn answer(&mut self, lane: usize, request: usize, how: How) {
        let count = self.far.len();
        if count == 0 {
            return;
        }
        let (lane, far) = &mut self.far[lane % count];
        if far.requests.is_empty() {
            return;
        }
        let frame = far.requests.remove(request % far.requests.len());
        let (lane, stream) = (*lane, frame.stream());
        let by_id = matches!(frame.opcode(), Opcode::Execute | Opcode::Batch);
        match how {
            How::Refused => {
                let body = frames::error(ErrorCode::INVALID, "no");
                self.rig.error(lane, stream, &body);
            }
            How::Unprepared if by_id => {
                let id = match frame.opcode() {
                    Opcode::Execute => Execute::read(&frame.body).unwrap().id.to_vec(),
                    _ => WRITE_ID.to_vec(),
                };
                if is_write(&frame) {
                    self.ran.remove(&number_of(&frame));
                }
                self.rig.error(lane, stream, &unprepared(&id));
            }
            How::Unprepared | How::Well => {
                let body = well(&frame);
                self.rig.result(lane, stream, &body);
            }
        }
    }

    fn read_answers(&mut self) {
        for driver in &mut self.drivers {
            for answer in self.rig.answers(driver.key) {
                let stream = answer.stream();
                let (number, ask) = driver.asked[&stream];
                assert!(driver.answered.insert(stream), "answered twice: {answer:?}");
                if answer.opcode() == Opcode::Error {
                    continue;
                }
                match ask {
                    RequestKind::Use(keyspace) => {
                        let name = Reader::new(&answer.body[4..]).string().unwrap().to_owned();
                        assert_eq!(name, format!("ks{keyspace}"));
                        driver.switched.insert(stream, name);
                    }
                    RequestKind::Create => {
                        // Nodes that never agree are warned of.
                        let prefix = Prefix::read(answer.header.flags, &answer.body).unwrap();
                        assert_eq!(answer.body[prefix.message_at + 3], 5);
                    }
                    RequestKind::Select
                    | RequestKind::Insert
                    | RequestKind::ExecuteRead
                    | RequestKind::ExecuteWrite
                    | RequestKind::Batch => assert_eq!(answer.mark(), number.to_be_bytes()),
                }
            }
        }
    }

    /// Does what the engine ordered.
    fn obey(&mut self) {
        for order in std::mem::take(&mut self.rig.actions) {
            match order {
                Action::OpenPool { pool, keyspace } => {
                    self.pools.push((pool, Some(keyspace.to_string())));
                }
                Action::CloseLane(lane) | Action::CloseUnused(lane) => {
                    self.far.retain(|(far, _)| *far != lane);
                    self.rig.lose(lane);
                }
                Action::CloseClient(client) => panic!("{client:?} did nothing wrong"),
                Action::ClosePool(pool) => self.close_pool(pool),
                Action::OpenLane { pool, node, shard } => {
                    let keyspace = self.pools.iter().find(|(of, _)| *of == pool).unwrap().1.clone();
                    assert_eq!(keyspace, None, "a keyspace has one lane a node");
                    if let Some(lane) = self.rig.lane_of(pool, node.0, shard.0) {
                        self.far.push((lane, Far::default()));
                    }
                }
                Action::ResumeClient(_)
                | Action::ToOtherWorkers(_)
                | Action::RefreshTopology
                | Action::ReadTable(_)
                | Action::CollectConsole(_)
                | Action::BoundMet { .. }
                | Action::LogIn { .. } => {}
            }
        }
        self.read_answers();
    }

    /// A keyspace was not used for a while: its lanes are closed.
    fn close_pool(&mut self, pool: PoolId) {
        let at = self.pools.iter().position(|(known, _)| *known == pool).unwrap();
        let (_, keyspace) = self.pools.remove(at);
        assert!(keyspace.is_some(), "the plain lanes stay");
        let far = std::mem::take(&mut self.far);
        let (closed, kept): (Vec<_>, Vec<_>) =
            far.into_iter().partition(|(_, far)| far.keyspace == keyspace);
        self.far = kept;
        for (lane, _) in closed {
            self.rig.lose(lane);
        }
    }

    /// All lanes break and all waits run out: then no client is owed an answer.
    fn end(mut self) {
        for (lane, _) in std::mem::take(&mut self.far) {
            self.rig.lose(lane);
        }
        for _ in 0..8 {
            self.rig.pass_time(16_000_000);
            self.read_answers();
            self.obey();
        }
        for driver in &self.drivers {
            assert!(driver.asked.keys().eq(driver.answered.iter()), "no answer came");
        }
        self.rig.finish();
    }
}

fn lane_at(far: &[(LaneKey, Far)], lane: LaneKey) -> usize {
    far.iter().position(|(known, _)| *known == lane).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 4000,
        ..ProptestConfig::with_cases(300)
    })]

    #[test]
    fn each_request_is_answered_once_to_its_client_whatever_happens(
        on_demand in any::<bool>(),
        ops in proptest::collection::vec(op(), 0..200),
    ) {
        let mut world = World::new(on_demand);
        for op in &ops {
            world.apply(op);
        }
        world.end();
    }
}

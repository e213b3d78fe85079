//! The whole engine: any bytes from clients and nodes, any order of events.
//!
//! A model of both ends checks after each step: answers are whole frames, go to clients that are
//! there, on streams that they asked on, and carry their own rows; no stream id of a lane is used
//! twice at a time; no write reaches nodes twice; every bound holds. At the end nobody is owed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use shardlane::engine::client::ClientKey;
use shardlane::engine::order::{LearnedTablet, News, Order};
use shardlane::engine::pending::LaneKey;
use shardlane::session::system_tables::Facade;
use shardlane::upstream::lane::SetId;
use shardlane::wire::header::{HEADER_LEN, Header, RESPONSE};
use shardlane::wire::notation::{put_int, put_string};
use shardlane::wire::opcode::Opcode;
use shardlane::wire::request::execute::Execute;
use shardlane::wire::response::error::ErrorCode;

use super::engine_input::Input;
use super::system_rows::facade;
use crate::support::frames;
use crate::support::rig::{Rig, host, snapshot};

const BODY_LEN_MAX: u32 = 4096;
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

/// A client: what it sent, as far as it can be told from its bytes, and what it got.
struct Asker {
    key: ClientKey,
    version: u8,
    next: i16,
    sent: Vec<u8>,
    got: Vec<u8>,
    asked: BTreeMap<i16, u64>,
    answered: BTreeMap<i16, u64>,
    /// Its bytes make no frames any more.
    garbled: bool,
    closing: bool,
    /// It got an ERROR on stream 0, which may be the one that says goodbye.
    goodbye: bool,
}

/// A node's end of a lane.
#[derive(Default)]
struct Far {
    partial: Vec<u8>,
    requests: Vec<frames::Frame>,
    /// Its node answered what it should not have: only the client's side is checked from now on.
    hostile: bool,
}

struct World {
    rig: Rig,
    askers: Vec<Asker>,
    far: Vec<(LaneKey, Far)>,
    sets: Vec<SetId>,
    numbers: u64,
    origin: BTreeMap<u64, (ClientKey, i16)>,
    ran: BTreeSet<u64>,
    version: u64,
}

pub(crate) fn run(data: &[u8]) {
    if data.windows(MARK.len()).any(|window| window == MARK) {
        return;
    }
    let mut input = Input::new(data);
    let mut world = World::new();
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
    Arc::clone(FACADE.get_or_init(|| Arc::new(facade())))
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
    fn new() -> Self {
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
            sets: vec![SetId::PLAIN],
            numbers: 0,
            origin: BTreeMap::new(),
            ran: BTreeSet::new(),
            version: 1,
        };
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
                    let asker = self.askers.remove(input.below(self.askers.len()));
                    self.rig.leave(asker.key);
                }
            }
            13 => {
                let version = 3 + u8::from(input.byte() & 1 == 0);
                let compression = [None, Some("lz4"), Some("snappy")][input.below(3)];
                self.join(version, compression);
            }
            14 => self.control(input),
            _ => self.obey(),
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
        self.askers.push(Asker {
            key,
            version,
            next: 0,
            sent: Vec::new(),
            got: Vec::new(),
            asked: BTreeMap::new(),
            answered: BTreeMap::new(),
            garbled: false,
            closing: false,
            goodbye: false,
        });
        let startup = frames::startup(version, compression);
        self.feed(self.askers.len() - 1, &startup);
    }

    /// A client sends `bytes`; the model cuts them as well.
    fn feed(&mut self, at: usize, bytes: &[u8]) {
        let Some(asker) = self.askers.get_mut(at) else { return };
        if !self.rig.engine.may_read(asker.key) || asker.closing {
            return;
        }
        asker.sent.extend_from_slice(bytes);
        asker.cut_requests();
        let key = asker.key;
        self.rig.send(key, bytes);
    }

    fn client_frame(&mut self, input: &mut Input<'_>) {
        let at = input.below(self.askers.len());
        let (opcode, stream, flags) = (input.byte() & 0x1f, i16::from(input.byte()), input.byte());
        let body = input.bytes();
        let Some(asker) = self.askers.get(at) else { return };
        let body_len = u32::try_from(body.len()).expect("short");
        let header =
            Header { version: asker.version, flags: flags & 0x0f, stream, opcode, body_len };
        self.feed(at, &[&header.to_bytes(), body].concat());
    }

    /// A client asks something sensible.
    fn ask(&mut self, input: &mut Input<'_>) {
        let (at, kind, text) = (input.below(self.askers.len()), input.byte(), input.byte());
        let Some(asker) = self.askers.get_mut(at) else { return };
        let (stream, number) = (asker.next, self.numbers);
        asker.next = (asker.next + 1) & 0x3fff;
        self.numbers += 1;
        self.origin.insert(number, (asker.key, stream));
        let version = asker.version;
        let key = marked(number);
        let request = match kind % 16 {
            0 => frames::query(stream, &format!("SELECT {number}")),
            1 => frames::query(stream, &format!("INSERT {number}")),
            2 => frames::query(stream, "CREATE TABLE other.t (k int PRIMARY KEY)"),
            3 | 4 => frames::query(stream, &format!("USE ks{}", text % 4)),
            5 => frames::execute(stream, &READ_ID, &key),
            6 => frames::execute(stream, &WRITE_ID, &key),
            7 => frames::batch(stream, text, &[(&WRITE_ID, &key), (&READ_ID, &key)]),
            8 => frames::execute(stream, &[text; 16], &key),
            9 => frames::query(stream, "SELECT * FROM system.local WHERE key='local'"),
            10 => frames::prepare(stream, "SELECT key FROM system.local WHERE key = ?"),
            11 => frames::prepare(stream, &format!("SELECT v FROM tab.t WHERE k = {text}")),
            12 => frames::prepare(stream, &format!("USE ks{}", text % 3)),
            13 => frames::frame((version, 0, stream), Opcode::Options, |_| {}),
            14 => frames::frame((version, 0, stream), Opcode::Register, |out| {
                out.extend_from_slice(&[0, 1]);
                put_string(out, "SCHEMA_CHANGE");
            }),
            _ => frames::execute_at(stream, &READ_ID, &key, (8, text & 0x02)),
        };
        self.feed(at, &frames::of_version(version, request));
    }

    /// A client reads at most `count` bytes.
    fn take_answers(&mut self, at: usize, count: usize) {
        let Some(asker) = self.askers.get_mut(at) else { return };
        let Some(out) = self.rig.engine.client_output(asker.key) else { return };
        let count = count.min(out.len());
        asker.got.extend_from_slice(&out[..count]);
        let key = asker.key;
        self.rig.input(|engine| engine.on_client_sent(key, count));
        self.askers[at].check_answers(&self.origin);
    }

    /// A lane carries at most `count` bytes to its node.
    fn carry(&mut self, at: usize, count: usize) {
        let Some((lane, far)) = self.far.get_mut(at) else { return };
        let Some(out) = self.rig.engine.lane_output(*lane) else { return };
        let count = count.min(out.len());
        far.partial.extend_from_slice(&out[..count]);
        let lane = *lane;
        self.rig.input(|engine| engine.on_lane_sent(lane, count));
        let (_, far) = &mut self.far[at];
        while let Some(frame) = take_frame(&mut far.partial) {
            assert_eq!(frame.header.version, 4, "lanes speak v4: {frame:?}");
            if far.hostile {
                continue;
            }
            let stream = frame.stream();
            assert!(stream >= 0 && stream < STREAMS_MAX as i16, "{frame:?}");
            let taken = far.requests.iter().any(|known| known.stream() == stream);
            assert!(!taken, "stream {stream} is in flight already: {frame:?}");
            if let Some(number) = written(&frame) {
                assert!(self.ran.insert(number), "write {number} ran twice: {frame:?}");
            }
            far.requests.push(frame);
        }
    }

    /// One of the requests that a node got, without it.
    fn pick(&mut self, input: &mut Input<'_>) -> Option<(LaneKey, frames::Frame)> {
        let at = input.below(self.far.len());
        let which = input.byte();
        let (lane, far) = self.far.get_mut(at)?;
        if far.requests.is_empty() {
            return None;
        }
        Some((*lane, far.requests.remove(usize::from(which) % far.requests.len())))
    }

    fn answer_well(&mut self, input: &mut Input<'_>) {
        let Some((lane, frame)) = self.pick(input) else { return };
        let text = match frame.opcode() {
            Opcode::Query | Opcode::Prepare => {
                String::from_utf8_lossy(frame.body.get(4..).unwrap_or_default()).into_owned()
            }
            _ => String::new(),
        };
        let body = if frame.opcode() == Opcode::Prepare {
            match text.starts_with("INSERT") {
                true => frames::prepared(&WRITE_ID, 0, ("ring", "t"), b""),
                false => frames::prepared(&READ_ID, 0, ("tab", "t"), b"columns"),
            }
        } else if text.contains("schema_version") {
            frames::schema_version(input.byte() & 1)
        } else if text.starts_with("USE") {
            let mut body = Vec::new();
            put_int(&mut body, 3);
            put_string(&mut body, text[4..].split('\0').next().unwrap_or_default());
            body
        } else if text.starts_with("CREATE") {
            frames::schema_change("CREATED", "other", Some("t"))
        } else if let Some(number) = number_in(&frame.body) {
            frames::rows(&marked(number))
        } else {
            frames::void()
        };
        self.rig.result(lane, frame.stream(), &body);
    }

    /// A node refuses, or tells of a tablet.
    fn answer_badly(&mut self, input: &mut Input<'_>) {
        let Some((lane, frame)) = self.pick(input) else { return };
        let kind = input.byte() % 8;
        let refusal = match kind {
            0 => {
                let id = Execute::read(&frame.body)
                    .map_or_else(|_| WRITE_ID.to_vec(), |e| e.id.to_vec());
                frames::unprepared(&id)
            }
            1 => frames::error(ErrorCode::OVERLOADED, "Too many in flight"),
            2 => frames::error(ErrorCode::BOOTSTRAPPING, "not yet"),
            3 => frames::error(ErrorCode::INVALID, "no"),
            _ => {
                let replica = (host(u16::from(input.byte() % 5)).0, i32::from(input.byte()));
                let replicas = vec![replica; usize::from(input.byte())];
                let (first, last) =
                    (i64::from(input.short()) << 40, i64::from(input.short()) << 40);
                let payload = frames::tablet_payload(-first, last, &replicas);
                let plain = frames::frame((0x84, 0, frame.stream()), Opcode::Result, |out| {
                    out.extend_from_slice(&match number_in(&frame.body) {
                        Some(number) if frame.opcode() != Opcode::Prepare => {
                            frames::rows(&marked(number))
                        }
                        _ => frames::void(),
                    });
                });
                return self.rig.lane_bytes(lane, &frames::with_payload(&plain, &payload));
            }
        };
        // By these words it did not run.
        if let Some(number) = written(&frame) {
            self.ran.remove(&number);
        }
        self.rig.error(lane, frame.stream(), &refusal);
    }

    fn answer_anything(&mut self, input: &mut Input<'_>) {
        let Some((lane, frame)) = self.pick(input) else { return };
        if let Some(number) = written(&frame) {
            self.ran.remove(&number);
        }
        let (flags, opcode) = (input.byte(), input.byte());
        let body = input.bytes();
        let body_len = u32::try_from(body.len()).expect("short");
        let flags = flags & 0x0f;
        let header =
            Header { version: RESPONSE | 4, flags, stream: frame.stream(), opcode, body_len };
        self.rig.lane_bytes(lane, &[&header.to_bytes(), body].concat());
    }

    /// A node sends `bytes`, which the model does not follow.
    fn lane_bytes(&mut self, at: usize, bytes: &[u8]) {
        let Some((lane, far)) = self.far.get_mut(at) else { return };
        far.hostile = true;
        for frame in far.requests.drain(..) {
            if let Some(number) = written(&frame) {
                self.ran.remove(&number);
            }
        }
        let lane = *lane;
        self.rig.lane_bytes(lane, bytes);
    }

    fn open_lane(&mut self, input: &mut Input<'_>) {
        let set = self.sets[input.below(self.sets.len())];
        let (node, shard) = (u16::from(input.byte() % 4), u16::from(input.byte() % 2));
        if self.far.len() < 16
            && let Some(lane) = self.rig.lane_of(set, node, shard)
        {
            self.far.push((lane, Far::default()));
        }
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
                let set = self.sets[input.below(self.sets.len())];
                let refusal = frames::frame((0x84, 0, 0), Opcode::Error, |out| {
                    out.extend_from_slice(&frames::error(ErrorCode::INVALID, "no keyspace"));
                });
                let refusal = (input.byte() & 1 == 0).then_some(refusal.as_slice());
                self.rig.input(|engine| engine.on_set_failed(set, refusal));
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
                let news = News::Tablet(Arc::new(tablet));
                self.rig.input(|engine| engine.on_news(news));
            }
            _ => {
                let change = ["CREATED", "UPDATED", "DROPPED"][input.below(3)];
                let table = (input.byte() & 1 == 0).then_some("t");
                let body = frames::schema_event(change, ["tab", "ring"][input.below(2)], table);
                self.rig.input(|engine| engine.on_event(&body));
            }
        }
    }

    /// Clients that are told to go get nothing more that counts.
    fn look_at_orders(&mut self) {
        for order in &self.rig.orders {
            if let Order::CloseClient(client) = order {
                for asker in self.askers.iter_mut().filter(|asker| asker.key == *client) {
                    asker.closing = true;
                }
            }
        }
    }

    fn obey(&mut self) {
        for order in std::mem::take(&mut self.rig.orders) {
            match order {
                Order::OpenSet { set, .. } => self.sets.push(set),
                Order::CloseSet(set) => self.sets.retain(|known| *known != set),
                Order::CloseLane(lane) => {
                    self.far.retain(|(far, _)| *far != lane);
                    self.rig.lose(lane);
                }
                Order::CloseClient(client) => {
                    if let Some(at) = self.askers.iter().position(|asker| asker.key == client) {
                        self.take_answers(at, usize::MAX);
                        self.askers.remove(at);
                    }
                    self.rig.leave(client);
                }
                Order::LogIn { .. }
                | Order::CloseUnused(_)
                | Order::OpenLane { .. }
                | Order::ResumeClient(_)
                | Order::Tell(_)
                | Order::RefreshTopology => {}
            }
        }
        if self.askers.is_empty() {
            self.join(4, None);
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
            .filter_map(|asker| self.rig.engine.client_output(asker.key).map(<[u8]>::len));
        assert!(waiting.max().unwrap_or(0) <= BACKLOG_MAX + (1 << 17));
    }

    /// Everything breaks, and time goes on: nobody is owed an answer.
    fn end(mut self) {
        for (lane, _) in std::mem::take(&mut self.far) {
            self.rig.lose(lane);
        }
        for _ in 0..8 {
            self.rig.pass_time(16_000_000);
            for at in 0..self.askers.len() {
                self.take_answers(at, usize::MAX);
            }
            self.look_at_orders();
            self.obey();
        }
        for asker in &self.askers {
            let owed = asker.asked != asker.answered && !asker.garbled && !asker.closing;
            assert!(!owed, "asked {:?}, answered {:?}", asker.asked, asker.answered);
        }
        self.rig.finish();
    }
}

impl Asker {
    /// Counts the requests among what was sent.
    fn cut_requests(&mut self) {
        while !self.garbled {
            let Some(&first) = self.sent.first() else { return };
            self.garbled = first != self.version;
            let Some(header) = Header::peek(&self.sent) else { return };
            self.garbled |= header.body_len > BODY_LEN_MAX;
            let len = HEADER_LEN + header.body_len as usize;
            if self.garbled || self.sent.len() < len {
                return;
            }
            *self.asked.entry(header.stream).or_default() += 1;
            self.sent.drain(..len);
        }
    }

    /// Holds each answer against what was asked.
    fn check_answers(&mut self, origin: &BTreeMap<u64, (ClientKey, i16)>) {
        while let Some(frame) = take_frame(&mut self.got) {
            assert_eq!(frame.header.version, RESPONSE | self.version, "{frame:?}");
            if frame.header.opcode == Opcode::Event.byte() {
                assert_eq!(frame.stream(), -1, "{frame:?}");
                continue;
            }
            if let Some(number) = number_in(&frame.body).filter(|_| frame.header.flags & 1 == 0) {
                assert_eq!(origin[&number], (self.key, frame.stream()), "another's row");
            }
            let stream = frame.stream();
            let answered = self.answered.entry(stream).or_default();
            *answered += 1;
            self.goodbye |= frame.header.opcode == Opcode::Error.byte() && stream == 0;
            let more = u64::from(self.closing && self.goodbye && stream == 0);
            let asked = self.asked.get(&stream).copied().unwrap_or(0);
            assert!(*answered <= asked + more, "nobody asked: {frame:?}");
        }
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

/// The number of a write that we made up.
fn written(frame: &frames::Frame) -> Option<u64> {
    let write = match frame.opcode() {
        Opcode::Execute => Execute::read(&frame.body).is_ok_and(|execute| execute.id == WRITE_ID),
        Opcode::Batch => true,
        _ => false,
    };
    number_in(&frame.body).filter(|_| write)
}

//! What must hold after each step, whatever happens.

pub(crate) mod held; // no client waits for long for a silent lane
pub(crate) mod pools; // few handshakes, no port that lies, no connection for nothing
pub(crate) mod rights; // no client sees what its own role may not

use crate::agenda::Event;
use crate::clients::driver::{Driver, WayIn};
use crate::model::frames::Frame;
use crate::model::ledger::Record;
use crate::model::statements::{KEYSPACES, LARGE_BYTES_MAX, RequestKind};
use crate::network::link::{End, LinkId};
use crate::proxy::workers::Worker;
use crate::world::World;
use cql::error_code::ErrorCode;
use cql::header::{FLAG_COMPRESSED, FLAG_TRACING, HEADER_LEN};
use cql::opcode::Opcode;
use sim::mix;

/// How long an answer that was given twice may mislead.
const DOUBLED_US: u64 = 1_000_000;
/// Nodes that one request gets to: the first, and two tries more.
const ARRIVALS_MAX: u32 = 3;
/// How often everything that waits is looked at.
const AUDIT_US: u64 = 1_000_000;
/// Bytes of our own questions that a lane may hold beside what clients sent.
const ERRANDS_BYTES: usize = 64 << 10;
/// The shortest request that a client waits for, compressed.
const REQUEST_BYTES_MIN: usize = 25;
/// How long a `USE` waits for a lane where requests have no bound.
const USE_US_MAX: u64 = 15_000_000;
/// Bytes that the last request of a read may be longer than the read.
const FRAME_BYTES: usize = 4 << 10;

impl World {
    /// Clients' frames on their way into the engine.
    pub(crate) fn count_given(&mut self, id: LinkId, bytes: &[u8]) {
        if let Some(client) = self.links.get_mut(&id).and_then(|link| link.client()) {
            self.counted.given += u64::try_from(client.given.push(bytes).len()).unwrap_or(0);
        }
    }

    /// Answers on their way out of the engine.
    pub(crate) fn count_sent(&mut self, id: LinkId, bytes: &[u8]) {
        if let Some(client) = self.links.get_mut(&id).and_then(|link| link.client()) {
            for frame in client.sent.push(bytes) {
                let stream = u64::from(frame.header.stream.cast_unsigned());
                self.counted.print = mix(self.counted.print ^ self.now_us, stream);
                self.counted.sent += u64::from(frame.header.stream >= 0);
            }
        }
    }

    /// Requests leave on a lane: no stream id may be on its way already.
    pub(crate) fn take_streams(&mut self, id: LinkId, bytes: &[u8]) {
        let streams_max = usize::from(self.scenario.limits.lane_streams_max);
        let now = self.now_us;
        let Some(lane) = self.links.get_mut(&id).and_then(|link| link.lane()) else { return };
        let mut broken = None;
        for frame in lane.sent.push(bytes) {
            let stream = frame.header.stream;
            self.counted.print = mix(self.counted.print ^ now, u64::from(stream.cast_unsigned()));
            let packed = frame.header.flags & FLAG_COMPRESSED != 0;
            self.counted.packed += u64::from(packed);
            let frame_bytes = HEADER_LEN + frame.body.len();
            let plain = frame.plain(lane.compression).unwrap_or(frame);
            let frame = &plain;
            if let Some(rest) = &mut lane.sealed
                && frame.opcode() != Some(Opcode::Options)
            {
                if *rest == 0 {
                    broken = Some(format!("lane {id} is used although its node is left"));
                }
                *rest = rest.saturating_sub(frame_bytes);
            }
            if frame.header.version != 4 || frame.header.flags & !FLAG_TRACING != 0 {
                broken = Some(format!("a frame left as {:?}", frame.header));
            }
            let number = frame.number_on_lane(lane.metadata_ids);
            let record = number.and_then(|number| self.ledger.get(number));
            lane.used_us = lane.used_us.max(record.map_or(0, |record| record.asked_us));
            let before = lane.taken.insert(stream, number);
            if before.is_some() && !lane.hostile {
                broken = Some(format!("stream {stream} of lane {id} is used again unanswered"));
            }
            self.counted.full_lanes += u64::from(lane.taken.len() == streams_max);
            // One more is for the question whether the node lives.
            if lane.taken.len() > streams_max + 1 && !lane.hostile {
                broken = Some(format!("lane {id} has {} streams", lane.taken.len()));
            }
        }
        if let Some(broken) = broken {
            self.blame(format_args!("{broken}"));
        }
    }

    /// Answers are given to the engine: their stream ids are free.
    pub(crate) fn release_streams(&mut self, id: LinkId, bytes: &[u8]) {
        let Some(lane) = self.links.get_mut(&id).and_then(|link| link.lane()) else { return };
        for frame in lane.given.push(bytes) {
            lane.taken.remove(&frame.header.stream);
        }
        if lane.hostile {
            // What it says may be taken for the answer to anybody who waits now.
            self.lied_us = self.now_us;
        }
    }

    /// A request reached a node: its lane must be in the keyspace that its client was in.
    pub(crate) fn check_arrival(&mut self, id: LinkId, frame: &Frame) {
        let Some(lane) = self.links.get_mut(&id).and_then(|link| link.lane()) else { return };
        let (keyspace, node) = (lane.keyspace.clone(), lane.node);
        let Some(number) = frame.number_on_lane(lane.metadata_ids) else { return };
        self.count_arrival(number);
        *self.arrivals.entry(node).or_default() += 1;
        self.check_rights(id, number);
        self.note_replica(id, number);
        if self.note_own_lane(id, number) {
            return;
        }
        let Some(record) = self.ledger.get(number) else { return };
        let expected = if let RequestKind::Use(to) = &record.ask {
            KEYSPACES.get(*to)
        } else if record.ask.unqualified() {
            record.keyspace.and_then(|of| KEYSPACES.get(of))
        } else {
            return;
        };
        if expected.copied() != keyspace.as_deref() {
            let asked = format!("{record:?}");
            self.blame(format_args!("{asked} arrived in keyspace {keyspace:?}"));
        }
    }

    /// A request may be sent again so often, and no more.
    fn count_arrival(&mut self, number: u64) {
        let Some(record) = self.ledger.get_mut(number) else { return };
        if matches!(record.ask, RequestKind::Use(_) | RequestKind::UseNowhere) {
            // It runs nowhere else, and tries every lane of its keyspace until it times out.
            return;
        }
        record.arrived += 1;
        let copied = self.scenario.limits.speculative_delay_us > 0 && !record.ask.is_write();
        if record.arrived > ARRIVALS_MAX + u32::from(copied) {
            self.blame(format_args!("request {number} goes round in circles"));
        }
    }

    /// A node ran a request, or may have; `answer` is what it says of it now.
    pub(crate) fn note_run(&mut self, number: Option<u64>, answer: Option<&Frame>) {
        let Some(number) = number else { return };
        let not_run = [
            ErrorCode::UNPREPARED,
            ErrorCode::UNAVAILABLE,
            ErrorCode::INVALID,
            ErrorCode::UNAUTHORIZED,
            ErrorCode::SYNTAX_ERROR,
            ErrorCode::PROTOCOL_ERROR,
        ];
        let error = answer.and_then(Frame::error);
        if error.is_some_and(|(code, _)| not_run.contains(&ErrorCode(code))) {
            return;
        }
        let Some(record) = self.ledger.get_mut(number).filter(|record| record.ask.is_write())
        else {
            return;
        };
        record.ran += 1;
        // A refusal that comes twice is taken for that of the client that has the stream id then.
        let doubled = self.doubled_us.is_some_and(|at| self.now_us - at < DOUBLED_US);
        record.ran_again |= record.ran > 1 && doubled;
        if record.ran > 1 && !doubled {
            self.blame(format_args!("write {number} ran twice"));
        }
    }

    /// The bounds that can be seen from outside.
    pub(crate) fn check_bounds(&mut self, worker: usize) {
        let limits = self.scenario.limits;
        let Worker { engine, client_links, .. } = self.workers.get(worker);
        let clients = client_links.len() + 1;
        let read = self.scenario.read_bytes + FRAME_BYTES;
        let lane_max =
            limits.outbox_high_bytes + clients * read + ERRANDS_BYTES + limits.memory_bytes_max;
        // Answers of our own are no longer than so many times what asks for them.
        let unread = limits.client_backlog_bytes_max.max(limits.outbox_high_bytes);
        let large = if self.scenario.large { LARGE_BYTES_MAX } else { 0 };
        let client_max = unread + FRAME_BYTES + self.scenario.read_bytes * 8 + large;
        let flight = limits.client_in_flight_max;
        // What one read brings is taken as a whole.
        let brought = self.scenario.read_bytes / REQUEST_BYTES_MIN + 2;
        let flight_max = flight + u32::try_from(brought).unwrap_or(u32::MAX);
        let mut broken = None;
        for (id, link) in self.links.iter().filter(|(_, link)| link.worker() == worker) {
            match &link.end {
                End::Client(client) => {
                    let Some(key) = client.key else { continue };
                    let waiting = engine.client_output(key).map_or(0, <[u8]>::len);
                    let in_flight = engine.client_in_flight(key).unwrap_or(0);
                    if waiting > client_max || in_flight > flight_max {
                        broken = Some((*id, waiting, in_flight));
                    }
                }
                End::Lane(lane) => {
                    let Some(key) = lane.key else { continue };
                    let waiting = engine.lane_output(key).map_or(0, <[u8]>::len);
                    if waiting > lane_max {
                        broken = Some((*id, waiting, 0));
                    }
                }
            }
        }
        if let Some((id, bytes, requests)) = broken {
            self.blame(format_args!("link {id} holds {bytes} bytes, {requests} requests"));
        }
    }

    /// The proxy closes a client: it must have deserved it.
    pub(crate) fn check_may_close(&mut self, id: LinkId) {
        let driver = self.links.get_mut(&id).and_then(|link| Some(link.client()?.driver));
        let who = driver.and_then(|driver| self.drivers.get(driver));
        if self.is_withdrawn(who.and_then(|driver| driver.credential)) {
            return;
        }
        // Its own connection may have been lost, and with it its login.
        let is_odd = who.is_some_and(|driver| driver.way_in != WayIn::Plain);
        if is_odd && !self.scenario.is_benign() || self.may_lack_memory(id) {
            return;
        }
        let honest = driver
            .and_then(|driver| self.drivers.get(driver))
            .is_some_and(|driver| driver.is_honest() && driver.link == Some(id));
        if honest {
            self.blame(format_args!("the engine closes client link {id}, which did nothing wrong"));
        }
    }

    /// Looks at everything that waits, and at all that the engine holds.
    pub(crate) fn on_audit(&mut self) {
        self.agenda.plan(self.now_us + AUDIT_US, Event::Audit);
        self.check_waiting();
        self.check_lanes();
        self.check_withdrawn();
        self.check_dials();
        self.check_redials();
        self.check_unanswered();
        let limits = self.scenario.limits;
        for worker in self.workers.numbers() {
            let gauges = self.workers.get(worker).engine.gauges();
            let full = gauges.catalog_bytes > u64::try_from(limits.catalog_bytes_max).unwrap_or(0);
            if full && gauges.catalog_entries > 1 {
                self.blame(format_args!("the catalog takes {} bytes", gauges.catalog_bytes));
            }
            if gauges.clients > u64::try_from(limits.clients_max).unwrap_or(0) {
                self.blame(format_args!("there are {} clients", gauges.clients));
            }
        }
    }

    /// The longest that an answer may take: a request can time out, wait for a PREPARE or for the
    /// agreement of the nodes, and time out again; before that it waits until there is room for it
    /// among those of its client.
    fn patience_us(&self) -> u64 {
        let limits = self.scenario.limits;
        let silence_us = limits.heartbeat_us.max(30_000_000) / 10 + limits.heartbeat_timeout_us;
        // Without a bound a lane that is silent ends the wait, or the `USE` before it does.
        let request_us = limits.request_us_max().unwrap_or_else(|| silence_us.max(USE_US_MAX));
        let once = request_us * 3 + limits.agreement_timeout_us + 4_000_000;
        let turns = self.scenario.window.div_ceil(u64::from(limits.client_in_flight_max.max(1)));
        // A client that filled a lane that went silent is not read until that is found out.
        let lanes = self.workers.all().map(|worker| worker.lane_links.len()).sum::<usize>();
        let lanes = u64::try_from(lanes).unwrap_or(0);
        once * turns.max(1) + lanes * self.held_us_max()
    }

    fn check_waiting(&mut self) {
        let before = self.now_us.saturating_sub(self.patience_us());
        let (drivers, links) = (&self.drivers, &self.links);
        let late = |(_, record): &(usize, &Record)| {
            let hears = drivers.get(record.driver).is_some_and(Driver::is_honest);
            let link = links.get(&record.link);
            record.asked_us < before && hears && link.is_some_and(|link| !link.down.lost)
        };
        let late = self.ledger.waiting().find(late);
        let late = late.map(|(number, record)| format!("{number}: {record:?}"));
        if let Some(late) = late {
            self.blame(format_args!("no answer to {late}"));
        }
    }

    /// Every lane of the engine has a refiller that wants it, and no two are the same.
    fn check_lanes(&mut self) {
        let mut seen = Vec::new();
        let mut broken = None;
        for (id, link) in &self.links {
            let End::Lane(lane) = &link.end else { continue };
            if lane.key.is_none() {
                continue;
            }
            // The lanes of another data center that is left finish what they owe.
            let is_wanted = lane.dedicated || self.refiller(lane.refiller()).is_some();
            if lane.sealed.is_none() && !is_wanted {
                broken = Some(format!("lane {id} belongs to no pool"));
            }
            let name = (lane.refiller(), lane.serial.0, lane.sealed.map(|_| *id));
            if seen.contains(&name) {
                broken = Some(format!("lane {id} is there twice"));
            }
            seen.push(name);
        }
        let gauges = self.workers.all().map(|worker| worker.engine.gauges());
        let lanes = gauges.flat_map(|gauges| gauges.lanes.into_values());
        let held: u64 = lanes.map(|lanes| lanes.open + lanes.stalled + lanes.draining).sum();
        if held != u64::try_from(seen.len()).unwrap_or(0) {
            broken = Some(format!("the engine has {held} lanes, the network {}", seen.len()));
        }
        if let Some(broken) = broken {
            self.blame(format_args!("{broken}"));
        }
    }
}

//! The clients of a world: they connect, ask, read, and come back when they were cut off.

use std::sync::Arc;

use crate::agenda::Event;
use crate::clients::driver::{Driver, Temper, WayIn};
use crate::faults::fault_kind::FaultKind;
use crate::faults::hostile;
use crate::model::credentials::Credential;
use crate::model::frames::{Hand, compressed};
use crate::model::ledger::Record;
use crate::model::statements::{
    Handle, KEYSPACES, RequestKind, SECOND_ROW, SYSTEM, Shape, keyspace,
};
use crate::network::link::{ClientEnd, End, LinkId};
use crate::world::World;
use cql::consistency::Consistency;

/// A slow client reads so often.
const SLOW_READ_US: u64 = 400_000;
/// Bytes that a slow client reads at once.
const SLOW_READ_BYTES: usize = 200;
/// Requests of a client that never reads; it does not mind that no answers come.
const DEAF_WINDOW: u64 = 500;
/// A client that was cut off dials again within this time.
const REDIAL_US: u64 = 300_000;
/// Where there are large rows, one question in so many is for one.
const LARGE_IN: u64 = 6;
/// So many of them are on the way at once: the end of one answer still waits when the next one comes.
const LARGE_AT_ONCE: usize = 2;
/// Changes of the schema in one run.
const SCHEMA_CHANGES_MAX: u64 = 4;

impl World {
    /// A client dials.
    pub(crate) fn on_driver_dials(&mut self, number: usize) {
        let end = End::Client(ClientEnd { driver: number, ..ClientEnd::default() });
        let Some(driver) = self.drivers.get(number).filter(|driver| driver.link.is_none()) else {
            return;
        };
        let (temper, compression) = (driver.temper, driver.compression);
        let id = self.new_link(end);
        if let Some(driver) = self.drivers.get_mut(number) {
            driver.link = Some(id);
        }
        self.narrate(format_args!("client {number} connects by link {id}"));
        let arrives = self.now_us + self.scenario.latency_us;
        self.agenda.plan(arrives, Event::ClientArrives { link: id });
        if temper != Temper::Hostile {
            let name = compression.map(|algorithm| ("COMPRESSION", algorithm.name()));
            let options: Vec<(&str, &str)> =
                [("CQL_VERSION", "3.0.0")].into_iter().chain(name).collect();
            self.ask(number, RequestKind::Startup, |hand| hand.startup(&options));
        }
    }

    /// A client thinks of something to ask, and when to think again.
    pub(crate) fn on_driver_acts(&mut self, number: usize) {
        let window = self.scenario.window;
        let Some(driver) = self.drivers.get(number) else { return };
        if driver.stopped {
            return;
        }
        let think_us = driver.pause_us().unwrap_or(self.scenario.think_us);
        let think = 1 + self.chance.below(think_us * 2);
        self.agenda.plan(self.now_us + think, Event::DriverActs { driver: number });
        if driver.temper == Temper::Hostile {
            return self.act_hostile(number);
        }
        let deaf = driver.temper == Temper::Deaf;
        let burst = if deaf { DEAF_WINDOW / 10 } else { 1 + self.chance.below(window) };
        for _ in 0..burst {
            let driver = self.drivers.get(number);
            let free = driver.is_some_and(|driver| {
                let most = if driver.temper == Temper::Deaf { DEAF_WINDOW } else { window };
                let room = u64::try_from(driver.waiting.len()).unwrap_or(most) < most;
                driver.ready && room && driver.outbox.is_empty()
            });
            if !free {
                return;
            }
            self.ask_something(number);
        }
    }

    fn act_hostile(&mut self, number: usize) {
        let Some(driver) = self.drivers.get(number).filter(|driver| driver.link.is_some()) else {
            return;
        };
        if driver.hog.is_some() {
            return self.act_as_hog(number);
        } else if driver.intrusion.is_some() {
            return self.act_as_intruder(number);
        }
        let bytes = hostile::noise_of_client(&mut self.chance);
        self.narrate(format_args!("client {number} sends {} bytes of nonsense", bytes.len()));
        if let Some(driver) = self.drivers.get_mut(number) {
            driver.outbox.extend(bytes);
        }
        self.driver_writes(number);
        if self.chance.one_in(3) {
            self.driver_leaves(number);
        }
    }

    fn ask_something(&mut self, number: usize) {
        let Some(driver) = self.drivers.get(number) else { return };
        let switching = self.switching(driver).is_some();
        let in_keyspace = driver.keyspace.filter(|_| !switching);
        let of = self.chance.index(KEYSPACES.len());
        let unqualified = in_keyspace.filter(|_| self.chance.one_in(3));
        if self.asks_at_length(number) {
            return;
        }
        let role = self.chance.index(self.scenario.roles);
        let shape = match self.chance.below(16) {
            _ if self.asks_for_large_row(number) => Shape::Large,
            0..=3 if self.scenario.roles > 0 => Shape::Own(role),
            0..=5 => Shape::Read,
            6..=9 => Shape::ReadAll,
            10..=14 => Shape::Count,
            _ => Shape::Insert,
        };
        let handle =
            Handle { shape, keyspace: unqualified.unwrap_or(of), qualified: unqualified.is_none() };
        let row = self.chance.below(handle.rows());
        if self.scenario.texts && self.chance.one_in(3) {
            return self.ask_by_any_text(number, unqualified);
        }
        let draw = self.chance.below(100);
        match draw {
            0..=1 => self.ask(number, RequestKind::Options, Hand::options),
            2 => self.ask_about_nodes(number),
            3..=4 if !switching => {
                let text = format!("USE {}", keyspace(of));
                self.ask(number, RequestKind::Use(of), |hand| hand.query(&text));
            }
            5 if !switching && self.chance.one_in(3) => {
                self.ask(number, RequestKind::UseNowhere, |hand| hand.query("USE nowhere"));
            }
            5 => self.ask_register(number),
            6 if self.scenario.has(FaultKind::Schema) => self.ask_schema_change(number),
            7..=14 => self.ask_by_text(number, handle, row),
            15..=17 => {
                self.ask(number, RequestKind::Prepare(handle), |hand| hand.prepare(&handle.text()));
            }
            _ => self.ask_prepared(number, handle, row, draw < 26),
        }
    }

    /// Two at a time, and any number for a client that never reads.
    fn asks_for_large_row(&mut self, number: usize) -> bool {
        if !self.scenario.large || !self.chance.one_in(LARGE_IN) {
            return false;
        }
        let Some(driver) = self.drivers.get(number) else { return false };
        let large = |request: &u64| {
            let ask = self.ledger.get(*request).map(|record| &record.ask);
            let Some(RequestKind::Execute(handle, _) | RequestKind::Text(handle, _)) = ask else {
                return false;
            };
            handle.shape == Shape::Large
        };
        let on_the_way = driver.waiting.values().filter(|request| large(request)).count();
        driver.temper == Temper::Deaf || on_the_way < LARGE_AT_ONCE
    }

    fn ask_register(&mut self, number: usize) {
        self.ask(number, RequestKind::Register, Hand::register);
    }

    /// One at a time: the answers are long.
    fn ask_about_nodes(&mut self, number: usize) {
        let Some(driver) = self.drivers.get(number) else { return };
        let of = |request: &u64| self.ledger.get(*request).map(|record| &record.ask);
        let asks = |request: &u64| matches!(of(request), Some(RequestKind::System(_)));
        if driver.waiting.values().any(asks) {
            return;
        }
        let at = self.chance.index(SYSTEM.len());
        let text = SYSTEM.get(at).copied().unwrap_or_default();
        self.ask(number, RequestKind::System(at), |hand| hand.query(text));
    }

    fn ask_schema_change(&mut self, number: usize) {
        let driver = self.drivers.get(number);
        let credential = driver.and_then(|driver| driver.credential);
        if credential.is_some_and(|credential| !credential.is_superuser()) {
            return;
        }
        let changes = self.ledger.iter().filter(|(_, it)| matches!(it.ask, RequestKind::Schema));
        let count = u64::try_from(changes.count()).unwrap_or(u64::MAX);
        if count >= SCHEMA_CHANGES_MAX {
            return;
        }
        let of = keyspace(self.chance.index(KEYSPACES.len()));
        let text = match self.chance.below(3) {
            0 => format!("CREATE TABLE {of}.x{count} (pk bigint PRIMARY KEY, v bigint)"),
            _ => format!("ALTER TABLE {of}.t ADD a{count} bigint"),
        };
        self.ask(number, RequestKind::Schema, |hand| hand.query(&text));
    }

    fn ask_by_text(&mut self, number: usize, handle: Handle, row: u64) {
        let next = u64::try_from(self.ledger.len()).unwrap_or(0);
        let key = if RequestKind::Text(handle, 0).is_write() { next } else { row };
        let mut text = handle.text_with(&key.to_string());
        if self.scenario.lane_compression.is_some() && self.chance.one_in(3) {
            // So long that a lane compresses it.
            text.push_str(&" ".repeat(600));
        }
        self.ask(number, RequestKind::Text(handle, key), |hand| hand.query(&text));
    }

    fn ask_prepared(&mut self, number: usize, handle: Handle, row: u64, in_batch: bool) {
        let Some(driver) = self.drivers.get(number) else { return };
        let Some(held) = driver.held.get(&handle) else {
            let text = handle.text();
            return self.ask(number, RequestKind::Prepare(handle), |hand| hand.prepare(&text));
        };
        let (id, skip) = (held.id.clone(), driver.skip_metadata);
        let next = u64::try_from(self.ledger.len()).unwrap_or(0);
        let as_key = |key: u64| i64::try_from(key).unwrap_or(0);
        if handle.shape == Shape::Count && in_batch {
            let keys = [as_key(next), as_key(next + SECOND_ROW)];
            return self
                .ask(number, RequestKind::Batch(handle, next), |hand| hand.batch(&id, &keys));
        }
        let key = if RequestKind::Execute(handle, 0).is_write() { next } else { row };
        let ask = RequestKind::Execute(handle, key);
        self.ask(number, ask, |hand| hand.execute(&id, &[as_key(key)], skip));
    }

    /// A client has to prove itself. Some come with a password that is right no longer, or never was.
    pub(crate) fn log_in(&mut self, number: usize) {
        let Some(driver) = self.drivers.get_mut(number) else { return };
        let role = driver.role.checked_rem(self.credentials.honest()).unwrap_or(0);
        let Some(last) = self.credentials.last(role) else { return };
        let wrong = self.trouble && self.chance.one_in(self.scenario.wrong_in());
        let edition = if wrong { last.edition.saturating_sub(1) } else { last.edition };
        let credential = Credential { edition, ..last };
        driver.credential = Some(credential);
        let token = match driver.way_in {
            WayIn::Plain => credential.token(),
            WayIn::Odd => credential.odd_token(),
            WayIn::Challenged => credential.name_alone(),
        };
        self.ask(number, RequestKind::LogIn(credential), |hand| hand.auth_response(&token));
    }

    /// A client answers a challenge.
    pub(crate) fn answer_challenge_of(&mut self, number: usize, challenge: &[u8]) {
        let credential = self.drivers.get(number).and_then(|driver| driver.credential);
        let Some(credential) = credential else { return };
        let answer = credential.answer_to(challenge);
        self.ask(number, RequestKind::LogIn(credential), |hand| hand.auth_response(&answer));
    }

    /// The keyspace of a client's `USE` that has no answer yet.
    pub(crate) fn switching(&self, driver: &Driver) -> Option<usize> {
        driver.waiting.values().find_map(|number| {
            if let RequestKind::Use(to) = self.ledger.get(*number)?.ask { Some(to) } else { None }
        })
    }

    /// Enters a request and sends it.
    pub(crate) fn ask(
        &mut self,
        number: usize,
        ask: RequestKind,
        write: impl FnOnce(Hand) -> Vec<u8>,
    ) {
        let switching = self.drivers.get(number).and_then(|driver| self.switching(driver));
        let Some(driver) = self.drivers.get_mut(number) else { return };
        let Some(link) = driver.link else { return };
        let held = if let RequestKind::Execute(handle, _) | RequestKind::Batch(handle, _) = &ask {
            driver.held.get(handle)
        } else {
            None
        };
        let columns = held.map(|held| Arc::clone(&held.columns));
        let statement = held.map(|held| held.id.clone());
        let stream = driver.free_stream(&mut self.chance);
        let local = self.scenario.centers > 1 && self.chance.one_in(3);
        let consistency = if local { Consistency::LocalOne } else { Consistency::One };
        let record = Record {
            driver: number,
            link,
            ask,
            columns,
            statement,
            keyspace: driver.keyspace,
            switching,
            credential: driver.credential,
            local,
            asked_us: self.now_us,
            arrived: 0,
            was_unavailable: false,
            ran: 0,
            acknowledged: false,
            ended: false,
            is_long: false,
            tainted: false,
            ran_again: false,
        };
        let what = format!("{:?}", record.ask);
        let request = self.ledger.enter(record);
        driver.waiting.insert(stream, request);
        let bytes = write(Hand { version: driver.version, stream, number: request, consistency });
        let is_long = Self::is_long(bytes.len());
        let agreed = driver.compression.filter(|_| driver.ready);
        let bytes = match agreed {
            Some(algorithm) if self.chance.one_in(2) => compressed(bytes, algorithm),
            _ => bytes,
        };
        if let Some(record) = self.ledger.get_mut(request) {
            record.is_long = is_long;
        }
        driver.outbox.extend(bytes);
        self.narrate(format_args!("client {number} asks {request} on stream {stream}: {what}"));
        self.driver_writes(number);
    }

    /// A client sends what waits.
    pub(crate) fn driver_writes(&mut self, number: usize) {
        let Some(driver) = self.drivers.get_mut(number) else { return };
        let Some(link) = driver.link else { return };
        let bytes = std::mem::take(&mut driver.outbox);
        let count = self.transmit(link, true, &bytes);
        if let Some(driver) = self.drivers.get_mut(number) {
            driver.outbox = bytes.get(count..).unwrap_or_default().to_vec();
        }
    }

    /// A slow client reads a little.
    pub(crate) fn on_slow_read(&mut self, number: usize) {
        let Some(driver) = self.drivers.get(number) else { return };
        if driver.temper == Temper::Slow {
            self.agenda.plan(self.now_us + SLOW_READ_US, Event::DriverReads { driver: number });
            self.read_answers(number, SLOW_READ_BYTES);
        }
    }

    /// A client reads all that is there.
    pub(crate) fn driver_reads(&mut self, number: usize) {
        self.read_answers(number, usize::MAX);
    }

    fn read_answers(&mut self, number: usize, max: usize) {
        let Some(link) = self.drivers.get(number).and_then(|driver| driver.link) else { return };
        let bytes = self.take_arrived(link, false, max);
        let Some(driver) = self.drivers.get_mut(number) else { return };
        if driver.temper == Temper::Hostile {
            return;
        }
        for frame in driver.heard.push(&bytes) {
            self.judge(number, &frame);
        }
    }

    /// A client leaves without a word.
    pub(crate) fn driver_leaves(&mut self, number: usize) {
        let Some(id) = self.drivers.get(number).and_then(|driver| driver.link) else { return };
        self.narrate(format_args!("client {number} leaves"));
        let Some(link) = self.links.get_mut(&id) else { return };
        let at = (self.now_us + link.latency_us).max(link.up.last_us);
        self.agenda.plan(at, Event::ClientGone { link: id });
        self.forget_connection(number);
    }

    /// A client learns that the proxy closed its connection.
    pub(crate) fn on_driver_closed(&mut self, id: LinkId) {
        let driver = self.links.get_mut(&id).and_then(|link| Some(link.client()?.driver));
        let Some(number) = driver else { return };
        if self.drivers.get(number).is_some_and(|driver| driver.link == Some(id)) {
            self.read_answers(number, usize::MAX);
            self.narrate(format_args!("client {number} is disconnected"));
            self.forget_connection(number);
        }
        self.links.remove(&id);
    }

    fn forget_connection(&mut self, number: usize) {
        let Some(driver) = self.drivers.get_mut(number) else { return };
        for request in driver.hang_up() {
            if let Some(record) = self.ledger.get_mut(request) {
                record.ended = true;
            }
        }
        if driver.temper == Temper::Slow || driver.temper == Temper::Deaf {
            driver.temper = Temper::Honest;
        }
        if !driver.stopped {
            let at = self.now_us + 1 + self.chance.below(REDIAL_US);
            self.agenda.plan(at, Event::DriverDials { driver: number });
        }
    }
}

//! Clients that take memory: they send long requests that take their time, never end, or come compressed.

use crate::clients::driver::{Driver, Temper};
use crate::model::frames::{Hand, compressed};
use crate::model::statements::{Handle, KEYSPACES, RequestKind, Shape};
use crate::world::World;
use cql::compression::Compression;
use cql::header::{HEADER_LEN, Header};
use cql::opcode::Opcode;

/// Mean time between two pieces of a long request, µs.
pub(crate) const PIECE_US: u64 = 10_000;
/// The longest piece.
const PIECE_BYTES_MAX: u64 = 128 << 10;
/// Such clients at once.
const HOGS_MAX: usize = 16;
/// One piece in so many is the last: the rest never comes.
const SILENT_IN: u64 = 40;
/// One such client in so many sends requests that come at once, and are long when they are plain again.
const PACKS_IN: usize = 4;
/// It sends one each time in so many that others send a piece.
const PACKED_IN: u64 = 60;
/// A number that no request of the model has.
const NO_NUMBER: u64 = i64::MAX.unsigned_abs();
/// Where memory is bounded, one request in so many of an honest client is long.
const LONG_IN: u64 = 12;
/// And no longer than this.
const LONG_BYTES_MAX: usize = 2 << 20;
/// A request longer than this is a long one.
const LONG_BYTES_MIN: usize = 8 << 10;

/// A request that comes in pieces.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hog {
    /// Bytes that are still to come.
    left: usize,
    /// Whether they never will.
    is_silent: bool,
    /// Whether its requests come compressed.
    packs: bool,
}

impl World {
    /// Some more clients begin to take memory.
    pub(crate) fn add_hogs(&mut self) {
        let hogs = self.drivers.iter().filter(|driver| driver.hog.is_some()).count();
        for hog in hogs..HOGS_MAX.min(hogs + 4) {
            let mut driver = Driver::draw(&mut self.chance);
            driver.temper = Temper::Hostile;
            driver.hog = Some(Hog { packs: hog.is_multiple_of(PACKS_IN), ..Hog::default() });
            self.add_driver(driver);
        }
    }

    /// It sends the next piece of its request, or begins another.
    pub(crate) fn act_as_hog(&mut self, number: usize) {
        let body_max = u64::from(self.scenario.limits.frame_body_bytes_max);
        let Some(driver) = self.drivers.get_mut(number) else { return };
        let Some(mut hog) = driver.hog.filter(|_| driver.link.is_some()) else { return };
        if !driver.outbox.is_empty() {
            return;
        }
        if !driver.ready {
            // Another connection.
            (hog, driver.ready) = (Hog { packs: hog.packs, ..Hog::default() }, true);
            let options = [("CQL_VERSION", "3.0.0"), ("COMPRESSION", Compression::Lz4.name())];
            driver.outbox.extend(Hand::OWN.startup(&options));
        }
        if hog.packs {
            driver.hog = Some(hog);
            return self.send_packed(number);
        }
        if hog.left == 0 {
            let body_len = self.chance.between(body_max / 2, body_max - 1);
            let header = Header {
                version: 4,
                flags: 0,
                stream: 1,
                opcode: Opcode::Query.byte(),
                body_len: u32::try_from(body_len).unwrap_or(u32::MAX),
            };
            driver.outbox.extend(header.to_bytes());
            hog.left = usize::try_from(body_len).unwrap_or(0);
        }
        let piece = usize::try_from(self.chance.between(1, PIECE_BYTES_MAX)).unwrap_or(1);
        let piece = if hog.is_silent { 0 } else { piece.min(hog.left) };
        driver.outbox.resize(driver.outbox.len() + piece, b' ');
        hog.left -= piece;
        hog.is_silent = hog.is_silent || self.chance.one_in(SILENT_IN);
        driver.hog = Some(hog);
        self.driver_writes(number);
    }

    /// It sends a request that is short on its way and long when it is plain again.
    fn send_packed(&mut self, number: usize) {
        if self.chance.one_in(PACKED_IN) {
            let body_max = u64::from(self.scenario.limits.frame_body_bytes_max);
            let padding = usize::try_from(self.chance.between(body_max / 2, body_max - 1_000));
            let mut text = "SELECT pk, v FROM tab.t WHERE pk = 1".to_owned();
            text.push_str(&" ".repeat(padding.unwrap_or(0)));
            let frame = Hand { number: NO_NUMBER, stream: 1, ..Hand::OWN }.query(&text);
            if let Some(driver) = self.drivers.get_mut(number) {
                driver.outbox.extend(compressed(frame, Compression::Lz4));
            }
        }
        self.driver_writes(number);
    }

    /// A client asks for a row by a text that is padded to the length of a large INSERT.
    pub(crate) fn asks_at_length(&mut self, number: usize) -> bool {
        if self.scenario.limits.memory_bytes_max == 0 || !self.chance.one_in(LONG_IN) {
            return false;
        }
        let keyspace = self.chance.index(KEYSPACES.len());
        let handle = Handle { shape: Shape::Read, keyspace, qualified: true };
        let row = self.chance.below(handle.rows());
        let mut text = handle.text_with(&row.to_string());
        let padding = LONG_BYTES_MIN + self.chance.index(LONG_BYTES_MAX - LONG_BYTES_MIN);
        text.push_str(&" ".repeat(padding));
        self.ask(number, RequestKind::Text(handle, row), |hand| hand.query(&text));
        true
    }

    /// Whether a request is so long that it may be refused for want of memory.
    pub(crate) fn is_long(frame_len: usize) -> bool {
        frame_len >= LONG_BYTES_MIN + HEADER_LEN
    }
}

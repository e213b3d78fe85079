//! Clients: what they send, and what they may get.

use std::collections::BTreeMap;

use cql::consistency::Consistency;
use cql::header::{HEADER_LEN, Header, RESPONSE};
use cql::notation::put_string;
use cql::opcode::Opcode;
use shardlane::engine::client::ClientKey;

use super::input::Input;
use super::{
    BODY_LEN_MAX, PASSED_LEN_MAX, READ_ID, WRITE_ID, World, marked, number_in, take_frame,
};
use crate::support::frames;

/// A client: what it sent, as far as its bytes show, and what it got.
pub(super) struct Origin {
    pub(super) key: ClientKey,
    pub(super) version: u8,
    pub(super) next: i16,
    pub(super) sent: Vec<u8>,
    pub(super) got: Vec<u8>,
    pub(super) asked: BTreeMap<i16, u64>,
    /// Bytes still to come of a request that is too long.
    pub(super) passing: usize,
    pub(super) answered: BTreeMap<i16, u64>,
    /// Its bytes make no frames any more.
    pub(super) garbled: bool,
    pub(super) closing: bool,
    /// It got an ERROR on stream 0, which may be the one that says goodbye.
    pub(super) goodbye: bool,
    /// What it sent to prove itself.
    pub(super) tokens: Vec<Vec<u8>>,
    pub(super) compresses: bool,
}

impl World {
    /// A client sends `bytes`; the model cuts them as well.
    pub(super) fn feed(&mut self, at: usize, bytes: &[u8]) {
        let Some(origin) = self.askers.get_mut(at) else { return };
        if !self.rig.engine.may_read(origin.key) || origin.closing {
            return;
        }
        origin.sent.extend_from_slice(bytes);
        origin.cut_requests(&mut self.origin);
        let key = origin.key;
        self.rig.send(key, bytes);
    }

    pub(super) fn client_frame(&mut self, input: &mut Input<'_>) {
        let at = input.below(self.askers.len());
        let (opcode, stream, flags) = (input.byte() & 0x1f, i16::from(input.byte()), input.byte());
        let body = input.bytes();
        let Some(origin) = self.askers.get(at) else { return };
        let body_len = u32::try_from(body.len()).expect("short");
        let header =
            Header { version: origin.version, flags: flags & 0x0f, stream, opcode, body_len };
        self.feed(at, &[&header.to_bytes(), body].concat());
    }

    /// A client asks something sensible.
    pub(super) fn ask(&mut self, input: &mut Input<'_>) {
        let (at, kind, text) = (input.below(self.askers.len()), input.byte(), input.byte());
        let Some(origin) = self.askers.get_mut(at) else { return };
        let (stream, number) = (origin.next, self.numbers);
        origin.next = (origin.next + 1) & 0x3fff;
        self.numbers += 1;
        self.origin.insert(number, (origin.key, stream));
        let version = origin.version;
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
            13 => frames::client_frame(stream, Opcode::Options, |_| {}),
            14 => frames::client_frame(stream, Opcode::Register, |out| {
                out.extend_from_slice(&[0, 1]);
                put_string(out, "SCHEMA_CHANGE");
            }),
            _ => frames::execute_at(stream, &READ_ID, &key, Consistency::Serial, text & 0x02),
        };
        self.feed(at, &frames::of_version(version, request));
    }

    /// A client reads at most `count` bytes.
    pub(super) fn take_answers(&mut self, at: usize, count: usize) {
        let Some(origin) = self.askers.get_mut(at) else { return };
        let Some(out) = self.rig.engine.client_output(origin.key) else { return };
        let count = count.min(out.len());
        origin.got.extend_from_slice(&out[..count]);
        let key = origin.key;
        self.rig.input(|engine| engine.on_client_sent(key, count));
        self.askers[at].check_answers(&self.origin);
    }
}

impl Origin {
    /// Counts the requests among what was sent. A frame that announces more than it should have
    /// swallows the requests behind it: their numbers are then asked for on its own stream.
    fn cut_requests(&mut self, origin: &mut BTreeMap<u64, (ClientKey, i16)>) {
        while !self.garbled {
            if self.passing > 0 {
                let count = self.passing.min(self.sent.len());
                self.sent.drain(..count);
                self.passing -= count;
            }
            let Some(&first) = self.sent.first() else { return };
            if !matches!(first, 3 | 4) {
                self.garbled = true;
                return;
            }
            let Some(header) = Header::peek(&self.sent) else { return };
            self.garbled = first != self.version;
            let len = HEADER_LEN + header.body_len as usize;
            let is_long = (BODY_LEN_MAX + 1..=PASSED_LEN_MAX).contains(&header.body_len);
            // The other version that is spoken is noticed in whole frames only.
            if is_long {
                self.garbled = false;
                // Refused on its own stream; its bytes are passed over as they come.
                *self.asked.entry(header.stream).or_default() += 1;
                self.passing = len;
            }
            self.garbled |= header.body_len > PASSED_LEN_MAX;
            if self.passing > 0 {
                continue;
            }
            if self.garbled || self.sent.len() < len {
                return;
            }
            *self.asked.entry(header.stream).or_default() += 1;
            if let Some(number) = self.sent.get(..len).and_then(number_in) {
                origin.insert(number, (self.key, header.stream));
            }
            if header.opcode == Opcode::AuthResponse.byte() {
                self.tokens.extend(token_in(&self.sent[HEADER_LEN..len]));
            }
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

/// The token of an AUTH_RESPONSE: a length and so many bytes, none where that is negative.
fn token_in(body: &[u8]) -> Option<Vec<u8>> {
    let (len, rest) = body.split_first_chunk()?;
    let len = usize::try_from(i32::from_be_bytes(*len)).unwrap_or(0);
    rest.get(..len).map(<[u8]>::to_vec)
}

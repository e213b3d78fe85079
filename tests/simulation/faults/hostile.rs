//! Bytes that no peer should send: answers as no server writes them, requests as no driver does.

use crate::chance::Chance;
use crate::model::frames::{Frame, Hand};
use cql::header::{FLAG_COMPRESSED, FLAG_PAYLOAD, Header};
use cql::notation::{put_bytes, put_short, put_string};
use cql::opcode::Opcode;

/// What the lie is called that gives an answer twice.
pub(crate) const DOUBLED: &str = "the same answer twice";

/// No lane has so many streams.
const FOREIGN_STREAM: i16 = 20_000;

/// An answer, broken, and how.
pub(crate) fn break_answer(chance: &mut Chance, answer: &Frame) -> (&'static str, Vec<u8>) {
    let header = answer.header;
    let with = |header: Header| Frame { header, body: answer.body.clone() }.bytes();
    match chance.below(10) {
        0 => ("an unknown stream id", with(Header { stream: FOREIGN_STREAM, ..header })),
        1 => {
            let mut twice = answer.bytes();
            twice.extend(answer.bytes());
            (DOUBLED, twice)
        }
        2 => {
            let body_len = header.body_len + 1 + u32::try_from(chance.below(40)).unwrap_or(0);
            ("a length that is too long", with(Header { body_len, ..header }))
        }
        3 => {
            let body_len = header.body_len / 2;
            ("a length that is too short", with(Header { body_len, ..header }))
        }
        4 => ("a length of two gigabytes", with(Header { body_len: 0x7fff_ffff, ..header })),
        5 => {
            let flags = header.flags | FLAG_PAYLOAD;
            ("a payload that is none", with(Header { flags, ..header }))
        }
        6 => ("a foreign version", with(Header { version: 0x83, ..header })),
        7 => ("an unknown opcode", with(Header { opcode: 0x77, ..header })),
        8 => {
            let flags = header.flags | FLAG_COMPRESSED;
            ("compression that was not agreed on", with(Header { flags, ..header }))
        }
        _ => ("a tablet that makes no sense", with_broken_tablet(chance, answer)),
    }
}

fn with_broken_tablet(chance: &mut Chance, answer: &Frame) -> Vec<u8> {
    if answer.header.flags & FLAG_PAYLOAD != 0 {
        return answer.bytes();
    }
    let mut body = Vec::new();
    put_short(&mut body, 1);
    put_string(&mut body, "tablets-routing-v1");
    put_bytes(&mut body, Some(&noise(chance, 60)));
    body.extend_from_slice(&answer.body);
    let body_len = u32::try_from(body.len()).unwrap_or(0);
    let flags = answer.header.flags | FLAG_PAYLOAD;
    Frame { header: Header { flags, body_len, ..answer.header }, body }.bytes()
}

/// What a hostile client sends next.
pub(crate) fn noise_of_client(chance: &mut Chance) -> Vec<u8> {
    let stream = i16::try_from(chance.below(4)).unwrap_or(0);
    let hand = Hand { stream, number: 1 << 50, ..Hand::OWN };
    let startup = hand.startup(&[("CQL_VERSION", "3.0.0")]);
    let query = hand.query("SELECT pk, v FROM tab.t WHERE pk = 1");
    match chance.below(12) {
        0 => noise(chance, 300),
        1 => [startup, noise(chance, 200)].concat(),
        2 => query,
        3 => patched(startup, 5, 0x7f),
        4 => [startup, patched(query, 1, FLAG_COMPRESSED)].concat(),
        5 => [startup, patched(query, 1, FLAG_PAYLOAD)].concat(),
        6 => [startup, patched(query, 4, Opcode::Result.byte())].concat(),
        7 => [startup, patched(query, 0, 3)].concat(),
        8 => patched(startup, 0, 66),
        9 => [startup, query.clone(), query].concat(),
        10 => [startup, patched(query, 10, 0xff)].concat(),
        _ => {
            let mut bytes = [startup, query].concat();
            let (at, bit) = (chance.index(bytes.len()), chance.below(8));
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
            bytes
        }
    }
}

/// `bytes` with one of them changed.
fn patched(mut bytes: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
    if let Some(place) = bytes.get_mut(at) {
        *place = byte;
    }
    bytes
}

fn noise(chance: &mut Chance, len_max: usize) -> Vec<u8> {
    let len = 1 + chance.index(len_max);
    (0..len).map(|_| u8::try_from(chance.below(256)).unwrap_or(0)).collect()
}

//! Cuts the bytes of a client into frames and answers them.

use std::borrow::Cow;
use std::time::Duration;

use crate::cluster::cluster::Cluster;
use crate::cluster::life::member::Strain;
use crate::cluster::life::timeline::Due;
use crate::node::connection::Connection;
use crate::node::connection::ConnectionId;
use crate::node::frames::answer::{Answer, Asked, write, write_fatal};
use crate::node::frames::refusal::{INVALID, OVERLOADED, PROTOCOL, Refusal, SERVER};
use crate::node::messages::dispatch::dispatch;
use crate::node::trace_notes;
use cql::error::WireError;
use cql::header::{FLAG_COMPRESSED, FLAG_TRACING, HEADER_LEN, Header};
use cql::opcode::Opcode;

/// Longest body of the first frame of a connection, bytes.
const FIRST_BODY_MAX: u32 = 100_000;
/// Memory that one request may need, bytes. The server estimates twice the body plus 8,000; a shard
/// with 350 MB of memory allows this much.
const REQUEST_MEMORY: u32 = 31_457_280;

/// Bytes of answers after which further requests wait until the answers are written, so that a
/// client that reads nothing cannot fill the memory.
const ANSWERS_BYTES_MAX: usize = 16 << 20;

/// Longest uncompressed body that a compressed one may announce, bytes: the limit of the protocol.
const PLAIN_LEN_MAX: u32 = 256 << 20;

/// The outcome of received bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Received {
    /// How many bytes were consumed. The others must be passed again, followed by more.
    pub consumed: usize,
    /// Whether the connection must be closed after its answers are sent.
    pub close: bool,
    /// Whether complete requests may be left because the answers so far are long.
    pub full: bool,
}

impl Cluster {
    /// Takes the bytes of a client and appends the immediate answers to `out`.
    pub fn receive(
        &mut self,
        id: ConnectionId,
        input: &[u8],
        now: Duration,
        out: &mut Vec<u8>,
    ) -> Received {
        let Some(mut connection) = self.connections.take(id) else {
            return Received { consumed: input.len(), close: true, full: false };
        };
        let mut consumed = 0;
        let mut full = false;
        let close = loop {
            if out.len() >= ANSWERS_BYTES_MAX {
                full = true;
                break false;
            }
            let rest = input.get(consumed..).unwrap_or_default();
            match cut(&connection, rest) {
                Cut::Wait => break false,
                Cut::Frame(header, body, len) => {
                    consumed += len;
                    connection.version = Some(header.version);
                    self.answer(&mut connection, header, &body, now, out);
                }
                Cut::Fatal(version, stream, refusal) => {
                    write_fatal(version, stream, &refusal, out);
                    consumed = input.len();
                    break true;
                }
            }
        };
        self.connections.put(connection);
        Received { consumed, close, full }
    }

    /// Answers one frame, at once or later.
    fn answer(
        &mut self,
        connection: &mut Connection,
        header: Header,
        body: &[u8],
        now: Duration,
        out: &mut Vec<u8>,
    ) {
        let data = matches!(
            Opcode::from_byte(header.opcode),
            Some(Opcode::Query | Opcode::Prepare | Opcode::Execute | Opcode::Batch)
        );
        let traced = Opcode::from_byte(header.opcode).filter(|_| data);
        let traced = traced.filter(|_| header.flags & FLAG_TRACING != 0);
        let trace = traced.map(|opcode| {
            let (id, started) = (self.trace_id(), self.wall_micros(now));
            trace_notes::begin(self, connection, id, opcode, body.len(), started);
            id
        });
        let is_execute = header.opcode == Opcode::Execute.byte();
        let strain = self.members.get_mut(connection.node).map(|member| &mut member.strain);
        let (slow, shed) = strain
            .filter(|_| is_execute)
            .map_or_else(Default::default, |strain| strained(strain, body));
        let answer: Result<Answer, Refusal> = match shed {
            Some(refusal) => Err(refusal),
            None => dispatch(self, connection, header, body, now),
        };
        if let Ok(answer) = &answer {
            out.extend_from_slice(&answer.before);
        }
        let start = out.len();
        let asked = Asked { stream: header.stream, trace };
        let mut wait = write(connection, asked, &answer, out) + slow;
        self.traces.end(out.len().saturating_sub(start + HEADER_LEN));
        if data && !self.options.delay_max.is_zero() {
            let max = u64::try_from(self.options.delay_max.as_nanos()).unwrap_or(u64::MAX);
            wait += Duration::from_nanos(self.chance() % max.max(1));
        }
        if !wait.is_zero() {
            let bytes = out.split_off(start);
            self.timeline.plan(now + wait, Due::Answer { connection: connection.id, bytes });
        }
    }
}

/// Counts an EXECUTE at a node; returns the delay of its answer, and the error if it is not run.
fn strained(strain: &mut Strain, body: &[u8]) -> (Duration, Option<Refusal>) {
    strain.executes += 1;
    let shed = strain
        .is_overloaded
        .then(|| Refusal::new(OVERLOADED, "request shed due to coordinator overload"));
    let failed = || strain.failure.map(|failure| Refusal::of(failure, body));
    let refusal = shed.or_else(failed);
    strain.refused += u64::from(refusal.is_some());
    (strain.slow, refusal)
}

/// The first item in the bytes of a client.
enum Cut<'a> {
    /// An incomplete frame.
    Wait,
    /// A frame: header, uncompressed body, length on the wire.
    Frame(Header, Cow<'a, [u8]>, usize),
    /// A fatal error: version byte and stream of the ERROR.
    Fatal(u8, i16, Refusal),
}

fn cut<'a>(connection: &Connection, bytes: &'a [u8]) -> Cut<'a> {
    let Some(first) = bytes.first().copied() else { return Cut::Wait };
    let refuse =
        |code, text: String| Cut::Fatal(connection.answer_version(), 0, Refusal::new(code, text));
    match connection.version {
        None if !matches!(first, 3 | 4) => {
            // The real server answers after this one byte.
            let text = format!("Invalid or unsupported protocol version: {first}");
            return refuse(PROTOCOL, text);
        }
        Some(version) if version != first => {
            return refuse(
                PROTOCOL,
                format!(
                    "Invalid message version. Got {first} but previous messages on this connection had version {version}"
                ),
            );
        }
        None | Some(_) => {}
    }
    let Some(header) = Header::peek(bytes) else { return Cut::Wait };
    let len = header.body_len;
    if connection.version.is_none() && len > FIRST_BODY_MAX {
        let text = format!("Initial message size too large ({len}), rejecting as invalid");
        return Cut::Fatal(0x80 | first, 0, Refusal::new(PROTOCOL, text));
    }
    // The real server computes with 32 bits too, and wraps.
    let estimate = len.wrapping_mul(2).wrapping_add(8000);
    if estimate > REQUEST_MEMORY {
        let text = format!(
            "request size too large (frame size {len}; estimate {estimate}; allowed {REQUEST_MEMORY})"
        );
        return Cut::Fatal(0x80 | first, header.stream, Refusal::new(INVALID, text));
    }
    let whole = usize::try_from(len).map_or(usize::MAX, |len| len.saturating_add(HEADER_LEN));
    let Some(body) = bytes.get(HEADER_LEN..whole) else { return Cut::Wait };
    if header.flags & FLAG_COMPRESSED == 0 {
        return Cut::Frame(header, Cow::Borrowed(body), whole);
    }
    let Some(algorithm) = connection.compression else {
        return refuse(PROTOCOL, "Unknown compression algorithm".to_owned());
    };
    let mut plain = Vec::new();
    match algorithm.decompress(body, PLAIN_LEN_MAX, &mut plain) {
        Ok(()) => Cut::Frame(header, Cow::Owned(plain), whole),
        Err(WireError::Compression(text)) => refuse(SERVER, text.to_owned()),
        Err(error) => refuse(SERVER, error.to_string()),
    }
}

#[cfg(test)]
mod tests;

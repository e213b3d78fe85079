//! Requests as clients write them, and frames as the model reads them on their way.
//!
//! Every request carries its number as the client's timestamp, so that the model knows it again
//! wherever it passes.

use cql::compression::Compression;
use cql::consistency::Consistency;
use cql::error_code::ErrorCode;
use cql::frame::{FrameHead, write_frame};
use cql::header::{FLAG_COMPRESSED, HEADER_LEN, Header};
use cql::notation::{
    Reader, put_bytes, put_int, put_long, put_long_string, put_short, put_short_bytes, put_string,
    put_string_list, put_string_map,
};
use cql::opcode::Opcode;
use cql::request::batch::Batch;
use cql::request::execute::Execute;
use cql::request::parameters::{NAMES, Parameters, SKIP_METADATA, TIMESTAMP, VALUES};
use cql::request::query::Query;
use shardlane::connect::handshake::put_page_query;

/// Longest body that the model waits for; a client that announces more is not read any more.
const BODY_MAX: u32 = 16 << 20;
/// Longest plain body of a frame.
const PLAIN_MAX: u32 = 16 << 20;
/// The type of a batch of counter updates.
const COUNTER_BATCH: u8 = 2;

/// A whole frame that passed.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// Its header.
    pub(crate) header: Header,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

impl Frame {
    /// What it is, if that is known.
    pub(crate) fn opcode(&self) -> Option<Opcode> {
        Opcode::from_byte(self.header.opcode)
    }

    /// The bytes on the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.header.to_bytes().to_vec();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The number of a client's request as it stands on a lane; our own have none. With `ids` an
    /// EXECUTE names its columns behind the statement.
    pub(crate) fn number_on_lane(&self, ids: bool) -> Option<u64> {
        if !ids || self.opcode()? != Opcode::Execute {
            return self.number();
        }
        let mut reader = Reader::new(&self.body);
        reader.short_bytes().ok()?;
        reader.short_bytes().ok()?;
        let options = Parameters::read(&mut reader).ok()?.options().ok()?;
        u64::try_from(options.timestamp_micros?).ok()
    }

    fn number(&self) -> Option<u64> {
        let stamp = match self.opcode()? {
            Opcode::Query => Query::read(&self.body).ok()?.parameters.options().ok()?,
            Opcode::Execute => Execute::read(&self.body).ok()?.parameters.options().ok()?,
            Opcode::Batch => {
                let tail = Batch::read(&self.body).ok()?.tail().ok()?;
                return u64::try_from(tail.timestamp_micros?).ok();
            }
            Opcode::Prepare
            | Opcode::Error
            | Opcode::Startup
            | Opcode::Ready
            | Opcode::Authenticate
            | Opcode::Options
            | Opcode::Supported
            | Opcode::Result
            | Opcode::Register
            | Opcode::Event
            | Opcode::AuthChallenge
            | Opcode::AuthResponse
            | Opcode::AuthSuccess => return None,
        };
        u64::try_from(stamp.timestamp_micros?).ok()
    }

    /// The frame without compression; `None` when it cannot be read.
    pub(crate) fn plain(&self, compression: Option<Compression>) -> Option<Self> {
        if self.header.flags & FLAG_COMPRESSED == 0 {
            return Some(self.clone());
        }
        let mut body = Vec::new();
        compression?.decompress(&self.body, PLAIN_MAX, &mut body).ok()?;
        let flags = self.header.flags & !FLAG_COMPRESSED;
        let body_len = u32::try_from(body.len()).ok()?;
        Some(Self { header: Header { flags, body_len, ..self.header }, body })
    }

    /// Code and text of an ERROR.
    pub(crate) fn error(&self) -> Option<(i32, String)> {
        if self.opcode()? != Opcode::Error {
            return None;
        }
        let mut reader = Reader::new(&self.body);
        Some((reader.int().ok()?, reader.string().ok()?.to_owned()))
    }
}

/// Puts frames together again.
#[derive(Debug, Default)]
pub(crate) struct Cutter {
    partial: Vec<u8>,
    deaf: bool,
}

impl Cutter {
    /// Bytes of a frame that is not complete yet.
    pub(crate) fn partial_len(&self) -> usize {
        self.partial.len()
    }

    /// The frames that `bytes` complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<Frame> {
        let mut frames = Vec::new();
        if self.deaf {
            return frames;
        }
        self.partial.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(header) = Header::peek(self.partial.get(at..).unwrap_or_default()) {
            if header.body_len > BODY_MAX {
                self.deaf = true;
                return frames;
            }
            let end = at + HEADER_LEN + usize::try_from(header.body_len).unwrap_or(0);
            let Some(body) = self.partial.get(at + HEADER_LEN..end) else { break };
            frames.push(Frame { header, body: body.to_vec() });
            at = end;
        }
        self.partial.drain(..at);
        frames
    }

    /// Length of the frame of which a part is here.
    pub(crate) fn begun(&self) -> Option<usize> {
        let header = Header::peek(&self.partial)?;
        Some(HEADER_LEN + usize::try_from(header.body_len).ok()?)
    }
}

/// How a client writes its requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hand {
    /// Protocol version.
    pub(crate) version: u8,
    /// Stream id.
    pub(crate) stream: i16,
    /// Number of the request.
    pub(crate) number: u64,
    /// The consistency that is asked for.
    pub(crate) consistency: Consistency,
}

impl Hand {
    /// An ERROR of a node.
    pub(crate) fn error(code: ErrorCode, text: &str) -> Frame {
        let mut bytes = Vec::new();
        write_frame(
            &mut bytes,
            FrameHead { version: 0x84, flags: 0, stream: 0 },
            Opcode::Error,
            |out| {
                put_int(out, code.0);
                put_string(out, text);
            },
        );
        Cutter::default().push(&bytes).pop().expect("one whole frame was pushed")
    }

    /// The hand of the world itself.
    pub(crate) const OWN: Self =
        Self { version: 4, stream: 0, number: 0, consistency: Consistency::One };

    fn frame(self, opcode: Opcode, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write_frame(
            &mut out,
            FrameHead { version: self.version, flags: 0, stream: self.stream },
            opcode,
            body,
        );
        out
    }

    fn stamp(self, out: &mut Vec<u8>) {
        put_long(out, i64::try_from(self.number).unwrap_or(0));
    }

    /// OPTIONS.
    pub(crate) fn options(self) -> Vec<u8> {
        self.frame(Opcode::Options, |_| {})
    }

    /// STARTUP.
    pub(crate) fn startup(self, options: &[(&str, &str)]) -> Vec<u8> {
        self.frame(Opcode::Startup, |out| put_string_map(out, options))
    }

    /// AUTH_RESPONSE.
    pub(crate) fn auth_response(self, token: &[u8]) -> Vec<u8> {
        self.frame(Opcode::AuthResponse, |out| put_bytes(out, Some(token)))
    }

    /// REGISTER for everything.
    pub(crate) fn register(self) -> Vec<u8> {
        let kinds = ["SCHEMA_CHANGE", "STATUS_CHANGE", "TOPOLOGY_CHANGE"];
        self.frame(Opcode::Register, |out| put_string_list(out, &kinds))
    }

    /// QUERY.
    pub(crate) fn query(self, text: &str) -> Vec<u8> {
        self.frame(Opcode::Query, |out| {
            put_long_string(out, text);
            self.consistency.put(out);
            out.push(TIMESTAMP);
            self.stamp(out);
        })
    }

    /// QUERY with values; by name, if there are names.
    pub(crate) fn query_bound(self, text: &str, cells: &[&[u8]], names: &[&str]) -> Vec<u8> {
        self.frame(Opcode::Query, |out| {
            put_long_string(out, text);
            self.consistency.put(out);
            let values = if cells.is_empty() { 0 } else { VALUES };
            let named = if names.is_empty() { 0 } else { NAMES };
            out.push(values | named | TIMESTAMP);
            if !cells.is_empty() {
                put_short(out, u16::try_from(cells.len()).unwrap_or(0));
            }
            for (at, cell) in cells.iter().enumerate() {
                if let Some(name) = names.get(at) {
                    put_string(out, name);
                }
                put_bytes(out, Some(cell));
            }
            self.stamp(out);
        })
    }

    /// QUERY for one page of at most `rows` rows; `state` is the paging state of the page before.
    pub(crate) fn query_page(self, text: &str, rows: u32, state: Option<&[u8]>) -> Vec<u8> {
        self.frame(Opcode::Query, |out| put_page_query(out, text, rows, state))
    }

    /// PREPARE.
    pub(crate) fn prepare(self, text: &str) -> Vec<u8> {
        self.frame(Opcode::Prepare, |out| put_long_string(out, text))
    }

    /// EXECUTE.
    pub(crate) fn execute(self, id: &[u8], values: &[i64], skip_metadata: bool) -> Vec<u8> {
        let cells: Vec<[u8; 8]> = values.iter().map(|value| value.to_be_bytes()).collect();
        let cells: Vec<&[u8]> = cells.iter().map(|cell| &cell[..]).collect();
        self.execute_cells(id, &cells, skip_metadata)
    }

    /// EXECUTE with values of any type.
    pub(crate) fn execute_cells(self, id: &[u8], cells: &[&[u8]], skip_metadata: bool) -> Vec<u8> {
        self.frame(Opcode::Execute, |out| {
            put_short_bytes(out, id);
            self.consistency.put(out);
            let skip = if skip_metadata { SKIP_METADATA } else { 0 };
            out.push(VALUES | TIMESTAMP | skip);
            put_values(out, cells);
            self.stamp(out);
        })
    }

    /// BATCH of counter updates by text.
    pub(crate) fn batch_of_texts(self, texts: &[String]) -> Vec<u8> {
        self.frame(Opcode::Batch, |out| {
            out.push(COUNTER_BATCH);
            put_short(out, u16::try_from(texts.len()).unwrap_or(0));
            for text in texts {
                out.push(0);
                put_long_string(out, text);
                put_short(out, 0);
            }
            self.consistency.put(out);
            out.push(TIMESTAMP);
            self.stamp(out);
        })
    }

    /// BATCH of prepared counter updates.
    pub(crate) fn batch(self, id: &[u8], keys: &[i64]) -> Vec<u8> {
        self.frame(Opcode::Batch, |out| {
            out.push(COUNTER_BATCH);
            put_short(out, u16::try_from(keys.len()).unwrap_or(0));
            for key in keys {
                out.push(1);
                put_short_bytes(out, id);
                put_values(out, &[&key.to_be_bytes()]);
            }
            self.consistency.put(out);
            out.push(TIMESTAMP);
            self.stamp(out);
        })
    }
}

fn put_values(out: &mut Vec<u8>, cells: &[&[u8]]) {
    put_short(out, u16::try_from(cells.len()).unwrap_or(0));
    for cell in cells {
        put_bytes(out, Some(cell));
    }
}

/// A request, compressed if that is what its client agreed on and it has a body.
pub(crate) fn compressed(frame: Vec<u8>, algorithm: Compression) -> Vec<u8> {
    let Some(header) = Header::peek(&frame).filter(|header| header.body_len > 0) else {
        return frame;
    };
    let mut body = Vec::new();
    let plain = frame.get(HEADER_LEN..).unwrap_or_default();
    if algorithm.compress(plain, &mut body).is_err() {
        return frame;
    }
    let body_len = u32::try_from(body.len()).unwrap_or(0);
    let header = Header { flags: header.flags | FLAG_COMPRESSED, body_len, ..header };
    [header.to_bytes().to_vec(), body].concat()
}

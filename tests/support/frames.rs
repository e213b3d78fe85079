//! Frames as tests write and read them.

use cql::consistency::Consistency;
use cql::error_code::ErrorCode;
use cql::frame::{FrameHead, write_frame};
use cql::header::{FLAG_COMPRESSED, FLAG_PAYLOAD, HEADER_LEN, Header};
use cql::notation::{
    Reader, put_bytes, put_int, put_long, put_long_string, put_short, put_short_bytes, put_string,
    put_string_map,
};
use cql::opcode::Opcode;
use cql::payload::TABLETS_V1;
use cql::response::error::ErrorMessage;

/// A bind metadata flag that marks light-weight transactions in these tests.
pub(crate) const LWT_MASK: u32 = 0x8000_0000;
pub(crate) const SKIP_METADATA: u8 = 0x02;

/// One frame, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Frame {
    pub(crate) header: Header,
    pub(crate) body: Vec<u8>,
}

impl Frame {
    pub(crate) fn stream(&self) -> i16 {
        self.header.stream
    }

    pub(crate) fn opcode(&self) -> Opcode {
        Opcode::from_byte(self.header.opcode).unwrap()
    }

    pub(crate) fn error(&self) -> ErrorMessage<'_> {
        assert_eq!(self.opcode(), Opcode::Error, "{self:?}");
        ErrorMessage::read(&self.body).unwrap()
    }

    pub(crate) fn code(&self) -> ErrorCode {
        self.error().code
    }

    /// The text of a QUERY or PREPARE.
    pub(crate) fn text(&self) -> &str {
        assert!(matches!(self.opcode(), Opcode::Query | Opcode::Prepare), "{self:?}");
        Reader::new(&self.body).long_string().unwrap()
    }

    /// The rows of a RESULT, which tests fill with a mark of their own.
    pub(crate) fn mark(&self) -> &[u8] {
        assert_eq!(self.opcode(), Opcode::Result, "{self:?}");
        &self.body[4..]
    }
}

/// Cuts `bytes`, which must end with a whole frame.
pub(crate) fn cut(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let header = Header::peek(bytes).expect("whole header");
        let len = HEADER_LEN + header.body_len as usize;
        assert!(bytes.len() >= len, "frame is cut: {header:?}, {} bytes", bytes.len());
        frames.push(Frame { header, body: bytes[HEADER_LEN..len].to_vec() });
        bytes = &bytes[len..];
    }
    frames
}

/// A frame of a client of protocol v4.
pub(crate) fn client_frame(
    stream: i16,
    opcode: Opcode,
    body: impl FnOnce(&mut Vec<u8>),
) -> Vec<u8> {
    frame(FrameHead { version: 4, flags: 0, stream }, opcode, body)
}

/// A frame of a node, of protocol v4.
pub(crate) fn node_frame(stream: i16, opcode: Opcode, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    frame(FrameHead { version: 0x84, flags: 0, stream }, opcode, body)
}

pub(crate) fn frame(head: FrameHead, opcode: Opcode, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write_frame(&mut out, head, opcode, body);
    out
}

/// The same frame of another protocol version.
pub(crate) fn of_version(version: u8, mut frame: Vec<u8>) -> Vec<u8> {
    frame[0] = version;
    frame
}

pub(crate) fn startup(version: u8, compression: Option<&str>) -> Vec<u8> {
    frame(FrameHead { version, flags: 0, stream: 0 }, Opcode::Startup, |out| {
        let mut options = vec![("CQL_VERSION", "3.0.0")];
        options.extend(compression.map(|name| ("COMPRESSION", name)));
        put_string_map(out, &options);
    })
}

pub(crate) fn query(stream: i16, text: &str) -> Vec<u8> {
    query_at(stream, text, Consistency::One)
}

pub(crate) fn query_at(stream: i16, text: &str, consistency: Consistency) -> Vec<u8> {
    client_frame(stream, Opcode::Query, |out| {
        put_long_string(out, text);
        consistency.put(out);
        out.push(0);
    })
}

/// A value for a marker, and its name if values are sent by name; `None` is null.
pub(crate) type Bound<'a> = (Option<&'a str>, Option<&'a [u8]>);

/// QUERY with bound values, all with names or all without.
pub(crate) fn query_with(stream: i16, text: &str, values: &[Bound<'_>]) -> Vec<u8> {
    let is_named = values.iter().any(|(name, _)| name.is_some());
    client_frame(stream, Opcode::Query, |out| {
        put_long_string(out, text);
        Consistency::One.put(out);
        out.push(if is_named { 0x41 } else { 0x01 });
        put_short(out, values.len() as u16);
        for (name, value) in values {
            name.iter().for_each(|name| put_string(out, name));
            put_bytes(out, *value);
        }
    })
}

/// BATCH of texts without values.
pub(crate) fn batch_of_texts(stream: i16, texts: &[&str]) -> Vec<u8> {
    client_frame(stream, Opcode::Batch, |out| {
        out.push(0);
        put_short(out, texts.len() as u16);
        for text in texts {
            out.push(0);
            put_long_string(out, text);
            put_short(out, 0);
        }
        Consistency::LocalQuorum.put(out);
        out.push(0);
    })
}

pub(crate) fn prepare(stream: i16, text: &str) -> Vec<u8> {
    client_frame(stream, Opcode::Prepare, |out| put_long_string(out, text))
}

/// EXECUTE with one bound value.
pub(crate) fn execute(stream: i16, id: &[u8], key: &[u8]) -> Vec<u8> {
    execute_at(stream, id, key, Consistency::One, 0)
}

pub(crate) fn execute_at(
    stream: i16,
    id: &[u8],
    key: &[u8],
    consistency: Consistency,
    flags: u8,
) -> Vec<u8> {
    client_frame(stream, Opcode::Execute, |out| {
        put_short_bytes(out, id);
        consistency.put(out);
        out.push(flags | 1);
        put_short(out, 1);
        put_bytes(out, Some(key));
    })
}

/// BATCH of prepared children with one value each.
pub(crate) fn batch(stream: i16, kind: u8, children: &[(&[u8], &[u8])]) -> Vec<u8> {
    client_frame(stream, Opcode::Batch, |out| {
        out.push(kind);
        put_short(out, children.len() as u16);
        for (id, key) in children {
            out.push(1);
            put_short_bytes(out, id);
            put_short(out, 1);
            put_bytes(out, Some(key));
        }
        Consistency::LocalQuorum.put(out);
        out.push(0);
    })
}

/// Rows that carry nothing but `mark`; the engine never looks into rows.
pub(crate) fn rows(mark: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    put_int(&mut body, 2);
    body.extend_from_slice(mark);
    body
}

pub(crate) fn void() -> Vec<u8> {
    1i32.to_be_bytes().to_vec()
}

pub(crate) fn schema_change(change: &str, keyspace: &str, table: Option<&str>) -> Vec<u8> {
    let mut body = Vec::new();
    put_int(&mut body, 5);
    body.extend_from_slice(&schema_event(change, keyspace, table)[15..]);
    body
}

/// The body of an EVENT of a schema change; its type takes the first 15 bytes.
pub(crate) fn schema_event(change: &str, keyspace: &str, table: Option<&str>) -> Vec<u8> {
    let mut body = Vec::new();
    put_string(&mut body, "SCHEMA_CHANGE");
    put_string(&mut body, change);
    put_string(&mut body, if table.is_some() { "TABLE" } else { "KEYSPACE" });
    put_string(&mut body, keyspace);
    if let Some(table) = table {
        put_string(&mut body, table);
    }
    body
}

/// RESULT Prepared of a statement with one int marker, the partition key `k` of `table`, named with its keyspace.
pub(crate) fn prepared(id: &[u8], flags: u32, table: &str, columns: &[u8]) -> Vec<u8> {
    let (keyspace, table) = table.split_once('.').expect("keyspace.table");
    let mut body = Vec::new();
    put_int(&mut body, 4);
    put_short_bytes(&mut body, id);
    body.extend_from_slice(&(flags | 1).to_be_bytes());
    put_int(&mut body, 1);
    put_int(&mut body, 1);
    put_short(&mut body, 0);
    put_string(&mut body, keyspace);
    put_string(&mut body, table);
    put_string(&mut body, "k");
    put_short(&mut body, 9);
    body.extend_from_slice(columns);
    body
}

/// RESULT Prepared of a statement with one int marker that is no part of the partition key.
pub(crate) fn prepared_without_key(id: &[u8], table: &str) -> Vec<u8> {
    let (keyspace, table) = table.split_once('.').expect("keyspace.table");
    let mut body = Vec::new();
    put_int(&mut body, 4);
    put_short_bytes(&mut body, id);
    for number in [1, 1, 0] {
        put_int(&mut body, number);
    }
    for name in [keyspace, table, "v"] {
        put_string(&mut body, name);
    }
    put_short(&mut body, 9);
    body
}

pub(crate) fn error(code: ErrorCode, text: &str) -> Vec<u8> {
    let mut body = Vec::new();
    put_int(&mut body, code.0);
    put_string(&mut body, text);
    body
}

pub(crate) fn unprepared(id: &[u8]) -> Vec<u8> {
    let mut body = error(ErrorCode::UNPREPARED, "No prepared statement with this ID found.");
    put_short_bytes(&mut body, id);
    body
}

/// What `system.local` answers to the question for `schema_version`.
pub(crate) fn schema_version(version: u8) -> Vec<u8> {
    let mut body = Vec::new();
    for number in [2, 1, 1] {
        put_int(&mut body, number);
    }
    for name in ["system", "local", "schema_version"] {
        put_string(&mut body, name);
    }
    put_short(&mut body, 0x0c);
    put_int(&mut body, 1);
    put_bytes(&mut body, Some(&[version; 16]));
    body
}

/// The custom payload that reports a tablet.
pub(crate) fn tablet_payload(first: i64, last: i64, replicas: &[([u8; 16], i32)]) -> Vec<u8> {
    let mut list = Vec::new();
    put_int(&mut list, replicas.len() as i32);
    for (host, shard) in replicas {
        let mut replica = Vec::new();
        put_bytes(&mut replica, Some(host));
        put_bytes(&mut replica, Some(&shard.to_be_bytes()));
        put_bytes(&mut list, Some(&replica));
    }
    let mut value = Vec::new();
    for token in [first, last] {
        put_int(&mut value, 8);
        put_long(&mut value, token);
    }
    put_bytes(&mut value, Some(&list));
    let mut payload = Vec::new();
    put_short(&mut payload, 1);
    put_string(&mut payload, TABLETS_V1);
    put_bytes(&mut payload, Some(&value));
    payload
}

/// `frame` with a custom payload in front of its body.
pub(crate) fn with_payload(frame: &[u8], payload: &[u8]) -> Vec<u8> {
    let header = Header::peek(frame).unwrap();
    let mut body = payload.to_vec();
    body.extend_from_slice(&frame[HEADER_LEN..]);
    rebuild(Header { flags: header.flags | FLAG_PAYLOAD, ..header }, &body)
}

pub(crate) fn rebuild(header: Header, body: &[u8]) -> Vec<u8> {
    let header = Header { body_len: body.len() as u32, ..header };
    let mut out = header.to_bytes().to_vec();
    out.extend_from_slice(body);
    out
}

pub(crate) fn is_compressed(frame: &Frame) -> bool {
    frame.header.flags & FLAG_COMPRESSED != 0
}

//! EVENT: a message that a server sends without a request (v4 section 4.2.6). Its stream is -1, and
//! it is never compressed.

use std::net::IpAddr;

use crate::error::WireError;
use crate::frame::{FrameHead, write_frame};
use crate::header::RESPONSE;
use crate::notation::{Reader, put_inet, put_string, put_string_list};
use crate::opcode::Opcode;
use crate::request::register::EventKind;
use crate::response::schema_change::SchemaChange;

/// Stream of every event.
pub const EVENT_STREAM: i16 = -1;

/// An EVENT message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event<'a> {
    /// The schema changed.
    Schema(SchemaChange<'a>),
    /// A node is up or down.
    Status(NodeEvent<'a>),
    /// A node came or went.
    Topology(NodeEvent<'a>),
    /// Addresses for clients changed (ScyllaDB 2026.1).
    ClientRoutes {
        /// `UPDATE_NODES`.
        change: &'a str,
        /// Connections that it concerns; empty: all.
        connection_ids: Vec<&'a str>,
        /// Nodes that it concerns, as texts; empty: all.
        host_ids: Vec<&'a str>,
    },
    /// An unknown type, or an unknown change of a known type.
    Unknown {
        /// The type.
        kind: &'a str,
        /// The rest of the message.
        rest: &'a [u8],
    },
}

/// What happened to a node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NodeEvent<'a> {
    /// `UP` or `DOWN`; `NEW_NODE`, `REMOVED_NODE` or `MOVED_NODE`.
    pub change: &'a str,
    /// The node's address for clients.
    pub address: IpAddr,
    /// The port of the listener that the receiving connection uses.
    pub port: i32,
}

impl<'a> Event<'a> {
    /// Reads a message.
    pub fn read(message: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(message);
        let kind = reader.string()?;
        let unknown = Self::Unknown { kind, rest: reader.rest() };
        Ok(match EventKind::from_name(kind) {
            Some(EventKind::SchemaChange) => {
                SchemaChange::read(&mut reader)?.map_or(unknown, Self::Schema)
            }
            Some(EventKind::StatusChange) => Self::Status(NodeEvent::read(&mut reader)?),
            Some(EventKind::TopologyChange) => Self::Topology(NodeEvent::read(&mut reader)?),
            Some(EventKind::ClientRoutesChange) => Self::ClientRoutes {
                change: reader.string()?,
                connection_ids: reader.string_list()?,
                host_ids: reader.string_list()?,
            },
            None => unknown,
        })
    }

    /// Its type; `None` when it is unknown.
    #[must_use]
    pub fn kind(&self) -> Option<EventKind> {
        match self {
            Self::Schema(_) => Some(EventKind::SchemaChange),
            Self::Status(_) => Some(EventKind::StatusChange),
            Self::Topology(_) => Some(EventKind::TopologyChange),
            Self::ClientRoutes { .. } => Some(EventKind::ClientRoutesChange),
            Self::Unknown { kind, .. } => EventKind::from_name(kind),
        }
    }

    /// Appends the message.
    pub fn put(&self, out: &mut Vec<u8>) {
        let name = match self {
            Self::Unknown { kind, .. } => kind,
            Self::Schema(_) => EventKind::SchemaChange.name(),
            Self::Status(_) => EventKind::StatusChange.name(),
            Self::Topology(_) => EventKind::TopologyChange.name(),
            Self::ClientRoutes { .. } => EventKind::ClientRoutesChange.name(),
        };
        put_string(out, name);
        match self {
            Self::Schema(change) => change.put(out),
            Self::Status(node) | Self::Topology(node) => {
                put_string(out, node.change);
                put_inet(out, node.address, node.port);
            }
            Self::ClientRoutes { change, connection_ids, host_ids } => {
                put_string(out, change);
                put_string_list(out, connection_ids);
                put_string_list(out, host_ids);
            }
            Self::Unknown { rest, .. } => out.extend_from_slice(rest),
        }
    }
}

impl<'a> NodeEvent<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let change = reader.string()?;
        let (address, port) = reader.inet()?;
        Ok(Self { change, address, port })
    }
}

/// Appends an EVENT frame.
pub fn write_event(out: &mut Vec<u8>, version: u8, event: &Event<'_>) {
    let head = FrameHead { version: version | RESPONSE, flags: 0, stream: EVENT_STREAM };
    write_frame(out, head, Opcode::Event, |out| event.put(out));
}

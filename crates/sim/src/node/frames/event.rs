//! EVENT messages for clients that registered (v4 section 4.2.6).

use std::net::IpAddr;

use crate::node::connection::Connection;
use crate::store::execution::outcome::{SchemaChange, Target};
use cql::frame::{FrameHead, write_frame};
use cql::notation::{put_inet, put_string, put_string_list};
use cql::opcode::Opcode;
use cql::response::event::EVENT_STREAM;

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    /// NEW_NODE or REMOVED_NODE.
    Topology {
        /// Whether it joined.
        joined: bool,
        /// Its address.
        address: IpAddr,
    },
    /// UP or DOWN.
    Status {
        /// Whether it is up.
        up: bool,
        /// Its address.
        address: IpAddr,
    },
    /// A change of the schema.
    Schema(&'a SchemaChange),
    /// A route to a node has changed.
    ClientRoutes {
        /// Of which connection.
        connection_id: &'a str,
        /// The node's host id.
        host_id: &'a str,
    },
}

impl Event<'_> {
    /// Whether the client registered for it.
    #[must_use]
    pub(crate) fn is_for(&self, connection: &Connection) -> bool {
        match self {
            Self::Topology { .. } => connection.registered.topology,
            Self::Status { .. } => connection.registered.status,
            Self::Schema(_) => connection.registered.schema,
            Self::ClientRoutes { .. } => connection.registered.client_routes,
        }
    }

    /// The frame for one client: in its version, with the port of its listener, never compressed.
    #[must_use]
    pub(crate) fn frame_for(&self, connection: &Connection) -> Vec<u8> {
        let mut out = Vec::new();
        let head =
            FrameHead { version: connection.answer_version(), flags: 0, stream: EVENT_STREAM };
        let port = i32::from(connection.port);
        write_frame(&mut out, head, Opcode::Event, |out| match self {
            Self::Topology { joined, address } => {
                put_string(out, "TOPOLOGY_CHANGE");
                put_string(out, if *joined { "NEW_NODE" } else { "REMOVED_NODE" });
                put_inet(out, *address, port);
            }
            Self::Status { up, address } => {
                put_string(out, "STATUS_CHANGE");
                put_string(out, if *up { "UP" } else { "DOWN" });
                put_inet(out, *address, port);
            }
            Self::Schema(change) => {
                put_string(out, "SCHEMA_CHANGE");
                write_schema_change(change, out);
            }
            Self::ClientRoutes { connection_id, host_id } => {
                put_string(out, "CLIENT_ROUTES_CHANGE");
                put_string(out, "UPDATE_NODES");
                put_string_list(out, &[*connection_id]);
                put_string_list(out, &[*host_id]);
            }
        });
        out
    }
}

/// The part that RESULT Schema_change and EVENT SCHEMA_CHANGE share.
pub(crate) fn write_schema_change(change: &SchemaChange, out: &mut Vec<u8>) {
    put_string(out, change.change.word());
    put_string(out, change.target.word());
    put_string(out, &change.keyspace);
    match change.target {
        Target::Keyspace => {}
        Target::Table | Target::Type => put_string(out, &change.name),
    }
}

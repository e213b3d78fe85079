//! The connections of the clients, and the frames that wait for them.

use std::collections::BTreeMap;

use crate::node::connection::{Connection, ConnectionId};

/// Something for a connection, other than an answer to the bytes just received.
#[derive(Debug, Eq, PartialEq)]
pub enum Mail {
    /// Whole frames.
    Bytes(ConnectionId, Vec<u8>),
    /// The connection must be closed.
    Close(ConnectionId),
}

/// All open connections.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    open: BTreeMap<ConnectionId, Box<Connection>>,
    opened: u64,
    /// Mail that was not taken yet.
    pub mail: Vec<Mail>,
}

impl Connections {
    /// A number for a new connection.
    pub(crate) fn next_id(&mut self) -> ConnectionId {
        self.opened += 1;
        ConnectionId(self.opened)
    }

    /// Takes a connection out, so that it and the cluster can both be borrowed.
    pub(crate) fn take(&mut self, id: ConnectionId) -> Option<Box<Connection>> {
        self.open.remove(&id)
    }

    /// A connection that is open.
    #[must_use]
    pub(crate) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.open.get(&id).map(Box::as_ref)
    }

    /// Puts a connection in.
    pub(crate) fn put(&mut self, connection: Box<Connection>) {
        self.open.insert(connection.id, connection);
    }

    /// All connections, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.open.values().map(Box::as_ref)
    }

    /// Closes every connection of a node.
    pub(crate) fn close_node(&mut self, node: usize) {
        let open = std::mem::take(&mut self.open);
        for (id, connection) in open {
            if connection.node == node {
                self.mail.push(Mail::Close(id));
            } else {
                self.open.insert(id, connection);
            }
        }
    }
}

//! REGISTER: the events that are to be sent to a connection (v4 section 4.1.8).

use crate::error::WireError;
use crate::frame::{FrameHead, write_frame};
use crate::notation::{Reader, put_string_list};
use crate::opcode::Opcode;

/// A type of event.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum EventKind {
    /// Nodes come and go.
    TopologyChange = 1,
    /// Nodes are up or down.
    StatusChange = 2,
    /// Keyspaces, tables and types change.
    SchemaChange = 4,
    /// Addresses for clients change (ScyllaDB 2026.1); older servers refuse its name.
    ClientRoutesChange = 8,
}

impl EventKind {
    /// Every type.
    pub const ALL: [Self; 4] =
        [Self::TopologyChange, Self::StatusChange, Self::SchemaChange, Self::ClientRoutesChange];

    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TopologyChange => "TOPOLOGY_CHANGE",
            Self::StatusChange => "STATUS_CHANGE",
            Self::SchemaChange => "SCHEMA_CHANGE",
            Self::ClientRoutesChange => "CLIENT_ROUTES_CHANGE",
        }
    }

    /// Finds a type by its name, whose case counts.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A set of event types.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct EventKinds(u8);

impl EventKinds {
    /// Reads a body; an unknown type is an error, none at all is not.
    pub fn read(body: &[u8]) -> Result<Self, WireError> {
        let mut kinds = Self::default();
        for name in Reader::new(body).string_list()? {
            let unknown = || WireError::EventType(name.into());
            kinds.insert(EventKind::from_name(name).ok_or_else(unknown)?);
        }
        Ok(kinds)
    }

    /// Adds a type.
    pub fn insert(&mut self, kind: EventKind) {
        self.0 |= kind as u8;
    }

    /// Adds every type of another set: registering again adds to what was registered.
    pub fn extend(&mut self, more: Self) {
        self.0 |= more.0;
    }

    /// Whether a type is in the set.
    #[must_use]
    pub fn contains(self, kind: EventKind) -> bool {
        self.0 & kind as u8 != 0
    }

    /// Whether no type is in the set.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Appends a REGISTER frame.
pub fn write_register(out: &mut Vec<u8>, version: u8, stream: i16, kinds: &[EventKind]) {
    let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
    write_frame(out, FrameHead { version, flags: 0, stream }, Opcode::Register, |out| {
        put_string_list(out, &names);
    });
}

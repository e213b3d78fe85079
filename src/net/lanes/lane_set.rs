//! Lanes that may stand in for each other.

use std::sync::Arc;

use crate::net::lanes::credential::Credential;

/// What all lanes of a set have in common; a request may take any lane of its set.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct LaneSet {
    /// Protocol version, 3 or 4: a node refuses frames of another than a connection's first.
    pub version: u8,
    /// The keyspace that the connection is in, its name as stored, without quotes. A set with one
    /// has a single lane a node, a set without has one a shard.
    pub keyspace: Option<Arc<str>>,
    /// Whose rights the lanes have; none where the cluster asks for none.
    pub credential: Option<Arc<Credential>>,
}

impl LaneSet {
    /// Lanes of protocol v4 in no keyspace.
    #[must_use]
    pub fn plain(credential: Option<Arc<Credential>>) -> Self {
        Self { version: 4, keyspace: None, credential }
    }
}

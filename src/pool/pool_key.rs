//! Lanes that may stand in for each other.

use std::sync::Arc;

use crate::pool::login::credential::Credential;

/// What all lanes of a pool have in common; a request may take any lane of its pool.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct PoolKey {
    /// The keyspace that the connection is in, its name as stored, without quotes. A pool with one
    /// has a single lane a node, a pool without has one a shard.
    pub keyspace: Option<Arc<str>>,
    /// Whose rights the lanes have; none where the cluster asks for none.
    pub credential: Option<Arc<Credential>>,
}

impl PoolKey {
    /// Lanes in no keyspace.
    #[must_use]
    pub fn plain(credential: Option<Arc<Credential>>) -> Self {
        Self { keyspace: None, credential }
    }
}

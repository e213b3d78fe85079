//! A request that took long, as the console shows it.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::engine::view::tally::RequestKind;
use crate::topology::id::NodeId;
use cql::token::shard::ShardId;

/// A request that took long.
#[derive(Clone, Debug)]
pub struct SlowRequest {
    /// One more for each that the worker kept.
    pub number: u64,
    /// When it was answered, µs of the engine.
    pub at_us: u64,
    /// How long it waited, from its arrival here, µs.
    pub waited_us: u64,
    /// What it was.
    pub kind: RequestKind,
    /// Keyspace and table, as far as they are known.
    pub table: Option<(Arc<str>, Arc<str>)>,
    /// Its text without values; `None` for a batch, and for a text that was too long to keep.
    pub text: Option<Box<str>>,
    /// Who sent it; `None` for a Unix socket.
    pub peer: Option<SocketAddr>,
    /// Who answered it.
    pub node: NodeId,
    /// Which shard of it.
    pub shard: ShardId,
    /// How often it was sent again before.
    pub resent: u8,
    /// Whether the answer was an error.
    pub is_failed: bool,
}

//! A node of the cluster: where it listens, where it stands, which tokens it has.

use std::net::IpAddr;
use std::sync::Arc;

use crate::topology::id::HostId;
use crate::topology::id::NodeId;
use cql::token::token::Token;

/// What the system tables say of one node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Node {
    /// Our number for it.
    pub id: NodeId,
    /// Its own name, which outlives its address.
    pub host: HostId,
    /// Where drivers should connect (`rpc_address`).
    pub address: IpAddr,
    /// Its CQL port, not the shard-aware one.
    pub port: u16,
    /// Its data center.
    pub data_center: Arc<str>,
    /// Its rack; only together with the data center is it a place.
    pub rack: Arc<str>,
    /// Its tokens in the ring, in any order. A node that joined without them
    /// (`join_ring: false`) coordinates requests but stores nothing.
    pub tokens: Vec<Token>,
}

impl Node {
    /// Whether the node stores data at all.
    #[must_use]
    pub fn stores_data(&self) -> bool {
        !self.tokens.is_empty()
    }
}

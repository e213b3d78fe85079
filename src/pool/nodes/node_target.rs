//! Where a node is dialled.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::topology::id::{HostId, NodeId};

/// Which node to dial.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NodeTarget {
    /// Our number of the node.
    pub node: NodeId,
    /// Its own id, compared with the one that the node names; `None` takes any node that answers.
    pub host: Option<HostId>,
    /// Address and plain CQL port.
    pub address: SocketAddr,
    /// Where its shards are dialled.
    pub shard_port: ShardPort,
}

/// Where a node is dialled whose own address does not lead to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Route {
    /// The address.
    pub address: IpAddr,
    /// Its CQL port there, if it is another than that of all nodes.
    pub port: Option<u16>,
    /// Where its shards are dialled.
    pub shard_port: ShardPort,
}

/// Where the shards of a node are dialled one by one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ShardPort {
    /// At the port of the settings, or else the one that the node advertises.
    #[default]
    AsAdvertised,
    /// At this port, which leads to that one.
    At(u16),
    /// No port that is known leads there: connections are opened until each shard has one.
    Nowhere,
}

impl fmt::Display for NodeTarget {
    /// Address and host, as logs name a node.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        match self.host {
            Some(host) => write!(f, " (host {host})"),
            None => Ok(()),
        }
    }
}

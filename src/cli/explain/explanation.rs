//! What was found out about a row, for people and for programs.

use std::io::{self, Write};
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::cli::explain::key;
use crate::topology::id::HostId;
use crate::topology::node::Node;
use crate::topology::snapshot::Snapshot;
use cql::token::token::Token;

/// Where a row lives, as far as that can be said.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Explanation {
    /// Keyspace and table, once they are known.
    pub table: Option<(String, String)>,
    /// The columns of the partition key that have a value.
    pub key: Vec<KeyPart>,
    /// The serialized partition key.
    pub bytes: Option<Vec<u8>>,
    /// Its token, or the first one of a range.
    pub token: Option<Token>,
    /// What the proxy does with the statement; `None` where no statement was given.
    pub routing: Option<Routing>,
    /// How the replicas are found; `None` without a token.
    pub placement: Option<Placement>,
    /// The replicas, in the server's order.
    pub replicas: Vec<ExplainedReplica>,
}

/// A column of the partition key and its value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct KeyPart {
    /// The column.
    pub column: String,
    /// Its type, as the schema names it.
    pub kind: String,
    /// Its value, as it was given.
    pub value: String,
}

/// What the proxy does with a statement by text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Routing {
    /// Whether it goes to a replica.
    pub is_routed: bool,
    /// The reason that the metric `shardlane_routing_total` counts it under.
    pub reason: &'static str,
    /// The reason in words.
    pub why: String,
    /// Whether it goes to the first replica that is up, whichever client sends it.
    pub is_fixed: bool,
}

/// How replicas are found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Placement {
    /// By a tablet: the token before its first, where that is known, and its last.
    Tablet {
        /// The last token of the tablet before it.
        after: Option<i64>,
        /// Its own last token.
        last: i64,
    },
    /// By a tablet that the server does not show, for this reason.
    UnknownTablet(String),
    /// By a range of the ring: the token before its first, and its last.
    Ring(Token, Token),
    /// Nowhere: each node has such a table for itself, or the replication is not known here.
    Nowhere,
}

/// A replica of the row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ExplainedReplica {
    /// The node's id.
    pub host: HostId,
    /// What the system tables say of the node; `None` when none describes it.
    pub node: Option<ReplicaNode>,
    /// The number of the shard, or why there is none.
    pub shard: Result<u32, String>,
}

/// The node of a replica.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ReplicaNode {
    /// Where it serves CQL.
    pub address: SocketAddr,
    /// Its data center.
    pub data_center: String,
    /// Its rack.
    pub rack: String,
}

impl ExplainedReplica {
    /// A replica on a node that the snapshot has.
    #[must_use]
    pub(crate) fn of(node: &Node, shard: Result<u32, String>) -> Self {
        let address = SocketAddr::new(node.address, node.port);
        let (data_center, rack) = (node.data_center.to_string(), node.rack.to_string());
        Self { host: node.host, node: Some(ReplicaNode { address, data_center, rack }), shard }
    }

    /// A replica by the id of its host.
    #[must_use]
    pub(crate) fn of_host(snapshot: &Snapshot, host: HostId, shard: Result<u32, String>) -> Self {
        match snapshot.node_of(host) {
            Some(node) => Self::of(node, shard),
            None => Self { host, node: None, shard },
        }
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let shard = match &self.shard {
            Ok(number) => format!("shard {number}"),
            Err(why) => why.clone(),
        };
        let host = self.host;
        let Some(ReplicaNode { address, data_center, rack }) = &self.node else {
            return writeln!(out, "replica  host {host} {shard}, which no table describes");
        };
        writeln!(out, "replica  {address} {shard} dc {data_center} rack {rack} host {host}")
    }

    fn json(&self) -> Value {
        let node = self.node.as_ref();
        json!({
            "address": node.map(|node| node.address.to_string()),
            "shard": self.shard.as_ref().ok(),
            "data_center": node.map(|node| node.data_center.as_str()),
            "rack": node.map(|node| node.rack.as_str()),
            "host": self.host.to_string(),
        })
    }
}

impl Explanation {
    /// Prints it, one line each.
    pub(crate) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some((keyspace, table)) = &self.table {
            writeln!(out, "table    {keyspace}.{table}")?;
        }
        if let Some(Routing { is_routed, reason, why, is_fixed }) = &self.routing {
            let routed = if *is_routed { "yes" } else { "no" };
            writeln!(out, "routed   {routed}, {reason}: {why}")?;
            if *is_fixed {
                writeln!(
                    out,
                    "order    light-weight transaction: to the first replica that is up"
                )?;
            }
        }
        if !self.key.is_empty() {
            let named = self.key.iter();
            let named = named.map(|part| format!("{} {} = {}", part.kind, part.column, part.value));
            writeln!(out, "key      {}", named.collect::<Vec<_>>().join(", "))?;
        }
        if let Some(bytes) = &self.bytes {
            writeln!(out, "bytes    {}", key::hex(bytes))?;
        }
        if let Some(token) = self.token {
            writeln!(out, "token    {}", token.value())?;
        }
        match &self.placement {
            Some(Placement::Tablet { after: Some(after), last }) => {
                writeln!(out, "tablet   tokens above {after}, up to {last}")?;
            }
            Some(Placement::Tablet { after: None, last }) => {
                writeln!(out, "tablet   the one that ends with token {last}")?;
            }
            Some(Placement::UnknownTablet(why)) => {
                writeln!(out, "tablet   unknown: {why}")?;
                writeln!(
                    out,
                    "replicas learned by the proxy, not read from here: a request that arrives"
                )?;
                writeln!(
                    out,
                    "         at a wrong shard is answered all the same, and its answer names"
                )?;
                writeln!(out, "         tablet, nodes and shards, so that the next ones go there")?;
            }
            Some(Placement::Ring(after, last)) => {
                let (after, last) = (after.value(), last.value());
                writeln!(
                    out,
                    "ring     tokens above {after}, up to {last}: replicas in ring order"
                )?;
            }
            Some(Placement::Nowhere) => {
                writeln!(
                    out,
                    "ring     no replicas: each node has such a table for itself, or its replication is not known here"
                )?;
            }
            None => {}
        }
        self.replicas.iter().try_for_each(|replica| replica.print(out))
    }

    /// One line of JSON. What is not known is null.
    #[must_use]
    pub(crate) fn json(&self) -> Value {
        let part =
            |part: &KeyPart| json!({"column": part.column, "type": part.kind, "value": part.value});
        let routing = self.routing.as_ref();
        let (found_by, after, last, unknown) = match &self.placement {
            Some(Placement::Tablet { after, last }) => (Some("tablets"), *after, Some(*last), None),
            Some(Placement::UnknownTablet(why)) => (Some("tablets"), None, None, Some(why)),
            Some(Placement::Ring(after, last)) => {
                (Some("ring"), Some(after.value()), Some(last.value()), None)
            }
            Some(Placement::Nowhere) | None => (None, None, None, None),
        };
        json!({
            "keyspace": self.table.as_ref().map(|(keyspace, _)| keyspace),
            "table": self.table.as_ref().map(|(_, table)| table),
            "key": self.key.iter().map(part).collect::<Vec<_>>(),
            "bytes": self.bytes.as_ref().map(|bytes| key::hex(bytes)),
            "token": self.token.map(Token::value),
            "routed": routing.map(|routing| routing.is_routed),
            "reason": routing.map(|routing| routing.reason),
            "why": routing.map(|routing| routing.why.as_str()),
            "light_weight_transaction": routing.map(|routing| routing.is_fixed),
            "found_by": found_by,
            "range": last.map(|last| json!({"after": after, "last": last})),
            "unknown": unknown,
            "replicas": self.replicas.iter().map(ExplainedReplica::json).collect::<Vec<_>>(),
        })
    }
}

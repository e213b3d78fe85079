//! SUPPORTED: what a server can do, and which shard of which node this connection reached.
//!
//! The keys of ScyllaDB are those of its `docs/dev/protocol-extensions.md`. A server may leave any
//! of them out (`enable_shard_aware_drivers: false` hides those about shards), and what cannot be
//! read is taken for absent: a connection without extensions still serves.

use crate::compression::Compression;
use crate::error::WireError;
use crate::notation::{Reader, put_string_multimap};

/// Key: algorithms for bodies.
pub const COMPRESSION: &str = "COMPRESSION";
/// Key: version of CQL.
pub const CQL_VERSION: &str = "CQL_VERSION";
/// Key: the client may describe itself in STARTUP (2026.1).
const CLIENT_OPTIONS: &str = "CLIENT_OPTIONS";
/// Key: the node's host id as text (2026.3).
const HOST_ID: &str = "SCYLLA_HOST_ID";
/// Key: bit in a statement's bind metadata that marks a light-weight transaction.
pub const LWT_MARK: &str = "SCYLLA_LWT_ADD_METADATA_MARK";
/// Key: shards of the node.
const NR_SHARDS: &str = "SCYLLA_NR_SHARDS";
/// Key: class of the partitioner.
pub const PARTITIONER: &str = "SCYLLA_PARTITIONER";
/// Key: code of errors about too many requests for one partition.
const RATE_LIMIT_ERROR: &str = "SCYLLA_RATE_LIMIT_ERROR";
/// Key: shard that the connection reached.
const SHARD: &str = "SCYLLA_SHARD";
/// Key: how tokens map to shards.
const SHARDING_ALGORITHM: &str = "SCYLLA_SHARDING_ALGORITHM";
/// Key: most significant bits of a token that play no part.
const SHARDING_IGNORE_MSB: &str = "SCYLLA_SHARDING_IGNORE_MSB";
/// Key: port where the source port chooses the shard.
const SHARD_AWARE_PORT: &str = "SCYLLA_SHARD_AWARE_PORT";
/// Key: the same with TLS.
const SHARD_AWARE_PORT_SSL: &str = "SCYLLA_SHARD_AWARE_PORT_SSL";
/// Key: ids of result metadata (2025.3).
pub const USE_METADATA_ID: &str = "SCYLLA_USE_METADATA_ID";
/// Key: misrouted requests are answered with their tablet.
pub const TABLETS_V1: &str = "TABLETS_ROUTING_V1";
/// Key: the same with versions, experimental in 2026.3.
const TABLETS_V2: &str = "TABLETS_ROUTING_V2_EXPERIMENTAL";
/// Key of Cassandra: versions such as `4/v4`.
const PROTOCOL_VERSIONS: &str = "PROTOCOL_VERSIONS";

/// Key of shardlane itself, with its version: so that no shardlane takes it for a node.
/// Drivers look for the keys that they know.
pub const SHARDLANE: &str = "SHARDLANE_VERSION";

/// The only partitioner whose tokens are computed here.
pub const MURMUR3: &str = "org.apache.cassandra.dht.Murmur3Partitioner";
/// The only algorithm by which ScyllaDB divides tokens among shards.
const BIASED: &str = "biased-token-round-robin";

const MASK: &str = "LWT_OPTIMIZATION_META_BIT_MASK=";
const CODE: &str = "ERROR_CODE=";

/// Where a connection landed, and how its node divides the ring among its shards.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Sharding {
    /// Shard of the connection, below `nr_shards`.
    pub shard: u16,
    /// Shards of the node; at least 1.
    pub nr_shards: u16,
    /// Most significant bits of a token that play no part; below 64.
    pub ignore_msb: u8,
}

/// A SUPPORTED message.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Supported {
    /// Present when all keys about shards are, and agree with each other.
    pub sharding: Option<Sharding>,
    /// A missing port may listen all the same: the key is sent only when the option is set.
    pub shard_aware_port: Option<u16>,
    /// The same with TLS.
    pub shard_aware_port_ssl: Option<u16>,
    /// Misrouted requests can be answered with their tablet.
    pub tablets_v1: bool,
    /// The same with versions.
    pub tablets_v2: bool,
    /// Bit of the bind metadata's flags that marks a light-weight transaction.
    pub lwt_mask: Option<u32>,
    /// Code of errors about too many requests for one partition.
    pub rate_limit_code: Option<i32>,
    /// Ids of result metadata can be had.
    pub metadata_id: bool,
    /// The client may describe itself in STARTUP.
    pub client_options: bool,
    /// The node's host id as text.
    pub host_id: Option<String>,
    /// Known algorithms, in the order sent.
    pub compression: Vec<Compression>,
    /// Versions of CQL.
    pub cql_versions: Vec<String>,
    /// Cassandra's list of protocol versions; ScyllaDB sends none.
    pub protocol_versions: Vec<String>,
    /// Version of the shardlane that answers; `None` of a node.
    pub shardlane: Option<String>,
}

impl Supported {
    /// Reads a message. Only broken bytes are an error; values that make no sense are ignored.
    pub fn read(message: &[u8]) -> Result<Self, WireError> {
        let options = Reader::new(message).string_multimap()?;
        let list = |key| options.iter().find(|(name, _)| *name == key).map(|(_, list)| list);
        let first = |key| list(key).and_then(|list| list.first().copied());
        let owned = |key| list(key).into_iter().flatten().map(|&text| text.to_owned()).collect();
        let port = |key| first(key).and_then(number::<u16>).filter(|port| *port != 0);
        let sharding = || {
            let sharding = Sharding {
                shard: number(first(SHARD)?)?,
                nr_shards: number(first(NR_SHARDS)?)?,
                ignore_msb: number(first(SHARDING_IGNORE_MSB)?)?,
            };
            let known = first(PARTITIONER)? == MURMUR3 && first(SHARDING_ALGORITHM)? == BIASED;
            let sound = sharding.shard < sharding.nr_shards && sharding.ignore_msb < 64;
            (known && sound).then_some(sharding)
        };
        Ok(Self {
            sharding: sharding(),
            shard_aware_port: port(SHARD_AWARE_PORT),
            shard_aware_port_ssl: port(SHARD_AWARE_PORT_SSL),
            tablets_v1: list(TABLETS_V1).is_some(),
            tablets_v2: list(TABLETS_V2).is_some(),
            lwt_mask: first(LWT_MARK).and_then(|text| number(text.strip_prefix(MASK)?)),
            rate_limit_code: first(RATE_LIMIT_ERROR)
                .and_then(|text| number(text.strip_prefix(CODE)?)),
            metadata_id: list(USE_METADATA_ID).is_some(),
            client_options: list(CLIENT_OPTIONS).is_some(),
            host_id: first(HOST_ID).map(str::to_owned),
            compression: list(COMPRESSION)
                .into_iter()
                .flatten()
                .filter_map(|name| Compression::from_name(name))
                .collect(),
            cql_versions: owned(CQL_VERSION),
            protocol_versions: owned(PROTOCOL_VERSIONS),
            shardlane: first(SHARDLANE).map(str::to_owned),
        })
    }

    /// The options as keys and values, sorted by key as ScyllaDB sends them.
    #[must_use]
    pub fn options(&self) -> Vec<(&'static str, Vec<String>)> {
        let mut options = Vec::new();
        let mut push = |key, value: Option<String>| {
            if let Some(value) = value {
                options.push((key, vec![value]));
            }
        };
        let mark = |is_set: bool| is_set.then(String::new);
        push(CLIENT_OPTIONS, mark(self.client_options));
        push(HOST_ID, self.host_id.clone());
        push(LWT_MARK, self.lwt_mask.map(|mask| format!("{MASK}{mask}")));
        push(RATE_LIMIT_ERROR, self.rate_limit_code.map(|code| format!("{CODE}{code}")));
        push(SHARD_AWARE_PORT, self.shard_aware_port.map(|port| port.to_string()));
        push(SHARD_AWARE_PORT_SSL, self.shard_aware_port_ssl.map(|port| port.to_string()));
        push(USE_METADATA_ID, mark(self.metadata_id));
        push(SHARDLANE, self.shardlane.clone());
        push(TABLETS_V1, mark(self.tablets_v1));
        push(TABLETS_V2, mark(self.tablets_v2));
        if let Some(sharding) = self.sharding {
            push(NR_SHARDS, Some(sharding.nr_shards.to_string()));
            push(PARTITIONER, Some(MURMUR3.to_owned()));
            push(SHARD, Some(sharding.shard.to_string()));
            push(SHARDING_ALGORITHM, Some(BIASED.to_owned()));
            push(SHARDING_IGNORE_MSB, Some(sharding.ignore_msb.to_string()));
        }
        let names = self.compression.iter().map(|one| one.name().to_owned()).collect();
        let lists = [
            (COMPRESSION, names),
            (CQL_VERSION, self.cql_versions.clone()),
            (PROTOCOL_VERSIONS, self.protocol_versions.clone()),
        ];
        options.extend(lists.into_iter().filter(|(_, list)| !list.is_empty()));
        options.sort_by_key(|(key, _)| *key);
        options
    }

    /// Appends the message.
    pub fn put(&self, out: &mut Vec<u8>) {
        put_string_multimap(out, &self.options());
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

#[cfg(test)]
mod tests;

//! The SUPPORTED message of a shard.

use crate::cluster::life::member::{IGNORE_MSB, Member};
use crate::cluster::seed::uuid_text;
use crate::like::Like;
use cql::notation::{put_short, put_string, put_string_list};
use cql::response::supported::MURMUR3;

/// The message of SUPPORTED, in the order of the real server. `port` is the shard-aware port,
/// `port_of_tls` the one for clients by TLS, if it is another.
#[must_use]
pub(crate) fn body(
    like: Like,
    member: &Member,
    shard: u16,
    port: u16,
    port_of_tls: Option<u16>,
) -> Vec<u8> {
    let new = like >= Like::V2026_3;
    let host_id = uuid_text(&member.host_id);
    let nr_shards = member.nr_shards().to_string();
    let shard = shard.to_string();
    let msb = IGNORE_MSB.to_string();
    let port = port.to_string();
    let has_port_of_tls = port_of_tls.is_some();
    let port_of_tls = port_of_tls.map(|port| port.to_string()).unwrap_or_default();
    let pairs: [(bool, &str, &[&str]); 15] = [
        (new, "CLIENT_OPTIONS", &[""]),
        (true, "COMPRESSION", &["lz4", "snappy"]),
        (true, "CQL_VERSION", &["3.3.1"]),
        (new, "SCYLLA_HOST_ID", &[&host_id]),
        (true, "SCYLLA_LWT_ADD_METADATA_MARK", &["LWT_OPTIMIZATION_META_BIT_MASK=2147483648"]),
        (true, "SCYLLA_NR_SHARDS", &[&nr_shards]),
        (true, "SCYLLA_PARTITIONER", &[MURMUR3]),
        (true, "SCYLLA_RATE_LIMIT_ERROR", &["ERROR_CODE=61440"]),
        (true, "SCYLLA_SHARD", &[&shard]),
        (true, "SCYLLA_SHARDING_ALGORITHM", &["biased-token-round-robin"]),
        (true, "SCYLLA_SHARDING_IGNORE_MSB", &[&msb]),
        (true, "SCYLLA_SHARD_AWARE_PORT", &[&port]),
        (has_port_of_tls, "SCYLLA_SHARD_AWARE_PORT_SSL", &[&port_of_tls]),
        (new, "SCYLLA_USE_METADATA_ID", &[""]),
        (true, "TABLETS_ROUTING_V1", &[""]),
    ];
    let said: Vec<_> = pairs.into_iter().filter(|(said, ..)| *said).collect();
    let mut out = Vec::new();
    put_short(&mut out, u16::try_from(said.len()).unwrap_or(u16::MAX));
    for (_, key, values) in said {
        put_string(&mut out, key);
        put_string_list(&mut out, values);
    }
    out
}

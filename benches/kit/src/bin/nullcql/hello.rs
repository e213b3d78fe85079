//! What a node says it supports.

use crate::cluster::Cluster;
use shardlane_bench_kit::cql::*;

/// The keys in the order and the spelling of a real node.
pub fn put_supported(c: &Cluster, shard: u32, h: Header, out: &mut Vec<u8>) {
    let mut keys: Vec<(&str, String)> = vec![("CQL_VERSION", "3.3.1".into())];
    if c.shards > 0 {
        let partitioner = "org.apache.cassandra.dht.Murmur3Partitioner";
        let lwt = "LWT_OPTIMIZATION_META_BIT_MASK=2147483648";
        keys.push(("SCYLLA_LWT_ADD_METADATA_MARK", lwt.into()));
        keys.push(("SCYLLA_NR_SHARDS", c.shards.to_string()));
        keys.push(("SCYLLA_PARTITIONER", partitioner.into()));
        keys.push(("SCYLLA_RATE_LIMIT_ERROR", "ERROR_CODE=61440".into()));
        keys.push(("SCYLLA_SHARD", shard.to_string()));
        keys.push(("SCYLLA_SHARDING_ALGORITHM", "biased-token-round-robin".into()));
        keys.push(("SCYLLA_SHARDING_IGNORE_MSB", c.ignore_msb.to_string()));
        if c.shard_port != 0 {
            let key = if c.tls { "SCYLLA_SHARD_AWARE_PORT_SSL" } else { "SCYLLA_SHARD_AWARE_PORT" };
            keys.push((key, c.shard_port.to_string()));
        }
        if c.tablets > 0 {
            keys.push(("TABLETS_ROUTING_V1", String::new()));
        }
    }
    let at = begin_frame(out, h.version | 0x80, 0, h.stream, op::SUPPORTED);
    put_u16(out, keys.len() as u16 + 1);
    put_string(out, "COMPRESSION");
    put_u16(out, 1);
    put_string(out, "lz4");
    for (key, value) in keys {
        put_string(out, key);
        put_u16(out, 1);
        put_string(out, &value);
    }
    end_frame(out, at);
}

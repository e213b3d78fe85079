//! The fake cluster: its nodes, its ring or tablets, and who owns a token.

use crate::cells::host_id;
use shardlane_bench_kit::cql::put_bytes;
use shardlane_bench_kit::cql::put_i32;
use shardlane_bench_kit::cql::put_string;
use shardlane_bench_kit::cql::put_u16;
use shardlane_bench_kit::murmur3;
use shardlane_bench_kit::rng::Rng;
use std::net::Ipv4Addr;
use std::net::SocketAddrV4;

/// What the command line says of the cluster.
pub struct Cluster {
    /// Address of node 0; node i listens on the i-th next IP.
    pub addr: SocketAddrV4,
    pub nodes: usize,
    /// Shards per node; 0 looks like plain Cassandra.
    pub shards: u32,
    /// The shard-aware port; 0: none.
    pub shard_port: u16,
    /// Whether both ports speak TLS alone.
    pub tls: bool,
    pub ignore_msb: u32,
    pub rf: usize,
    /// Tablets of ks.t, all equal; 0: the keyspace has vnodes.
    pub tablets: u64,
    pub dc: String,
    pub rack: String,
    /// Token and node, by token.
    ring: Vec<(i64, usize)>,
}

/// Whether a request reached a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    pub node: bool,
    pub shard: bool,
}

impl Cluster {
    /// Draws `vnodes` tokens for each node; the same ones in each run.
    pub fn with_ring(mut self, vnodes: usize) -> Self {
        for node in 0..self.nodes {
            let mut rng = Rng(0x0070_6b65_6e00 + node as u64);
            self.ring.extend((0..vnodes).map(|_| (rng.bits() as i64, node)));
        }
        self.ring.sort_unstable();
        self
    }

    /// A cluster at `addr` with one plain node, to be filled in.
    pub fn at(addr: SocketAddrV4) -> Self {
        Self {
            addr,
            nodes: 1,
            shards: 0,
            shard_port: 0,
            tls: false,
            ignore_msb: 12,
            rf: 1,
            tablets: 0,
            dc: "datacenter1".into(),
            rack: "rack1".into(),
            ring: vec![],
        }
    }

    /// Shards that a node counts its connections by: at least one.
    pub fn shards_counted(&self) -> usize {
        self.shards.max(1) as usize
    }

    /// The address of a node.
    pub fn ip(&self, node: usize) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(*self.addr.ip()) + node as u32)
    }

    /// The ring tokens of a node, as system tables write them.
    pub fn tokens_of(&self, node: usize) -> Vec<String> {
        self.ring.iter().filter(|(_, n)| *n == node).map(|(t, _)| t.to_string()).collect()
    }

    /// Whether it matters where a request arrives.
    pub fn checks_routing(&self) -> bool {
        self.shards > 0 || self.nodes > 1 || self.tablets > 0
    }

    /// Whether `node` and `shard` hold a replica of `token`.
    pub fn hit(&self, token: i64, node: usize, shard: u32) -> Hit {
        match self.tablets {
            0 => self.ring_hit(token, node, shard),
            count => self.tablet_hit(murmur3::tablet_of(token, count), node, shard),
        }
    }

    fn tablet_hit(&self, tablet: u64, node: usize, shard: u32) -> Hit {
        let replica = (0..self.rf).map(|r| self.tablet_replica(tablet, r)).find(|r| r.0 == node);
        Hit { node: replica.is_some(), shard: replica.is_some_and(|r| r.1 == shard) }
    }

    fn ring_hit(&self, token: i64, node: usize, shard: u32) -> Hit {
        let shard_right =
            self.shards == 0 || murmur3::shard_of(token, self.shards, self.ignore_msb) == shard;
        if self.nodes == 1 {
            return Hit { node: true, shard: shard_right };
        }
        let at = self.ring.partition_point(|(t, _)| *t < token);
        let mut seen: Vec<usize> = Vec::with_capacity(self.rf);
        for i in 0..self.ring.len() {
            let n = self.ring[(at + i) % self.ring.len()].1;
            if n == node {
                return Hit { node: true, shard: shard_right };
            }
            if !seen.contains(&n) {
                seen.push(n);
            }
            if seen.len() >= self.rf {
                break;
            }
        }
        Hit { node: false, shard: false }
    }

    /// The `r`-th replica of a tablet: node and shard, drawn from the tablet's number.
    fn tablet_replica(&self, tablet: u64, r: usize) -> (usize, u32) {
        let h = Rng(tablet ^ 0x7a_b1e7).bits();
        let node = ((h % self.nodes as u64) as usize + r) % self.nodes;
        (node, ((h >> 20) % u64::from(self.shards.max(1))) as u32)
    }

    /// The custom payload that gives a misrouted client the tablet of `token`:
    /// `tablets-routing-v1` is a tuple of first token (exclusive), last token and replicas.
    pub fn tablet_payload(&self, token: i64) -> Vec<u8> {
        let tablet = murmur3::tablet_of(token, self.tablets);
        let (first, last) = tablet_range(tablet, self.tablets);
        let mut replicas = vec![];
        put_i32(&mut replicas, self.rf as i32);
        for (node, shard) in (0..self.rf).map(|r| self.tablet_replica(tablet, r)) {
            put_i32(&mut replicas, 4 + 16 + 4 + 4);
            put_bytes(&mut replicas, Some(&host_id(node)));
            put_bytes(&mut replicas, Some(&shard.to_be_bytes()));
        }
        let mut tuple = vec![];
        put_bytes(&mut tuple, Some(&first.to_be_bytes()));
        put_bytes(&mut tuple, Some(&last.to_be_bytes()));
        put_bytes(&mut tuple, Some(&replicas));
        let mut map = vec![];
        put_u16(&mut map, 1);
        put_string(&mut map, "tablets-routing-v1");
        put_bytes(&mut map, Some(&tuple));
        map
    }
}

/// First (exclusive) and last token of one of `count` equal tablets.
fn tablet_range(tablet: u64, count: u64) -> (i64, i64) {
    // The greatest token of tablet t is the last before t + 1 parts of 2^64.
    let last = |t: u64| {
        let end = ((u128::from(t) + 1) << 64).div_ceil(u128::from(count)) - 1;
        (end as u64 ^ (1 << 63)) as i64
    };
    (tablet.checked_sub(1).map_or(i64::MIN, last), last(tablet))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three_by_eight() -> Cluster {
        let mut c = Cluster::at("127.0.0.1:9042".parse().unwrap());
        (c.nodes, c.shards) = (3, 8);
        c.with_ring(16)
    }

    #[test]
    fn each_token_has_one_replica_on_a_ring_of_rf_1() {
        let c = three_by_eight();
        for token in [i64::MIN + 1, -1, 0, 1, 1_234_567_890_123_456_789, i64::MAX] {
            let hits = (0..3).flat_map(|n| (0..8).map(move |s| (n, s)));
            let right = hits.filter(|(n, s)| c.hit(token, *n, *s).shard).count();
            assert_eq!(right, 1, "token {token}");
        }
    }

    #[test]
    fn tablet_ranges_meet_and_cover_the_ring() {
        for count in [1, 2, 3, 16, 100_000] {
            let mut before = i64::MIN;
            for tablet in 0..count {
                let (first, last) = tablet_range(tablet, count);
                assert_eq!(first, before);
                assert_eq!(murmur3::tablet_of(last, count), tablet);
                assert_eq!(murmur3::tablet_of(first.saturating_add(1), count), tablet);
                before = last;
            }
            assert_eq!(before, i64::MAX);
        }
    }

    #[test]
    fn a_payload_names_the_replica_that_counts_as_a_hit() {
        let mut c = three_by_eight();
        c.tablets = 16;
        let payload = c.tablet_payload(42);
        let hit = |n, s| c.hit(42, n, s).shard;
        let (node, shard) =
            (0..3).flat_map(|n| (0..8).map(move |s| (n, s))).find(|(n, s)| hit(*n, *s)).unwrap();
        assert!(payload.ends_with(&shard.to_be_bytes()));
        assert!(payload.windows(16).any(|w| w == host_id(node)));
    }
}

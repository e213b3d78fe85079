//! Finds the upstream connection of an EXECUTE.

use ahash::AHashMap;
use shardlane_bench_kit::cql::*;
use shardlane_bench_kit::murmur3;

/// Where requests go, by prepared id and token.
pub struct Routes {
    /// Number of the bound value that is the partition key.
    statements: AHashMap<[u8; 16], u16>,
    /// Last tokens of tablets, or the tokens of the ring.
    ends: Vec<i64>,
    /// Node of each ring token; empty over tablets.
    owners: Vec<u32>,
    /// Shards per node; 0 over tablets.
    pub shards: u32,
}

impl Routes {
    /// Tablets that end at these tokens; the n-th goes to the n-th upstream connection, round
    /// and round.
    pub fn over_tablets(mut ends: Vec<i64>) -> Self {
        ends.sort_unstable();
        Self { statements: AHashMap::new(), ends, owners: vec![], shards: 0 }
    }

    /// A ring of tokens and nodes, RF 1.
    pub fn over_ring(mut ring: Vec<(i64, u32)>, shards: u32) -> Self {
        ring.sort_unstable();
        let (ends, owners) = ring.into_iter().unzip();
        Self { statements: AHashMap::new(), ends, owners, shards }
    }

    /// The place of an EXECUTE body; `None` when its key cannot be found.
    #[inline]
    pub fn place(&self, body: &[u8]) -> Option<usize> {
        let mut c = Cur::new(body);
        let id: [u8; 16] = c.short_bytes()?.try_into().ok()?;
        let key = *self.statements.get(&id)?;
        let params = Params::parse(c)?;
        let token = murmur3::token(params.value(usize::from(key))?);
        let at = self.ends.partition_point(|end| *end < token);
        if self.shards == 0 {
            return Some(at);
        }
        let node = self.owners.get(at).or(self.owners.first())?;
        Some((node * self.shards + murmur3::shard_of(token, self.shards, 12)) as usize)
    }

    /// Remembers the partition key of a statement from the answer to its PREPARE.
    pub fn learn(&mut self, opcode: u8, body: &[u8]) -> Option<()> {
        let mut c = Cur::new(body);
        if opcode != op::RESULT || c.i32()? != kind::PREPARED {
            return None;
        }
        let id: [u8; 16] = c.short_bytes()?.try_into().ok()?;
        let (_flags, _columns) = (c.i32()?, c.i32()?);
        if c.i32()? > 0 {
            self.statements.insert(id, c.u16()?);
        }
        Some(())
    }
}

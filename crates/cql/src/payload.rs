//! The custom payload `tablets-routing-v1`: the tablet that a misrouted request hit.
//!
//! Its value is a serialized `tuple<bigint, bigint, list<tuple<uuid, int>>>`: the token range
//! `(first, last]` and its replicas as (host id, shard).

use crate::error::WireError;
use crate::notation::Reader;

/// Key of the payload.
pub const TABLETS_V1: &str = "tablets-routing-v1";
/// A host id and a shard, with the lengths of the tuple and its two parts.
const REPLICA_LEN: usize = 4 + 4 + 16 + 4 + 4;
const BROKEN: WireError = WireError::Payload(TABLETS_V1);

/// A tablet as the server reports it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TabletReport<'a> {
    /// Token before the range: exclusive.
    pub first: i64,
    /// Last token of the range: inclusive.
    pub last: i64,
    replicas: &'a [u8],
}

/// Where a replica of a tablet is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TabletReplica {
    /// Its node.
    pub host_id: [u8; 16],
    /// Its shard of that node, below 2^31.
    pub shard: u32,
}

impl<'a> TabletReport<'a> {
    /// Finds the report in a custom payload's bytes map; `None` when another key is all there is.
    pub fn find(payload: &'a [u8]) -> Result<Option<Self>, WireError> {
        let mut reader = Reader::new(payload);
        for _ in 0..reader.short()? {
            let key = reader.short_bytes()?;
            let value = reader.bytes()?;
            if key == TABLETS_V1.as_bytes() {
                return Self::read(value.ok_or(BROKEN)?).map(Some);
            }
        }
        Ok(None)
    }

    /// Reads the payload's value; every length in it is checked.
    pub fn read(value: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(value);
        let first = long(reader.bytes()?)?;
        let last = long(reader.bytes()?)?;
        let mut list = Reader::new(reader.bytes()?.ok_or(BROKEN)?);
        let count = usize::try_from(list.int()?).map_err(|_| BROKEN)?;
        let replicas = list.rest();
        let right = |replica: &[u8]| {
            matches!(replica, [0, 0, 0, 28, 0, 0, 0, 16, rest @ ..]
                if matches!(rest.get(16..), Some([0, 0, 0, 4, 0..=0x7f, ..])))
        };
        if Some(replicas.len()) != count.checked_mul(REPLICA_LEN)
            || !replicas.chunks_exact(REPLICA_LEN).all(right)
        {
            return Err(BROKEN);
        }
        Ok(Self { first, last, replicas })
    }

    /// The replicas, in the order sent.
    pub fn replicas(&self) -> impl ExactSizeIterator<Item = TabletReplica> {
        self.replicas.chunks_exact(REPLICA_LEN).map(|replica| {
            let host = replica.get(8..24).and_then(|host| host.try_into().ok());
            let shard = replica.get(28..32).and_then(|shard| shard.try_into().ok());
            TabletReplica {
                host_id: host.unwrap_or_default(),
                shard: u32::from_be_bytes(shard.unwrap_or_default()),
            }
        })
    }
}

fn long(bytes: Option<&[u8]>) -> Result<i64, WireError> {
    let bytes = bytes.ok_or(BROKEN)?.try_into().map_err(|_| BROKEN)?;
    Ok(i64::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<_> = hex.chars().filter(|c| !c.is_whitespace()).collect();
        let byte =
            |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    }

    const THREE_REPLICAS: &str = "
        0001 0012 7461626c6574732d726f7574696e672d7631 00000080
        00000008 8000000000000000 00000008 ffffffffffffffff 00000064 00000003
        0000001c 00000010 00000000000000000000000000000001 00000004 00000003
        0000001c 00000010 00000000000000000000000000000002 00000004 00000000
        0000001c 00000010 00000000000000000000000000000003 00000004 00000007";

    #[test]
    fn a_report_names_its_range_and_replicas() {
        let payload = bytes(THREE_REPLICAS);
        let report = TabletReport::find(&payload).unwrap().unwrap();

        assert_eq!((report.first, report.last), (i64::MIN, -1));
        let shards: Vec<_> = report.replicas().map(|it| (it.host_id[15], it.shard)).collect();
        assert_eq!(shards, [(1, 3), (2, 0), (3, 7)]);
    }

    #[test]
    fn a_report_that_is_cut_anywhere_is_refused() {
        let payload = bytes(THREE_REPLICAS);
        for len in 0..payload.len() {
            assert!(TabletReport::find(&payload[..len]).is_err(), "cut at {len}");
        }
    }

    #[test]
    fn a_payload_of_another_key_is_no_report() {
        assert_eq!(TabletReport::find(&bytes("0001 0001 6b 00000001 76")), Ok(None));
    }
}

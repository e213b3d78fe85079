//! What a node offers in SUPPORTED: its shards, and the extensions that we take.

use crate::net::dial_error::{DialError, Step};
use crate::token::shard::{ShardId, Sharder};
use crate::topology::id::HostId;
use crate::wire::error::WireError;
use crate::wire::notation::Reader;

/// Says that answers of tablet tables may carry a tablet.
pub const TABLETS_V1: &str = "TABLETS_ROUTING_V1";
/// Says that a bit of Prepared marks light-weight transactions.
pub const LWT_MARK: &str = "SCYLLA_LWT_ADD_METADATA_MARK";

const LWT_MASK: &str = "LWT_OPTIMIZATION_META_BIT_MASK=";
const ALGORITHM: &str = "biased-token-round-robin";

/// The extensions negotiated on a lane. Their traces are taken out of what clients get.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Extensions {
    /// `TABLETS_ROUTING_V1`: a custom payload names the tablet when a request missed its shard.
    pub tablets_v1: bool,
    /// `SCYLLA_LWT_ADD_METADATA_MARK`: the bits of Prepared's bind metadata flags that mark a
    /// light-weight transaction; 0 when not offered.
    pub lwt_mask: u32,
}

/// A SUPPORTED message, as far as it matters for dialling.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Offer {
    /// The shard of this connection, and how the node divides its data. None on a node without
    /// shards, and on one that keeps them to itself (`enable_shard_aware_drivers: false`).
    pub sharding: Option<(ShardId, Sharder)>,
    /// Port that leads to the shard of the source port. Absent when not set in the node's
    /// configuration, although it then usually listens on 19042.
    pub shard_aware_port: Option<u16>,
    /// The same under TLS.
    pub shard_aware_port_tls: Option<u16>,
    /// What we would negotiate.
    pub extensions: Extensions,
    /// The node's id; told since 2026.3.
    pub host: Option<HostId>,
    /// Every key and its values, in the order sent.
    pub options: Vec<(String, Vec<String>)>,
}

impl Offer {
    /// Reads the message of a SUPPORTED.
    pub fn read(message: &[u8]) -> Result<Self, DialError> {
        let malformed = |source: WireError| DialError::Malformed { step: Step::Options, source };
        let pairs = Reader::new(message).string_multimap().map_err(malformed)?;
        let owned = |(key, values): (&str, Vec<&str>)| {
            (key.to_owned(), values.into_iter().map(str::to_owned).collect())
        };
        let mut offer = Self { options: pairs.into_iter().map(owned).collect(), ..Self::default() };
        offer.sharding = offer.read_sharding()?;
        offer.shard_aware_port = offer.number("SCYLLA_SHARD_AWARE_PORT");
        offer.shard_aware_port_tls = offer.number("SCYLLA_SHARD_AWARE_PORT_SSL");
        offer.host = offer.first("SCYLLA_HOST_ID").and_then(host_id);
        let mask = offer.first(LWT_MARK).and_then(|value| value.strip_prefix(LWT_MASK));
        offer.extensions = Extensions {
            tablets_v1: offer.first(TABLETS_V1).is_some(),
            lwt_mask: mask.and_then(|mask| mask.parse().ok()).unwrap_or(0),
        };
        Ok(offer)
    }

    /// The first value of `key`; empty when there is the key alone.
    #[must_use]
    pub fn first(&self, key: &str) -> Option<&str> {
        let (_, values) = self.options.iter().find(|(name, _)| name == key)?;
        Some(values.first().map_or("", String::as_str))
    }

    fn number<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.first(key)?.parse().ok()
    }

    /// Shards only if every key about them is there and the algorithm is known; else none.
    fn read_sharding(&self) -> Result<Option<(ShardId, Sharder)>, DialError> {
        if self.first("SCYLLA_SHARDING_ALGORITHM") != Some(ALGORITHM) {
            return Ok(None);
        }
        let shard = self.number("SCYLLA_SHARD").map(ShardId);
        let nr_shards = self.number::<u16>("SCYLLA_NR_SHARDS");
        let ignore_msb = self.number::<u8>("SCYLLA_SHARDING_IGNORE_MSB");
        let (Some(shard), Some(nr_shards), Some(ignore_msb)) = (shard, nr_shards, ignore_msb)
        else {
            return Ok(None);
        };
        let sharder = Sharder::new(nr_shards, ignore_msb).map_err(DialError::Sharding)?;
        if shard.0 >= nr_shards {
            return Err(DialError::ShardNumber { shard, nr_shards });
        }
        Ok(Some((shard, sharder)))
    }
}

fn host_id(text: &str) -> Option<HostId> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let number = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32)?;
    Some(HostId(number.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::notation::{put_short, put_string, put_string_list};

    const SHARDED: &[(&str, &str)] = &[
        ("SCYLLA_NR_SHARDS", "4"),
        ("SCYLLA_SHARD", "3"),
        ("SCYLLA_SHARDING_ALGORITHM", ALGORITHM),
        ("SCYLLA_SHARDING_IGNORE_MSB", "12"),
        ("SCYLLA_SHARD_AWARE_PORT", "19042"),
        ("SCYLLA_LWT_ADD_METADATA_MARK", "LWT_OPTIMIZATION_META_BIT_MASK=2147483648"),
        ("TABLETS_ROUTING_V1", ""),
        ("SCYLLA_HOST_ID", "c595b9e7-89f4-410d-8fa1-1f6b57ca04bb"),
    ];

    #[test]
    fn a_sharded_node_offers_shards_and_extensions() {
        let offer = Offer::read(&message(SHARDED)).unwrap();
        let sharder = Sharder::new(4, 12).unwrap();
        assert_eq!(offer.sharding, Some((ShardId(3), sharder)));
        assert_eq!(offer.shard_aware_port, Some(19_042));
        assert_eq!(offer.extensions, Extensions { tablets_v1: true, lwt_mask: 1 << 31 });
        let host = offer.host.unwrap().to_string();
        assert_eq!(host, "c595b9e7-89f4-410d-8fa1-1f6b57ca04bb");
    }

    #[test]
    fn a_node_that_misses_any_sharding_key_has_no_shards() {
        for left_out in 0..4 {
            let mut pairs = SHARDED.to_vec();
            pairs.remove(left_out);
            assert_eq!(Offer::read(&message(&pairs)).unwrap().sharding, None);
        }
    }

    #[test]
    fn impossible_shards_are_refused() {
        let with = |at: usize, value| {
            let mut pairs = SHARDED.to_vec();
            pairs[at].1 = value;
            Offer::read(&message(&pairs))
        };
        assert!(matches!(with(0, "0"), Err(DialError::Sharding(_))));
        assert!(matches!(with(1, "4"), Err(DialError::ShardNumber { .. })));
        assert!(matches!(with(3, "64"), Err(DialError::Sharding(_))));
    }

    #[test]
    fn a_cut_message_is_malformed() {
        let whole = message(SHARDED);
        for len in 0..whole.len() {
            let answer = Offer::read(&whole[..len]);
            assert!(matches!(answer, Err(DialError::Malformed { .. })), "{len}: {answer:?}");
        }
    }

    fn message(pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        put_short(&mut out, u16::try_from(pairs.len()).unwrap());
        for (key, value) in pairs {
            put_string(&mut out, key);
            put_string_list(&mut out, &[value]);
        }
        out
    }
}

//! How the key of a table becomes a token: Murmur3, but for CDC logs.

use crate::token::murmur3;
use crate::token::token::Token;

/// A table's way from key to token (`system_schema.scylla_tables.partitioner`, null = Murmur3).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Partitioner {
    /// `org.apache.cassandra.dht.Murmur3Partitioner`: nearly every table.
    #[default]
    Murmur3,
    /// `com.scylladb.dht.CDCPartitioner`: the key of a CDC log begins with its token.
    Cdc,
}

/// Bytes of a CDC stream id, of which the first eight are the token.
const STREAM_ID_LEN: usize = 16;

impl Partitioner {
    /// Finds the partitioner of a class name, with or without its package. `None` for an unknown
    /// one: then nothing can be said about where the rows of its table lie.
    #[must_use]
    pub fn from_class(name: &str) -> Option<Self> {
        match name.rsplit('.').next() {
            Some("Murmur3Partitioner") => Some(Self::Murmur3),
            Some("CDCPartitioner") => Some(Self::Cdc),
            Some(_) | None => None,
        }
    }

    /// Computes the token of a serialized partition key.
    #[inline]
    #[must_use]
    pub fn token(self, key: &[u8]) -> Token {
        match self {
            Self::Murmur3 => Token::new(murmur3::hash::<true>(key)),
            Self::Cdc => match key.first_chunk::<8>() {
                Some(token) if key.len() == STREAM_ID_LEN => Token::new(i64::from_be_bytes(*token)),
                Some(_) | None => Token::MINIMUM,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_id_begins_with_its_token() {
        let mut key = [0xaa_u8; 16];
        key[..8].copy_from_slice(&0x8000_0000_0000_0001_u64.to_be_bytes());
        assert_eq!(Partitioner::Cdc.token(&key), Token::FIRST);

        key[..8].copy_from_slice(&i64::MIN.to_be_bytes());
        assert_eq!(Partitioner::Cdc.token(&key), Token::LAST);
    }

    #[test]
    fn a_stream_id_of_another_length_is_before_every_token() {
        for len in [0, 7, 8, 15, 17] {
            assert_eq!(Partitioner::Cdc.token(&vec![1; len]), Token::MINIMUM, "{len}");
        }
    }

    #[test]
    fn class_names_are_known_with_and_without_their_package() {
        let of = Partitioner::from_class;
        assert_eq!(of("org.apache.cassandra.dht.Murmur3Partitioner"), Some(Partitioner::Murmur3));
        assert_eq!(of("com.scylladb.dht.CDCPartitioner"), Some(Partitioner::Cdc));
        assert_eq!(of("CDCPartitioner"), Some(Partitioner::Cdc));
        assert_eq!(of("com.scylladb.dht.FixedShardPartitioner"), None);
        assert_eq!(of(""), None);
    }
}

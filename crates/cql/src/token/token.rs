//! A token: where on the ring a partition lies.

/// A hash of a partition key, `i64::MIN + 1 ..= i64::MAX` for every key that a table can hold.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Token(i64);

impl Token {
    /// The open left end of the ring, before every token. No Murmur3 key hashes to it; only a
    /// malformed key of a CDC log does.
    pub const MINIMUM: Self = Self(i64::MIN);
    /// The first token that a key may have.
    pub const FIRST: Self = Self(i64::MIN + 1);
    /// The last token that a key may have.
    pub const LAST: Self = Self(i64::MAX);

    /// Takes a hash for a token. `i64::MIN` is reserved by the server for the ring's left end, so
    /// it turns the one hash that would meet it into `i64::MAX`.
    #[inline]
    #[must_use]
    pub const fn new(raw: i64) -> Self {
        if raw == i64::MIN { Self::LAST } else { Self(raw) }
    }

    /// The number itself.
    #[inline]
    #[must_use]
    pub const fn value(self) -> i64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_hash_becomes_the_largest_token() {
        assert_eq!(Token::new(i64::MIN), Token::LAST);
        assert_eq!(Token::new(i64::MIN + 1), Token::FIRST);
        assert_eq!(Token::new(-1).value(), -1);
        assert!(Token::MINIMUM < Token::FIRST);
    }
}

//! What a client proves itself with: bytes that are read, shown and kept nowhere else.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// The token of an AUTH_RESPONSE. Its bytes are overwritten when the last copy is dropped, and
/// nothing prints them.
#[derive(Clone, Eq, PartialEq)]
pub struct SaslToken(Arc<Zeroizing<Box<[u8]>>>);

impl SaslToken {
    /// Keeps `bytes`.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(Arc::new(Zeroizing::new(bytes.into())))
    }

    /// The bytes, for the one place that sends them.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is a whole SASL PLAIN message (RFC 4616): an identity to act as, a name and a
    /// password between NULs. The same message proves the same user again on every connection;
    /// of other tokens that is not known.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.user().is_some()
    }

    /// The user of a SASL PLAIN message, to be named in logs; `None` of any other, whose
    /// secret may be any part of it.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        let mut parts = str::from_utf8(&self.0).ok()?.split('\0');
        let (_, user, _) = (parts.next(), parts.next()?, parts.next()?);
        (!user.is_empty() && parts.next().is_none()).then_some(user)
    }
}

impl fmt::Debug for SaslToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_shown() {
        assert_eq!(format!("{:?}", SaslToken::new(b"\0bob\0hunter2")), "***");
    }

    #[test]
    fn only_a_name_and_a_password_between_nuls_are_plain() {
        for plain in [&b"\0bob\0pw"[..], b"admin\0bob\0pw", b"\0bob\0"] {
            assert!(SaslToken::new(plain).is_plain(), "{plain:?}");
            assert_eq!(SaslToken::new(plain).user(), Some("bob"), "{plain:?}");
        }
        for other in
            [&b""[..], b"PLAIN", b"\0bob", b"bob\0pw", b"\0\0pw", b"\0b\0p\0", b"\0\xff\0p"]
        {
            assert!(!SaslToken::new(other).is_plain(), "{other:?}");
        }
    }
}

//! What a lane proves its rights with.

use std::fmt;

/// A SASL PLAIN token. It is shown by nothing: neither `Debug` nor an error prints it.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Credential {
    token: Box<[u8]>,
}

impl Credential {
    /// Keeps the token of a client's AUTH_RESPONSE as it was sent.
    #[must_use]
    pub fn from_token(token: &[u8]) -> Self {
        Self { token: token.into() }
    }

    /// Makes the token of a user: no authorization id, user and password, each after a NUL.
    #[must_use]
    pub fn plain(user: &str, password: &str) -> Self {
        let token = [&[0], user.as_bytes(), &[0], password.as_bytes()].concat();
        Self { token: token.into() }
    }

    /// The bytes of the AUTH_RESPONSE.
    #[must_use]
    pub fn token(&self) -> &[u8] {
        &self.token
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_not_shown() {
        let shown = format!("{:?}", Credential::plain("cassandra", "hunter2"));
        assert!(!shown.contains("hunter2") && !shown.contains("cassandra"), "{shown}");
    }

    #[test]
    fn a_plain_token_has_no_authorization_id() {
        assert_eq!(Credential::plain("u", "pw").token(), b"\0u\0pw");
    }
}

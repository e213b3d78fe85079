//! What a lane proves its rights with.

use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::ptr;
use std::sync::PoisonError;
use std::sync::RwLock;

use zeroize::Zeroizing;

use crate::session::sasl::SaslToken;

/// An answer to a node's challenge that is still to come; `None` when no answer will.
pub type ChallengeAnswer<'a> = Pin<Box<dyn Future<Output = Option<SaslToken>> + Send + 'a>>;

/// Answers the challenge of a node that wants more than one token.
pub trait Challenge: Send + Sync {
    /// Asks for the answer to `challenge`.
    fn answer<'a>(&'a self, challenge: &'a [u8]) -> ChallengeAnswer<'a>;
}

/// Whose rights lanes have. Its token may be another one tomorrow, so two are the same only if
/// they are one object. It is shown by nothing: neither `Debug` nor an error prints it.
pub struct Credential {
    token: RwLock<SaslToken>,
    /// Answers when a node sends a challenge; absent for lanes that are opened after the login.
    challenge: Option<Box<dyn Challenge>>,
}

impl Credential {
    /// Keeps the token of a client's AUTH_RESPONSE as it was sent.
    #[must_use]
    pub fn from_token(token: SaslToken) -> Self {
        Self { token: RwLock::new(token), challenge: None }
    }

    /// The token of a client that is connected and can answer a node's challenge.
    #[must_use]
    pub fn with_challenge(token: SaslToken, challenge: Box<dyn Challenge>) -> Self {
        Self { token: RwLock::new(token), challenge: Some(challenge) }
    }

    /// Makes the token of a user: no authorization id, user and password, each after a NUL.
    #[must_use]
    pub fn plain(user: &str, password: &str) -> Self {
        Self::from_token(plain_token(user, password))
    }

    /// What the next AUTH_RESPONSE says.
    #[must_use]
    pub fn token(&self) -> SaslToken {
        self.token.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes another token: connections opened from now on prove themselves with it.
    pub fn replace(&self, token: SaslToken) {
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = token;
    }

    /// The answer to a node's challenge; `None` when there is no client to ask.
    pub async fn answer(&self, challenge: &[u8]) -> Option<SaslToken> {
        self.challenge.as_ref()?.answer(challenge).await
    }
}

/// The token of a user: no authorization id, user and password, each after a NUL.
#[must_use]
pub fn plain_token(user: &str, password: &str) -> SaslToken {
    let bytes = Zeroizing::new([&[0], user.as_bytes(), &[0], password.as_bytes()].concat());
    SaslToken::new(&bytes)
}

impl PartialEq for Credential {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self, other)
    }
}

impl Eq for Credential {}

impl Hash for Credential {
    fn hash<H: Hasher>(&self, state: &mut H) {
        ptr::from_ref(self).hash(state);
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(***)")
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
        assert_eq!(Credential::plain("u", "pw").token().reveal(), b"\0u\0pw");
    }

    #[test]
    fn credentials_are_the_same_only_if_they_are_one() {
        let (one, other) = (Credential::plain("u", "pw"), Credential::plain("u", "pw"));
        assert_ne!(one, other);
        one.replace(plain_token("u", "new"));
        assert_eq!(one, one);
        assert_eq!(one.token().reveal(), b"\0u\0new");
    }
}

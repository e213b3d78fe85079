//! Every credential that has lanes, in the whole process.

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::Weak;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::pool::credential::Credential;
use crate::session::sasl::SaslToken;

/// The credentials in use. It keeps none alive: when the last lanes of one are closed, its token
/// is gone from memory.
#[derive(Debug)]
pub struct CredentialBook {
    max: AtomicUsize,
    credentials: RwLock<Vec<Weak<Credential>>>,
}

impl CredentialBook {
    /// A book with room for `max` credentials.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max: AtomicUsize::new(max), credentials: RwLock::default() }
    }

    /// How many credentials have room.
    #[must_use]
    pub fn max(&self) -> usize {
        self.max.load(Ordering::Relaxed)
    }

    /// Has room for `max` credentials from now on; those that are in use stay.
    pub fn set_max(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    /// The credential with this token, which the cluster has just taken; a new one if it is new.
    /// `None` when the book is full.
    #[must_use]
    pub fn admit(&self, token: &SaslToken) -> Option<Arc<Credential>> {
        let mut credentials = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
        credentials.retain(|credential| credential.strong_count() > 0);
        let mut live = credentials.iter().filter_map(Weak::upgrade);
        if let Some(known) = live.find(|known| known.token() == *token) {
            return Some(known);
        }
        if credentials.len() >= self.max() {
            return None;
        }
        let credential = Arc::new(Credential::from_token(token.clone()));
        credentials.push(Arc::downgrade(&credential));
        Some(credential)
    }

    /// Lends one credential to the connection that watches the cluster: another each `turn`, for
    /// the cluster may take one no longer. `None` while no client is logged in.
    #[must_use]
    pub fn lend(&self, turn: usize) -> Option<Arc<Credential>> {
        let credentials = self.credentials.read().unwrap_or_else(PoisonError::into_inner);
        let live: Vec<_> = credentials.iter().filter_map(Weak::upgrade).collect();
        live.get(turn.checked_rem(live.len())?).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_is_one_credential_until_nobody_uses_it() {
        let book = CredentialBook::new(2);
        let (bob, ann) = (SaslToken::new(b"\0bob\0pw"), SaslToken::new(b"\0ann\0pw"));
        assert!(book.lend(0).is_none());
        let first = book.admit(&bob).unwrap();
        assert_eq!(first, book.admit(&bob).unwrap());
        let second = book.admit(&ann).unwrap();
        assert_ne!(first, second);
        assert!(book.admit(&SaslToken::new(b"\0eve\0pw")).is_none(), "the book is full");
        assert_ne!(book.lend(0), book.lend(1));

        drop(first);
        assert_eq!(book.lend(1), Some(second));
        assert!(book.admit(&SaslToken::new(b"\0eve\0pw")).is_some(), "bob's place is free");
    }
}

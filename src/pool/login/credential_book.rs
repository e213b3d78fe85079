//! Every credential that has lanes, in the whole process.

use std::fmt;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::Weak;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::engine::limits::KEYS;
use crate::pool::login::credential::Credential;
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
    ///
    /// A role may have fewer credentials than places are left free (by authorization ids one password
    /// makes any number of them): alone at most half of the places, and the more roles there are the
    /// less each, so that a role that has none finds a place.
    ///
    /// # Errors
    /// Says whose places are taken.
    pub fn admit(&self, token: &SaslToken) -> Result<Arc<Credential>, NoPlace> {
        let mut credentials = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
        credentials.retain(|credential| credential.strong_count() > 0);
        let (max, mut of_role) = (self.max(), 0);
        for known in credentials.iter().filter_map(Weak::upgrade) {
            let known_token = known.token();
            if known_token == *token {
                return Ok(known);
            }
            of_role += usize::from(known_token.user() == token.user());
        }
        let free = max.saturating_sub(credentials.len());
        if free == 0 {
            return Err(NoPlace::Full { max });
        }
        if of_role >= free {
            return Err(NoPlace::OfRole { of_role, free, max });
        }
        let credential = Arc::new(Credential::from_token(token.clone()));
        credentials.push(Arc::downgrade(&credential));
        Ok(credential)
    }

    /// Whether the cluster took this token and it has lanes.
    #[must_use]
    pub fn has(&self, token: &SaslToken) -> bool {
        let credentials = self.credentials.read().unwrap_or_else(PoisonError::into_inner);
        credentials.iter().filter_map(Weak::upgrade).any(|known| known.token() == *token)
    }

    /// Lends one credential to the connection that watches the cluster: another each `turn`,
    /// since the cluster may have withdrawn one. `None` while no client is logged in.
    #[must_use]
    pub fn lend(&self, turn: usize) -> Option<Arc<Credential>> {
        let credentials = self.credentials.read().unwrap_or_else(PoisonError::into_inner);
        let live: Vec<_> = credentials.iter().filter_map(Weak::upgrade).collect();
        live.get(turn.checked_rem(live.len())?).cloned()
    }
}

/// Why a credential gets no lanes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoPlace {
    /// All places are taken.
    Full {
        /// How many there are.
        max: usize,
    },
    /// The role has its share of them.
    OfRole {
        /// How many it has.
        of_role: usize,
        /// How many are left to other roles.
        free: usize,
        /// How many there are.
        max: usize,
    },
}

impl fmt::Display for NoPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = KEYS.credentials_max;
        match self {
            Self::Full { max } => {
                write!(f, "shardlane has connections for {max} credentials, which is {key}")
            }
            Self::OfRole { of_role, free, max } => write!(
                f,
                "shardlane has connections for {of_role} credentials of this role, and leaves the other \
                 {free} of {max} to other roles; the whole is {key}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_is_one_credential_as_long_as_it_is_used() {
        let book = CredentialBook::new(2);
        let full = NoPlace::Full { max: 2 };
        let (bob, ann) = (SaslToken::new(b"\0bob\0pw"), SaslToken::new(b"\0ann\0pw"));
        assert!(book.lend(0).is_none());
        let first = book.admit(&bob).unwrap();
        assert_eq!(first, book.admit(&bob).unwrap());
        let second = book.admit(&ann).unwrap();
        assert_ne!(first, second);
        assert_eq!(book.admit(&SaslToken::new(b"\0eve\0pw")), Err(full));
        assert_ne!(book.lend(0), book.lend(1));

        drop(first);
        assert_eq!(book.lend(1), Some(second));
        assert!(book.admit(&SaslToken::new(b"\0eve\0pw")).is_ok(), "bob's place is free");
    }

    #[test]
    fn one_role_leaves_places_to_others_however_many_ids_it_acts_as() {
        let book = CredentialBook::new(8);
        let acting = |role: &str, id: usize| {
            book.admit(&SaslToken::new(format!("id{id}\0{role}\0pw").as_bytes()))
        };
        let mut kept: Vec<_> = (0..4).map(|id| acting("bob", id).unwrap()).collect();
        let refused = NoPlace::OfRole { of_role: 4, free: 4, max: 8 };
        assert_eq!((4..100).map(|id| acting("bob", id)).find(|end| *end != Err(refused)), None);
        assert_eq!(acting("bob", 0).as_ref(), Ok(&kept[0]), "it is in use");
        kept.extend((0..2).map(|id| acting("ann", id).unwrap()));
        assert_eq!(acting("ann", 2), Err(NoPlace::OfRole { of_role: 2, free: 2, max: 8 }));
        kept.push(acting("eve", 0).unwrap());
        kept.push(acting("joe", 0).unwrap());
        assert_eq!(acting("sue", 0), Err(NoPlace::Full { max: 8 }));
        kept.remove(0);
        assert!(acting("sue", 0).is_ok());
    }
}

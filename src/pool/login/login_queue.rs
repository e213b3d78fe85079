//! Logins that wait for their turn: those of credentials that have lanes come first, by turns of their
//! roles, and all others by turns of their clients' addresses, then of the roles that they name.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::ops::Bound;

use crate::engine::client::ClientKey;
use crate::session::sasl::SaslToken;

/// Where a login comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LoginOrigin {
    /// The cluster took this token before, and it has lanes.
    Known,
    /// The cluster has not taken it; the address of its client, `None` for a Unix socket.
    Unverified(Option<IpAddr>),
}

/// The places that unverified logins may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum UnverifiedPlaces {
    /// All are taken.
    Taken,
    /// Some are taken.
    Some,
    /// None is taken.
    Free,
}

/// A login that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    /// What the clients sent.
    pub(super) token: SaslToken,
    /// Those that sent it; never none.
    pub(super) clients: Vec<ClientKey>,
    /// Where the first of them comes from.
    pub(super) origin: LoginOrigin,
}

/// Shares that have one turn after another, in the order of their keys.
#[derive(Debug)]
struct Turns<K, V> {
    shares: BTreeMap<K, V>,
    /// Whose turn was the last one.
    last: Option<K>,
}

impl<K: Ord, V> Default for Turns<K, V> {
    fn default() -> Self {
        Self { shares: BTreeMap::new(), last: None }
    }
}

impl<K: Ord + Clone, V> Turns<K, V> {
    /// Takes from the share whose turn it is. `take` says as well whether the share is empty then.
    fn next<T>(&mut self, take: impl FnOnce(&mut V) -> (Option<T>, bool)) -> Option<T> {
        let after = self.last.take().map_or(Bound::Unbounded, Bound::Excluded);
        let key = self.shares.range((after, Bound::Unbounded)).next();
        let key = key.or_else(|| self.shares.first_key_value())?.0.clone();
        let (taken, is_empty) = take(self.shares.get_mut(&key)?);
        if is_empty {
            self.shares.remove(&key);
        }
        self.last = Some(key);
        taken
    }
}

/// Logins by the role that they name; `None` where a token names none.
type Roles = Turns<Option<Box<str>>, VecDeque<Waiting>>;

impl Roles {
    fn push(&mut self, login: Waiting) {
        let role = login.token.user().map(Box::from);
        self.shares.entry(role).or_default().push_back(login);
    }

    /// The next login of the role whose turn it is.
    fn pop(&mut self) -> Option<Waiting> {
        self.next(|logins| (logins.pop_front(), logins.is_empty()))
    }

    fn is_empty(&self) -> bool {
        self.shares.is_empty()
    }

    /// Keeps the logins that `stays` says of.
    fn retain(&mut self, mut stays: impl FnMut(&mut Waiting) -> bool) {
        self.shares.retain(|_, logins| {
            logins.retain_mut(&mut stays);
            !logins.is_empty()
        });
    }
}

/// The logins that wait. Their tokens count in the memory of the process.
#[derive(Debug, Default)]
pub(super) struct LoginQueue {
    known: Roles,
    unverified: Turns<Option<IpAddr>, Roles>,
    /// Whether the last login that was taken was a known one.
    was_known: bool,
}

impl LoginQueue {
    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty() && !self.has_unverified()
    }

    /// Whether one waits whose token the cluster has not taken yet.
    pub(super) fn has_unverified(&self) -> bool {
        !self.unverified.shares.is_empty()
    }

    /// The login with this token, if one waits.
    pub(super) fn same(&mut self, token: &SaslToken) -> Option<&mut Waiting> {
        let role = token.user().map(Box::from);
        let unverified = self.unverified.shares.values_mut();
        let all = std::iter::once(&mut self.known).chain(unverified);
        let of_role = all.filter_map(|roles| roles.shares.get_mut(&role)).flatten();
        of_role.into_iter().find(|login| login.token == *token)
    }

    /// Adds a login.
    pub(super) fn push(&mut self, login: Waiting) {
        match login.origin {
            LoginOrigin::Known => self.known.push(login),
            LoginOrigin::Unverified(address) => {
                self.unverified.shares.entry(address).or_default().push(login);
            }
        }
    }

    /// The next login; of unverified logins only where they have a place. While none of them has one, they take
    /// turns with the others: a known client that comes again and again keeps no new one out.
    pub(super) fn next(&mut self, places: UnverifiedPlaces) -> Option<Waiting> {
        let is_unverified_turn =
            places == UnverifiedPlaces::Free && self.was_known && self.has_unverified();
        if !is_unverified_turn && let Some(login) = self.known.pop() {
            self.was_known = true;
            return Some(login);
        }
        if places == UnverifiedPlaces::Taken {
            return None;
        }
        self.was_known = false;
        self.unverified.next(|roles| (roles.pop(), roles.is_empty()))
    }

    /// Forgets a client, and its login if no other client waits for it.
    pub(super) fn forget(&mut self, client: ClientKey) {
        let mut waits = |login: &mut Waiting| {
            login.clients.retain(|known| *known != client);
            !login.clients.is_empty()
        };
        self.known.retain(&mut waits);
        self.unverified.shares.retain(|_, roles| {
            roles.retain(&mut waits);
            !roles.is_empty()
        });
    }
}

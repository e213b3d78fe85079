//! Which lanes may stand in for each other: those of one credential and keyspace are a *set*.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::LazyLock;

use crate::engine::client::ClientKey;
use crate::engine::pending::LaneKey;
use crate::topology::id::NodeId;
use crate::upstream::fleet::Fleet;
use crate::upstream::lane::{LaneRoute, SetId};

/// Numbers that sets may have, those that are gone included.
const NUMBERS_MAX: usize = 4096;

/// The lanes of every credential and keyspace in use, and those of none.
#[derive(Debug)]
pub struct Sets {
    pub(super) sets: Vec<Set>,
    /// Numbers that stand for nothing any more, the one that is gone for longest first.
    pub(super) gone: VecDeque<SetId>,
}

#[derive(Debug)]
pub(super) struct Set {
    pub(super) keyspace: Option<Arc<str>>,
    /// The plain lanes with the same rights, which are their own home.
    pub(super) home: SetId,
    /// One client's own connection, with its keyspace.
    pub(super) dedicated: bool,
    /// Clients that have logged in, and wait for the first lane.
    pub(super) arrivals: Vec<ClientKey>,
    pub(super) fleet: Fleet<LaneKey>,
    /// `USE` requests that wait for the first lane.
    pub(super) waiting: Vec<Waiting>,
    /// Since when no client uses it, as far as was looked.
    pub(super) idle_since_us: Option<u64>,
    /// Set once the keyspace turned out not to exist, the credential is no longer taken, or nobody
    /// used it while others wanted room.
    pub(super) gone: bool,
}

/// A `USE` that waits for a lane.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) client: ClientKey,
    pub(super) frame: Vec<u8>,
    pub(super) since_us: u64,
}

impl Set {
    pub(super) fn new(home: SetId, keyspace: Option<Arc<str>>) -> Self {
        Self {
            keyspace,
            home,
            dedicated: false,
            arrivals: Vec::new(),
            fleet: Fleet::default(),
            waiting: Vec::new(),
            idle_since_us: None,
            gone: false,
        }
    }
}

impl Default for Sets {
    fn default() -> Self {
        Self { sets: vec![Set::new(SetId::PLAIN, None)], gone: VecDeque::new() }
    }
}

impl Sets {
    /// The lanes of a set.
    #[inline]
    pub(super) fn fleet(&self, set: SetId) -> &Fleet<LaneKey> {
        static NONE: LazyLock<Fleet<LaneKey>> = LazyLock::new(Fleet::default);
        self.sets.get(usize::from(set.0)).map_or(&*NONE, |set| &set.fleet)
    }

    /// The keyspace of a set; `None` for the plain lanes.
    pub(super) fn keyspace(&self, set: SetId) -> Option<Arc<str>> {
        self.sets.get(usize::from(set.0))?.keyspace.clone()
    }

    /// The set of a keyspace with the rights of `home`; the plain lanes for none.
    pub(super) fn of_keyspace(&self, home: SetId, keyspace: Option<&str>) -> Option<SetId> {
        let numbered = self.sets.iter().zip(0u16..);
        let mut found = numbered.filter(|(set, _)| {
            !set.gone && set.home == home && set.keyspace.as_deref() == keyspace
        });
        found.next().map(|(_, number)| SetId(number))
    }

    /// The plain lanes with the rights of a set.
    pub(super) fn home(&self, set: SetId) -> SetId {
        self.sets.get(usize::from(set.0)).map_or(SetId::NOWHERE, |set| set.home)
    }

    /// Whether a set is one client's own connection.
    #[inline]
    pub(super) fn is_dedicated(&self, set: SetId) -> bool {
        self.sets.get(usize::from(set.0)).is_some_and(|set| set.dedicated)
    }

    /// Whether a set is there and nobody has given it up.
    pub(super) fn is_open(&self, set: SetId) -> bool {
        self.sets.get(usize::from(set.0)).is_some_and(|set| !set.gone)
    }

    /// Clients that wait for the first lane of a home; `None` when the home is gone.
    pub(super) fn arrivals(&mut self, home: SetId) -> Option<&mut Vec<ClientKey>> {
        self.get_mut(home).filter(|set| !set.gone).map(|set| &mut set.arrivals)
    }

    /// Makes room for the lanes of a new credential, or for one client's own connection.
    pub(super) fn add_home(&mut self, dedicated: bool) -> Option<SetId> {
        let number = self.add(Set { dedicated, ..Set::new(SetId::NOWHERE, None) })?;
        if let Some(set) = self.get_mut(number) {
            set.home = number;
        }
        Some(number)
    }

    /// The keyspace of one client's own connection.
    pub(super) fn set_keyspace(&mut self, set: SetId, keyspace: &str) {
        if let Some(set) = self.get_mut(set).filter(|set| set.dedicated) {
            set.keyspace = Some(keyspace.into());
        }
    }

    /// Sets that are in use, with what they are home to: the numbers of `home`'s own.
    pub(super) fn of_home(&self, home: SetId) -> Vec<SetId> {
        let numbered = self.sets.iter().zip(0u16..);
        let own = numbered.filter(|(set, _)| !set.gone && set.home == home);
        own.map(|(_, number)| SetId(number)).collect()
    }

    /// The homes that have lanes.
    pub(super) fn homes(&self) -> Vec<SetId> {
        let numbered = self.sets.iter().zip(0u16..).map(|(set, number)| (set, SetId(number)));
        let homes = numbered.filter(|(set, number)| !set.gone && set.home == *number);
        homes.map(|(_, number)| number).collect()
    }

    /// Whether any set of this keyspace, whoever's, has a lane to `node`.
    pub(super) fn reaches(&self, node: NodeId, keyspace: Option<&str>) -> bool {
        let of_keyspace = |set: &&Set| set.keyspace.as_deref() == keyspace;
        let mut sets = self.sets.iter().filter(of_keyspace);
        sets.any(|set| set.fleet.lanes_of(node).next().is_some())
    }

    pub(super) fn remove_lane(&mut self, route: LaneRoute, lane: LaneKey) {
        if let Some(set) = self.sets.get_mut(usize::from(route.set.0)) {
            set.fleet.remove(route.node, lane);
        }
    }

    /// Gives a set a number; an old one only when all were given, so that what is still on its
    /// way about the set before cannot be taken for this one's.
    pub(super) fn add(&mut self, set: Set) -> Option<SetId> {
        if self.sets.len() < NUMBERS_MAX {
            let number = SetId(u16::try_from(self.sets.len()).ok()?);
            self.sets.push(set);
            return Some(number);
        }
        let number = self.gone.pop_front()?;
        *self.get_mut(number)? = set;
        Some(number)
    }

    pub(super) fn get_mut(&mut self, set: SetId) -> Option<&mut Set> {
        self.sets.get_mut(usize::from(set.0))
    }

    /// Keyspaces in use by clients of one home.
    pub(super) fn in_use(&self, home: SetId) -> usize {
        let own = |set: &&Set| !set.gone && set.home == home && set.keyspace.is_some();
        self.sets.iter().filter(own).count()
    }
}

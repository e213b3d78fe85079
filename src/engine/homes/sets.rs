//! Which lanes may stand in for each other: those of one credential and keyspace are a *set*.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::LazyLock;

use crate::engine::client::ClientKey;
use crate::engine::pending::LaneKey;
use crate::topology::id::NodeId;
use crate::upstream::fleet::Fleet;
use crate::upstream::lane::{LaneRoute, SetId};
use cql::header::Header;

/// Numbers that sets may have, those that are gone included.
const NUMBERS_MAX: usize = 4096;

/// The lanes of every credential and keyspace in use, and those of none.
#[derive(Debug)]
pub struct Sets {
    pub(in crate::engine) sets: Vec<Set>,
    /// Numbers that stand for nothing any more, the one that is gone for longest first.
    pub(in crate::engine) gone: VecDeque<SetId>,
}

#[derive(Debug)]
pub(in crate::engine) struct Set {
    pub(in crate::engine) keyspace: Option<Arc<str>>,
    /// The plain lanes with the same rights, which are their own home.
    pub(in crate::engine) home: SetId,
    /// One client's own connection, with its keyspace.
    pub(in crate::engine) dedicated: bool,
    /// Clients that have logged in, and wait for the first lane.
    pub(in crate::engine) arrivals: Vec<ClientKey>,
    pub(in crate::engine) fleet: Fleet<LaneKey>,
    /// `USE` requests that wait for the first lane.
    pub(in crate::engine) waiting: Vec<Waiting>,
    /// Since when no client uses it, as far as was looked.
    pub(in crate::engine) idle_since_us: Option<u64>,
    /// Set once the keyspace turned out not to exist, the credential is no longer taken, or nobody
    /// used it while others wanted room.
    pub(in crate::engine) gone: bool,
}

/// A `USE` that waits for a lane.
#[derive(Debug)]
pub(in crate::engine) struct Waiting {
    pub(in crate::engine) client: ClientKey,
    pub(in crate::engine) frame: Vec<u8>,
    pub(in crate::engine) since_us: u64,
}

impl Waiting {
    /// The stream that its client asked on.
    pub(in crate::engine) fn stream(&self) -> i16 {
        Header::peek(&self.frame).map_or(0, |header| header.stream)
    }
}

impl Set {
    pub(in crate::engine) fn new(home: SetId, keyspace: Option<Arc<str>>) -> Self {
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
    pub(in crate::engine) fn fleet(&self, set: SetId) -> &Fleet<LaneKey> {
        static NONE: LazyLock<Fleet<LaneKey>> = LazyLock::new(Fleet::default);
        self.sets.get(usize::from(set.0)).map_or(&*NONE, |set| &set.fleet)
    }

    /// The keyspace of a set; `None` for the plain lanes.
    pub(in crate::engine) fn keyspace(&self, set: SetId) -> Option<Arc<str>> {
        self.sets.get(usize::from(set.0))?.keyspace.clone()
    }

    /// The set of a keyspace with the rights of `home`; the plain lanes for none.
    pub(in crate::engine) fn of_keyspace(
        &self,
        home: SetId,
        keyspace: Option<&str>,
    ) -> Option<SetId> {
        let numbered = self.sets.iter().zip(0u16..);
        let mut found = numbered.filter(|(set, _)| {
            !set.gone && set.home == home && set.keyspace.as_deref() == keyspace
        });
        found.next().map(|(_, number)| SetId(number))
    }

    /// The plain lanes with the rights of a set.
    pub(in crate::engine) fn home(&self, set: SetId) -> SetId {
        self.sets.get(usize::from(set.0)).map_or(SetId::NOWHERE, |set| set.home)
    }

    /// Whether a set is one client's own connection.
    #[inline]
    pub(in crate::engine) fn is_dedicated(&self, set: SetId) -> bool {
        self.sets.get(usize::from(set.0)).is_some_and(|set| set.dedicated)
    }

    /// Whether a set is there and nobody has given it up.
    pub(in crate::engine) fn is_open(&self, set: SetId) -> bool {
        self.sets.get(usize::from(set.0)).is_some_and(|set| !set.gone)
    }

    /// Clients that wait for the first lane of a home; `None` when the home is gone.
    pub(in crate::engine) fn arrivals(&mut self, home: SetId) -> Option<&mut Vec<ClientKey>> {
        self.get_mut(home).filter(|set| !set.gone).map(|set| &mut set.arrivals)
    }

    /// Makes room for the lanes of a new credential, or for one client's own connection.
    pub(in crate::engine) fn add_home(&mut self, dedicated: bool) -> Option<SetId> {
        let number = self.add(Set { dedicated, ..Set::new(SetId::NOWHERE, None) })?;
        if let Some(set) = self.get_mut(number) {
            set.home = number;
        }
        Some(number)
    }

    /// The keyspace of one client's own connection.
    pub(in crate::engine) fn set_keyspace(&mut self, set: SetId, keyspace: &str) {
        if let Some(set) = self.get_mut(set).filter(|set| set.dedicated) {
            set.keyspace = Some(keyspace.into());
        }
    }

    /// Sets that are in use, with what they are home to: the numbers of `home`'s own.
    pub(in crate::engine) fn of_home(&self, home: SetId) -> Vec<SetId> {
        let numbered = self.sets.iter().zip(0u16..);
        let own = numbered.filter(|(set, _)| !set.gone && set.home == home);
        own.map(|(_, number)| SetId(number)).collect()
    }

    /// The homes that have lanes.
    pub(in crate::engine) fn homes(&self) -> Vec<SetId> {
        let numbered = self.sets.iter().zip(0u16..).map(|(set, number)| (set, SetId(number)));
        let homes = numbered.filter(|(set, number)| !set.gone && set.home == *number);
        homes.map(|(_, number)| number).collect()
    }

    /// Whether any set of this keyspace, whoever's, has a lane to `node`.
    pub(in crate::engine) fn reaches(&self, node: NodeId, keyspace: Option<&str>) -> bool {
        let of_keyspace = |set: &&Set| set.keyspace.as_deref() == keyspace;
        let mut sets = self.sets.iter().filter(of_keyspace);
        sets.any(|set| set.fleet.lanes_of(node).next().is_some())
    }

    /// Takes a lane out of its set; `false` when another set has the number by now.
    pub(in crate::engine) fn remove_lane(&mut self, route: LaneRoute, lane: LaneKey) -> bool {
        self.get_mut(route.set).is_some_and(|set| set.fleet.remove(route.node, lane))
    }

    /// Gives a set a number; an old one only when all were given, so that what is still on its
    /// way about the set before cannot be taken for this one's.
    pub(in crate::engine) fn add(&mut self, set: Set) -> Option<SetId> {
        if self.sets.len() < NUMBERS_MAX {
            let number = SetId(u16::try_from(self.sets.len()).ok()?);
            self.sets.push(set);
            return Some(number);
        }
        let number = self.gone.pop_front()?;
        *self.get_mut(number)? = set;
        Some(number)
    }

    pub(in crate::engine) fn get_mut(&mut self, set: SetId) -> Option<&mut Set> {
        self.sets.get_mut(usize::from(set.0))
    }

    /// Keyspaces in use by clients of one home.
    pub(in crate::engine) fn in_use(&self, home: SetId) -> usize {
        let own = |set: &&Set| !set.gone && set.home == home && set.keyspace.is_some();
        self.sets.iter().filter(own).count()
    }
}

//! Which lanes may stand in for each other: those of one credential and keyspace are a *set*.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::LazyLock;

use crate::engine::client::ClientKey;
use crate::engine::pending::LaneKey;
use crate::topology::id::NodeId;
use crate::upstream::lane::{LaneRoute, PoolId};
use crate::upstream::lane_map::LaneMap;
use cql::header::Header;

/// Numbers that pools may have, those that are gone included.
const NUMBERS_MAX: usize = 4096;

/// The lanes of every credential and keyspace in use, and those of none.
#[derive(Debug)]
pub struct Pools {
    pub(in crate::engine) pools: Vec<Pool>,
    /// Numbers that stand for nothing any more, the one that is gone for longest first.
    pub(in crate::engine) gone: VecDeque<PoolId>,
}

#[derive(Debug)]
pub(in crate::engine) struct Pool {
    pub(in crate::engine) keyspace: Option<Arc<str>>,
    /// The plain lanes with the same rights, which are their own home.
    pub(in crate::engine) home: PoolId,
    /// One client's own connection, with its keyspace.
    pub(in crate::engine) dedicated: bool,
    /// Clients that have logged in, and wait for the first lane.
    pub(in crate::engine) arrivals: Vec<ClientKey>,
    pub(in crate::engine) lane_map: LaneMap<LaneKey>,
    /// `USE` requests that wait for the first lane.
    pub(in crate::engine) waiting: Vec<Waiting>,
    /// A node's ERROR frame that says that there is no such keyspace, while clients are in it.
    pub(in crate::engine) refusal: Option<Arc<[u8]>>,
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

impl Pool {
    pub(in crate::engine) fn new(home: PoolId, keyspace: Option<Arc<str>>) -> Self {
        Self {
            keyspace,
            home,
            dedicated: false,
            arrivals: Vec::new(),
            lane_map: LaneMap::default(),
            waiting: Vec::new(),
            refusal: None,
            idle_since_us: None,
            gone: false,
        }
    }
}

impl Default for Pools {
    fn default() -> Self {
        Self { pools: vec![Pool::new(PoolId::PLAIN, None)], gone: VecDeque::new() }
    }
}

impl Pools {
    /// The lanes of a pool.
    #[inline]
    pub(in crate::engine) fn lane_map(&self, pool: PoolId) -> &LaneMap<LaneKey> {
        static NONE: LazyLock<LaneMap<LaneKey>> = LazyLock::new(LaneMap::default);
        self.pools.get(usize::from(pool.0)).map_or(&*NONE, |pool| &pool.lane_map)
    }

    /// The keyspace of a pool; `None` for the plain lanes.
    pub(in crate::engine) fn keyspace(&self, pool: PoolId) -> Option<Arc<str>> {
        self.pools.get(usize::from(pool.0))?.keyspace.clone()
    }

    /// The pool of a keyspace with the rights of `home`; the plain lanes for none.
    pub(in crate::engine) fn of_keyspace(
        &self,
        home: PoolId,
        keyspace: Option<&str>,
    ) -> Option<PoolId> {
        let numbered = self.pools.iter().zip(0u16..);
        let mut found = numbered.filter(|(pool, _)| {
            !pool.gone && pool.home == home && pool.keyspace.as_deref() == keyspace
        });
        found.next().map(|(_, number)| PoolId(number))
    }

    /// The plain lanes with the rights of a pool.
    pub(in crate::engine) fn home(&self, pool: PoolId) -> PoolId {
        self.pools.get(usize::from(pool.0)).map_or(PoolId::NOWHERE, |pool| pool.home)
    }

    /// Whether a pool is one client's own connection.
    #[inline]
    pub(in crate::engine) fn is_dedicated(&self, pool: PoolId) -> bool {
        self.pools.get(usize::from(pool.0)).is_some_and(|pool| pool.dedicated)
    }

    /// Whether a pool is there and nobody has given it up.
    pub(in crate::engine) fn is_open(&self, pool: PoolId) -> bool {
        self.pools.get(usize::from(pool.0)).is_some_and(|pool| !pool.gone)
    }

    /// Clients that wait for the first lane of a home; `None` when the home is gone.
    pub(in crate::engine) fn arrivals(&mut self, home: PoolId) -> Option<&mut Vec<ClientKey>> {
        self.get_mut(home).filter(|pool| !pool.gone).map(|pool| &mut pool.arrivals)
    }

    /// Makes room for the lanes of a new credential, or for one client's own connection.
    pub(in crate::engine) fn add_home(&mut self, dedicated: bool) -> Option<PoolId> {
        let number = self.add(Pool { dedicated, ..Pool::new(PoolId::NOWHERE, None) })?;
        if let Some(pool) = self.get_mut(number) {
            pool.home = number;
        }
        Some(number)
    }

    /// The keyspace of one client's own connection.
    pub(in crate::engine) fn set_keyspace(&mut self, pool: PoolId, keyspace: &str) {
        if let Some(pool) = self.get_mut(pool).filter(|pool| pool.dedicated) {
            pool.keyspace = Some(keyspace.into());
        }
    }

    /// Pools that are in use, with what they are home to: the numbers of `home`'s own.
    pub(in crate::engine) fn of_home(&self, home: PoolId) -> Vec<PoolId> {
        let numbered = self.pools.iter().zip(0u16..);
        let own = numbered.filter(|(pool, _)| !pool.gone && pool.home == home);
        own.map(|(_, number)| PoolId(number)).collect()
    }

    /// The homes that have lanes.
    pub(in crate::engine) fn homes(&self) -> Vec<PoolId> {
        let numbered = self.pools.iter().zip(0u16..).map(|(pool, number)| (pool, PoolId(number)));
        let homes = numbered.filter(|(pool, number)| !pool.gone && pool.home == *number);
        homes.map(|(_, number)| number).collect()
    }

    /// Whether any pool of this keyspace, whoever's, has a lane to `node`.
    pub(in crate::engine) fn reaches(&self, node: NodeId, keyspace: Option<&str>) -> bool {
        let of_keyspace = |pool: &&Pool| pool.keyspace.as_deref() == keyspace;
        let mut pools = self.pools.iter().filter(of_keyspace);
        pools.any(|pool| pool.lane_map.lanes_of(node).next().is_some())
    }

    /// Takes a lane out of its pool; `false` when another pool has the number by now.
    pub(in crate::engine) fn remove_lane(&mut self, route: LaneRoute, lane: LaneKey) -> bool {
        self.get_mut(route.pool).is_some_and(|pool| pool.lane_map.remove(route.node, lane))
    }

    /// Gives a pool a number; an old one only when all were given, so that what is still on its
    /// way about the pool before cannot be taken for this one's.
    pub(in crate::engine) fn add(&mut self, pool: Pool) -> Option<PoolId> {
        if self.pools.len() < NUMBERS_MAX {
            let number = PoolId(u16::try_from(self.pools.len()).ok()?);
            self.pools.push(pool);
            return Some(number);
        }
        let number = self.gone.pop_front()?;
        *self.get_mut(number)? = pool;
        Some(number)
    }

    pub(in crate::engine) fn get_mut(&mut self, pool: PoolId) -> Option<&mut Pool> {
        self.pools.get_mut(usize::from(pool.0))
    }

    /// Keyspaces in use by clients of one home.
    pub(in crate::engine) fn in_use(&self, home: PoolId) -> usize {
        let own = |pool: &&Pool| !pool.gone && pool.home == home && pool.keyspace.is_some();
        self.pools.iter().filter(own).count()
    }
}

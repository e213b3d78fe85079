//! Which lanes may stand in for each other: those of one credential and keyspace are a *pool*.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use crate::engine::client::{ClientKey, ClientStream};
use crate::engine::pending::LaneKey;
use crate::topology::id::NodeId;
use crate::upstream::lane::{LaneRoute, PoolId};
use crate::upstream::lane_map::LaneMap;

/// Ids that pools may have, those that are closed included.
const IDS_MAX: usize = 4096;

/// The pools of every credential and keyspace in use, and those that are closed.
#[derive(Debug)]
pub(crate) struct Pools {
    pools: Vec<Pool>,
    /// Ids of closed pools, the one that was closed first first.
    closed: VecDeque<PoolId>,
}

/// The lanes of one credential and keyspace.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) keyspace: Option<Arc<str>>,
    /// The plain lanes with the same rights: the *base* pool of the credential. A base pool names
    /// itself.
    pub(crate) base: PoolId,
    /// Whether it is one client's own connection, with its keyspace.
    pub(crate) dedicated: bool,
    /// How that came into its keyspace.
    switch: Switch,
    /// Clients that have logged in and wait for the first lane.
    pub(crate) logged_in: Vec<ClientKey>,
    pub(crate) lane_map: LaneMap<LaneKey>,
    /// `USE` requests that wait for the first lane.
    pub(crate) waiting: Vec<WaitingUse>,
    /// Clients of another process that are in its keyspace, and wait for the first lane.
    pub(crate) moved_in: Vec<ClientKey>,
    /// A node's ERROR frame that says that there is no such keyspace, while clients are in it.
    pub(crate) refusal: Option<Arc<[u8]>>,
    /// Since when no client uses it, as far as the sweep has seen.
    pub(crate) idle_since_us: Option<u64>,
    /// Set once the keyspace turned out not to exist, the credential is no longer accepted, or the
    /// pool was unused while others needed its room.
    pub(crate) closed: bool,
}

/// The last `USE` on one client's own connection. A node answers in any order: answers to what was sent before
/// it may come later.
#[derive(Debug, Default)]
struct Switch {
    /// Position of the lane's outbox behind it, in bytes: what ends there or earlier was sent before.
    sent_at: u64,
    /// The keyspace before it.
    before: Option<Arc<str>>,
    /// Position behind the `USE` before it: in which keyspace earlier requests are is not known any more.
    known_from: u64,
}

/// A request was sent so long ago that it is not known in which keyspace its connection was then.
#[derive(Debug)]
pub(crate) struct KeyspaceForgotten;

/// A `USE` that waits for a lane.
#[derive(Debug)]
pub(crate) struct WaitingUse {
    pub(crate) from: ClientStream,
    pub(crate) frame: Vec<u8>,
    pub(crate) since_us: u64,
}

impl Pool {
    fn new(base: PoolId, keyspace: Option<Arc<str>>) -> Self {
        Self {
            keyspace,
            base,
            dedicated: false,
            switch: Switch::default(),
            logged_in: Vec::new(),
            lane_map: LaneMap::default(),
            waiting: Vec::new(),
            moved_in: Vec::new(),
            refusal: None,
            idle_since_us: None,
            closed: false,
        }
    }
}

impl Default for Pools {
    fn default() -> Self {
        Self { pools: vec![Pool::new(PoolId::PLAIN, None)], closed: VecDeque::new() }
    }
}

impl Pools {
    /// The lanes of a pool; none when the pool is not known.
    #[inline]
    pub(crate) fn lane_map(&self, pool: PoolId) -> &LaneMap<LaneKey> {
        static NONE: LaneMap<LaneKey> = LaneMap::new();
        self.get(pool).map_or(&NONE, |pool| &pool.lane_map)
    }

    /// A node is not used any more: none of its shards lacks a lane.
    pub(crate) fn forget_shards_of(&mut self, node: NodeId) {
        for pool in &mut self.pools {
            pool.lane_map.forget_sharder(node);
        }
    }

    /// A pool by its id, open or closed.
    #[inline]
    pub(crate) fn get(&self, pool: PoolId) -> Option<&Pool> {
        self.pools.get(usize::from(pool.0))
    }

    /// A pool by its id, open or closed, to be changed.
    pub(crate) fn get_mut(&mut self, pool: PoolId) -> Option<&mut Pool> {
        self.pools.get_mut(usize::from(pool.0))
    }

    /// A pool that is not closed, to be changed.
    pub(crate) fn open_mut(&mut self, pool: PoolId) -> Option<&mut Pool> {
        self.get_mut(pool).filter(|pool| !pool.closed)
    }

    /// All pools with their ids, closed ones included.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PoolId, &Pool)> {
        (0..).map(PoolId).zip(&self.pools)
    }

    /// The ids of all pools, closed ones included.
    pub(crate) fn ids(&self) -> impl Iterator<Item = PoolId> + use<> {
        (0..u16::try_from(self.pools.len()).unwrap_or(u16::MAX)).map(PoolId)
    }

    /// The keyspace of a pool; `None` for plain lanes.
    pub(crate) fn keyspace(&self, pool: PoolId) -> Option<Arc<str>> {
        self.get(pool)?.keyspace.clone()
    }

    /// The keyspace of the request whose last byte is at `sent_at` of its lane's outbox.
    pub(crate) fn keyspace_of_sent(
        &self,
        pool: PoolId,
        sent_at: u64,
    ) -> Result<Option<Arc<str>>, KeyspaceForgotten> {
        let Some(pool) = self.get(pool) else { return Ok(None) };
        let Switch { sent_at: switched_at, before, known_from } = &pool.switch;
        if !pool.dedicated || sent_at > *switched_at {
            Ok(pool.keyspace.clone())
        } else if sent_at > *known_from {
            Ok(before.clone())
        } else {
            Err(KeyspaceForgotten)
        }
    }

    /// The pool of a keyspace with the rights of `base`; the plain lanes for none.
    pub(crate) fn of_keyspace(&self, base: PoolId, keyspace: Option<&str>) -> Option<PoolId> {
        let mut found = self.iter().filter(|(_, pool)| {
            !pool.closed && pool.base == base && pool.keyspace.as_deref() == keyspace
        });
        found.next().map(|(id, _)| id)
    }

    /// The pool of a keyspace with the rights of `base`, if it has a lane.
    pub(crate) fn live_of_keyspace(&self, base: PoolId, keyspace: &str) -> Option<PoolId> {
        let pool = self.of_keyspace(base, Some(keyspace))?;
        (!self.lane_map(pool).live().is_empty()).then_some(pool)
    }

    /// The plain lanes with the rights of a pool.
    pub(crate) fn base(&self, pool: PoolId) -> PoolId {
        self.get(pool).map_or(PoolId::NOWHERE, |pool| pool.base)
    }

    /// Whether a pool is one client's own connection.
    #[inline]
    pub(crate) fn is_dedicated(&self, pool: PoolId) -> bool {
        self.get(pool).is_some_and(|pool| pool.dedicated)
    }

    /// Whether a pool exists and is not closed.
    pub(crate) fn is_open(&self, pool: PoolId) -> bool {
        self.get(pool).is_some_and(|pool| !pool.closed)
    }

    /// Opens the plain pool of a credential, or of one client's own connection.
    pub(crate) fn add_base(&mut self, dedicated: bool) -> Option<PoolId> {
        let id = self.add(Pool { dedicated, ..Pool::new(PoolId::NOWHERE, None) })?;
        if let Some(pool) = self.get_mut(id) {
            pool.base = id;
        }
        Some(id)
    }

    /// Opens the pool of a keyspace with the rights of `base`.
    pub(crate) fn add_keyspace(&mut self, base: PoolId, keyspace: Arc<str>) -> Option<PoolId> {
        self.add(Pool::new(base, Some(keyspace)))
    }

    /// Takes note of the keyspace of one client's own connection, since a `USE` whose last byte is at `sent_at`
    /// of the lane's outbox.
    pub(crate) fn set_keyspace(&mut self, pool: PoolId, keyspace: &str, sent_at: u64) {
        if let Some(pool) = self.get_mut(pool).filter(|pool| pool.dedicated) {
            let before = pool.keyspace.replace(keyspace.into());
            pool.switch = Switch { sent_at, before, known_from: pool.switch.sent_at };
        }
    }

    /// Ids of all open pools that belong to `base`.
    pub(crate) fn of_base(&self, base: PoolId) -> Vec<PoolId> {
        let own = self.iter().filter(|(_, pool)| !pool.closed && pool.base == base);
        own.map(|(id, _)| id).collect()
    }

    /// The open base pools.
    pub(crate) fn bases(&self) -> Vec<PoolId> {
        let bases = self.iter().filter(|(id, pool)| !pool.closed && pool.base == *id);
        bases.map(|(id, _)| id).collect()
    }

    /// Counts the credentials that have lanes; a client's own connection is none.
    pub(crate) fn credentials(&self) -> usize {
        self.bases().into_iter().skip(1).filter(|base| !self.is_dedicated(*base)).count()
    }

    /// Whether any pool of this keyspace, of any credential, has a lane to `node`.
    pub(crate) fn reaches(&self, node: NodeId, keyspace: Option<&str>) -> bool {
        let of_keyspace = |pool: &&Pool| pool.keyspace.as_deref() == keyspace;
        let mut pools = self.pools.iter().filter(of_keyspace);
        pools.any(|pool| pool.lane_map.lanes_of(node).next().is_some())
    }

    /// The nodes to which a pool has a lane.
    pub(crate) fn nodes(&self, pool: PoolId) -> Vec<NodeId> {
        self.lane_map(pool).live_nodes().collect()
    }

    /// Of each node one base pool that has a lane to it, to ask what every user may ask.
    pub(crate) fn one_per_node(&self) -> Vec<(NodeId, PoolId)> {
        let mut found: Vec<(NodeId, PoolId)> = Vec::new();
        for base in self.bases() {
            for node in self.nodes(base) {
                if found.iter().all(|(known, _)| *known != node) {
                    found.push((node, base));
                }
            }
        }
        found
    }

    /// Takes a lane out of its pool; `false` when another pool has the id by now.
    pub(crate) fn remove_lane(&mut self, route: LaneRoute, lane: LaneKey) -> bool {
        self.get_mut(route.pool).is_some_and(|pool| pool.lane_map.remove(route.node, lane))
    }

    /// Closes a pool and returns the `USE` requests that waited for it; `None` when it is closed.
    pub(crate) fn close(&mut self, id: PoolId) -> Option<Vec<WaitingUse>> {
        let pool = self.open_mut(id)?;
        pool.closed = true;
        let waiting = mem::take(&mut pool.waiting);
        self.closed.push_back(id);
        Some(waiting)
    }

    /// Bytes of the `USE` requests that wait for a lane.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.pools.iter().flat_map(|pool| &pool.waiting).map(|it| it.frame.capacity()).sum()
    }

    /// Keyspaces in use by clients of one base pool.
    pub(crate) fn keyspaces_in_use(&self, base: PoolId) -> usize {
        let own = |pool: &&Pool| !pool.closed && pool.base == base && pool.keyspace.is_some();
        self.pools.iter().filter(own).count()
    }

    /// Gives a pool an id. An old one is given again only when all were given, so that what is still
    /// on its way about the former pool cannot be taken for this one's.
    fn add(&mut self, pool: Pool) -> Option<PoolId> {
        if self.pools.len() < IDS_MAX {
            let id = PoolId(u16::try_from(self.pools.len()).ok()?);
            self.pools.push(pool);
            return Some(id);
        }
        let id = self.closed.pop_front()?;
        *self.get_mut(id)? = pool;
        Some(id)
    }
}

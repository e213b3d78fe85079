//! How each table's rows are found: by tablets, or by the ring of its keyspace.

use std::sync::Arc;

use crate::routing::decision::Reason;
use crate::topology::ring::RingReplicas;
use crate::topology::snapshot::Snapshot;
use crate::topology::table::TableId;
use cql::token::partitioner::Partitioner;

/// Keyspaces of which each node has its own rows, on every server; the last two, of Cassandra, stand in
/// no schema table.
const OF_EACH_NODE: [&str; 4] =
    ["system", "system_schema", "system_views", "system_virtual_schema"];

/// How a table's replicas are found.
#[derive(Clone, Debug)]
pub enum Finder {
    /// By its tablets; the ring must never serve it.
    Tablets,
    /// By the ring.
    Ring(Arc<RingReplicas>),
    /// Nowhere: each node has its own rows.
    EachNode,
    /// Its keyspace is not known yet: by tablets, should the server report one.
    Unknown,
}

/// How a table's replicas are found, in a word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FoundBy {
    /// By its tablets.
    Tablets,
    /// By the ring.
    Ring,
    /// Nowhere: each node has its own rows.
    EachNode,
    /// That is not known.
    Unknown,
}

impl FoundBy {
    /// The word of a finder.
    #[must_use]
    pub fn of(finder: &Finder) -> Self {
        match finder {
            Finder::Tablets => Self::Tablets,
            Finder::Ring(_) => Self::Ring,
            Finder::EachNode => Self::EachNode,
            Finder::Unknown => Self::Unknown,
        }
    }

    /// The word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tablets => "tablets",
            Self::Ring => "ring",
            Self::EachNode => "each_node",
            Self::Unknown => "unknown",
        }
    }
}

/// A table's finder and the hash of its keys.
#[derive(Clone, Debug)]
pub struct TableRoute {
    /// How replicas are found.
    pub finder: Finder,
    /// How keys become tokens; `None` when that is not known here.
    pub partitioner: Option<Partitioner>,
}

/// The routes of all tables, worked out once for each snapshot.
#[derive(Debug, Default)]
pub struct TableRoutes {
    by_table: Vec<Option<TableRoute>>,
}

impl TableRoutes {
    /// Forgets all: there is another snapshot.
    pub fn clear(&mut self) {
        self.by_table.clear();
    }

    /// The route of `table`, called `name` in `keyspace`.
    #[inline]
    pub fn route<'a>(
        &mut self,
        snapshot: &Snapshot,
        table: TableId,
        name: impl FnOnce() -> Option<(&'a str, &'a str)>,
    ) -> Option<&TableRoute> {
        let at = usize::try_from(table.0).ok()?;
        if !matches!(self.by_table.get(at), Some(Some(_))) {
            let (keyspace, table) = name()?;
            self.add(snapshot, at, keyspace, table)?;
        }
        self.by_table.get(at)?.as_ref()
    }

    #[cold]
    fn add(&mut self, snapshot: &Snapshot, at: usize, keyspace: &str, table: &str) -> Option<()> {
        if self.by_table.len() <= at {
            self.by_table.resize(at + 1, None);
        }
        *self.by_table.get_mut(at)? = Some(work_out(snapshot, keyspace, table));
        Some(())
    }
}

/// Whether each node has its own tables of `keyspace`, on every server.
#[must_use]
pub fn is_of_each_node(keyspace: &str) -> bool {
    OF_EACH_NODE.contains(&keyspace)
}

/// Why no key of a table of `keyspace` leads anywhere; `None` when it may.
pub fn without_key(snapshot: &Snapshot, keyspace: &str) -> Option<Reason> {
    if is_of_each_node(keyspace) {
        return Some(Reason::LocalTable);
    }
    match snapshot.keyspace(keyspace) {
        None => Some(Reason::UnknownKeyspace),
        Some(keyspace) if keyspace.is_local => Some(Reason::LocalTable),
        Some(_) => None,
    }
}

fn work_out(snapshot: &Snapshot, keyspace: &str, table: &str) -> TableRoute {
    let partitioner = Some(Partitioner::Murmur3);
    if is_of_each_node(keyspace) {
        return TableRoute { finder: Finder::EachNode, partitioner };
    }
    let Some(keyspace) = snapshot.keyspace(keyspace) else {
        return TableRoute { finder: Finder::Unknown, partitioner };
    };
    let finder = if keyspace.tablets {
        Finder::Tablets
    } else if keyspace.is_local {
        Finder::EachNode
    } else {
        Finder::Ring(Arc::clone(&keyspace.ring))
    };
    TableRoute { finder, partitioner: keyspace.partitioner(table) }
}

//! Where the rows of each table are stored: in tablets, or on the ring.

use std::collections::BTreeMap;

use crate::cluster::life::member::Member;
use crate::cluster::replicas::placement::Loads;
use crate::cluster::replicas::replication::Replication;
use crate::cluster::replicas::ring::Ring;
use crate::cluster::replicas::tablets::{Replica, Tablet, Tablets};
use crate::cluster::requests::Requests;
use crate::like::Like;
use crate::store::definitions::paxos_table;
use crate::store::definitions::schema::Schema;

/// Where the rows of one partition are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Located {
    /// Nodes and shards that hold them.
    pub replicas: Vec<Replica>,
    /// First (exclusive) and last token of the tablet, when the table has tablets.
    pub tablet: Option<(i64, i64)>,
}

/// One table.
#[derive(Debug, Default)]
pub(crate) struct TableLayout {
    /// Its tablets; without them it is spread over the ring.
    pub tablets: Option<Tablets>,
    /// Counts of its requests.
    pub requests: Requests,
    /// Name and id of the table for its light-weight transactions, whose tablets are the same.
    pub co_located: Option<(String, [u8; 16])>,
}

/// One keyspace that is replicated.
#[derive(Debug)]
pub(crate) struct KeyspaceLayout {
    /// Its replication.
    pub replication: Replication,
    /// Its tables and views.
    pub tables: BTreeMap<String, TableLayout>,
}

/// All keyspaces that are replicated.
#[derive(Debug)]
pub(crate) struct Layout {
    /// By name.
    pub keyspaces: BTreeMap<String, KeyspaceLayout>,
    /// How full each shard is.
    pub loads: Loads,
    like: Like,
    tablets: u32,
}

impl Layout {
    /// No tables yet. A new table gets `tablets` tablets, unless its keyspace sets another number.
    #[must_use]
    pub(crate) fn new(like: Like, tablets: u32, seed: u64) -> Self {
        Self { keyspaces: BTreeMap::new(), loads: Loads::new(seed), like, tablets }
    }

    /// Applies a change of the schema: new tables get tablets, dropped ones lose them, and a keyspace
    /// with another replication factor gets or loses replicas.
    pub(crate) fn follow(&mut self, schema: &Schema, members: &[Member]) {
        for keyspace in self.keyspaces.values_mut() {
            keyspace.tables.retain(|_, table| match &table.tablets {
                Some(tablets) => keeps(schema, tablets, &mut self.loads),
                None => true,
            });
        }
        self.keyspaces.retain(|name, _| schema.keyspaces.contains_key(name));
        for (name, keyspace) in &schema.keyspaces {
            let replication = Replication::read(&keyspace.replication);
            if replication == Replication::Local || is_system(name) {
                continue;
            }
            let empty =
                || KeyspaceLayout { replication: replication.clone(), tables: BTreeMap::new() };
            let layout = self.keyspaces.entry(name.clone()).or_insert_with(empty);
            layout.tables.retain(|table, _| keyspace.tables.contains_key(table));
            layout.replication = replication;
            let own = keyspace.tables.iter().filter(|(name, _)| !paxos_table::is_paxos(name));
            for (table_name, table) in own {
                let known = layout.tables.entry(table_name.clone()).or_default();
                let paxos = paxos_table::name_of(table_name);
                let paxos = keyspace.tables.get(&paxos);
                known.co_located = paxos.map(|paxos| (paxos.name.clone(), paxos.id));
                let Some(initial) = keyspace.tablets else { continue };
                let count = match (initial, self.like) {
                    (0, _) => self.tablets,
                    (initial, _) => initial,
                };
                let count = match self.like {
                    Like::V6_2 => count.max(1).next_power_of_two(),
                    Like::V2026_3 => count.max(1),
                };
                known.tablets.get_or_insert_with(|| Tablets::new(table.id, count, |_| Vec::new()));
            }
        }
        self.fit(members);
    }

    /// Gives every tablet the replicas that its keyspace wants, from the nodes of the cluster.
    pub(crate) fn fit(&mut self, members: &[Member]) {
        for keyspace in self.keyspaces.values_mut() {
            for tablets in keyspace.tables.values_mut().filter_map(|table| table.tablets.as_mut()) {
                for tablet in tablets.all_mut() {
                    self.loads.fit(tablet, &keyspace.replication, members);
                }
            }
        }
    }

    /// The tablet of a partition, or its part of the ring; `None` for tables that are not
    /// replicated.
    #[must_use]
    pub(crate) fn locate(
        &self,
        keyspace: &str,
        table: &str,
        token: i64,
        ring: &Ring,
        members: &[Member],
    ) -> Option<Located> {
        let keyspace = self.keyspaces.get(keyspace)?;
        match &keyspace.tables.get(table)?.tablets {
            Some(tablets) => {
                let (first, tablet) = tablets.locate(token)?;
                let range = Some((first, tablet.last));
                Some(Located { replicas: tablet.replicas.clone(), tablet: range })
            }
            None => {
                let replicas = ring.replicas(token, &keyspace.replication, members);
                Some(Located { replicas, tablet: None })
            }
        }
    }

    /// One table.
    #[must_use]
    pub(crate) fn table(&self, keyspace: &str, table: &str) -> Option<&TableLayout> {
        self.keyspaces.get(keyspace)?.tables.get(table)
    }

    /// One table, to change it.
    pub(crate) fn table_mut(&mut self, keyspace: &str, table: &str) -> Option<&mut TableLayout> {
        self.keyspaces.get_mut(keyspace)?.tables.get_mut(table)
    }

    /// Every table with its keyspace and name.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (&str, &str, &TableLayout)> {
        self.keyspaces.iter().flat_map(|(keyspace, layout)| {
            let tables = layout.tables.iter();
            tables.map(|(name, table)| (keyspace.as_str(), name.as_str(), table))
        })
    }

    /// Every tablet of every table, to change its replicas, and how full each shard is.
    pub(crate) fn tablets_mut(&mut self) -> (impl Iterator<Item = &mut Tablet>, &mut Loads) {
        let tables = self.keyspaces.values_mut().flat_map(|keyspace| keyspace.tables.values_mut());
        let tablets = tables.filter_map(|table| table.tablets.as_mut());
        (tablets.flat_map(Tablets::all_mut), &mut self.loads)
    }

    /// Forgets all counts of requests.
    pub(crate) fn reset_requests(&mut self) {
        let keyspaces = self.keyspaces.values_mut();
        for table in keyspaces.flat_map(|keyspace| keyspace.tables.values_mut()) {
            table.requests = Requests::default();
        }
    }
}

/// Whether the table of `tablets` still exists. If not, its tablets are taken out of `loads`.
fn keeps(schema: &Schema, tablets: &Tablets, loads: &mut Loads) -> bool {
    let mut tables = schema.keyspaces.values().flat_map(|keyspace| keyspace.tables.values());
    if tables.any(|table| table.id == tablets.table_id) {
        return true;
    }
    for replica in tablets.all().iter().flat_map(|tablet| &tablet.replicas) {
        loads.remove(*replica);
    }
    false
}

/// Whether a keyspace is the server's own. Each node answers requests for it alone.
#[must_use]
pub fn is_system(keyspace: &str) -> bool {
    keyspace == "system" || keyspace.starts_with("system_")
}

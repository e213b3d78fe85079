//! What a state consists of.

use std::sync::Arc;

use crate::routing::statement::Restored;
use crate::topology::id::HostId;
use crate::topology::table_key::TableKey;
use crate::topology::tablet_page::ReadTablet;

/// A part of a state. The first one is [`Record::Header`], once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Record {
    /// What all others are about.
    Header(StateHeader),
    /// Prepared statements.
    Statements(Vec<Restored>),
    /// Partition keys of tables that statements by text have named.
    Keys(Vec<Arc<TableKey>>),
    /// Tablets of one table.
    Tablets(TableTablets),
}

/// Which cluster a state is about, and when that was.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StateHeader {
    /// The cluster's name.
    pub cluster: Box<str>,
    /// The version of its schema; `None` when that was not known.
    pub schema_version: Option<[u8; 16]>,
    /// Its nodes.
    pub hosts: Vec<HostId>,
    /// The data center that clients saw.
    pub data_center: Box<str>,
    /// The rack that clients saw.
    pub rack: Box<str>,
    /// Whether statements had been forgotten, so that clients may hold columns that are recorded nowhere.
    pub incomplete: bool,
    /// When it was collected, seconds since 1970.
    pub collected_s: u64,
}

/// Some tablets of one table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TableTablets {
    /// The table's keyspace.
    pub keyspace: Arc<str>,
    /// The table or view.
    pub table: Arc<str>,
    /// How the keyspace was replicated, in the schema's own words.
    pub replication: Box<str>,
    /// Tablets in token order.
    pub tablets: Vec<ReadTablet>,
}

impl StateHeader {
    /// Why a state of this kind is not one of the cluster that is described by `now`; `None` when it is. Clusters
    /// with the same name are distinguished by their nodes.
    #[must_use]
    pub fn differs_from(&self, now: &Self) -> Option<&'static str> {
        if self.cluster != now.cluster {
            return Some("it is of a cluster with another name");
        }
        let is_known = |host: &HostId| now.hosts.contains(host);
        (!self.hosts.iter().any(is_known)).then_some("none of its nodes is in the cluster")
    }

    /// Whether the schema is still the same, as far as both know.
    #[must_use]
    pub fn has_schema_of(&self, now: &Self) -> bool {
        self.schema_version.is_some() && self.schema_version == now.schema_version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(cluster: &str, hosts: &[u8], schema: Option<u8>) -> StateHeader {
        StateHeader {
            cluster: cluster.into(),
            hosts: hosts.iter().map(|host| HostId([*host; 16])).collect(),
            schema_version: schema.map(|byte| [byte; 16]),
            ..StateHeader::default()
        }
    }

    #[test]
    fn a_cluster_is_known_by_its_name_and_one_node_that_is_left() {
        let saved = about("prod", &[1, 2, 3], None);
        assert_eq!(saved.differs_from(&about("prod", &[3, 4], None)), None);
        let other_name = saved.differs_from(&about("test", &[1, 2, 3], None));
        assert!(other_name.unwrap().contains("another name"));
        let other_nodes = saved.differs_from(&about("prod", &[4, 5], None));
        assert!(other_nodes.unwrap().contains("none of its nodes"));
    }

    #[test]
    fn a_schema_that_is_not_known_is_not_the_same() {
        let saved = about("c", &[1], Some(1));
        assert!(saved.has_schema_of(&about("c", &[1], Some(1))));
        assert!(!saved.has_schema_of(&about("c", &[1], Some(2))));
        assert!(!about("c", &[1], None).has_schema_of(&about("c", &[1], None)));
    }
}

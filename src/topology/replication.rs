//! How a keyspace is replicated, as `system_schema.keyspaces.replication` says it.
//!
//! Reading is lenient. What is not understood leaves the keyspace without a ring, so that its
//! requests go to any node; it never hides the other keyspaces.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// How many copies of each row a keyspace keeps, and where.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Replication {
    /// The next `factor` nodes of the ring, wherever they stand.
    Simple {
        /// Copies in the whole cluster.
        factor: usize,
    },
    /// For each data center so many nodes of the ring, in distinct racks as far as there are.
    NetworkTopology {
        /// Copies in each data center; one that is not named has none.
        data_centers: BTreeMap<Box<str>, Copies>,
    },
    /// A copy on every node.
    Everywhere,
    /// On each node its own rows, as in `system`: any coordinator answers for itself.
    Local,
    /// A strategy that we don't know.
    Unknown,
}

/// Copies of a row in one data center.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Copies {
    /// So many.
    Count(usize),
    /// One in each of these racks.
    Racks(BTreeSet<Box<str>>),
}

/// Copies beyond this are a misread number: no cluster has as many nodes.
const COUNT_MAX: usize = 4_096;

impl Replication {
    /// Reads the entries of a `replication` map, or of `replication_v2`.
    ///
    /// Class names come with or without their package. A rack list is one text (`['r1', 'r2']`, or
    /// the same without brackets), or one entry a rack (`dc1:0` = `r1`). A data center whose value
    /// makes no sense is left out.
    #[must_use]
    pub fn parse<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut class = "";
        let mut options = Vec::new();
        for (key, value) in entries {
            if key == "class" {
                class = value;
            } else {
                options.push((key, value));
            }
        }
        match class.rsplit('.').next() {
            Some("SimpleStrategy") => simple(&options),
            Some("NetworkTopologyStrategy") => network_topology(&options),
            Some("EverywhereStrategy") => Self::Everywhere,
            Some("LocalStrategy") => Self::Local,
            Some(_) | None => Self::Unknown,
        }
    }
}

fn simple(options: &[(&str, &str)]) -> Replication {
    let value = options.iter().find(|(key, _)| *key == "replication_factor");
    match value.and_then(|(_, value)| count(value)) {
        Some(factor) => Replication::Simple { factor },
        None => Replication::Unknown,
    }
}

fn network_topology(options: &[(&str, &str)]) -> Replication {
    let mut data_centers = BTreeMap::new();
    for (key, value) in options {
        if let Some(data_center) = indexed(key) {
            add_rack(&mut data_centers, data_center, value);
        } else if let Some(count) = count(value) {
            data_centers.insert((*key).into(), Copies::Count(count));
        } else {
            let racks = racks(value);
            if !racks.is_empty() {
                data_centers.insert((*key).into(), Copies::Racks(racks));
            }
        }
    }
    Replication::NetworkTopology { data_centers }
}

fn add_rack(data_centers: &mut BTreeMap<Box<str>, Copies>, data_center: &str, rack: &str) {
    let racks = || Copies::Racks(BTreeSet::new());
    match data_centers.entry(data_center.into()).or_insert_with(racks) {
        Copies::Racks(racks) => {
            racks.insert(unquote(rack).into());
        }
        Copies::Count(_) => {}
    }
}

/// The data center of a key like `dc1:0`.
fn indexed(key: &str) -> Option<&str> {
    let (data_center, index) = key.rsplit_once(':')?;
    index.parse::<u16>().ok().map(|_| data_center)
}

/// Reads `3`, and of Cassandra's `3/1` (one of the three is transient) the 3.
fn count(value: &str) -> Option<usize> {
    let count = value.split('/').next()?.trim().parse().ok()?;
    (count <= COUNT_MAX).then_some(count)
}

fn racks(value: &str) -> BTreeSet<Box<str>> {
    let value = value.trim();
    let list = value.strip_prefix('[').and_then(|list| list.strip_suffix(']')).unwrap_or(value);
    list.split(',').map(unquote).filter(|rack| !rack.is_empty()).map(Box::from).collect()
}

fn unquote(text: &str) -> &str {
    let text = text.trim();
    let inner = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    inner('\'').or_else(|| inner('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strategies_are_known_with_and_without_their_package() {
        let simple = Replication::Simple { factor: 3 };
        for class in ["SimpleStrategy", "org.apache.cassandra.locator.SimpleStrategy"] {
            let found = Replication::parse([("replication_factor", "3"), ("class", class)]);
            assert_eq!(found, simple);
        }
        let of = |class| Replication::parse([("class", class)]);
        assert_eq!(of("org.apache.cassandra.locator.EverywhereStrategy"), Replication::Everywhere);
        assert_eq!(of("org.apache.cassandra.locator.LocalStrategy"), Replication::Local);
    }

    #[test]
    fn data_centers_have_numbers_or_racks() {
        let found = Replication::parse([
            ("class", "org.apache.cassandra.locator.NetworkTopologyStrategy"),
            ("dc1", "3"),
            ("dc2", "['rack1','rack 2']"),
            ("dc3", " 3/1 "),
            ("dc4", "[\"r1\", \"r2\"]"),
            ("dc5", "r1, r2"),
            ("dc6:0", "r1"),
            ("dc6:1", "2"),
        ]);
        let expected = [
            ("dc1", Copies::Count(3)),
            ("dc2", listed(&["rack1", "rack 2"])),
            ("dc3", Copies::Count(3)),
            ("dc4", listed(&["r1", "r2"])),
            ("dc5", listed(&["r1", "r2"])),
            ("dc6", listed(&["r1", "2"])),
        ];
        let data_centers = expected.into_iter().map(|(name, copies)| (name.into(), copies));
        assert_eq!(found, Replication::NetworkTopology { data_centers: data_centers.collect() });
    }

    #[test]
    fn replication_that_makes_no_sense_is_unknown_or_left_out() {
        assert_eq!(Replication::parse([]), Replication::Unknown);
        assert_eq!(Replication::parse([("class", "com.example.Mine")]), Replication::Unknown);
        let simple = ("class", "SimpleStrategy");
        assert_eq!(Replication::parse([simple]), Replication::Unknown);
        let odd = [simple, ("replication_factor", "many")];
        assert_eq!(Replication::parse(odd), Replication::Unknown);

        let network = [("class", "NetworkTopologyStrategy"), ("dc1", "[]"), ("dc2", "1")];
        let data_centers = BTreeMap::from([("dc2".into(), Copies::Count(1))]);
        assert_eq!(Replication::parse(network), Replication::NetworkTopology { data_centers });
    }

    fn listed(racks: &[&str]) -> Copies {
        Copies::Racks(racks.iter().map(|rack| Box::from(*rack)).collect())
    }
}

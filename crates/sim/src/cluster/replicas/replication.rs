//! The replication of a keyspace: how many replicas, and in which data centers.

use std::collections::BTreeMap;

use crate::cluster::life::member::Member;

/// The replication of a keyspace.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Replication {
    /// Each node has its own rows: `system` and the like.
    Local,
    /// This many replicas on any nodes.
    Simple(usize),
    /// This many replicas in each named data center; the last number is for all others.
    Network(Vec<(String, usize)>, usize),
}

impl Replication {
    /// Reads the options of `WITH replication`.
    #[must_use]
    pub(crate) fn read(options: &BTreeMap<String, String>) -> Self {
        let class = options.get("class").map_or("", String::as_str);
        let factor = |text: &String| text.parse().unwrap_or(0);
        let default = options.get("replication_factor").map_or(0, factor);
        if class.ends_with("NetworkTopologyStrategy") {
            let centers = options
                .iter()
                .filter(|(key, _)| !matches!(key.as_str(), "class" | "replication_factor"));
            Self::Network(centers.map(|(key, text)| (key.clone(), factor(text))).collect(), default)
        } else if class.ends_with("SimpleStrategy") {
            Self::Simple(default)
        } else {
            Self::Local
        }
    }

    /// The number of replicas in `data_center`; `None` if replicas ignore data centers.
    #[must_use]
    pub(crate) fn factor_in(&self, data_center: &str) -> Option<usize> {
        match self {
            Self::Local => Some(0),
            Self::Simple(_) => None,
            Self::Network(centers, default) => {
                let named = centers.iter().find(|(name, _)| name == data_center);
                Some(named.map_or(*default, |(_, factor)| *factor))
            }
        }
    }

    /// The groups that replicas are chosen in: name of the data center (`None`: all), and how many.
    #[must_use]
    pub(crate) fn groups(&self, members: &[Member]) -> Vec<(Option<String>, usize)> {
        match self {
            Self::Local => Vec::new(),
            Self::Simple(factor) => vec![(None, *factor)],
            Self::Network(..) => {
                let present = members.iter().filter(|member| member.belongs());
                let mut centers: Vec<&str> =
                    present.map(|member| member.data_center.as_str()).collect();
                centers.sort_unstable();
                centers.dedup();
                let groups = centers
                    .into_iter()
                    .map(|center| (Some(center.to_owned()), self.factor_in(center).unwrap_or(0)));
                groups.filter(|(_, factor)| *factor > 0).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Replication {
        let owned = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Replication::read(&owned.collect())
    }

    #[test]
    fn each_data_center_has_its_own_factor() {
        let class = ("class", "org.apache.cassandra.locator.NetworkTopologyStrategy");
        let replication = read(&[class, ("east", "2"), ("west", "3")]);
        let factors = ["east", "west", "north"].map(|center| replication.factor_in(center));
        assert_eq!(factors, [Some(2), Some(3), Some(0)]);
    }

    #[test]
    fn one_factor_stands_for_every_data_center() {
        let replication =
            read(&[("class", "NetworkTopologyStrategy"), ("replication_factor", "2")]);
        assert_eq!(replication.factor_in("anywhere"), Some(2));
    }
}

//! The one node that clients see, made of the node that we watch.

use crate::control::server_tables::ServerTables;
use crate::net::listener::Bind;
use crate::session::system_tables::{Facade, LocalColumn};
use crate::wire::column_type::ColumnType;
use crate::wire::response::metadata::MetadataStyle;

/// All but `tokens`, which is a set.
const PEERS_V2: [(&str, ColumnType); 11] = [
    ("peer", ColumnType::Inet),
    ("peer_port", ColumnType::Int),
    ("data_center", ColumnType::Varchar),
    ("host_id", ColumnType::Uuid),
    ("native_address", ColumnType::Inet),
    ("native_port", ColumnType::Int),
    ("preferred_ip", ColumnType::Inet),
    ("preferred_port", ColumnType::Int),
    ("rack", ColumnType::Varchar),
    ("release_version", ColumnType::Varchar),
    ("schema_version", ColumnType::Uuid),
];

/// The facade of the proxy that clients reach at `bind`.
#[must_use]
pub fn of(tables: &ServerTables, bind: &Bind) -> Facade {
    let cells = tables.local_row.iter().cloned().chain(std::iter::repeat(None));
    let local: Vec<LocalColumn> = tables
        .local
        .iter()
        .zip(cells)
        .map(|(column, cell)| LocalColumn {
            name: column.name.clone(),
            kind: column.kind.clone(),
            cell,
        })
        .collect();
    let peers = tables.peers.iter().map(|column| (column.name.clone(), column.kind.clone()));
    Facade {
        host_id: host_id(&local, bind),
        style: MetadataStyle::Global,
        peers: peers.collect(),
        peers_v2: peers_v2(&local),
        local,
    }
}

/// Columns of `system.peers_v2`, from the first Cassandra that has it. Drivers go by the release and
/// do not fall back; ScyllaDB says 3.0.8, and has no such table.
fn peers_v2(local: &[LocalColumn]) -> Option<Vec<(String, ColumnType)>> {
    let release = local.iter().find(|column| column.name == "release_version")?.cell.as_deref()?;
    let major = str::from_utf8(release).ok()?.split('.').next()?.parse::<u32>().ok()?;
    let tokens = ("tokens".to_owned(), ColumnType::set_of_text());
    let columns = PEERS_V2.iter().map(|(name, kind)| ((*name).to_owned(), kind.clone()));
    (major >= 4).then(|| columns.chain([tokens]).collect())
}

/// The facade's own id: the same after a restart, for drivers take another for another node, and
/// different for each proxy of a cluster, for drivers take equal ones for one node.
fn host_id(local: &[LocalColumn], bind: &Bind) -> [u8; 16] {
    let cluster = local.iter().find(|column| column.name == "cluster_name");
    let mut named = cluster.and_then(|column| column.cell.clone()).unwrap_or_default();
    named.extend_from_slice(format!("\0shardlane\0{bind}").as_bytes());
    // Reading from memory cannot fail.
    let hash = murmur3::murmur3_x64_128(&mut named.as_slice(), 0).unwrap_or_default();
    // Version 8 of RFC 9562: an id whose bits are our own business.
    let version = 0x8 << 76;
    let variant = 0x8 << 60;
    let kept = !(0xf << 76 | 0xc << 60);
    ((hash & kept) | version | variant).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cassandra_4_and_later_have_peers_v2() {
        let columns = |release: &str| {
            let cell = Some(release.as_bytes().to_vec());
            let kind = ColumnType::Varchar;
            peers_v2(&[LocalColumn { name: "release_version".to_owned(), kind, cell }])
        };
        assert!(columns("5.0.9").unwrap().iter().any(|(name, _)| name == "native_address"));
        assert!(columns("4.0-beta1").is_some());
        assert_eq!(columns("3.0.8"), None);
        assert_eq!(columns("x"), None);
        assert_eq!(peers_v2(&[]), None);
    }

    fn at(bind: &str) -> Facade {
        of(&ServerTables::default(), &Bind::Tcp(bind.parse().unwrap()))
    }

    #[test]
    fn the_host_id_stays_and_tells_proxies_apart() {
        let one = at("127.0.0.1:9042");
        let same = at("127.0.0.1:9042");
        let other = at("127.0.0.2:9042");
        assert_eq!(one.host_id, same.host_id);
        assert_ne!(one.host_id, other.host_id);
        assert_eq!((one.host_id[6] >> 4, one.host_id[8] >> 6), (8, 2));
    }
}

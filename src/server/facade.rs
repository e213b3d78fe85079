//! The node that clients see, or one for each address of ours, made of the node that we watch.

use std::net::{Ipv4Addr, SocketAddr};

use crate::control::tables::server_tables::ServerTables;
use crate::facade::tables::peers::ShownNode;
use crate::facade::tables::system_tables::{LocalColumn, OneNode};
use crate::listen::listener::Bind;
use cql::values::column_type::ColumnType;

/// All but `tokens`, which is a pool.
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

/// The newest protocol version that is spoken here.
const PROTOCOL_MAX: u8 = 4;

/// Where the proxy is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Location<'a> {
    /// Its data center; empty leaves that of the node that is watched.
    pub data_center: &'a str,
    /// Its rack, likewise.
    pub rack: &'a str,
}

/// Where clients reach the proxy, and what they see there.
#[derive(Clone, Debug)]
pub struct Front {
    /// The place that names it; the first of several.
    pub bind: Bind,
    /// Addresses that are each a node of its own; none where there is one node.
    pub nodes: Vec<SocketAddr>,
}

impl Front {
    /// One node, or one for each address among `binds` if `as_nodes`.
    #[must_use]
    pub fn new(binds: &[Bind], as_nodes: bool) -> Self {
        let address = |bind: &Bind| match bind {
            Bind::Tcp(address) if as_nodes => Some(*address),
            Bind::Tcp(_) | Bind::Unix(_) => None,
        };
        let first = binds.first().cloned();
        Self {
            bind: first.unwrap_or_else(|| Bind::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 9042)))),
            nodes: binds.iter().filter_map(address).collect(),
        }
    }
}

/// The facade of the proxy that clients reach at `front`. It is at its own place, whichever node is
/// watched: a driver that keeps to a data center would turn away from one that moved.
#[must_use]
pub fn of(tables: &ServerTables, place: Location<'_>, front: &Front) -> OneNode {
    let cells = tables.local_row.iter().cloned().chain(std::iter::repeat(None));
    let local: Vec<LocalColumn> = tables
        .local
        .iter()
        .zip(cells)
        .map(|(column, cell)| LocalColumn {
            name: column.name.clone(),
            kind: column.kind.clone(),
            cell: own_cell(&column.name, place).or(cell).map(|cell| as_spoken(&column.name, cell)),
        })
        .collect();
    let peers = tables.peers.iter().map(|column| (column.name.clone(), column.kind.clone()));
    let node = |address: &SocketAddr| ShownNode {
        address: *address,
        host_id: host_id(&local, &Bind::Tcp(*address)),
    };
    OneNode {
        host_id: host_id(&local, &front.bind),
        nodes: front.nodes.iter().map(node).collect(),
        style: tables.style,
        peers: peers.collect(),
        peers_v2: peers_v2(),
        local,
    }
}

/// What a column says of the proxy's own place.
fn own_cell(column: &str, place: Location<'_>) -> Option<Vec<u8>> {
    let own = match column {
        "data_center" => place.data_center,
        "rack" => place.rack,
        _ => return None,
    };
    (!own.is_empty()).then(|| own.into())
}

/// A node may speak newer versions of the protocol than we do.
fn as_spoken(column: &str, cell: Vec<u8>) -> Vec<u8> {
    let version = std::str::from_utf8(&cell).ok().and_then(|text| text.parse::<u8>().ok());
    match version.filter(|_| column == "native_protocol_version") {
        Some(version) if version > PROTOCOL_MAX => PROTOCOL_MAX.to_string().into_bytes(),
        Some(_) | None => cell,
    }
}

/// Columns of `system.peers_v2`, which ScyllaDB has not. Its own Go driver takes a node whose
/// SUPPORTED names no shards for a Cassandra, asks for this table and does not fall back; those that
/// fall back find the same in it as in `system.peers`: no node.
fn peers_v2() -> Vec<(String, ColumnType)> {
    let tokens = ("tokens".to_owned(), ColumnType::set_of_text());
    let columns = PEERS_V2.iter().map(|(name, kind)| ((*name).to_owned(), kind.clone()));
    columns.chain([tokens]).collect()
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
    use crate::config::address::parse_bind;
    use crate::control::tables::server_tables::ServerColumn;
    use cql::response::metadata::MetadataStyle;

    #[test]
    fn peers_v2_is_there_whatever_the_release() {
        let facade = at("127.0.0.1:9042");
        let names: Vec<_> = facade.peers_v2.iter().map(|(name, _)| name.as_str()).collect();
        assert!(names.contains(&"native_address") && names.contains(&"tokens"), "{names:?}");
    }

    fn at(bind: &str) -> OneNode {
        of(&ServerTables::default(), Location::default(), &front(&[bind], false))
    }

    fn front(binds: &[&str], as_nodes: bool) -> Front {
        let binds: Vec<_> = binds.iter().map(|bind| parse_bind(bind).unwrap()).collect();
        Front::new(&binds, as_nodes)
    }

    #[test]
    fn system_local_is_made_of_the_nodes_own_row_and_columns() {
        let column = |name: &str| ServerColumn { name: name.to_owned(), kind: ColumnType::Varchar };
        let tables = ServerTables {
            local: vec![column("key"), column("rack"), column("late")],
            local_row: vec![Some(b"local".to_vec()), None],
            peers: vec![column("peer")],
            style: MetadataStyle::PerColumn,
        };
        let facade = of(&tables, Location::default(), &front(&["127.0.0.1:9042"], false));
        let cells = facade.local.iter().map(|column| (&*column.name, column.cell.as_deref()));
        let expected = [("key", Some(&b"local"[..])), ("rack", None), ("late", None)];
        assert!(cells.eq(expected), "{facade:?}");
        assert_eq!(facade.style, MetadataStyle::PerColumn);
        assert_eq!(facade.peers, [("peer".to_owned(), ColumnType::Varchar)]);
    }

    #[test]
    fn system_local_is_at_the_proxys_place_and_speaks_its_protocols() {
        let names = ["data_center", "rack", "native_protocol_version"];
        let local =
            names.map(|name| ServerColumn { name: name.to_owned(), kind: ColumnType::Varchar });
        let cells = |place, protocol: &str| {
            let tables = ServerTables {
                local: local.to_vec(),
                local_row: ["dc2", "rack9", protocol].map(|cell| Some(cell.into())).to_vec(),
                ..ServerTables::default()
            };
            let front = front(&["127.0.0.1:9042"], false);
            let text = |column: LocalColumn| String::from_utf8(column.cell.unwrap()).unwrap();
            of(&tables, place, &front).local.into_iter().map(text).collect::<Vec<_>>()
        };
        let own = Location { data_center: "dc1", rack: "rack1" };
        assert_eq!(cells(own, "5"), ["dc1", "rack1", "4"]);
        assert_eq!(cells(Location::default(), "3"), ["dc2", "rack9", "3"]);
    }

    #[test]
    fn each_address_is_a_node_where_that_is_wanted_and_a_unix_socket_is_none() {
        let binds = ["unix:/run/s.sock", "127.0.0.1:9042", "127.0.0.2:9042"];
        let tables = ServerTables::default();
        assert_eq!(of(&tables, Location::default(), &front(&binds, false)).nodes, []);
        let nodes = of(&tables, Location::default(), &front(&binds, true)).nodes;
        let addresses: Vec<_> = nodes.iter().map(|node| node.address.to_string()).collect();
        assert_eq!(addresses, binds[1..]);
        let alone = binds[1..].iter().map(|bind| at(bind).host_id);
        assert!(nodes.iter().map(|node| node.host_id).eq(alone), "as if it were the only one");
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

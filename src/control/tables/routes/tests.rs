//! How entries are written, and a simulated cluster that reports routes.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;
use crate::control::contact::opened_node::ReachSettings;
use crate::control::control::{ControlSettings, run};
use crate::control::tables::publication::Publication;
use crate::control::watch::ControlReport;
use crate::topology::id::NodeId;
use crate::topology::node::Node;
use sim::{ClusterOptions, SimHandle, SimOptions};

#[test]
fn an_entry_names_a_node_and_where_it_is_dialled() {
    for text in [
        "10.0.0.1=203.0.113.7",
        "10.0.0.1=203.0.113.7:9042",
        "fd00::1=lb.example.com:9001/9101",
        "c595b9e7-89f4-410d-8fa1-1f6b57ca04bb=[fd00::2]:9042",
    ] {
        let entry: Translation = text.parse().unwrap();
        assert_eq!(entry.to_string(), text);
    }
    for text in
        ["10.0.0.1", "node1=10.0.0.1", "10.0.0.1=", "10.0.0.1=a b", "10.0.0.1=a/x", "10.0.0.1=a/0"]
    {
        assert!(text.parse::<Translation>().is_err(), "{text}");
    }
}

struct Watched {
    sim: SimHandle,
    _requests: mpsc::Sender<crate::control::watch::ControlRequest>,
    reports: mpsc::Receiver<ControlReport>,
}

impl Watched {
    /// Watches a cluster of two nodes, from 127.0.64.`last` on.
    fn start(last: u8, settings: impl FnOnce(&SimHandle) -> RouteSettings) -> Self {
        let cluster = ClusterOptions {
            address: IpAddr::V4(Ipv4Addr::new(127, 0, 64, last)),
            port: 0,
            shard_aware_port: 0,
            nodes: 2,
            ..ClusterOptions::default()
        };
        let sim = SimHandle::spawn(SimOptions { cluster, api: None, tls: None }).unwrap();
        let routes = RouteSettings { timeout_ms: 5_000, ..settings(&sim) };
        let reach = ReachSettings {
            contact_points: vec![sim.contact_points()[0].to_string().parse().unwrap()],
            client_routes: !routes.connection_ids.is_empty(),
            ..ReachSettings::default()
        };
        let settings = ControlSettings { reach, routes, ..ControlSettings::default() };
        let (requests, control_requests) = mpsc::channel(1);
        let (control_reports, reports) = mpsc::channel(4);
        tokio::spawn(run(settings, control_requests, control_reports));
        Self { sim, _requests: requests, reports }
    }

    async fn published(&mut self) -> Publication {
        loop {
            let report = timeout(Duration::from_secs(20), self.reports.recv()).await;
            if let ControlReport::Published(published) = report.unwrap().unwrap() {
                return published;
            }
        }
    }

    async fn up(&mut self) -> NodeId {
        loop {
            let report = timeout(Duration::from_secs(20), self.reports.recv()).await;
            if let ControlReport::NodeUp(node) = report.unwrap().unwrap() {
                return node;
            }
        }
    }

    fn host(&self, node: usize) -> HostId {
        HostId(self.sim.with(move |cluster, _| cluster.members[node].host_id).unwrap())
    }
}

fn node(published: &Publication, host: HostId) -> &Node {
    published.snapshot.node_of(host).unwrap()
}

fn dialled(published: &Publication, host: HostId) -> (String, ShardPort) {
    let node = node(published, host);
    let address = SocketAddr::new(node.address, node.port).to_string();
    (address, published.shard_ports.get(&node.id).copied().unwrap_or(ShardPort::AsAdvertised))
}

#[tokio::test]
async fn nodes_are_dialled_where_the_map_says() {
    let mut watched = Watched::start(131, |sim| {
        let host = HostId(sim.with(|cluster, _| cluster.members[1].host_id).unwrap());
        let entries =
            ["127.0.64.131=127.0.74.1".to_owned(), format!("{host}=127.0.74.2:9001/9101")];
        let translations = entries.iter().map(|text| text.parse().unwrap()).collect();
        RouteSettings { translations, ..RouteSettings::default() }
    });
    let published = watched.published().await;
    let port = watched.sim.contact_points()[0].port();
    let first = dialled(&published, watched.host(0));
    assert_eq!(first, (format!("127.0.74.1:{port}"), ShardPort::AsAdvertised));
    let second = dialled(&published, watched.host(1));
    assert_eq!(second, ("127.0.74.2:9001".to_owned(), ShardPort::At(9_101)));
    // Events name the nodes by their own addresses.
    watched.sim.with(|cluster, _| cluster.stop_node(1)).unwrap().unwrap();
    watched.sim.with(|cluster, _| cluster.start_node(1)).unwrap().unwrap();
    assert_eq!(watched.up().await, node(&published, watched.host(1)).id);
}

#[tokio::test]
async fn the_table_of_routes_is_followed_and_its_event_heard() {
    let ids = || vec!["link-1".to_owned(), "link-2".to_owned()];
    let mut watched = Watched::start(141, |sim| {
        sim.with(|cluster, _| {
            cluster.set_client_route("link-2", 1, "127.0.74.4", 9_002).unwrap();
            cluster.set_client_route("link-1", 1, "127.0.74.3", 9_001).unwrap();
            cluster.set_client_route("of-others", 0, "127.0.74.5", 9_003).unwrap();
        })
        .unwrap();
        RouteSettings { connection_ids: ids(), ..RouteSettings::default() }
    });
    let published = watched.published().await;
    let own = watched.sim.contact_points()[0].to_string();
    assert_eq!(dialled(&published, watched.host(0)), (own, ShardPort::AsAdvertised));
    let first = dialled(&published, watched.host(1));
    assert_eq!(first, ("127.0.74.3:9001".to_owned(), ShardPort::Nowhere));

    let moved = |cluster: &mut sim::Cluster, _| {
        cluster.set_client_route("link-1", 1, "127.0.74.3", 9_011).unwrap();
    };
    watched.sim.with(moved).unwrap();
    let published = watched.published().await;
    assert_eq!(dialled(&published, watched.host(1)).0, "127.0.74.3:9011");
    watched.sim.with(|cluster, _| cluster.drop_client_route("link-1", 1)).unwrap().unwrap();
    let published = watched.published().await;
    assert_eq!(dialled(&published, watched.host(1)).0, "127.0.74.4:9002", "the next id's");
}

#[tokio::test]
async fn a_route_that_cannot_be_resolved_any_more_stays_where_it_was() {
    let mut routes = Routes::new(RouteSettings { timeout_ms: 5_000, ..RouteSettings::default() });
    let nowhere: ContactPoint = "name.invalid:1".parse().unwrap();
    assert_eq!(routes.resolve(&nowhere).await, None);
    let address = IpAddr::from([10, 0, 0, 1]);
    routes.resolved.insert(nowhere.host.clone(), address);
    assert_eq!(routes.resolve(&nowhere).await, Some(address));
}

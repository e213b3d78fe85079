//! Fake nodes on real sockets, one of which goes away.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::sync::mpsc;
use tokio::sync::watch as shared;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::connect::dialer::DialSettings;
use crate::connect::fake_worker::FakeWorker;
use crate::control::error::ControlError;
use crate::control::tables::fake_tables::{Cells, FakeTables, node_row};
use crate::control::tables::publication::Publication;
use crate::control::watch::ControlPace;
use crate::pool::login::credential::Credential;
use crate::pool::nodes::node_choice::{Candidates, NodeChoice};
use crate::pool::nodes::node_state::PortVerdict;
use crate::topology::id::HostId;
use crate::topology::snapshot::Snapshot;
use sim::{ClusterOptions, SimHandle, SimOptions};

#[tokio::test]
async fn another_node_is_watched_when_the_first_goes_away() {
    let (first, second) = pair("127.0.62.41", "127.0.62.42").await;
    // The only contact point is gone afterwards; the other is known from the tables.
    let mut running = start(&[&format!("127.0.62.41:{}", first.port)]);
    let published = running.published().await;
    assert_eq!((published.snapshot.nodes().len(), published.dial_all_now), (2, false));
    assert_eq!(published.snapshot.nodes()[0].host, HostId([41; 16]));

    first.stop().await;
    let report = running.report().await;
    assert!(matches!(report, ControlReport::Failed(ControlError::Dial(_))), "{report:?}");
    let report = running.report().await;
    assert!(matches!(report, ControlReport::EventsMissed), "{report:?}");
    let published = running.published().await;
    assert!(published.dial_all_now);
    assert_eq!(published.snapshot.nodes().len(), 2);
    let ControlReport::NodeUp(node) = running.report().await else { panic!() };
    assert_eq!(published.snapshot.node(node).unwrap().host, HostId([42; 16]));
    second.stop().await;
}

#[tokio::test]
async fn a_local_node_is_watched_before_a_far_one_that_is_a_contact_point() {
    let (ips, port, nodes) = three_of_two_data_centers().await;
    // After the first contact point it is the turn of the second, which is far.
    let points = [format!("{}:{port}", ips[0]), format!("{}:{port}", ips[1])];
    let mut running = start(&[&points[0], &points[1]]);
    let published = running.published().await;
    assert_eq!((&*published.data_center, published.snapshot.nodes().len()), ("dc1", 3));
    let [first, far, local] = nodes;
    first.stop().await;
    let node = loop {
        if let ControlReport::NodeUp(node) = running.report().await {
            break published.snapshot.node(node).unwrap();
        }
    };
    assert_eq!(node.address.to_string(), ips[2], "it answers, and is in our data center");

    // When there is no other, the far one will do.
    local.stop().await;
    let node = loop {
        if let ControlReport::NodeUp(node) = running.report().await {
            break published.snapshot.node(node).unwrap();
        }
    };
    assert_eq!(node.address.to_string(), ips[1]);
    far.stop().await;
}

#[tokio::test]
async fn the_error_names_each_node_and_why_none_answered() {
    let gone = std::net::TcpListener::bind("127.0.62.43:0").unwrap();
    let port = gone.local_addr().unwrap().port();
    drop(gone);
    let address = format!("127.0.62.43:{port}");
    let mut running = start(&[&address, "name.invalid:1"]);
    let ControlReport::Failed(error) = running.report().await else { panic!() };
    let text = error.to_string();
    assert!(text.contains(&format!("{address}: cannot connect: ")), "{text}");
    assert!(text.contains("Connection refused"), "{text}");
    assert!(text.contains("name.invalid:1: cannot resolve name.invalid:1: "), "{text}");
}

#[tokio::test]
async fn a_contact_point_that_says_nothing_costs_half_a_second_not_its_deadline() {
    // The kernel accepts each connection; none is ever answered.
    let mute = std::net::TcpListener::bind("127.0.64.121:0").unwrap();
    let (first, second) = pair("127.0.64.122", "127.0.64.123").await;
    let mute_at = mute.local_addr().unwrap().to_string();
    let began_ms = now_ms();
    let mut running = start(&[&mute_at, &format!("127.0.64.122:{}", first.port)]);
    let published = running.published().await;
    let took_ms = now_ms() - began_ms;
    assert_eq!(published.snapshot.nodes().len(), 2);
    assert!((500..5_000).contains(&took_ms), "{took_ms} ms");
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_node_that_has_changed_to_another_cluster_is_refused_by_name() {
    let own = fake("127.0.64.124:0", 124, "fake").await;
    let at = format!("127.0.64.124:{}", own.port);
    let mut running = start(&[&at]);
    assert_eq!(running.published().await.snapshot.nodes()[0].host, HostId([124; 16]));

    own.stop().await;
    let strange = fake(&at, 124, "strange").await;
    let error = loop {
        let ControlReport::Failed(error) = running.report().await else { panic!() };
        if let ControlError::OtherCluster { .. } = error {
            break error;
        }
    };
    assert_eq!(error.to_string(), format!("{at} is in cluster 'strange', {at} in cluster 'fake'"));
    assert_eq!(hint::of_control(&error), "name nodes of one cluster in contact_points");
    strange.stop().await;
}

#[tokio::test]
async fn contact_points_of_two_clusters_are_refused_as_soon_as_one_is_reached() {
    let own = fake("127.92.1.1:0", 1, "fake").await;
    let strange = fake("127.92.1.2:0", 2, "strange").await;
    let gone = "127.92.1.3:9";
    let (own_at, strange_at) =
        (format!("127.92.1.1:{}", own.port), format!("127.92.1.2:{}", strange.port));
    let began_ms = now_ms();
    let mut running = start(&[&own_at, gone, &strange_at]);
    running.published().await;
    let ControlReport::Refused(error) = running.report().await else { panic!() };
    let text = format!("{strange_at} is in cluster 'strange', {own_at} in cluster 'fake'");
    assert_eq!(error.to_string(), text);
    assert!(now_ms() - began_ms < 5_000);
    own.stop().await;
    strange.stop().await;
}

#[tokio::test]
async fn contact_points_that_the_cluster_lists_are_not_asked() {
    let (first, second) = pair("127.92.1.4", "127.92.1.5").await;
    let points = [format!("127.92.1.4:{}", first.port), format!("127.92.1.5:{}", second.port)];
    let settings = settings(&[&points[0], &points[1]]).reach;
    let mut running = start(&[&points[0], &points[1]]);
    let cluster = running.published().await.snapshot;
    let address = points[0].parse().unwrap();
    let own = KnownCluster { cluster: "fake".to_owned(), address };
    // Both would be of another cluster than this one, had they been asked.
    let other = KnownCluster { cluster: "other".to_owned(), address };
    assert!(unlisted::find(settings.clone(), &other, &cluster).await.is_none());
    let no_node = Snapshot::default();
    assert!(unlisted::find(settings.clone(), &own, &no_node).await.is_none());
    assert!(unlisted::find(settings, &other, &no_node).await.is_some());
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn nothing_but_proxies_is_refused_and_one_beside_a_node_is_left() {
    let proxy = TcpListener::bind("127.92.1.6:0").await.unwrap();
    let proxy_at = proxy.local_addr().unwrap().to_string();
    let mut tables = FakeTables::scylla(fake_row(6, "fake"), Vec::new());
    tables.supported.shardlane = Some("0.9".to_owned());
    let proxy = serve(proxy, 0, tables);
    let mut own = settings(&["127.92.1.7:9", "localhost:9"]);
    let listens = ["127.92.1.7:9", "127.0.0.1:9", "[::1]:9"];
    own.reach.own = listens.map(|address| address.parse().unwrap()).to_vec();
    own.reach.contact_points.push(proxy_at.parse().unwrap());
    let mut running = start_with(own.clone());
    let ControlReport::Refused(error) = running.report().await else { panic!() };
    let text = error.to_string();
    assert!(text.contains("127.92.1.7:9 is where this shardlane itself listens"), "{text}");
    let expected = format!("{proxy_at} is a shardlane itself (version 0.9), not a node");
    assert!(text.contains(&expected), "{text}");

    let node = fake("127.92.1.8:0", 8, "fake").await;
    own.reach.contact_points.push(format!("127.92.1.8:{}", node.port).parse().unwrap());
    let mut running = start_with(own);
    assert_eq!(running.published().await.snapshot.nodes()[0].host, HostId([8; 16]));
    node.stop().await;
    proxy.stop().await;
}

#[tokio::test]
async fn a_proxy_beside_a_node_that_is_down_is_waited_with() {
    let mut settings = settings(&["127.92.1.9:9", "127.92.1.9:8"]);
    settings.reach.own.push("127.92.1.9:9".parse().unwrap());
    let report = start_with(settings).report().await;
    assert!(matches!(report, ControlReport::Failed(ControlError::Unreachable(_))), "{report:?}");
}

#[tokio::test]
async fn another_pace_counts_from_the_wait_that_goes_on() {
    let slow = BackoffSettings { first_ms: 60_000, max_ms: 60_000, quiet_ms: 60_000 };
    let mut running = start_with(ControlSettings { backoff: slow, ..settings(&["127.0.62.44:1"]) });
    running.report().await;
    let backoff = BackoffSettings { first_ms: 1, max_ms: 1, quiet_ms: 60_000 };
    let pace = ControlPace { backoff, connect_timeout_ms: 100 };
    running.requests.send(ControlRequest::Pace(pace)).await.unwrap();
    let tries = async {
        for _ in 0..50 {
            let report = running.report().await;
            assert!(matches!(report, ControlReport::Failed(_)), "{report:?}");
        }
    };
    // At the pace before, that many take two minutes.
    timeout(Duration::from_secs(20), tries).await.unwrap();
}

#[tokio::test]
async fn the_watch_ends_when_its_requests_are_closed() {
    let running = start(&["127.0.62.44:1"]);
    drop(running.requests);
    let mut reports = running.reports;
    let ended = async { while reports.recv().await.is_some() {} };
    timeout(Duration::from_secs(20), ended).await.unwrap();
}

#[tokio::test]
async fn a_simulated_cluster_is_watched_and_all_its_shards_are_dialled() {
    let cluster = ClusterOptions {
        address: "127.0.62.45".parse().unwrap(),
        port: 0,
        shard_aware_port: 0,
        nodes: 2,
        shards: 3,
        users: vec![("bob".to_owned(), "right".to_owned())],
        ..ClusterOptions::default()
    };
    let sim = SimHandle::spawn(SimOptions { cluster, api: None, tls: None }).unwrap();
    let credential = Some(Arc::new(Credential::plain("bob", "right")));
    let mut settings = settings(&[&sim.contact_points()[0].to_string()]);
    settings.reach.credential.clone_from(&credential);
    let mut running = start_with(settings);
    let published = running.published().await;
    assert_eq!(published.snapshot.nodes().len(), 2);

    let mut worker =
        FakeWorker::new(DialSettings::default(), BackoffSettings::default(), credential);
    let no_ports = std::collections::BTreeMap::new();
    let candidates = Candidates {
        snapshot: &published.snapshot,
        data_center: &published.data_center,
        shard_ports: &no_ports,
    };
    worker.use_nodes(NodeChoice::default().local_targets(candidates));
    worker.run_until("lanes", |worker| worker.lanes.len() == 6).await;
    let mut shards = BTreeSet::new();
    for (_, connection, _) in worker.lanes.values() {
        assert_ne!(connection.lwt_mask, 0);
        assert!(shards.insert((connection.node, connection.shard)));
    }
    for node in published.snapshot.nodes() {
        assert_eq!(worker.nodes.of(node.id).verdict(), PortVerdict::Direct);
    }
}

struct FakeCluster {
    port: u16,
    tasks: Vec<JoinHandle<()>>,
    _tables: shared::Sender<FakeTables>,
    _events: broadcast::Sender<Vec<u8>>,
}

impl FakeCluster {
    async fn stop(self) {
        for task in self.tasks {
            task.abort();
            assert!(task.await.is_err());
        }
    }
}

fn fake_row(number: u8, cluster: &str) -> Cells {
    let mut row = node_row(number, None);
    row[7] = Some(cluster.into());
    row
}

/// A node that is alone in its cluster.
async fn fake(address: &str, number: u8, cluster: &str) -> FakeCluster {
    let listener = TcpListener::bind(address).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    serve(listener, port, FakeTables::scylla(fake_row(number, cluster), Vec::new()))
}

/// Two nodes on one port, for the tables name no ports.
async fn pair(first: &str, second: &str) -> (FakeCluster, FakeCluster) {
    loop {
        let one = TcpListener::bind((first, 0)).await.unwrap();
        let port = one.local_addr().unwrap().port();
        let Ok(two) = TcpListener::bind((second, port)).await else { continue };
        let row = |ip: &str| {
            let number = ip.rsplit('.').next().unwrap().parse().unwrap();
            node_row(number, Some(ip.parse().unwrap()))
        };
        let tables = |own, other| FakeTables::scylla(row(own), vec![row(other)]);
        let nodes = (tables(first, second), tables(second, first));
        return (serve(one, port, nodes.0), serve(two, port, nodes.1));
    }
}

/// Three nodes on one port, the second of them in `dc2`.
async fn three_of_two_data_centers() -> ([&'static str; 3], u16, [FakeCluster; 3]) {
    let ips = ["127.92.1.21", "127.92.1.22", "127.92.1.23"];
    let row = |number: usize| {
        let ip: &str = ips[number];
        let mut row = node_row(u8::try_from(number).unwrap() + 1, Some(ip.parse().unwrap()));
        row[0] = Some(if number == 1 { "dc2" } else { "dc1" }.into());
        row
    };
    let port = TcpListener::bind((ips[0], 0)).await.unwrap().local_addr().unwrap().port();
    let mut nodes = Vec::new();
    for (own, ip) in ips.into_iter().enumerate() {
        let others = (0..3).filter(|other| *other != own).map(row).collect();
        let listener = TcpListener::bind((ip, port)).await.unwrap();
        nodes.push(serve(listener, port, FakeTables::scylla(row(own), others)));
    }
    let Ok(nodes) = nodes.try_into() else { panic!("three nodes") };
    (ips, port, nodes)
}

fn serve(listener: TcpListener, port: u16, tables: FakeTables) -> FakeCluster {
    let (tables, shown) = shared::channel(tables);
    let (events, _) = broadcast::channel(1);
    let heard = events.clone();
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // In this task, so that its end is the end of the connection: one at a time will do.
            FakeTables::serve(shown.clone(), heard.subscribe(), stream).await;
        }
    });
    FakeCluster { port, tasks: vec![task], _tables: tables, _events: events }
}

struct Running {
    requests: Sender<ControlRequest>,
    reports: Receiver<ControlReport>,
}

impl Running {
    async fn report(&mut self) -> ControlReport {
        timeout(Duration::from_secs(20), self.reports.recv()).await.unwrap().unwrap()
    }

    async fn published(&mut self) -> Publication {
        let report = self.report().await;
        let ControlReport::Published(published) = report else { panic!("{report:?}") };
        published
    }
}

fn settings(contact_points: &[&str]) -> ControlSettings {
    let contact_points = contact_points.iter().map(|text| text.parse().unwrap()).collect();
    let reach = ReachSettings { contact_points, ..ReachSettings::default() };
    ControlSettings { reach, ..ControlSettings::default() }
}

fn start(contact_points: &[&str]) -> Running {
    start_with(settings(contact_points))
}

fn start_with(settings: ControlSettings) -> Running {
    let (requests, control_requests) = mpsc::channel(1);
    let (control_reports, reports) = mpsc::channel(4);
    tokio::spawn(run(settings, control_requests, control_reports));
    Running { requests, reports }
}

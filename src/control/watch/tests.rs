//! A watched node over an in-memory stream.

use std::net::{IpAddr, Ipv4Addr};

use tokio::io::DuplexStream;
use tokio::io::duplex;
use tokio::sync::broadcast;
use tokio::sync::mpsc;
use tokio::sync::watch as shared;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::control::tables::fake_tables::{FakeTables, event_frame, node_row};
use crate::control::tables::table_reads::TableReadSettings;
use crate::engine::action::TableFact;
use crate::topology::id::NodeId;
use crate::topology::table_key::KeyColumn;
use cql::response::event::NodeEvent;
use cql::response::schema_change::{SchemaChange, SchemaTarget};
use cql::values::column_type::ColumnType;

/// Where the node is said to be.
const NODE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 9_042);

const QUICK: AgendaSettings = AgendaSettings {
    refresh_every_ms: 60_000,
    keyspace_delay_ms: 1,
    topology_delay_ms: 5,
    refresh_gap_ms: 1,
    heartbeat_ms: 5,
};

#[test]
fn another_pace_counts_for_names_of_routes_at_once() {
    let (_requests, requests) = mpsc::channel(1);
    let (reports, _reports) = mpsc::channel(1);
    let mut watcher = Watcher {
        pace: None,
        routes: Routes::default(),
        publisher: Publisher::new(None),
        agenda: QUICK,
        reads: TableReads::new(TableReadSettings::default()),
        requests,
        reports,
    };
    let pace = ControlPace { backoff: BackoffSettings::default(), connect_timeout_ms: 700 };
    watcher.on_request(ControlRequest::Pace(pace), &mut Agenda::new(QUICK, 0));
    assert_eq!(watcher.routes.timeout_ms(), 700);
    assert_eq!(watcher.pace.map(|pace| pace.connect_timeout_ms), Some(700), "for the next round");
}

#[tokio::test]
async fn a_keyspace_that_is_created_is_reported_then_published() {
    let mut watched = Watched::start(QUICK).await;
    watched.tables.send_modify(|tables| *tables = tables.clone().keyspace("new", "1", Some(4)));
    let target = SchemaTarget::Keyspace;
    let change = SchemaChange { change: "CREATED", keyspace: "new", target };
    let frame = event_frame(&Event::Schema(change));
    watched.events.send(frame.clone()).unwrap();

    let ControlReport::SchemaChange(message) = watched.report().await else { panic!() };
    assert_eq!(message, frame[9..]);
    let ControlReport::Published(published) = watched.report().await else { panic!() };
    assert!(published.snapshot.keyspace("new").unwrap().tablets);
}

#[tokio::test]
async fn a_node_that_comes_up_is_reported_at_once_and_nothing_is_published_for_it() {
    let mut watched = Watched::start(QUICK).await;
    watched.events.send(status("DOWN", 2)).unwrap();
    watched.events.send(status("UP", 2)).unwrap();
    let report = watched.report().await;
    assert!(matches!(report, ControlReport::NodeUp(NodeId(1))), "{report:?}");
}

#[tokio::test]
async fn a_request_brings_a_new_node_into_the_snapshot() {
    let mut watched = Watched::start(QUICK).await;
    watched.tables.send_modify(|tables| {
        tables.push("system.peers", node_row(3, Some(ip(3))));
    });
    watched.requests.send(ControlRequest::Refresh).await.unwrap();
    let ControlReport::Published(published) = watched.report().await else { panic!() };
    assert_eq!(published.snapshot.nodes().len(), 3);
}

#[tokio::test]
async fn a_node_that_says_nothing_any_more_is_given_up() {
    let mut watched = Watched::start(QUICK).await;
    // Open at the other end, and never answered.
    let (near, _far) = duplex(1_024);
    watched.node.abort();
    let mut connection = ControlConnection::new(near, NODE, 4, 20);
    let mut watcher = watched.watcher.take().unwrap().await.unwrap();
    let end = timeout(Duration::from_secs(20), watcher.watch(&mut connection, contact())).await;
    let End::Lost(error) = end.unwrap() else { panic!() };
    assert_eq!(error.to_string(), "10.0.0.1:9042: no answer within 20 ms during OPTIONS");
}

#[tokio::test]
async fn watching_ends_with_the_requests() {
    let mut watched = Watched::start(QUICK).await;
    let (requests, _) = mpsc::channel(1);
    watched.requests = requests;
    let ended = timeout(Duration::from_secs(20), watched.watcher.take().unwrap()).await;
    assert!(ended.unwrap().is_ok());
}

#[tokio::test]
async fn a_table_s_key_is_read_when_a_worker_asks_for_it() {
    let mut watched = Watched::start(QUICK).await;
    watched.tables.send_modify(|tables| {
        let columns = ["column_name", "kind", "position", "type"].to_vec();
        let row = ["k", "partition_key", "\0\0\0\0", "int"].map(|cell| Some(cell.into()));
        tables.tables.insert("system_schema.columns", (columns, vec![row.to_vec()]));
    });
    let (keyspace, table) = ("ks".into(), "t".into());
    let request = TableRequest { keyspace, table, wanted: TableFact::Key };
    watched.requests.send(ControlRequest::ReadTable(request)).await.unwrap();
    let ControlReport::TableKey(key) = watched.report().await else { panic!() };
    let columns = vec![KeyColumn { name: "k".into(), kind: ColumnType::Int }];
    assert_eq!(key.columns, Some(columns.into_boxed_slice()));
}

struct Watched {
    tables: shared::Sender<FakeTables>,
    events: broadcast::Sender<Vec<u8>>,
    requests: Sender<ControlRequest>,
    reports: Receiver<ControlReport>,
    watcher: Option<JoinHandle<Watcher>>,
    node: JoinHandle<()>,
}

impl Watched {
    async fn start(agenda: AgendaSettings) -> Self {
        let (near, far) = duplex(64 * 1024);
        let local = node_row(1, Some(ip(1)));
        let (tables, shown) =
            shared::channel(FakeTables::scylla(local, vec![node_row(2, Some(ip(2)))]));
        let (events, heard) = broadcast::channel(8);
        let node = tokio::spawn(FakeTables::serve(shown, heard, far));
        let (requests, watcher_requests) = mpsc::channel(1);
        let (watcher_reports, reports) = mpsc::channel(1);
        let mut watcher = Watcher {
            pace: None,
            routes: Routes::default(),
            publisher: Publisher::new(None),
            agenda,
            reads: TableReads::new(TableReadSettings::default()),
            requests: watcher_requests,
            reports: watcher_reports,
        };
        let mut connection: ControlConnection<DuplexStream> =
            ControlConnection::new(near, NODE, 4, 5_000);
        let metadata = metadata::read(&mut connection).await.unwrap();
        assert!(watcher.publisher.on_metadata(metadata, contact(), false).is_some());
        let watcher = tokio::spawn(async move {
            watcher.watch(&mut connection, contact()).await;
            watcher
        });
        Self { tables, events, requests, reports, watcher: Some(watcher), node }
    }

    async fn report(&mut self) -> ControlReport {
        timeout(Duration::from_secs(20), self.reports.recv()).await.unwrap().unwrap()
    }
}

fn status(change: &str, number: u8) -> Vec<u8> {
    event_frame(&Event::Status(NodeEvent { change, address: ip(number), port: 9_042 }))
}

fn contact() -> SocketAddr {
    SocketAddr::new(ip(1), 9_042)
}

fn ip(number: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, number])
}

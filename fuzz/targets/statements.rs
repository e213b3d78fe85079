//! Texts, as we tell them apart and as a server takes them: what switches a keyspace there is a
//! `USE` here, what we would repeat only reads, and what we answer ourselves has its columns.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Duration;

use cql::column_type::ColumnType;
use cql::notation::Reader;
use cql::opcode::Opcode;
use cql::response::error::ErrorMessage;
use cql::response::metadata::ColumnSpec;
use cql::response::result::ResultKind;
use cql::response::rows::Rows;
use shardlane::facade::lexer::Lexer;
use shardlane::facade::statement_text::{StatementText, classify, is_select};
use sim::{Cluster, ClusterOptions, ConnectionId, Door};

use crate::support::frames;
use crate::support::frames::Frame;

const TEXT_MAX: usize = 2000;
/// Texts that one node is asked at most: it remembers what it prepared.
const TEXTS_OF_ONE: usize = 256;

thread_local! {
    /// A node as it was made, but for what it prepared: to make one takes 6 ms.
    static UNTOUCHED: RefCell<Option<Server>> = const { RefCell::new(None) };
}

/// `data` is a statement.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.len() > TEXT_MAX {
        return;
    }
    assert!(Lexer::new(text).count() <= text.len());
    blank_changes_nothing(text);
    let kept = UNTOUCHED.with_borrow_mut(Option::take);
    let mut server = kept.unwrap_or_else(Server::new);
    let class = classify(text, None);
    let answer = server.ask(text);
    let switched = server.keyspace();
    match answer.opcode() {
        Opcode::Result => match ResultKind::read(&answer.body).expect("our own node") {
            ResultKind::SetKeyspace => {
                let name = Reader::new(&answer.body[4..]).string().expect("our own node");
                assert_eq!(switched.as_deref(), Some(name));
                assert_eq!(class, StatementText::Use(name.to_owned()));
            }
            ResultKind::Rows => rows_came(&answer, &class),
            ResultKind::Void | ResultKind::SchemaChange => {
                assert!(!is_select(text), "it writes");
                assert_eq!(class, StatementText::Other);
            }
            ResultKind::Prepared => panic!("nobody prepared"),
        },
        Opcode::Error => {
            ErrorMessage::read(&answer.body).expect("our own node");
            assert_eq!(switched, None, "refused, and switched all the same");
        }
        other => panic!("{other:?}"),
    }
    if switched.is_some() {
        assert!(matches!(class, StatementText::Use(_)), "a shared lane would be switched");
    }
    server.prepare_alike(text, &answer);
    let ran = ResultKind::read(&answer.body);
    let touched = answer.opcode() == Opcode::Result && !matches!(ran, Ok(ResultKind::Rows));
    server.texts += 1;
    if !touched && server.texts < TEXTS_OF_ONE {
        UNTOUCHED.set(Some(server));
    }
}

/// Comments and blanks before a text are no part of it.
fn blank_changes_nothing(text: &str) {
    let padded = format!("\n/* USE x */ -- SELECT\n\t{text}");
    for keyspace in [None, Some("system")] {
        assert_eq!(classify(&padded, keyspace), classify(text, keyspace));
    }
    assert_eq!(is_select(&padded), is_select(text));
}

fn rows_came(answer: &Frame, class: &StatementText) {
    let rows = Rows::read(&answer.body).expect("our own node");
    assert!(rows.rows().all(|row| row.is_ok()));
    let hidden = ["local", "peers", "peers_v2"];
    let shown = rows.metadata.columns.iter();
    let shown = shown.filter(|it| it.keyspace == "system" && hidden.contains(&it.table));
    let shown: Vec<_> = shown.collect();
    match class {
        StatementText::Use(_) => panic!("a USE has no rows"),
        StatementText::Refused(_) => assert!(!shown.is_empty(), "it shows no node"),
        // Rows of other tables pass, and what tells nothing of where nodes are.
        StatementText::Other => {
            let of_node = |column: &&&ColumnSpec<'_>| {
                matches!(column.kind, ColumnType::Inet | ColumnType::Uuid | ColumnType::Set(_))
                    && column.name != "schema_version"
            };
            let told: Vec<_> = shown.iter().filter(of_node).collect();
            assert!(told.is_empty(), "a driver would see a real node: {told:?}");
        }
        StatementText::Local(select) => {
            let name = select.table.table;
            assert!(rows.metadata.columns.iter().all(|column| column.table == name));
        }
    }
}

/// A node with one table.
struct Server {
    cluster: Cluster,
    client: ConnectionId,
    texts: usize,
}

impl Server {
    fn new() -> Self {
        let options = ClusterOptions {
            nodes: 1,
            shards: 1,
            tablets: 1,
            vnodes: 1,
            schema_lag: Duration::ZERO,
            ..ClusterOptions::default()
        };
        let mut cluster = Cluster::new(options).expect("a cluster");
        let peer = SocketAddr::from(([127, 0, 0, 9], 50_000));
        let client = cluster.open(0, Door::ShardAware, peer).expect("the node is up");
        let mut server = Self { cluster, client, texts: 0 };
        assert_eq!(server.send(&frames::startup(4, None)).opcode(), Opcode::Ready);
        for text in [
            "CREATE KEYSPACE k WITH replication = \
             {'class': 'NetworkTopologyStrategy', 'replication_factor': 1}",
            "CREATE TABLE k.t (k int PRIMARY KEY, v text)",
            "INSERT INTO k.t (k, v) VALUES (1, 'one')",
        ] {
            assert_eq!(server.ask(text).opcode(), Opcode::Result, "{text}");
        }
        server
    }

    fn ask(&mut self, text: &str) -> Frame {
        self.send(&frames::query(1, text))
    }

    fn send(&mut self, frame: &[u8]) -> Frame {
        let mut out = Vec::new();
        let received = self.cluster.receive(self.client, frame, Duration::ZERO, &mut out);
        assert_eq!(received.consumed, frame.len());
        // Events of what it did follow, if it did something.
        let mut answers = frames::cut(&out);
        answers.retain(|answer| answer.opcode() != Opcode::Event);
        assert_eq!(answers.len(), 1, "one answer to each request");
        answers.remove(0)
    }

    fn keyspace(&self) -> Option<String> {
        self.cluster.keyspace_in_use(self.client).map(str::to_owned)
    }

    /// What a server runs without values it prepares as well, unless the schema is another now.
    fn prepare_alike(&mut self, text: &str, answer: &Frame) {
        let prepared = self.send(&frames::prepare(2, text));
        let ran = ResultKind::read(&answer.body);
        let same_schema = matches!(ran, Ok(ResultKind::Rows | ResultKind::Void));
        if answer.opcode() == Opcode::Result && same_schema {
            let told = String::from_utf8_lossy(&prepared.body);
            assert_eq!(prepared.opcode(), Opcode::Result, "{told}");
        }
    }
}

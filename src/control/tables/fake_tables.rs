//! A node that answers the watching connection, for tests: system tables, and events on demand.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::sync::broadcast;
use tokio::sync::watch;

use crate::upstream::lane::LANE_RESPONSE;
use cql::error_code::ErrorCode;
use cql::frame::{FrameHead, write_frame};
use cql::header::{HEADER_LEN, Header};
use cql::notation::Reader;
use cql::opcode::Opcode;
use cql::response::error::write_error;
use cql::response::event::{Event, write_event};
use cql::response::metadata::{ColumnSpec, Metadata, MetadataStyle};
use cql::response::rows::put_rows;
use cql::response::supported::Supported;
use cql::values::cell::{from_inet, from_text_list, from_text_map};
use cql::values::column_type::ColumnType;

pub(crate) type Cells = Vec<Option<Vec<u8>>>;

const NODE_COLUMNS: [&str; 9] = [
    "data_center",
    "rack",
    "host_id",
    "rpc_address",
    "release_version",
    "tokens",
    "partitioner",
    "cluster_name",
    "peer",
];

/// The tables that a node shows; a table that is not here is not there.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeTables {
    /// What it says that it can do.
    pub(crate) supported: Supported,
    pub(crate) tables: BTreeMap<&'static str, (Vec<&'static str>, Vec<Cells>)>,
}

impl FakeTables {
    /// A ScyllaDB with a local node, peers, and no keyspaces.
    pub(crate) fn scylla(local: Cells, peers: Vec<Cells>) -> Self {
        let mut tables = BTreeMap::new();
        tables.insert("system.local", (NODE_COLUMNS.to_vec(), vec![local]));
        tables.insert("system.peers", (NODE_COLUMNS.to_vec(), peers));
        let empty = |columns: &[&'static str]| (columns.to_vec(), Vec::new());
        let keyspaces = empty(&["keyspace_name", "replication"]);
        tables.insert("system_schema.keyspaces", keyspaces);
        let tablets = empty(&["keyspace_name", "initial_tablets"]);
        tables.insert("system_schema.scylla_keyspaces", tablets);
        let partitioners = empty(&["keyspace_name", "table_name", "partitioner"]);
        tables.insert("system_schema.scylla_tables", partitioners);
        Self { tables, supported: Supported::default() }
    }

    /// Adds a keyspace; `tablets` as `initial_tablets` has it.
    pub(crate) fn keyspace(mut self, name: &str, factor: &str, tablets: Option<i32>) -> Self {
        let replication = from_text_map(&[
            ("class", "org.apache.cassandra.locator.NetworkTopologyStrategy"),
            ("dc1", factor),
        ]);
        self.push("system_schema.keyspaces", vec![Some(name.into()), Some(replication)]);
        let tablets = tablets.map(|tablets| tablets.to_be_bytes().to_vec());
        self.push("system_schema.scylla_keyspaces", vec![Some(name.into()), tablets]);
        self
    }

    pub(crate) fn push(&mut self, table: &str, row: Cells) {
        self.tables.get_mut(table).unwrap().1.push(row);
    }

    /// Answers one client until it leaves, or `events` is closed.
    pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
        tables: watch::Receiver<Self>,
        mut events: broadcast::Receiver<Vec<u8>>,
        mut stream: S,
    ) {
        let mut head = [0; HEADER_LEN];
        loop {
            tokio::select! {
                // A head is small enough to come whole.
                read = stream.read_exact(&mut head) => if read.is_err() { return },
                event = events.recv() => match event {
                    Ok(frame) => { stream.write_all(&frame).await.unwrap(); continue; }
                    Err(_) => return,
                },
            }
            let header = Header::peek(&head).unwrap();
            let mut body = vec![0; usize::try_from(header.body_len).unwrap()];
            stream.read_exact(&mut body).await.unwrap();
            let mut out = Vec::new();
            tables.borrow().answer(&mut out, header, &body);
            if stream.write_all(&out).await.is_err() {
                return;
            }
        }
    }

    fn answer(&self, out: &mut Vec<u8>, header: Header, body: &[u8]) {
        let head = FrameHead { version: LANE_RESPONSE, flags: 0, stream: header.stream };
        #[expect(clippy::wildcard_enum_match_arm, reason = "the rest fails the test")]
        match Opcode::from_byte(header.opcode).unwrap() {
            Opcode::Options => {
                write_frame(out, head, Opcode::Supported, |out| self.supported.put(out));
            }
            Opcode::Startup | Opcode::Register => write_frame(out, head, Opcode::Ready, |_| {}),
            Opcode::Query => {
                let text = Reader::new(body).long_string().unwrap();
                match self.tables.iter().find(|(table, _)| text.contains(*table)) {
                    Some((_, (columns, rows))) => {
                        write_frame(out, head, Opcode::Result, |out| {
                            put_rows(out, &shape(columns), rows);
                        });
                    }
                    None => {
                        let text = "unconfigured table";
                        write_error(out, 4, header.stream, ErrorCode::INVALID, text);
                    }
                }
            }
            opcode => panic!("{opcode:?} is not for a watched node"),
        }
    }
}

fn shape<'a>(columns: &[&'a str]) -> Metadata<'a> {
    let column = |name: &&'a str| ColumnSpec {
        keyspace: "system",
        table: "t",
        name,
        kind: ColumnType::Blob,
    };
    Metadata::new(MetadataStyle::PerColumn, columns.iter().map(column).collect())
}

/// A row of `system.local` or `system.peers`: node `number` in dc1, with one token.
pub(crate) fn node_row(number: u8, address: Option<IpAddr>) -> Cells {
    let address = address.map(from_inet);
    vec![
        Some("dc1".into()),
        Some(format!("rack{number}").into()),
        Some(vec![number; 16]),
        address.clone(),
        Some("3.0.8".into()),
        Some(from_text_list(&[&(i64::from(number) * 100).to_string()])),
        Some("org.apache.cassandra.dht.Murmur3Partitioner".into()),
        Some("fake".into()),
        address,
    ]
}

/// The frame of an event.
pub(crate) fn event_frame(event: &Event<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    write_event(&mut out, 4, event);
    out
}

//! A simulated node that judges texts: it is sent them, as a client would.

use std::net::SocketAddr;
use std::time::Duration;

use cql::opcode::Opcode;
use sim::{Cluster, ClusterOptions, ConnectionId, PortKind};

use crate::support::frames;
use crate::support::frames::Frame;

/// A node and a client of it.
pub(crate) struct Server {
    cluster: Cluster,
    client: ConnectionId,
    /// How many texts it was asked; for who asks to count.
    pub(crate) texts: usize,
}

impl Server {
    /// A node with a keyspace `k` and what `schema` makes in it.
    pub(crate) fn new(schema: &[&str]) -> Self {
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
        let client = cluster.open(0, PortKind::ShardAware, peer).expect("the node is up");
        let mut server = Self { cluster, client, texts: 0 };
        assert_eq!(server.send(&frames::startup(4, None)).opcode(), Opcode::Ready);
        let keyspace = "CREATE KEYSPACE k WITH replication = \
                        {'class': 'NetworkTopologyStrategy', 'replication_factor': 1}";
        for text in [keyspace].iter().chain(schema) {
            assert_eq!(server.ask(text).opcode(), Opcode::Result, "{text}");
        }
        server
    }

    /// The answer to a text.
    pub(crate) fn ask(&mut self, text: &str) -> Frame {
        self.send(&frames::query(1, text))
    }

    /// The answer to a frame.
    pub(crate) fn send(&mut self, frame: &[u8]) -> Frame {
        let mut out = Vec::new();
        let received = self.cluster.receive(self.client, frame, Duration::ZERO, &mut out);
        assert_eq!(received.consumed, frame.len());
        // Events of what it did follow, if it did something.
        let mut answers = frames::cut(&out);
        answers.retain(|answer| answer.opcode() != Opcode::Event);
        assert_eq!(answers.len(), 1, "one answer to each request");
        answers.remove(0)
    }

    /// The keyspace that the client uses.
    pub(crate) fn keyspace(&self) -> Option<String> {
        self.cluster.keyspace_in_use(self.client).map(str::to_owned)
    }
}

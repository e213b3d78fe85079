//! A client without a socket, for tests.

use std::net::SocketAddr;
use std::time::Duration;

use crate::cluster::cluster::Cluster;
use crate::cluster::connections::Mail;
use crate::cluster::options::ClusterOptions;
use crate::node::connection::ConnectionId;
use crate::node::connection::PortKind;
use cql::frame::{FrameHead, write_frame};
use cql::header::{HEADER_LEN, Header};
use cql::notation::{
    Reader, put_bytes, put_long_string, put_short, put_short_bytes, put_string_list, put_string_map,
};
use cql::opcode::Opcode;

/// Consistency ONE.
const ONE: u16 = 1;

/// One frame from the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Reply {
    pub(crate) header: Header,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// Cuts all frames out of `bytes`.
    pub(crate) fn all(mut bytes: &[u8]) -> Vec<Self> {
        let mut replies = Vec::new();
        while let Some(header) = Header::peek(bytes) {
            let len = HEADER_LEN + usize::try_from(header.body_len).unwrap();
            replies.push(Self { header, body: bytes[HEADER_LEN..len].to_vec() });
            bytes = &bytes[len..];
        }
        replies
    }

    pub(crate) fn opcode(&self) -> Opcode {
        Opcode::from_byte(self.header.opcode).unwrap()
    }

    /// Code and text of an ERROR.
    pub(crate) fn error(&self) -> (i32, String) {
        assert_eq!(self.opcode(), Opcode::Error, "{self:?}");
        let mut reader = Reader::new(&self.body);
        (reader.int().unwrap(), reader.string().unwrap().to_owned())
    }

    /// Checks that it is a RESULT.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.opcode(), Opcode::Result, "{:?}", String::from_utf8_lossy(&self.body));
        self
    }

    /// Whether it says where a tablet is.
    pub(crate) fn has_tablet(&self) -> bool {
        self.header.flags & 0x04 != 0
    }
}

/// A client of a cluster. Tests pass the cluster to each call.
pub(crate) struct Probe {
    pub(crate) id: ConnectionId,
    pub(crate) version: u8,
    pub(crate) now: Duration,
}

impl Probe {
    /// Connects through the shard-aware port to a shard.
    pub(crate) fn connect(cluster: &mut Cluster, node: usize, shard: u16) -> Self {
        let nr_shards = cluster.members[node].nr_shards();
        let port = 50_000 / nr_shards * nr_shards + shard;
        let peer = SocketAddr::from(([127, 0, 0, 9], port));
        let id = cluster.open(node, PortKind::ShardAware, peer).unwrap();
        Self { id, version: 4, now: Duration::ZERO }
    }

    /// Connects, and asks for the tablets' extension.
    pub(crate) fn ready(cluster: &mut Cluster, node: usize, shard: u16) -> Self {
        let probe = Self::connect(cluster, node, shard);
        probe.startup(cluster, &[("TABLETS_ROUTING_V1", "")]);
        probe
    }

    /// Connects to node 0 and logs in.
    pub(crate) fn log_in(cluster: &mut Cluster, user: &str, password: &str) -> Self {
        let probe = Self::connect(cluster, 0, 0);
        assert_eq!(probe.startup(cluster, &[]).opcode(), Opcode::Authenticate);
        let mut body = Vec::new();
        put_bytes(&mut body, Some(format!("\0{user}\0{password}").as_bytes()));
        assert_eq!(probe.send(cluster, Opcode::AuthResponse, &body).opcode(), Opcode::AuthSuccess);
        probe
    }

    pub(crate) fn startup(&self, cluster: &mut Cluster, options: &[(&str, &str)]) -> Reply {
        let mut body = Vec::new();
        put_string_map(&mut body, options);
        self.send(cluster, Opcode::Startup, &body)
    }

    pub(crate) fn register(&self, cluster: &mut Cluster) {
        let mut body = Vec::new();
        put_string_list(&mut body, &["SCHEMA_CHANGE", "STATUS_CHANGE", "TOPOLOGY_CHANGE"]);
        assert_eq!(self.send(cluster, Opcode::Register, &body).opcode(), Opcode::Ready);
    }

    /// Sends a frame; the last frame that comes back at once.
    pub(crate) fn send(&self, cluster: &mut Cluster, opcode: Opcode, body: &[u8]) -> Reply {
        self.send_flagged(cluster, opcode, 0, body).pop().unwrap()
    }

    /// Sends a frame with flags; all frames that come back at once.
    pub(crate) fn send_flagged(
        &self,
        cluster: &mut Cluster,
        opcode: Opcode,
        flags: u8,
        body: &[u8],
    ) -> Vec<Reply> {
        let mut frame = Vec::new();
        let head = FrameHead { version: self.version, flags, stream: 7 };
        write_frame(&mut frame, head, opcode, |out| out.extend_from_slice(body));
        let mut out = Vec::new();
        let received = cluster.receive(self.id, &frame, self.now, &mut out);
        assert_eq!(received.consumed, frame.len());
        Reply::all(&out)
    }

    pub(crate) fn query(&self, cluster: &mut Cluster, text: &str) -> Reply {
        self.query_at(cluster, text, ONE)
    }

    pub(crate) fn query_at(&self, cluster: &mut Cluster, text: &str, consistency: u16) -> Reply {
        let mut body = Vec::new();
        put_long_string(&mut body, text);
        put_short(&mut body, consistency);
        body.push(0);
        self.send(cluster, Opcode::Query, &body)
    }

    /// QUERY with values.
    pub(crate) fn query_with(&self, cluster: &mut Cluster, text: &str, values: &[&[u8]]) -> Reply {
        let mut body = Vec::new();
        put_long_string(&mut body, text);
        put_values(&mut body, values);
        self.send(cluster, Opcode::Query, &body)
    }

    /// The id of a statement.
    pub(crate) fn prepare(&self, cluster: &mut Cluster, text: &str) -> Vec<u8> {
        let mut body = Vec::new();
        put_long_string(&mut body, text);
        let reply = self.send(cluster, Opcode::Prepare, &body).ok();
        let mut reader = Reader::new(&reply.body);
        assert_eq!(reader.int().unwrap(), 4);
        reader.short_bytes().unwrap().to_vec()
    }

    pub(crate) fn execute(&self, cluster: &mut Cluster, id: &[u8], values: &[&[u8]]) -> Reply {
        let mut body = Vec::new();
        put_short_bytes(&mut body, id);
        put_values(&mut body, values);
        self.send(cluster, Opcode::Execute, &body)
    }

    /// The frames that wait for it.
    pub(crate) fn mail(&self, cluster: &mut Cluster) -> Vec<Reply> {
        let letters = cluster.take_mail();
        let mine = letters.into_iter().filter_map(|letter| match letter {
            Mail::Bytes(id, bytes) if id == self.id => Some(Reply::all(&bytes)),
            Mail::Bytes(..) | Mail::Close(_) => None,
        });
        mine.flatten().collect()
    }
}

fn put_values(body: &mut Vec<u8>, values: &[&[u8]]) {
    put_short(body, ONE);
    body.push(1);
    put_short(body, u16::try_from(values.len()).unwrap());
    for value in values {
        body.extend_from_slice(&i32::try_from(value.len()).unwrap().to_be_bytes());
        body.extend_from_slice(value);
    }
}

/// A cluster without delays.
pub(crate) fn cluster(change: impl FnOnce(&mut ClusterOptions)) -> Cluster {
    let mut options = ClusterOptions { schema_lag: Duration::ZERO, ..ClusterOptions::default() };
    change(&mut options);
    Cluster::new(options).unwrap()
}

/// Creates a keyspace `ks` with tablets and a table `t (pk int, v int)` in it.
pub(crate) fn create_table(cluster: &mut Cluster, factor: usize, tablets: u32) {
    let probe = Probe::ready(cluster, 0, 0);
    let keyspace = format!(
        "CREATE KEYSPACE ks WITH replication = {{'class': 'NetworkTopologyStrategy', \
         'datacenter1': {factor}}} AND tablets = {{'initial': {tablets}}}"
    );
    probe.query(cluster, &keyspace).ok();
    probe.query(cluster, "CREATE TABLE ks.t (pk int PRIMARY KEY, v int)").ok();
}

//! What is said on a connection before it is anybody's: STARTUP, a login, `USE`.

use std::net::SocketAddr;

use crate::model::credentials::ROOT;
use crate::model::frames::{Cutter, Frame, Hand};
use crate::proxy::lanes::KeeperKey;
use crate::world::World;
use cql::opcode::Opcode;
use cql::response::supported::Supported;
use cql::token::shard::Sharder;
use shardlane::pool::lane_slots::Dial;
use sim::{ConnectionId, Door};

/// First source port of lanes.
const PORT_FIRST: u64 = 49_152;
const PORTS: u64 = 16_384;

/// What a handshake told.
#[derive(Clone, Copy)]
pub(crate) struct Greeted {
    pub(crate) connection: ConnectionId,
    pub(crate) shard: u16,
    pub(crate) sharder: Option<Sharder>,
    pub(crate) lwt_mask: u32,
    pub(crate) metadata_ids: bool,
}

/// Why there is no lane.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The node does not answer.
    Silent,
    /// It does not take the login.
    Login(Frame),
    /// It does not take something else.
    Said(Frame),
}

impl World {
    /// Opens a connection to a node and says what a lane says.
    pub(crate) fn greet(
        &mut self,
        key: KeeperKey,
        (dial, sharder): (Dial, Option<Sharder>),
    ) -> Result<Greeted, Refused> {
        let (door, port) = match (dial, sharder) {
            (Dial::Shard(shard), Some(sharder)) => {
                let shards = u64::from(sharder.nr_shards().get());
                let port = PORT_FIRST + self.chance.below(PORTS) / shards * shards;
                let port = port - port % shards + u64::from(shard.0);
                (Door::ShardAware, port)
            }
            (Dial::Any | Dial::Shard(_), _) => (Door::Plain, PORT_FIRST + self.chance.below(PORTS)),
        };
        let peer = SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap_or(u16::MAX)));
        let connection = self.cluster.open(key.node, door, peer).ok_or(Refused::Silent)?;
        let supported = self.ask_node(connection, &Hand::OWN.options()).ok_or(Refused::Silent)?;
        let supported = Supported::read(&supported.body).map_err(|_| Refused::Silent)?;
        let metadata_ids = supported.metadata_id && self.scenario.metadata_ids;
        let mut options = vec![
            ("CQL_VERSION", "3.0.0"),
            ("TABLETS_ROUTING_V1", ""),
            ("SCYLLA_LWT_ADD_METADATA_MARK", ""),
        ];
        options.extend(metadata_ids.then_some(("SCYLLA_USE_METADATA_ID", "")));
        let compression = self.scenario.lane_compression;
        options.extend(compression.map(|algorithm| ("COMPRESSION", algorithm.name())));
        let of = self.workers.get(key.worker).pools.get(&key.pool).cloned().unwrap_or_default();
        let token = of.credential.map(|credential| credential.token());
        self.start(connection, &options, token.as_deref())?;
        if let Some(keyspace) = of.keyspace {
            let text = format!("USE \"{keyspace}\"");
            let said = self.ask_node(connection, &Hand::OWN.query(&text)).ok_or(Refused::Silent)?;
            if said.opcode() == Some(Opcode::Error) {
                self.cluster.close(connection);
                return Err(Refused::Said(said.plain(compression).unwrap_or(said)));
            }
        }
        let sharding = supported.sharding;
        Ok(Greeted {
            connection,
            shard: sharding.map_or(0, |sharding| sharding.shard),
            sharder: sharding.and_then(|s| Sharder::new(s.nr_shards, s.ignore_msb).ok()),
            lwt_mask: supported.lwt_mask.unwrap_or(0),
            metadata_ids,
        })
    }

    /// STARTUP, and the login if the node wants one. Returns the node's last word.
    fn start(
        &mut self,
        connection: ConnectionId,
        options: &[(&str, &str)],
        token: Option<&[u8]>,
    ) -> Result<Frame, Refused> {
        let said = self.ask_node(connection, &Hand::OWN.startup(options)).ok_or(Refused::Silent)?;
        if said.opcode() != Some(Opcode::Authenticate) {
            return Ok(said);
        }
        let response = Hand::OWN.auth_response(token.unwrap_or_default());
        let said = self.ask_node(connection, &response).ok_or(Refused::Silent)?;
        if said.opcode() == Some(Opcode::AuthSuccess) {
            return Ok(said);
        }
        self.cluster.close(connection);
        Err(Refused::Login(said))
    }

    /// Whether a node takes a token: its AUTH_SUCCESS, or why not. Nothing stays open.
    pub(crate) fn try_token(&mut self, node: usize, token: &[u8]) -> Result<Frame, Refused> {
        if self.mood(node).is_cut_off(self.now_us) {
            return Err(Refused::Silent);
        }
        let peer = SocketAddr::from(([127, 0, 0, 1], 40_002));
        let connection = self.cluster.open(node, Door::Plain, peer).ok_or(Refused::Silent)?;
        let said = self.start(connection, &[("CQL_VERSION", "3.0.0")], Some(token))?;
        self.cluster.close(connection);
        Ok(said)
    }

    /// A connection that may do everything, for the world's own questions.
    pub(crate) fn own_connection(&mut self, node: usize, port: u16) -> Option<ConnectionId> {
        let peer = SocketAddr::from(([127, 0, 0, 1], port));
        let connection = self.cluster.open(node, Door::Plain, peer)?;
        let (name, password) = ROOT;
        let token = format!("\0{name}\0{password}");
        let options = [("CQL_VERSION", "3.0.0")];
        self.start(connection, &options, Some(token.as_bytes())).ok()?;
        Some(connection)
    }

    /// Asks a node something outside of the network's time.
    pub(crate) fn ask_node(&mut self, connection: ConnectionId, frame: &[u8]) -> Option<Frame> {
        let now = self.cluster_now();
        let mut out = Vec::new();
        self.cluster.receive(connection, frame, now, &mut out);
        Cutter::default().push(&out).pop()
    }
}

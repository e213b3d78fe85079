//! What is said on a connection before it is anybody's: STARTUP, a login, `USE`.

use std::net::SocketAddr;

use crate::model::credentials::ROOT;
use crate::model::frames::{Cutter, Frame, Hand};
use crate::world::World;
use cql::error_code::ErrorCode;
use cql::notation::Reader;
use cql::opcode::Opcode;
use cql::response::supported::Supported;
use cql::token::shard::Sharder;
use shardlane::pool::action::DialOrder;
use shardlane::pool::connection::Hello;
use shardlane::pool::refill::lane_slots::Dial;
use sim::{ConnectionId, PortKind};

/// First source port of lanes.
const PORT_FIRST: u64 = 49_152;
const PORTS: u64 = 16_384;

/// How a node refuses a keyspace that is there.
pub(crate) const GONE: &str = "this keyspace is not there for a moment";

/// What a handshake found.
#[derive(Clone, Debug)]
pub(crate) struct Greeted {
    pub(crate) connection: ConnectionId,
    pub(crate) shard: u16,
    pub(crate) sharder: Option<Sharder>,
    pub(crate) lwt_mask: u32,
    pub(crate) metadata_ids: bool,
    pub(crate) shard_aware_port: Option<u16>,
    pub(crate) success: Option<Vec<u8>>,
}

/// Why there is no connection.
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
    /// Opens a connection to a node and says what it has to say. With a challenge of the node, if
    /// it asks on.
    pub(crate) fn greet(
        &mut self,
        node: usize,
        order: &DialOrder,
    ) -> Result<(Greeted, Option<Vec<u8>>), Refused> {
        let (kind, port) = match order.dial {
            Dial::Shard { shard, sharder, .. } => {
                let shards = u64::from(sharder.nr_shards().get());
                let port = PORT_FIRST + self.chance.below(PORTS) / shards * shards;
                let port = port - port % shards + u64::from(shard.0);
                (PortKind::ShardAware, port)
            }
            Dial::Any => (PortKind::Plain, PORT_FIRST + self.chance.below(PORTS)),
        };
        let peer = SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap_or(u16::MAX)));
        let connection = self.cluster.open(node, kind, peer).ok_or(Refused::Silent)?;
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
        let (keyspace, token) = match &order.hello {
            Hello::Lane { key, .. } | Hello::Recheck(key) => {
                let token = key.credential.as_ref().map(|credential| credential.token());
                (key.keyspace.clone(), token)
            }
            Hello::Login { token, .. } => (None, Some(token.clone())),
        };
        if token.is_some() && self.now_us < self.mood(node).stale_roles_until_us {
            self.cluster.close(connection);
            self.counted.stale_roles += 1;
            let text = "Username and/or password are incorrect";
            return Err(Refused::Login(Hand::error(ErrorCode::BAD_CREDENTIALS, text)));
        }
        let said = self.start(connection, &options, token.as_ref().map(|token| token.reveal()))?;
        let sharding = supported.sharding;
        let mut greeted = Greeted {
            connection,
            shard: sharding.map_or(0, |sharding| sharding.shard),
            sharder: sharding.and_then(|s| Sharder::new(s.nr_shards, s.ignore_msb).ok()),
            lwt_mask: supported.lwt_mask.unwrap_or(0),
            metadata_ids,
            shard_aware_port: supported.shard_aware_port,
            success: None,
        };
        if said.opcode() == Some(Opcode::AuthChallenge) {
            let challenge = Reader::new(&said.body).bytes().ok().flatten();
            return Ok((greeted, Some(challenge.unwrap_or_default().to_vec())));
        }
        greeted.success = (said.opcode() == Some(Opcode::AuthSuccess)).then_some(said.body);
        if keyspace.is_some() && self.now_us < self.mood(node).refuses_use_until_us {
            self.cluster.close(connection);
            self.counted.uses_refused += 1;
            let error = if self.chance.one_in(2) {
                Hand::error(ErrorCode::OVERLOADED, "not now")
            } else {
                Hand::error(ErrorCode::INVALID, GONE)
            };
            return Err(Refused::Said(error));
        }
        if let Some(keyspace) = keyspace {
            let text = format!("USE \"{keyspace}\"");
            let said = self.ask_node(connection, &Hand::OWN.query(&text)).ok_or(Refused::Silent)?;
            if said.opcode() == Some(Opcode::Error) {
                self.cluster.close(connection);
                return Err(Refused::Said(said.plain(compression).unwrap_or(said)));
            }
        }
        Ok((greeted, None))
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
        self.send_token(connection, token.unwrap_or_default())
    }

    fn send_token(&mut self, connection: ConnectionId, token: &[u8]) -> Result<Frame, Refused> {
        let response = Hand::OWN.auth_response(token);
        let said = self.ask_node(connection, &response).ok_or(Refused::Silent)?;
        let said = said.plain(self.scenario.lane_compression).unwrap_or(said);
        if matches!(said.opcode(), Some(Opcode::AuthSuccess | Opcode::AuthChallenge)) {
            return Ok(said);
        }
        self.cluster.close(connection);
        Err(Refused::Login(said))
    }

    /// A client's answer to a challenge goes to the node that sent it.
    pub(crate) fn answer_challenge(
        &mut self,
        greeted: &Greeted,
        token: &[u8],
    ) -> Result<Greeted, Refused> {
        let said = self.send_token(greeted.connection, token)?;
        Ok(Greeted { success: Some(said.body), ..greeted.clone() })
    }

    /// A connection that may do everything, for the world's own questions.
    pub(crate) fn own_connection(&mut self, node: usize, port: u16) -> Option<ConnectionId> {
        let peer = SocketAddr::from(([127, 0, 0, 1], port));
        let connection = self.cluster.open(node, PortKind::Plain, peer)?;
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

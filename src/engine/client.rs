//! A client as the engine sees it: its session, and what holds it up.

use std::net::SocketAddr;

use crate::collections::slab::Key;
use crate::engine::pending::LaneKey;
use crate::session::session::Session;
use crate::upstream::lane::PoolId;

/// Names a client.
pub type ClientKey = Key<Client>;

/// A client connection with what the engine keeps about it.
#[derive(Debug)]
pub struct Client {
    /// What it agreed to, and its outbox.
    pub session: Session,
    /// The address under which it reached us: the one node that it sees.
    pub local_address: SocketAddr,
    /// The plain lanes with its own rights; they never change once it has logged in.
    pub home: PoolId,
    /// The lanes of its keyspace, with the same rights.
    pub pool: PoolId,
    /// Set while the cluster looks at its login.
    pub login: Option<Box<PendingLogin>>,
    /// Its requests without an answer.
    pub in_flight: u32,
    /// Whether it is on the list of clients with something to send.
    pub touched: bool,
    /// Whether the shell was told not to read it.
    pub paused: bool,
    /// Lanes whose full outbox holds it up; hardly ever more than one.
    pub held_by: Vec<LaneKey>,
    /// Set while a `USE` is on its way: frames after it wait here, whole.
    pub switching: Option<Vec<u8>>,
    /// Set while a request that is too long is passed over: until when its bytes must have come.
    pub passing_until_us: Option<u64>,
    /// Set once it left too much unread: it gets nothing more, not even the rest of a frame.
    pub disconnected: bool,
}

/// A login on its way.
#[derive(Debug)]
pub struct PendingLogin {
    /// Stream of its AUTH_RESPONSE.
    pub stream: i16,
    /// When that came, µs.
    pub since_us: u64,
    /// What AUTH_SUCCESS says, once the cluster said yes: then only a lane is waited for.
    pub success: Option<Vec<u8>>,
}

impl Client {
    /// A client that has just connected.
    #[must_use]
    pub fn new(local_address: SocketAddr, body_len_max: u32) -> Self {
        Self {
            session: Session::new(body_len_max),
            local_address,
            home: PoolId::PLAIN,
            pool: PoolId::PLAIN,
            login: None,
            in_flight: 0,
            touched: false,
            paused: false,
            held_by: Vec::new(),
            switching: None,
            passing_until_us: None,
            disconnected: false,
        }
    }
}

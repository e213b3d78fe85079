//! A client as the engine sees it: its session, and what keeps it from being read.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::collections::slab::SlabKey;
use crate::engine::limits::Limits;
use crate::engine::payloads::Payloads;
use crate::session::session::Session;
use crate::upstream::lane::PoolId;
use cql::request::startup;
use cql::request::startup::Startup;

/// Characters of a driver's name, and of its version, that are kept.
const DRIVER_CHARS_MAX: usize = 64;

/// How long a client's answers are taken to be before the first has come, bytes.
const ANSWER_LEN_FIRST: u32 = 64 << 10;
/// An answer that is shorter than the mean counts for one part in two to this power.
const SHORTER_SHIFT: u32 = 3;
/// The same for a longer one: more of its kind may have been asked for.
const LONGER_SHIFT: u32 = 1;

/// An answer is short up to this length, bytes: drivers have 2,048 requests on a connection at most, whose
/// answers are 1 MiB then.
const SHORT_ANSWER_LEN: usize = 512;
/// The same for the mean.
const SHORT_ANSWER_MEAN: u32 = 512;

/// How many requests may be under way whose answers are so long. Two are never too many.
fn in_flight_max(answer_len: u32, bytes_max: u32) -> u32 {
    (bytes_max / answer_len.max(1)).max(2)
}

/// Names a client.
pub type ClientKey = SlabKey<Client>;

/// A request of a client, by the stream id that the client gave it: where the answer goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClientStream {
    /// The client.
    pub client: ClientKey,
    /// Its stream id.
    pub stream: i16,
}

/// A client connection with what the engine keeps about it.
#[derive(Debug)]
pub struct Client {
    /// What it agreed to, and its outbox.
    pub session: Session,
    /// The address under which it reached us: the one node that it sees.
    pub local_address: SocketAddr,
    /// The plain lanes with its own rights; they never change once it has logged in.
    pub base: PoolId,
    /// The lanes of its keyspace, with the same rights.
    pub pool: PoolId,
    /// Since when it owes us the next message of STARTUP and login, µs.
    pub since_us: u64,
    /// Set while the cluster judges its login.
    pub login: Option<Box<PendingLogin>>,
    /// Who it is, for the console.
    pub about: Box<ClientInfo>,
    /// Its requests without an answer.
    pub in_flight: u32,
    /// Custom payloads of these, for servers that take them.
    pub payloads: Payloads,
    /// The mean length of its last answers, bytes.
    pub answer_len: u32,
    /// How many requests it may have in flight with answers so long.
    pub in_flight_max: u32,
    /// Bytes that it sent while it had as much under way as it may have.
    pub held: Vec<u8>,
    /// Bytes at the front of `held` that are done.
    pub held_done: usize,
    /// Bytes of its requests that wait neither on a lane nor in `held`: for a trace, or until their
    /// statement is prepared again.
    pub aside: usize,
    /// Whether it is on the list of clients with something to send.
    pub touched: bool,
    /// Whether the shell must not read it.
    pub paused: bool,
    /// Set while memory is near its bound and other clients have their turn.
    pub waits_for_memory: bool,
    /// What is missing to serve it, when it is refused for other reasons than that there are too many.
    pub lack: Option<Lack>,
    /// Full lanes that it waits for; hardly ever more than one.
    pub full_lanes: u32,
    /// Set while a `USE` is on its way: whole frames that came after it.
    pub switching: Option<Vec<u8>>,
    /// Set while a request that is too long is skipped: until when its bytes must have come.
    pub skipping_until_us: Option<u64>,
    /// Set once it left too much unread: it gets nothing more, not even the rest of a frame.
    pub disconnected: bool,
}

/// Why a client must not be read for now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Blocked {
    /// It has as many requests in flight as it may have.
    InFlight,
    /// It filled a lane, which has to drain first.
    FullLane,
    /// The answer to its `USE` decides where the next request goes.
    SwitchesKeyspace,
    /// It does not read its answers as fast as they come.
    Unread,
    /// It holds more than its share while memory is near its bound.
    Memory,
}

/// What has to happen before another process may serve a client on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MoveAfter {
    /// It gets its answers; for that it need not be read.
    Answers,
    /// It is read on: the rest of a long frame has to come, or of its login.
    Reading,
    /// It never moves.
    Never,
}

/// Who a client is, as far as it said so. What it says of itself is believed by nothing.
#[derive(Clone, Debug, Default)]
pub struct ClientInfo {
    /// Its own address; `None` for a Unix socket.
    pub peer: Option<SocketAddr>,
    /// When it connected, µs.
    pub since_us: u64,
    /// Its driver's name and version, as its STARTUP has them.
    pub driver: Option<(String, String)>,
    /// The role that it last tried to log in with; its own once it is served.
    pub role: Option<Arc<str>>,
    /// Whether it said `USE` of the console.
    pub uses_console: bool,
}

impl ClientInfo {
    /// Takes the driver's name and version, cut to what a name needs.
    pub(crate) fn set_driver(&mut self, startup: &Startup<'_>) {
        let cut = |text: &str| text.chars().take(DRIVER_CHARS_MAX).collect::<String>();
        let version = startup.get(startup::DRIVER_VERSION).unwrap_or_default();
        self.driver = startup.get(startup::DRIVER_NAME).map(|name| (cut(name), cut(version)));
    }
}

/// A login on its way.
#[derive(Debug)]
pub struct PendingLogin {
    /// Stream of its AUTH_RESPONSE.
    pub stream: i16,
    /// When that came, µs.
    pub since_us: u64,
    /// Bytes of its token, which waits as well.
    pub token_len: usize,
    /// Whether it is that of a client that comes from another process, and waits for no answer.
    pub is_moved: bool,
    /// What AUTH_SUCCESS says, once the cluster said yes: then only a lane is missing.
    pub success: Option<Vec<u8>>,
}

/// What is missing to serve a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lack {
    /// Memory is near its bound.
    Memory,
    /// Clients have all the file descriptors that they may have.
    Descriptors {
        /// So many.
        max: u64,
    },
}

impl Client {
    /// A client that has just connected.
    #[must_use]
    pub fn new(local_address: SocketAddr, limits: &Limits, now_us: u64) -> Self {
        Self {
            session: Session::new(limits.frame_body_bytes_max),
            // At `[::]` clients over IPv4 come to `::ffff:…`, which drivers take for another host.
            local_address: SocketAddr::new(local_address.ip().to_canonical(), local_address.port()),
            base: PoolId::PLAIN,
            pool: PoolId::PLAIN,
            since_us: 0,
            login: None,
            about: Box::new(ClientInfo { since_us: now_us, ..ClientInfo::default() }),
            in_flight: 0,
            payloads: Payloads::default(),
            answer_len: ANSWER_LEN_FIRST,
            in_flight_max: in_flight_max(ANSWER_LEN_FIRST, limits.client_answer_bytes_max),
            held: Vec::new(),
            held_done: 0,
            aside: 0,
            touched: false,
            paused: false,
            waits_for_memory: false,
            lack: None,
            full_lanes: 0,
            switching: None,
            skipping_until_us: None,
            disconnected: false,
        }
    }

    /// Whether it has more under way than it may have: then not even the rest of a chunk is served.
    #[inline]
    #[must_use]
    pub fn has_too_much_under_way(&self) -> bool {
        self.in_flight > self.in_flight_max
    }

    /// Whether it has as much under way as it may have: half of it once it is paused.
    #[inline]
    #[must_use]
    pub fn has_answers_under_way(&self) -> bool {
        self.in_flight > self.in_flight_max >> u32::from(self.paused)
    }

    /// Takes note of the length of an answer. One that is longer changes the mean at once, several that are
    /// shorter do so; where all are short there is nothing to note.
    #[inline]
    pub fn on_answer_len(&mut self, len: usize, bytes_max: u32) {
        if len > SHORT_ANSWER_LEN || self.answer_len > SHORT_ANSWER_MEAN {
            self.on_long_answer(len, bytes_max);
        }
    }

    #[cold]
    fn on_long_answer(&mut self, len: usize, bytes_max: u32) {
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        if len > self.answer_len {
            self.answer_len += (len - self.answer_len) >> LONGER_SHIFT;
        } else {
            self.answer_len -= (self.answer_len - len) >> SHORTER_SHIFT;
        }
        self.in_flight_max = if self.answer_len > SHORT_ANSWER_MEAN {
            in_flight_max(self.answer_len, bytes_max)
        } else {
            u32::MAX
        };
    }

    /// What keeps the client from being read. Once it is paused its outbox has to drain to the low
    /// mark; until then the high mark counts.
    #[inline]
    #[must_use]
    pub fn blocked_by(&self, limits: &Limits) -> Option<Blocked> {
        let unread_max =
            if self.paused { limits.outbox_low_bytes } else { limits.outbox_high_bytes };
        if self.in_flight >= limits.client_in_flight_max || self.has_answers_under_way() {
            Some(Blocked::InFlight)
        } else if self.full_lanes > 0 {
            Some(Blocked::FullLane)
        } else if self.switching.is_some() {
            Some(Blocked::SwitchesKeyspace)
        } else if self.session.unsent_len() > unread_max {
            Some(Blocked::Unread)
        } else if self.waits_for_memory {
            Some(Blocked::Memory)
        } else {
            None
        }
    }
}

//! One connection, with what is on its way on it in each direction.

use std::collections::BTreeMap;

use crate::chance::Chance;
use crate::model::credentials::Credential;
use crate::model::frames::Cutter;
use cql::compression::Compression;
use shardlane::engine::client::ClientKey;
use shardlane::engine::pending::LaneKey;
use shardlane::pool::refill::lane_slots::LaneSerial;
use sim::ConnectionId;

/// Names a connection; never given again.
pub(crate) type LinkId = u64;

/// How a connection cuts what is sent into segments.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// Not at all.
    Whole,
    /// Anywhere.
    Anywhere,
    /// Behind every byte.
    EveryByte,
}

/// Bytes of one write that are cut behind each of them.
const SINGLE_BYTES: usize = 2_000;

impl Cut {
    /// Draws how a connection cuts.
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        match chance.below(24) {
            0 => Self::EveryByte,
            1..=9 => Self::Anywhere,
            _ => Self::Whole,
        }
    }

    /// Length of the next segment of `len` bytes.
    pub(crate) fn next(self, chance: &mut Chance, len: usize) -> usize {
        match self {
            Self::Whole => len,
            Self::Anywhere => 1 + chance.index(len),
            // What is long is cut here and there, and behind every byte towards its end.
            Self::EveryByte if len > SINGLE_BYTES && chance.one_in(2) => 1 + chance.index(len),
            Self::EveryByte => 1,
        }
    }
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    capacity: usize,
    in_flight: usize,
    /// What has arrived and was not read.
    pub(crate) arrived: Vec<u8>,
    /// When the last segment arrives; bytes keep their order.
    pub(crate) last_us: u64,
    /// Nothing arrives before.
    pub(crate) stalled_until_us: u64,
    /// Half-open: what is sent vanishes, and neither side learns of it.
    pub(crate) lost: bool,
    /// The sender found it full and wants to know when there is room.
    wanted: bool,
}

impl Pipe {
    fn new(capacity: usize) -> Self {
        Self { capacity, ..Self::default() }
    }

    /// Takes as many of `len` bytes as there is room for.
    pub(crate) fn accept(&mut self, len: usize) -> usize {
        let count = len.min(self.room());
        self.in_flight += count;
        self.wanted |= count < len;
        count
    }

    /// Bytes that it takes now.
    pub(crate) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.in_flight + self.arrived.len())
    }

    /// A segment is there.
    pub(crate) fn arrive(&mut self, bytes: &[u8]) {
        if !self.lost {
            self.in_flight = self.in_flight.saturating_sub(bytes.len());
            self.arrived.extend_from_slice(bytes);
        }
    }

    /// Reads at most `max` bytes; returns whether the sender waits for the room.
    pub(crate) fn read(&mut self, max: usize) -> (Vec<u8>, bool) {
        let count = self.arrived.len().min(max);
        let bytes: Vec<u8> = self.arrived.drain(..count).collect();
        let wanted = count > 0 && std::mem::take(&mut self.wanted);
        (bytes, wanted)
    }
}

/// The proxy's side of a client's connection.
#[derive(Debug, Default)]
pub(crate) struct ClientEnd {
    /// Who serves it, once it was accepted.
    pub(crate) worker: usize,
    /// Which modelled client it is.
    pub(crate) driver: usize,
    /// Set once the proxy accepted it.
    pub(crate) key: Option<ClientKey>,
    /// Told to close once all is written.
    pub(crate) closing: bool,
    /// Whole frames that the engine was given.
    pub(crate) given: Cutter,
    /// Whole frames that the engine sent.
    pub(crate) sent: Cutter,
}

/// Both sides of a lane's connection.
#[derive(Debug)]
pub(crate) struct LaneEnd {
    /// Names it in the engine; `None` once the engine let it go.
    pub(crate) key: Option<LaneKey>,
    /// Whose it is.
    pub(crate) worker: usize,
    /// Its pool.
    pub(crate) pool: u16,
    /// Its node.
    pub(crate) node: usize,
    /// Its shard.
    pub(crate) shard: u16,
    /// The refiller's name for it.
    pub(crate) serial: LaneSerial,
    /// The node's name for it.
    pub(crate) connection: ConnectionId,
    /// Its keyspace.
    pub(crate) keyspace: Option<String>,
    /// Whose rights it has.
    pub(crate) credential: Option<Credential>,
    /// Whether it is one client's own.
    pub(crate) dedicated: bool,
    /// The client's connection whose requests came on it, if it is one client's own.
    pub(crate) only_of: Option<LinkId>,
    /// How bodies on it are compressed.
    pub(crate) compression: Option<Compression>,
    /// Set once a local lane is back: no request may be added to what the lane of another data
    /// center has to send.
    pub(crate) sealed: Option<usize>,
    /// Requests as the engine sent them.
    pub(crate) sent: Cutter,
    /// Answers as the engine was given them.
    pub(crate) given: Cutter,
    /// Stream ids that the engine may not use again yet, with the number of the request.
    pub(crate) taken: BTreeMap<i16, Option<u64>>,
    /// Bytes of a request that the node has not got whole.
    pub(crate) input: Cutter,
    /// Answers that found no room yet.
    pub(crate) output: Vec<u8>,
    /// Nothing comes behind that: an answer is cut off.
    pub(crate) output_ends: bool,
    /// The node lied on it: what it answers proves nothing.
    pub(crate) hostile: bool,
    /// Whether an EXECUTE on it names the columns that its client holds.
    pub(crate) metadata_ids: bool,
    /// When the engine last wrote or heard anything on it, µs.
    pub(crate) moved_us: u64,
    /// When a request that left on it was asked, or when it was opened, µs: it was not used before.
    pub(crate) used_us: u64,
    /// When it was opened, µs.
    pub(crate) opened_us: u64,
    /// The node has closed its side.
    pub(crate) node_gone: bool,
}

impl LaneEnd {
    /// A lane of a worker, pool and node, on which nothing was sent yet.
    pub(crate) fn new(
        worker: usize,
        pool: u16,
        node: usize,
        shard: u16,
        connection: ConnectionId,
    ) -> Self {
        Self {
            key: None,
            worker,
            pool,
            node,
            shard,
            serial: LaneSerial(0),
            connection,
            keyspace: None,
            credential: None,
            dedicated: false,
            only_of: None,
            compression: None,
            sealed: None,
            sent: Cutter::default(),
            given: Cutter::default(),
            taken: BTreeMap::new(),
            input: Cutter::default(),
            output: Vec::new(),
            output_ends: false,
            hostile: false,
            metadata_ids: false,
            moved_us: 0,
            used_us: 0,
            opened_us: 0,
            node_gone: false,
        }
    }
}

/// Who is connected.
#[derive(Debug)]
pub(crate) enum End {
    /// A client with the proxy.
    Client(ClientEnd),
    /// The proxy with a node.
    Lane(Box<LaneEnd>),
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    /// Towards the cluster.
    pub(crate) up: Pipe,
    /// Towards the client.
    pub(crate) down: Pipe,
    /// Who is connected.
    pub(crate) end: End,
    /// One way, µs.
    pub(crate) latency_us: u64,
    /// How it cuts.
    pub(crate) cut: Cut,
}

impl Link {
    /// A connection of which both directions hold `capacity` bytes.
    pub(crate) fn new(end: End, latency_us: u64, capacity: usize, cut: Cut) -> Self {
        Self { up: Pipe::new(capacity), down: Pipe::new(capacity), end, latency_us, cut }
    }

    /// One direction.
    pub(crate) fn pipe(&mut self, up: bool) -> &mut Pipe {
        if up { &mut self.up } else { &mut self.down }
    }

    /// The worker whose connection it is.
    pub(crate) fn worker(&self) -> usize {
        match &self.end {
            End::Lane(lane) => lane.worker,
            End::Client(client) => client.worker,
        }
    }

    /// The lane on it.
    pub(crate) fn lane(&mut self) -> Option<&mut LaneEnd> {
        match &mut self.end {
            End::Lane(lane) => Some(lane),
            End::Client(_) => None,
        }
    }

    /// The client on it.
    pub(crate) fn client(&mut self) -> Option<&mut ClientEnd> {
        match &mut self.end {
            End::Client(client) => Some(client),
            End::Lane(_) => None,
        }
    }
}

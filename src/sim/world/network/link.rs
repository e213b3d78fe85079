//! One connection, with what is on its way on it in each direction.

use std::collections::BTreeMap;

use crate::engine::client::ClientKey;
use crate::engine::pending::LaneKey;
use crate::net::lanes::keeping::lane_plan::LaneSerial;
use crate::sim::cluster::connections::ConnectionId;
use crate::sim::world::chance::Chance;
use crate::sim::world::model::credentials::Credential;
use crate::sim::world::model::frames::Cutter;
use crate::wire::compression::Compression;

/// Names a connection; never given again.
pub(in crate::sim::world) type LinkId = u64;

/// How a connection cuts what is sent into segments.
#[derive(Clone, Copy, Debug)]
pub(in crate::sim::world) enum Cut {
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
    pub(in crate::sim::world) fn draw(chance: &mut Chance) -> Self {
        match chance.below(24) {
            0 => Self::EveryByte,
            1..=9 => Self::Anywhere,
            _ => Self::Whole,
        }
    }

    /// Length of the next segment of `len` bytes.
    pub(in crate::sim::world) fn next(self, chance: &mut Chance, len: usize) -> usize {
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
pub(in crate::sim::world) struct Pipe {
    capacity: usize,
    in_flight: usize,
    /// What has arrived and was not read.
    pub(in crate::sim::world) arrived: Vec<u8>,
    /// When the last segment arrives; bytes keep their order.
    pub(in crate::sim::world) last_us: u64,
    /// Nothing arrives before.
    pub(in crate::sim::world) stalled_until_us: u64,
    /// Half-open: what is sent vanishes, and nobody is told.
    pub(in crate::sim::world) lost: bool,
    /// The sender found it full and wants to know when there is room.
    wanted: bool,
}

impl Pipe {
    fn new(capacity: usize) -> Self {
        Self { capacity, ..Self::default() }
    }

    /// Takes as many of `len` bytes as there is room for.
    pub(in crate::sim::world) fn accept(&mut self, len: usize) -> usize {
        let count = len.min(self.room());
        self.in_flight += count;
        self.wanted |= count < len;
        count
    }

    /// Bytes that it takes now.
    pub(in crate::sim::world) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.in_flight + self.arrived.len())
    }

    /// A segment is there.
    pub(in crate::sim::world) fn arrive(&mut self, bytes: &[u8]) {
        if !self.lost {
            self.in_flight = self.in_flight.saturating_sub(bytes.len());
            self.arrived.extend_from_slice(bytes);
        }
    }

    /// Reads at most `max` bytes; tells whether the sender waits for the room.
    pub(in crate::sim::world) fn read(&mut self, max: usize) -> (Vec<u8>, bool) {
        let count = self.arrived.len().min(max);
        let bytes: Vec<u8> = self.arrived.drain(..count).collect();
        let wanted = count > 0 && std::mem::take(&mut self.wanted);
        (bytes, wanted)
    }
}

/// The proxy's side of a client's connection.
#[derive(Debug, Default)]
pub(in crate::sim::world) struct ClientEnd {
    /// Who serves it, once it was accepted.
    pub(in crate::sim::world) worker: usize,
    /// Which modelled client it is.
    pub(in crate::sim::world) asker: usize,
    /// Set once the proxy accepted it.
    pub(in crate::sim::world) key: Option<ClientKey>,
    /// Told to close once all is written.
    pub(in crate::sim::world) closing: bool,
    /// Whole frames that the engine was given.
    pub(in crate::sim::world) given: Cutter,
    /// Whole frames that the engine sent.
    pub(in crate::sim::world) sent: Cutter,
}

/// Both sides of a lane's connection.
#[derive(Debug)]
pub(in crate::sim::world) struct LaneEnd {
    /// Names it in the engine; `None` once the engine let it go.
    pub(in crate::sim::world) key: Option<LaneKey>,
    /// Whose it is.
    pub(in crate::sim::world) worker: usize,
    /// Its set.
    pub(in crate::sim::world) set: u16,
    /// Its node.
    pub(in crate::sim::world) node: usize,
    /// Its shard.
    pub(in crate::sim::world) shard: u16,
    /// The keeper's name for it.
    pub(in crate::sim::world) serial: LaneSerial,
    /// The node's name for it.
    pub(in crate::sim::world) connection: ConnectionId,
    /// Its keyspace.
    pub(in crate::sim::world) keyspace: Option<String>,
    /// Whose rights it has.
    pub(in crate::sim::world) credential: Option<Credential>,
    /// How bodies on it are compressed.
    pub(in crate::sim::world) compression: Option<Compression>,
    /// Set once a local lane is back: no request may be added to what the lane of another data
    /// center has to send.
    pub(in crate::sim::world) sealed: Option<usize>,
    /// Requests as the engine sent them.
    pub(in crate::sim::world) sent: Cutter,
    /// Answers as the engine was given them.
    pub(in crate::sim::world) given: Cutter,
    /// Stream ids that the engine may not use again yet, with the number of the request.
    pub(in crate::sim::world) taken: BTreeMap<i16, Option<u64>>,
    /// Bytes of a request that the node has not got whole.
    pub(in crate::sim::world) input: Cutter,
    /// Answers that found no room yet.
    pub(in crate::sim::world) output: Vec<u8>,
    /// The node lied on it: what it answers proves nothing.
    pub(in crate::sim::world) hostile: bool,
    /// Whether an EXECUTE on it names the columns that its client holds.
    pub(in crate::sim::world) metadata_ids: bool,
    /// When the engine last wrote or heard anything on it, µs.
    pub(in crate::sim::world) moved_us: u64,
    /// When a request that left on it was asked, or when it was opened, µs: it was not used before.
    pub(in crate::sim::world) used_us: u64,
    /// When it was opened, µs.
    pub(in crate::sim::world) opened_us: u64,
    /// The node has closed its side.
    pub(in crate::sim::world) node_gone: bool,
}

/// Who is connected.
#[derive(Debug)]
pub(in crate::sim::world) enum End {
    /// A client with the proxy.
    Client(ClientEnd),
    /// The proxy with a node.
    Lane(Box<LaneEnd>),
}

/// One connection.
#[derive(Debug)]
pub(in crate::sim::world) struct Link {
    /// Towards the cluster.
    pub(in crate::sim::world) up: Pipe,
    /// Towards the client.
    pub(in crate::sim::world) down: Pipe,
    /// Who is connected.
    pub(in crate::sim::world) end: End,
    /// One way, µs.
    pub(in crate::sim::world) latency_us: u64,
    /// How it cuts.
    pub(in crate::sim::world) cut: Cut,
}

impl Link {
    /// A connection of which both directions hold `capacity` bytes.
    pub(in crate::sim::world) fn new(
        end: End,
        (latency_us, capacity): (u64, usize),
        cut: Cut,
    ) -> Self {
        Self { up: Pipe::new(capacity), down: Pipe::new(capacity), end, latency_us, cut }
    }

    /// One direction.
    pub(in crate::sim::world) fn pipe(&mut self, up: bool) -> &mut Pipe {
        if up { &mut self.up } else { &mut self.down }
    }

    /// The worker whose connection it is.
    pub(in crate::sim::world) fn worker(&self) -> usize {
        match &self.end {
            End::Lane(lane) => lane.worker,
            End::Client(client) => client.worker,
        }
    }

    /// The lane on it.
    pub(in crate::sim::world) fn lane(&mut self) -> Option<&mut LaneEnd> {
        match &mut self.end {
            End::Lane(lane) => Some(lane),
            End::Client(_) => None,
        }
    }

    /// The client on it.
    pub(in crate::sim::world) fn client(&mut self) -> Option<&mut ClientEnd> {
        match &mut self.end {
            End::Client(client) => Some(client),
            End::Lane(_) => None,
        }
    }
}

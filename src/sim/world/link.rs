//! One connection, with what is on its way on it in each direction.

use std::collections::BTreeMap;

use crate::engine::client::ClientKey;
use crate::engine::pending::LaneKey;
use crate::net::lanes::lane_plan::LaneSerial;
use crate::sim::cluster::connections::ConnectionId;
use crate::sim::world::chance::Chance;
use crate::sim::world::frames::Cutter;

/// Names a connection; never given again.
pub(super) type LinkId = u64;

/// How a connection cuts what is sent into segments.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut {
    /// Not at all.
    Whole,
    /// Anywhere.
    Anywhere,
    /// Behind every byte.
    EveryByte,
}

impl Cut {
    /// Draws how a connection cuts.
    pub(super) fn draw(chance: &mut Chance) -> Self {
        match chance.below(24) {
            0 => Self::EveryByte,
            1..=9 => Self::Anywhere,
            _ => Self::Whole,
        }
    }

    /// Length of the next segment of `len` bytes.
    pub(super) fn next(self, chance: &mut Chance, len: usize) -> usize {
        match self {
            Self::Whole => len,
            Self::Anywhere => 1 + chance.index(len),
            Self::EveryByte => 1,
        }
    }
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    capacity: usize,
    in_flight: usize,
    /// What has arrived and was not read.
    pub(super) arrived: Vec<u8>,
    /// When the last segment arrives; bytes keep their order.
    pub(super) last_us: u64,
    /// Nothing arrives before.
    pub(super) stalled_until_us: u64,
    /// Half-open: what is sent vanishes, and nobody is told.
    pub(super) lost: bool,
    /// The sender found it full and wants to know when there is room.
    wanted: bool,
}

impl Pipe {
    fn new(capacity: usize) -> Self {
        Self { capacity, ..Self::default() }
    }

    /// Takes as many of `len` bytes as there is room for.
    pub(super) fn accept(&mut self, len: usize) -> usize {
        let room = self.capacity.saturating_sub(self.in_flight + self.arrived.len());
        let count = len.min(room);
        self.in_flight += count;
        self.wanted |= count < len;
        count
    }

    /// A segment is there.
    pub(super) fn arrive(&mut self, bytes: &[u8]) {
        if !self.lost {
            self.in_flight = self.in_flight.saturating_sub(bytes.len());
            self.arrived.extend_from_slice(bytes);
        }
    }

    /// Reads at most `max` bytes; tells whether the sender waits for the room.
    pub(super) fn read(&mut self, max: usize) -> (Vec<u8>, bool) {
        let count = self.arrived.len().min(max);
        let bytes: Vec<u8> = self.arrived.drain(..count).collect();
        let wanted = count > 0 && std::mem::take(&mut self.wanted);
        (bytes, wanted)
    }
}

/// The proxy's side of a client's connection.
#[derive(Debug, Default)]
pub(super) struct ClientEnd {
    /// Which modelled client it is.
    pub(super) asker: usize,
    /// Set once the proxy accepted it.
    pub(super) key: Option<ClientKey>,
    /// Told to close once all is written.
    pub(super) closing: bool,
    /// Whole frames that the engine was given.
    pub(super) given: Cutter,
    /// Whole frames that the engine sent.
    pub(super) sent: Cutter,
}

/// Both sides of a lane's connection.
#[derive(Debug)]
pub(super) struct LaneEnd {
    /// Names it in the engine; `None` once the engine let it go.
    pub(super) key: Option<LaneKey>,
    /// Its set.
    pub(super) set: u16,
    /// Its node.
    pub(super) node: usize,
    /// The keeper's name for it.
    pub(super) serial: LaneSerial,
    /// The node's name for it.
    pub(super) connection: ConnectionId,
    /// Its keyspace.
    pub(super) keyspace: Option<String>,
    /// Requests as the engine sent them.
    pub(super) sent: Cutter,
    /// Answers as the engine was given them.
    pub(super) given: Cutter,
    /// Stream ids that the engine may not use again yet, with the number of the request.
    pub(super) taken: BTreeMap<i16, Option<u64>>,
    /// Bytes of a request that the node has not got whole.
    pub(super) input: Cutter,
    /// Answers that found no room yet.
    pub(super) output: Vec<u8>,
    /// The node lied on it: what it answers proves nothing.
    pub(super) hostile: bool,
    /// Whether an EXECUTE on it names the columns that its client holds.
    pub(super) metadata_ids: bool,
    /// When the engine last wrote or heard anything on it, µs.
    pub(super) moved_us: u64,
    /// The node has closed its side.
    pub(super) node_gone: bool,
}

/// Who is connected.
#[derive(Debug)]
pub(super) enum End {
    /// A client with the proxy.
    Client(ClientEnd),
    /// The proxy with a node.
    Lane(Box<LaneEnd>),
}

/// One connection.
#[derive(Debug)]
pub(super) struct Link {
    /// Towards the cluster.
    pub(super) up: Pipe,
    /// Towards the client.
    pub(super) down: Pipe,
    /// Who is connected.
    pub(super) end: End,
    /// One way, µs.
    pub(super) latency_us: u64,
    /// How it cuts.
    pub(super) cut: Cut,
}

impl Link {
    /// A connection of which both directions hold `capacity` bytes.
    pub(super) fn new(end: End, (latency_us, capacity): (u64, usize), cut: Cut) -> Self {
        Self { up: Pipe::new(capacity), down: Pipe::new(capacity), end, latency_us, cut }
    }

    /// One direction.
    pub(super) fn pipe(&mut self, up: bool) -> &mut Pipe {
        if up { &mut self.up } else { &mut self.down }
    }

    /// The lane on it.
    pub(super) fn lane(&mut self) -> Option<&mut LaneEnd> {
        match &mut self.end {
            End::Lane(lane) => Some(lane),
            End::Client(_) => None,
        }
    }

    /// The client on it.
    pub(super) fn client(&mut self) -> Option<&mut ClientEnd> {
        match &mut self.end {
            End::Client(client) => Some(client),
            End::Lane(_) => None,
        }
    }
}

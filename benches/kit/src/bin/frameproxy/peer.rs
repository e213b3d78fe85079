//! One socket of the proxy: a client's, or an upstream one with its stream ids.

use shardlane_bench_kit::buffers::RBuf;
use shardlane_bench_kit::buffers::WBuf;
use std::net::TcpStream;

/// Bytes of a read buffer: one read takes what the kernel has.
const READ_BYTES: usize = 64 << 10;

/// Stream ids of an upstream connection.
pub const STREAMS: usize = 4096;

/// Who asked what went out under one upstream stream id.
#[derive(Clone, Copy, Default)]
pub struct Slot {
    pub used: bool,
    /// Place and serial of the client; a place that does not exist drops the answer.
    pub client: u32,
    pub serial: u32,
    pub stream: i16,
    /// Whether the answer describes a statement.
    pub prepare: bool,
}

/// One socket with its buffers.
pub struct Peer {
    pub socket: TcpStream,
    pub read: RBuf,
    pub write: WBuf,
    pub serial: u32,
    /// Whether epoll watches for room to write.
    pub waits: bool,
    pub dirty: bool,
    /// Of upstream connections: requests under way by stream id, and the ids that are free.
    pub slots: Vec<Slot>,
    pub free: Vec<u16>,
    pub upstream: bool,
}

impl Peer {
    /// A socket; `upstream` ones get stream ids.
    pub fn new(socket: TcpStream, serial: u32, upstream: bool) -> Self {
        let streams = if upstream { STREAMS } else { 0 };
        Self {
            socket,
            read: RBuf::new(READ_BYTES),
            write: WBuf::default(),
            serial,
            waits: false,
            dirty: false,
            slots: vec![Slot::default(); streams],
            free: (0..streams as u16).rev().collect(),
            upstream,
        }
    }

    /// Appends a frame under another stream id.
    #[inline]
    pub fn put(&mut self, frame: &[u8], stream: [u8; 2]) {
        let at = self.write.b.len();
        self.write.b.extend_from_slice(frame);
        self.write.b[at + 2..at + 4].copy_from_slice(&stream);
    }

    /// Appends a request under a stream id of our own; `None` when all are under way.
    #[inline]
    pub fn request(&mut self, frame: &[u8], slot: Slot) -> Option<()> {
        let id = self.free.pop()?;
        self.slots[usize::from(id)] = slot;
        self.put(frame, id.to_be_bytes());
        Some(())
    }

    /// Takes the request that an answer belongs to, and frees its stream id.
    #[inline]
    pub fn answered(&mut self, stream: i16) -> Option<Slot> {
        let id = stream as u16;
        let slot = std::mem::take(self.slots.get_mut(usize::from(id))?);
        if !slot.used {
            return None;
        }
        self.free.push(id);
        Some(slot)
    }
}

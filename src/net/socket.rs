//! A worker's socket: read and written until it would block; the poller tells when it is ready.

use std::io;
use std::net::Shutdown;

use mio::event::Event;
use mio::net::TcpStream;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use crate::engine::client::ClientKey;
use crate::engine::pending::LaneKey;
use crate::net::lanes::lane_plan::LaneSerial;
use crate::topology::id::NodeId;
use crate::upstream::lane::SetId;

/// Whose socket it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Who {
    /// A client's.
    Client(ClientKey),
    /// A lane's; its keeper knows it by serial.
    Lane {
        /// The lane.
        lane: LaneKey,
        /// The keeper that opened it: its set and node.
        keeper: (SetId, NodeId),
        /// The keeper's name for it.
        serial: LaneSerial,
    },
    /// Nobody's: it was told why it is closed, and gets the time to read that.
    Lingering,
}

/// A socket.
#[derive(Debug)]
pub struct Socket {
    /// Whose it is.
    pub who: Who,
    /// Whether it took less than was there: it is written again once it wakes us.
    pub blocked: bool,
    /// Whether it is closed once all is written.
    pub closing: bool,
    /// By when it is closed all the same, µs; a client may never read why it is closed.
    pub close_by_us: Option<u64>,
    /// Whether the other side said that it sends nothing more; it may still read.
    pub ended: bool,
    /// Whether there may be something to read. A read that does not fill its buffer has emptied the
    /// socket, and the poller tells of what comes later; a second read only to see that is saved.
    readable: bool,
    /// Whether the end has been told, which is told once: from then on every read counts.
    closed: bool,
    stream: TcpStream,
}

/// What became of a read.
#[derive(Debug)]
pub enum Read {
    /// This many bytes are in the buffer.
    Bytes(usize),
    /// Nothing for now; the poller tells when there is.
    Later,
    /// The other side sends nothing more.
    End,
    /// The connection is gone.
    Lost,
}

impl Socket {
    /// A non-blocking socket that the poller watches.
    #[must_use]
    pub fn new(who: Who, stream: TcpStream) -> Self {
        Self {
            who,
            blocked: false,
            closing: false,
            close_by_us: None,
            ended: false,
            readable: true,
            closed: false,
            stream,
        }
    }

    /// The poller told of the socket.
    #[inline]
    pub fn on_event(&mut self, event: &Event) {
        self.readable |= event.is_readable();
        self.closed |= event.is_read_closed() || event.is_error();
    }

    /// Reads once into `buffer`.
    #[inline]
    pub fn read(&mut self, buffer: &mut [u8]) -> Read {
        if !self.readable && !self.closed {
            return Read::Later;
        }
        let room = buffer.len();
        loop {
            return match rustix::net::recv(&self.stream, &mut *buffer, RecvFlags::empty()) {
                Ok((0, _)) => Read::End,
                Ok((count, _)) => {
                    self.readable = count == room;
                    Read::Bytes(count)
                }
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => {
                    self.readable = false;
                    Read::Later
                }
                Err(_) => Read::Lost,
            };
        }
    }

    /// Writes as much of `bytes` as the socket takes now; less than all sets `blocked`.
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut done = 0;
        self.blocked = false;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            // Rust's start-up code has the process ignore SIGPIPE: no flag is needed.
            match rustix::net::send(&self.stream, rest, SendFlags::empty()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.blocked = true;
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(done)
    }

    /// Tells the other side that nothing more will come.
    pub fn finish(&mut self) {
        // What it fails with is that the other side is gone, which reading tells as well.
        self.stream.shutdown(Shutdown::Write).ok();
    }
}

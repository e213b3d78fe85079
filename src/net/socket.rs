//! A worker's socket: read and written by polling, woken by a waker of its own.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::engine::client::ClientKey;
use crate::engine::pending::LaneKey;
use crate::net::lanes::lane_plan::LaneSerial;
use crate::net::transport::Transport;
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

/// A socket with its waker.
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
    /// Whether we said that we send nothing more, and the saying itself has not left yet.
    pub finishing: bool,
    stream: Transport,
    waker: Waker,
}

/// What became of a read.
#[derive(Debug)]
pub enum Read {
    /// This many bytes are in the buffer.
    Bytes(usize),
    /// Nothing for now; the waker is called when there is.
    Later,
    /// The other side sends nothing more.
    End,
    /// The connection is gone.
    Lost,
}

impl Socket {
    /// A socket whose waker sets the bit that is looked at.
    #[must_use]
    pub fn new(who: Who, stream: Transport, waker: Waker) -> Self {
        Self {
            who,
            blocked: false,
            closing: false,
            close_by_us: None,
            ended: false,
            finishing: false,
            stream,
            waker,
        }
    }

    /// Reads once into `buffer`.
    pub fn read(&mut self, buffer: &mut [u8]) -> Read {
        let mut room = ReadBuf::new(buffer);
        let mut context = Context::from_waker(&self.waker);
        match Pin::new(&mut self.stream).poll_read(&mut context, &mut room) {
            Poll::Ready(Ok(())) if room.filled().is_empty() => Read::End,
            Poll::Ready(Ok(())) => Read::Bytes(room.filled().len()),
            Poll::Ready(Err(_)) => Read::Lost,
            Poll::Pending => Read::Later,
        }
    }

    /// Writes as much of `bytes` as the socket takes now; `blocked` tells that not all has left,
    /// be it that less was taken, be it that TLS still holds some of it.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut context = Context::from_waker(&self.waker);
        let mut done = 0;
        self.blocked = false;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut self.stream).poll_write(&mut context, rest) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => done += count,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    self.blocked = true;
                    break;
                }
            }
        }
        if self.stream.is_buffered()
            && Pin::new(&mut self.stream).poll_flush(&mut context)?.is_pending()
        {
            self.blocked = true;
        }
        Ok(done)
    }

    /// Tells the other side that nothing more will come.
    pub fn finish(&mut self) {
        let mut context = Context::from_waker(&self.waker);
        // What it fails with is that the other side is gone, which reading tells as well.
        self.finishing = Pin::new(&mut self.stream).poll_shutdown(&mut context).is_pending();
    }
}

//! A worker's socket: read and written until it would block; the poller tells when it is ready.

use std::io;
use std::net::Shutdown;

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use mio::event::Event;
use mio::net::TcpStream;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
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
    /// Whether we said that we send nothing more, and the saying itself has not left yet.
    pub finishing: bool,
    stream: Stream,
}

/// What carries the bytes.
#[derive(Debug)]
enum Stream {
    Polled(Polled),
    Woken(Woken),
}

/// TCP, which the poller watches.
#[derive(Debug)]
struct Polled {
    /// Whether there may be something to read. A read that does not fill its buffer has emptied the
    /// socket, and the poller tells of what comes later; a second read only to see that is saved.
    readable: bool,
    /// Whether the end has been told, which is told once: from then on every read counts.
    closed: bool,
    stream: TcpStream,
}

/// Anything else, which calls a waker.
#[derive(Debug)]
struct Woken {
    stream: Transport,
    waker: Waker,
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
    pub fn polled(who: Who, stream: TcpStream) -> Self {
        Self::new(who, Stream::Polled(Polled { readable: true, closed: false, stream }))
    }

    /// A socket whose waker sets the bit that is looked at.
    #[must_use]
    pub fn woken(who: Who, stream: Transport, waker: Waker) -> Self {
        Self::new(who, Stream::Woken(Woken { stream, waker }))
    }

    fn new(who: Who, stream: Stream) -> Self {
        Self {
            who,
            blocked: false,
            closing: false,
            close_by_us: None,
            ended: false,
            finishing: false,
            stream,
        }
    }

    /// The poller told of the socket.
    #[inline]
    pub fn on_event(&mut self, event: &Event) {
        if let Stream::Polled(polled) = &mut self.stream {
            polled.readable |= event.is_readable();
            polled.closed |= event.is_read_closed() || event.is_error();
        }
    }

    /// Reads once into `buffer`.
    #[inline]
    pub fn read(&mut self, buffer: &mut [u8]) -> Read {
        match &mut self.stream {
            Stream::Polled(polled) => polled.read(buffer),
            Stream::Woken(woken) => woken.read(buffer),
        }
    }

    /// Writes as much of `bytes` as the socket takes now; `blocked` tells that not all has left,
    /// be it that less was taken, be it that TLS still holds some of it.
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (done, blocked) = match &mut self.stream {
            Stream::Polled(polled) => polled.write(bytes)?,
            Stream::Woken(woken) => woken.write(bytes)?,
        };
        self.blocked = blocked;
        Ok(done)
    }

    /// Tells the other side that nothing more will come.
    pub fn finish(&mut self) {
        // What it fails with is that the other side is gone, which reading tells as well.
        match &mut self.stream {
            Stream::Polled(polled) => {
                polled.stream.shutdown(Shutdown::Write).ok();
            }
            Stream::Woken(Woken { stream, waker }) => {
                let mut context = Context::from_waker(waker);
                self.finishing = Pin::new(stream).poll_shutdown(&mut context).is_pending();
            }
        }
    }
}

impl Polled {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> Read {
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

    /// What was written, and whether the socket takes no more.
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<(usize, bool)> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            // Rust's start-up code has the process ignore SIGPIPE: no flag is needed.
            match rustix::net::send(&self.stream, rest, SendFlags::empty()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok((done, true)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok((done, false))
    }
}

impl Woken {
    fn read(&mut self, buffer: &mut [u8]) -> Read {
        let mut room = ReadBuf::new(buffer);
        let mut context = Context::from_waker(&self.waker);
        match Pin::new(&mut self.stream).poll_read(&mut context, &mut room) {
            Poll::Ready(Ok(())) if room.filled().is_empty() => Read::End,
            Poll::Ready(Ok(())) => Read::Bytes(room.filled().len()),
            Poll::Ready(Err(_)) => Read::Lost,
            Poll::Pending => Read::Later,
        }
    }

    /// What was written, and whether not all has left.
    fn write(&mut self, bytes: &[u8]) -> io::Result<(usize, bool)> {
        let mut context = Context::from_waker(&self.waker);
        let mut done = 0;
        let mut blocked = false;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut self.stream).poll_write(&mut context, rest) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => done += count,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    blocked = true;
                    break;
                }
            }
        }
        if self.stream.is_buffered()
            && Pin::new(&mut self.stream).poll_flush(&mut context)?.is_pending()
        {
            blocked = true;
        }
        Ok((done, blocked))
    }
}

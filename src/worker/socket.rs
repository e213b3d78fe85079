//! A worker's socket: read and written until it would block; the poller reports when it is ready.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use mio::event::Event;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::engine::client::ClientKey;
use crate::engine::pending::LaneKey;
use crate::sockets::poller::Poller;
use crate::sockets::transport::{Leaving, Transport};

/// Whose socket it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Who {
    /// A client's.
    Client(ClientKey),
    /// A lane's.
    Lane(LaneKey),
    /// Of a client that is closed: it was sent the reason, and gets the time to read that.
    Lingering,
}

/// A socket. It wakes no task: the poller reports it by its slot.
#[derive(Debug)]
pub(crate) struct Socket {
    /// Whose it is.
    pub(crate) who: Who,
    /// Whether it took less than was there: it is written again once it wakes us.
    pub(crate) blocked: bool,
    /// Whether it is closed once all is written.
    pub(crate) closing: bool,
    /// By when it is closed all the same, µs; a client may never read why it is closed.
    pub(crate) close_by_us: Option<u64>,
    /// Whether the other side said that it sends nothing more; it may still read.
    pub(crate) ended: bool,
    /// Whether we said that we send nothing more, and the saying itself has not left yet.
    pub(crate) finishing: bool,
    /// Whether it is looked at again in the next round.
    pub(crate) again: bool,
    stream: Transport,
}

/// What became of a read.
#[derive(Debug)]
pub(crate) enum Read {
    /// This many bytes are in the buffer.
    Bytes(usize),
    /// Nothing for now; the poller reports when there is.
    Later,
    /// The other side sends nothing more.
    End,
    /// The connection is gone.
    Lost,
}

impl Socket {
    /// A socket that the poller watches.
    #[must_use]
    pub(crate) fn new(who: Who, stream: Transport) -> Self {
        Self {
            who,
            blocked: false,
            closing: false,
            close_by_us: None,
            ended: false,
            finishing: false,
            again: false,
            stream,
        }
    }

    /// Whether another process could go on with it.
    pub(crate) fn can_leave(&self) -> bool {
        !self.closing && !self.ended && self.stream.can_leave()
    }

    /// Takes it out of the poll set, for another process.
    pub(crate) fn leave(self, poller: &Poller) -> io::Result<Option<Leaving>> {
        self.stream.leave(poller)
    }

    /// The poller reported the socket.
    #[inline]
    pub(crate) fn on_event(&mut self, event: &Event) {
        self.stream.on_event(event);
    }

    /// Reads once into `buffer`.
    #[inline]
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Read {
        let mut room = ReadBuf::new(buffer);
        let mut context = Context::from_waker(Waker::noop());
        match Pin::new(&mut self.stream).poll_read(&mut context, &mut room) {
            Poll::Ready(Ok(())) if room.filled().is_empty() => Read::End,
            Poll::Ready(Ok(())) => Read::Bytes(room.filled().len()),
            Poll::Ready(Err(_)) => Read::Lost,
            Poll::Pending => Read::Later,
        }
    }

    /// Writes as much of `bytes` as the socket takes now. `blocked` is set if the socket took less, or if
    /// TLS still holds some of it.
    #[inline]
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut context = Context::from_waker(Waker::noop());
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

    /// Closes our direction: the other side reads an end of file.
    pub(crate) fn finish(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        // An error means that the peer has closed; the next read reports that, too.
        self.finishing = Pin::new(&mut self.stream).poll_shutdown(&mut context).is_pending();
    }
}

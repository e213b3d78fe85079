//! A stream whose readiness a worker's poller tells, read and written by bare system calls.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use mio::event::Event;
use mio::net::{TcpStream, UnixStream};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream of either kind.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix domain socket.
    Unix(UnixStream),
}

/// A non-blocking stream in a poll set. Polling it for reading or writing registers no waker.
#[derive(Debug)]
pub struct Polled {
    stream: Stream,
    /// Whether there may be something to read. A read that does not fill its buffer has emptied the
    /// socket, and the poller tells of what comes later; a second read only to see that is saved.
    readable: bool,
    /// Whether the end has been told, which is told once: from then on every read counts.
    closed: bool,
}

impl Polled {
    /// A stream that the poller watches from now on.
    #[must_use]
    pub fn new(stream: Stream) -> Self {
        Self { stream, readable: true, closed: false }
    }

    /// The poller told of it.
    #[inline]
    pub fn on_event(&mut self, event: &Event) {
        self.readable |= event.is_readable();
        self.closed |= event.is_read_closed() || event.is_error();
    }

    #[inline]
    fn receive(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if !self.readable && !self.closed {
            return Poll::Pending;
        }
        let room = buffer.len();
        loop {
            return match rustix::net::recv(&self.stream, &mut *buffer, RecvFlags::empty()) {
                Ok((count, _)) => {
                    self.readable = count == room;
                    Poll::Ready(Ok(count))
                }
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => {
                    self.readable = false;
                    Poll::Pending
                }
                Err(error) => Poll::Ready(Err(error.into())),
            };
        }
    }

    #[inline]
    fn send(&self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            // Rust's start-up code has the process ignore SIGPIPE: no flag is needed.
            return match rustix::net::send(&self.stream, bytes, SendFlags::empty()) {
                Ok(count) => Poll::Ready(Ok(count)),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error.into())),
            };
        }
    }
}

impl AsFd for Stream {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl AsyncRead for Polled {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().receive(buffer.initialize_unfilled()).map_ok(|count| buffer.advance(count))
    }
}

impl AsyncWrite for Polled {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.send(bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match &self.stream {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        })
    }
}

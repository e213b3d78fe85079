//! A stream whose readiness a worker's poller reports, read and written by bare system calls.

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
    /// socket, and the poller reports what comes later; a second read only to see that is saved.
    readable: bool,
    /// Whether the end was reported, which happens once: from then on every read counts.
    closed: bool,
}

impl Polled {
    /// A stream that the poller watches from now on.
    #[must_use]
    pub fn new(stream: Stream) -> Self {
        Self { stream, readable: true, closed: false }
    }

    /// The stream itself.
    pub fn stream_mut(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// The poller reported an event of it.
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::task::Waker;
    use std::time::Duration;

    use super::*;
    use crate::sockets::poller::Poller;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// A stream in a poll set, and the other end of it.
    fn pair(poller: &Poller) -> (Polled, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let other = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        (poller.watch_tcp(7, stream).unwrap(), other)
    }

    fn read(stream: &mut Polled) -> Poll<Vec<u8>> {
        let mut bytes = [0; 16];
        let mut buffer = ReadBuf::new(&mut bytes);
        let mut context = Context::from_waker(Waker::noop());
        let read = Pin::new(stream).poll_read(&mut context, &mut buffer);
        read.map(|read| read.map(|()| buffer.filled().to_vec()).unwrap())
    }

    /// Sleeps until the poller reports the stream.
    fn hear(poller: &mut Poller, stream: &mut Polled) {
        poller.sleep(PATIENCE);
        let mut events = poller.ready().filter(|(slot, _)| *slot == 7).peekable();
        assert!(events.peek().is_some(), "nothing was reported");
        events.for_each(|(_, event)| stream.on_event(event));
    }

    #[test]
    fn an_end_that_came_with_the_last_bytes_is_read_after_them() {
        let mut poller = Poller::new().unwrap();
        let (mut stream, mut other) = pair(&poller);
        assert_eq!(read(&mut stream), Poll::Pending);
        other.write_all(b"last").unwrap();
        other.shutdown(Shutdown::Write).unwrap();
        while !stream.closed {
            hear(&mut poller, &mut stream);
        }
        assert_eq!(read(&mut stream), Poll::Ready(b"last".to_vec()));
        assert_eq!(read(&mut stream), Poll::Ready(Vec::new()));
    }

    #[test]
    fn a_stream_that_was_emptied_is_read_again_when_more_comes() {
        let mut poller = Poller::new().unwrap();
        let (mut stream, mut other) = pair(&poller);
        assert_eq!(read(&mut stream), Poll::Pending);
        for bytes in [b"one", b"two"] {
            other.write_all(bytes).unwrap();
            while !stream.readable {
                hear(&mut poller, &mut stream);
            }
            assert_eq!(read(&mut stream), Poll::Ready(bytes.to_vec()));
            assert_eq!(read(&mut stream), Poll::Pending);
        }
    }

    #[test]
    fn more_than_fits_one_read_is_read_at_once() {
        let mut poller = Poller::new().unwrap();
        let (mut stream, mut other) = pair(&poller);
        assert_eq!(read(&mut stream), Poll::Pending);
        other.write_all(&[1; 20]).unwrap();
        hear(&mut poller, &mut stream);
        assert_eq!(read(&mut stream), Poll::Ready(vec![1; 16]));
        assert_eq!(read(&mut stream), Poll::Ready(vec![1; 4]));
    }
}

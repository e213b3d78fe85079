//! A connection, whatever carries it: one match, no table of functions, so that plain TCP pays
//! nothing for the others.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use mio::event::Event;
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

use crate::sockets::line::TcpLine;
use crate::sockets::polled::Polled;
use crate::sockets::poller::Poller;
use crate::sockets::relay::Relay;

/// A connection to a client or a node.
#[derive(Debug)]
pub enum Transport {
    /// TCP, on a runtime.
    Plain(TcpStream),
    /// A Unix domain socket, on a runtime.
    Unix(UnixStream),
    /// Either of them, in the poll set of a worker.
    Polled(Polled),
    /// TLS over TCP, past its handshake.
    Tls(Box<TlsStream<BufReader<TcpLine>>>),
}

/// A connection that another process serves on.
#[derive(Debug)]
pub struct Leaving {
    /// What the other process reads and writes.
    pub descriptor: OwnedFd,
    /// Whether that is a Unix socket.
    pub is_unix: bool,
    /// What stays here, for TLS.
    pub relay: Option<Relay>,
}

/// Bytes read at once below TLS, whose library asks for 4 KB at a time: each would be a system
/// call.
const TLS_READ_BYTES: usize = 32 << 10;

/// What TLS is spoken over.
#[must_use]
pub fn below_tls(stream: TcpStream) -> BufReader<TcpLine> {
    BufReader::with_capacity(TLS_READ_BYTES, TcpLine::Hosted(stream))
}

impl Transport {
    /// Takes it off its runtime, and has the poller of a worker watch it from now on.
    pub fn adopt(self, poller: &Poller, slot: usize) -> io::Result<Self> {
        Ok(match self {
            Self::Plain(stream) => Self::Polled(poller.watch_tcp(slot, stream.into_std()?)?),
            Self::Unix(stream) => Self::Polled(poller.watch_unix(slot, stream.into_std()?)?),
            Self::Tls(mut stream) => {
                stream.get_mut().0.get_mut().adopt(poller, slot)?;
                Self::Tls(stream)
            }
            adopted @ Self::Polled(_) => adopted,
        })
    }

    /// The poller reported an event of it.
    #[inline]
    pub fn on_event(&mut self, event: &Event) {
        match self {
            Self::Polled(stream) => stream.on_event(event),
            Self::Tls(stream) => {
                if let TcpLine::Polled(stream) = stream.get_mut().0.get_mut() {
                    stream.on_event(event);
                }
            }
            Self::Plain(_) | Self::Unix(_) => {}
        }
    }

    /// Takes it out of the poll set, for another process; `None` if it is in none. Called within a runtime.
    pub fn leave(self, poller: &Poller) -> io::Result<Option<Leaving>> {
        match self {
            Self::Polled(mut stream) => {
                let (descriptor, is_unix) = poller.forget(&mut stream)?;
                Ok(Some(Leaving { descriptor, is_unix, relay: None }))
            }
            Self::Tls(stream) => {
                let (descriptor, relay) = Relay::new(stream, poller)?;
                Ok(Some(Leaving { descriptor, is_unix: true, relay: Some(relay) }))
            }
            Self::Plain(_) | Self::Unix(_) => Ok(None),
        }
    }

    /// Whether it could be taken out of the poll set.
    #[must_use]
    pub fn can_leave(&self) -> bool {
        matches!(self, Self::Polled(_) | Self::Tls(_))
    }

    /// Whether what was written may wait in a buffer of ours until it is flushed.
    #[inline]
    #[must_use]
    pub fn is_buffered(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// The TCP connection below, if there is one and no worker has it yet.
    #[must_use]
    pub fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Plain(stream) => Some(stream),
            Self::Unix(_) | Self::Polled(_) => None,
            Self::Tls(stream) => match stream.get_ref().0.get_ref() {
                TcpLine::Hosted(stream) => Some(stream),
                TcpLine::Polled(_) | TcpLine::Lost => None,
            },
        }
    }
}

impl AsyncRead for Transport {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Polled(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Polled(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
            Self::Polled(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Polled(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }
}

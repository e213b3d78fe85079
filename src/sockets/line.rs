//! What TLS is spoken over: a runtime's stream during the handshake, then one of a worker's poller.

use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::sockets::polled::Polled;
use crate::sockets::poller::Poller;

/// A TCP connection below TLS.
#[derive(Debug)]
pub enum TcpLine {
    /// Woken by a runtime.
    Hosted(TcpStream),
    /// Watched by a poller.
    Polled(Polled),
    /// It could not be passed from one to the other.
    Lost,
}

impl TcpLine {
    /// Takes it off its runtime, and has a poller watch it from now on.
    pub fn adopt(&mut self, poller: &Poller, slot: usize) -> io::Result<()> {
        *self = match mem::replace(self, Self::Lost) {
            Self::Hosted(stream) => Self::Polled(poller.watch_tcp(slot, stream.into_std()?)?),
            adopted @ (Self::Polled(_) | Self::Lost) => adopted,
        };
        Ok(())
    }

    /// Takes it out of the poll set, and onto the runtime in which this is called.
    pub fn release(&mut self, poller: &Poller) -> io::Result<()> {
        *self = match mem::replace(self, Self::Lost) {
            Self::Polled(mut stream) => {
                let (descriptor, _) = poller.forget(&mut stream)?;
                Self::Hosted(TcpStream::from_std(descriptor.into())?)
            }
            released @ (Self::Hosted(_) | Self::Lost) => released,
        };
        Ok(())
    }
}

fn lost<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl AsyncRead for TcpLine {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Hosted(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Polled(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Lost => lost(),
        }
    }
}

impl AsyncWrite for TcpLine {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Hosted(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Polled(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Lost => lost(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Hosted(stream) => Pin::new(stream).poll_flush(context),
            Self::Polled(stream) => Pin::new(stream).poll_flush(context),
            Self::Lost => lost(),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Hosted(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Polled(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Lost => lost(),
        }
    }
}

//! What stays here of a TLS connection that another process serves: the connection itself, and the plain bytes both ways.
//!
//! The keys and counters of TLS are in the library and cannot be moved. So the other process gets one end of a pair of
//! Unix sockets, and what was said in TLS passes between the other end and the client.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::{BufReader, copy_bidirectional};
use tokio::net::UnixStream;
use tokio_rustls::TlsStream;

use crate::sockets::line::TcpLine;
use crate::sockets::poller::Poller;

/// A TLS connection, and the end of a pair of sockets whose other end another process has.
#[derive(Debug)]
pub struct Relay {
    tls: Box<TlsStream<BufReader<TcpLine>>>,
    plain: UnixStream,
}

impl Relay {
    /// Takes a connection out of the poll set; the descriptor is for the other process. Called within a runtime.
    pub fn new(
        mut tls: Box<TlsStream<BufReader<TcpLine>>>,
        poller: &Poller,
    ) -> io::Result<(OwnedFd, Self)> {
        tls.get_mut().0.get_mut().release(poller)?;
        let (plain, other) = UnixStream::pair()?;
        Ok((other.into_std()?.into(), Self { tls, plain }))
    }

    /// Passes bytes both ways until both sides have ended, or one is lost.
    pub async fn run(mut self) {
        if let Err(error) = copy_bidirectional(&mut *self.tls, &mut self.plain).await {
            tracing::debug!(%error, "a client over TLS whose requests another process serves is gone");
        }
    }
}

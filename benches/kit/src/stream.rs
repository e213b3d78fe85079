//! A socket, plain or under TLS, that may block or not.

use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::Connection;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::ServerConnection;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::os::fd::RawFd;
use std::sync::Arc;

/// What buffers need of a socket besides bytes.
pub trait Socket: Read + Write {
    /// Whether bytes were taken off the socket that no read has returned yet: no event announces them.
    fn holds_bytes(&self) -> bool {
        false
    }

    /// Sends what a write has taken and kept; Ok(true) when nothing of it is left.
    fn push(&mut self) -> io::Result<bool> {
        Ok(true)
    }
}

impl Socket for TcpStream {}

/// A connection of a client or of a node.
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<Tls>),
}

/// A TLS session over a socket.
pub struct Tls {
    socket: TcpStream,
    session: Connection,
}

impl Stream {
    /// Client side, to a server that `config` trusts.
    pub fn connected(
        socket: TcpStream,
        config: Option<&Arc<ClientConfig>>,
    ) -> Result<Self, String> {
        let Some(config) = config else { return Ok(Self::Plain(socket)) };
        let name = ServerName::IpAddress(socket.peer_addr().map_err(plain)?.ip().into());
        let session = ClientConnection::new(Arc::clone(config), name).map_err(plain)?;
        Ok(Self::Tls(Box::new(Tls { socket, session: session.into() })))
    }

    /// Server side.
    pub fn accepted(socket: TcpStream, config: Option<&Arc<ServerConfig>>) -> io::Result<Self> {
        let Some(config) = config else { return Ok(Self::Plain(socket)) };
        let session = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        Ok(Self::Tls(Box::new(Tls { socket, session: session.into() })))
    }

    /// The socket below.
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => &tls.socket,
        }
    }

    /// Whether the session itself has something to send, such as its part of a handshake.
    pub fn wants_write(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.session.wants_write(),
        }
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.socket().as_raw_fd()
    }
}

impl Socket for Stream {
    #[inline]
    fn holds_bytes(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    #[inline]
    fn push(&mut self) -> io::Result<bool> {
        match self {
            Self::Plain(_) => Ok(true),
            Self::Tls(tls) => tls.push(),
        }
    }
}

impl Read for Stream {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buf),
            Self::Tls(tls) => tls.read(buf),
        }
    }
}

impl Write for Stream {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(buf),
            Self::Tls(tls) => tls.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.push()? { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }
}

impl Tls {
    /// Plain bytes as soon as there are some; 0: the peer has ended.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(buf) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                // Without a goodbye: the bench ends processes, and counts what is missing.
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                done => return done,
            }
            if self.session.wants_write() {
                self.push()?;
            }
            if self.session.read_tls(&mut self.socket)? == 0 {
                return Ok(0);
            }
            self.session.process_new_packets().map_err(io::Error::other)?;
        }
    }

    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        loop {
            let taken = self.session.writer().write(buf)?;
            if taken > 0 {
                return Ok(taken);
            }
            if !self.push()? {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
    }

    fn push(&mut self) -> io::Result<bool> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }
}

/// Trusts the authority of this PEM file alone.
pub fn client_config(ca: &str) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(plain)?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}

/// Shows the certificate of these PEM files.
pub fn server_config(cert: &str, key: &str) -> Result<Arc<ServerConfig>, String> {
    let key = PrivateKeyDer::from_pem_file(key).map_err(|e| format!("{key}: {e}"))?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(certificates(cert)?, key)
        .map_err(plain)?;
    Ok(Arc::new(config))
}

fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let said = |e| format!("{file}: {e}");
    CertificateDer::pem_file_iter(file).map_err(said)?.collect::<Result<_, _>>().map_err(said)
}

fn plain(e: impl std::fmt::Display) -> String {
    e.to_string()
}

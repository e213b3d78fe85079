//! Where clients connect: addresses of TCP, and Unix domain sockets.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::listen::unix_listener::UnixSocket;
use crate::platform::clock;
use crate::platform::log_throttle::LogThrottle;

/// Connections that the kernel keeps until they are accepted: clients that come before the first
/// lane is up wait there, and are served then.
pub(crate) const BACKLOG: i32 = 1024;
/// Pause after a failed accept: out of descriptors, the next one would fail as fast.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A place to listen at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Bind {
    /// An address.
    Tcp(SocketAddr),
    /// A Unix domain socket.
    Unix(PathBuf),
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A client's connection, non-blocking.
#[derive(Debug)]
pub enum Accepted {
    /// By TCP.
    Tcp(std::net::TcpStream),
    /// Through a Unix domain socket.
    Unix(std::os::unix::net::UnixStream),
}

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix(UnixSocket),
}

/// All places at which clients connect.
#[derive(Debug)]
pub struct Listeners {
    listeners: Vec<Listener>,
    /// Which one is asked first; one with many clients does not keep the others waiting.
    first: usize,
    failures: LogThrottle,
}

impl Listeners {
    /// Listens at all of `binds`; the error is that of the first that cannot be. Called within a
    /// runtime. Files of Unix sockets get `mode`.
    pub fn bind(binds: &[Bind], mode: u32) -> Result<Self, (Bind, io::Error)> {
        let listeners = binds.iter().map(|bind| {
            let listener = match bind {
                Bind::Tcp(address) => self::bind(*address).map(Listener::Tcp),
                Bind::Unix(path) => UnixSocket::bind(path, mode).map(Listener::Unix),
            };
            listener.map_err(|error| (bind.clone(), error))
        });
        let listeners = listeners.collect::<Result<_, _>>()?;
        Ok(Self { listeners, first: 0, failures: LogThrottle::default() })
    }

    /// Where it listens, with the ports that the kernel chose.
    #[must_use]
    pub fn binds(&self) -> Vec<Bind> {
        let binds = self.listeners.iter().filter_map(|listener| match listener {
            Listener::Tcp(listener) => listener.local_addr().ok().map(Bind::Tcp),
            Listener::Unix(socket) => Some(Bind::Unix(socket.path().to_owned())),
        });
        binds.collect()
    }

    /// The next client. A failed accept is logged and tried again: it never ends the process.
    pub async fn accept(&mut self) -> Accepted {
        loop {
            match poll_fn(|context| self.poll_accept(context)).await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    if let Some(left_out) = self.failures.next(clock::now_us()) {
                        tracing::warn!(%error, left_out, "a client could not be accepted");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        let count = self.listeners.len();
        for at in (0..count).map(|offset| (self.first + offset) % count) {
            let Some(listener) = self.listeners.get(at) else { continue };
            if let Poll::Ready(accepted) = listener.poll_accept(context) {
                self.first = (at + 1) % count;
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }
}

impl Listener {
    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        match self {
            Self::Tcp(listener) => listener.poll_accept(context).map(|accepted| {
                let (stream, _) = accepted?;
                stream.set_nodelay(true)?;
                Ok(Accepted::Tcp(stream.into_std()?))
            }),
            Self::Unix(socket) => {
                socket.poll_accept(context).map(|accepted| Ok(Accepted::Unix(accepted?)))
            }
        }
    }
}

/// What to do about an address or path that cannot be bound.
#[must_use]
pub fn fix(place: &Bind, error: &io::Error) -> &'static str {
    let is_path = matches!(place, Bind::Unix(_));
    let kind = error.kind();
    if kind == io::ErrorKind::AddrInUse && is_path {
        "give another path, or end what listens here: `ss -lxp` names it"
    } else if kind == io::ErrorKind::AddrInUse {
        "give another port, or end what holds this one: `ss -ltnpx` names it"
    } else if kind == io::ErrorKind::PermissionDenied && is_path {
        "give a folder where this user may make files"
    } else if kind == io::ErrorKind::PermissionDenied {
        "give a port from 1024 on, or let the process have CAP_NET_BIND_SERVICE"
    } else if kind == io::ErrorKind::AddrNotAvailable {
        "give an address of this machine (`ip address` lists them), or 0.0.0.0 for all of them"
    } else if is_path {
        "give a path in a folder that exists, of some 100 bytes at most, where no other file is"
    } else {
        "give another address"
    }
}

/// Listens at one address. Called within a runtime.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

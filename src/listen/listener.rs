//! Where clients connect: addresses of TCP, and Unix domain sockets.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::collections::log_throttle::LogThrottle;
use crate::listen::unix_listener::{BACKLOG, UnixSocket};
use crate::platform::clock;

/// Pause after a failed accept: out of descriptors, the next one would fail as fast.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Most descriptors that clients leave to lanes, pages and the connection that watches the cluster.
const RESERVED_MAX: u64 = 4096;
/// Most of these that clients have for as long as it takes to read why they are refused.
const REFUSED_MAX: u64 = 256;

/// Most bytes that wait in the kernel for a client beyond what its own end takes. By default up to 4 MiB of the answers
/// that a client does not read are carried there, in memory that no limit of ours counts; and all the others wait for it.
const UNSENT_MAX: u32 = 128 << 10;

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

/// A client's connection, and whether it can be served.
#[derive(Debug)]
pub struct Caller {
    /// Its connection.
    pub stream: Accepted,
    /// Set where clients have all the descriptors that they may have, so many: then it gets an ERROR.
    pub no_descriptor: Option<u64>,
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
    /// Descriptors from this one on are not for clients.
    descriptors_max: u64,
}

impl Listeners {
    /// Listens at all of `binds`; the error is that of the first that cannot be. Called within a
    /// runtime. Files of Unix sockets get `mode`.
    pub fn bind(binds: &[Bind], mode: u32) -> Result<Self, (Bind, io::Error)> {
        Self::take_over(binds, mode, |_| None)
    }

    /// The same, by descriptors of the process that has listened there so far, as far as there are any.
    pub fn take_over(
        binds: &[Bind],
        mode: u32,
        mut taken: impl FnMut(&Bind) -> Option<OwnedFd>,
    ) -> Result<Self, (Bind, io::Error)> {
        let listeners = binds.iter().map(|bind| {
            let listener = match (bind, taken(bind)) {
                (Bind::Tcp(address), None) => self::bind(*address).map(Listener::Tcp),
                (Bind::Tcp(_), Some(taken)) => adopt(taken).map(Listener::Tcp),
                (Bind::Unix(path), None) => UnixSocket::bind(path, mode).map(Listener::Unix),
                (Bind::Unix(path), Some(taken)) => {
                    UnixSocket::take_over(path, taken).map(Listener::Unix)
                }
            };
            listener.map_err(|error| (bind.clone(), error))
        });
        let listeners = listeners.collect::<Result<_, _>>()?;
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let descriptors_max = for_clients(limit);
        Ok(Self { listeners, first: 0, failures: LogThrottle::default(), descriptors_max })
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

    /// Those of TCP.
    pub fn tcp(&self) -> impl Iterator<Item = &TcpListener> {
        self.listeners.iter().filter_map(|listener| match listener {
            Listener::Tcp(listener) => Some(listener),
            Listener::Unix(_) => None,
        })
    }

    /// Descriptors by which another process can listen at the same places.
    pub fn descriptors(&self) -> io::Result<Vec<OwnedFd>> {
        let descriptors = self.listeners.iter().map(|listener| match listener {
            Listener::Tcp(listener) => listener.as_fd().try_clone_to_owned(),
            Listener::Unix(socket) => socket.as_fd().try_clone_to_owned(),
        });
        descriptors.collect()
    }

    /// The process that listened there before has left: files of Unix sockets are this one's.
    pub fn own(&mut self) {
        for listener in &mut self.listeners {
            match listener {
                Listener::Unix(socket) => socket.own(),
                Listener::Tcp(_) => {}
            }
        }
    }

    /// Another process listens there from now on: files of Unix sockets stay.
    pub fn leave(mut self) {
        for listener in &mut self.listeners {
            match listener {
                Listener::Unix(socket) => socket.leave(),
                Listener::Tcp(_) => {}
            }
        }
    }

    /// The next client. A failed accept is logged and tried again: it never ends the process.
    pub async fn accept(&mut self) -> Caller {
        loop {
            match poll_fn(|context| self.poll_accept(context)).await {
                Ok(stream) => {
                    let number = descriptor_of(&stream);
                    if number < self.descriptors_max {
                        return Caller { stream, no_descriptor: None };
                    }
                    if let Some(left_out) = self.failures.next(clock::now_us()) {
                        let most = self.descriptors_max;
                        tracing::warn!(
                            most,
                            left_out,
                            "a client was refused: the file descriptors that are left are kept \
                             for lanes and pages"
                        );
                    }
                    if number - self.descriptors_max < for_refusals(self.descriptors_max) {
                        return Caller { stream, no_descriptor: Some(self.descriptors_max) };
                    }
                }
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
                // A kernel without this option, such as a sandbox's, takes more for a client; that is all.
                SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_MAX).ok();
                Ok(Accepted::Tcp(stream.into_std()?))
            }),
            Self::Unix(socket) => {
                socket.poll_accept(context).map(|accepted| Ok(Accepted::Unix(accepted?)))
            }
        }
    }
}

/// The number of a connection's descriptor. The kernel gives the lowest that is free: one beyond the bound
/// means that all those for clients are taken. Otherwise clients that wait would take each descriptor that a
/// lost lane frees.
fn descriptor_of(accepted: &Accepted) -> u64 {
    let number = match accepted {
        Accepted::Tcp(stream) => stream.as_raw_fd(),
        Accepted::Unix(stream) => stream.as_raw_fd(),
    };
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// How many of `limit` descriptors clients may take.
fn for_clients(limit: u64) -> u64 {
    limit - (limit / 2).min(RESERVED_MAX)
}

/// How many descriptors clients may have besides, for as long as an ERROR that refuses them takes: a quarter as many,
/// out of those that are kept for lanes and pages.
fn for_refusals(descriptors_max: u64) -> u64 {
    (descriptors_max / 4).min(REFUSED_MAX)
}

/// What to do about an address or path that cannot be bound.
#[must_use]
pub fn hint(place: &Bind, error: &io::Error) -> &'static str {
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

/// Listens where another process has listened so far, by its descriptor. Called within a runtime.
pub fn adopt(descriptor: OwnedFd) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::from(descriptor);
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpStream};
    use std::time::Duration;

    use super::*;

    #[test]
    fn clients_leave_half_of_few_descriptors_and_some_thousands_of_many() {
        assert_eq!(for_clients(64), 32);
        assert_eq!(for_clients(1024), 512);
        assert_eq!(for_clients(1 << 20), (1 << 20) - 4096);
        assert_eq!(for_clients(u64::MAX), u64::MAX - 4096);
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_has_little_in_the_kernel() {
        let bind = Bind::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let mut listeners = Listeners::bind(&[bind], 0o600).unwrap();
        let Some(Bind::Tcp(address)) = listeners.binds().pop() else { panic!("no address") };
        let _reads_nothing = TcpStream::connect(address).unwrap();
        let Accepted::Tcp(mut stream) = listeners.accept().await.stream else { panic!("no TCP") };
        let (mut taken, mut refused_in_turn) = (0, 0);
        // What is written goes over to the other end a little later, and makes room for more.
        while refused_in_turn < 20 {
            match stream.write(&[7; 64 << 10]) {
                Ok(len) => (taken, refused_in_turn) = (taken + len, 0),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    refused_in_turn += 1;
                    sleep(Duration::from_millis(5)).await;
                }
            }
        }
        assert!(taken < 1 << 20, "{taken} bytes");
    }

    #[tokio::test]
    async fn clients_beyond_their_descriptors_are_refused_and_many_more_are_closed() {
        let bind = Bind::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let mut listeners = Listeners::bind(&[bind], 0o600).unwrap();
        let Some(Bind::Tcp(address)) = listeners.binds().pop() else { panic!("no address") };
        listeners.descriptors_max = 4;
        let mut closed = TcpStream::connect(address).unwrap();
        closed.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let accepted = tokio::time::timeout(Duration::from_millis(200), listeners.accept()).await;
        assert!(accepted.is_err(), "it is not handed out");
        assert_eq!(closed.read(&mut [0]).unwrap(), 0);
        let _served = TcpStream::connect(address).unwrap();
        listeners.descriptors_max = 1 << 20;
        assert_eq!(listeners.accept().await.no_descriptor, None);
        // Other tests of this process take and free numbers meanwhile: each caller is judged by its own.
        let taken: Vec<_> = (0..100).map(|_| File::open("/dev/null").unwrap()).collect();
        listeners.descriptors_max = taken.last().unwrap().as_raw_fd().try_into().unwrap();
        let (mut clients, mut callers) = (Vec::new(), Vec::new());
        while clients.len() < 100 {
            clients.push(TcpStream::connect(address).unwrap());
            let accepted = tokio::time::timeout(Duration::from_secs(1), listeners.accept()).await;
            let Ok(caller) = accepted else { continue };
            let is_beyond = descriptor_of(&caller.stream) >= listeners.descriptors_max;
            let most = is_beyond.then_some(listeners.descriptors_max);
            assert_eq!(caller.no_descriptor, most);
            callers.push(caller);
            if is_beyond {
                return;
            }
        }
        panic!("no client was refused");
    }
}

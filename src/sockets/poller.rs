//! What a worker sleeps on: all of its sockets, and a bell that other threads ring.
//!
//! Readiness is edge-triggered: reported once when something comes, not as long as it is there.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net;
use std::time::Duration;

use mio::event::{Event, Source};
use mio::{Events, Interest, Poll, Token, Waker};

use crate::sockets::polled::{Polled, Stream};

/// Sockets that one sleep can report; the next one reports the others.
const EVENTS_MAX: usize = 1024;
/// What the bell is called; no slot has this number.
const BELL: Token = Token(usize::MAX);

/// One poll set.
#[derive(Debug)]
pub struct Poller {
    poll: Poll,
    events: Events,
}

impl Poller {
    /// An empty set.
    pub fn new() -> io::Result<Self> {
        Ok(Self { poll: Poll::new()?, events: Events::with_capacity(EVENTS_MAX) })
    }

    /// The bell that ends a sleep from another thread.
    pub fn bell(&self) -> io::Result<Waker> {
        Waker::new(self.poll.registry(), BELL)
    }

    /// Watches a TCP connection, in both directions, as long as it is open.
    pub fn watch_tcp(&self, slot: usize, stream: std::net::TcpStream) -> io::Result<Polled> {
        let mut stream = mio::net::TcpStream::from_std(stream);
        self.watch(slot, &mut stream)?;
        Ok(Polled::new(Stream::Tcp(stream)))
    }

    /// Watches a Unix domain socket, in both directions, as long as it is open.
    pub fn watch_unix(&self, slot: usize, stream: net::UnixStream) -> io::Result<Polled> {
        let mut stream = mio::net::UnixStream::from_std(stream);
        self.watch(slot, &mut stream)?;
        Ok(Polled::new(Stream::Unix(stream)))
    }

    /// Watches a stream no longer; a descriptor of it, and whether it is a Unix socket. It has to be taken out by name: the
    /// system watches a connection for as long as any process has it.
    pub fn forget(&self, stream: &mut Polled) -> io::Result<(OwnedFd, bool)> {
        let registry = self.poll.registry();
        match stream.stream_mut() {
            Stream::Tcp(stream) => {
                registry.deregister(stream)?;
                Ok((stream.as_fd().try_clone_to_owned()?, false))
            }
            Stream::Unix(stream) => {
                registry.deregister(stream)?;
                Ok((stream.as_fd().try_clone_to_owned()?, true))
            }
        }
    }

    fn watch(&self, slot: usize, stream: &mut impl Source) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(stream, Token(slot), both)
    }

    /// Sleeps until a socket is ready, the bell rings, or so much time has passed.
    pub fn sleep(&mut self, at_most: Duration) {
        if let Err(error) = self.poll.poll(&mut self.events, Some(at_most))
            && error.kind() != io::ErrorKind::Interrupted
        {
            tracing::error!(%error, "a worker cannot wait for its sockets");
        }
    }

    /// The sockets that the last sleep reported, by slot.
    pub fn ready(&self) -> impl Iterator<Item = (usize, &Event)> {
        let events = self.events.iter().filter(|event| event.token() != BELL);
        events.map(|event| (event.token().0, event))
    }
}

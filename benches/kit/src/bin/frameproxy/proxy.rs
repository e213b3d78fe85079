//! The event loop: read everything that came, then write where there is something to write.

use crate::peer::Peer;
use crate::peer::Slot;
use crate::route::Routes;
use shardlane_bench_kit::buffers::RBuf;
use shardlane_bench_kit::buffers::prepare_socket;
use shardlane_bench_kit::cql::*;
use shardlane_bench_kit::epoll::Epoll;
use shardlane_bench_kit::epoll::IN;
use shardlane_bench_kit::epoll::OUT;
use std::io;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::fd::AsRawFd;

/// Epoll token of the listener.
const LISTENER: u64 = u64::MAX;

/// A client that does not exist: its answers are dropped.
const NOBODY: Slot = Slot { used: true, client: u32::MAX, serial: 0, stream: 0, prepare: false };

/// The proxy, on one thread.
pub struct Proxy {
    epoll: Epoll,
    listener: TcpListener,
    routes: Routes,
    peers: Vec<Option<Box<Peer>>>,
    /// Places of the upstream connections.
    upstreams: Vec<usize>,
    serial: u32,
    dirty: Vec<usize>,
}

impl Proxy {
    /// A proxy over these upstream connections.
    pub fn new(listener: TcpListener, routes: Routes, sockets: Vec<TcpStream>) -> io::Result<Self> {
        let epoll = Epoll::new()?;
        listener.set_nonblocking(true)?;
        epoll.add(listener.as_raw_fd(), IN, LISTENER)?;
        let (peers, upstreams, dirty) = (vec![], vec![], vec![]);
        let mut proxy = Self { epoll, listener, routes, peers, upstreams, serial: 0, dirty };
        for socket in sockets {
            let place = proxy.add(socket, true)?;
            proxy.upstreams.push(place);
        }
        Ok(proxy)
    }

    /// Serves until the process is ended or an upstream connection breaks.
    pub fn run(mut self) -> io::Result<()> {
        loop {
            let count = self.epoll.wait(None)?;
            for i in 0..count {
                let (token, events) = self.epoll.event(i);
                if token == LISTENER {
                    self.accept()?;
                    continue;
                }
                let place = token as usize;
                if events & !OUT != 0 {
                    self.read(place)?;
                }
                if events & OUT != 0 {
                    self.flush(place)?;
                }
            }
            let mut dirty = std::mem::take(&mut self.dirty);
            for place in dirty.drain(..) {
                self.flush(place)?;
            }
            self.dirty = dirty; // its memory serves the next turn
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        while let Ok((socket, _)) = self.listener.accept() {
            self.add(socket, false)?;
        }
        Ok(())
    }

    fn add(&mut self, socket: TcpStream, upstream: bool) -> io::Result<usize> {
        prepare_socket(&socket)?;
        self.serial += 1;
        let place = self.peers.iter().position(Option::is_none).unwrap_or(self.peers.len());
        if place == self.peers.len() {
            self.peers.push(None);
        }
        self.epoll.add(socket.as_raw_fd(), IN, place as u64)?;
        self.peers[place] = Some(Box::new(Peer::new(socket, self.serial, upstream)));
        Ok(place)
    }

    fn close(&mut self, place: usize) -> io::Result<()> {
        let Some(peer) = self.peers[place].take() else { return Ok(()) };
        self.epoll.del(peer.socket.as_raw_fd());
        if peer.upstream {
            return Err(io::Error::other("an upstream connection was closed"));
        }
        Ok(())
    }

    fn read(&mut self, place: usize) -> io::Result<()> {
        let Some(mut peer) = self.peers[place].take() else { return Ok(()) };
        let mut alive = true;
        for _ in 0..4 {
            let full = match peer.read.fill(&mut peer.socket) {
                Ok(None) => break,
                Ok(Some((0, _))) | Err(_) => {
                    alive = false;
                    break;
                }
                Ok(Some((_, full))) => full,
            };
            self.frames(place, &mut peer)?;
            if !full {
                break;
            }
        }
        self.peers[place] = Some(peer);
        if alive { Ok(()) } else { self.close(place) }
    }

    /// Passes every whole frame on.
    fn frames(&mut self, place: usize, peer: &mut Peer) -> io::Result<()> {
        let mut read = std::mem::replace(&mut peer.read, RBuf::new(0));
        let mut used = 0;
        while let Some(rest) = read.data().get(used..).filter(|rest| rest.len() >= HDR) {
            let h = parse_header(rest);
            let Some(frame) = rest.get(..HDR + h.len) else {
                read.consume(used);
                used = 0;
                read.reserve_front(HDR + h.len);
                break;
            };
            if peer.upstream {
                self.deliver(peer, h, frame);
            } else {
                self.forward(place, peer, h, frame)?;
            }
            used += frame.len();
        }
        read.consume(used);
        peer.read = read;
        Ok(())
    }

    /// An answer goes to the client that asked.
    #[inline]
    fn deliver(&mut self, upstream: &mut Peer, h: Header, frame: &[u8]) {
        let Some(slot) = upstream.answered(h.stream) else { return };
        if slot.prepare {
            // A refused PREPARE teaches nothing.
            let _ = self.routes.learn(h.opcode, &frame[HDR..]);
        }
        let client = slot.client as usize;
        let Some(Some(peer)) = self.peers.get_mut(client) else { return };
        if peer.serial == slot.serial {
            peer.put(frame, slot.stream.to_be_bytes());
            mark(&mut self.dirty, peer, client);
        }
    }

    /// A request goes to the upstream connection of its key.
    #[inline]
    fn forward(
        &mut self,
        place: usize,
        client: &mut Peer,
        h: Header,
        frame: &[u8],
    ) -> io::Result<()> {
        if matches!(h.opcode, op::STARTUP | op::REGISTER) {
            let at = begin_frame(&mut client.write.b, h.version | 0x80, 0, h.stream, op::READY);
            end_frame(&mut client.write.b, at);
            mark(&mut self.dirty, client, place);
            return Ok(());
        }
        let route = (h.opcode == op::EXECUTE).then(|| self.routes.place(&frame[HDR..])).flatten();
        let prepare = h.opcode == op::PREPARE;
        let (serial, stream) = (client.serial, h.stream);
        let slot = Slot { used: true, client: place as u32, serial, stream, prepare };
        self.send(route.unwrap_or(0), frame, slot)?;
        if prepare && self.routes.shards > 0 {
            // Each node must know the statement.
            let shards = self.routes.shards as usize;
            for other in (shards..self.upstreams.len()).step_by(shards) {
                self.send(other, frame, NOBODY)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn send(&mut self, route: usize, frame: &[u8], slot: Slot) -> io::Result<()> {
        let place = self.upstreams[route % self.upstreams.len()];
        let Some(upstream) = self.peers[place].as_mut() else {
            return Err(io::Error::other("an upstream connection is gone"));
        };
        let sent = upstream.request(frame, slot);
        sent.ok_or_else(|| io::Error::other("all upstream stream ids are under way"))?;
        mark(&mut self.dirty, upstream, place);
        Ok(())
    }

    fn flush(&mut self, place: usize) -> io::Result<()> {
        let Some(peer) = self.peers[place].as_mut() else { return Ok(()) };
        peer.dirty = false;
        let Ok(empty) = peer.write.flush(&mut peer.socket) else { return self.close(place) };
        if peer.waits == empty {
            peer.waits = !empty;
            let events = if empty { IN } else { IN | OUT };
            self.epoll.modify(peer.socket.as_raw_fd(), events, place as u64)?;
        }
        Ok(())
    }
}

#[inline]
fn mark(dirty: &mut Vec<usize>, peer: &mut Peer, place: usize) {
    if !peer.dirty {
        peer.dirty = true;
        dirty.push(place);
    }
}

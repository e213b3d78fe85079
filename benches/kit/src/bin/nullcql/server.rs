//! The event loop: listeners, connections, and answers that wait for their time.

use crate::answer::Nodes;
use crate::answer::Peer;
use rustls::ServerConfig;
use shardlane_bench_kit::buffers::RBuf;
use shardlane_bench_kit::buffers::WBuf;
use shardlane_bench_kit::buffers::prepare_socket;
use shardlane_bench_kit::cql::*;
use shardlane_bench_kit::epoll::Epoll;
use shardlane_bench_kit::epoll::IN;
use shardlane_bench_kit::epoll::OUT;
use shardlane_bench_kit::process::since;
use shardlane_bench_kit::rng::Rng;
use shardlane_bench_kit::stream::Stream;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Instant;

/// Bytes waiting for a client above which nothing more is read from it, and nothing answered that was.
const HIGH_WATER: usize = 4 << 20;

/// Epoll tokens from here on are listeners; below, connections.
const LISTENERS: u64 = 1 << 32;

/// What a listener is for.
#[derive(Clone, Copy)]
pub enum Door {
    /// The plain port of a node: the shard with the fewest connections gets the next.
    Plain(usize),
    /// The shard-aware port of a node: the source port picks the shard.
    ShardAware(usize),
    /// Counters for each client that connects.
    Stats,
}

/// How long the server takes for a request.
#[derive(Clone, Copy)]
pub struct Delay {
    pub base_ns: u64,
    /// Up to this much more, drawn for each request, so that answers overtake each other.
    pub jitter_ns: u64,
}

struct Conn {
    socket: Stream,
    /// Tells this connection from an earlier one in the same place.
    serial: u64,
    peer: Peer,
    read: RBuf,
    write: WBuf,
    interest: u32,
    dirty: bool,
    /// Whether requests that were read wait until it has taken its answers.
    stopped: bool,
}

/// An answer and when to send it: due time, sequence, place and serial of the connection, bytes.
type Late = Reverse<(u64, u64, usize, u64, Vec<u8>)>;

/// The whole server, on one thread.
pub struct Server {
    nodes: Nodes,
    delay: Delay,
    epoll: Epoll,
    doors: Vec<(TcpListener, Door)>,
    tls: Option<Arc<ServerConfig>>,
    conns: Vec<Option<Box<Conn>>>,
    free: Vec<usize>,
    serial: u64,
    start: Instant,
    late: BinaryHeap<Late>,
    rng: Rng,
}

impl Server {
    /// A server that listens at `doors`, with TLS or without.
    pub fn new(
        nodes: Nodes,
        delay: Delay,
        doors: Vec<(TcpListener, Door)>,
        tls: Option<Arc<ServerConfig>>,
    ) -> io::Result<Self> {
        let epoll = Epoll::new()?;
        for (token, (listener, _)) in (LISTENERS..).zip(&doors) {
            listener.set_nonblocking(true)?;
            epoll.add(listener.as_raw_fd(), IN, token)?;
        }
        Ok(Self {
            nodes,
            delay,
            epoll,
            doors,
            tls,
            conns: vec![],
            free: vec![],
            serial: 0,
            start: Instant::now(),
            late: BinaryHeap::new(),
            rng: Rng(7),
        })
    }

    /// Serves until the process is ended.
    pub fn run(mut self) -> io::Result<()> {
        loop {
            let first_due = self.late.peek().map(|Reverse(late)| late.0);
            let timeout = first_due.map(|due| due.saturating_sub(since(self.start)));
            let count = self.epoll.wait(timeout)?;
            for i in 0..count {
                let (token, events) = self.epoll.event(i);
                if token >= LISTENERS {
                    self.accept((token - LISTENERS) as usize);
                } else {
                    self.on_event(token as usize, events);
                }
            }
            if !self.late.is_empty() {
                self.send_due();
            }
        }
    }

    fn accept(&mut self, door: usize) {
        while let Ok((mut socket, from)) = self.doors[door].0.accept() {
            let (node, shard) = match self.doors[door].1 {
                Door::Stats => {
                    // A reader that leaves early misses its counters, and that is all.
                    let _ = socket.write_all(self.nodes.stats_json().as_bytes());
                    continue;
                }
                Door::Plain(node) => (node, self.nodes.stats[node].least_loaded()),
                Door::ShardAware(node) => {
                    self.nodes.stats[node].shard_port_conns += 1;
                    (node, u32::from(from.port()) % self.nodes.cluster.shards)
                }
            };
            if let Err(e) = self.add(socket, Peer::new(node, shard)) {
                eprintln!("nullcql: connection from {from}: {e}");
            }
        }
    }

    fn add(&mut self, socket: TcpStream, peer: Peer) -> io::Result<()> {
        let place = self.free.pop().unwrap_or_else(|| {
            self.conns.push(None);
            self.conns.len() - 1
        });
        prepare_socket(&socket)?;
        let socket = Stream::accepted(socket, self.tls.as_ref())?;
        self.epoll.add(socket.as_raw_fd(), IN, place as u64)?;
        let stats = &mut self.nodes.stats[peer.node];
        stats.conns_now[peer.shard as usize] += 1;
        stats.conns_total += 1;
        self.serial += 1;
        self.conns[place] = Some(Box::new(Conn {
            socket,
            serial: self.serial,
            peer,
            read: RBuf::new(64 << 10),
            write: WBuf::default(),
            interest: IN,
            dirty: false,
            stopped: false,
        }));
        Ok(())
    }

    fn close(&mut self, place: usize, conn: &Conn) {
        self.epoll.del(conn.socket.as_raw_fd());
        self.nodes.stats[conn.peer.node].conns_now[conn.peer.shard as usize] -= 1;
        self.free.push(place);
    }

    fn on_event(&mut self, place: usize, events: u32) {
        let Some(mut conn) = self.conns[place].take() else { return };
        let mut alive = true;
        if events & !OUT != 0 {
            alive = self.read(place, &mut conn);
        }
        if alive && (conn.dirty || events & OUT != 0) {
            alive = self.flush(place, &mut conn);
        }
        while alive && conn.stopped && conn.write.pending() == 0 {
            alive = self.answer_read(place, &mut conn) && self.flush(place, &mut conn);
        }
        if alive {
            self.conns[place] = Some(conn);
        } else {
            self.close(place, &conn);
        }
    }

    fn flush(&self, place: usize, conn: &mut Conn) -> bool {
        conn.dirty = false;
        let Ok(empty) = conn.write.flush(&mut conn.socket) else { return false };
        let want = match empty {
            true => IN,
            false if conn.stopped || conn.write.pending() > HIGH_WATER => OUT,
            false => IN | OUT,
        };
        if want == conn.interest {
            return true;
        }
        conn.interest = want;
        self.epoll.modify(conn.socket.as_raw_fd(), want, place as u64).is_ok()
    }

    /// Reads and answers what there is; `false`: the connection is over.
    fn read(&mut self, place: usize, conn: &mut Conn) -> bool {
        for _ in 0..8 {
            let filled = conn.read.fill(&mut conn.socket);
            conn.dirty |= conn.socket.wants_write();
            let full = match filled {
                Ok(None) => return true,
                Ok(Some((0, _))) | Err(_) => return false,
                Ok(Some((_, full))) => full,
            };
            if !self.answer_read(place, conn) {
                // The refusal should still reach the peer; if it cannot, nothing is lost.
                let _ = conn.write.flush(&mut conn.socket);
                return false;
            }
            if !full || conn.write.pending() > HIGH_WATER {
                return true;
            }
        }
        true
    }

    fn answer_read(&mut self, place: usize, conn: &mut Conn) -> bool {
        let mut read = std::mem::replace(&mut conn.read, RBuf::new(0));
        let alive = self.frames(place, conn, &mut read);
        conn.read = read;
        alive
    }

    /// Answers every whole frame of `read`, until too much waits for the client.
    fn frames(&mut self, place: usize, conn: &mut Conn, read: &mut RBuf) -> bool {
        conn.stopped = false;
        while read.data().len() >= HDR {
            if conn.write.pending() > HIGH_WATER {
                conn.stopped = true;
                break;
            }
            let h = parse_header(read.data());
            if h.len > MAX_FRAME || h.version & 0x80 != 0 {
                return false;
            }
            let total = HDR + h.len;
            if read.data().len() < total {
                read.reserve_front(total);
                break;
            }
            if !self.frame(place, conn, h, &read.data()[HDR..total]) {
                return false;
            }
            read.consume(total);
        }
        true
    }

    #[inline]
    fn frame(&mut self, place: usize, conn: &mut Conn, h: Header, body: &[u8]) -> bool {
        let Delay { base_ns, jitter_ns } = self.delay;
        let slow = matches!(h.opcode, op::EXECUTE | op::QUERY | op::BATCH);
        if slow && base_ns + jitter_ns > 0 {
            let extra = if jitter_ns > 0 { self.rng.bits() % jitter_ns } else { 0 };
            let due = since(self.start) + base_ns + extra;
            let mut out = Vec::new();
            let alive = self.nodes.answer(&mut conn.peer, h, body, &mut out);
            self.serial += 1;
            self.late.push(Reverse((due, self.serial, place, conn.serial, out)));
            return alive;
        }
        conn.dirty = true;
        self.nodes.answer(&mut conn.peer, h, body, &mut conn.write.b)
    }

    fn send_due(&mut self) {
        let now = since(self.start);
        let mut dirty = vec![];
        while self.late.peek().is_some_and(|Reverse(late)| late.0 <= now) {
            let Some(Reverse((_, _, place, serial, bytes))) = self.late.pop() else { break };
            let conn = self.conns[place].as_mut().filter(|c| c.serial == serial);
            let Some(conn) = conn else { continue };
            conn.write.b.extend_from_slice(&bytes);
            if !conn.dirty {
                conn.dirty = true;
                dirty.push(place);
            }
        }
        for place in dirty {
            self.on_event(place, 0);
        }
    }
}

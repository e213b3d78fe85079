//! The loops: closed (so many in flight) and open (so many a second).
//!
//! In the open loop the latency of a request counts from the time it was due, so a proxy that
//! stalls cannot hide it by slowing the generator down.

use crate::check::Errors;
use crate::check::check;
use crate::conn::Conn;
use crate::settings::Settings;
use hdrhistogram::Histogram;
use shardlane_bench_kit::cql::*;
use shardlane_bench_kit::epoll::Epoll;
use shardlane_bench_kit::epoll::IN;
use shardlane_bench_kit::epoll::OUT;
use shardlane_bench_kit::process::since;
use shardlane_bench_kit::rng::Rng;
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Instant;

/// How often a loop that waits looks whether it waits for ever, ns.
const LOOK_NS: u64 = 200_000_000;

/// Requests behind which an open loop counts as stalled.
const BACKLOG_MAX: usize = 1000;

/// The generator and what it has seen.
pub struct Load {
    pub settings: Settings,
    pub latencies: Histogram<u64>,
    pub errors: Errors,
    pub right: u64,
    pub bytes_in: u64,
    epoll: Epoll,
    conns: Vec<Conn>,
    rng: Rng,
    start: Instant,
    done: u64,
    last_arrival: u64,
}

impl Load {
    /// A generator over connections that are set up.
    pub fn new(settings: Settings, conns: Vec<Conn>) -> io::Result<Self> {
        let epoll = Epoll::new()?;
        for (i, conn) in conns.iter().enumerate() {
            epoll.add(conn.socket.as_raw_fd(), IN, i as u64)?;
        }
        let latencies = Histogram::new_with_bounds(1, 600_000_000_000, 3);
        Ok(Self {
            rng: Rng(settings.seed.wrapping_mul(0x1_0000_0001)),
            latencies: latencies.map_err(io::Error::other)?,
            settings,
            errors: Errors::default(),
            right: 0,
            bytes_in: 0,
            epoll,
            conns,
            start: Instant::now(),
            done: 0,
            last_arrival: 0,
        })
    }

    /// Issues `n` requests and waits for their answers.
    pub fn issue(&mut self, n: u64) -> io::Result<()> {
        self.last_arrival = since(self.start);
        if self.settings.rate > 0.0 { self.open(n) } else { self.closed(n) }
    }

    /// Forgets all but what failed while warming up.
    pub fn forget(&mut self) {
        self.latencies.reset();
        self.errors = Errors { lost: self.errors.total(), ..Errors::default() };
        (self.right, self.bytes_in) = (0, 0);
    }

    fn closed(&mut self, n: u64) -> io::Result<()> {
        let goal = self.done + n;
        let mut sent = 0;
        let now = since(self.start);
        let count = self.conns.len();
        for place in (0..count * self.settings.inflight).map(|i| i % count) {
            if sent < n && self.conns[place].alive && self.send(place, now) {
                sent += 1;
            }
        }
        for place in 0..self.conns.len() {
            self.flush(place);
        }
        while !self.finished(goal) {
            let count = self.epoll.wait(Some(LOOK_NS))?;
            for i in 0..count {
                let (token, events) = self.epoll.event(i);
                let place = token as usize;
                let answered = if events & !OUT != 0 { self.receive(place) } else { 0 };
                let now = since(self.start);
                for _ in 0..answered.min(n - sent) {
                    if self.conns[place].alive && self.send(place, now) {
                        sent += 1;
                    }
                }
                self.flush(place);
            }
            if count == 0 && self.stalled() {
                self.give_up();
            }
        }
        Ok(())
    }

    fn open(&mut self, n: u64) -> io::Result<()> {
        let goal = self.done + n;
        let mut due = since(self.start) as f64 + 1e6;
        let mut issued = 0;
        let mut backlog: VecDeque<u64> = VecDeque::new();
        let mut next = 0;
        let mut touched = vec![false; self.conns.len()];
        while !self.finished(goal) {
            let now = since(self.start);
            while issued < n && due as u64 <= now {
                backlog.push_back(due as u64);
                issued += 1;
                due += self.gap_ns();
            }
            while let Some(at) = backlog.front().copied() {
                let Some(place) = self.place_with_room(next) else { break };
                next = place + 1;
                touched[place] = self.send(place, at);
                backlog.pop_front();
            }
            let written = (0..touched.len()).filter(|i| std::mem::take(&mut touched[*i]));
            written.for_each(|place| self.flush(place));
            let until_due = (due as u64).saturating_sub(since(self.start));
            let count = self.epoll.wait(Some(if issued < n { until_due } else { LOOK_NS }))?;
            for i in 0..count {
                let (token, events) = self.epoll.event(i);
                if events & !OUT != 0 {
                    self.receive(token as usize);
                }
                if events & OUT != 0 {
                    self.flush(token as usize);
                }
            }
            let behind = issued == n || backlog.len() > BACKLOG_MAX;
            if count == 0 && behind && self.stalled() {
                self.give_up();
            }
        }
        Ok(())
    }

    /// Time from one request to the next.
    fn gap_ns(&mut self) -> f64 {
        let mean = 1e9 / self.settings.rate;
        if self.settings.poisson { -self.rng.unit().ln() * mean } else { mean }
    }

    /// The first connection from `next` on, round and round, that can take a request.
    fn place_with_room(&self, next: usize) -> Option<usize> {
        let count = self.conns.len();
        let mut places = (0..count).map(|i| (next + i) % count);
        places.find(|i| self.conns[*i].alive && !self.conns[*i].free.is_empty())
    }

    /// Whether `goal` is reached, or cannot be because every connection is gone.
    fn finished(&mut self, goal: u64) -> bool {
        if self.done < goal && self.conns.iter().all(|c| !c.alive) {
            self.errors.lost += goal - self.done;
            self.done = goal;
        }
        self.done >= goal
    }

    #[inline]
    fn send(&mut self, place: usize, at: u64) -> bool {
        let ratio = self.settings.write_ratio;
        let write = ratio > 0.0 && (ratio >= 1.0 || self.rng.unit() <= ratio);
        let key = match self.settings.keys {
            0 => self.rng.bits() as i64,
            n => (self.rng.bits() % n) as i64,
        };
        self.conns[place].request(write, key, at)
    }

    fn flush(&mut self, place: usize) {
        let conn = &mut self.conns[place];
        if !conn.alive {
            return;
        }
        let Ok(empty) = conn.write.flush(&mut conn.socket) else {
            self.lose(place);
            return;
        };
        if conn.waits == empty {
            conn.waits = !empty;
            let events = if empty { IN } else { IN | OUT };
            if self.epoll.modify(conn.socket.as_raw_fd(), events, place as u64).is_err() {
                self.lose(place);
            }
        }
    }

    /// Gives a connection up, and with it what is under way on it.
    fn lose(&mut self, place: usize) {
        let conn = &mut self.conns[place];
        if !conn.alive {
            return;
        }
        conn.alive = false;
        self.epoll.del(conn.socket.as_raw_fd());
        let lost = conn.slots.iter().filter(|s| s.busy).count() as u64;
        conn.slots.iter_mut().for_each(|s| s.busy = false);
        conn.free.clear();
        self.errors.lost += lost;
        self.errors.closed_conns += 1;
        self.done += lost;
    }

    /// Reads what there is; returns how many requests were answered.
    fn receive(&mut self, place: usize) -> u64 {
        let before = self.done;
        for _ in 0..16 {
            let conn = &mut self.conns[place];
            if !conn.alive {
                break;
            }
            let full = match conn.read.fill(&mut conn.socket) {
                Ok(None) => break,
                Ok(Some((0, _))) | Err(_) => {
                    let answered = self.done - before;
                    self.lose(place);
                    return answered;
                }
                Ok(Some((count, full))) => {
                    self.bytes_in += count as u64;
                    full
                }
            };
            self.last_arrival = since(self.start);
            self.frames(place);
            if !full {
                break;
            }
        }
        self.done - before
    }

    /// Checks every whole frame that has come.
    fn frames(&mut self, place: usize) {
        let conn = &mut self.conns[place];
        while conn.read.data().len() >= HDR {
            let h = parse_header(conn.read.data());
            let total = HDR + h.len;
            if h.len > MAX_FRAME {
                self.errors.bad_kind += 1;
                self.lose(place);
                return;
            }
            let Some(frame) = conn.read.data().get(..total) else {
                conn.read.reserve_front(total);
                return;
            };
            if h.opcode == op::EVENT && h.stream == -1 {
                conn.read.consume(total);
                continue;
            }
            match conn.slots.get_mut(usize::from(h.stream as u16)) {
                Some(slot) if slot.busy => {
                    slot.busy = false;
                    conn.free.push(h.stream);
                    self.latencies
                        .saturating_record(self.last_arrival.saturating_sub(slot.at).max(1));
                    self.done += 1;
                    let verdict = check(h, &frame[HDR..], *slot, self.settings.value_size);
                    self.right += u64::from(self.errors.count(verdict));
                }
                _ => self.errors.bad_stream += 1,
            }
            conn.read.consume(total);
        }
    }

    fn stalled(&self) -> bool {
        let silence = since(self.start).saturating_sub(self.last_arrival);
        u128::from(silence) > self.settings.stall.as_nanos()
    }

    fn give_up(&mut self) {
        (0..self.conns.len()).for_each(|place| self.lose(place));
    }
}

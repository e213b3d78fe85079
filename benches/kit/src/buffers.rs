//! Buffers between a non-blocking socket and frames.

use crate::stream::Socket;
use std::io;
use std::net::TcpStream;

/// Receive buffer: bytes `[start, end)` are unread.
pub struct RBuf {
    b: Vec<u8>,
    start: usize,
    end: usize,
}
impl RBuf {
    /// An empty buffer of `cap` bytes.
    pub fn new(cap: usize) -> Self {
        Self { b: vec![0; cap], start: 0, end: 0 }
    }

    /// The unread bytes.
    #[inline]
    pub fn data(&self) -> &[u8] {
        &self.b[self.start..self.end]
    }

    /// Marks the first `n` unread bytes as read.
    #[inline]
    pub fn consume(&mut self, n: usize) {
        self.start += n;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }
    /// Makes room so that a frame of `total` bytes at the front fits.
    pub fn reserve_front(&mut self, total: usize) {
        if self.start > 0 && (self.b.len() - self.start < total || self.b.len() - self.end < 4096) {
            self.b.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.b.len() < total {
            self.b.resize(total.next_power_of_two(), 0);
        }
    }
    /// One read, and what the socket holds besides. Ok(None): would block. Ok(Some((n, full))):
    /// `full` when the buffer was filled, so that there may be more.
    #[inline]
    pub fn fill(&mut self, s: &mut impl Socket) -> io::Result<Option<(usize, bool)>> {
        let Some(first) = self.fill_once(s)? else { return Ok(None) };
        if first == 0 || !s.holds_bytes() {
            return Ok(Some((first, self.end == self.b.len())));
        }
        let mut count = first;
        while let Some(more) = self.fill_once(s)?.filter(|more| *more > 0) {
            count += more;
        }
        Ok(Some((count, false)))
    }

    #[inline]
    fn fill_once(&mut self, s: &mut impl Socket) -> io::Result<Option<usize>> {
        if self.end == self.b.len() {
            self.reserve_front(self.b.len() + 1);
        }
        match s.read(&mut self.b[self.end..]) {
            Ok(n) => {
                self.end += n;
                Ok(Some(n))
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// Send buffer.
#[derive(Default)]
pub struct WBuf {
    pub b: Vec<u8>,
    pos: usize,
}
impl WBuf {
    /// Bytes not yet written.
    #[inline]
    pub fn pending(&self) -> usize {
        self.b.len() - self.pos
    }
    /// Writes what it can; Ok(true) when empty afterwards.
    #[inline]
    pub fn flush(&mut self, s: &mut impl Socket) -> io::Result<bool> {
        while self.pos < self.b.len() {
            match s.write(&self.b[self.pos..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => self.pos += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    if self.pos > 1 << 20 {
                        self.b.drain(..self.pos);
                        self.pos = 0;
                    }
                    return Ok(false);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        self.b.clear();
        self.pos = 0;
        s.push()
    }
}

/// Sends at once and never blocks.
pub fn prepare_socket(s: &TcpStream) -> io::Result<()> {
    s.set_nodelay(true)?;
    s.set_nonblocking(true)
}

//! Memory that a worker holds for its clients and lanes, and how much the process may take.
//!
//! Nothing is counted for each request. What sockets bring is added up, and once that may have come near
//! a mark everything is measured, which walks all clients and lanes. The closer the mark, the sooner.

use crate::engine::limits::OtherMemory;

/// A request takes its length so often: plain where it was read, and in the outbox of a lane.
pub(crate) const COPIES: usize = 2;

/// How much memory is held, and where the marks are.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Bytes that sockets brought since it was last measured.
    pub(crate) brought: usize,
    /// It is measured again after so many.
    pub(crate) brought_max: usize,
    /// What this worker held when it was last measured.
    pub(crate) held: usize,
    pub(crate) other: OtherMemory,
}

/// Marks of the whole process, bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    /// Clients that hold more than their share are read one by one.
    pub(crate) near: usize,
    /// New clients are refused, and requests that would be large at once have no room.
    pub(crate) close: usize,
    /// No request grows beyond this.
    pub(crate) full: usize,
    /// What one client may hold when memory is near its bound.
    pub(crate) share: usize,
}

impl Memory {
    /// Takes note of bytes that a socket brought, or that what it brought will take.
    #[inline]
    pub(crate) fn bring(&mut self, count: usize) {
        self.brought += count;
    }

    /// Whether so much was brought that it has to be measured.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.brought >= self.brought_max
    }

    /// What the process holds, as far as it is known.
    pub(crate) fn total(&self) -> usize {
        self.other.base + self.other.workers + self.held
    }
}

//! Cuts frames out of a byte stream, in place where they lie whole in what was read.
//!
//! A read gives many small frames; each is handed out as a slice of the read buffer. Only a frame
//! that the buffer's end cuts is copied, and only as fast as its bytes arrive: an announced length
//! alone never reserves memory.

use std::mem;

use crate::error::WireError;
use crate::header::{HEADER_LEN, Header};

/// Memory that is kept for the next cut frame; more than this is given back at once.
const KEPT_LEN: usize = 256 * 1024;
/// Memory that is kept while no frame is cut at all.
const IDLE_LEN: usize = 4 * 1024;

/// The frames of one direction of one connection.
#[derive(Debug)]
pub struct FrameDecoder {
    /// The front of a frame whose rest has not been read yet.
    partial: Vec<u8>,
    /// `partial` is a whole frame that was handed out, to be cleared.
    handed_out: bool,
    /// The longest that `partial` was since [`FrameDecoder::shrink_unused`] was last called, bytes.
    longest: usize,
    /// Bytes still to come of a frame that is skipped.
    to_skip: usize,
    body_len_max: u32,
    versions: [u8; 2],
}

impl FrameDecoder {
    /// Accepts frames of two version bytes, such as 0x03 and 0x04, with bodies up to a limit.
    #[must_use]
    pub fn new(versions: [u8; 2], body_len_max: u32) -> Self {
        let (partial, to_skip) = (Vec::new(), 0);
        Self { partial, handed_out: false, longest: 0, to_skip, body_len_max, versions }
    }

    /// From now on accepts bodies up to another limit.
    pub fn allow(&mut self, body_len_max: u32) {
        self.body_len_max = body_len_max;
    }

    /// The next whole frame, header included, or `None` when `chunk` is used up.
    ///
    /// `chunk` is what was read last; each call takes the front off it. After an error the
    /// connection is of no use: where the next frame begins is not known. Only a frame that is too
    /// long may be [allowed](Self::allow) or [skipped](Self::skip_frame).
    #[inline]
    pub fn next_frame<'s, 'c: 's>(
        &'s mut self,
        chunk: &mut &'c mut [u8],
    ) -> Result<Option<&'s mut [u8]>, WireError> {
        // A frame that was handed out from there is in `partial` still.
        if !self.partial.is_empty() || self.to_skip > 0 {
            return self.go_on(chunk);
        }
        self.cut(chunk)
    }

    /// The next frame, where one has begun in an earlier read or is passed over.
    #[cold]
    fn go_on<'s, 'c: 's>(
        &'s mut self,
        chunk: &mut &'c mut [u8],
    ) -> Result<Option<&'s mut [u8]>, WireError> {
        if mem::take(&mut self.handed_out) {
            self.partial.clear();
            self.partial.shrink_to(KEPT_LEN);
        }
        if self.to_skip > 0 {
            self.skip(chunk);
        }
        if self.partial.is_empty() { self.cut(chunk) } else { self.complete(chunk) }
    }

    /// The frame that begins `chunk`; what the chunk's end cuts is kept.
    #[inline]
    fn cut<'s, 'c: 's>(
        &'s mut self,
        chunk: &mut &'c mut [u8],
    ) -> Result<Option<&'s mut [u8]>, WireError> {
        match self.frame_len(chunk)? {
            Some(len) if len <= chunk.len() => {
                let (frame, rest) = mem::take(chunk).split_at_mut(len);
                *chunk = rest;
                Ok(Some(frame))
            }
            Some(_) | None => {
                let cut = mem::take(chunk);
                self.keep(cut);
                Ok(None)
            }
        }
    }

    fn keep(&mut self, cut: &[u8]) {
        self.partial.extend_from_slice(cut);
        self.longest = self.longest.max(self.partial.len());
    }

    /// Skips the frame that [`Self::next_frame`] has just found too long, as its bytes come,
    /// and returns its header; none of them is kept. `None` when no frame has begun.
    pub fn skip_frame(&mut self, chunk: &mut &mut [u8]) -> Option<Header> {
        let header = match self.partial.is_empty() {
            true => Header::peek(chunk)?,
            false => Header::peek(&self.partial)?,
        };
        let body_len = usize::try_from(header.body_len).unwrap_or(usize::MAX);
        self.to_skip = HEADER_LEN.saturating_add(body_len).saturating_sub(self.partial.len());
        self.partial.clear();
        self.skip(chunk);
        Some(header)
    }

    /// Bytes still to come of a frame that is skipped.
    #[must_use]
    pub fn bytes_to_skip(&self) -> usize {
        self.to_skip
    }

    fn skip(&mut self, chunk: &mut &mut [u8]) {
        let count = self.to_skip.min(chunk.len());
        let (_, rest) = mem::take(chunk).split_at_mut(count);
        *chunk = rest;
        self.to_skip -= count;
    }

    /// Takes out the front of a frame whose rest has not been read, for another decoder to go on with; `None` while
    /// a frame is skipped.
    pub fn take_partial(&mut self) -> Option<Vec<u8>> {
        if self.to_skip > 0 {
            return None;
        }
        if mem::take(&mut self.handed_out) {
            self.partial.clear();
        }
        Some(mem::take(&mut self.partial))
    }

    /// Bytes of memory that are held for a frame which has begun. What was never written to is not
    /// taken from the machine, so the room that a long frame has still to grow into does not count.
    #[must_use]
    pub fn memory_len(&self) -> usize {
        self.partial.capacity().min(self.partial.len().max(KEPT_LEN))
    }

    /// Bytes that have come of a frame which has begun.
    #[must_use]
    pub fn partial_len(&self) -> usize {
        if self.handed_out { 0 } else { self.partial.len() }
    }

    /// Bytes still to come of a frame which has begun; 0 while its header is cut.
    #[must_use]
    pub fn missing_len(&self) -> usize {
        match self.frame_len(&self.partial) {
            Ok(Some(len)) if !self.handed_out => len.saturating_sub(self.partial.len()),
            Ok(_) | Err(_) => 0,
        }
    }

    /// Gives back at once what is not needed.
    pub fn shrink(&mut self) {
        if self.handed_out {
            self.handed_out = false;
            self.partial.clear();
        }
        self.partial.shrink_to_fit();
    }

    /// Gives back what cut frames did not need since the last call, but for room to grow to twice that.
    /// Called now and then: to give it back after each large frame would cost more than the frame.
    pub fn shrink_unused(&mut self) {
        if self.handed_out {
            self.handed_out = false;
            self.partial.clear();
        }
        self.partial.shrink_to((self.longest * 2).max(IDLE_LEN));
        self.longest = 0;
    }

    fn complete<'s, 'c: 's>(
        &'s mut self,
        chunk: &mut &'c mut [u8],
    ) -> Result<Option<&'s mut [u8]>, WireError> {
        if self.partial.len() < HEADER_LEN {
            self.take(chunk, HEADER_LEN);
        }
        let Some(len) = self.frame_len(&self.partial)? else { return Ok(None) };
        self.take(chunk, len);
        if self.partial.len() < len {
            return Ok(None);
        }
        self.handed_out = true;
        Ok(Some(&mut self.partial))
    }

    /// Moves bytes from `chunk` until `partial` holds `len`, or `chunk` is empty.
    fn take(&mut self, chunk: &mut &mut [u8], len: usize) {
        let wanted = len.saturating_sub(self.partial.len()).min(chunk.len());
        let (front, rest) = mem::take(chunk).split_at_mut(wanted);
        if self.partial.capacity() - self.partial.len() < wanted {
            // It grows with what has come, but not beyond the frame.
            let room = len.min((self.partial.len() + wanted) / 4 * 5);
            let more = room.saturating_sub(self.partial.len()).max(wanted);
            self.partial.reserve_exact(more);
        }
        self.partial.extend_from_slice(front);
        self.longest = self.longest.max(self.partial.len());
        *chunk = rest;
    }

    /// Length of the frame that begins `bytes`; `None` while its header is cut.
    #[inline]
    fn frame_len(&self, bytes: &[u8]) -> Result<Option<usize>, WireError> {
        // The first byte alone decides: a client of another version may never send nine.
        let [one, other] = self.versions;
        if let Some(&version) = bytes.first()
            && version != one
            && version != other
        {
            return Err(WireError::Version(version));
        }
        match Header::peek(bytes) {
            Some(header) => header.frame_len(self.body_len_max).map(Some),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;

//! Empty buffers, kept to be used again.

/// Buffers that are kept.
const COUNT_MAX: usize = 256;
/// Capacity of a buffer that is worth keeping, bytes; more is given back.
const BYTES_MAX: usize = 4 << 10;

/// Empty buffers that have memory already, so that what takes one allocates none.
#[derive(Debug, Default)]
pub(crate) struct Spare(Vec<Vec<u8>>);

impl Spare {
    /// A buffer with a copy of `bytes`.
    #[inline]
    pub(crate) fn keep(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut kept = self.0.pop().unwrap_or_default();
        kept.extend_from_slice(bytes);
        kept
    }

    /// Takes a buffer back.
    #[inline]
    pub(crate) fn give_back(&mut self, mut kept: Vec<u8>) {
        if self.0.len() < COUNT_MAX && kept.capacity() <= BYTES_MAX {
            kept.clear();
            self.0.push(kept);
        }
    }
}

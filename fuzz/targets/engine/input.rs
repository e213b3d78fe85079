//! Fuzzed bytes as a script: what happens next, to whom, with what.

/// Reads a script from its front; once it is used up, every byte is 0.
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        byte
    }

    /// A number below `count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count.max(1)
    }

    pub(crate) fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// Bytes with their length in front: one byte, or 255 and two.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let short = self.byte();
        let len = if short == u8::MAX { self.short() } else { u16::from(short) };
        let (bytes, rest) = self.rest.split_at(usize::from(len).min(self.rest.len()));
        self.rest = rest;
        bytes
    }
}

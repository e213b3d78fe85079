//! Bytes on their way to one socket.

/// Capacity that an empty outbox may keep; more is given back.
const KEPT_BYTES: usize = 64 << 10;

/// What one socket still has to send, in order.
///
/// Frames are copied in one after the other and leave in as few writes as the socket takes.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    /// Bytes of the front that have left.
    left: usize,
    /// Bytes that left since the beginning.
    left_total: u64,
}

impl Outbox {
    /// Where the next frame is appended.
    pub fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// What has not left yet.
    #[must_use]
    pub fn waiting(&self) -> &[u8] {
        self.bytes.get(self.left..).unwrap_or_default()
    }

    /// Number of bytes that have not left yet.
    #[must_use]
    pub fn waiting_len(&self) -> usize {
        self.bytes.len() - self.left
    }

    /// Position after all that was ever appended, counted from the beginning.
    #[must_use]
    pub fn appended_total(&self) -> u64 {
        self.left_total + u64::try_from(self.waiting_len()).unwrap_or(u64::MAX)
    }

    /// Bytes that left since the beginning.
    #[must_use]
    pub fn left_total(&self) -> u64 {
        self.left_total
    }

    /// Takes note that the socket accepted the first `count` waiting bytes.
    pub fn on_sent(&mut self, count: usize) {
        let count = count.min(self.waiting_len());
        self.left += count;
        self.left_total += u64::try_from(count).unwrap_or(u64::MAX);
        if self.left == self.bytes.len() {
            self.left = 0;
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_BYTES);
        } else if self.left > KEPT_BYTES && self.left * 2 > self.bytes.len() {
            self.bytes.drain(..self.left);
            self.left = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_not_sent_again() {
        let mut outbox = Outbox::default();
        outbox.end().extend_from_slice(b"onetwo");
        outbox.on_sent(3);
        assert_eq!(outbox.waiting(), b"two");
        assert_eq!((outbox.left_total(), outbox.appended_total()), (3, 6));
        outbox.on_sent(3);
        outbox.end().extend_from_slice(b"three");
        assert_eq!(outbox.waiting(), b"three");
        assert_eq!((outbox.left_total(), outbox.appended_total()), (6, 11));
    }

    #[test]
    fn a_long_outbox_that_drains_slowly_gives_its_front_back() {
        let mut outbox = Outbox::default();
        outbox.end().extend_from_slice(&vec![7; 4 << 20]);
        for _ in 0..64 {
            outbox.on_sent(60 << 10);
        }
        assert_eq!(outbox.waiting_len(), (4 << 20) - 64 * (60 << 10));
        assert!(outbox.bytes.len() < 1 << 20);
    }
}

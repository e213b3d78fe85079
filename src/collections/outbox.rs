//! Bytes on their way to one socket.

/// Capacity that an empty outbox keeps between two frames; more is given back at once. What one
/// socket brings in a row fits twice: to get memory anew for each burst costs more than to keep it.
const KEPT_BYTES: usize = 1 << 20;
/// Bytes that have left and are not moved out of the way yet.
const GONE_BYTES_MAX: usize = 256 << 10;
/// Capacity that it keeps while nothing is sent.
const IDLE_BYTES: usize = 4 << 10;

/// Makes room for `count` more bytes of an outbox. A long one, whose socket takes less than comes, grows by
/// an eighth more and not to twice its length: what is doubled last is what memory has no room for.
#[inline]
pub fn make_room(bytes: &mut Vec<u8>, count: usize) {
    if bytes.capacity() - bytes.len() >= count {
        return;
    }
    if bytes.len() < KEPT_BYTES {
        bytes.reserve(count);
    } else {
        bytes.reserve_exact(count + bytes.len() / 8);
    }
}

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
    /// The longest that it was since [`Outbox::shrink_unused`] was last called, bytes.
    longest: usize,
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

    /// Bytes of memory that it takes.
    #[must_use]
    pub fn memory_len(&self) -> usize {
        self.bytes.capacity()
    }

    /// Gives back at once what it does not need.
    pub fn shrink(&mut self) {
        self.bytes.drain(..self.left);
        self.left = 0;
        self.bytes.shrink_to_fit();
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
        self.longest = self.longest.max(self.bytes.len());
        self.left += count;
        self.left_total += u64::try_from(count).unwrap_or(u64::MAX);
        if self.left == self.bytes.len() {
            self.left = 0;
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_BYTES);
        } else if self.left > GONE_BYTES_MAX && self.left * 2 > self.bytes.len() {
            self.bytes.drain(..self.left);
            self.left = 0;
        }
    }

    /// Gives back what was of no use since the last call, but for room to grow to twice that. Called now
    /// and then: to give it back after each large frame would cost more than the frame.
    pub fn shrink_unused(&mut self) {
        self.bytes.shrink_to((self.longest * 2).max(IDLE_BYTES));
        self.longest = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_were_sent_are_not_sent_again() {
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
    fn a_long_outbox_takes_little_more_than_what_waits() {
        let mut outbox = Outbox::default();
        for _ in 0..200 {
            make_room(outbox.end(), 60 << 10);
            outbox.end().extend_from_slice(&[7; 60 << 10]);
            let little_more = outbox.waiting_len() / 8 * 9 + (60 << 10);
            assert!(outbox.memory_len() <= little_more.max(2 * KEPT_BYTES));
        }
    }

    #[test]
    fn an_idle_outbox_gives_its_memory_back() {
        let mut outbox = Outbox::default();
        outbox.end().extend_from_slice(&[7; 100 << 10]);
        outbox.on_sent(100 << 10);
        outbox.shrink_unused();
        assert!(outbox.memory_len() >= 100 << 10, "it was used a moment ago");
        outbox.shrink_unused();
        assert!(outbox.memory_len() <= IDLE_BYTES);
    }

    #[test]
    fn a_short_frame_now_and_then_keeps_no_room_for_long_ones() {
        let mut outbox = Outbox::default();
        outbox.end().extend_from_slice(&[7; 900 << 10]);
        outbox.on_sent(900 << 10);
        for _ in 0..2 {
            outbox.end().extend_from_slice(&[7; 6 << 10]);
            outbox.on_sent(6 << 10);
            outbox.shrink_unused();
        }
        assert!((6 << 10..=12 << 10).contains(&outbox.memory_len()));
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

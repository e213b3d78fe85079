//! Which sockets of a worker are ready: bits that wakers set and one task takes.
//!
//! A worker serves all of its sockets in one task, so that what one round of reading brought in is
//! written out together. Each socket has a waker of its own, which sets a bit here and wakes the
//! task; the task then looks at no socket but those.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Wake, Waker};

const BITS: usize = 64;
/// Sockets that one worker can serve.
pub const SLOTS_MAX: usize = BITS * BITS * 8;

/// The bits of one worker.
#[derive(Debug)]
pub struct ReadyList {
    /// One bit a word of `words` that is not zero.
    summary: Vec<AtomicU64>,
    /// One bit a slot.
    words: Vec<AtomicU64>,
    /// Wakes the worker's task.
    task: OnceLock<Waker>,
}

impl Default for ReadyList {
    fn default() -> Self {
        let zeros = |count| (0..count).map(|_| AtomicU64::new(0)).collect();
        Self {
            summary: zeros(SLOTS_MAX / BITS / BITS),
            words: zeros(SLOTS_MAX / BITS),
            task: OnceLock::new(),
        }
    }
}

impl ReadyList {
    /// Names the task that takes the bits; the first one named stays.
    pub fn set_task(&self, waker: &Waker) {
        self.task.get_or_init(|| waker.clone());
    }

    /// Sets the bit of `slot`, without waking anybody.
    pub fn set(&self, slot: usize) {
        let word = slot / BITS;
        if let (Some(bits), Some(sum)) = (self.words.get(word), self.summary.get(word / BITS)) {
            bits.fetch_or(1 << (slot % BITS), Ordering::AcqRel);
            sum.fetch_or(1 << (word % BITS), Ordering::AcqRel);
        }
    }

    /// Takes all bits that are set, into `slots`.
    pub fn take(&self, slots: &mut Vec<usize>) {
        for (at, sum) in self.summary.iter().enumerate() {
            if sum.load(Ordering::Relaxed) == 0 {
                continue;
            }
            for word in ones(sum.swap(0, Ordering::AcqRel)) {
                let word = at * BITS + word;
                let Some(bits) = self.words.get(word) else { continue };
                slots.extend(ones(bits.swap(0, Ordering::AcqRel)).map(|bit| word * BITS + bit));
            }
        }
    }

    /// A waker that sets the bit of `slot` and wakes the task.
    #[must_use]
    pub fn waker(self: &Arc<Self>, slot: usize) -> Waker {
        Waker::from(Arc::new(SlotWaker { list: Arc::clone(self), slot }))
    }
}

#[derive(Debug)]
struct SlotWaker {
    list: Arc<ReadyList>,
    slot: usize,
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.list.set(self.slot);
        if let Some(task) = self.list.task.get() {
            task.wake_by_ref();
        }
    }
}

/// The positions of the bits of `word`, lowest first.
fn ones(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = word.trailing_zeros();
        word &= word.checked_sub(1)?;
        usize::try_from(bit).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_is_taken_once_in_order() {
        let list = ReadyList::default();
        for slot in [70, 0, 63, 4096, 70, SLOTS_MAX - 1] {
            list.set(slot);
        }
        let mut slots = Vec::new();
        list.take(&mut slots);
        assert_eq!(slots, [0, 63, 70, 4096, SLOTS_MAX - 1]);
        slots.clear();
        list.take(&mut slots);
        assert!(slots.is_empty());
    }

    #[test]
    fn a_slot_beyond_the_last_is_ignored() {
        let list = ReadyList::default();
        list.set(SLOTS_MAX);
        let mut slots = Vec::new();
        list.take(&mut slots);
        assert!(slots.is_empty());
    }
}

//! What a worker is to look at besides its sockets: bits that wakers set, on any thread.
//!
//! The readiness of sockets comes from the poller. Channels, and whatever else wakes, have a waker
//! each, which sets a bit here and rings a bell if the worker sleeps: a worker that is awake looks
//! at the bits before it sleeps again.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Wake, Waker};

const BITS: usize = 64;
/// Slots that one worker has, sockets and others.
pub(crate) const SLOTS_MAX: usize = BITS * BITS * 8;

/// The bits of one worker.
#[derive(Debug)]
pub(crate) struct ReadyList {
    /// One bit a word of `words` that is not zero.
    summary: Vec<AtomicU64>,
    /// One bit a slot.
    words: Vec<AtomicU64>,
    /// Whether the worker looks at the bits before it sleeps, and needs no bell.
    awake: AtomicBool,
    bell: OnceLock<mio::Waker>,
}

impl Default for ReadyList {
    fn default() -> Self {
        let zeros = |count| (0..count).map(|_| AtomicU64::new(0)).collect();
        Self {
            summary: zeros(SLOTS_MAX / BITS / BITS),
            words: zeros(SLOTS_MAX / BITS),
            awake: AtomicBool::new(true),
            bell: OnceLock::new(),
        }
    }
}

impl ReadyList {
    /// Takes what ends the worker's sleep; the first one stays.
    pub(crate) fn set_bell(&self, bell: mio::Waker) {
        // A second one is of no use.
        self.bell.set(bell).ok();
    }

    /// The worker means to sleep: `false` when a bit is set and it must not.
    pub(crate) fn may_sleep(&self) -> bool {
        self.awake.store(false, Ordering::SeqCst);
        // A waker sets its bit before it asks who is awake: either it sees that we sleep, or we
        // see its bit.
        let idle = self.summary.iter().all(|sum| sum.load(Ordering::SeqCst) == 0);
        if !idle {
            self.awake.store(true, Ordering::Relaxed);
        }
        idle
    }

    /// The worker looks at the bits again.
    pub(crate) fn on_awake(&self) {
        self.awake.store(true, Ordering::Relaxed);
    }

    /// Sets the bit of `slot`, without waking anybody: for the worker itself.
    pub(crate) fn set(&self, slot: usize) {
        let word = slot / BITS;
        if let (Some(bits), Some(sum)) = (self.words.get(word), self.summary.get(word / BITS)) {
            bits.fetch_or(1 << (slot % BITS), Ordering::AcqRel);
            sum.fetch_or(1 << (word % BITS), Ordering::SeqCst);
        }
    }

    /// Takes all bits that are set, into `slots`.
    pub(crate) fn take(&self, slots: &mut Vec<usize>) {
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

    /// A waker that sets the bit of `slot` and ends the worker's sleep.
    #[must_use]
    pub(crate) fn waker(self: &Arc<Self>, slot: usize) -> Waker {
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
        if !self.list.awake.swap(true, Ordering::SeqCst)
            && let Some(bell) = self.list.bell.get()
            && let Err(error) = bell.wake()
        {
            tracing::error!(%error, "a worker could not be woken");
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
    use std::time::Duration;

    use super::*;
    use crate::sockets::poller::Poller;

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

    #[test]
    fn a_worker_does_not_sleep_over_a_bit() {
        let list = Arc::new(ReadyList::default());
        assert!(list.may_sleep());
        list.waker(5).wake();
        assert!(!list.may_sleep());
        list.take(&mut Vec::new());
        assert!(list.may_sleep());
    }

    #[test]
    fn a_waker_on_another_thread_ends_the_sleep() {
        let mut poller = Poller::new().unwrap();
        let list = Arc::new(ReadyList::default());
        list.set_bell(poller.bell().unwrap());
        assert!(list.may_sleep());
        let waker = list.waker(70);
        let thread = std::thread::spawn(move || waker.wake());
        let begun = crate::platform::clock::now_ms();
        poller.sleep(Duration::from_secs(30));
        assert!(crate::platform::clock::now_ms() - begun < 20_000, "nobody rang");
        thread.join().unwrap();
        let mut slots = Vec::new();
        list.take(&mut slots);
        assert_eq!(slots, [70]);
        assert_eq!(poller.ready().count(), 0, "the bell is no slot");
    }
}

//! What a worker is to look at besides its sockets: bits that wakers set, on any thread.
//!
//! The readiness of sockets comes from the poller. Each channel has a waker, which sets a bit here and
//! rings a bell if the worker sleeps: a worker that is awake looks at the bits before it sleeps again.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Wake, Waker};

/// The bits of one worker: one for each slot below 64.
#[derive(Debug)]
pub(crate) struct ReadyList {
    bits: AtomicU64,
    /// Whether the worker looks at the bits before it sleeps, and needs no bell.
    awake: AtomicBool,
    bell: OnceLock<mio::Waker>,
}

impl Default for ReadyList {
    fn default() -> Self {
        let (bits, awake) = (AtomicU64::new(0), AtomicBool::new(true));
        Self { bits, awake, bell: OnceLock::new() }
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
        let idle = self.bits.load(Ordering::SeqCst) == 0;
        if !idle {
            self.awake.store(true, Ordering::Relaxed);
        }
        idle
    }

    /// The worker looks at the bits again.
    pub(crate) fn on_awake(&self) {
        self.awake.store(true, Ordering::Relaxed);
    }

    /// Sets the bit of `slot`, without waking the worker: for the worker itself.
    pub(crate) fn set(&self, slot: usize) {
        let bit = u32::try_from(slot).ok().and_then(|slot| 1_u64.checked_shl(slot));
        debug_assert!(bit.is_some(), "slot {slot} has no bit");
        self.bits.fetch_or(bit.unwrap_or(0), Ordering::SeqCst);
    }

    /// Takes all bits that are set, into `slots`.
    pub(crate) fn take(&self, slots: &mut Vec<usize>) {
        if self.bits.load(Ordering::Relaxed) != 0 {
            slots.extend(ones(self.bits.swap(0, Ordering::AcqRel)));
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
    fn a_set_bit_is_taken_once_in_order() {
        let list = ReadyList::default();
        for slot in [7, 0, 63, 7] {
            list.set(slot);
        }
        let mut slots = Vec::new();
        list.take(&mut slots);
        assert_eq!(slots, [0, 7, 63]);
        slots.clear();
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
        let waker = list.waker(7);
        let thread = std::thread::spawn(move || waker.wake());
        let begun = crate::platform::clock::now_ms();
        poller.sleep(Duration::from_secs(30));
        assert!(crate::platform::clock::now_ms() - begun < 20_000, "the bell did not ring");
        thread.join().unwrap();
        let mut slots = Vec::new();
        list.take(&mut slots);
        assert_eq!(slots, [7]);
        assert_eq!(poller.ready().count(), 0, "the bell is no slot");
    }
}

//! Places for TLS handshakes with clients: where all are taken, the one that has run for longest gives way.
//!
//! Nothing is known of a client before its handshake is over. Without this, a few hundred connections that
//! say nothing would keep all others out for as long as a handshake may take.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::oneshot;

/// A handshake that has run for less than this gives way to none, µs: its client may be about to answer.
const GRACE_US: u64 = 100_000;

/// The places, shared by all that take one.
#[derive(Debug)]
pub(super) struct TlsPlaces {
    max: usize,
    taken: RwLock<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    /// The oldest first.
    running: VecDeque<Running>,
    /// The last number given.
    number: u64,
}

#[derive(Debug)]
struct Running {
    number: u64,
    since_us: u64,
    /// Asks it to end.
    end: oneshot::Sender<()>,
}

/// The right to run one handshake; it is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct TlsPlace {
    places: Arc<TlsPlaces>,
    number: u64,
    end: oneshot::Receiver<()>,
}

impl TlsPlaces {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, taken: RwLock::default() })
    }

    /// How many there are.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// Takes a place at `now_us`; `None` when none of those that run may give way yet.
    pub(super) fn take(self: &Arc<Self>, now_us: u64) -> Option<TlsPlace> {
        let mut taken = self.taken.write().unwrap_or_else(PoisonError::into_inner);
        if taken.running.len() >= self.max {
            let is_old = |oldest: &Running| now_us.saturating_sub(oldest.since_us) >= GRACE_US;
            if !taken.running.front().is_some_and(is_old) {
                return None;
            }
            // It may have ended just now.
            taken.running.pop_front().and_then(|oldest| oldest.end.send(()).ok());
        }
        taken.number += 1;
        let (number, (end, ended)) = (taken.number, oneshot::channel());
        taken.running.push_back(Running { number, since_us: now_us, end });
        Some(TlsPlace { places: Arc::clone(self), number, end: ended })
    }
}

impl TlsPlace {
    /// Waits until another handshake needs the place.
    pub(super) async fn gives_way(&mut self) {
        // The sender is dropped with the place alone.
        (&mut self.end).await.ok();
    }
}

impl Drop for TlsPlace {
    fn drop(&mut self) {
        let mut taken = self.places.taken.write().unwrap_or_else(PoisonError::into_inner);
        let at = taken.running.iter().position(|running| running.number == self.number);
        at.map(|at| taken.running.remove(at));
    }
}

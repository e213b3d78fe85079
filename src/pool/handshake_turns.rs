//! Whose turn it is to shake hands with a node: few at once, in the order of asking.
//!
//! A node lets few connections per shard be in their handshake and makes all others wait, those
//! of other proxies too. A burst of ours would lock them out.

use std::collections::VecDeque;

use crate::pool::dial_schedule::HANDSHAKES_PER_NODE;

/// The turns of one node; `W` is who waits for one. Those that wait are as many as the lanes that
/// pools want at once, and the logins that may run.
#[derive(Debug)]
pub struct HandshakeTurns<W> {
    running: usize,
    waiting: VecDeque<W>,
}

impl<W> Default for HandshakeTurns<W> {
    fn default() -> Self {
        Self { running: 0, waiting: VecDeque::new() }
    }
}

impl<W> HandshakeTurns<W> {
    /// Asks for a turn: `waiter` comes back when it has one now, and waits otherwise.
    pub fn ask(&mut self, waiter: W) -> Option<W> {
        if self.running < HANDSHAKES_PER_NODE {
            self.running += 1;
            return Some(waiter);
        }
        self.waiting.push_back(waiter);
        None
    }

    /// A turn is over: who has the next one. A waiter that is gone gives its turn back by this, too.
    pub fn on_ended(&mut self) -> Option<W> {
        let next = self.waiting.pop_front();
        if next.is_none() {
            self.running = self.running.saturating_sub(1);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_handshake_waits_for_one_to_end() {
        let mut turns = HandshakeTurns::default();
        assert_eq!((turns.ask('a'), turns.ask('b')), (Some('a'), Some('b')));
        assert_eq!((turns.ask('c'), turns.ask('d')), (None, None));
        assert_eq!((turns.on_ended(), turns.on_ended()), (Some('c'), Some('d')));
        assert_eq!((turns.on_ended(), turns.on_ended()), (None, None));
        assert_eq!(turns.ask('e'), Some('e'));
    }
}

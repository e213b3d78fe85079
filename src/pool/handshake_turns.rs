//! Whose turn it is to shake hands with a node: few at once, in the order of asking.
//!
//! A node lets few connections per shard be in their handshake and makes all others wait, those
//! of other proxies too. A burst of ours would lock them out.

use std::collections::VecDeque;

use crate::pool::dial_schedule::HANDSHAKES_PER_NODE;

/// How many of them strangers may have.
const STRANGERS_PER_NODE: usize = 1;

/// Who shakes hands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Whose {
    /// A credential that the cluster took before, or the proxy itself.
    Known,
    /// A login that the cluster has not taken before. It may never end: one turn is all that they
    /// have together.
    Stranger,
}

/// The turns of one node; `W` is who waits for one. Those that wait are as many as the lanes that
/// pools want at once, and the logins that may run.
#[derive(Debug)]
pub struct HandshakeTurns<W> {
    running: usize,
    /// How many of these are strangers'.
    strangers: usize,
    waiting: VecDeque<W>,
    strangers_waiting: VecDeque<W>,
}

impl<W> Default for HandshakeTurns<W> {
    fn default() -> Self {
        let (waiting, strangers_waiting) = (VecDeque::new(), VecDeque::new());
        Self { running: 0, strangers: 0, waiting, strangers_waiting }
    }
}

impl<W> HandshakeTurns<W> {
    /// Asks for a turn: `waiter` comes back when it has one now, and waits otherwise.
    pub fn ask(&mut self, waiter: W, whose: Whose) -> Option<W> {
        let is_stranger = whose == Whose::Stranger;
        let has_place = !is_stranger || self.strangers < STRANGERS_PER_NODE;
        if self.running < HANDSHAKES_PER_NODE && has_place {
            self.running += 1;
            self.strangers += usize::from(is_stranger);
            return Some(waiter);
        }
        if is_stranger {
            self.strangers_waiting.push_back(waiter);
        } else {
            self.waiting.push_back(waiter);
        }
        None
    }

    /// A turn is over: who has the next one, and as what. A waiter that is gone gives its turn back by
    /// this, too. Behind one that is known a stranger has the next turn if none of them has one: lanes that
    /// are dialled again and again keep no new login out.
    pub fn on_ended(&mut self, whose: Whose) -> Option<(W, Whose)> {
        self.running = self.running.saturating_sub(1);
        if whose == Whose::Stranger {
            self.strangers = self.strangers.saturating_sub(1);
        }
        let next = match whose {
            Whose::Known if self.strangers == 0 => self.stranger().or_else(|| self.known()),
            Whose::Known | Whose::Stranger => self.known().or_else(|| self.stranger()),
        };
        self.running += usize::from(next.is_some());
        next
    }

    fn known(&mut self) -> Option<(W, Whose)> {
        Some((self.waiting.pop_front()?, Whose::Known))
    }

    fn stranger(&mut self) -> Option<(W, Whose)> {
        if self.strangers >= STRANGERS_PER_NODE {
            return None;
        }
        let next = self.strangers_waiting.pop_front()?;
        self.strangers += 1;
        Some((next, Whose::Stranger))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_handshake_waits_for_one_to_end() {
        let mut turns = HandshakeTurns::default();
        let known = Whose::Known;
        assert_eq!((turns.ask('a', known), turns.ask('b', known)), (Some('a'), Some('b')));
        assert_eq!((turns.ask('c', known), turns.ask('d', known)), (None, None));
        let next = [turns.on_ended(known), turns.on_ended(known)];
        assert_eq!(next, [Some(('c', known)), Some(('d', known))]);
        assert_eq!((turns.on_ended(known), turns.on_ended(known)), (None, None));
        assert_eq!(turns.ask('e', known), Some('e'));
    }

    #[test]
    fn strangers_leave_a_turn_to_those_who_were_taken_before() {
        let mut turns = HandshakeTurns::default();
        let (known, stranger) = (Whose::Known, Whose::Stranger);
        assert_eq!((turns.ask('a', stranger), turns.ask('b', stranger)), (Some('a'), None));
        assert_eq!((turns.ask('c', known), turns.ask('d', known)), (Some('c'), None));
        assert_eq!(turns.on_ended(stranger), Some(('d', known)), "strangers wait behind");
        assert_eq!(turns.on_ended(known), Some(('b', stranger)));
        assert_eq!((turns.ask('e', stranger), turns.on_ended(known)), (None, None));
        assert_eq!(turns.on_ended(stranger), Some(('e', stranger)));
    }

    #[test]
    fn a_stranger_has_its_turn_however_many_known_ones_wait() {
        let mut turns = HandshakeTurns::default();
        let (known, stranger) = (Whose::Known, Whose::Stranger);
        for waiter in 'a'..='f' {
            turns.ask(waiter, known);
        }
        assert_eq!(turns.ask('z', stranger), None);
        assert_eq!(turns.on_ended(known), Some(('z', stranger)));
        assert_eq!(turns.ask('y', stranger), None);
        assert_eq!(turns.on_ended(stranger), Some(('c', known)), "they take turns");
        assert_eq!(turns.on_ended(known), Some(('y', stranger)));
    }
}

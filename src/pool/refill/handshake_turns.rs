//! Whose turn it is to shake hands with a node: few at once, in the order of asking.
//!
//! A node lets few connections per shard be in their handshake and makes all others wait, those
//! of other proxies too. A burst of ours would lock them out.

use std::collections::VecDeque;

use crate::pool::refill::dial_schedule::HANDSHAKES_PER_NODE;

/// How many of them unverified logins may have.
const UNVERIFIED_PER_NODE: usize = 1;

/// Who shakes hands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Whose {
    /// A credential that the cluster took before, or the proxy itself.
    Known,
    /// A login that the cluster has not taken before. It may never end: one turn is all that they
    /// have together.
    Unverified,
}

/// The turns of one node; `W` is who waits for one. Those that wait are as many as the lanes that
/// pools want at once, and the logins that may run.
#[derive(Debug)]
pub struct HandshakeTurns<W> {
    running: usize,
    /// How many of these are unverified logins'.
    unverified: usize,
    waiting: VecDeque<W>,
    unverified_waiting: VecDeque<W>,
}

impl<W> Default for HandshakeTurns<W> {
    fn default() -> Self {
        let (waiting, unverified_waiting) = (VecDeque::new(), VecDeque::new());
        Self { running: 0, unverified: 0, waiting, unverified_waiting }
    }
}

impl<W> HandshakeTurns<W> {
    /// Asks for a turn: `waiter` comes back when it has one now, and waits otherwise.
    pub fn ask(&mut self, waiter: W, whose: Whose) -> Option<W> {
        let is_unverified = whose == Whose::Unverified;
        let has_place = !is_unverified || self.unverified < UNVERIFIED_PER_NODE;
        if self.running < HANDSHAKES_PER_NODE && has_place {
            self.running += 1;
            self.unverified += usize::from(is_unverified);
            return Some(waiter);
        }
        if is_unverified {
            self.unverified_waiting.push_back(waiter);
        } else {
            self.waiting.push_back(waiter);
        }
        None
    }

    /// A turn is over: who has the next one, and as what. A waiter that is gone gives its turn back by
    /// this, too. Behind one that is known an unverified login has the next turn if none of them has one: lanes that
    /// are dialled again and again keep no new login out.
    pub fn on_ended(&mut self, whose: Whose) -> Option<(W, Whose)> {
        self.running = self.running.saturating_sub(1);
        if whose == Whose::Unverified {
            self.unverified = self.unverified.saturating_sub(1);
        }
        let next = match whose {
            Whose::Known if self.unverified == 0 => self.unverified().or_else(|| self.known()),
            Whose::Known | Whose::Unverified => self.known().or_else(|| self.unverified()),
        };
        self.running += usize::from(next.is_some());
        next
    }

    fn known(&mut self) -> Option<(W, Whose)> {
        Some((self.waiting.pop_front()?, Whose::Known))
    }

    fn unverified(&mut self) -> Option<(W, Whose)> {
        if self.unverified >= UNVERIFIED_PER_NODE {
            return None;
        }
        let next = self.unverified_waiting.pop_front()?;
        self.unverified += 1;
        Some((next, Whose::Unverified))
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
    fn unverified_logins_leave_a_turn_to_those_who_were_taken_before() {
        let mut turns = HandshakeTurns::default();
        let (known, unverified) = (Whose::Known, Whose::Unverified);
        assert_eq!((turns.ask('a', unverified), turns.ask('b', unverified)), (Some('a'), None));
        assert_eq!((turns.ask('c', known), turns.ask('d', known)), (Some('c'), None));
        assert_eq!(turns.on_ended(unverified), Some(('d', known)), "unverified logins wait behind");
        assert_eq!(turns.on_ended(known), Some(('b', unverified)));
        assert_eq!((turns.ask('e', unverified), turns.on_ended(known)), (None, None));
        assert_eq!(turns.on_ended(unverified), Some(('e', unverified)));
    }

    #[test]
    fn an_unverified_login_has_its_turn_however_many_known_ones_wait() {
        let mut turns = HandshakeTurns::default();
        let (known, unverified) = (Whose::Known, Whose::Unverified);
        for waiter in 'a'..='f' {
            turns.ask(waiter, known);
        }
        assert_eq!(turns.ask('z', unverified), None);
        assert_eq!(turns.on_ended(known), Some(('z', unverified)));
        assert_eq!(turns.ask('y', unverified), None);
        assert_eq!(turns.on_ended(unverified), Some(('c', known)), "they take turns");
        assert_eq!(turns.on_ended(known), Some(('y', unverified)));
    }
}

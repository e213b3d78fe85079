//! Clients that hold more than their share while memory is near its bound: they are read in turn, and those
//! that keep others waiting without a byte are closed.
//!
//! A request takes memory until its last byte is there, so pausing all who are in the middle of one would
//! free nothing. One of them always goes on, if need be at the cost of another.

use std::collections::VecDeque;
use std::mem;

use crate::engine::client::{Client, ClientKey};
use crate::engine::core::core::Core;
use crate::engine::core::memory::{COPIES, Marks};
use crate::engine::core::memory_use::held_for;
use crate::session::session::Phase;
use cql::decoder::FrameDecoder;
use cql::error_code::ErrorCode;
use cql::header::Header;
use cql::response::error;

/// A client whose turn it is, and of whom nothing comes for this long, is closed, µs.
const SILENT_US_MAX: u64 = 2_000_000;
/// A client that takes none of its answers for this long is closed while memory is near its bound, µs.
const UNREAD_US_MAX: u64 = 10_000_000;
/// A turn, if the request is still not whole after it, µs.
const TURN_US: u64 = 2_000_000;
/// Pause between two looks at those that wait, µs.
const LOOK_US: u64 = 10_000;

/// Clients that hold more than their share.
#[derive(Debug, Default)]
pub(crate) struct MemoryTurns {
    /// In the order of their turns.
    waiting: VecDeque<Waiting>,
    /// Who is read, if anyone.
    turn: Option<Turn>,
    looked_us: u64,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    client: ClientKey,
    /// Bytes that had come from it and gone to it when that last changed.
    moved: u64,
    /// When it last changed, µs.
    since_us: u64,
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    client: ClientKey,
    since_us: u64,
}

impl MemoryTurns {
    /// When those that wait are looked at again.
    pub(crate) fn due_us(&self) -> Option<u64> {
        (!self.waiting.is_empty()).then_some(self.looked_us + LOOK_US)
    }

    /// Measures what is held, and decides who is read.
    pub(crate) fn look(&mut self, core: &mut Core) {
        self.looked_us = core.now_us;
        core.measure_memory();
        let marks = core.memory_marks();
        let Some(marks) = marks.filter(|marks| self.is_near(core, marks)) else {
            return self.release(core);
        };
        self.shrink(core);
        self.find(core, &marks);
        self.settle(core, &marks);
        self.give_turn(core, &marks);
    }

    /// Whether memory is near its bound. What came near has to fall somewhat before it is well again.
    fn is_near(&self, core: &Core, marks: &Marks) -> bool {
        let mark = if self.waiting.is_empty() { marks.near } else { marks.near / 8 * 7 };
        core.memory.total() >= mark
    }

    /// Memory is far enough from its bound: every client is read again.
    fn release(&mut self, core: &mut Core) {
        self.turn = None;
        for waiting in self.waiting.drain(..) {
            let_go(core, waiting.client);
        }
    }

    /// Gives back what no frame needs.
    fn shrink(&self, core: &mut Core) {
        for key in core.lanes.keys() {
            if let Some(lane) = core.lanes.get_mut(key) {
                lane.outbox.shrink();
                lane.decoder.shrink();
            }
        }
        for key in core.clients.keys() {
            if let Some(client) = core.clients.get_mut(key) {
                client.session.shrink();
            }
        }
        core.measure_memory();
    }

    /// Finds the clients that hold more than their share, and stops to read them.
    fn find(&mut self, core: &mut Core, marks: &Marks) {
        let over: Vec<ClientKey> = core
            .clients
            .iter()
            .filter(|(_, client)| held_for(client) > marks.share)
            .map(|(key, _)| key)
            .collect();
        for key in over {
            if self.waiting.iter().any(|waiting| waiting.client == key) {
                continue;
            }
            let Some(client) = core.clients.get_mut(key) else { continue };
            client.waits_for_memory = true;
            core.tally.memory_waits += 1;
            let moved = moved(client);
            self.waiting.push_back(Waiting { client: key, moved, since_us: core.now_us });
            core.pause_if_needed(key);
        }
    }

    /// Takes out those that are gone or hold their share only, and closes those that keep others waiting.
    fn settle(&mut self, core: &mut Core, marks: &Marks) {
        let (now, turn) = (core.now_us, self.turn);
        let mut silent = Vec::new();
        let mut done = Vec::new();
        self.waiting.retain_mut(|waiting| {
            let Some(client) = core.clients.get(waiting.client) else { return false };
            let has_turn = turn.is_some_and(|turn| turn.client == waiting.client);
            if client.session.phase == Phase::Closing || held_for(client) <= marks.share {
                done.push(waiting.client);
                return false;
            }
            let moved = moved(client);
            if moved != waiting.moved {
                (waiting.moved, waiting.since_us) = (moved, now);
                return true;
            }
            let rest_us = now.saturating_sub(waiting.since_us);
            let is_unread = client.session.unsent_len() > marks.share;
            let keeps = if is_unread { rest_us < UNREAD_US_MAX } else { rest_us < SILENT_US_MAX };
            // One that is not read cannot send.
            if keeps || !(has_turn || is_unread) {
                return true;
            }
            silent.push(waiting.client);
            false
        });
        for client in done {
            let_go(core, client);
        }
        for client in silent {
            close(core, client);
        }
        let is_there = |turn: &Turn| self.waiting.iter().any(|it| it.client == turn.client);
        self.turn = self.turn.filter(is_there);
        if let Some(turn) = self.turn
            && now.saturating_sub(turn.since_us) >= TURN_US
            && self.waiting.len() > 1
        {
            self.turn = None;
            self.put_last(turn.client);
            if let Some(client) = core.clients.get_mut(turn.client) {
                client.waits_for_memory = true;
                core.pause_if_needed(turn.client);
            }
        }
    }

    fn put_last(&mut self, client: ClientKey) {
        let at = self.waiting.iter().position(|waiting| waiting.client == client);
        let waiting = at.and_then(|at| self.waiting.remove(at));
        self.waiting.extend(waiting);
    }

    /// Lets the next client go on whose request has room. When there is none, the one that holds most
    /// gives way, so that the others can.
    fn give_turn(&mut self, core: &mut Core, marks: &Marks) {
        if self.turn.is_some() {
            return;
        }
        let total = core.memory.total();
        let sends = |client: &Client| client.session.unsent_len() <= marks.share;
        let clients = self.waiting.iter().filter_map(|it| Some((it, core.clients.get(it.client)?)));
        let senders: Vec<_> = clients.filter(|(_, client)| sends(client)).collect();
        let fits = |client: &Client, mark: usize| {
            let decoder = &client.session.decoder;
            let more = COPIES * decoder.missing_len() + decoder.partial_len();
            total.saturating_add(more) <= mark
        };
        let lanes_are_empty = core.lanes.iter().all(|(_, lane)| lane.outbox.waiting_len() == 0);
        // New clients have to be refused while a request takes what is left for them.
        let within = |mark| senders.iter().find(|(_, client)| fits(client, mark));
        let next = within(marks.close).or_else(|| within(marks.full).filter(|_| lanes_are_empty));
        let next = next.map(|(waiting, _)| waiting.client);
        let most = senders.iter().max_by_key(|(_, client)| held_for(client));
        let most = most.map(|(waiting, _)| waiting.client);
        match (next, most) {
            (Some(client), _) => {
                let since_us = core.now_us;
                self.turn = Some(Turn { client, since_us });
                if let Some(waiting) = self.waiting.iter_mut().find(|it| it.client == client) {
                    waiting.since_us = since_us;
                }
                let_go(core, client);
            }
            // What lanes still send will make room.
            (None, Some(client)) if lanes_are_empty => {
                self.waiting.retain(|waiting| waiting.client != client);
                close(core, client);
            }
            (None, _) => {}
        }
    }
}

/// Bytes that have come of a client's request, and gone to it.
fn moved(client: &Client) -> u64 {
    let partial = u64::try_from(client.session.decoder.partial_len()).unwrap_or(u64::MAX);
    client.session.sent_total().wrapping_add(partial)
}

fn let_go(core: &mut Core, client: ClientKey) {
    if let Some(entry) = core.clients.get_mut(client) {
        entry.waits_for_memory = false;
        core.resume_if_possible(client);
    }
}

/// Closes a client whose memory others need. The request that does not arrive is answered by an ERROR, unless
/// the client is in the middle of an answer.
fn close(core: &mut Core, key: ClientKey) {
    let text = core.settings.limits.memory_refusal("a request that does not arrive");
    core.tally.clients_closed_for_memory += 1;
    core.meets_memory();
    if let Some(client) = core.clients.get_mut(key) {
        let version = client.session.response_version();
        let none = FrameDecoder::new([0; 2], 0);
        let partial = mem::replace(&mut client.session.decoder, none).take_partial();
        let stream = partial.and_then(|begun| Some(Header::peek(&begun)?.stream));
        if let Some(stream) = stream.filter(|_| client.session.unsent_len() == 0) {
            let code = ErrorCode::OVERLOADED;
            client.session.send_plain(|out| error::write_error(out, version, stream, code, &text));
        } else {
            client.disconnected = true;
            client.session.discard_unsent();
            client.session.shrink();
        }
    }
    core.close_after_flush(key);
}

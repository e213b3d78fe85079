//! Clients that have not finished STARTUP and login: they hold a place for a time, and some of the
//! places, so that silent ones keep no others out.

use std::collections::VecDeque;

use crate::engine::client::{Client, ClientKey, Lack};
use crate::engine::core::core::Core;
use crate::engine::core::memory_use::CLIENT_BYTES;
use crate::engine::limits::KEYS;
use crate::session::session::Phase;
use cql::error_code::ErrorCode;
use cql::response::error;

/// Clients beyond `clients_max` that may be connected for as long as it takes to read why they are
/// refused; more are closed without a word.
const REFUSED_MAX: usize = 256;
/// How long one of those may take, µs.
const REFUSED_US_MAX: u64 = 2_000_000;
/// How long a client that comes while memory is near its bound is not read before it is refused, µs: what
/// brings memory there is mostly gone within a moment, and drivers wait for seconds.
const MEMORY_US_MAX: u64 = 1_000_000;
/// A newcomer that has owed its next message for less than this gives way to none, µs: its answer may be on
/// its way. A driver answers within a few milliseconds; were this longer, a few hundred connections a second
/// that say nothing would fill all places before the first of them gives way.
const GRACE_US: u64 = 100_000;
/// Newcomers that are looked at to find one that gives way.
const LOOKED_AT_MAX: usize = 64;

/// Clients that have not finished STARTUP and login.
#[derive(Debug, Default)]
pub(crate) struct Newcomers {
    /// Some have finished, or are gone, since the last sweep.
    waiting: VecDeque<ClientKey>,
    /// Those of them that are not read until there is memory, in the order in which they came.
    held: VecDeque<ClientKey>,
}

impl Newcomers {
    /// Lets a client in; `None` when there are so many that it gets not even an ERROR.
    pub(crate) fn let_in(&mut self, core: &mut Core, mut client: Client) -> Option<ClientKey> {
        let max = core.settings.limits.clients_max;
        let is_full = core.clients.len() >= max;
        let lacks_descriptor = client.lack.is_some();
        if is_full || lacks_descriptor || self.waiting.len() >= max.div_ceil(2) {
            let gives_way = self.oldest(core);
            if let Some(oldest) = gives_way {
                let text = "shardlane made room for others: this client had not finished STARTUP and \
                            login";
                core.tally.clients_silent += 1;
                send_error(core, oldest, text);
            }
            if lacks_descriptor || is_full && gives_way.is_none() {
                core.tally.clients_refused += 1;
                if core.clients.len() >= max + REFUSED_MAX {
                    return None;
                }
                client.session.phase = Phase::Refused;
            }
        }
        if core.memory_marks().is_some_and(|marks| core.is_memory_at(marks.close)) {
            // What was held when it was last measured may have left since.
            core.measure_memory();
        }
        let marks = core.memory_marks().filter(|marks| core.is_memory_at(marks.close));
        if marks
            .is_some_and(|marks| core.is_memory_at(marks.full) || self.held.len() >= REFUSED_MAX)
        {
            core.tally.clients_closed_for_memory += 1;
            core.meets_memory();
            return None;
        }
        client.waits_for_memory = marks.is_some() && client.session.phase == Phase::Fresh;
        let waits = client.waits_for_memory;
        client.since_us = core.now_us;
        core.memory.bring(CLIENT_BYTES);
        let key = core.clients.insert(client);
        self.waiting.push_back(key);
        if waits {
            self.held.push_back(key);
            core.pause_if_needed(key);
        }
        Some(key)
    }

    /// Has clients read that came while there was no memory: to serve them if there is some now, to refuse
    /// them where it took too long.
    fn settle_held(&mut self, core: &mut Core) {
        let is_full = core.memory_marks().is_some_and(|marks| core.is_memory_at(marks.close));
        let (now, mut is_refused) = (core.now_us, false);
        self.held.retain(|key| {
            let Some(client) = core.clients.get_mut(*key) else { return false };
            let waits = is_full && now.saturating_sub(client.since_us) < MEMORY_US_MAX;
            if !waits {
                if is_full && client.session.phase == Phase::Fresh {
                    client.session.phase = Phase::Refused;
                    client.lack = Some(Lack::Memory);
                    core.tally.clients_closed_for_memory += 1;
                    is_refused = true;
                }
                client.since_us = now;
                client.waits_for_memory = false;
                core.resume_if_possible(*key);
            }
            waits
        });
        if is_refused {
            core.meets_memory();
        }
    }

    /// Takes out the client that has owed us a message for longest, if that is long enough; one whose login
    /// is being judged owes none, nor does one that is not read.
    fn oldest(&mut self, core: &Core) -> Option<ClientKey> {
        let mut longest: Option<(u64, ClientKey)> = None;
        for _ in 0..self.waiting.len().min(LOOKED_AT_MAX) {
            let key = self.waiting.pop_front()?;
            let Some(client) = core.clients.get(key).filter(|client| is_new(client)) else {
                continue;
            };
            self.waiting.push_back(key);
            let owes = client.login.is_none()
                && !client.waits_for_memory
                && client.session.phase != Phase::Refused
                && client.since_us + GRACE_US <= core.now_us;
            if owes && longest.is_none_or(|(since_us, _)| client.since_us < since_us) {
                longest = Some((client.since_us, key));
            }
        }
        let (_, key) = longest?;
        // It was looked at just now, and stands near the end.
        let at = self.waiting.iter().rposition(|waiting| *waiting == key)?;
        self.waiting.remove(at)
    }

    /// Closes clients that take too long.
    pub(crate) fn expire(&mut self, core: &mut Core) {
        self.settle_held(core);
        let (now, timeout) = (core.now_us, core.settings.limits.login_timeout_us);
        let mut late = Vec::new();
        self.waiting.retain(|key| {
            let Some(client) = core.clients.get(*key).filter(|client| is_new(client)) else {
                return false;
            };
            let waited_us = now.saturating_sub(client.since_us);
            let is_late = match client.session.phase {
                Phase::Refused => waited_us >= REFUSED_US_MAX,
                Phase::Fresh | Phase::Authenticating | Phase::Ready | Phase::Closing => {
                    client.login.is_none() && waited_us >= timeout
                }
            };
            if is_late {
                late.push(*key);
            }
            !is_late
        });
        for key in late {
            let is_refused = |client: &Client| client.session.phase == Phase::Refused;
            if core.clients.get(key).is_some_and(is_refused) {
                let text = refusal(core, key);
                send_error(core, key, &text);
                continue;
            }
            let (ms, key_of_it) = (timeout / 1000, KEYS.login_timeout_us);
            let text = format!(
                "shardlane closes clients that do not finish STARTUP and login within {ms} ms, which \
                 is {key_of_it}"
            );
            core.tally.clients_silent += 1;
            core.meets(key_of_it, ms);
            send_error(core, key, &text);
        }
    }
}

/// Whether a client has not finished STARTUP and login.
pub(crate) fn is_new(client: &Client) -> bool {
    match client.session.phase {
        Phase::Fresh | Phase::Authenticating | Phase::Refused => true,
        Phase::Ready | Phase::Closing => false,
    }
}

/// The text of the ERROR for a client that is refused: for want of memory, of descriptors, or of a place.
pub(crate) fn refusal(core: &Core, key: ClientKey) -> String {
    let (clients_max, setting) = (core.settings.limits.clients_max, KEYS.clients_max);
    match core.clients.get(key).and_then(|client| client.lack) {
        Some(Lack::Memory) => core.settings.limits.memory_refusal("another client"),
        Some(Lack::Descriptors { max }) => format!(
            "shardlane has no file descriptor for another client: {max} of those that the process may \
             have (ulimit -n) are for clients, which is less than {setting}, {clients_max}"
        ),
        None => format!("shardlane serves {clients_max} clients, which is {setting}"),
    }
}

/// Closes a client with an ERROR that it has not asked for.
fn send_error(core: &mut Core, key: ClientKey, text: &str) {
    if let Some(client) = core.clients.get_mut(key) {
        let version = client.session.response_version();
        let code = ErrorCode::OVERLOADED;
        client.session.send_plain(|out| error::write_error(out, version, 0, code, text));
    }
    core.close_after_flush(key);
}

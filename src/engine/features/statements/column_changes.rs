//! Prepared statements whose rows have other columns than some client holds, since the table changed.
//!
//! Rows then come with their columns, but drivers such as gocql 1 asked to leave them out and read by what
//! they hold all the same. Every driver prepares again by itself on UNPREPARED, and learns the columns: so
//! each client is answered that, once for each statement and change. A request that was on its way by then
//! is answered so as well, its rows unread by the client.

use std::collections::HashMap;

use crate::engine::client::{ClientKey, ClientStream};
use crate::engine::core::core::Core;
use crate::engine::pending::{Outgoing, Pending, RequestOrigin};
use crate::engine::view::tally::RequestKind;
use crate::routing::catalog::StatementKey;
use cql::opcode::Opcode;
use cql::request::execute;
use cql::request::execute::Execute;
use cql::response::error::Extras;

/// Statements of which it is known what clients hold, of all clients together.
const HELD_MAX: usize = 65_536;
/// For how long after an UNPREPARED a client's requests may still come from before it read that, µs;
/// one that prepares in between ends it.
const GRACE_US: u64 = 20_000;

/// What clients hold of statements whose columns have changed.
#[derive(Debug, Default)]
pub(crate) struct ColumnChanges {
    held: HashMap<ClientKey, HashMap<StatementKey, Held>>,
    /// How many there are.
    count: usize,
}

/// What one client holds of one statement.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// Of which change it was asked to prepare again, or has prepared.
    change: u32,
    /// Requests that arrived up to this time may be from before, µs.
    until_us: u64,
}

impl ColumnChanges {
    /// A client prepared a statement.
    pub(crate) fn on_prepared(&mut self, core: &Core, client: ClientKey, key: StatementKey) {
        let change = core.router.catalog.get(key).map_or(0, |entry| entry.changes);
        if change > 0 {
            self.note(client, key, Held { change, until_us: core.now_us });
        }
    }

    /// Answers an EXECUTE by UNPREPARED if its client holds other columns than its rows would have.
    #[cold]
    pub(crate) fn ask(&mut self, core: &mut Core, outgoing: &Outgoing, id: &[u8]) -> bool {
        let RequestOrigin::Client { to, .. } = outgoing.origin else { return false };
        let Some(key) = outgoing.subject.statement() else { return false };
        let is_asked =
            outgoing.is_bare && self.is_behind(core, to.client, key, outgoing.arrived_us);
        if is_asked {
            refuse(core, to, id);
        }
        is_asked
    }

    /// A node answered by rows with their columns. Takes the request out of `waiting` if it is an EXECUTE
    /// whose client holds other columns, and answers it by UNPREPARED.
    #[inline]
    pub(crate) fn on_described_rows(
        &mut self,
        core: &mut Core,
        waiting: &mut Option<Pending>,
        message: &[u8],
    ) {
        if let Some(pending) = waiting
            && pending.opcode == Opcode::Execute
            && pending.is_read
            && self.refuses_described_rows(core, pending, message)
            && let Some(pending) = waiting.take()
        {
            core.spare.give_back(pending.frame);
        }
    }

    /// Whether a client cannot read rows that come with their columns; if so it was answered by
    /// UNPREPARED.
    fn refuses_described_rows(
        &mut self,
        core: &mut Core,
        pending: &Pending,
        message: &[u8],
    ) -> bool {
        let is_bare = pending.is_bare || execute::skips_metadata(pending.body());
        let (RequestOrigin::Client { to, .. }, Some(key), true) =
            (pending.origin, pending.subject.statement(), is_bare)
        else {
            return false;
        };
        core.router.catalog.on_described_rows(key, message);
        let Ok(Execute { id, .. }) = Execute::read(pending.body()) else { return false };
        let is_behind = self.is_behind(core, to.client, key, pending.arrived_us);
        if is_behind {
            refuse(core, to, id);
        }
        is_behind
    }

    /// Whether a request that arrived then comes of older columns, and its client is to be asked; if so
    /// that is noted.
    fn is_behind(
        &mut self,
        core: &Core,
        client: ClientKey,
        key: StatementKey,
        arrived_us: u64,
    ) -> bool {
        let change = core.router.catalog.get(key).map_or(0, |entry| entry.changes);
        let may = core.settings.asks_to_prepare && change > 0;
        if !may || core.clients.get(client).is_none() {
            return false;
        }
        let held = self.held.get(&client).and_then(|held| held.get(&key));
        match held.filter(|held| held.change == change) {
            Some(held) => arrived_us <= held.until_us,
            None => self.note(client, key, Held { change, until_us: core.now_us + GRACE_US }),
        }
    }

    /// Takes note of what a client holds; `false` when there is no room.
    fn note(&mut self, client: ClientKey, key: StatementKey, held: Held) -> bool {
        let of_client = self.held.entry(client).or_default();
        let is_new = !of_client.contains_key(&key);
        if is_new && self.count >= HELD_MAX {
            return false;
        }
        self.count += usize::from(is_new);
        of_client.insert(key, held);
        true
    }

    /// A client is gone.
    pub(crate) fn on_client_closed(&mut self, client: ClientKey) {
        self.count -= self.held.remove(&client).map_or(0, |held| held.len());
    }
}

/// Answers a request by UNPREPARED.
fn refuse(core: &mut Core, to: ClientStream, id: &[u8]) {
    core.tally.asked_to_prepare += 1;
    let text = "No prepared statement with this ID found.";
    core.refuse_with(to, RequestKind::Execute, text, &Extras::Unprepared { id: Some(id) });
    core.leave(to.client);
}

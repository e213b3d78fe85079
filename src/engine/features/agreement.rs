//! Answers to schema changes are held until every node has the same schema.
//!
//! A driver that sees one node cannot check that itself, and its next statement may reach a node
//! that does not know the change yet. `system.peers` lags by a second; so each node is asked for
//! its own `schema_version`. Schema events wait as well: on one, drivers read the schema from any
//! node.

use std::mem;

use crate::engine::client::ClientKey;
use crate::engine::core::core::Core;
use crate::engine::core::reply::Ended;
use crate::engine::core::response::Response;
use crate::engine::pending::{InternalRequest, Pending};
use crate::engine::tally::Outcome;
use crate::facade::schema_version::SchemaVersion;
use crate::routing::policy::LaneView;
use cql::cell;
use cql::consistency::Consistency;
use cql::frame::{FrameHead, write_frame};
use cql::notation::put_long_string;
use cql::opcode::Opcode;
use cql::response::event::Event;
use cql::response::rows::Rows;
use cql::response::schema_change::{SchemaChange, SchemaTarget};
use cql::v3;

const VERSION_QUERY: &str = "SELECT schema_version FROM system.local WHERE key='local'";
/// Between two rounds of asking, µs.
const ROUND_PAUSE_US: u64 = 20_000;
/// A round in which a node has not answered by then is given up, and all are asked again.
const ROUND_US_MAX: u64 = 1_000_000;

/// What waits for the nodes to agree on the schema.
#[derive(Debug, Default)]
pub(crate) struct Agreement {
    round: u64,
    /// Nodes whose answer is still to come.
    awaited: usize,
    /// Nodes that were asked.
    asked: usize,
    versions: Vec<[u8; 16]>,
    started_us: u64,
    next_round_us: Option<u64>,
    /// Oldest first.
    held: Vec<Held>,
    /// What clients are shown.
    shown: SchemaVersion,
}

#[derive(Debug)]
struct Held {
    what: What,
    since_us: u64,
    /// The first round of asking that began after the change.
    round: u64,
}

#[derive(Debug)]
enum What {
    Answer {
        client: ClientKey,
        ended: Ended,
        frame: Vec<u8>,
    },
    Event(Vec<u8>),
    /// The watched node's tables, which name another version than is shown.
    Reading,
}

impl Agreement {
    /// The schema version that clients are shown.
    pub(crate) fn shown(&self) -> SchemaVersion {
        self.shown
    }

    /// A node answered one of our clients that it changed the schema. The answer, as the client is
    /// to get it, waits until the nodes agree.
    pub(crate) fn on_schema_changed(
        &mut self,
        core: &mut Core,
        client: ClientKey,
        pending: &Pending,
        frame: Vec<u8>,
    ) {
        core.tally.agreements += 1;
        let (opcode, arrived_us) = (pending.opcode, pending.arrived_us);
        let ended = Ended { opcode, arrived_us, outcome: Outcome::Answered };
        self.hold(core, What::Answer { client, ended, frame });
    }

    /// The control connection received an EVENT with this body. Clients get it once the nodes agree.
    pub(crate) fn on_event(&mut self, core: &mut Core, body: &[u8]) {
        let Ok(Event::Schema(change)) = Event::read(body) else { return };
        forget_changed(core, &change);
        self.hold(core, What::Event(body.to_vec()));
    }

    /// The watched node's tables were read. They may be older than what the nodes agreed on since,
    /// or show a change of which no event came: the nodes are asked.
    pub(crate) fn on_schema_read(&mut self, core: &mut Core, version: Option<[u8; 16]>) {
        if self.shown.on_read(version) {
            self.hold(core, What::Reading);
        }
    }

    fn hold(&mut self, core: &mut Core, what: What) {
        let idle = self.awaited == 0 && self.next_round_us.is_none();
        let round = self.round + 1;
        self.held.push(Held { what, since_us: core.now_us, round });
        if idle {
            self.ask(core);
        }
    }

    /// Begins a round: asks each node for its schema version.
    fn ask(&mut self, core: &mut Core) {
        self.round += 1;
        self.next_round_us = None;
        self.versions.clear();
        self.started_us = core.now_us;
        let nodes = core.pools.one_per_node();
        self.awaited = nodes.len();
        self.asked = nodes.len();
        for (node, pool) in nodes {
            let request = InternalRequest::SchemaVersion { round: self.round, node };
            let lane = core.lanes_of(pool).lane_of_node(node);
            let query = |out: &mut Vec<u8>| {
                put_long_string(out, VERSION_QUERY);
                Consistency::One.put(out);
                out.push(0);
            };
            if !lane.is_some_and(|lane| core.send_internal(lane, request, Opcode::Query, query)) {
                self.awaited = self.awaited.saturating_sub(1);
            }
        }
        if self.awaited == 0 {
            self.conclude_round(core);
        }
    }

    /// A node answered with its schema version.
    pub(crate) fn on_answer(&mut self, core: &mut Core, round: u64, response: &Response<'_>) {
        let rows = Rows::read(response.message()).ok();
        let version = rows.and_then(|rows| {
            let row = rows.rows().next()?.ok()?;
            row.read("schema_version", cell::uuid).ok()?
        });
        self.on_version(core, round, version);
    }

    /// A node's schema version has come, or will not come.
    pub(crate) fn on_version(&mut self, core: &mut Core, round: u64, version: Option<[u8; 16]>) {
        if round != self.round || self.awaited == 0 {
            return;
        }
        self.versions.extend(version);
        self.awaited -= 1;
        if self.awaited == 0 {
            self.conclude_round(core);
        }
    }

    fn conclude_round(&mut self, core: &mut Core) {
        let heard = !self.versions.is_empty() || self.asked == 0;
        let agreed = heard && self.versions.windows(2).all(|pair| pair.first() == pair.last());
        if !agreed {
            self.next_round_us = Some(core.now_us + ROUND_PAUSE_US);
            return;
        }
        if let Some(version) = self.versions.first() {
            self.shown.on_agreed(*version);
        }
        let round = self.round;
        let ready = self.take_held(|held| held.round <= round);
        deliver(core, ready);
        if !self.held.is_empty() && self.awaited == 0 {
            self.ask(core);
        }
    }

    /// Takes out what is ready, oldest first.
    fn take_held(&mut self, is_ready: impl Fn(&Held) -> bool) -> Vec<Held> {
        let (ready, later) = mem::take(&mut self.held).into_iter().partition(is_ready);
        self.held = later;
        ready
    }

    /// Goes on asking, and gives up on what waited too long.
    pub(crate) fn on_timer(&mut self, core: &mut Core) {
        let timeout = core.settings.limits.agreement_timeout_us;
        let now = core.now_us;
        let late = self.take_held(|held| now.saturating_sub(held.since_us) >= timeout);
        for held in &late {
            match held.what {
                What::Answer { .. } => core.tally.agreement_timeouts += 1,
                What::Event(_) => {}
                What::Reading => self.shown.on_disagreement(),
            }
        }
        deliver(core, late);
        if self.held.is_empty() {
            self.next_round_us = None;
        }
        if self.next_round_us.is_some_and(|at| at <= now) {
            self.ask(core);
        }
        if self.awaited > 0 && now.saturating_sub(self.started_us) >= ROUND_US_MAX {
            // A slow node may be the very one that lacks the change: silence is no agreement.
            self.awaited = 0;
            self.next_round_us = Some(now + ROUND_PAUSE_US);
        }
    }

    /// When the next round of asking is due, or this one or an answer is given up.
    pub(crate) fn due_us(&self, timeout_us: u64) -> Option<u64> {
        let stuck = (self.awaited > 0).then_some(self.started_us + ROUND_US_MAX);
        let oldest = self.held.first().map(|held| held.since_us.saturating_add(timeout_us));
        [self.next_round_us, stuck, oldest].into_iter().flatten().min()
    }
}

/// Gives clients what they have waited for.
fn deliver(core: &mut Core, ready: Vec<Held>) {
    for held in ready {
        match held.what {
            What::Answer { client, ended, frame } => core.deliver_frame(client, ended, &frame),
            What::Event(body) => emit(core, &body),
            What::Reading => {}
        }
    }
}

/// A node answered a client with this message of a RESULT: forgets what no longer holds.
pub(crate) fn forget_changed_by(core: &mut Core, message: &[u8]) {
    if let Ok(Some(change)) = SchemaChange::read_result(message) {
        forget_changed(core, &change);
    }
}

/// Forgets what no longer holds after a schema change.
fn forget_changed(core: &mut Core, change: &SchemaChange<'_>) {
    let (keyspace, router) = (change.keyspace, &mut core.router);
    // An ALTER changes no tablet; a table that was created anew has others than its namesake had.
    let gone = change.change != "UPDATED";
    match &change.target {
        SchemaTarget::Table(table) => {
            router.keys.forget(keyspace, Some(table));
            router.catalog.on_schema_change(keyspace, Some(table));
            if gone {
                router.forget_table(keyspace, table);
            }
        }
        SchemaTarget::Keyspace => {
            if gone {
                router.keys.forget(keyspace, None);
                router.catalog.on_schema_change(keyspace, None);
                router.forget_keyspace(keyspace);
            }
        }
        SchemaTarget::Type(_) => {
            router.keys.forget(keyspace, None);
            router.catalog.on_schema_change(keyspace, None);
        }
        SchemaTarget::Function(..) | SchemaTarget::Aggregate(..) => {}
    }
}

/// Sends a schema event to every client that asked for them.
fn emit(core: &mut Core, body: &[u8]) {
    let mut frame = Vec::new();
    write_frame(
        &mut frame,
        FrameHead { version: 0x84, flags: 0, stream: -1 },
        Opcode::Event,
        |out| out.extend_from_slice(body),
    );
    for client in core.clients.keys() {
        let asked = core.clients.get(client).is_some_and(|c| c.session.subscription.schema);
        if !asked || core.disconnects_if_unread(client) {
            continue;
        }
        let Some(entry) = core.clients.get_mut(client) else { continue };
        match entry.session.version {
            Some(3) => {
                let older = v3::downgrade(&frame).unwrap_or_default();
                entry.session.send_plain(|out| out.extend_from_slice(&older));
            }
            _ => entry.session.send_plain(|out| out.extend_from_slice(&frame)),
        }
        core.touch_client(client);
    }
}

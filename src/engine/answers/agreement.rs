//! Answers to schema changes are held until every node has the same schema.
//!
//! A driver that sees one node cannot check that itself, and its next statement may land on a node
//! that has not heard yet. `system.peers` lags by a second; so each node is asked for its own
//! `schema_version`. Schema events wait as well: on one, drivers read the schema from any node.

use std::mem;

use crate::engine::answers::deliver::Response;
use crate::engine::client::ClientKey;
use crate::engine::engine::Engine;
use crate::engine::pending::{InternalRequest, Origin};
use crate::engine::tally::Outcome;
use crate::facade::schema_version::SchemaVersion;
use crate::routing::policy::LaneView;
use crate::topology::id::NodeId;
use cql::cell;
use cql::consistency::Consistency;
use cql::frame::write_frame;
use cql::notation::put_long_string;
use cql::opcode::Opcode;
use cql::response::event::Event;
use cql::response::rows::Rows;
use cql::response::schema_change::{SchemaChange, SchemaTarget};
use cql::v3;

const VERSION_QUERY: &str = "SELECT schema_version FROM system.local WHERE key='local'";
/// Between two rounds of asking.
const ROUND_PAUSE_US: u64 = 20_000;
/// When a node has not answered by then, all are asked again.
const ROUND_US_MAX: u64 = 1_000_000;

/// What waits for the nodes to agree.
#[derive(Debug, Default)]
pub struct Agreement {
    round: u64,
    /// Nodes whose answer is still to come.
    awaited: usize,
    /// Nodes that were asked.
    asked: usize,
    versions: Vec<[u8; 16]>,
    started_us: u64,
    next_round_us: Option<u64>,
    held: Vec<Held>,
    /// What clients are shown.
    pub(in crate::engine) shown: SchemaVersion,
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
        opcode: Opcode,
        arrived_us: u64,
        frame: Vec<u8>,
    },
    Event(Vec<u8>),
    /// The watched node's tables, which name another version than is shown.
    Reading,
}

impl Engine {
    /// A node answered one of our clients that it changed the schema.
    pub(in crate::engine) fn on_schema_changed(&mut self, message: &[u8]) {
        if let Ok(Some(change)) = SchemaChange::read_result(message) {
            self.apply_schema_change(&change);
        }
    }

    /// The control connection received an EVENT with this body.
    pub fn on_event(&mut self, body: &[u8]) {
        let Ok(Event::Schema(change)) = Event::read(body) else { return };
        self.apply_schema_change(&change);
        self.hold(What::Event(body.to_vec()));
    }

    /// Forgets what no longer holds.
    fn apply_schema_change(&mut self, change: &SchemaChange<'_>) {
        let keyspace = change.keyspace;
        // An ALTER changes no tablet; what was created anew has others than its namesake had.
        let gone = change.change != "UPDATED";
        match &change.target {
            SchemaTarget::Table(table) => {
                self.router.catalog.on_schema_change(keyspace, Some(table));
                if gone {
                    self.router.forget_table(keyspace, table);
                }
            }
            SchemaTarget::Keyspace => {
                if gone {
                    self.router.catalog.on_schema_change(keyspace, None);
                    self.router.forget_keyspace(keyspace);
                }
            }
            SchemaTarget::Type(_) => self.router.catalog.on_schema_change(keyspace, None),
            SchemaTarget::Function(..) | SchemaTarget::Aggregate(..) => {}
        }
    }

    /// Holds an answer back until the nodes agree.
    pub(in crate::engine) fn hold_for_agreement(
        &mut self,
        client: ClientKey,
        opcode: Opcode,
        arrived_us: u64,
        frame: Vec<u8>,
    ) {
        self.tally.agreements += 1;
        self.hold(What::Answer { client, opcode, arrived_us, frame });
    }

    /// The watched node's tables were read. They may be older than what the nodes agreed on since,
    /// or show a change of which no event came: the nodes are asked.
    pub(in crate::engine) fn on_schema_read(&mut self, version: Option<[u8; 16]>) {
        if self.agreement.shown.on_read(version) {
            self.hold(What::Reading);
        }
    }

    fn hold(&mut self, what: What) {
        let idle = self.agreement.awaited == 0 && self.agreement.next_round_us.is_none();
        let round = self.agreement.round + 1;
        self.agreement.held.push(Held { what, since_us: self.now_us, round });
        if idle {
            self.ask_schema_versions();
        }
    }

    fn ask_schema_versions(&mut self) {
        self.agreement.round += 1;
        self.agreement.next_round_us = None;
        self.agreement.versions.clear();
        self.agreement.started_us = self.now_us;
        let round = self.agreement.round;
        let mut frame = Vec::new();
        write_frame(&mut frame, (4, 0, 0), Opcode::Query, |out| {
            put_long_string(out, VERSION_QUERY);
            Consistency::One.put(out);
            out.push(0);
        });
        let nodes = self.one_pool_per_node();
        self.agreement.awaited = nodes.len();
        self.agreement.asked = nodes.len();
        for (node, pool) in nodes {
            let internal = InternalRequest::SchemaVersion { round, node };
            let outgoing = self.outgoing(Origin::InternalRequest(internal), Opcode::Query);
            let (_, lanes) = self.field(pool);
            let lane = lanes.lane_of_node(node);
            if !lane.is_some_and(|lane| self.send(lane, outgoing, &frame)) {
                self.agreement.awaited = self.agreement.awaited.saturating_sub(1);
            }
        }
        if self.agreement.awaited == 0 {
            self.conclude_round();
        }
    }

    /// A node told its schema version.
    pub(in crate::engine) fn on_schema_answer(
        &mut self,
        round: u64,
        node: NodeId,
        response: &Response<'_>,
    ) {
        let rows = Rows::read(response.message()).ok();
        let version = rows.and_then(|rows| {
            let row = rows.rows().next()?.ok()?;
            row.read("schema_version", cell::uuid).ok()?
        });
        self.on_schema_version(round, node, version);
    }

    /// A node's schema version is there, or will not come.
    pub(in crate::engine) fn on_schema_version(
        &mut self,
        round: u64,
        _: NodeId,
        version: Option<[u8; 16]>,
    ) {
        if round != self.agreement.round || self.agreement.awaited == 0 {
            return;
        }
        self.agreement.versions.extend(version);
        self.agreement.awaited -= 1;
        if self.agreement.awaited == 0 {
            self.conclude_round();
        }
    }

    fn conclude_round(&mut self) {
        let versions = &self.agreement.versions;
        let heard = !versions.is_empty() || self.agreement.asked == 0;
        let agreed = heard && versions.windows(2).all(|pair| pair.first() == pair.last());
        if !agreed {
            self.agreement.next_round_us = Some(self.now_us + ROUND_PAUSE_US);
            return;
        }
        let round = self.agreement.round;
        if let Some(version) = self.agreement.versions.first() {
            self.agreement.shown.on_agreed(*version);
        }
        let (ready, later) =
            mem::take(&mut self.agreement.held).into_iter().partition(|held| held.round <= round);
        self.agreement.held = later;
        self.release(ready);
        if !self.agreement.held.is_empty() && self.agreement.awaited == 0 {
            self.ask_schema_versions();
        }
    }

    fn release(&mut self, ready: Vec<Held>) {
        for held in ready {
            match held.what {
                What::Answer { client, opcode, arrived_us, frame } => {
                    self.deliver_frame(client, (opcode, arrived_us), Outcome::Answered, &frame);
                }
                What::Event(body) => self.emit(&body),
                What::Reading => {}
            }
        }
    }

    /// Sends a schema event to every client that asked for them.
    fn emit(&mut self, body: &[u8]) {
        let mut frame = Vec::new();
        let event = |out: &mut Vec<u8>| out.extend_from_slice(body);
        write_frame(&mut frame, (0x84, 0, -1), Opcode::Event, event);
        for client in self.clients.keys() {
            let asked = self.clients.get(client).is_some_and(|c| c.session.subscription.schema);
            if !asked || self.disconnects_if_unread(client) {
                continue;
            }
            let Some(entry) = self.clients.get_mut(client) else { continue };
            let out = entry.session.outbox.end();
            match entry.session.version {
                Some(3) => out.extend_from_slice(&v3::downgrade(&frame).unwrap_or_default()),
                _ => out.extend_from_slice(&frame),
            }
            self.touch_client(client);
        }
    }

    /// Goes on asking, and gives up on what waited too long.
    pub(in crate::engine) fn expire_agreement(&mut self) {
        let timeout = self.settings.limits.agreement_timeout_us;
        let now = self.now_us;
        let old = |held: &Held| now.saturating_sub(held.since_us) >= timeout;
        if self.agreement.held.iter().any(old) {
            let (ready, later) = mem::take(&mut self.agreement.held).into_iter().partition(old);
            self.agreement.held = later;
            let ready: Vec<Held> = ready;
            let answers = ready.iter().filter(|held| matches!(held.what, What::Answer { .. }));
            self.tally.agreement_timeouts += u64::try_from(answers.count()).unwrap_or(0);
            if ready.iter().any(|held| matches!(held.what, What::Reading)) {
                self.agreement.shown.on_disagreement();
            }
            self.release(ready);
        }
        if self.agreement.held.is_empty() {
            self.agreement.next_round_us = None;
        }
        if self.agreement.next_round_us.is_some_and(|at| at <= now) {
            self.ask_schema_versions();
        }
        if self.agreement.awaited > 0
            && now.saturating_sub(self.agreement.started_us) >= ROUND_US_MAX
        {
            // A slow node may be just the one that lacks the change: silence is no agreement.
            self.agreement.awaited = 0;
            self.agreement.next_round_us = Some(now + ROUND_PAUSE_US);
        }
    }

    /// When the next round of asking is due.
    pub(in crate::engine) fn agreement_due_us(&self) -> Option<u64> {
        let stuck =
            (self.agreement.awaited > 0).then_some(self.agreement.started_us + ROUND_US_MAX);
        [self.agreement.next_round_us, stuck].into_iter().flatten().min()
    }
}

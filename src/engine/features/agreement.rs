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
use crate::engine::core::reply::Response;
use crate::engine::limits::KEYS;
use crate::engine::pending::{InternalRequest, Pending};
use crate::engine::view::tally::Outcome;
use crate::facade::tables::schema_version::SchemaVersion;
use crate::routing::policy::LaneCandidates;
use crate::topology::id::NodeId;
use crate::topology::table::TableId;
use crate::upstream::lane::LANE_RESPONSE;
use crate::upstream::lane::PoolId;
use cql::consistency::Consistency;
use cql::frame::{FrameHead, write_frame};
use cql::notation::put_long_string;
use cql::opcode::Opcode;
use cql::request::query::Query;
use cql::response::event::EVENT_STREAM;
use cql::response::event::Event;
use cql::response::prefix;
use cql::response::rows::Rows;
use cql::response::schema_change::{SchemaChange, SchemaTarget};
use cql::statement::definition;
use cql::statement::write_type::WriteType;
use cql::v3;
use cql::values::cell;

const VERSION_QUERY: &str = "SELECT schema_version FROM system.local WHERE key='local'";
/// Between an answer of a node and the next question to it, µs.
const PAUSE_US: u64 = 20_000;
/// A node that has not answered by then is asked once more, over another lane if need be, µs. What
/// it still says counts: a slow node may be the very one that lacks the change.
const SILENT_US: u64 = 1_000_000;

/// What waits for the nodes to agree on the schema.
#[derive(Debug, Default)]
pub(crate) struct Agreement {
    /// The last number given: changes and questions share one count, which says what came first.
    count: u64,
    /// The nodes that are asked; none while nothing waits.
    nodes: Vec<Asked>,
    /// Oldest first.
    held: Vec<Held>,
    /// What clients are shown.
    shown: SchemaVersion,
}

/// A node that is asked for its schema version.
#[derive(Debug)]
struct Asked {
    node: NodeId,
    /// Lanes to it.
    pool: PoolId,
    /// The last question to it.
    question: u64,
    /// The last question that it answered, and what it said.
    heard: Option<(u64, [u8; 16])>,
    /// When it is asked next, if it has to be.
    next_us: u64,
}

#[derive(Debug)]
struct Held {
    what: What,
    since_us: u64,
    /// The number of the change: only answers to later questions count.
    number: u64,
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

    /// A node answered one of our clients that it changed the schema, or had nothing to change. The
    /// answer, as the client is to get it, waits until the nodes agree.
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
        self.count += 1;
        self.held.push(Held { what, since_us: core.now_us, number: self.count });
        for asked in &mut self.nodes {
            if !asked.is_awaited() {
                asked.next_us = core.now_us;
            }
        }
        self.go_on(core);
    }

    /// Hands out what the nodes agree on, and asks those that have to be asked.
    fn go_on(&mut self, core: &mut Core) {
        self.find_nodes(core);
        self.deliver_agreed(core);
        let now = core.now_us;
        let wanted: Vec<NodeId> =
            self.to_ask().filter(|asked| asked.next_us <= now).map(|asked| asked.node).collect();
        for node in wanted {
            self.ask(core, node);
        }
    }

    /// Keeps to the nodes that lanes lead to.
    fn find_nodes(&mut self, core: &Core) {
        let reached = core.pools.one_per_node();
        self.nodes.retain(|asked| reached.iter().any(|(node, _)| *node == asked.node));
        for (node, pool) in reached {
            match self.nodes.iter_mut().find(|asked| asked.node == node) {
                Some(asked) => asked.pool = pool,
                None => {
                    self.nodes.push(Asked { node, pool, question: 0, heard: None, next_us: 0 });
                }
            }
        }
    }

    /// The nodes that have to say something before what waits may go on.
    fn to_ask(&self) -> impl Iterator<Item = &Asked> {
        let last = self.held.last().map_or(0, |held| held.number);
        let mut versions = self.nodes.iter().filter_map(|asked| Some(asked.heard?.1));
        let first = versions.next();
        let differ = versions.any(|version| Some(version) != first);
        self.nodes
            .iter()
            .filter(move |asked| differ || asked.heard.is_none_or(|(question, _)| question < last))
    }

    /// The version that every node named last; `None` when they differ, or one has said nothing.
    fn agreed(&self) -> Option<[u8; 16]> {
        let (_, first) = self.nodes.first()?.heard?;
        let same = |asked: &Asked| asked.heard.is_some_and(|(_, version)| version == first);
        self.nodes.iter().all(same).then_some(first)
    }

    /// Asks a node for its schema version.
    fn ask(&mut self, core: &mut Core, node: NodeId) {
        self.count += 1;
        let question = self.count;
        let Some(asked) = self.nodes.iter_mut().find(|asked| asked.node == node) else { return };
        let request = InternalRequest::SchemaVersion { question, node };
        let lane = core.lanes_of(asked.pool).lane_of_node(node);
        let query = |out: &mut Vec<u8>| {
            put_long_string(out, VERSION_QUERY);
            Consistency::One.put(out);
            out.push(0);
        };
        if lane.is_some_and(|lane| core.send_internal(lane, request, Opcode::Query, query)) {
            asked.question = question;
            asked.next_us = core.now_us + SILENT_US;
        } else {
            asked.next_us = core.now_us + PAUSE_US;
        }
    }

    /// A node answered with its schema version.
    pub(crate) fn on_answer(
        &mut self,
        core: &mut Core,
        node: NodeId,
        question: u64,
        response: &Response<'_>,
    ) {
        let rows = Rows::read(response.message()).ok();
        let version = rows.and_then(|rows| {
            let row = rows.rows().next()?.ok()?;
            row.read("schema_version", cell::uuid).ok()?
        });
        self.on_version(core, node, question, version);
    }

    /// A node's schema version has come, or will not come.
    pub(crate) fn on_version(
        &mut self,
        core: &mut Core,
        node: NodeId,
        question: u64,
        version: Option<[u8; 16]>,
    ) {
        let last = self.held.last().map_or(0, |held| held.number);
        let Some(asked) = self.nodes.iter_mut().find(|asked| asked.node == node) else { return };
        if let Some(version) = version
            && asked.heard.is_none_or(|(known, _)| known < question)
        {
            asked.heard = Some((question, version));
        }
        if question == asked.question {
            // What it said of the time before the last change is no reason to wait.
            let is_old = version.is_some() && question < last;
            asked.next_us = core.now_us + if is_old { 0 } else { PAUSE_US };
        }
        self.go_on(core);
    }

    fn deliver_agreed(&mut self, core: &mut Core) {
        let since = if self.nodes.is_empty() {
            u64::MAX
        } else {
            let Some(version) = self.agreed() else { return };
            let heard = self.nodes.iter().filter_map(|asked| Some(asked.heard?.0));
            let since = heard.min().unwrap_or(0);
            if self.held.first().is_some_and(|held| held.number < since) {
                self.shown.on_agreed(version);
            }
            since
        };
        let ready = self.take_held(|held| held.number < since);
        deliver(core, ready);
        if self.held.is_empty() {
            self.nodes.clear();
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
        let mut late = self.take_held(|held| now.saturating_sub(held.since_us) >= timeout);
        for held in &mut late {
            match &mut held.what {
                What::Answer { frame, .. } => {
                    core.tally.agreement_timeouts += 1;
                    let (ms, key) = (timeout / 1000, KEYS.agreement_timeout_us);
                    let text = format!(
                        "shardlane: the nodes did not agree on the schema within {ms} ms, which is \
                         {key}; some may not know this change yet"
                    );
                    prefix::add_warning(frame, &text);
                }
                What::Event(_) => {}
                What::Reading => self.shown.on_disagreement(),
            }
        }
        deliver(core, late);
        if self.held.is_empty() {
            self.nodes.clear();
        } else {
            self.go_on(core);
        }
    }

    /// When a node has to be asked next, or an answer is given up.
    pub(crate) fn due_us(&self, timeout_us: u64) -> Option<u64> {
        let oldest = self.held.first()?.since_us.saturating_add(timeout_us);
        let next = self.to_ask().map(|asked| asked.next_us).min();
        Some(next.map_or(oldest, |next| next.min(oldest)))
    }
}

impl Asked {
    /// Whether its answer to the last question is still to come.
    fn is_awaited(&self) -> bool {
        self.question > self.heard.map_or(0, |(question, _)| question)
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

/// Whether a request that a node answered by nothing is a change of the schema that was there
/// already: other nodes may not have heard of it yet.
#[inline]
pub(crate) fn is_no_op(core: &Core, pending: &Pending) -> bool {
    // Writes of rows, nearly all, have a type that is known.
    pending.write_type == WriteType::Unknown
        && matches!(pending.opcode, Opcode::Query | Opcode::Execute)
        && changes_schema(core, pending)
}

fn changes_schema(core: &Core, pending: &Pending) -> bool {
    if pending.opcode == Opcode::Execute {
        let entry = pending.subject.statement().and_then(|key| core.router.catalog.get(key));
        return entry.is_some_and(|entry| definition::changes_schema(&entry.statement.text));
    }
    Query::read(pending.body()).is_ok_and(|query| definition::changes_schema(query.text))
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
            router.on_schema_change(keyspace, Some(table));
            if gone && let Some(table) = router.tables.get(keyspace, table) {
                core.forget_table(table, change.change == "CREATED");
            }
        }
        SchemaTarget::Keyspace => {
            if gone {
                router.on_schema_change(keyspace, None);
                let is_created = change.change == "CREATED";
                let tables: Vec<TableId> = router.tables.of_keyspace(keyspace).collect();
                for table in tables {
                    // The tables of one that was created anew may have been met before this came.
                    let is_present = is_created && core.router.tables.is_present(table);
                    core.forget_table(table, is_present);
                }
            }
        }
        SchemaTarget::Type(_) => {
            router.on_schema_change(keyspace, None);
        }
        SchemaTarget::Function(..) | SchemaTarget::Aggregate(..) => {
            // A shape may call it.
            router.shapes.forget(keyspace, None);
        }
    }
}

/// Sends a schema event to every client that asked for them.
fn emit(core: &mut Core, body: &[u8]) {
    let mut frame = Vec::new();
    write_frame(
        &mut frame,
        FrameHead { version: LANE_RESPONSE, flags: 0, stream: EVENT_STREAM },
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

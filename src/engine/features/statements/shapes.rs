//! Texts that are seen often, run as prepared statements: an EXECUTE goes to the node in place of the
//! QUERY, and everything else takes it for the QUERY that it is.
//!
//! A shape ([`Shape`]) is prepared on all nodes in the background; until each has answered, its texts
//! are sent as they are. So is a text whenever anything about it is not certain, and again when a node
//! answers that it does not know the statement: it has run nothing then.
//!
//! What is prepared names the type of each constant, so that its id means nothing to a node whose table
//! has other types by now, whatever other clients prepare there.

use crate::engine::core::core::Core;
use crate::engine::core::reply::Response;
use crate::engine::core::todo::Todo;
use crate::engine::pending::{InternalRequest, LaneKey, Outgoing, Pending, RequestOrigin, Subject};
use crate::facade::console::table::KEYSPACE;
use crate::routing::policy::LaneCandidates;
use crate::routing::shapes::known::{PrepareOutcome, PrepareRefusal, PreparedShape};
use crate::routing::shapes::{Found, ShapeChange, ShapeKey};
use crate::topology::table::TableId;
use crate::upstream::lane::{LaneRoute, PoolId};
use cql::error_code::ErrorCode;
use cql::frame::{FrameHead, write_frame};
use cql::header::{FLAG_WARNING, HEADER_LEN, Header};
use cql::notation::{Reader, put_short, put_short_bytes};
use cql::opcode::Opcode;
use cql::request::parameters::{
    PAGE_SIZE, PAGING_STATE, Parameters, SERIAL_CONSISTENCY, TIMESTAMP, VALUES,
};
use cql::request::query::Query;
use cql::response::metadata::read_bind_metadata;
use cql::response::result::ResultKind;
use cql::statement::shape::Shape;
use cql::statement::statement::TableStatement;
use cql::values::column_type::ColumnType;

/// The longest text that is looked at, bytes.
const TEXT_BYTES_MAX: usize = 16 << 10;
/// How the names of the servers' own keyspaces begin.
const SYSTEM: &str = "system";
/// What a request may ask for besides; one that wants no metadata is left as it is, and so is one
/// whose values have names.
const FLAGS: u8 = VALUES | PAGE_SIZE | PAGING_STATE | SERIAL_CONSISTENCY | TIMESTAMP;

/// The shapes of texts.
#[derive(Debug, Default)]
pub(crate) struct TextShapes {
    /// The shape that was read last.
    text: String,
    /// The same with its types.
    typed: String,
    /// Keyspace and table, the same.
    keyspace: String,
    table: String,
    /// Whose turn it is to be asked for types.
    turn: usize,
}

/// A QUERY that may be run by its shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    /// The whole frame.
    pub(crate) frame: &'a [u8],
    /// Its body.
    pub(crate) query: &'a Query<'a>,
    /// The keyspace of its client.
    pub(crate) keyspace: Option<&'a str>,
    /// The table of which it names one partition.
    pub(crate) table: Option<TableId>,
}

impl TextShapes {
    /// The EXECUTE in place of a QUERY, as which `outgoing` is then marked; `None` when the QUERY has to
    /// be sent as it is.
    #[cold]
    pub(crate) fn execute_of(
        &mut self,
        core: &mut Core,
        outgoing: &mut Outgoing,
        asked: &Text<'_>,
    ) -> Option<Vec<u8>> {
        let header = Header::peek(asked.frame)?;
        // A trace says how the node went about it, and what is in a payload is not known.
        let is_plain = header.flags == 0 && asked.query.parameters.flags & !FLAGS == 0;
        // What comes back here has failed once already.
        if !is_plain || outgoing.resent > 0 || has_payload(core, outgoing.origin) {
            return None;
        }
        let shape = self.read(asked.query.text, asked.keyspace)?;
        match core.router.shapes.find(&self.text, core.now_us) {
            Found::Prepared(prepared) => {
                let frame = write(prepared, &shape, header, &asked.query.parameters)?;
                outgoing.subject = Subject::Shape(asked.table.filter(|_| prepared.is_reported));
                Some(frame)
            }
            Found::Wanted => {
                self.ask_for_types(core, outgoing.base);
                None
            }
            Found::Typed(types) => {
                if self.put_typed(&shape, types) {
                    self.prepare(core, outgoing.base);
                } else {
                    self.give_up(core);
                }
                None
            }
            Found::Text => None,
        }
    }

    /// Reads the shape of a text, and the names of its table.
    fn read<'a>(&mut self, text: &'a str, keyspace: Option<&str>) -> Option<Shape<'a>> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let statement = TableStatement::read(text).ok()?;
        self.keyspace.clear();
        self.table.clear();
        self.text.clear();
        match &statement.table.keyspace {
            Some(name) => name.put(&mut self.keyspace),
            None => self.keyspace.push_str(keyspace?),
        }
        if self.keyspace.starts_with(SYSTEM) || self.keyspace == KEYSPACE {
            return None;
        }
        statement.table.table.put(&mut self.table);
        let shape = Shape::read(text, &statement)?;
        shape.put(&self.keyspace, &mut self.text);
        Some(shape)
    }

    /// Writes the shape that was read with its types; `false` when one of them has no short name.
    fn put_typed(&mut self, shape: &Shape<'_>, types: &[ColumnType]) -> bool {
        self.typed.clear();
        shape.put_typed(&self.keyspace, types, &mut self.typed).is_ok()
    }

    /// Asks one node for the types of the shape that was read, another one each time.
    fn ask_for_types(&mut self, core: &mut Core, base: PoolId) {
        let lanes = lanes_of(core, base);
        self.turn = self.turn.wrapping_add(1);
        let Some(lane) = lanes.get(self.turn.checked_rem(lanes.len()).unwrap_or(0)) else { return };
        let key = core.router.shapes.begin(&self.text, &self.keyspace, &self.table);
        if !core.send_prepare(*lane, &self.text, InternalRequest::Shape(key)) {
            take(core, key, PrepareOutcome::Lost);
        }
    }

    /// Asks each node to prepare the shape that was read, with its types.
    fn prepare(&self, core: &mut Core, base: PoolId) {
        let lanes = lanes_of(core, base);
        if lanes.is_empty() {
            return;
        }
        let Some(key) = core.router.shapes.begin_typed(&self.text, lanes.len()) else { return };
        for lane in lanes {
            if !core.send_prepare(lane, &self.typed, InternalRequest::Shape(key)) {
                take(core, key, PrepareOutcome::Lost);
            }
        }
    }

    fn give_up(&self, core: &mut Core) {
        if core.router.shapes.give_up(&self.text) {
            core.tally.shapes_given_up += 1;
        }
    }

    /// A node answered by ERROR what it got in place of a text. The text is sent if nothing was run: the
    /// node does not know the statement, or refuses to read by it, perhaps with other words than for the
    /// text. Hands the request back if its client is to get the answer.
    pub(crate) fn on_error(
        &mut self,
        core: &mut Core,
        route: LaneRoute,
        pending: Pending,
        message: &[u8],
    ) -> Option<Pending> {
        let RequestOrigin::Client { to, .. } = pending.origin else { return Some(pending) };
        let code = Reader::new(message).int().map(ErrorCode);
        let is_forgotten = code == Ok(ErrorCode::UNPREPARED);
        let is_refused = pending.is_read && code == Ok(ErrorCode::INVALID);
        if !(is_forgotten || is_refused) || core.clients.get(to.client).is_none() {
            return Some(pending);
        }
        let keyspace = core.pools.keyspace(route.pool);
        let query = Query::read(pending.body()).ok();
        let shape = query.and_then(|query| self.read(query.text, keyspace.as_deref()));
        if let Some(shape) = shape {
            if is_forgotten {
                self.prepare_again(core, route, &pending, &shape);
            } else if core.router.shapes.on_refused(&self.text, core.now_us) == ShapeChange::GivenUp
            {
                core.tally.shapes_given_up += 1;
            }
        }
        core.todo.push_back(Todo::RouteAgain { pool: route.pool, pending, avoided: None });
        None
    }

    /// Asks a node to prepare again the shape that was read.
    fn prepare_again(
        &mut self,
        core: &mut Core,
        route: LaneRoute,
        pending: &Pending,
        shape: &Shape<'_>,
    ) {
        core.tally.shapes_forgotten += 1;
        let Some((key, types)) = core.router.shapes.on_forgotten(&self.text) else { return };
        let base = core.base_of(pending.origin);
        let lane = core.lanes_of(base).lane_of_node(route.node);
        let request = InternalRequest::Shape(key);
        let is_sent = self.put_typed(shape, &types)
            && lane.is_some_and(|lane| core.send_prepare(lane, &self.typed, request));
        if !is_sent {
            take(core, key, PrepareOutcome::Lost);
        }
    }
}

/// A lane to each node.
fn lanes_of(core: &mut Core, base: PoolId) -> Vec<LaneKey> {
    let nodes = core.pools.nodes(base);
    nodes.into_iter().filter_map(|node| core.lanes_of(base).lane_of_node(node)).collect()
}

/// A node answered our PREPARE.
pub(crate) fn on_answer(core: &mut Core, key: ShapeKey, response: &Response<'_>) {
    let message = response.message();
    let is_error = response.header.opcode == Opcode::Error.byte();
    // Whom the warning is for would never see it.
    let is_silent = response.header.flags & FLAG_WARNING == 0;
    let is_final = if is_error {
        // All others may pass: even that a table or column is not there, before a change has spread.
        Reader::new(message).int() == Ok(ErrorCode::SYNTAX_ERROR.0)
    } else {
        !is_silent
    };
    let refusal = if is_final { PrepareRefusal::Final } else { PrepareRefusal::ForNow };
    let is_prepared = response.header.opcode == Opcode::Result.byte() && is_silent;
    let prepared = read_prepared(message).filter(|_| is_prepared);
    take(core, key, prepared.map_or(PrepareOutcome::Refused(refusal), PrepareOutcome::Prepared));
}

/// A node will not answer our PREPARE.
pub(crate) fn on_lost(core: &mut Core, key: ShapeKey) {
    take(core, key, PrepareOutcome::Lost);
}

fn take(core: &mut Core, key: ShapeKey, answer: PrepareOutcome) {
    match core.router.shapes.on_answer(key, answer, core.now_us) {
        ShapeChange::None => {}
        ShapeChange::Prepared => core.tally.shapes_prepared += 1,
        ShapeChange::GivenUp => core.tally.shapes_given_up += 1,
    }
}

/// Whether a request has a custom payload.
fn has_payload(core: &Core, origin: RequestOrigin) -> bool {
    let RequestOrigin::Client { to, .. } = origin else { return false };
    let client = core.clients.get(to.client);
    client.is_some_and(|client| client.payloads.of(to.stream).is_some())
}

/// Reads a RESULT Prepared.
fn read_prepared(message: &[u8]) -> Option<PreparedShape> {
    if ResultKind::read(message) != Ok(ResultKind::Prepared) {
        return None;
    }
    let mut reader = Reader::new(message);
    reader.int().ok()?;
    let id = reader.short_bytes().ok()?;
    let bound = read_bind_metadata(&mut reader, 4).ok()?;
    Some(PreparedShape {
        id: id.into(),
        kinds: bound.markers.into_iter().map(|marker| marker.kind).collect(),
        is_reported: !bound.pk_indexes.is_empty(),
    })
}

/// Writes the EXECUTE in place of a QUERY: the statement's id, and the constants as its values. All
/// else is as the QUERY says it.
fn write(
    prepared: &PreparedShape,
    shape: &Shape<'_>,
    header: Header,
    parameters: &Parameters<'_>,
) -> Option<Vec<u8>> {
    let mut values = Vec::new();
    shape.put_values(&prepared.kinds, parameters.values, &mut values).ok()?;
    let count = u16::try_from(prepared.kinds.len()).ok()?;
    let rest = parameters.behind_values().ok()?;
    let flags = parameters.flags & !VALUES | if count > 0 { VALUES } else { 0 };
    let head = FrameHead { version: header.version, flags: header.flags, stream: header.stream };
    let mut frame = Vec::with_capacity(HEADER_LEN + 32 + values.len() + rest.len());
    write_frame(&mut frame, head, Opcode::Execute, |out| {
        put_short_bytes(out, &prepared.id);
        parameters.consistency.put(out);
        out.push(flags);
        if count > 0 {
            put_short(out, count);
        }
        out.extend_from_slice(&values);
        out.extend_from_slice(rest);
    });
    Some(frame)
}

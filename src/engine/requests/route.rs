//! A client's request to a lane: by its key, by its batch's keys, or to any lane of its keyspace.

use crate::engine::client::ClientKey;
use crate::engine::core::console_access::Access;
use crate::engine::core::core::Core;
use crate::engine::core::message::{ClientRequest, Message};
use crate::engine::core::pool_lanes::Preference;
use crate::engine::core::todo::UseRequest;
use crate::engine::features::clients::keyspaces;
use crate::engine::features::features::Features;
use crate::engine::features::lanes::remote;
use crate::engine::features::local::console;
use crate::engine::features::local::local_requests::Local;
use crate::engine::features::repeats::hedging::SentCopy;
use crate::engine::features::statements::shapes::Text;
use crate::engine::features::statements::{metadata_ids, prepared_statements};
use crate::engine::features::tablets::tablet_samples::SampledTable;
use crate::engine::pending::{LaneKey, Outgoing, Pending, Purpose, RequestOrigin, Subject};
use crate::engine::requests::no_lane;
use crate::facade::console::table::KEYSPACE;
use crate::facade::text::statement_id::names_facade_statement;
use crate::facade::text::statement_text;
use crate::routing::batch_place::ChildTexts;
use crate::routing::decision::{Decision, Reason};
use crate::routing::policy::LaneChoice;
use crate::routing::text::BoundText;
use crate::topology::id::NodeId;
use crate::upstream::lane::PoolId;
use crate::upstream::stream_ids::StreamId;
use cql::header::HEADER_LEN;
use cql::opcode::Opcode;
use cql::request::execute;
use cql::request::execute::Execute;
use cql::request::parameters::SKIP_METADATA;
use cql::statement::write_type::WriteType;

/// A request's frame, and its body as it was read.
#[derive(Clone, Copy, Debug)]
struct Read<'a> {
    message: Message<'a>,
    frame: &'a [u8],
    /// What the node gets in its place, of a text that is run by its shape.
    shaped: Option<&'a [u8]>,
}

impl<'a> Read<'a> {
    fn of(opcode: Opcode, frame: &'a [u8]) -> Self {
        Self { message: Message::read(opcode, body_of(frame)), frame, shaped: None }
    }
}

/// Where a request goes that is not routed by a key.
#[derive(Clone, Copy, Debug)]
struct Anywhere {
    pool: PoolId,
    reason: Reason,
    avoided: Option<NodeId>,
}

/// EXECUTE: on the plain lanes, because its id fixes the table; of Apache Cassandra on those of the
/// keyspace in which it was prepared.
pub(crate) fn on_execute(
    core: &mut Core,
    features: &mut Features,
    request: &mut ClientRequest<'_>,
) {
    if names_facade_statement(body_of(request.frame)) {
        let local = features.local.on_execute(core, request, features.agreement.shown());
        return on_local(core, features, request, local);
    }
    let outgoing = core.begin(request.from, Opcode::Execute);
    execute(core, features, outgoing, request.frame, None);
}

/// QUERY: answered here, or routed by its text.
pub(crate) fn on_query(core: &mut Core, features: &mut Features, request: &ClientRequest<'_>) {
    let read = Read::of(Opcode::Query, request.frame);
    let (mut is_read, mut purpose) = (false, Purpose::Forward);
    if let Message::Query(query) = &read.message {
        let local = features.local.on_query(core, request, query, features.agreement.shown());
        match local {
            Local::No => {}
            Local::Schema => purpose = Purpose::Schema,
            Local::Answered | Local::Awaits(_) | Local::Use(..) => {
                return on_local(core, features, request, local);
            }
        }
        is_read = statement_text::is_select(query.text);
    }
    let mut outgoing = Outgoing { is_read, ..core.begin(request.from, Opcode::Query) };
    outgoing.origin = RequestOrigin::Client { to: request.from, purpose };
    let pool = pool_of(core, request.from.client);
    let at = Anywhere { pool, reason: Reason::Text, avoided: None };
    query(core, features, at, outgoing, read);
}

/// PREPARE: answered here, or by one node; the others follow when its answer is there.
pub(crate) fn on_prepare(core: &mut Core, features: &Features, request: &ClientRequest<'_>) {
    if features.local.on_prepare(core, request) {
        return;
    }
    let outgoing = Outgoing { is_read: true, ..core.begin(request.from, Opcode::Prepare) };
    let pool = pool_of(core, request.from.client);
    let pool = prepared_statements::lanes_for(core, pool, outgoing.base, request.body());
    let at = Anywhere { pool, reason: Reason::Prepare, avoided: None };
    let read = Read { message: Message::Other, frame: request.frame, shaped: None };
    anywhere(core, features, at, &outgoing, read);
}

/// BATCH: by its first routable child; text children need the client's keyspace.
pub(crate) fn on_batch(core: &mut Core, features: &mut Features, request: &ClientRequest<'_>) {
    let mut outgoing = core.begin(request.from, Opcode::Batch);
    let pool = pool_of(core, request.from.client);
    let at = Anywhere { pool, reason: Reason::UnroutableBatch, avoided: None };
    batch(core, features, at, &mut outgoing, request.frame);
}

fn on_local(core: &mut Core, features: &mut Features, request: &ClientRequest<'_>, local: Local) {
    let from = request.from;
    match local {
        Local::Use(keyspace, _)
            if keyspace == KEYSPACE && core.console_access(from.client) == Access::Shown =>
        {
            console::set_keyspace(core, from);
        }
        Local::Use(keyspace, frame) => keyspaces::on_use(core, from, &keyspace, frame),
        Local::Awaits(table) => features.console.wait(core, request, table),
        Local::Answered | Local::Schema | Local::No => {}
    }
}

fn pool_of(core: &Core, client: ClientKey) -> PoolId {
    core.clients.get(client).map_or(PoolId::NOWHERE, |client| client.pool)
}

/// Routes a request anew, among the lanes that it was on.
pub(crate) fn again(
    core: &mut Core,
    features: &mut Features,
    pool: PoolId,
    pending: Pending,
    avoided: Option<NodeId>,
) {
    core.tally.resent += 1;
    let mut outgoing = Outgoing::again(&pending, core.base_of(pending.origin));
    let mut frame = pending.frame;
    if outgoing.opcode == Opcode::Execute {
        execute(core, features, outgoing, &mut frame, avoided);
    } else if outgoing.opcode == Opcode::Batch {
        let at = Anywhere { pool, reason: Reason::UnroutableBatch, avoided };
        batch(core, features, at, &mut outgoing, &frame);
    } else {
        let at = Anywhere { pool, reason: Reason::LaneLost, avoided };
        query(core, features, at, outgoing, Read::of(outgoing.opcode, &frame));
    }
    core.spare.give_back(frame);
}

/// Sends a request once more on the lane where its statement was prepared again.
pub(crate) fn again_on(core: &mut Core, features: &Features, lane: LaneKey, pending: Pending) {
    let outgoing = Outgoing::again(&pending, core.base_of(pending.origin));
    let frame = pending.frame;
    let decision = Some(Decision { lane, reason: Reason::Reprepared });
    send_allowed(core, features, decision, &outgoing, Read::of(outgoing.opcode, &frame));
    core.spare.give_back(frame);
}

/// Sends a client's `USE` on a lane of `pool`.
pub(crate) fn send_use(core: &mut Core, features: &Features, request: UseRequest) {
    let UseRequest { pool, reason, outgoing, frame } = request;
    let at = Anywhere { pool, reason, avoided: None };
    anywhere(core, features, at, &outgoing, Read::of(Opcode::Query, &frame));
}

fn body_of(frame: &[u8]) -> &[u8] {
    frame.get(HEADER_LEN..).unwrap_or_default()
}

/// Routes an EXECUTE by its key and sends it.
fn execute(
    core: &mut Core,
    features: &mut Features,
    mut outgoing: Outgoing,
    frame: &mut [u8],
    avoided: Option<NodeId>,
) {
    let base = outgoing.base;
    if core.pools.is_dedicated(base) {
        // What the client holds is not known here, so rows come with their columns.
        let body = frame.get_mut(HEADER_LEN..).unwrap_or_default();
        execute::ask_for_metadata(body);
        let known = Execute::read(body).ok().and_then(|read| core.router.catalog.find(read.id));
        outgoing.write_type = known.map_or(WriteType::Unknown, |(_, it)| it.statement.write_type);
        let at = Anywhere { pool: base, reason: Reason::Dedicated, avoided };
        return anywhere(core, features, at, &outgoing, Read::of(Opcode::Execute, frame));
    }
    let Ok(request) = Execute::read(body_of(frame)) else {
        let at = Anywhere { pool: base, reason: Reason::UnknownStatement, avoided };
        let read = Read { message: Message::Other, frame, shaped: None };
        return anywhere(core, features, at, &outgoing, read);
    };
    let pool = core.pool_of_statement(base, request.id);
    let sticky = features.pages.lane_of_page(core, pool, &request.parameters);
    let is_in_keyspace = pool != base;
    let now_us = core.now_us;
    let (router, lanes) = core.routing(pool, Preference { sticky, avoided, is_in_keyspace });
    let routed = router.execute(&request, now_us, &lanes);
    core.ask_for(pool, routed.missing);
    core.read_tables(routed.unread.map(|unread| *unread));
    outgoing.subject = routed.statement.map_or(Subject::Unknown, Subject::Statement);
    outgoing.is_read = routed.is_read;
    outgoing.write_type = routed.write_type;
    match routed.statement {
        Some(_) => core.tally.catalog_hits += 1,
        None => {
            core.tally.catalog_misses += 1;
            if let RequestOrigin::Client { to, .. } = outgoing.origin
                && outgoing.resent == 0
                && features.unknown_ids.ask(core, to, base, request.id)
            {
                return;
            }
        }
    }
    if routed.ask_for_metadata {
        outgoing.is_bare |= request.parameters.flags & SKIP_METADATA != 0;
        if features.column_changes.ask(core, &outgoing, request.id) {
            return;
        }
    }
    if features.remote.is_in_use()
        && let message = Message::Execute(request)
        && let Some(too_far) = features.remote.forbids(core, routed.decision, &message)
    {
        return remote::refuse(core, &outgoing, too_far);
    }
    if routed.ask_for_metadata && !metadata_ids::describes_new_columns(core, routed.decision) {
        execute::ask_for_metadata(frame.get_mut(HEADER_LEN..).unwrap_or_default());
    }
    if let (Some(decision), Some(table)) = (routed.decision, routed.table) {
        core.tally.on_decision_for(table, decision.reason);
    }
    let sent = send(core, routed.decision, &outgoing, frame);
    watch(core, features, &outgoing, sent, routed.decision);
}

/// A request was sent under a stream id: has it looked at later, if slow reads are sent twice.
#[inline]
fn watch(
    core: &Core,
    features: &mut Features,
    outgoing: &Outgoing,
    sent: Option<StreamId>,
    decision: Option<Decision<LaneKey>>,
) {
    if core.settings.limits.speculative_delay_us > 0
        && let (Some(id), Some(decision)) = (sent, decision)
    {
        let copy = SentCopy { lane: decision.lane, stream: id.0 };
        features.hedging.watch(core, copy, outgoing);
    }
}

/// Routes a QUERY by its text and sends it; `at` is where another request goes, and one whose text
/// is not to be read.
fn query(
    core: &mut Core,
    features: &mut Features,
    at: Anywhere,
    mut outgoing: Outgoing,
    read: Read<'_>,
) {
    let is_routed = core.settings.routes_texts && !core.pools.is_dedicated(outgoing.base);
    let (Message::Query(query), true) = (&read.message, is_routed) else {
        return anywhere(core, features, at, &outgoing, read);
    };
    let keyspace = core.pools.keyspace(at.pool);
    let parameters = &query.parameters;
    let asked = BoundText {
        text: query.text,
        values: parameters.values,
        keyspace: keyspace.as_deref(),
        now_us: core.now_us,
    };
    let place = core.router.read_text(&asked);
    // No lane in the client's keyspace is needed where the text names another, or the same.
    let pool = if place.is_qualified { outgoing.base } else { at.pool };
    let sticky = features.pages.lane_of_page(core, pool, parameters);
    let is_in_keyspace = pool != outgoing.base;
    let preference = Preference { sticky, avoided: at.avoided, is_in_keyspace };
    let (router, lanes) = core.routing(pool, preference);
    let choice = router.text(&place, parameters.consistency.is_serial(), &lanes);
    core.ask_for(pool, choice.missing);
    let table = place.table();
    core.read_tables(place.unread);
    outgoing.subject = place.reported.map_or(Subject::Unknown, Subject::Table);
    let shaped = if core.settings.runs_shapes {
        let asked = Text { frame: read.frame, query, keyspace: keyspace.as_deref(), table };
        features.shapes.execute_of(core, &mut outgoing, &asked)
    } else {
        None
    };
    let read = Read { shaped: shaped.as_deref(), ..read };
    let allowed = send_allowed(core, features, choice.decision, &outgoing, read);
    let Allowance::Sent(sent) = allowed else { return };
    if let (Some(decision), Some(table)) = (choice.decision, table) {
        core.tally.on_decision_for(table, decision.reason);
        if matches!(decision.reason, Reason::TextLiteral | Reason::TextBound) {
            watch(core, features, &outgoing, sent, choice.decision);
        }
        if matches!(outgoing.subject, Subject::Unknown | Subject::Shape(None)) {
            let sampled = SampledTable { table, base: outgoing.base };
            features.tablet_samples.on_text(core, sampled, decision, &asked);
        }
    }
}

/// Routes a BATCH and sends it; `at` is where it goes if no child can be routed.
fn batch(
    core: &mut Core,
    features: &mut Features,
    at: Anywhere,
    outgoing: &mut Outgoing,
    frame: &[u8],
) {
    let read = Read::of(Opcode::Batch, frame);
    let Message::Batch(batch) = &read.message else {
        return anywhere(core, features, at, outgoing, read);
    };
    let keyspace = core.pools.keyspace(at.pool);
    let texts = if core.settings.routes_texts {
        ChildTexts::Read { keyspace: keyspace.as_deref(), now_us: core.now_us }
    } else {
        ChildTexts::Opaque
    };
    let place = core.router.look_through(batch, texts);
    outgoing.write_type = place.write_type;
    let pool = if place.needs_keyspace { at.pool } else { outgoing.base };
    let is_in_keyspace = pool != outgoing.base;
    let preference = Preference { avoided: at.avoided, is_in_keyspace, sticky: None };
    let (router, lanes) = core.routing(pool, preference);
    let LaneChoice { decision, missing } = router.batch(&place, &lanes);
    let (table, text) = (place.table(), place.text());
    core.read_tables(place.unread);
    core.ask_for(pool, missing);
    let allowed = send_allowed(core, features, decision, outgoing, read);
    if let (Allowance::Sent(_), Some(decision), Some(table)) = (allowed, decision, table) {
        core.tally.on_decision_for(table, decision.reason);
        // Nodes judge no batch.
        if let Some(asked) = text {
            let sampled = SampledTable { table, base: outgoing.base };
            features.tablet_samples.on_text(core, sampled, decision, &asked);
        }
    }
}

/// Sends a request to the least busy lane of a pool.
fn anywhere(
    core: &mut Core,
    features: &Features,
    at: Anywhere,
    outgoing: &Outgoing,
    read: Read<'_>,
) {
    let Anywhere { pool, reason, avoided } = at;
    let sticky = match &read.message {
        Message::Query(query) => features.pages.lane_of_page(core, pool, &query.parameters),
        Message::Execute(_) | Message::Batch(_) | Message::Other => None,
    };
    let (router, lanes) =
        core.routing(pool, Preference { sticky, avoided, ..Preference::default() });
    let decision = router.anywhere(&lanes, reason);
    send_allowed(core, features, decision, outgoing, read);
}

/// What became of a request that may have to stay in its data center.
#[derive(Clone, Copy, Debug)]
enum Allowance {
    /// It was sent under this stream id; `None` where there was no lane.
    Sent(Option<StreamId>),
    /// It must not go there, and its client got an ERROR.
    Refused,
}

/// Sends a request where `decision` says, if it may go there.
fn send_allowed(
    core: &mut Core,
    features: &Features,
    decision: Option<Decision<LaneKey>>,
    outgoing: &Outgoing,
    read: Read<'_>,
) -> Allowance {
    if features.remote.is_in_use()
        && let Some(too_far) = features.remote.forbids(core, decision, &read.message)
    {
        remote::refuse(core, outgoing, too_far);
        return Allowance::Refused;
    }
    Allowance::Sent(match read.shaped {
        Some(shaped) => send_by(core, decision, outgoing, |core, lane| {
            core.send_shaped(lane, outgoing, read.frame, shaped)
        }),
        None => send(core, decision, outgoing, read.frame),
    })
}

/// Sends a request where `decision` says; without one its client gets an ERROR.
#[inline]
fn send(
    core: &mut Core,
    decision: Option<Decision<LaneKey>>,
    outgoing: &Outgoing,
    frame: &[u8],
) -> Option<StreamId> {
    send_by(core, decision, outgoing, |core, lane| core.send(lane, outgoing, frame))
}

/// Sends a request by `put`, which takes the lane.
#[inline]
fn send_by(
    core: &mut Core,
    decision: Option<Decision<LaneKey>>,
    outgoing: &Outgoing,
    put: impl FnOnce(&mut Core, LaneKey) -> Option<StreamId>,
) -> Option<StreamId> {
    let sent = decision.and_then(|decision| {
        core.tally.on_decision(decision.reason);
        put(core, decision.lane)
    });
    if sent.is_none() {
        no_lane::answer(core, outgoing);
    }
    sent
}

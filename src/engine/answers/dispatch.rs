//! A node's answers: matched with their requests, learned from, and handed to those who asked.

use std::mem;

use crate::engine::action::Action;
use crate::engine::answers::in_place;
use crate::engine::answers::in_place::InPlace;
use crate::engine::answers::internal;
use crate::engine::client::ClientKey;
use crate::engine::core::core::Core;
use crate::engine::core::reply::{Broken, Response};
use crate::engine::core::todo::Todo;
use crate::engine::features::clients::keyspaces;
use crate::engine::features::features::Features;
use crate::engine::features::local::console;
use crate::engine::features::repeats::hedging::SentCopy;
use crate::engine::features::repeats::refusals;
use crate::engine::features::repeats::refusals::NodeRefusal;
use crate::engine::features::statements::metadata_ids;
use crate::engine::features::statements::metadata_ids::CutId;
use crate::engine::features::{agreement, slow_requests};
use crate::engine::pending::{LaneKey, Pending, Purpose, RequestOrigin, Subject};
use crate::engine::view::tally::Outcome;
use crate::upstream::lane::{LANE_RESPONSE, LaneLife, LaneRoute, RESPONSE_BODY_BYTES_MAX};
use crate::upstream::stream_ids::StreamId;
use cql::decoder::FrameDecoder;
use cql::error_code::ErrorCode;
use cql::header::{FLAG_COMPRESSED, HEADER_LEN, Header};
use cql::notation::Reader;
use cql::opcode::Opcode;
use cql::response::prefix::Prefix;
use cql::response::result::ResultKind;
use cql::response::rows;

/// The bytes of one read: what is left of them, and the decoder that holds what came before.
#[derive(Debug)]
pub(crate) struct LaneChunk<'a> {
    lane: LaneKey,
    decoder: FrameDecoder,
    rest: &'a mut [u8],
    is_broken: bool,
}

/// What became of one frame.
#[derive(Debug)]
enum Answered {
    /// It was dealt with.
    Done,
    /// It is to be written to its client where it lies.
    InPlace(InPlace),
    /// The node broke the protocol.
    Broken,
}

/// The lane on which a response came, and the response's header.
#[derive(Clone, Copy, Debug)]
struct Incoming {
    route: LaneRoute,
    header: Header,
    /// Whether the frame is so long that it should not be copied.
    is_large: bool,
}

/// Begins to read what a lane received; `None` when it is not read any more.
#[inline]
pub(crate) fn begin<'a>(
    core: &mut Core,
    lane: LaneKey,
    rest: &'a mut [u8],
) -> Option<LaneChunk<'a>> {
    let now = core.now_us;
    let entry = core.lanes.get_mut(lane).filter(|lane| lane.life != LaneLife::Broken)?;
    entry.heard_us = now;
    core.memory.bring(rest.len());
    let decoder = mem::replace(&mut entry.decoder, FrameDecoder::new([0; 2], 0));
    Some(LaneChunk { lane, decoder, rest, is_broken: false })
}

/// Reads the next frame of a chunk and acts on it; `false` when there is no more.
#[inline]
pub(crate) fn next(
    core: &mut Core,
    features: &mut Features,
    chunk: &mut LaneChunk<'_>,
    write: &mut impl FnMut(ClientKey, &[u8]) -> usize,
) -> bool {
    match chunk.decoder.next_frame(&mut chunk.rest) {
        Ok(Some(frame)) => {
            let is_large = in_place::is_large(frame);
            match on_frame(core, features, chunk.lane, frame, is_large) {
                Answered::Done => {}
                Answered::InPlace(answer) => in_place::forward(core, answer, frame, write),
                Answered::Broken => chunk.is_broken = true,
            }
        }
        Ok(None) => return false,
        Err(_) => chunk.is_broken = true,
    }
    !chunk.is_broken
}

/// Ends a chunk: the decoder keeps the beginning of the next frame, and a broken lane is closed.
#[inline]
pub(crate) fn end(core: &mut Core, chunk: LaneChunk<'_>) {
    if let Some(lane) = core.lanes.get_mut(chunk.lane) {
        lane.decoder = chunk.decoder;
    }
    if chunk.is_broken {
        core.tally.lanes_broken += 1;
        core.break_lane(chunk.lane);
    }
}

fn on_frame(
    core: &mut Core,
    features: &mut Features,
    key: LaneKey,
    frame: &mut [u8],
    is_large: bool,
) -> Answered {
    let Some(header) = Header::peek(frame) else { return Answered::Broken };
    if header.version != LANE_RESPONSE {
        return Answered::Broken;
    }
    if header.flags & FLAG_COMPRESSED != 0 {
        return on_compressed(core, features, key, frame);
    }
    if header.stream < 0 {
        return Answered::Done;
    }
    let now_us = core.now_us;
    let Some(lane) = core.lanes.get_mut(key) else { return Answered::Broken };
    let route = lane.route;
    let answer = lane.ids.answer(StreamId(header.stream));
    let Ok(mut waiting) = answer else { return Answered::Broken };
    let Some(pending) = &waiting else {
        core.tally.late_answers += 1;
        return Answered::Done;
    };
    lane.retained_bytes = lane.retained_bytes.saturating_sub(pending.frame.len());
    let drained = lane.is_done();
    let failed = header.opcode == Opcode::Error.byte();
    if let RequestOrigin::Client { .. } = pending.origin {
        let waited_us = now_us.saturating_sub(pending.arrived_us);
        lane.answered += 1;
        lane.waited_us += waited_us;
        if waited_us >= core.slow.from_us {
            slow_requests::keep(core, key, pending, failed);
        }
    }
    let copy = SentCopy { lane: key, stream: header.stream };
    let answered = if features.hedging.leaves_it_to_twin(core, copy, failed) {
        Answered::Done
    } else {
        let body = frame.get_mut(HEADER_LEN..).unwrap_or_default();
        on_response(core, features, &Incoming { route, header, is_large }, &mut waiting, body)
    };
    if let Some(pending) = waiting {
        core.spare.give_back(pending.frame);
    }
    if drained {
        core.actions.push_back(Action::CloseLane(key));
    }
    answered
}

/// A frame whose body is compressed.
fn on_compressed(core: &mut Core, features: &mut Features, key: LaneKey, frame: &[u8]) -> Answered {
    let compression = core.lanes.get(key).and_then(|lane| lane.route.compression);
    let Some(compression) = compression else { return Answered::Broken };
    let mut plain = core.spare.keep(&[]);
    let unpacked = compression.decompress_frame(frame, RESPONSE_BODY_BYTES_MAX, &mut plain);
    let answered = match unpacked {
        Ok(()) => on_frame(core, features, key, &mut plain, false),
        Err(_) => Answered::Broken,
    };
    core.spare.give_back(plain);
    answered
}

/// A request was answered. What is left in `waiting` is done with.
fn on_response(
    core: &mut Core,
    features: &mut Features,
    incoming: &Incoming,
    waiting: &mut Option<Pending>,
    body: &mut [u8],
) -> Answered {
    let &Incoming { route, header, .. } = incoming;
    let Some(pending) = waiting else { return Answered::Done };
    let Ok(Prefix { payload, message_at }) = Prefix::read(header.flags, body) else {
        return malformed(core, features, waiting);
    };
    let mut lwt = false;
    let mut cut = CutId::default();
    if header.opcode == Opcode::Result.byte() {
        let report = body.get(payload.clone()).unwrap_or_default();
        features.tablet_reports.learn(core, pending, report);
        if route.metadata_ids {
            match metadata_ids::cut(body.get_mut(message_at..).unwrap_or_default()) {
                Ok(found) => cut = found,
                Err(Broken) => return malformed(core, features, waiting),
            }
        }
        // Only the answers to PREPARE carry the mark.
        if pending.opcode == Opcode::Prepare {
            let message = body.get_mut(message_at + cut.later..);
            lwt = clear_lwt_mark(route, message.unwrap_or_default());
        }
    }
    let message_at = message_at + cut.later;
    // A payload of Apache Cassandra is its query handler's, for the client.
    let payload_at = if route.is_cassandra { payload.end } else { payload.start };
    let payload = payload_at..payload.end + cut.later;
    let response = Response { header, body, payload, message_at, lwt, metadata_id: cut.id };
    match pending.origin {
        RequestOrigin::Client { .. } => answer_client(core, features, incoming, waiting, &response),
        RequestOrigin::Internal(request) => {
            internal::on_answer(core, features, request, &response);
            Answered::Done
        }
    }
}

/// A client's request was answered.
fn answer_client(
    core: &mut Core,
    features: &mut Features,
    &Incoming { route, is_large, .. }: &Incoming,
    waiting: &mut Option<Pending>,
    response: &Response<'_>,
) -> Answered {
    let Some(pending) = waiting else { return Answered::Done };
    let RequestOrigin::Client { to, purpose } = pending.origin else { return Answered::Done };
    let mut outcome = Outcome::Answered;
    let mut is_held = false;
    let mut answered = Answered::Done;
    match Opcode::from_byte(response.header.opcode) {
        Some(Opcode::Result) => match ResultKind::read(response.message()) {
            Ok(ResultKind::Void) => is_held = agreement::is_no_op(core, pending),
            Ok(ResultKind::Rows) => on_rows(core, features, route, waiting, response.message()),
            Ok(ResultKind::Prepared) => {
                let statements = &mut features.prepared_statements;
                if let Some(key) = statements.on_prepared(core, route, pending, response) {
                    features.column_changes.on_prepared(core, to.client, key);
                }
            }
            Ok(ResultKind::SetKeyspace) => match purpose {
                Purpose::Use(pool) => {
                    let (client, sent_at) = (to.client, pending.sent_at);
                    keyspaces::on_keyspace_set(core, client, pool, sent_at, response.message());
                }
                // A plain lane is in a keyspace now.
                Purpose::Forward | Purpose::Schema => answered = Answered::Broken,
            },
            Ok(ResultKind::SchemaChange) => {
                agreement::forget_changed_by(core, response.message());
                is_held = true;
            }
            Err(_) => return malformed(core, features, waiting),
        },
        Some(Opcode::Error) => {
            on_error(core, features, route, waiting, response);
            outcome = Outcome::Failed;
        }
        _ => return malformed(core, features, waiting),
    }
    let Some(pending) = waiting else { return Answered::Done };
    if is_held {
        let frame = core.frame_for(to, response);
        features.agreement.on_schema_changed(core, to.client, pending, frame);
    } else if is_large
        && matches!(answered, Answered::Done)
        && let Some(answer) = in_place::plan(core, pending, outcome, response)
    {
        answered = Answered::InPlace(answer);
    } else if purpose == Purpose::Schema
        && let Some(body) = console::with_own_rows(core, to.client, pending.body(), response)
    {
        let body_len = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let header = Header { body_len, ..response.header };
        core.deliver(to, pending, outcome, &Response { header, body: &body, ..response.clone() });
    } else {
        core.deliver(to, pending, outcome, response);
    }
    core.end_use(to.client, purpose);
    answered
}

/// A node answered a client's request with rows. Takes the request out of `waiting` if its client is
/// not to get them.
#[inline]
fn on_rows(
    core: &mut Core,
    features: &mut Features,
    route: LaneRoute,
    waiting: &mut Option<Pending>,
    message: &[u8],
) {
    let Some(pending) = waiting else { return };
    match rows::bare_columns_count(message) {
        Some(count) if metadata_ids::would_mislead(core, route, pending, count) => {
            if let Some(pending) = waiting.take() {
                metadata_ids::ask_again(core, route, pending);
            }
        }
        Some(_) => {}
        None => features.column_changes.on_described_rows(core, waiting, message),
    }
    if waiting.is_some() {
        features.pages.on_rows(route, message);
    }
}

/// A node answered a client's request with an ERROR. Leaves the request in `waiting` if the client
/// is to get that answer.
fn on_error(
    core: &mut Core,
    features: &mut Features,
    route: LaneRoute,
    waiting: &mut Option<Pending>,
    response: &Response<'_>,
) {
    let Some(pending) = waiting else { return };
    if matches!(pending.opcode, Opcode::Execute | Opcode::Batch)
        && Reader::new(response.message()).int() == Ok(ErrorCode::UNPREPARED.0)
    {
        features.prepared_statements.on_unprepared(core, route, pending);
        let pending = waiting.take();
        *waiting = pending
            .and_then(|pending| features.reprepare.on_unprepared(core, route, pending, response));
        return;
    }
    if let Subject::Shape(_) = pending.subject {
        let (pending, message) = (waiting.take(), response.message());
        *waiting =
            pending.and_then(|pending| features.shapes.on_error(core, route, pending, message));
    }
    let Some(pending) = waiting else { return };
    // A client's own connection is its only lane, and may have sent `USE` since.
    if core.pools.is_dedicated(route.pool) {
        return;
    }
    match refusals::judge(core, route, pending, response.message()) {
        NodeRefusal::Final => return,
        NodeRefusal::Retry if !features.retry_budgets.pay_for_refused(core) => return,
        NodeRefusal::RetryFailed if !features.retry_budgets.pay_for_failed(core) => return,
        NodeRefusal::Retry | NodeRefusal::RetryFailed | NodeRefusal::RetryFree => {}
        NodeRefusal::NodeLeaves => {
            let lanes = core.pools.lane_map(route.pool);
            if let Some(lane) = lanes.lane(route.node, route.shard) {
                core.retire_lane(lane);
            }
        }
    }
    // Its node would be the least busy of all, because it refuses at once.
    let (pool, avoided) = (route.pool, Some(route.node));
    if let Some(pending) = waiting.take() {
        core.todo.push_back(Todo::RouteAgain { pool, pending, avoided });
    }
}

fn malformed(core: &mut Core, features: &mut Features, waiting: &mut Option<Pending>) -> Answered {
    if let Some(pending) = waiting.take() {
        match pending.origin {
            RequestOrigin::Client { .. } => {
                core.give_up(pending, ErrorCode::SERVER_ERROR, "the node's answer is malformed");
            }
            RequestOrigin::Internal(request) => internal::on_lost(core, features, request),
        }
    }
    Answered::Broken
}

/// Clears the mark of light-weight transactions, which the client did not ask for, and returns
/// whether it was set.
fn clear_lwt_mark(route: LaneRoute, message: &mut [u8]) -> bool {
    if route.lwt_mask == 0 || ResultKind::read(message) != Ok(ResultKind::Prepared) {
        return false;
    }
    let Ok(id_len) = Reader::new(message.get(4..).unwrap_or_default()).short() else {
        return false;
    };
    let at = 6 + usize::from(id_len);
    let Some(flags) = message.get_mut(at..at + 4) else { return false };
    let Ok(bytes) = <[u8; 4]>::try_from(&*flags) else { return false };
    let before = u32::from_be_bytes(bytes);
    flags.copy_from_slice(&(before & !route.lwt_mask).to_be_bytes());
    before & route.lwt_mask != 0
}

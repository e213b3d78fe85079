//! Keeps requests that took long, for the console. On the road an answer costs one comparison.

use std::sync::Arc;

use crate::engine::core::core::Core;
use crate::engine::pending::{LaneKey, Pending, RequestOrigin, Subject};
use crate::engine::view::slow_request::SlowRequest;
use crate::engine::view::tally::RequestKind;
use crate::facade::text::lexer::WordLexer;
use cql::notation::Reader;

/// Longest text that is kept, bytes.
const TEXT_BYTES_MAX: usize = 1_000;

/// Keeps a request of a client that a lane has just answered.
#[cold]
#[inline(never)]
pub(crate) fn keep(core: &mut Core, lane: LaneKey, pending: &Pending, is_failed: bool) {
    let Some(lane) = core.lanes.get(lane) else { return };
    let (node, shard) = (lane.route.node, lane.route.shard);
    let RequestOrigin::Client { to, .. } = pending.origin else { return };
    let now_us = core.now_us;
    if core.slow.is_resting(now_us) {
        return;
    }
    let statement = pending.subject.statement();
    let statement = statement.and_then(|key| core.router.catalog.get(key));
    let statement = statement.map(|entry| Arc::clone(&entry.statement));
    let kind = RequestKind::of(pending.opcode);
    let text = match (&statement, kind) {
        (Some(statement), _) => Some(&*statement.text),
        (None, RequestKind::Query | RequestKind::Prepare) => {
            Reader::new(pending.body()).long_string().ok()
        }
        (None, RequestKind::Execute | RequestKind::Batch | RequestKind::Session) => None,
    };
    let text = text.map(|text| {
        let end = text.floor_char_boundary(TEXT_BYTES_MAX);
        // A literal that is cut in two is shown as one, without its value.
        WordLexer::without_literals(text.get(..end).unwrap_or_default()).into()
    });
    let named = match pending.subject {
        Subject::Table(table) | Subject::Shape(Some(table)) => core.router.tables.name(table),
        Subject::Statement(_) | Subject::Shape(None) | Subject::Unknown => None,
    };
    let named = named.map(|(keyspace, table)| (keyspace.into(), table.into()));
    let table = statement.as_ref().and_then(|statement| statement.table.clone()).or(named);
    let peer = core.clients.get(to.client).and_then(|client| client.about.peer);
    core.slow.keep(SlowRequest {
        number: 0,
        at_us: now_us,
        waited_us: now_us.saturating_sub(pending.arrived_us),
        kind,
        table,
        text,
        peer,
        node,
        shard,
        resent: pending.resent,
        is_failed,
    });
}

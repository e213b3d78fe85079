//! Result metadata ids, exchanged with the nodes on behalf of clients that do not know of them.
//!
//! A driver keeps the columns of a prepared SELECT and asks for rows without them. After ALTER TABLE
//! it would read new rows by old columns. So each EXECUTE names the columns that the client holds,
//! and a node whose rows have others describes them, whatever the client asked.

use crate::engine::core::core::Core;
use crate::engine::core::reply::Broken;
use crate::engine::core::todo::Todo;
use crate::engine::pending::{LaneKey, Pending, RESENT_MAX};
use crate::routing::decision::Decision;
use crate::upstream::lane::LaneRoute;
use cql::opcode::Opcode;
use cql::request::execute;
use cql::response::metadata_id;
use cql::response::result::ResultKind;

/// What was cut out of a RESULT.
#[derive(Debug, Default)]
pub(crate) struct CutId {
    /// By how many bytes the message begins later.
    pub(crate) later: usize,
    /// The id of the columns that a statement returns; empty when there was none.
    pub(crate) id: Box<[u8]>,
}

/// Cuts the metadata id out of a RESULT message of a node that sends ids, in place.
pub(crate) fn cut(message: &mut [u8]) -> Result<CutId, Broken> {
    match ResultKind::read(message) {
        Ok(ResultKind::Rows) => {
            let later = metadata_id::cut_from_rows(message).map_err(|_| Broken)?;
            Ok(CutId { later, ..CutId::default() })
        }
        Ok(ResultKind::Prepared) => {
            let cut = metadata_id::cut_from_prepared(message).map_err(|_| Broken)?;
            Ok(CutId { later: cut.later, id: cut.id })
        }
        // A malformed message is found by the next reader.
        Ok(ResultKind::Void | ResultKind::SetKeyspace | ResultKind::SchemaChange) | Err(_) => {
            Ok(CutId::default())
        }
    }
}

/// Whether the node would describe the columns by itself if they are not those that the client
/// holds.
#[inline]
pub(crate) fn describes_new_columns(core: &Core, decision: Option<Decision<LaneKey>>) -> bool {
    let lane = decision.and_then(|decision| core.lanes.get(decision.lane));
    lane.is_some_and(|lane| lane.route.metadata_ids)
}

/// Whether a client would read the rows of its EXECUTE by columns that are no longer theirs: `count`
/// columns that are not described.
///
/// For nodes that know no ids: the table changed while the request was on its way, and asked
/// for rows without their columns. Then it is sent again, and asks for them.
#[inline]
pub(crate) fn would_mislead(core: &Core, route: LaneRoute, pending: &Pending, count: u32) -> bool {
    if route.metadata_ids || pending.opcode != Opcode::Execute || !pending.is_read {
        return false;
    }
    let Some(key) = pending.subject.statement() else { return false };
    // A statement that was forgotten while the request was on its way may have changed as well.
    let changed = core.router.catalog.get(key).is_none_or(|entry| {
        entry.changed || entry.columns_count().is_some_and(|held| held != count)
    });
    changed && pending.resent < RESENT_MAX && execute::skips_metadata(pending.body())
}

/// Sends an EXECUTE again, and asks for the columns of its rows.
pub(crate) fn ask_again(core: &mut Core, route: LaneRoute, mut pending: Pending) {
    if let Some(key) = pending.subject.statement() {
        core.router.catalog.on_columns_changed(key);
    }
    pending.is_bare = true;
    execute::ask_for_metadata(pending.body_mut());
    core.todo.push_back(Todo::RouteAgain { pool: route.pool, pending, avoided: None });
}

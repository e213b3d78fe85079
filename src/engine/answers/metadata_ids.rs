//! Result metadata ids, spoken with the nodes on behalf of clients that do not know of them.
//!
//! A driver keeps the columns of a prepared SELECT and asks for rows without them. After ALTER TABLE
//! it would read new rows by old columns. So each EXECUTE names the columns that the client holds,
//! and a node whose rows have others describes them, whatever the client asked.

use crate::engine::answers::deliver::Broken;
use crate::engine::engine::Engine;
use crate::engine::pending::{LaneKey, Pending};
use crate::engine::requests::forward::Outgoing;
use crate::engine::trouble::lost::RESENT_MAX;
use crate::routing::catalog::Catalog;
use crate::routing::decision::Decision;
use crate::routing::statement::Entry;
use crate::upstream::lane::{LaneRoute, PoolId};
use cql::header::{HEADER_LEN, Header};
use cql::notation::{Reader, put_short_bytes};
use cql::opcode::Opcode;
use cql::request::execute;
use cql::response::metadata_id;
use cql::response::result::ResultKind;
use cql::response::rows;

/// What was cut out of a RESULT.
#[derive(Debug, Default)]
pub(in crate::engine) struct CutId {
    /// By how many bytes the message begins later.
    pub(in crate::engine) later: usize,
    /// The id of the columns that a statement returns; empty when none was told.
    pub(in crate::engine) id: Box<[u8]>,
}

/// Cuts the metadata id out of a RESULT message, in place.
#[inline]
pub(in crate::engine) fn cut(route: LaneRoute, message: &mut [u8]) -> Result<CutId, Broken> {
    if !route.metadata_ids {
        return Ok(CutId::default());
    }
    match ResultKind::read(message) {
        Ok(ResultKind::Rows) => {
            let later = metadata_id::cut_from_rows(message).map_err(|_| Broken)?;
            Ok(CutId { later, ..CutId::default() })
        }
        Ok(ResultKind::Prepared) => {
            let (later, id) = metadata_id::cut_from_prepared(message).map_err(|_| Broken)?;
            Ok(CutId { later, id })
        }
        // What is malformed is found out by whoever reads it next.
        Ok(ResultKind::Void | ResultKind::SetKeyspace | ResultKind::SchemaChange) | Err(_) => {
            Ok(CutId::default())
        }
    }
}

/// The id that an EXECUTE has to name on a lane; `None` where it names none.
///
/// An empty id matches no columns, so that rows come with theirs: for statements that are not in
/// the catalog, or of which clients hold different columns.
#[inline]
pub(in crate::engine) fn held_id<'c>(
    catalog: &'c Catalog,
    route: LaneRoute,
    outgoing: &Outgoing,
) -> Option<&'c [u8]> {
    if !route.metadata_ids || outgoing.opcode != Opcode::Execute {
        return None;
    }
    let entry = outgoing.statement.and_then(|key| catalog.get(key));
    Some(entry.map_or(&[], Entry::held_metadata_id))
}

/// Appends an EXECUTE frame with a metadata id after its statement's id.
pub(in crate::engine) fn write_with_id(out: &mut Vec<u8>, request: &[u8], id: &[u8]) {
    let body = request.get(HEADER_LEN..).unwrap_or_default();
    let mut reader = Reader::new(body);
    // What has no statement id is for the node to refuse.
    let rest = reader.short_bytes().map_or(&[][..], |_| reader.rest());
    let head_len = request.len() - rest.len();
    let start = out.len();
    out.extend_from_slice(request.get(..head_len).unwrap_or_default());
    put_short_bytes(out, id);
    out.extend_from_slice(rest);
    let body_len = u32::try_from(out.len() - start - HEADER_LEN).unwrap_or(u32::MAX);
    if let Some(header) = Header::peek(request)
        && let Some(at) = out.get_mut(start..start + HEADER_LEN)
    {
        at.copy_from_slice(&Header { body_len, ..header }.to_bytes());
    }
}

impl Engine {
    /// Whether a node would tell by itself that the columns are not those that the client holds.
    pub(in crate::engine) fn tells_new_columns(&self, decision: Option<Decision<LaneKey>>) -> bool {
        let lane = decision.and_then(|decision| self.lanes.get(decision.lane));
        lane.is_some_and(|lane| lane.route.metadata_ids)
    }

    /// Whether a client would read the rows of its EXECUTE by columns that are no longer theirs.
    ///
    /// For nodes that know no ids: the table changed while the request was on its way, and asked
    /// for rows without their columns. Then it is sent again, and asks for them.
    #[inline]
    pub(in crate::engine) fn would_mislead(
        &self,
        route: LaneRoute,
        pending: &Pending,
        message: &[u8],
    ) -> bool {
        if route.metadata_ids || pending.opcode != Opcode::Execute || !pending.is_read {
            return false;
        }
        let Some(count) = rows::bare_columns_count(message) else { return false };
        let Some(key) = pending.statement else { return false };
        // What was forgotten while the request was on its way may have changed as well.
        let changed = self.router.catalog.get(key).is_none_or(|entry| {
            entry.changed || entry.columns_count().is_some_and(|held| held != count)
        });
        let body = pending.frame.get(HEADER_LEN..).unwrap_or_default();
        changed && pending.resent < RESENT_MAX && execute::skips_metadata(body)
    }

    /// Sends an EXECUTE again, and asks for the columns of its rows.
    pub(in crate::engine) fn ask_again(&mut self, pool: PoolId, mut pending: Pending) {
        if let Some(key) = pending.statement {
            self.router.catalog.on_columns_changed(key);
        }
        execute::ask_for_metadata(pending.frame.get_mut(HEADER_LEN..).unwrap_or_default());
        self.send_again(pool, pending);
    }
}

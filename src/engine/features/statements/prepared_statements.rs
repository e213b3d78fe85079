//! Statements that clients prepared: recorded, and prepared on the other nodes before they are
//! needed there.

use std::sync::Arc;

use crate::collections::allowance::Allowance;
use crate::engine::action::{Action, PeerMessage};
use crate::engine::core::core::Core;
use crate::engine::core::reply::Response;
use crate::engine::pending::{InternalRequest, LaneKey, Pending};
use crate::facade::text::statement_text;
use crate::routing::catalog::StatementKey;
use crate::routing::policy::LaneCandidates;
use crate::routing::qualified;
use crate::routing::statement::Statement;
use crate::routing::tables::read_times::Want;
use crate::topology::id::NodeId;
use crate::topology::table::TableId;
use crate::upstream::lane::{LaneRoute, PoolId};
use cql::opcode::Opcode;
use cql::request::prepare::Prepare;
use cql::response::prepared::Prepared;
use cql::response::result::ResultKind;
use cql::statement::write_type::WriteType;

/// Statements prepared on a node that has just come up, most recently used first.
const WARMED_MAX: usize = 1000;
/// Statements that other nodes prepare before any use, at once and each second: those of an
/// application that starts, and not each text of one that writes values into its texts.
const AHEAD_MAX: u32 = 1000;
const AHEAD_PER_S: u32 = 10;
/// Statements that the rest of the nodes prepare since they are used again, at once and each second.
const USED_MAX: u32 = 1000;
const USED_PER_S: u32 = 100;

/// How many statements may still be prepared on other nodes.
#[derive(Debug)]
pub(crate) struct PreparedStatements {
    ahead: Allowance,
    used: Allowance,
}

impl Default for PreparedStatements {
    fn default() -> Self {
        let ahead = Allowance::new(AHEAD_MAX, AHEAD_PER_S);
        Self { ahead, used: Allowance::new(USED_MAX, USED_PER_S) }
    }
}

impl PreparedStatements {
    /// A node prepared a client's statement: its answer is recorded, and the other nodes are asked
    /// to prepare the statement as well, unless they were asked before, or there were too many.
    /// Returns the statement, unless it cannot be recorded.
    pub(crate) fn on_prepared(
        &mut self,
        core: &mut Core,
        route: LaneRoute,
        pending: &Pending,
        response: &Response<'_>,
    ) -> Option<StatementKey> {
        let key = record_answer(core, route, pending, response)?;
        // On one client's own connection no other node can be asked.
        let may = !core.pools.is_dedicated(route.pool);
        if may && core.router.catalog.get(key).is_some_and(|entry| !entry.spread) {
            if self.ahead.take(core.now_us) {
                spread_beside(core, key, route.pool, route.node);
            } else {
                core.tally.not_spread += 1;
            }
        }
        Some(key)
    }

    /// A node does not know the statement of a client's EXECUTE. If that is used again and was not
    /// spread when it was prepared, the nodes besides this one are asked to prepare it now.
    pub(crate) fn on_unprepared(&mut self, core: &mut Core, route: LaneRoute, pending: &Pending) {
        let Some(key) = pending.subject.statement() else { return };
        let Some(entry) = core.router.catalog.get(key) else { return };
        let base = core.pools.base(route.pool);
        if entry.spread || !entry.is_used_again() || core.pools.is_dedicated(base) {
            return;
        }
        let pool = core.pools.of_keyspace(base, entry.statement.keyspace.as_deref());
        if let Some(pool) = pool
            && self.used.take(core.now_us)
        {
            spread_beside(core, key, pool, route.node);
        }
    }
}

/// The lanes for a PREPARE of a client whose lanes are those of `pool`. A statement that names its
/// keyspace is, on the plain lanes of `base`, one for all clients, and each node can prepare it.
pub(crate) fn lanes_for(core: &Core, pool: PoolId, base: PoolId, body: &[u8]) -> PoolId {
    let may = pool != base && core.settings.routes_texts;
    match Prepare::read(body) {
        Ok(Prepare { text }) if may && qualified::is_qualified(text) => base,
        Ok(_) | Err(_) => pool,
    }
}

/// Records what a node answered to a client's PREPARE, unless that cannot be read, or belongs to a keyspace
/// that is not known any more.
fn record_answer(
    core: &mut Core,
    route: LaneRoute,
    pending: &Pending,
    response: &Response<'_>,
) -> Option<StatementKey> {
    let Prepare { text } = Prepare::read(pending.body()).ok()?;
    let prepared = Prepared::read(4, response.message()).ok()?;
    // The one in which it was asked: the client may have said `USE` while this was on its way, on its own
    // connection as well.
    let keyspace = core.pools.keyspace_of_sent(route.pool, pending.sent_at).ok()?;
    let statement = Arc::new(Statement {
        id: prepared.id.into(),
        text: text.into(),
        keyspace,
        table: prepared.table.map(|it| (it.keyspace.into(), it.table.into())),
        pk_indexes: prepared.pk_indexes.clone(),
        names: prepared.names.iter().map(|name| Box::from(*name)).collect(),
        lwt: response.lwt,
        is_read: statement_text::is_select(text),
        write_type: match response.lwt {
            true => WriteType::Cas,
            false => WriteType::of_text(text, Some(prepared.has_counter)),
        },
        result_metadata: prepared.result_metadata.into(),
        metadata_id: response.metadata_id.clone(),
    });
    let (key, table) = record(core, Arc::clone(&statement));
    if let Some(table) = table
        && !statement.pk_indexes.is_empty()
    {
        core.want_tablets(table, Want::Named);
    }
    if core.settings.has_peers {
        core.actions
            .push_back(Action::ToOtherWorkers(PeerMessage::Statement(Arc::clone(&statement))));
    }
    Some(key)
}

/// Asks all nodes but `knowing` to prepare a statement, over the lanes of `pool`.
fn spread_beside(core: &mut Core, key: StatementKey, pool: PoolId, knowing: NodeId) {
    let Some(entry) = core.router.catalog.get(key) else { return };
    let statement = Arc::clone(&entry.statement);
    let nodes = core.pools.nodes(pool);
    for node in nodes.into_iter().filter(|node| *node != knowing) {
        let lane = core.lanes_of(pool).lane_of_node(node);
        if lane.is_some_and(|lane| spread(core, lane, &statement)) {
            core.tally.spread += 1;
        }
    }
    core.router.catalog.on_spread(key);
}

/// Puts a statement into the catalog; returns it, and its table.
pub(crate) fn record(
    core: &mut Core,
    statement: Arc<Statement>,
) -> (StatementKey, Option<TableId>) {
    let table = table_of(core, &statement);
    (core.router.catalog.record(statement, table), table)
}

/// The number of the table whose partition a statement's values name.
pub(crate) fn table_of(core: &mut Core, statement: &Statement) -> Option<TableId> {
    let named = statement.table.as_ref().filter(|_| !statement.pk_indexes.is_empty());
    named.and_then(|(keyspace, table)| core.router.tables.intern(keyspace, table))
}

/// The first lane to a node is up: prepares statements there before they are needed.
/// Half of its streams stay free, because it may be the only lane that clients have.
pub(crate) fn warm(core: &mut Core, lane: LaneKey, pool: PoolId) {
    let room = usize::from(core.settings.limits.lane_streams_max) / 2;
    let keyspace = core.pools.keyspace(pool);
    let recent = core.router.catalog.recent();
    let of_keyspace = recent.into_iter().filter(|statement| statement.keyspace == keyspace);
    for statement in of_keyspace.take(WARMED_MAX.min(room)) {
        if !spread(core, lane, &statement) {
            break;
        }
        core.tally.spread += 1;
    }
}

fn spread(core: &mut Core, lane: LaneKey, statement: &Statement) -> bool {
    core.send_prepare(lane, &statement.text, InternalRequest::Spread)
}

/// A node answered a request of our own. One that prepared a statement with other columns than are
/// recorded answers every client with those.
pub(crate) fn compare_columns(core: &mut Core, response: &Response<'_>) {
    let message = response.message();
    if response.header.opcode == Opcode::Result.byte()
        && ResultKind::read(message) == Ok(ResultKind::Prepared)
        && let Ok(prepared) = Prepared::read(4, message)
    {
        core.router.catalog.compare(prepared.id, prepared.result_metadata);
    }
}

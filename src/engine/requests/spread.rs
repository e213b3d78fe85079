//! Statements that a client prepared, recorded and prepared on the other nodes ahead of need.

use std::sync::Arc;

use crate::engine::action::{Action, PeerMessage};
use crate::engine::answers::deliver::Response;
use crate::engine::engine::Engine;
use crate::engine::pending::{InternalRequest, LaneKey, Pending};
use crate::facade::statement_text;
use crate::routing::policy::LaneView;
use crate::routing::statement::Statement;
use crate::topology::id::NodeId;
use crate::upstream::lane::{LaneRoute, PoolId};
use cql::header::HEADER_LEN;
use cql::request::prepare::Prepare;
use cql::response::prepared::Prepared;

/// Statements prepared on a node that has just come up, most recently used first.
const WARMED_MAX: usize = 1000;

impl Engine {
    /// A node prepared a client's statement: what it said is recorded, and the other nodes are
    /// asked to prepare it as well.
    pub(in crate::engine) fn on_prepared(
        &mut self,
        route: LaneRoute,
        pending: &Pending,
        response: &Response<'_>,
    ) {
        let body = pending.frame.get(HEADER_LEN..).unwrap_or_default();
        let Ok(Prepare { text }) = Prepare::read(body) else { return };
        let Ok(prepared) = Prepared::read(4, response.message()) else { return };
        // The lane's, not the client's: it may have said USE while this was on its way.
        let keyspace = self.pools.keyspace(route.pool);
        let statement = Arc::new(Statement {
            id: prepared.id.into(),
            text: text.into(),
            keyspace,
            table: prepared.table.map(|(keyspace, table)| (keyspace.into(), table.into())),
            pk_indexes: prepared.pk_indexes.clone(),
            names: prepared.names.iter().map(|name| Box::from(*name)).collect(),
            lwt: response.lwt,
            is_read: statement_text::is_select(text),
            result_metadata: prepared.result_metadata.into(),
            metadata_id: response.metadata_id.clone(),
        });
        self.record(Arc::clone(&statement));
        if self.settings.has_peers {
            self.actions.push_back(Action::Tell(PeerMessage::Statement(Arc::clone(&statement))));
        }
        for node in self.other_nodes(route.pool, Some(route.node)) {
            self.prepare_on(route.pool, node, &statement.text);
        }
    }

    /// Puts a statement into the catalog.
    pub(in crate::engine) fn record(&mut self, statement: Arc<Statement>) {
        let table = statement
            .table
            .as_ref()
            .and_then(|(keyspace, table)| self.router.tables.intern(keyspace, table));
        self.router.catalog.record(statement, table);
    }

    fn prepare_on(&mut self, pool: PoolId, node: NodeId, text: &str) {
        let (_, lanes) = self.field(pool);
        if let Some(lane) = lanes.lane_of_node(node)
            && self.send_prepare(lane, text, InternalRequest::Spread)
        {
            self.tally.spread += 1;
        }
    }

    /// The first lane to a node is up: it learns the statements before they are needed there.
    /// Half of its streams stay free, for it may be the only lane that clients have.
    pub(in crate::engine) fn warm(&mut self, lane: LaneKey, pool: PoolId) {
        let room = usize::from(self.settings.limits.lane_streams_max) / 2;
        let keyspace = self.pools.keyspace(pool);
        let recent = self.router.catalog.recent();
        let of_set = recent.into_iter().filter(|statement| statement.keyspace == keyspace);
        for statement in of_set.take(WARMED_MAX.min(room)) {
            if !self.send_prepare(lane, &statement.text, InternalRequest::Spread) {
                break;
            }
            self.tally.spread += 1;
        }
    }
}

//! From a request to a decision: statement, key, token, replicas, lane.

use std::sync::Arc;

use crate::routing::bound_key::locate;
use crate::routing::catalog::{Catalog, StatementKey};
use crate::routing::decision::{Decision, Reason};
use crate::routing::place::Place;
use crate::routing::policy::{self, LaneCandidates, LaneChoice, Order};
use crate::routing::routed::Routed;
use crate::routing::shapes::Shapes;
use crate::routing::tables::read_times::ReadTimes;
use crate::routing::tables::table_keys::TableKeys;
use crate::routing::tables::table_routes::{Finder, FoundBy, TableRoutes};
use crate::routing::text::key_read::KeyRead;
use crate::routing::text::{BoundText, Schema, TextPlace, TextReader};
use crate::topology::id::NodeId;
use crate::topology::snapshot::Snapshot;
use crate::topology::table::{TableId, Tables};
use crate::topology::table_key::TableKey;
use crate::topology::tablet::Replica;
use crate::topology::tablet_map::TabletMap;
use cql::request::execute::Execute;
use cql::statement::write_type::WriteType;
use cql::token::shard::ShardId;

/// Routes requests; one for each worker.
#[derive(Debug)]
pub(crate) struct Router {
    /// Prepared statements.
    pub catalog: Catalog,
    /// Learned tablets.
    pub tablets: TabletMap,
    /// Numbers of tables.
    pub tables: Tables,
    /// Partition keys of tables that statements by text have named.
    pub keys: TableKeys,
    /// Shapes of texts that are run as prepared statements.
    pub shapes: Shapes,
    /// When the tablets of which table are asked for.
    pub read_times: ReadTimes,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) routes: TableRoutes,
    texts: TextReader,
    pub(super) scratch: Vec<u8>,
    turn: usize,
}

impl Router {
    /// A router that knows nothing yet.
    #[must_use]
    pub(crate) fn new(catalog: Catalog, tablets: TabletMap, snapshot: Arc<Snapshot>) -> Self {
        Self {
            catalog,
            tablets,
            tables: Tables::default(),
            keys: TableKeys::default(),
            shapes: Shapes::new(0),
            read_times: ReadTimes::default(),
            snapshot,
            routes: TableRoutes::default(),
            texts: TextReader::default(),
            scratch: Vec::new(),
            turn: 0,
        }
    }

    /// The picture of the cluster that decisions are made by.
    #[must_use]
    pub(crate) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Takes a new picture of the cluster.
    pub(crate) fn set_snapshot(&mut self, snapshot: Arc<Snapshot>) {
        self.snapshot = snapshot;
        self.routes.clear();
    }

    /// Routes an EXECUTE; `now_us` is of a clock that never goes back.
    pub(crate) fn execute<F: LaneCandidates>(
        &mut self,
        execute: &Execute<'_>,
        now_us: u64,
        view: &F,
    ) -> Routed<F::Lane> {
        let Some((key, entry)) = self.catalog.find(execute.id) else {
            return Routed {
                decision: self.anywhere(view, Reason::UnknownStatement),
                table: None,
                statement: None,
                // Its columns may have changed since it was forgotten here, or before we started.
                ask_for_metadata: true,
                is_read: false,
                write_type: WriteType::Unknown,
                missing: None,
                unread: None,
            };
        };
        let (ask_for_metadata, is_read, lwt) = (entry.changed, !entry.writes, entry.statement.lwt);
        let write_type = entry.statement.write_type;
        let Some(table) = entry.table else {
            return self.execute_by_text(key, execute, now_us, view);
        };
        let serial = execute.parameters.consistency.is_serial();
        let place = locate(
            entry,
            table,
            execute.parameters.values,
            &mut Schema {
                keys: &mut self.keys,
                routes: &mut self.routes,
                snapshot: &self.snapshot,
                tables: &self.tables,
            },
            &mut self.scratch,
        );
        let LaneChoice { decision, missing } = self.decide(&place, lwt || serial, view);
        let (table, statement) = (Some(table), Some(key));
        Routed {
            decision,
            table,
            statement,
            ask_for_metadata,
            is_read,
            write_type,
            missing,
            unread: None,
        }
    }

    /// Routes an EXECUTE whose values alone name no partition: its text may name one by constants, or
    /// a range of tokens.
    #[cold]
    fn execute_by_text<F: LaneCandidates>(
        &mut self,
        key: StatementKey,
        execute: &Execute<'_>,
        now_us: u64,
        view: &F,
    ) -> Routed<F::Lane> {
        let mut routed = Routed {
            decision: None,
            table: None,
            statement: Some(key),
            ask_for_metadata: true,
            is_read: false,
            write_type: WriteType::Unknown,
            missing: None,
            unread: None,
        };
        let Some(entry) = self.catalog.get(key) else { return routed };
        (routed.ask_for_metadata, routed.is_read) = (entry.changed, !entry.writes);
        let statement = Arc::clone(&entry.statement);
        routed.write_type = statement.write_type;
        let parameters = &execute.parameters;
        let asked = BoundText {
            text: &statement.text,
            values: parameters.values,
            keyspace: statement.keyspace.as_deref(),
            now_us,
        };
        let mut place = self.read_text(&asked);
        routed.unread = place.unread.take().map(Box::new);
        if let Place::Nowhere(reason) = &mut place.place {
            *reason = Reason::NoKey;
        }
        let is_fixed = statement.lwt || parameters.consistency.is_serial();
        routed.table = place.table();
        let LaneChoice { decision, missing } = self.text(&place, is_fixed, view);
        Routed { decision, missing, ..routed }
    }

    /// Reads where a statement by text may go.
    pub(crate) fn read_text(&mut self, asked: &BoundText<'_>) -> TextPlace {
        let mut schema = Schema {
            keys: &mut self.keys,
            routes: &mut self.routes,
            snapshot: &self.snapshot,
            tables: &self.tables,
        };
        self.texts.read(&mut schema, asked)
    }

    /// The read of the key that a statement by text names, if it names one.
    pub(crate) fn key_read(&mut self, asked: &BoundText<'_>) -> Option<KeyRead> {
        let schema = Schema {
            keys: &mut self.keys,
            routes: &mut self.routes,
            snapshot: &self.snapshot,
            tables: &self.tables,
        };
        self.texts.key_read(&schema, asked)
    }

    /// Routes a statement by text; `is_serial` is what its consistency says.
    pub(crate) fn text<F: LaneCandidates>(
        &mut self,
        place: &TextPlace,
        is_serial: bool,
        view: &F,
    ) -> LaneChoice<F::Lane> {
        let choice = self.decide(&place.place, place.is_fixed || is_serial, view);
        if let Some(table) = place.table() {
            self.read_times.on_used(table);
        }
        choice.by_text(place.reason)
    }

    /// Sends a request to the least busy lane, for `reason`.
    pub(crate) fn anywhere<F: LaneCandidates>(
        &mut self,
        view: &F,
        reason: Reason,
    ) -> Option<Decision<F::Lane>> {
        let order = self.next_turn();
        policy::any(view, order, reason)
    }

    /// How a table's replicas are found.
    #[inline]
    pub(crate) fn found_by(&mut self, table: TableId) -> FoundBy {
        let tables = &self.tables;
        let route = self.routes.route(&self.snapshot, table, || tables.name(table));
        route.map_or(FoundBy::Unknown, |route| FoundBy::of(&route.finder))
    }

    /// Whether a table's rows are found by its tablets.
    #[inline]
    pub(crate) fn is_tablet_table(&mut self, table: TableId) -> bool {
        self.found_by(table) == FoundBy::Tablets
    }

    /// A table changed, or all of a keyspace when `None`: its key and the shapes of texts are forgotten,
    /// and clients may hold other columns.
    pub(crate) fn on_schema_change(&mut self, keyspace: &str, table: Option<&str>) {
        self.keys.forget(keyspace, table);
        self.catalog.on_schema_change(keyspace, table);
        self.shapes.forget(keyspace, table);
    }

    /// Forgets the tablets of a table: it was dropped, or is another of the same name.
    pub(crate) fn forget_table(&mut self, table: TableId, is_present: bool) {
        self.tables.set_present(table, is_present);
        self.tablets.forget_table(table);
        self.read_times.forget(table);
    }

    /// Takes the partition key of a table. A table that is there gets a number, and no other does: its
    /// name may be anything that a client wrote. Returns the number.
    pub(crate) fn learn_key(&mut self, key: Arc<TableKey>) -> Option<TableId> {
        let is_there = key.columns.is_some();
        let id = is_there.then(|| self.tables.intern(&key.keyspace, &key.table)).flatten();
        self.keys.learn(key, id);
        id
    }

    pub(super) fn decide<F: LaneCandidates>(
        &mut self,
        place: &Place,
        fixed: bool,
        view: &F,
    ) -> LaneChoice<F::Lane> {
        let turn = self.next_turn();
        let order = if fixed { Order::Fixed } else { turn };
        let (table, token) = match place {
            Place::At(table, token) => (*table, *token),
            Place::Nowhere(reason) => return LaneChoice::of(policy::any(view, turn, *reason)),
        };
        let tables = &self.tables;
        let route = self.routes.route(&self.snapshot, table, || tables.name(table));
        let finder = route.map(|route| &route.finder);
        if let Some(Finder::Ring(ring)) = finder {
            let shard = |node| view.sharder(node).map_or(ShardId(0), |s| s.shard_of(token));
            let replica = |node: &NodeId| Replica { node: *node, shard: shard(*node) };
            let replicas = ring.replicas(token).iter().map(replica);
            if replicas.len() == 0 {
                return LaneChoice::of(policy::any(view, turn, Reason::UnknownKeyspace));
            }
            return policy::choose(view, &replicas, order, Reason::RingReplica);
        }
        if let Some(replicas) = self.tablets.locate(table, token) {
            return policy::choose(view, &replicas.iter(), order, Reason::TabletReplica);
        }
        let reason = match finder {
            Some(Finder::Tablets) => {
                self.read_times.on_unknown(table);
                Reason::UnknownTablet
            }
            Some(Finder::EachNode) => Reason::LocalTable,
            Some(Finder::Ring(_) | Finder::Unknown) | None => Reason::UnknownKeyspace,
        };
        LaneChoice::of(policy::any(view, turn, reason))
    }

    fn next_turn(&mut self) -> Order {
        self.turn = self.turn.wrapping_add(1);
        Order::LeastBusy { turn: self.turn }
    }
}

//! What an engine holds at one moment, counted on request.

use std::collections::BTreeMap;

use crate::engine::core::core::Core;
use crate::engine::features::clients::newcomers::is_new;
use crate::topology::id::NodeId;
use crate::topology::table::TableId;
use crate::upstream::lane::{Backlog, LaneLife};

/// Lanes to one node.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LaneGauges {
    /// Those that take requests.
    pub open: u64,
    /// Full ones whose node takes nothing and sends nothing.
    pub stalled: u64,
    /// Those that only wait for their last answers.
    pub draining: u64,
}

/// What an engine holds at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Gauges {
    /// Clients that are connected.
    pub clients: u64,
    /// Of those, the ones that have not finished STARTUP and login.
    pub newcomers: u64,
    /// Credentials that have lanes.
    pub credentials: u64,
    /// Requests that wait for a node's answer, orphans included.
    pub in_flight: u64,
    /// Of those, the ones whose clients were answered or have left.
    pub orphans: u64,
    /// Lanes by node.
    pub lanes: BTreeMap<NodeId, LaneGauges>,
    /// Prepared statements in the catalog, with those that are answered here.
    pub catalog_entries: u64,
    /// Bytes that they take.
    pub catalog_bytes: u64,
    /// Shapes of texts that are run as prepared statements, or were refused.
    pub shapes: u64,
    /// Bytes that they take.
    pub shapes_bytes: u64,
    /// What is held for clients and lanes, bytes.
    pub memory_held: u64,
    /// What the process takes besides, bytes; 0 while memory has no bound.
    pub memory_base: u64,
    /// Tablets whose replicas are known.
    pub tablets: u64,
    /// `keyspace.table` of each table number in the tally.
    pub table_names: Vec<String>,
}

impl Gauges {
    /// Counts what there is. It walks all lanes and tables.
    pub(crate) fn of(core: &Core) -> Self {
        let local = &core.local_statements;
        let mut gauges = Self {
            clients: wide(core.clients.len()),
            newcomers: wide(core.clients.iter().filter(|(_, client)| is_new(client)).count()),
            credentials: wide(core.pools.credentials()),
            catalog_entries: wide(core.router.catalog.len() + local.len()),
            catalog_bytes: wide(core.router.catalog.bytes() + local.bytes()),
            shapes: wide(core.router.shapes.len()),
            shapes_bytes: wide(core.router.shapes.bytes()),
            memory_held: wide(core.memory_held()),
            memory_base: wide(core.memory.other.base),
            ..Self::default()
        };
        for (_, lane) in core.lanes.iter() {
            gauges.in_flight += wide(lane.ids.in_flight());
            gauges.orphans += wide(lane.ids.orphaned());
            let of_node = gauges.lanes.entry(lane.route.node).or_default();
            match (lane.life, lane.backlog) {
                (LaneLife::Draining | LaneLife::Broken, _) => of_node.draining += 1,
                (LaneLife::Open, Backlog::Stalled) => of_node.stalled += 1,
                (LaneLife::Open, Backlog::Usual | Backlog::Full) => of_node.open += 1,
            }
        }
        let tables = (0_u32..).map(TableId);
        let named = tables.map_while(|table| Some((table, core.router.tables.name(table)?)));
        for (table, (keyspace, name)) in named {
            gauges.table_names.push(format!("{keyspace}.{name}"));
            gauges.tablets += wide(core.router.tablets.table_len(table));
        }
        gauges
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

//! What an engine tells when somebody asks: its tally, and what it holds right now.

use crate::engine::engine::Engine;
use crate::engine::tally::Tally;
use crate::topology::id::NodeId;
use crate::topology::table::TableId;
use crate::upstream::lane::LaneRoute;

/// An engine's numbers at one moment.
#[derive(Clone, Debug, Default)]
pub struct EngineReport {
    /// What it counted.
    pub tally: Tally,
    /// `keyspace.table` of each table number in the tally.
    pub table_names: Vec<String>,
    /// Clients that are connected.
    pub client_count: usize,
    /// Requests in flight on lanes, those that nobody waits for included.
    pub in_flight_count: usize,
    /// Requests that nobody waits for.
    pub orphan_count: usize,
    /// Statements in the catalog.
    pub catalog_count: usize,
    /// Bytes that they take, roughly.
    pub catalog_bytes: usize,
    /// Tablets in the map.
    pub tablet_count: usize,
    /// Each lane, and whether it is draining.
    pub lanes: Vec<(LaneRoute, bool)>,
}

impl EngineReport {
    /// Lanes to a node that take requests.
    #[must_use]
    pub fn lanes_open(&self, node: NodeId) -> usize {
        self.lanes.iter().filter(|(route, draining)| route.node == node && !draining).count()
    }
}

impl Engine {
    /// The engine's numbers as they are now.
    #[must_use]
    pub fn report(&self) -> EngineReport {
        let names = (0u32..).map_while(|number| self.router.tables.name(TableId(number)));
        EngineReport {
            tally: self.tally.clone(),
            table_names: names.map(|(keyspace, table)| format!("{keyspace}.{table}")).collect(),
            client_count: self.clients.len(),
            in_flight_count: self.lanes.iter().map(|(_, lane)| lane.ids.in_flight()).sum(),
            orphan_count: self.lanes.iter().map(|(_, lane)| lane.ids.orphaned()).sum(),
            catalog_count: self.router.catalog.len(),
            catalog_bytes: self.router.catalog.bytes(),
            tablet_count: self.router.tablets.len(),
            lanes: self.lanes.iter().map(|(_, lane)| (lane.route, lane.draining)).collect(),
        }
    }

    /// A client's requests without an answer; `None` when it is gone.
    #[must_use]
    pub fn client_in_flight(&self, client: crate::engine::client::ClientKey) -> Option<u32> {
        self.clients.get(client).map(|client| client.in_flight)
    }

    /// Whether any plain lane is open.
    #[must_use]
    pub fn has_lane(&self) -> bool {
        !self.lanes.is_empty()
    }
}

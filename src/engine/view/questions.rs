//! What the shell may ask an engine; nothing is changed by it.

use crate::engine::client::ClientKey;
use crate::engine::engine::Engine;
use crate::engine::limits::Limits;
use crate::engine::pending::LaneKey;
use crate::engine::view::gauges::Gauges;
use crate::engine::view::inspection::Inspection;
use crate::engine::view::tally::Tally;
use crate::facade::console::table::ConsoleTable;
use crate::session::session::Phase;
use crate::upstream::lane::PoolId;

impl Engine {
    /// What it held of `memory_bytes_max` when that was last measured, bytes.
    #[must_use]
    pub fn memory_held(&self) -> usize {
        self.core.memory.held
    }

    /// Whether the shell may read a client now.
    #[must_use]
    pub fn may_read(&self, client: ClientKey) -> bool {
        self.core
            .clients
            .get(client)
            .is_some_and(|client| !client.paused && client.session.phase != Phase::Closing)
    }

    /// A client's requests without an answer; `None` when it is gone.
    #[must_use]
    pub fn client_in_flight(&self, client: ClientKey) -> Option<u32> {
        self.core.clients.get(client).map(|client| client.in_flight)
    }

    /// The clients that wait for a full lane.
    #[must_use]
    pub fn held_clients(&self) -> &[(LaneKey, ClientKey)] {
        self.features.stalls.held()
    }

    /// Whether clients may still be given the lanes of a pool.
    #[must_use]
    pub fn is_pool_open(&self, base: PoolId) -> bool {
        self.core.pools.is_open(base)
    }

    /// The plain lanes with the rights of a pool.
    #[must_use]
    pub fn base_of(&self, pool: PoolId) -> PoolId {
        self.core.pools.base(pool)
    }

    /// The bounds that it keeps.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.core.settings.limits
    }

    /// The numbers so far.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.core.tally
    }

    /// The numbers so far, for those that only the shell can measure.
    pub fn tally_mut(&mut self) -> &mut Tally {
        &mut self.core.tally
    }

    /// Copies what these tables of the console show.
    #[must_use]
    pub fn inspect(&mut self, wanted: &[ConsoleTable]) -> Inspection {
        Inspection::of(&mut self.core, wanted)
    }

    /// Counts what there is at this moment. It walks all lanes and tables: for a scrape only.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        Gauges::of(&self.core)
    }
}

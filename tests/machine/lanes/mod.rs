//! Lanes and pools: opened, lost, silent, stalled.

pub(crate) mod compressed_lanes;
pub(crate) mod demand;
pub(crate) mod failover;
pub(crate) mod failover_logins;
pub(crate) mod heartbeat;
pub(crate) mod lost_lanes;
pub(crate) mod pools;
pub(crate) mod stalls;

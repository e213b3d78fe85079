//! What a worker starts with.

use crate::connect::dialing::DialingSettings;
use crate::engine::settings::EngineSettings;
use crate::pool::pool_manager::{PoolSettings, PoolShared};

/// Everything that tells a worker from others, and what it goes by.
#[derive(Debug)]
pub struct WorkerSetup {
    /// Its number.
    pub number: usize,
    /// What its engine goes by.
    pub engine: EngineSettings,
    /// What its pools go by.
    pub pools: PoolSettings,
    /// What the pools of all workers share.
    pub shared: PoolShared,
    /// What opens its connections.
    pub dialing: DialingSettings,
    /// Where its random numbers start.
    pub seed: u64,
}

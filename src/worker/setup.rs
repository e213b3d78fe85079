//! What a worker starts with.

use std::sync::Arc;

use crate::connect::dial_tasks::DialingSettings;
use crate::connect::dialer::Dialer;
use crate::engine::settings::EngineSettings;
use crate::platform::memory::MemoryShares;
use crate::pool::pool_manager::{PoolSettings, PoolShared};

/// What a worker goes by, as far as a running one takes new values.
#[derive(Clone, Debug)]
pub(crate) struct WorkerSettings {
    /// What its engine goes by.
    pub engine: EngineSettings,
    /// What its pools go by.
    pub pools: PoolSettings,
    /// What opens connections.
    pub dialer: Arc<Dialer>,
}

/// What a worker is made of: what differs from worker to worker, and its settings.
#[derive(Debug)]
pub(crate) struct WorkerSetup {
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
    /// What all workers hold.
    pub memory: MemoryShares,
    /// Where its random numbers start.
    pub seed: u64,
}

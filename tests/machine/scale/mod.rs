//! Many proxies, many nodes, in virtual time. The tables of `docs/scale.md` are written by this test
//! (`SHARDLANE_GOLDEN=write`), and stale ones fail it.

mod cold;
mod demand;
mod newcomer;
mod page;
mod restart;

use shardlane::engine::limits::Limits;
use shardlane::engine::settings::{ConsoleSettings, EngineSettings};

/// Settings of an engine that reads tablets ahead and asks for nothing else by itself.
fn settings(limits: Limits) -> EngineSettings {
    EngineSettings {
        limits,
        rack: None,
        some_nodes: false,
        tablet_samples_per_s: 100,
        routes_texts: true,
        runs_shapes: false,
        asks_to_prepare: false,
        has_peers: false,
        compression_offered: Vec::new(),
        console: ConsoleSettings::default(),
        prefetch_tablets: true,
        tablets_reread_us: 600_000_000,
    }
}

//! Settings of one engine.

use std::sync::Arc;

use crate::engine::limits::Limits;
use cql::compression::Compression;

/// Settings of one engine.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// The bounds.
    pub limits: Limits,
    /// Our own rack; its replicas come first.
    pub rack: Option<Arc<str>>,
    /// Whether only some nodes of the data center are used.
    pub some_nodes: bool,
    /// Whether all tablets of a table are asked for when a request first names it.
    pub prefetch_tablets: bool,
    /// After how long the tablets of a table in use are read again, µs; 0 is never.
    pub tablets_reread_us: u64,
    /// How many keys a second are read to have their tablets reported, where nothing else reports them.
    pub tablet_samples_per_s: u32,
    /// Whether statements by text are routed by their partition key.
    pub routes_texts: bool,
    /// Whether texts that are seen often are run as prepared statements.
    pub runs_shapes: bool,
    /// Whether clients are asked to prepare again what was not prepared here.
    pub asks_to_prepare: bool,
    /// Whether other workers want to know what this one learns.
    pub has_peers: bool,
    /// Algorithms that SUPPORTED lists. A client that asks for another one gets it all the same.
    pub compression_offered: Vec<Compression>,
    /// The console.
    pub console: ConsoleSettings,
}

/// The console: whether there is one, and who sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConsoleSettings {
    /// Whether there is one.
    pub enabled: bool,
    /// Of the clients that log in themselves, the roles that see it.
    pub roles: Vec<String>,
    /// What takes as long as this is a slow request, µs; 0 is none.
    pub slow_us: u64,
}

impl Default for ConsoleSettings {
    fn default() -> Self {
        Self { enabled: true, roles: Vec::new(), slow_us: 100_000 }
    }
}

//! One file for each thing the engine does besides passing frames on: its state and its methods.
//!
//! A feature knows the core and no other feature. It returns what it decided, or leaves what must
//! be routed or served anew on the core's to-do queue.

pub(crate) mod agreement;
pub(crate) mod column_changes;
pub(crate) mod console;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub(crate) mod features;
pub(crate) mod heartbeats;
pub(crate) mod hedging;
pub(crate) mod keyspaces;
pub(crate) mod local;
pub(crate) mod local_traces;
pub(crate) mod logins;
pub(crate) mod memory;
pub(crate) mod metadata_ids;
pub(crate) mod moves;
pub(crate) mod newcomers;
pub(crate) mod pages;
pub(crate) mod prepared_statements;
pub(crate) mod refusals;
pub(crate) mod remote;
pub(crate) mod reprepare;
pub(crate) mod retry_budget;
pub(crate) mod shapes;
pub(crate) mod slow_requests;
pub(crate) mod stalls;
pub(crate) mod tablet_reads;
pub(crate) mod tablet_reports;
pub(crate) mod tablet_samples;
pub(crate) mod unknown_ids;

//! One file for each thing the engine does besides passing frames on: its state and its methods.
//!
//! A feature knows the core and no other feature. It returns what it decided, or leaves what must
//! be routed or served anew on the core's to-do queue.

pub(crate) mod agreement;
pub(crate) mod clients; // what holds one client up, or moves it
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub(crate) mod features;
pub(crate) mod lanes; // the life of a lane beside its requests
pub(crate) mod local; // requests that are answered here
pub(crate) mod repeats; // requests that are sent twice
pub(crate) mod slow_requests;
pub(crate) mod statements; // prepared statements: spread, prepared again, and what clients know of their columns
pub(crate) mod tablets; // how the tablet map is learned

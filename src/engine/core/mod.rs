//! What every part of the engine works on, and the few things that may be done with it.

pub(crate) mod collected;
pub(crate) mod console_access;
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub(crate) mod core;
pub(crate) mod lane_life;
pub(crate) mod meets;
pub(crate) mod memory;
pub(crate) mod memory_use;
pub(crate) mod message;
pub(crate) mod met_bounds;
pub(crate) mod pool_lanes;
pub(crate) mod pools;
pub(crate) mod reply;
pub(crate) mod send;
pub(crate) mod slow_requests;
pub(crate) mod table_wants;
pub(crate) mod todo;

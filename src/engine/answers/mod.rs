//! The way down: a lane's bytes are cut into responses, matched with their requests and delivered.

pub(crate) mod dispatch;
pub(crate) mod in_place;
pub(super) mod internal;
pub(crate) mod lost;

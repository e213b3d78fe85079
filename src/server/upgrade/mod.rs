//! One process takes the place of another.

pub(crate) mod admin_place;
pub(crate) mod handover;
pub(crate) mod places;
pub(crate) mod succession;
pub(crate) mod takeover;

//! How tablets are learned.

pub(crate) mod learning;
pub(crate) mod reading;
pub(crate) mod tablet_samples;

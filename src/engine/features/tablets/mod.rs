//! How the tablet map is learned.

pub(crate) mod tablet_reads;
pub(crate) mod tablet_reports;
pub(crate) mod tablet_samples;

//! Numbers and logs.

pub mod exporter;
pub mod family;
pub mod logging;
pub mod metric;
pub mod names;
pub mod recent;
pub mod report;

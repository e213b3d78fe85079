//! Numbers and logs.

pub(crate) mod exporter;
pub(crate) mod family;
pub(crate) mod journal;
pub(crate) mod limit_names;
pub mod logging;
pub(crate) mod metric;
pub(crate) mod names;
pub(crate) mod openmetrics;
#[cfg(test)]
pub(crate) mod page_order;
pub(crate) mod recent;
pub(crate) mod report;
pub(crate) mod shape_names;
pub(crate) mod state_names;
pub(crate) mod tablet_names;
pub(crate) mod webhook_names;
pub(crate) mod webhook_page;

//! Numbers and logs.

pub(crate) mod exporter;
pub(crate) mod family;
pub(crate) mod journal;
pub mod logging;
pub(crate) mod metric;
pub(crate) mod names;
pub(crate) mod openmetrics;
pub(crate) mod recent;
pub(crate) mod report;
pub(crate) mod webhook_page;

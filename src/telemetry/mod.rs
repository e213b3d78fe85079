//! Numbers and logs.

pub mod exporter;
pub mod family;
pub mod limit_names;
pub mod logging;
pub mod metric;
pub mod names;
pub mod openmetrics;
pub mod page_order;
pub mod recent;
pub mod report;
pub mod shape_names;
pub mod state_names;
pub mod tablet_names;
pub mod webhook_names;
pub mod webhook_page;

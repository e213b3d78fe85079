//! Where a request goes, and why.

pub mod batch_place;
pub mod batches;
pub mod bound_key;
pub mod catalog;
pub mod decision;
pub mod place;
pub mod policy;
pub mod qualified;
pub mod read_times;
pub mod routed;
pub mod router;
pub mod shapes;
pub mod statement;
pub mod table_keys;
pub mod table_routes;
pub mod text;

//! Where a request goes, and why.

pub mod batch_place;
pub mod batches;
pub mod bound_key;
pub mod catalog;
pub mod decision;
pub mod place;
pub mod policy;
pub mod qualified;
pub mod routed;
pub mod router;
pub mod shapes;
pub mod statement;
pub mod tables; // what is known of a table: its key, and how its rows are found
pub mod text;

//! Where a request goes, and why.

pub(crate) mod batch_place;
pub(crate) mod batches;
pub(crate) mod bound_key;
pub mod catalog;
pub mod decision;
pub(crate) mod place;
pub(crate) mod policy;
pub(crate) mod qualified;
pub(crate) mod routed;
pub(crate) mod router;
pub mod shapes;
pub mod statement;
pub mod tables; // what is known of a table: its key, and how its rows are found
pub(crate) mod text;

//! Prepared statements: spread, prepared again, and what clients know of their columns.

pub(crate) mod column_changes;
pub(crate) mod metadata_ids;
pub(crate) mod pages;
pub(crate) mod prepared_statements;
pub(crate) mod reprepare;
pub(crate) mod shapes;
pub(crate) mod unknown_ids;

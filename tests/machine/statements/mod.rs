//! Prepared statements, and what clients know of their columns.

pub(crate) mod agreement;
pub(crate) mod column_changes;
pub(crate) mod metadata_ids;
pub(crate) mod pages;
pub(crate) mod prepared;
pub(crate) mod spreading;

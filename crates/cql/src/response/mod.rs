//! Responses, read only as far as needed.

pub mod error;
pub mod event;
pub mod metadata;
pub mod metadata_id;
pub mod prefix;
pub mod prepared;
pub mod result;
pub mod rows;
pub mod schema_change;
pub mod supported;

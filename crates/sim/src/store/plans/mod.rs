//! Statements when they are prepared: names and types meet the schema.

pub(crate) mod bind; // terms meet types
pub(crate) mod modify; // modifications when prepared
pub(crate) mod pick; // one output column
pub(crate) mod prepared; // a checked statement
pub(crate) mod request; // what comes with a statement beside its values
pub(crate) mod restriction; // WHERE and IF when prepared
pub(crate) mod select; // SELECT

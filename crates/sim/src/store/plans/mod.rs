//! Prepared statements: names and types checked against the schema.

pub(crate) mod bind; // binds terms to types
pub(crate) mod insert_json; // documents as columns and values
pub(crate) mod modify; // modifications when prepared
pub(crate) mod pick; // one output column
pub(crate) mod prepared; // a checked statement
pub(crate) mod request; // parameters of a run
pub(crate) mod restriction; // WHERE and IF when prepared
pub(crate) mod select; // SELECT when prepared

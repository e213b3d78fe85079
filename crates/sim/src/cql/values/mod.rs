//! Values as bytes, as text, and as sort keys.

pub(crate) mod calendar; // dates and times, written and read
pub(crate) mod constant; // literals → bytes
pub(crate) mod duration; // months, days, nanoseconds
pub(crate) mod elements; // collections and tuples as bytes
pub(crate) mod json; // values as JSON
pub(crate) mod sort_key; // values as bytes that sort like the values
pub(crate) mod validate; // bytes that do not fit their type
pub(crate) mod varint; // integers of any size

//! Statements when they run: plans meet rows.

pub(crate) mod aggregate; // count, min, max, sum, avg
pub(crate) mod apply; // modifications at run time
pub(crate) mod collect; // what is added to collections and counters
pub(crate) mod filter; // WHERE and IF at run time
pub(crate) mod outcome; // what a run answers
pub(crate) mod paging; // where a page ended
pub(crate) mod run; // plans meet rows
pub(crate) mod scan; // walks over rows

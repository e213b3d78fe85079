//! Execution of prepared statements on rows.

pub(crate) mod aggregate; // count, min, max, sum, avg
pub(crate) mod apply; // runs modifications
pub(crate) mod collect; // changes of collections and counters
pub(crate) mod filter; // evaluates WHERE and IF
pub(crate) mod outcome; // results
pub(crate) mod paging; // paging states
pub(crate) mod run; // runs each kind of statement
pub(crate) mod scan;
pub(crate) mod select; // runs SELECT // walks over rows

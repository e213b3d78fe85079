//! One logical database for the whole simulated cluster: schema, rows, execution.

pub mod column_spec; // columns of metadata
pub mod database; // prepare, execute, batch
pub mod outcome; // what a run answers
pub mod prepared; // a checked statement
pub mod request; // what comes with a statement beside its values
pub mod schema; // keyspaces, tables, types

pub(crate) mod aggregate; // count, min, max, sum, avg
pub(crate) mod apply; // modifications at run time
pub(crate) mod bind; // terms meet types
pub(crate) mod cell; // values with timestamps
pub(crate) mod collect; // what is added to collections and counters
pub(crate) mod definition; // CREATE, ALTER, DROP
pub(crate) mod filter; // WHERE and IF at run time
pub(crate) mod key; // keys, tokens, order
pub(crate) mod modify; // modifications when prepared
pub(crate) mod options; // what WITH says
pub(crate) mod paging; // where a page ended
pub(crate) mod pick; // one output column
pub(crate) mod restriction; // WHERE and IF when prepared
pub(crate) mod rows; // the rows of one table
pub(crate) mod run; // plans meet rows
pub(crate) mod scan; // walks over rows
pub(crate) mod select; // SELECT
pub(crate) mod system_schema; // the schema as rows
pub(crate) mod system_tables; // the server's own tables
pub(crate) mod table_definition; // CREATE, ALTER, DROP TABLE
pub(crate) mod view_definition; // views and indexes

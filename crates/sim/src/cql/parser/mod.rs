//! Parses tokens into statements.

pub(crate) mod cursor; // one token after the other
pub(crate) mod definition; // CREATE, ALTER, DROP
pub(crate) mod describe; // DESCRIBE
pub(crate) mod grant; // GRANT, REVOKE
pub(crate) mod modify; // INSERT, UPDATE, DELETE, BATCH
pub(crate) mod relation; // WHERE and IF
pub(crate) mod select; // SELECT
pub(crate) mod statement; // the first word decides
pub(crate) mod term; // values and types

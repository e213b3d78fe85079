//! DESCRIBE: the schema as the statements that create it.

pub(crate) mod create_statement; // one element as its CREATE statement
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
pub(crate) mod describe; // which elements, and the rows of the answer

//! YAML texts, edited in place: comments, order and quotes of what is not changed stay as they are.

pub(crate) mod edit;
pub(crate) mod node;
pub(crate) mod read;
pub(crate) mod write;

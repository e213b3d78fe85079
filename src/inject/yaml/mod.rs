//! YAML texts, edited in place: comments, order and quotes of what is not changed stay as they are.

pub mod edit;
pub mod node;
pub mod read;
pub mod write;

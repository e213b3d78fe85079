//! Frames, notations and tokens of the CQL native protocol, as views over bytes.

pub mod calendar;
pub mod cell;
pub mod column_type;
pub mod compression;
pub mod consistency;
pub mod decoder;
pub mod error;
pub mod error_code;
pub mod frame;
pub mod header;
pub mod json;
pub mod literal;
pub mod notation;
pub mod opcode;
mod order; // of the elements of sets
pub mod payload;
pub mod proxy_header;
pub mod refusal;
pub mod request;
pub mod response;
pub mod scalar;
pub mod statement;
pub mod token; // partition key → token → shard: arithmetic only
pub mod v3;

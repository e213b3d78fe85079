//! Frames, notations and tokens of the CQL native protocol, as views over bytes.

pub mod compression;
pub mod consistency;
pub mod decoder;
pub mod error;
pub mod error_code;
pub mod frame;
pub mod header;
pub mod notation;
pub mod opcode;
pub mod payload;
pub mod proxy_header;
pub mod refusal;
pub mod request;
pub mod response;
pub mod statement;
pub mod token; // partition key → token → shard: arithmetic only
pub mod v3;
pub mod values;

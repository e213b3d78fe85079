//! What the bench programs share: the CQL wire, tokens, sockets, options, and a random generator.

pub mod args;
pub mod buffers;
pub mod client;
pub mod cql;
pub mod epoll;
pub mod murmur3;
pub mod process;
pub mod rng;
pub mod stream;

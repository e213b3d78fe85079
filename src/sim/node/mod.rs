//! One simulated node's side of a connection: frames in, frames out.

pub mod answer; // frames out
pub mod auth; // SASL
pub mod batch; // BATCH
pub mod connection; // one client connection's state
pub mod dispatch; // which message is allowed when
pub mod event; // EVENT
pub mod execute; // QUERY, PREPARE, EXECUTE
pub mod metadata; // columns and types on the wire
pub mod receive; // bytes → frames
pub mod refusal; // ERROR
pub mod replicas; // where a request should have gone, and who lives
pub mod result; // RESULT
pub mod rights; // what a role may do
pub mod startup; // OPTIONS, STARTUP, REGISTER
pub mod supported; // SUPPORTED
pub mod tablet_payload; // tablets-routing-v1

#[cfg(test)]
pub(crate) mod probe; // a client without a socket, for tests

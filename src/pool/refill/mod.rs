//! The lanes of one node and pool: which there should be, and when each is dialled.

pub mod backoff; // how long to wait after a failure
pub mod dial_schedule; // when to dial which lane
pub mod handshake_turns; // whose turn it is to shake hands with a node
pub mod lane_slots; // which lanes one node should have, and which it has
pub mod refiller; // the lanes of one node and pool

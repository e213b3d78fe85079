//! What clients ask, and whether what they hear is right.

mod answers; // what an answer must say
pub(crate) mod calm; // after the faults: all lanes back, every request on its shard
pub(crate) mod checks; // what must hold after each step
pub(crate) mod counted; // what is counted on the way
pub(crate) mod credentials; // who may log in, and read what
pub(crate) mod frames; // requests as clients write them, frames as the model reads them
mod judge; // is this the answer that was asked for
pub(crate) mod keys; // partition keys of every type
pub(crate) mod ledger; // every request: who asked, how often it ran, who was answered
pub(crate) mod statements; // what clients ask
pub(crate) mod texts; // statements by text, judged by their shard

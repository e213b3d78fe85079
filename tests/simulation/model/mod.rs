//! What clients ask, and whether what they hear is right.

mod answers; // what an answer must say
mod calm; // after the faults: all lanes back, every request on its shard
pub(crate) mod checks; // what must hold after each step
pub(crate) mod copies; // clients read while rows get other numbers of copies
pub(crate) mod counted; // what is counted on the way
pub(crate) mod credentials; // who may log in, and read what
mod demand; // after the faults: lanes come when they are asked for, and go when they are not used
pub(crate) mod frames; // requests as clients write them, frames as the model reads them
pub(crate) mod held; // no client waits for long for a silent lane
mod judge; // is this the answer that was asked for
pub(crate) mod keys; // partition keys of every type
pub(crate) mod ledger; // every request: who asked, how often it ran, who was answered
mod moved; // texts with constants after their tablets moved
mod own_rows; // a client on a connection of its own reads columns that are new
pub(crate) mod pools; // few handshakes, no port that lies, no connection for nothing
pub(crate) mod reads; // tablets that are read again
pub(crate) mod rights; // no client sees what its own role may not
mod shapes; // statements by text that are run as prepared ones
mod spreading; // what is used is soon on every node, and a flood is not
pub(crate) mod statements; // what clients ask
pub(crate) mod texts; // statements by text, judged by their shard

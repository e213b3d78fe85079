//! The engine in a world of its own: virtual clock, seeded network, simulated cluster, and a model that judges.

mod agenda; // what happens next
mod asker; // one modelled client
mod calm; // after the faults: all lanes back, every request on its shard
mod chance; // numbers that look random
mod checks; // what must hold after each step
mod control; // stands in for the control connection
mod crowd; // the clients of a world
mod faults; // what goes wrong
mod frames; // requests as clients write them, frames as the model reads them
mod held; // nobody waits for long for a silent lane
mod hostile; // bytes that nobody should send
mod judge; // is this the answer that was asked for
mod keeper; // stands in for the lane keepers
mod lanes; // dialling lanes, and their end
mod ledger; // every request: who asked, how often it ran, who was answered
mod link; // one connection
mod network; // bytes on their way
mod node; // a node's end of a lane
mod proxy; // the shell around the engine
pub mod run; // a seed from its beginning to its end
pub mod scenario; // what a seed draws
mod statements; // what clients ask
mod story; // the time line of a run
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
mod world; // everything together

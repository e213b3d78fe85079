//! The engine in a world of its own: virtual clock, seeded network, simulated cluster, and a model that judges.

mod agenda; // what happens next
mod chance; // numbers that look random
mod clients; // who asks
mod faults; // what goes wrong
mod model; // what is asked, and whether the answers are right
mod network; // what lies between, and the nodes' end of it
mod proxy; // the shell around the engine
pub mod run; // a seed from its beginning to its end
pub mod scenario; // what a seed draws
mod story; // the time line of a run
#[expect(clippy::module_inception, reason = "a folder and its first noun share a name")]
mod world; // everything together

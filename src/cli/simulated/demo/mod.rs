//! `shardlane demo`: a simulated cluster, the proxy and a load in one process.

pub mod client; // an old driver, in small
pub(crate) mod comparison; // a new table, and texts, with a setting on and off
pub(crate) mod load; // requests at a pace, and whether their answers are right
pub(crate) mod probe; // the same request with and without the proxy, by turns
pub(crate) mod sample; // what nodes, proxy and load count at one moment
pub(crate) mod screen; // progress for people
pub(crate) mod show; // the whole, from start to summary
pub(crate) mod stage; // the cluster and the proxy
pub(crate) mod summary; // the numbers at the end

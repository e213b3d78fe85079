//! `shardlane demo`: a simulated cluster, the proxy and a load in one process.

pub mod client; // an old driver, in small
pub mod comparison; // a new table, and texts, with a setting on and off
pub mod load; // requests at a pace, and whether their answers are right
pub mod probe; // the same request with and without the proxy, by turns
pub mod sample; // what nodes, proxy and load count at one moment
pub mod screen; // progress for people
pub mod show; // the whole, from start to summary
pub mod stage; // the cluster and the proxy
pub mod summary; // the numbers at the end

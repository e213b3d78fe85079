//! Many proxies, many nodes, in virtual time. The tables of `docs/scale.md` are written by this test
//! (`SHARDLANE_GOLDEN=write`), and stale ones fail it.

mod cold;
mod demand;
mod newcomer;
mod page;
mod restart;

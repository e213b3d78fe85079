//! The product on real sockets, beside simulated clusters: dialing, contact points, `doctor`, `explain`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot run should fail loudly"
)]

mod contact_points;
#[cfg(feature = "demo")] // creates tables with the demo's client
mod doctor;
#[cfg(feature = "demo")]
mod explain;
mod nat;

//! Whose rights lanes have, and what the cluster is asked about that.

pub mod credential; // what a lane proves its rights with
pub mod credential_book; // every credential that has lanes
pub(super) mod login_queue; // logins that wait for their turn
pub mod logins; // clients' logins on their way to the cluster
pub(super) mod nodes_to_ask; // whom logins are asked of
pub(super) mod rechecks; // whether credentials that have lanes are still taken

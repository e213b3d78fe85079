//! What is counted on the way.

use crate::clients::intruders::IntrudersTurns;

/// What was counted on the way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    /// Events of the world.
    pub(crate) events: u64,
    /// Turns of the proxy in which a client was not read.
    pub(crate) held_up: u64,
    /// Requests that took the last stream id of a lane.
    pub(crate) full_lanes: u64,
    /// Whole frames that clients gave the engine.
    pub(crate) given: u64,
    /// Whole answers that the engine gave clients.
    pub(crate) sent: u64,
    /// Messages between workers.
    pub(crate) messages: u64,
    /// Messages of workers that found no room.
    pub(crate) reports_lost: u64,
    /// Handshakes that began while others waited.
    pub(crate) dials_waited: u64,
    /// Times that a client said `USE` of a keyspace that is not there, and heard so.
    pub(crate) keyspaces_refused: u64,
    /// Logins that a node with stale roles refused.
    pub(crate) stale_roles: u64,
    /// Keyspaces that a node refused for a moment.
    pub(crate) uses_refused: u64,
    /// Requests that one node called UNAVAILABLE and another ran.
    pub(crate) run_elsewhere: u64,
    /// Challenges of nodes.
    pub(crate) challenges: u64,
    /// Lanes of single clients.
    pub(crate) dedicated: u64,
    /// Logins of clients that the cluster took.
    pub(crate) logins_taken: u64,
    /// Credentials that the cluster took no longer.
    pub(crate) revoked: u64,
    /// Tablets that were read from the cluster's own table.
    pub(crate) tablets_read: u64,
    /// Workers for which all tablets were read again in the calm, and moved meanwhile.
    pub(crate) read_again: u64,
    /// Workers for which tablets were read on their way, and again when they were there.
    pub(crate) read_moving: u64,
    /// Turns that logins of intruders had.
    pub(crate) intruders: IntrudersTurns,
    /// Keyspaces of which all texts reached the shard of their row in the calm.
    pub(crate) texts_judged: u64,
    /// Keyspaces of which texts that do not name them did.
    pub(crate) keyspaces_judged: u64,
    /// Clients whose texts all ran as prepared statements in the calm.
    pub(crate) shapes_judged: u64,
    /// Times that this was so after their tablets had moved.
    pub(crate) texts_moved: u64,
    /// Workers of which samples showed that tablets had moved, and whose texts then found them.
    pub(crate) texts_found: u64,
    /// Worlds whose texts found their shards by samples.
    pub(crate) texts_sampled: u64,
    /// Workers that followed another number of copies.
    pub(crate) copies_changed: u64,
    /// Workers whose clients read while that changed.
    pub(crate) copies_judged: u64,
    /// Clients on connections of their own that read a table which had got a column.
    pub(crate) own_rows_judged: u64,
    /// Worlds in which more was prepared than other nodes prepare ahead.
    pub(crate) floods: u64,
    /// Statements that all nodes got since one of them was asked for them again.
    pub(crate) spread_by_use: u64,
    /// Times that the control connection was not allowed to read tablets.
    pub(crate) reads_refused: u64,
    /// Logins that were refused.
    pub(crate) login_refusals: u64,
    /// Answers about the one node that clients see.
    pub(crate) system: u64,
    /// Requests that were compressed on a lane.
    pub(crate) packed: u64,
    /// Times that a worker went to other data centers.
    pub(crate) failed_over: u64,
    /// Requests that arrived there.
    pub(crate) far: u64,
    /// Times that a worker went to nodes that were not chosen.
    pub(crate) widened: u64,
    /// Large answers that a client's connection took whole, without a copy.
    pub(crate) large_passed: u64,
    /// Large answers of which it took the beginning, and which were copied from there on.
    pub(crate) large_parted: u64,
    /// Large answers that had begun to come when their lane went.
    pub(crate) large_lost: u64,
    /// Large answers that had begun to leave when their client went.
    pub(crate) large_left: u64,
    /// Lanes that were opened since requests asked for their shards.
    pub(crate) opened_on_demand: u64,
    /// Lanes that were closed since no request used them.
    pub(crate) closed_unused: u64,
    /// Mixes all that the engine sent: the same for the same seed.
    pub(crate) print: u64,
}

//! Where a request goes, and the reason: metric label, log field and test's assertion at once.

/// Why a request went where it went.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum Reason {
    /// To a replica shard that the tablet map named.
    TabletReplica,
    /// To a replica node that the ring named, on the shard that its hash names.
    RingReplica,
    /// A light-weight transaction or serial read: to the first replica that is up.
    LwtPrimary,
    /// To the replica's node, on another shard: the right shard has no lane.
    ShardDown,
    /// To the replica's node, on another shard: lanes are opened on demand, and this is the demand.
    ShardNotOpen,
    /// To any node: no replica has a lane.
    ReplicaDown,
    /// To any node: no replica has a lane, since not all nodes are used.
    ReplicaNotUsed,
    /// To any node: a replica's lane takes no bytes, and no other replica has a lane.
    ReplicaStalled,
    /// To any node: the tablet is not learned yet.
    UnknownTablet,
    /// To any node: the keyspace is not known yet, or its replication is not one that we compute.
    UnknownKeyspace,
    /// To any node: each has its own rows of the table, as in `system`.
    LocalTable,
    /// To any node: we never saw this prepared id.
    UnknownStatement,
    /// To any node: the statement does not bind its whole partition key.
    NoKey,
    /// To any node: a part of the partition key is null, unset or missing.
    NullKey,
    /// To a replica shard: the text of the statement has the whole partition key, a part of it at
    /// least as constants.
    TextLiteral,
    /// To a replica shard: the values of the partition key are bound to markers of a text.
    TextBound,
    /// To a replica shard of the first of several partitions that a text names by IN.
    TextIn,
    /// To a replica shard of the first token of a range, as scans of whole tables ask for.
    TokenRange,
    /// To any node: a text that names no partition, as a scan does.
    TextScan,
    /// To any node: a text of a table whose partition key is not read yet, or that is not there.
    TextUnknownTable,
    /// To any node: a text whose key is not certain: a call, a constant that servers read
    /// differently, or grammar that is not known here.
    TextNotUnderstood,
    /// To any node: a text that neither reads nor writes rows.
    Text,
    /// To any node: a statement to be prepared.
    Prepare,
    /// To any node: a batch without a child that we could route.
    UnroutableBatch,
    /// Sent again after the node prepared the statement anew.
    Reprepared,
    /// Sent again, elsewhere, after its lane was lost.
    LaneLost,
    /// To its client's own connection: a login of several steps cannot be repeated for lanes.
    Dedicated,
    /// Sent to another replica as well, since the first was slow.
    Speculative,
}

impl Reason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 28] = [
        Self::TabletReplica,
        Self::RingReplica,
        Self::LwtPrimary,
        Self::ShardDown,
        Self::ShardNotOpen,
        Self::ReplicaDown,
        Self::ReplicaNotUsed,
        Self::ReplicaStalled,
        Self::UnknownTablet,
        Self::UnknownKeyspace,
        Self::LocalTable,
        Self::UnknownStatement,
        Self::NoKey,
        Self::NullKey,
        Self::TextLiteral,
        Self::TextBound,
        Self::TextIn,
        Self::TokenRange,
        Self::TextScan,
        Self::TextUnknownTable,
        Self::TextNotUnderstood,
        Self::Text,
        Self::Prepare,
        Self::UnroutableBatch,
        Self::Reprepared,
        Self::LaneLost,
        Self::Dedicated,
        Self::Speculative,
    ];

    /// The metric's label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::TabletReplica => "tablet_replica",
            Self::RingReplica => "ring_replica",
            Self::LwtPrimary => "lwt_primary",
            Self::ShardDown => "shard_down",
            Self::ShardNotOpen => "shard_not_open",
            Self::ReplicaDown => "replica_down",
            Self::ReplicaNotUsed => "replica_not_used",
            Self::ReplicaStalled => "replica_stalled",
            Self::UnknownTablet => "unknown_tablet",
            Self::UnknownKeyspace => "unknown_keyspace",
            Self::LocalTable => "local_table",
            Self::UnknownStatement => "unknown_statement",
            Self::NoKey => "no_key",
            Self::NullKey => "null_key",
            Self::TextLiteral => "text_literal",
            Self::TextBound => "text_bound",
            Self::TextIn => "text_in",
            Self::TokenRange => "token_range",
            Self::TextScan => "text_scan",
            Self::TextUnknownTable => "text_unknown_table",
            Self::TextNotUnderstood => "text_not_understood",
            Self::Text => "text",
            Self::Prepare => "prepare",
            Self::UnroutableBatch => "unroutable_batch",
            Self::Reprepared => "reprepared",
            Self::LaneLost => "lane_lost",
            Self::Dedicated => "dedicated",
            Self::Speculative => "speculative",
        }
    }

    /// What an operator can do so that requests no longer go where this reason sends them; `None` where
    /// nothing is wrong.
    #[must_use]
    pub fn hint(self) -> Option<&'static str> {
        Some(match self {
            Self::TabletReplica
            | Self::RingReplica
            | Self::LwtPrimary
            | Self::TextLiteral
            | Self::TextBound
            | Self::TextIn
            | Self::TokenRange
            | Self::TextScan
            | Self::UnknownTablet
            | Self::LocalTable
            | Self::Prepare
            | Self::Reprepared
            | Self::Speculative => return None,
            Self::ShardNotOpen => {
                "lanes open on demand (lanes.idle_close_s): the next request finds one"
            }
            Self::ShardDown => {
                "the shard has no lane: see shardlane.lanes, and doctor for the port"
            }
            Self::ReplicaDown => "no replica has a lane: see shardlane.nodes",
            Self::ReplicaNotUsed => "lanes.nodes_max leaves replicas out",
            Self::ReplicaStalled => "the replica takes no bytes: see shardlane.lanes",
            Self::UnknownKeyspace => {
                "the keyspace is new, or its replication is not one that is computed"
            }
            Self::UnknownStatement => {
                "the driver prepared it before shardlane started; it prepares it again"
            }
            Self::NoKey => "give the whole partition key, each column by = and a marker",
            Self::NullKey => "a part of the partition key is null, unset or missing",
            Self::Text => return None,
            Self::TextUnknownTable => "the key of the table is read when a text first names it",
            Self::TextNotUnderstood => {
                "prepare the statement, with a marker for each column of its partition key"
            }
            Self::UnroutableBatch => "put prepared statements with their whole key into the batch",
            Self::LaneLost => "its lane was lost: see the log",
            Self::Dedicated => "the login of this client cannot be shared",
        })
    }

    /// Whether the request went to a replica shard as far as we know.
    #[must_use]
    pub fn is_routed(self) -> bool {
        match self {
            Self::TabletReplica
            | Self::RingReplica
            | Self::LwtPrimary
            | Self::TextLiteral
            | Self::TextBound
            | Self::TextIn
            | Self::TokenRange => true,
            Self::ShardDown
            | Self::ShardNotOpen
            | Self::ReplicaDown
            | Self::ReplicaNotUsed
            | Self::ReplicaStalled
            | Self::UnknownTablet
            | Self::UnknownKeyspace
            | Self::LocalTable
            | Self::UnknownStatement
            | Self::NoKey
            | Self::NullKey
            | Self::TextScan
            | Self::TextUnknownTable
            | Self::TextNotUnderstood
            | Self::Text
            | Self::Prepare
            | Self::UnroutableBatch
            | Self::Reprepared
            | Self::LaneLost
            | Self::Dedicated
            | Self::Speculative => false,
        }
    }
}

/// A lane, and why it was chosen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Decision<L> {
    /// The lane to send on.
    pub lane: L,
    /// Why.
    pub reason: Reason,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_at_its_number() {
        for (number, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(reason as u8), number);
        }
    }
}

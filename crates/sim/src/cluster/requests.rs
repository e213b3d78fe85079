//! Counts where the requests for each table arrived, to judge their routing.

use crate::cluster::replicas::tablets::Replica;

/// What kind of request named a partition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    /// EXECUTE of a statement whose partition key is all bound: the sender can know where it belongs.
    Routable,
    /// QUERY, whether its partition key is bound or written: the sender has to read the text.
    Text,
    /// BATCH, and EXECUTE of a statement with a partition key that is written.
    Other,
}

/// Where a request arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Arrival {
    /// At a replica, on the shard that has the row.
    RightShard,
    /// At a replica, on another shard.
    WrongShard,
    /// At a node that has no replica.
    NonReplica,
}

impl Arrival {
    /// Compares the `node` and `shard` that got a request with the replicas.
    #[must_use]
    pub(crate) fn judge(replicas: &[Replica], node: usize, shard: u16) -> Self {
        match replicas.iter().find(|replica| replica.0 == node) {
            Some((_, right)) if *right == shard => Self::RightShard,
            Some(_) => Self::WrongShard,
            None => Self::NonReplica,
        }
    }
}

/// Arrivals of one kind of request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Arrivals {
    /// At a replica, on the shard that has the row.
    pub right_shard: u64,
    /// At a replica, on another shard.
    pub wrong_shard: u64,
    /// At a node that has no replica.
    pub non_replica: u64,
    /// Answers that carried the replicas of the tablet.
    pub payloads: u64,
}

/// The counters of one table.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Requests {
    /// EXECUTE of a statement whose partition key is all bound.
    pub routable: Arrivals,
    /// QUERY of one partition, with values or literals.
    pub text: Arrivals,
    /// All other requests for one partition.
    pub other: Arrivals,
    /// Requests that named no partition, or many.
    pub unkeyed: u64,
}

impl Requests {
    /// Counts one arrival.
    pub(crate) fn count(&mut self, source: Source, arrival: Arrival, payload: bool) {
        let arrivals = match source {
            Source::Routable => &mut self.routable,
            Source::Text => &mut self.text,
            Source::Other => &mut self.other,
        };
        match arrival {
            Arrival::RightShard => arrivals.right_shard += 1,
            Arrival::WrongShard => arrivals.wrong_shard += 1,
            Arrival::NonReplica => arrivals.non_replica += 1,
        }
        arrivals.payloads += u64::from(payload);
    }
}

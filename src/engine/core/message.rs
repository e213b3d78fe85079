//! Requests: a client's frame with its header read, and its body read once.

use crate::engine::client::ClientStream;
use cql::consistency::Consistency;
use cql::header::HEADER_LEN;
use cql::opcode::Opcode;
use cql::request::batch::Batch;
use cql::request::execute::Execute;
use cql::request::query::Query;

/// The id of a trace in `system_traces`.
pub(crate) type TraceId = [u8; 16];

/// A client's request: neither compressed nor with a custom payload any more.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// Who asks, and on which stream.
    pub(crate) from: ClientStream,
    pub(crate) opcode: Opcode,
    /// The whole frame.
    pub(crate) frame: &'a mut [u8],
    /// The trace that a node made for an answer of ours, when the client asked for one.
    pub(crate) trace: Option<TraceId>,
}

impl Request<'_> {
    /// What follows the header.
    #[inline]
    pub(crate) fn body(&self) -> &[u8] {
        self.frame.get(HEADER_LEN..).unwrap_or_default()
    }

    /// What follows the header, to be changed.
    #[inline]
    pub(crate) fn body_mut(&mut self) -> &mut [u8] {
        self.frame.get_mut(HEADER_LEN..).unwrap_or_default()
    }
}

/// The body of a request that may be routed, read as far as its first value or child.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Message<'a> {
    /// EXECUTE.
    Execute(Execute<'a>),
    /// QUERY.
    Query(Query<'a>),
    /// BATCH.
    Batch(Batch<'a>),
    /// Another request, or one that cannot be read: the node will refuse it.
    Other,
}

impl<'a> Message<'a> {
    /// Reads a body.
    pub(crate) fn read(opcode: Opcode, body: &'a [u8]) -> Self {
        let read = if opcode == Opcode::Execute {
            Execute::read(body).map(Self::Execute)
        } else if opcode == Opcode::Query {
            Query::read(body).map(Self::Query)
        } else if opcode == Opcode::Batch {
            Batch::read(body).map(Self::Batch)
        } else {
            return Self::Other;
        };
        read.unwrap_or(Self::Other)
    }

    /// The consistency; ONE when it has none.
    pub(crate) fn consistency(&self) -> Consistency {
        match self {
            Self::Execute(Execute { parameters, .. }) | Self::Query(Query { parameters, .. }) => {
                parameters.consistency
            }
            Self::Batch(batch) => batch.tail().map_or(Consistency::One, |tail| tail.consistency),
            Self::Other => Consistency::One,
        }
    }

    /// The consistency of its Paxos phase.
    fn serial_consistency(&self) -> Option<Consistency> {
        match self {
            Self::Execute(Execute { parameters, .. }) | Self::Query(Query { parameters, .. }) => {
                parameters.options().ok()?.serial_consistency
            }
            Self::Batch(batch) => batch.tail().ok()?.serial_consistency,
            Self::Other => None,
        }
    }

    /// Whether its consistency, or that of its Paxos phase, names the local data center.
    pub(crate) fn names_local(&self) -> bool {
        self.consistency().is_local()
            || self.serial_consistency().is_some_and(Consistency::is_local)
    }

    /// What WRITE_TIMEOUT calls a request of this opcode (v4 section 9); `lwt` is whether its
    /// statement has a condition.
    pub(crate) fn write_type(&self, opcode: Opcode, lwt: bool) -> &'static str {
        if opcode == Opcode::Batch {
            match self {
                Self::Batch(Batch { kind: 0, .. }) => "BATCH",
                Self::Batch(Batch { kind: 2, .. }) => "COUNTER",
                Self::Batch(_) | Self::Execute(_) | Self::Query(_) | Self::Other => {
                    "UNLOGGED_BATCH"
                }
            }
        } else if lwt {
            "CAS"
        } else {
            "SIMPLE"
        }
    }
}

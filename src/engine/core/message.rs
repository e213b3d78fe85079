//! Requests: a client's frame with its header read, and its body read once.

use crate::engine::client::ClientStream;
use crate::engine::pending::{Loss, Outgoing, Pending};
use cql::consistency::Consistency;
use cql::header::HEADER_LEN;
use cql::opcode::Opcode;
use cql::request::batch::Batch;
use cql::request::execute::Execute;
use cql::request::query::Query;
use cql::statement::write_type::WriteType;

/// The id of a trace in `system_traces`.
pub(crate) type TraceId = [u8; 16];

/// A client's request: neither compressed nor with a custom payload any more.
#[derive(Debug)]
pub(crate) struct ClientRequest<'a> {
    /// Who asks, and on which stream.
    pub(crate) from: ClientStream,
    pub(crate) opcode: Opcode,
    /// The whole frame.
    pub(crate) frame: &'a mut [u8],
    /// The trace that a node made for an answer of ours, when the client asked for one.
    pub(crate) trace: Option<TraceId>,
}

impl ClientRequest<'_> {
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

    /// What an ERROR says of it when its answer is lost; `prepared` is what its prepared statements
    /// make it.
    fn loss(&self, prepared: WriteType) -> Loss {
        let write_type = match self {
            // The types of its markers are not known here.
            Self::Query(query) => WriteType::of_text(query.text, None),
            Self::Batch(batch) => batch.write_type(prepared),
            Self::Execute(_) | Self::Other => prepared,
        };
        Loss { consistency: self.consistency(), write_type }
    }
}

impl Loss {
    /// Of a request that is about to be sent.
    #[cold]
    pub(crate) fn of(outgoing: &Outgoing, frame: &[u8]) -> Self {
        let body = frame.get(HEADER_LEN..).unwrap_or_default();
        Message::read(outgoing.opcode, body).loss(outgoing.write_type)
    }

    /// Of a request whose answer is lost.
    pub(crate) fn of_pending(pending: &Pending) -> Self {
        let read = || Message::read(pending.opcode, pending.body()).loss(pending.write_type);
        pending.loss.unwrap_or_else(read)
    }
}

//! Requests on their way to a lane, and in flight on one: who asked, and what is needed to ask again.

use crate::collections::slab::SlabKey;
use crate::engine::client::ClientStream;
use crate::routing::catalog::StatementKey;
use crate::routing::shapes::ShapeKey;
use crate::topology::id::NodeId;
use crate::topology::table::TableId;
use crate::upstream::lane::Lane;
use crate::upstream::lane::PoolId;
use cql::consistency::Consistency;
use cql::header::HEADER_LEN;
use cql::opcode::Opcode;
use cql::statement::write_type::WriteType;

/// Names a lane.
pub type LaneKey = SlabKey<Lane<Pending>>;

/// How often a request is sent again at most.
pub(crate) const RESENT_MAX: u8 = 2;

/// A request that waits for its answer.
#[derive(Debug)]
pub struct Pending {
    /// Who waits.
    pub origin: RequestOrigin,
    /// What was asked.
    pub opcode: Opcode,
    /// Whether it may run twice without harm.
    pub is_read: bool,
    /// Whether an EXECUTE asked for rows without their columns, and gets them with.
    pub is_bare: bool,
    /// How often it was sent again already.
    pub resent: u8,
    /// When the request arrived, µs.
    pub arrived_us: u64,
    /// Position in the lane's outbox after its last byte.
    pub sent_at: u64,
    /// What it is about.
    pub subject: Subject,
    /// What WRITE_TIMEOUT calls it, as far as its prepared statements say.
    pub write_type: WriteType,
    /// What an ERROR has to say of it when its answer is lost; `None` while the frame is kept, of
    /// which it can be read.
    pub loss: Option<Loss>,
    /// The frame, to send it again; empty when it was too long to keep.
    pub frame: Vec<u8>,
}

impl Pending {
    /// The kept body; empty when the frame was too long to keep.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.frame.get(HEADER_LEN..).unwrap_or_default()
    }

    /// The kept body, to be changed.
    #[must_use]
    pub fn body_mut(&mut self) -> &mut [u8] {
        self.frame.get_mut(HEADER_LEN..).unwrap_or_default()
    }
}

/// What a request is about: its answer is read by that.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Subject {
    /// Nothing that is known.
    Unknown,
    /// The statement that an EXECUTE runs.
    Statement(StatementKey),
    /// The table whose tablet a node reports when a text with bound values goes astray.
    Table(TableId),
    /// A text that a prepared statement is run for; and the table, if a node reports its tablet when
    /// the request goes astray.
    Shape(Option<TableId>),
}

impl Subject {
    /// The statement, if it is one.
    #[inline]
    #[must_use]
    pub fn statement(self) -> Option<StatementKey> {
        match self {
            Self::Statement(key) => Some(key),
            Self::Unknown | Self::Table(_) | Self::Shape(_) => None,
        }
    }
}

/// What an ERROR says of a request whose answer is lost. Drivers' policies go by it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Loss {
    /// How many replicas had to answer.
    pub consistency: Consistency,
    /// What WRITE_TIMEOUT calls it.
    pub write_type: WriteType,
}

/// A request on its way to a lane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing {
    pub(crate) origin: RequestOrigin,
    /// The plain lanes of who asks: the request never leaves those with the same rights.
    pub(crate) base: PoolId,
    pub(crate) opcode: Opcode,
    pub(crate) is_read: bool,
    pub(crate) is_bare: bool,
    pub(crate) resent: u8,
    pub(crate) arrived_us: u64,
    pub(crate) subject: Subject,
    /// What WRITE_TIMEOUT calls it, as far as its prepared statements say.
    pub(crate) write_type: WriteType,
}

impl Outgoing {
    /// A request of our own, which needs no rights of a client.
    pub(crate) fn internal(request: InternalRequest, opcode: Opcode, now_us: u64) -> Self {
        Self {
            origin: RequestOrigin::Internal(request),
            base: PoolId::NOWHERE,
            opcode,
            is_read: false,
            is_bare: false,
            resent: 0,
            arrived_us: now_us,
            subject: Subject::Unknown,
            write_type: WriteType::Unknown,
        }
    }

    /// The request as it waits for its answer, sent as far as `sent_at` of the lane's outbox; `frame` is
    /// the copy that is kept.
    #[inline]
    pub(crate) fn pending(&self, sent_at: u64, loss: Option<Loss>, frame: Vec<u8>) -> Pending {
        Pending {
            origin: self.origin,
            opcode: self.opcode,
            is_read: self.is_read,
            is_bare: self.is_bare,
            resent: self.resent,
            arrived_us: self.arrived_us,
            sent_at,
            subject: self.subject,
            write_type: self.write_type,
            loss,
            frame,
        }
    }

    /// The same request once more, for the same origin, whose plain lanes are `base`.
    pub(crate) fn again(pending: &Pending, base: PoolId) -> Self {
        Self {
            origin: pending.origin,
            base,
            opcode: pending.opcode,
            is_read: pending.is_read,
            is_bare: pending.is_bare,
            resent: pending.resent + 1,
            arrived_us: pending.arrived_us,
            subject: pending.subject,
            write_type: pending.write_type,
        }
    }
}

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RequestOrigin {
    /// A client, by its own stream id.
    Client {
        /// Which request of which client.
        to: ClientStream,
        /// What the answer is looked at for.
        purpose: Purpose,
    },
    /// We ourselves.
    Internal(InternalRequest),
}

/// What the answer to a client's request is looked at for, besides delivery.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Nothing special.
    Forward,
    /// A question about the schema, to which rows of the console belong.
    Schema,
    /// A `USE`: on success the client's lanes are those of the pool.
    Use(PoolId),
}

/// What we ask a node for ourselves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InternalRequest {
    /// Prepare a statement that the node forgot; the parked requests of this number go on then.
    Reprepare(u64),
    /// A trace for the request of this number, which is answered here.
    LocalTrace(u64),
    /// Any answer, to see whether the connection is alive.
    Heartbeat,
    /// Prepare a statement before it is needed.
    Spread,
    /// A read of a key, to have its tablet reported.
    TabletSample {
        /// The table that is read.
        table: TableId,
        /// The plain lanes of the client whose rights are used.
        base: PoolId,
        /// Whether it went where its tablet was known to be.
        is_known: bool,
    },
    /// Prepare the shape of a text.
    Shape(ShapeKey),
    /// The node's schema version.
    SchemaVersion {
        /// Number of the question.
        question: u64,
        /// The node that is asked.
        node: NodeId,
    },
}

//! What is sent again and again.

use crate::frames;

/// The id of the SELECT that clients prepared.
pub(crate) const SELECT: [u8; 16] = [7; 16];

/// An INSERT of 200 bytes.
const LONG_TEXT: &str = "INSERT INTO tab.t (created, customer, note, total, k) VALUES \
    ('2026-11-29T12:00:00Z', 'Grace Hopper, Arlington', 'it''s paid, and sent by the end of the \
    week', 129.95, 12345678901) USING TTL 86400 AND TIMESTAMP 1";

/// What is sent again and again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Variant {
    /// EXECUTEs of one client, 32 in each read.
    Pipelined,
    /// EXECUTEs of 64 clients, one at a time.
    OneAtATime,
    /// EXECUTEs of four clients, four in each read, whose answers are 64 KB.
    LargeAnswers,
    /// As `Pipelined`, in a keyspace with vnodes.
    Ring,
    /// BATCHes of eight prepared children.
    Batch,
    /// QUERYs by a short text with a constant key.
    Query,
    /// INSERTs by a text of 200 bytes with constants.
    QueryLong,
    /// QUERYs by a text with a bound key.
    QueryBound,
    /// As `Query`, run as prepared statements.
    QueryShape,
    /// As `QueryLong`, run as prepared statements.
    QueryShapeLong,
}

impl Variant {
    pub(crate) const ALL: [Self; 10] = [
        Self::Pipelined,
        Self::OneAtATime,
        Self::LargeAnswers,
        Self::Ring,
        Self::Batch,
        Self::Query,
        Self::QueryLong,
        Self::QueryBound,
        Self::QueryShape,
        Self::QueryShapeLong,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pipelined => "pipelined",
            Self::OneAtATime => "one_at_a_time",
            Self::LargeAnswers => "large_answers",
            Self::Ring => "ring",
            Self::Batch => "batch",
            Self::Query => "query",
            Self::QueryLong => "query_long",
            Self::QueryBound => "query_bound",
            Self::QueryShape => "query_shape",
            Self::QueryShapeLong => "query_shape_long",
        }
    }

    /// Clients, those of them that send in one turn, and requests of each of those.
    pub(crate) fn shape(self) -> (usize, usize, usize) {
        match self {
            Self::Pipelined
            | Self::Ring
            | Self::Batch
            | Self::Query
            | Self::QueryLong
            | Self::QueryBound
            | Self::QueryShape
            | Self::QueryShapeLong => (1, 1, 32),
            Self::OneAtATime => (64, 1, 1),
            Self::LargeAnswers => (4, 4, 4),
        }
    }

    /// Whether texts that are seen often are run as prepared statements.
    pub(crate) fn runs_shapes(self) -> bool {
        matches!(self, Self::QueryShape | Self::QueryShapeLong)
    }

    pub(crate) fn answer_bytes(self) -> usize {
        if self == Self::LargeAnswers { 64 << 10 } else { 100 }
    }

    pub(crate) fn request(self) -> Vec<u8> {
        let keyspace_id = if self == Self::Ring { [8; 16] } else { SELECT };
        match self {
            Self::Pipelined | Self::OneAtATime | Self::LargeAnswers | Self::Ring => {
                frames::execute(0, &keyspace_id, &[0; 8])
            }
            Self::Batch => frames::batch(0, 0, &[(&SELECT[..], &[0; 8][..]); 8]),
            Self::Query | Self::QueryShape => frames::query(0, "SELECT v FROM tab.t WHERE k = 1"),
            Self::QueryLong | Self::QueryShapeLong => frames::query(0, LONG_TEXT),
            Self::QueryBound => {
                let key = 1i64.to_be_bytes();
                let text = "SELECT v FROM tab.t WHERE k = ?";
                frames::query_with(0, text, &[(None, Some(&key[..]))])
            }
        }
    }
}

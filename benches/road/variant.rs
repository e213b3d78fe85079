//! What is sent again and again.

use crate::frames;
use crate::rig::SELECT;

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
    /// QUERYs by text.
    Query,
}

impl Variant {
    pub(crate) const ALL: [Self; 6] = [
        Self::Pipelined,
        Self::OneAtATime,
        Self::LargeAnswers,
        Self::Ring,
        Self::Batch,
        Self::Query,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pipelined => "pipelined",
            Self::OneAtATime => "one_at_a_time",
            Self::LargeAnswers => "large_answers",
            Self::Ring => "ring",
            Self::Batch => "batch",
            Self::Query => "query",
        }
    }

    /// Clients, those of them that send in one turn, and requests of each of those.
    pub(crate) fn shape(self) -> (usize, usize, usize) {
        match self {
            Self::Pipelined | Self::Ring | Self::Batch | Self::Query => (1, 1, 32),
            Self::OneAtATime => (64, 1, 1),
            Self::LargeAnswers => (4, 4, 4),
        }
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
            Self::Query => frames::query(0, "SELECT v FROM tab.t WHERE k = 1"),
        }
    }
}

//! Why bytes cannot be used as a state.

use thiserror::Error;

/// What is wrong with the bytes of a state.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum StateError {
    /// They begin otherwise.
    #[error("it is no state of shardlane")]
    Foreign,
    /// Their version is not known here.
    #[error("its format has version {0}, which this shardlane does not know")]
    Version(u32),
    /// They end before the last record.
    #[error("it ends too early")]
    CutOff,
    /// A record does not have the checksum that it should have, or cannot be read.
    #[error("record {0} is damaged")]
    Damaged(u32),
    /// Something follows the last record.
    #[error("something follows its end")]
    TooLong,
}

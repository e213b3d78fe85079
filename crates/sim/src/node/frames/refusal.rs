//! ERROR answers: code, text, and the fields that some codes add.

use std::time::Duration;

use crate::cluster::life::member::Failure;
use crate::cluster::replicas::consistency;
use crate::cql::error::CqlError;
use cql::consistency::Consistency;
use cql::error::WireError;
use cql::notation::{Reader, put_int, put_short_bytes, put_string, put_string_list};

/// 0x0000: the server failed.
pub(crate) const SERVER: i32 = 0x0000;
/// 0x000A: the client broke the protocol.
pub(crate) const PROTOCOL: i32 = 0x000A;
/// 0x0100: not logged in.
pub(crate) const CREDENTIALS: i32 = 0x0100;
/// 0x1001: the node is overloaded.
pub(crate) const OVERLOADED: i32 = 0x1001;
/// 0x2100: the role lacks a permission.
pub(crate) const UNAUTHORIZED: i32 = 0x2100;
/// 0x2200: the request is invalid.
pub(crate) const INVALID: i32 = 0x2200;

/// The consistency in errors that a node is made to answer with.
const FORCED: Consistency = Consistency::Quorum;

/// An ERROR to be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Refusal {
    /// The code (v4 section 9).
    pub code: i32,
    /// The text.
    pub message: String,
    /// The fields after the text.
    pub extras: Vec<u8>,
    /// Delay of the answer.
    pub wait: Duration,
}

/// The kind of an operation that timed out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Operation {
    /// A read.
    Read,
    /// A write, with its type (`SIMPLE`, `BATCH`, `CAS`, …).
    Write(&'static str),
}

impl Refusal {
    /// An error without extras.
    #[must_use]
    pub(crate) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), extras: Vec::new(), wait: Duration::ZERO }
    }

    /// 0x1000: too few replicas are alive.
    #[must_use]
    pub(crate) fn unavailable(level: Consistency, required: usize, alive: usize) -> Self {
        let name = consistency::name(level);
        let message = format!(
            "Cannot achieve consistency level for cl {name}. Requires {required}, alive {alive}"
        );
        let mut extras = Vec::new();
        level.put(&mut extras);
        put_int(&mut extras, count(required));
        put_int(&mut extras, count(alive));
        Self { extras, ..Self::new(0x1000, message) }
    }

    /// 0x1100 or 0x1200: too few replicas answered in time.
    #[must_use]
    pub(crate) fn timeout(
        operation: Operation,
        keyspace: &str,
        table: &str,
        level: Consistency,
        received: usize,
        required: usize,
    ) -> Self {
        let name = consistency::name(level);
        let message = format!(
            "Operation timed out for {keyspace}.{table} - received only {received} responses from {required} CL={name}."
        );
        let mut extras = Vec::new();
        level.put(&mut extras);
        put_int(&mut extras, count(received));
        put_int(&mut extras, count(required));
        let code = match operation {
            Operation::Read => {
                extras.push(0);
                0x1200
            }
            Operation::Write(kind) => {
                put_string(&mut extras, kind);
                0x1100
            }
        };
        Self { extras, ..Self::new(code, message) }
    }

    /// 0x2500: the statement is not prepared on this shard.
    #[must_use]
    pub(crate) fn unprepared(id: &[u8]) -> Self {
        let hex = hex::encode(id);
        let mut extras = Vec::new();
        put_short_bytes(&mut extras, id);
        Self { extras, ..Self::new(0x2500, format!("No prepared statement with ID {hex} found.")) }
    }

    /// The error that a node is made to answer the EXECUTE with this body with.
    #[must_use]
    pub(crate) fn of(failure: Failure, body: &[u8]) -> Self {
        let (one, two) = (1, 2);
        let counts = |extras: &mut Vec<u8>| {
            FORCED.put(extras);
            put_int(extras, one);
            put_int(extras, two);
            // One replica failed.
            put_int(extras, one);
        };
        let mut extras = Vec::new();
        match failure {
            Failure::ServerError => Self::new(SERVER, "std::bad_alloc"),
            Failure::Unavailable => Self::unavailable(FORCED, 2, 1),
            Failure::ReadTimeout => Self::timeout(Operation::Read, "ks", "t", FORCED, 1, 2),
            Failure::WriteTimeout => {
                Self::timeout(Operation::Write("SIMPLE"), "ks", "t", FORCED, 1, 2)
            }
            Failure::ReadFailure => {
                counts(&mut extras);
                extras.push(0);
                Self { extras, ..Self::new(0x1300, "Operation failed for ks.t") }
            }
            Failure::WriteFailure => {
                counts(&mut extras);
                put_string(&mut extras, "SIMPLE");
                Self { extras, ..Self::new(0x1500, "Operation failed for ks.t") }
            }
            Failure::FunctionFailure => {
                put_string(&mut extras, "ks");
                put_string(&mut extras, "f");
                put_string_list(&mut extras, &["int"]);
                Self { extras, ..Self::new(0x1400, "execution of 'ks.f[int]' failed") }
            }
            Failure::Unauthorized => {
                Self::new(UNAUTHORIZED, "User anonymous has no SELECT permission on <table ks.t>")
            }
            Failure::Unprepared => {
                Self::unprepared(Reader::new(body).short_bytes().unwrap_or_default())
            }
        }
    }

    /// The body of the ERROR.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        put_int(out, self.code);
        put_string(out, &self.message);
        out.extend_from_slice(&self.extras);
    }
}

impl From<CqlError> for Refusal {
    fn from(error: CqlError) -> Self {
        let mut extras = Vec::new();
        if let CqlError::AlreadyExists { keyspace, table, .. } = &error {
            put_string(&mut extras, keyspace);
            put_string(&mut extras, table);
        }
        Self { extras, ..Self::new(error.code(), error.to_string()) }
    }
}

impl From<WireError> for Refusal {
    fn from(error: WireError) -> Self {
        Self::new(PROTOCOL, error.to_string())
    }
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use hex::encode as hex;

    use super::*;

    #[test]
    fn errors_have_the_layouts_of_the_real_server() {
        assert_eq!(
            hex(Refusal::unavailable(Consistency::One, 1, 0).extras),
            "00010000000100000000"
        );
        let write = Refusal::timeout(Operation::Write("SIMPLE"), "ks", "t", Consistency::All, 0, 3);
        assert_eq!(hex(write.extras), "00050000000000000003000653494d504c45");
        let read = Refusal::timeout(Operation::Read, "ks", "t", Consistency::Quorum, 1, 2);
        assert_eq!(
            read.message,
            "Operation timed out for ks.t - received only 1 responses from 2 CL=QUORUM."
        );
        let unprepared = Refusal::unprepared(&[0]);
        assert_eq!(unprepared.message, "No prepared statement with ID 00 found.");
        assert_eq!(hex(unprepared.extras), "000100");
    }
}

//! Answers as frames: prefixes, body, compression.

use std::time::Duration;

use crate::node::connection::Connection;
use crate::node::frames::refusal::Refusal;
use cql::frame::{FrameHead, write_frame};
use cql::header::{FLAG_COMPRESSED, FLAG_PAYLOAD, FLAG_TRACING};
use cql::notation::{put_bytes, put_short, put_string};
use cql::opcode::Opcode;

/// The key of the custom payload that says where a tablet is.
pub(crate) const TABLETS_KEY: &str = "tablets-routing-v1";

/// An answer to be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    /// What it is.
    pub opcode: Opcode,
    /// The message.
    pub body: Vec<u8>,
    /// The value of the payload [`TABLETS_KEY`].
    pub tablet: Option<Vec<u8>>,
    /// Whole frames to be sent before it: events that the request caused.
    pub before: Vec<u8>,
}

impl Answer {
    /// An answer without payload.
    #[must_use]
    pub(crate) fn new(opcode: Opcode, body: Vec<u8>) -> Self {
        Self { opcode, body, tablet: None, before: Vec::new() }
    }
}

/// A request's part in its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// Its stream id.
    pub stream: i16,
    /// The id of its trace, when it asked for one.
    pub trace: Option<[u8; 16]>,
}

/// The answer as a frame, and how long it must wait.
pub(crate) fn write(
    connection: &Connection,
    asked: Asked,
    answer: &Result<Answer, Refusal>,
    out: &mut Vec<u8>,
) -> Duration {
    let mut flags = 0;
    let mut body = Vec::new();
    if let Some(trace) = asked.trace {
        flags |= FLAG_TRACING;
        body.extend_from_slice(&trace);
    }
    let (opcode, wait) = match answer {
        Ok(answer) => {
            if let Some(tablet) = &answer.tablet {
                flags |= FLAG_PAYLOAD;
                put_short(&mut body, 1);
                put_string(&mut body, TABLETS_KEY);
                put_bytes(&mut body, Some(tablet));
            }
            body.extend_from_slice(&answer.body);
            (answer.opcode, Duration::ZERO)
        }
        Err(refusal) => {
            refusal.write(&mut body);
            (Opcode::Error, refusal.wait)
        }
    };
    if let Some(algorithm) = connection.compression {
        let mut compressed = Vec::new();
        if algorithm.compress(&body, &mut compressed).is_ok() {
            flags |= FLAG_COMPRESSED;
            body = compressed;
        }
    }
    let head = FrameHead { version: connection.answer_version(), flags, stream: asked.stream };
    write_frame(out, head, opcode, |out| out.extend_from_slice(&body));
    wait
}

/// An ERROR that is never compressed, after which the connection is closed.
pub(crate) fn write_fatal(version: u8, stream: i16, refusal: &Refusal, out: &mut Vec<u8>) {
    write_frame(out, FrameHead { version, flags: 0, stream }, Opcode::Error, |out| {
        refusal.write(out);
    });
}

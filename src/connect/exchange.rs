//! One question and its answer, on a connection that carries nothing else yet.

use std::io;

use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use zeroize::Zeroize;

use crate::connect::dial_error::{DialError, DialStep};
use crate::pool::connection::NodeError;
use cql::compression::Compression;
use cql::error::WireError;
use cql::frame::{FrameHead, write_frame};
use cql::header::{FLAG_COMPRESSED, HEADER_LEN, Header, RESPONSE};
use cql::opcode::Opcode;
use cql::response::error::ErrorMessage;
use cql::response::prefix::Prefix;

/// How a server that expects TLS begins its answer to plain CQL: an alert record of TLS 1.0 to 1.2,
/// whatever it speaks (RFC 8446 section 5.1).
const TLS_ALERT: [u8; 2] = [0x15, 0x03];

/// An answer: opcode, and message without prefix.
#[derive(Debug)]
pub(crate) struct Reply {
    /// What kind of answer; never an ERROR.
    pub opcode: Opcode,
    /// The message.
    pub message: Vec<u8>,
}

impl Reply {
    /// Whether this is the answer that `step` waits for.
    pub(crate) fn expect(&self, opcode: Opcode, step: DialStep) -> Result<(), DialError> {
        match self.opcode == opcode {
            true => Ok(()),
            false => Err(DialError::Unexpected { step, opcode: self.opcode.byte() }),
        }
    }
}

/// Sends one request on stream 0 and reads its answer to the last byte, and no byte further.
/// Answers with a body longer than `body_len_max` are refused before they are read.
pub(crate) async fn exchange<S>(
    stream: &mut S,
    version: u8,
    opcode: Opcode,
    step: DialStep,
    body_len_max: u32,
    body: impl FnOnce(&mut Vec<u8>),
) -> Result<Reply, DialError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = Vec::new();
    write_frame(&mut request, FrameHead { version, flags: 0, stream: 0 }, opcode, body);
    let broken = |source: io::Error| DialError::Broken { step, source };
    stream.write_all(&request).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    // It may hold a password.
    request.zeroize();

    let mut head = [0; HEADER_LEN];
    let read = stream.read_exact(&mut head).await;
    if head.starts_with(&TLS_ALERT) {
        // It is seven bytes long, so that the read may have failed for want of more.
        return Err(DialError::TlsAlert { step });
    }
    read.map_err(broken)?;
    let malformed = |source: WireError| DialError::Malformed { step, source };
    let header = check_header(&head, version, body_len_max).map_err(malformed)?;
    let mut body = vec![0; usize::try_from(header.body_len).unwrap_or(0)];
    stream.read_exact(&mut body).await.map_err(broken)?;
    if header.flags & FLAG_COMPRESSED != 0 {
        // Only STARTUP agrees on it, and the answer to it is compressed already.
        if step == DialStep::Options {
            return Err(malformed(WireError::Compression("compression was not agreed on")));
        }
        let mut plain = Vec::new();
        Compression::Lz4.decompress(&body, body_len_max, &mut plain).map_err(malformed)?;
        body = plain;
    }
    read_reply(header, body, step)
}

/// Checks that `head` starts a response that can be read here. An ERROR may come in any version
/// that we speak: a node that refuses ours answers in its own.
fn check_header(head: &[u8], version: u8, body_len_max: u32) -> Result<Header, WireError> {
    let header = Header::peek(head).ok_or(WireError::Truncated { expected: 9, left: 0 })?;
    let is_error = header.opcode == Opcode::Error.byte();
    let known = header.version == RESPONSE | version
        || is_error && (RESPONSE | 3..=RESPONSE | 5).contains(&header.version);
    if !known {
        return Err(WireError::Version(header.version));
    }
    header.frame_len(body_len_max)?;
    Ok(header)
}

/// Takes a whole response apart; an ERROR becomes `Err`.
pub(crate) fn read_reply(
    header: Header,
    mut body: Vec<u8>,
    step: DialStep,
) -> Result<Reply, DialError> {
    let malformed = |source: WireError| DialError::Malformed { step, source };
    let prefix = Prefix::read(header.flags, &body).map_err(malformed)?;
    body.drain(..prefix.message_at);
    let Some(opcode) = Opcode::from_byte(header.opcode) else {
        return Err(DialError::Unexpected { step, opcode: header.opcode });
    };
    if opcode == Opcode::Error {
        return Err(DialError::Refused(server_error(body).map_err(malformed)?, step));
    }
    Ok(Reply { opcode, message: body })
}

fn server_error(body: Vec<u8>) -> Result<NodeError, WireError> {
    let ErrorMessage { code, text, .. } = ErrorMessage::read(&body)?;
    let message = text.into_owned();
    Ok(NodeError { code, message, body: body.into() })
}

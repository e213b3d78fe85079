//! AUTH_RESPONSE: a SASL token (v4 section 4.1.2). Tokens are secrets: nothing here is `Debug`.

use crate::error::WireError;
use crate::frame::{FrameHead, write_frame};
use crate::notation::{Reader, put_bytes};
use crate::opcode::Opcode;

/// User and password of the mechanism PLAIN (RFC 4616), as bytes: neither must be UTF-8 here.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct PlainLogin<'a> {
    /// Who asks.
    pub user: &'a [u8],
    /// The proof.
    pub password: &'a [u8],
}

/// Reads the token of a body; `None` when it is null.
pub fn read(body: &[u8]) -> Result<Option<&[u8]>, WireError> {
    Reader::new(body).bytes()
}

impl<'a> PlainLogin<'a> {
    /// Reads a token as `[authzid] 0 user 0 password`; `None` when it is something else.
    ///
    /// Splits from the end, as ScyllaDB does, so that what precedes the user does not matter.
    #[must_use]
    pub fn read(token: &'a [u8]) -> Option<Self> {
        let mut parts = token.rsplitn(3, |byte| *byte == 0);
        let (password, user) = (parts.next()?, parts.next()?);
        parts.next()?;
        Some(Self { user, password })
    }

    /// Appends the token.
    pub fn put(&self, token: &mut Vec<u8>) {
        token.push(0);
        token.extend_from_slice(self.user);
        token.push(0);
        token.extend_from_slice(self.password);
    }
}

/// Appends an AUTH_RESPONSE frame.
pub fn write_auth_response(out: &mut Vec<u8>, version: u8, stream: i16, token: Option<&[u8]>) {
    write_frame(out, FrameHead { version, flags: 0, stream }, Opcode::AuthResponse, |out| {
        put_bytes(out, token);
    });
}

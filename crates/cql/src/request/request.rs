//! A client's request: its frame, and the front of its body, read once.
//!
//! [`Request::read`] reads a body up to where the number of its parts depends on the request: the
//! text or the prepared id, the consistency, the type of a batch. What follows (values, options,
//! children) is read from the views when it is asked for. Nothing is copied and nothing allocated,
//! so that one `&Request` can go along wherever the request goes, in place of its bytes.

use crate::consistency::Consistency;
use crate::error::WireError;
use crate::frame::Frame;
use crate::header::{FLAG_COMPRESSED, FLAG_PAYLOAD};
use crate::opcode::Opcode;
use crate::request::batch::Batch;
use crate::request::execute::Execute;
use crate::request::parameters::Parameters;
use crate::request::prepare::Prepare;
use crate::request::query::Query;
use crate::response::prefix;

/// A request whose frame is plain, of protocol v4, or of v3 made v4.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    frame: Frame<'a>,
    opcode: Opcode,
    body: RequestBody<'a>,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug)]
pub enum RequestBody<'a> {
    /// QUERY: a statement by text.
    Query(Query<'a>),
    /// PREPARE.
    Prepare(Prepare<'a>),
    /// EXECUTE: a statement by its prepared id.
    Execute(Execute<'a>),
    /// BATCH: several statements.
    Batch(Batch<'a>),
    /// OPTIONS, STARTUP, REGISTER or AUTH_RESPONSE, whose bodies their own modules read.
    Session,
    /// A statement whose body breaks the protocol, or is compressed. A node that gets it answers
    /// what is wrong with it.
    Unreadable,
}

/// The consistency levels of one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Levels {
    /// How many replicas must answer.
    pub consistency: Consistency,
    /// The same in the Paxos phase, when the request says so.
    pub serial: Option<Consistency>,
}

impl<'a> Request<'a> {
    /// Reads the front of a request; `None` when its opcode is not one of a request.
    #[inline]
    #[must_use]
    pub fn read(frame: Frame<'a>) -> Option<Self> {
        let opcode = Opcode::from_byte(frame.header().opcode)?;
        let body = match opcode {
            Opcode::Query => plain_body(frame).and_then(Query::read).map(RequestBody::Query),
            Opcode::Prepare => plain_body(frame).and_then(Prepare::read).map(RequestBody::Prepare),
            Opcode::Execute => plain_body(frame).and_then(Execute::read).map(RequestBody::Execute),
            Opcode::Batch => plain_body(frame).and_then(Batch::read).map(RequestBody::Batch),
            Opcode::Options | Opcode::Startup | Opcode::Register | Opcode::AuthResponse => {
                Ok(RequestBody::Session)
            }
            Opcode::Error
            | Opcode::Ready
            | Opcode::Authenticate
            | Opcode::Supported
            | Opcode::Result
            | Opcode::Event
            | Opcode::AuthChallenge
            | Opcode::AuthSuccess => return None,
        };
        Some(Self { frame, opcode, body: body.unwrap_or(RequestBody::Unreadable) })
    }

    /// The frame that it came in.
    #[inline]
    #[must_use]
    pub fn frame(&self) -> Frame<'a> {
        self.frame
    }

    /// Its opcode.
    #[inline]
    #[must_use]
    pub fn opcode(&self) -> Opcode {
        self.opcode
    }

    /// Its stream id.
    #[inline]
    #[must_use]
    pub fn stream(&self) -> i16 {
        self.frame.stream()
    }

    /// The front of its body.
    #[inline]
    #[must_use]
    pub fn body(&self) -> &RequestBody<'a> {
        &self.body
    }

    /// The text of a QUERY or PREPARE.
    #[inline]
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        match &self.body {
            RequestBody::Query(query) => Some(query.text),
            RequestBody::Prepare(prepare) => Some(prepare.text),
            RequestBody::Execute(_)
            | RequestBody::Batch(_)
            | RequestBody::Session
            | RequestBody::Unreadable => None,
        }
    }

    /// The parameters of a QUERY or EXECUTE.
    #[inline]
    #[must_use]
    pub fn parameters(&self) -> Option<&Parameters<'a>> {
        match &self.body {
            RequestBody::Query(query) => Some(&query.parameters),
            RequestBody::Execute(execute) => Some(&execute.parameters),
            RequestBody::Prepare(_)
            | RequestBody::Batch(_)
            | RequestBody::Session
            | RequestBody::Unreadable => None,
        }
    }

    /// Its consistency levels; `None` when it has none, or none that can be read. Walks the values
    /// or the children.
    #[must_use]
    pub fn levels(&self) -> Option<Levels> {
        if let RequestBody::Batch(batch) = &self.body {
            let tail = batch.tail().ok()?;
            return Some(Levels { consistency: tail.consistency, serial: tail.serial_consistency });
        }
        let parameters = self.parameters()?;
        let serial = parameters.options().ok().and_then(|options| options.serial_consistency);
        Some(Levels { consistency: parameters.consistency, serial })
    }
}

impl Levels {
    /// Whether one of them names the data center of the node that coordinates the request.
    #[must_use]
    pub fn is_local(self) -> bool {
        self.consistency.is_local() || self.serial.is_some_and(Consistency::is_local)
    }
}

/// The body behind a custom payload.
#[inline]
fn plain_body(frame: Frame<'_>) -> Result<&[u8], WireError> {
    let (flags, body) = (frame.header().flags, frame.body());
    if flags & (FLAG_COMPRESSED | FLAG_PAYLOAD) == 0 {
        return Ok(body);
    }
    if flags & FLAG_COMPRESSED != 0 {
        return Err(WireError::CompressionUnasked);
    }
    let len = prefix::request_payload_len(body)?;
    Ok(body.get(len..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameHead, write_frame};
    use crate::header::FLAG_TRACING;
    use crate::notation::{put_bytes, put_long_string, put_short, put_short_bytes};
    use crate::request::parameters::{SERIAL_CONSISTENCY, VALUES};

    fn frame(flags: u8, opcode: Opcode, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write_frame(&mut out, FrameHead { version: 4, flags, stream: 9 }, opcode, body);
        out
    }

    fn read(bytes: &[u8]) -> Request<'_> {
        Request::read(Frame::read(bytes).unwrap()).unwrap()
    }

    fn put_parameters(out: &mut Vec<u8>, consistency: Consistency, serial: Consistency) {
        consistency.put(out);
        out.push(VALUES | SERIAL_CONSISTENCY);
        put_short(out, 1);
        put_bytes(out, Some(b"key"));
        serial.put(out);
    }

    #[test]
    fn a_statement_is_read_as_its_opcode_says() {
        let (local, serial) = (Consistency::LocalQuorum, Consistency::Serial);
        let query = frame(FLAG_TRACING, Opcode::Query, |out| {
            put_long_string(out, "SELECT");
            put_parameters(out, local, serial);
        });
        let prepare = frame(0, Opcode::Prepare, |out| put_long_string(out, "SELECT"));
        let execute = frame(0, Opcode::Execute, |out| {
            put_short_bytes(out, b"id");
            put_parameters(out, local, serial);
        });

        let (query, prepare, execute) = (read(&query), read(&prepare), read(&execute));

        assert_eq!((query.opcode(), query.stream()), (Opcode::Query, 9));
        assert_eq!(
            (query.text(), prepare.text(), execute.text()),
            (Some("SELECT"), Some("SELECT"), None)
        );
        assert!(matches!(execute.body(), RequestBody::Execute(Execute { id: b"id", .. })));
        let levels = Some(Levels { consistency: local, serial: Some(serial) });
        assert_eq!((query.levels(), execute.levels(), prepare.levels()), (levels, levels, None));
        assert_eq!(query.parameters().unwrap().values.count(), 1);
    }

    #[test]
    fn a_batch_has_the_levels_behind_its_children() {
        let bytes = frame(0, Opcode::Batch, |out| {
            out.push(1);
            put_short(out, 1);
            out.push(0);
            put_long_string(out, "INSERT");
            put_short(out, 0);
            Consistency::One.put(out);
            out.push(SERIAL_CONSISTENCY);
            Consistency::LocalSerial.put(out);
        });
        let batch = read(&bytes);
        assert!(matches!(batch.body(), RequestBody::Batch(Batch { kind: 1, count: 1, .. })));
        assert!(batch.levels().unwrap().is_local(), "its Paxos phase is local");
        assert!(batch.parameters().is_none());
    }

    #[test]
    fn a_local_level_is_found_in_either_phase() {
        for (consistency, serial, is_local) in [
            (Consistency::One, None, false),
            (Consistency::LocalOne, None, true),
            (Consistency::Quorum, Some(Consistency::Serial), false),
            (Consistency::Quorum, Some(Consistency::LocalSerial), true),
        ] {
            assert_eq!(Levels { consistency, serial }.is_local(), is_local);
        }
    }

    #[test]
    fn a_body_is_read_behind_its_custom_payload() {
        let bytes = frame(FLAG_PAYLOAD, Opcode::Prepare, |out| {
            put_short(out, 1);
            put_short_bytes(out, b"key");
            put_bytes(out, None);
            put_long_string(out, "SELECT");
        });
        assert_eq!(read(&bytes).text(), Some("SELECT"));
    }

    #[test]
    fn an_unreadable_body_is_carried_all_the_same() {
        for (flags, opcode) in [
            (0, Opcode::Query),
            (0, Opcode::Prepare),
            (0, Opcode::Execute),
            (0, Opcode::Batch),
            (FLAG_PAYLOAD, Opcode::Query),
            (FLAG_COMPRESSED, Opcode::Execute),
        ] {
            let bytes = frame(flags, opcode, |out| out.push(0));
            let request = read(&bytes);
            assert!(matches!(request.body(), RequestBody::Unreadable), "{opcode:?}");
            assert_eq!((request.opcode(), request.levels()), (opcode, None));
            assert_eq!(request.frame().bytes(), bytes);
        }
    }

    #[test]
    fn a_message_of_the_session_is_left_to_its_own_reader() {
        let bytes = frame(0, Opcode::AuthResponse, |out| put_bytes(out, Some(b"token")));
        assert!(matches!(read(&bytes).body(), RequestBody::Session));
    }

    #[test]
    fn a_response_is_no_request() {
        for opcode in [0x00, 0x02, 0x03, 0x06, 0x08, 0x0c, 0x0e, 0x10, 0x04, 0xff] {
            let bytes = [4, 0, 0, 1, opcode, 0, 0, 0, 0];
            assert!(Request::read(Frame::read(&bytes).unwrap()).is_none(), "{opcode}");
        }
    }
}

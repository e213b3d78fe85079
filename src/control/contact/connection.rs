//! The watching connection: questions one at a time, and events whenever they come.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::connect::dial_error::{DialError, DialErrorAt, DialStep};
use crate::connect::exchange::{Reply, read_reply};
use crate::connect::handshake::{put_page_query, put_query};
use cql::error::WireError;
use cql::error_code::ErrorCode;
use cql::frame::{Frame, FrameHead, write_frame};
use cql::header::{FLAG_COMPRESSED, Header, RESPONSE};
use cql::notation::put_string_list;
use cql::opcode::Opcode;
use cql::request::register::EventKind;
use cql::response::event::EVENT_STREAM;

/// Longest answer: `system.peers` of a thousand nodes with 256 tokens each has some 6 MB.
const BODY_LEN_MAX: u32 = 64 * 1024 * 1024;
/// Events that wait to be taken. More are dropped, which [`ControlConnection::events_lost`] shows.
const EVENTS_MAX: usize = 1_024;

/// A connection that is past its handshake.
#[derive(Debug)]
pub struct ControlConnection<S> {
    stream: S,
    address: SocketAddr,
    version: u8,
    timeout_ms: u64,
    inbox: BytesMut,
    events: VecDeque<Vec<u8>>,
    events_lost: bool,
    /// Stream of the last request; another one each time, so that an answer is never mistaken.
    last: i16,
}

impl<S: AsyncRead + AsyncWrite + Unpin> ControlConnection<S> {
    /// Takes over a stream to `address` after its handshake in `version`. Each question has `timeout_ms`.
    pub fn new(stream: S, address: SocketAddr, version: u8, timeout_ms: u64) -> Self {
        Self {
            stream,
            address,
            version,
            timeout_ms,
            inbox: BytesMut::new(),
            events: VecDeque::new(),
            events_lost: false,
            last: 0,
        }
    }

    /// Where it leads.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Registers for events.
    pub async fn register(&mut self, kinds: &[EventKind]) -> Result<(), DialErrorAt> {
        let step = DialStep::Register;
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
        let body = |out: &mut Vec<u8>| put_string_list(out, &names);
        let reply = self.ask(Opcode::Register, step, body).await?;
        reply.expect(Opcode::Ready, step).map_err(|error| error.at(self.address))
    }

    /// Asks a system table; the answer is the message of a RESULT.
    pub async fn query(&mut self, text: &str) -> Result<Vec<u8>, DialErrorAt> {
        let step = DialStep::Query;
        let reply = self.ask(Opcode::Query, step, |out| put_query(out, text)).await?;
        reply.expect(Opcode::Result, step).map_err(|error| error.at(self.address))?;
        Ok(reply.message)
    }

    /// Asks a system table that not every server has; `None` when it is not there. Only INVALID says
    /// so: to take an overloaded ScyllaDB for one without tablets would send every request astray.
    pub async fn query_if_there(&mut self, text: &str) -> Result<Option<Vec<u8>>, DialErrorAt> {
        match self.query(text).await {
            Ok(message) => Ok(Some(message)),
            Err(DialErrorAt { error: DialError::Refused(error, _), .. })
                if error.code == ErrorCode::INVALID =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Asks for one page of at most `rows` rows; `state` is the paging state of the page before.
    pub async fn query_page(
        &mut self,
        text: &str,
        rows: u32,
        state: Option<&[u8]>,
    ) -> Result<Vec<u8>, DialErrorAt> {
        let step = DialStep::Query;
        let reply =
            self.ask(Opcode::Query, step, |out| put_page_query(out, text, rows, state)).await?;
        reply.expect(Opcode::Result, step).map_err(|error| error.at(self.address))?;
        Ok(reply.message)
    }

    /// Asks whether the node is still there.
    pub async fn ping(&mut self) -> Result<(), DialErrorAt> {
        let step = DialStep::Options;
        let reply = self.ask(Opcode::Options, step, |_| {}).await?;
        reply.expect(Opcode::Supported, step).map_err(|error| error.at(self.address))
    }

    /// Waits until an event is there for [`Self::take_event`]. Nothing is lost when the caller
    /// stops waiting.
    pub async fn wait_event(&mut self) -> Result<(), DialErrorAt> {
        self.read_event().await.map_err(|error| error.at(self.address))
    }

    /// The message of the next EVENT that has come.
    pub fn take_event(&mut self) -> Option<Vec<u8>> {
        self.events.pop_front()
    }

    /// Whether events were dropped since this was last asked.
    pub fn events_lost(&mut self) -> bool {
        std::mem::take(&mut self.events_lost)
    }

    async fn read_event(&mut self) -> Result<(), DialError> {
        while self.events.is_empty() {
            let (header, body) = self.read_frame(DialStep::Event).await?;
            if header.stream != EVENT_STREAM {
                // A late answer would have closed the connection with its question's timeout.
                return Err(DialError::Unexpected { step: DialStep::Event, opcode: header.opcode });
            }
            self.keep_event(header, body)?;
        }
        Ok(())
    }

    async fn ask(
        &mut self,
        opcode: Opcode,
        step: DialStep,
        body: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Reply, DialErrorAt> {
        let (address, timeout_ms) = (self.address, self.timeout_ms);
        let mut request = Vec::new();
        self.last = self.last.checked_add(1).unwrap_or(0);
        write_frame(
            &mut request,
            FrameHead { version: self.version, flags: 0, stream: self.last },
            opcode,
            body,
        );
        let answer = async {
            let broken = |source: io::Error| DialError::Broken { step, source };
            self.stream.write_all(&request).await.map_err(broken)?;
            self.stream.flush().await.map_err(broken)?;
            loop {
                let (header, body) = self.read_frame(step).await?;
                if header.stream == EVENT_STREAM {
                    self.keep_event(header, body)?;
                    continue;
                }
                // Fatal errors come on stream 0, whatever was asked.
                let is_error = header.opcode == Opcode::Error.byte();
                if header.stream == self.last || is_error {
                    return read_reply(header, body, step);
                }
                return Err(DialError::Unexpected { step, opcode: header.opcode });
            }
        };
        match timeout(Duration::from_millis(timeout_ms), answer).await {
            Ok(reply) => reply.map_err(|error| error.at(address)),
            Err(_) => Err(DialError::Timeout { step, timeout_ms }.at(address)),
        }
    }

    fn keep_event(&mut self, header: Header, body: Vec<u8>) -> Result<(), DialError> {
        let reply = read_reply(header, body, DialStep::Event)?;
        reply.expect(Opcode::Event, DialStep::Event)?;
        if self.events.len() < EVENTS_MAX {
            self.events.push_back(reply.message);
        } else {
            self.events_lost = true;
        }
        Ok(())
    }

    /// Reads the next frame; what has been read of it stays when the caller stops waiting.
    async fn read_frame(&mut self, step: DialStep) -> Result<(Header, Vec<u8>), DialError> {
        let malformed = |source: WireError| DialError::Malformed { step, source };
        loop {
            if let Some(header) = Header::peek(&self.inbox) {
                if header.version != RESPONSE | self.version {
                    return Err(malformed(WireError::Version(header.version)));
                }
                if header.flags & FLAG_COMPRESSED != 0 {
                    return Err(malformed(WireError::Compression("none was agreed on")));
                }
                let len = header.frame_len(BODY_LEN_MAX).map_err(malformed)?;
                if self.inbox.len() >= len {
                    let frame = self.inbox.split_to(len);
                    let body = Frame::read(&frame).map(|frame| frame.body().to_vec());
                    return Ok((header, body.unwrap_or_default()));
                }
            }
            let broken = |source: io::Error| DialError::Broken { step, source };
            if self.stream.read_buf(&mut self.inbox).await.map_err(broken)? == 0 {
                return Err(broken(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

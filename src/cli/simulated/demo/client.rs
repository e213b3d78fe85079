//! A client as old drivers are: plain CQL v4, no shards, no tablets, one node.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use cql::consistency::Consistency;
use cql::frame::{Frame, FrameHead, write_frame};
use cql::header::Header;
use cql::notation::{put_bytes, put_long_string, put_short, put_short_bytes, put_string_map};
use cql::opcode::Opcode;
use cql::request::parameters::VALUES;
use cql::request::register::{EventKind, write_register};
use cql::response::error::ErrorMessage;
use cql::response::event::EVENT_STREAM;
use cql::response::prefix::Prefix;
use cql::response::prepared::Prepared;

/// The protocol that it speaks.
const VERSION: u8 = 4;
/// Stream of requests that are sent one at a time.
const ALONE: i16 = 0;
/// Longest answer that is read.
const BODY_LEN_MAX: u32 = 16 << 20;
/// Longest wait for an answer to a request that is sent alone: a change of the schema takes long.
const PATIENCE: Duration = Duration::from_secs(15);

/// An answer other than an EVENT.
#[derive(Debug)]
pub struct NodeReply {
    /// Stream of the request.
    pub stream: i16,
    /// What kind of answer.
    pub opcode: Opcode,
    /// The message.
    pub message: Vec<u8>,
}

impl NodeReply {
    /// What the server refuses, if this is an ERROR.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let refusal = || match ErrorMessage::read(&self.message) {
            Ok(error) => format!("{}: {}", error.code, error.text),
            Err(error) => format!("an ERROR that is malformed: {error}"),
        };
        (self.opcode == Opcode::Error).then(refusal)
    }
}

/// One connection.
#[derive(Debug)]
pub struct DemoClient {
    stream: TcpStream,
    inbox: BytesMut,
    outbox: Vec<u8>,
}

impl DemoClient {
    /// Connects and greets, as drivers do: OPTIONS, STARTUP, REGISTER, then `system.local`.
    pub async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await;
        let stream = stream.map_err(anyhow::Error::from).and_then(|it| it.map_err(Into::into));
        let stream = stream.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        let mut client = Self { stream, inbox: BytesMut::new(), outbox: Vec::new() };
        client.ask(Opcode::Options, |_| {}).await?;
        let options = [("CQL_VERSION", "3.0.0")];
        client.ask(Opcode::Startup, |out| put_string_map(out, &options)).await?;
        let kinds = [EventKind::TopologyChange, EventKind::StatusChange, EventKind::SchemaChange];
        write_register(&mut client.outbox, VERSION, ALONE, &kinds);
        client.alone().await?;
        client.query("SELECT * FROM system.local WHERE key='local'").await?;
        Ok(client)
    }

    /// Sends a statement by text, and waits for its answer.
    pub async fn query(&mut self, text: &str) -> anyhow::Result<NodeReply> {
        let body = |out: &mut Vec<u8>| {
            put_long_string(out, text);
            Consistency::One.put(out);
            out.push(0);
        };
        self.ask(Opcode::Query, body).await.with_context(|| text.to_owned())
    }

    /// Prepares a statement; its id.
    pub async fn prepare(&mut self, text: &str) -> anyhow::Result<Vec<u8>> {
        let answer = self.ask(Opcode::Prepare, |out| put_long_string(out, text)).await;
        let answer = answer.with_context(|| text.to_owned())?;
        Ok(Prepared::read(VERSION, &answer.message)?.id.to_vec())
    }

    /// Puts an EXECUTE to what [`Self::flush`] will send.
    pub fn put_execute(&mut self, stream: i16, id: &[u8], values: &[i64]) {
        write_frame(
            &mut self.outbox,
            FrameHead { version: VERSION, flags: 0, stream },
            Opcode::Execute,
            |out| {
                put_short_bytes(out, id);
                Consistency::One.put(out);
                out.push(VALUES);
                put_short(out, u16::try_from(values.len()).unwrap_or(u16::MAX));
                values.iter().for_each(|value| put_bytes(out, Some(&value.to_be_bytes())));
            },
        );
    }

    /// Sends what was put.
    pub async fn flush(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(&self.outbox).await.context("cannot send")?;
        self.outbox.clear();
        Ok(())
    }

    /// Sends what was put, a single request, and waits for its answer; an ERROR is an error.
    pub async fn alone(&mut self) -> anyhow::Result<NodeReply> {
        self.flush().await?;
        let answer = timeout(PATIENCE, self.answer()).await;
        let answer = answer.map_err(|_| anyhow!("no answer within {PATIENCE:?}"))??;
        match answer.refusal() {
            Some(refusal) => bail!("refused: {refusal}"),
            None => Ok(answer),
        }
    }

    /// Waits for the next answer. Nothing is lost when the caller stops waiting.
    pub async fn answer(&mut self) -> anyhow::Result<NodeReply> {
        loop {
            while let Some(answer) = self.take()? {
                if answer.stream != EVENT_STREAM {
                    return Ok(answer);
                }
            }
            if self.stream.read_buf(&mut self.inbox).await.context("cannot receive")? == 0 {
                bail!("the connection was closed");
            }
        }
    }

    async fn ask(
        &mut self,
        opcode: Opcode,
        body: impl FnOnce(&mut Vec<u8>),
    ) -> anyhow::Result<NodeReply> {
        write_frame(
            &mut self.outbox,
            FrameHead { version: VERSION, flags: 0, stream: ALONE },
            opcode,
            body,
        );
        self.alone().await
    }

    /// Takes a whole frame out of what has come.
    fn take(&mut self) -> anyhow::Result<Option<NodeReply>> {
        let Some(header) = Header::peek(&self.inbox) else { return Ok(None) };
        let len = header.frame_len(BODY_LEN_MAX)?;
        if self.inbox.len() < len {
            return Ok(None);
        }
        let frame = self.inbox.split_to(len);
        let body = Frame::read(&frame).map(|frame| frame.body()).unwrap_or_default();
        let at = Prefix::read(header.flags, body)?.message_at;
        let opcode = Opcode::from_byte(header.opcode);
        let opcode = opcode.with_context(|| format!("unknown opcode {}", header.opcode))?;
        let message = body.get(at..).unwrap_or_default().to_vec();
        Ok(Some(NodeReply { stream: header.stream, opcode, message }))
    }
}

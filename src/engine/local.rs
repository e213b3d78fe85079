//! What the engine answers itself: the driver must see one node, and that is us.

use crate::engine::client::ClientKey;
use crate::engine::engine::Engine;
use crate::engine::tally::{Ask, Outcome};
use crate::session::session::Phase;
use crate::wire::frame::write_frame;
use crate::wire::header::{HEADER_LEN, Header};
use crate::wire::notation::{put_short, put_string, put_string_list};
use crate::wire::opcode::Opcode;
use crate::wire::request::register::{EventKind, EventKinds};
use crate::wire::request::startup::Startup;
use crate::wire::response::error::ErrorCode;
use crate::wire::response::supported;

/// CQL version that ScyllaDB names, told to clients before the cluster's own is known.
const CQL_VERSION: &str = "3.3.1";

/// Statements that are answered without the cluster, by id.
#[derive(Debug, Default)]
pub struct LocalStatements {}

impl Engine {
    /// OPTIONS, STARTUP, REGISTER and AUTH_RESPONSE.
    pub(super) fn on_session_message(
        &mut self,
        client: ClientKey,
        opcode: Opcode,
        frame: &mut [u8],
    ) {
        let stream = Header::peek(frame).map_or(0, |header| header.stream);
        let body = frame.get(HEADER_LEN..).unwrap_or_default();
        match opcode {
            Opcode::Options => self.answer_options(client, stream),
            Opcode::Startup => self.answer_startup(client, stream, body),
            Opcode::Register => self.answer_register(client, stream, body),
            _ => {
                let text = "Should not reach";
                self.refuse((client, stream), Ask::Session, ErrorCode::SERVER_ERROR, text);
            }
        }
    }

    /// No `SCYLLA_*` key: a shard-aware driver would look for shards behind us and find none.
    fn answer_options(&mut self, client: ClientKey, stream: i16) {
        self.answer(client, (Opcode::Supported, stream), |out| {
            put_short(out, 2);
            put_string(out, supported::COMPRESSION);
            put_string_list(out, &[]);
            put_string(out, supported::CQL_VERSION);
            put_string_list(out, &[CQL_VERSION]);
        });
    }

    fn answer_startup(&mut self, client: ClientKey, stream: i16, body: &[u8]) {
        let ready = self.clients.get(client).is_some_and(|c| c.session.phase == Phase::Ready);
        if ready {
            let text = "Unexpected message STARTUP, the connection is already initialized";
            return self.refuse((client, stream), Ask::Session, ErrorCode::PROTOCOL_ERROR, text);
        }
        let compression = Startup::read(body).and_then(|startup| startup.compression());
        match compression {
            Ok(compression) => {
                self.answer(client, (Opcode::Ready, stream), |_| {});
                if let Some(entry) = self.clients.get_mut(client) {
                    entry.session.phase = Phase::Ready;
                    entry.session.compression = compression;
                }
            }
            Err(error) => {
                let text = error.to_string();
                self.refuse((client, stream), Ask::Session, ErrorCode::PROTOCOL_ERROR, &text);
            }
        }
    }

    /// Events of nodes are never sent: they name nodes that the client must not know.
    fn answer_register(&mut self, client: ClientKey, stream: i16, body: &[u8]) {
        match EventKinds::read(body) {
            Ok(kinds) => {
                if let Some(entry) = self.clients.get_mut(client) {
                    entry.session.subscription.schema |= kinds.contains(EventKind::SchemaChange);
                }
                self.answer(client, (Opcode::Ready, stream), |_| {});
            }
            Err(error) => {
                let text = error.to_string();
                self.refuse((client, stream), Ask::Session, ErrorCode::PROTOCOL_ERROR, &text);
            }
        }
    }

    fn answer(
        &mut self,
        client: ClientKey,
        (opcode, stream): (Opcode, i16),
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        let Some(entry) = self.clients.get_mut(client) else { return };
        let mut frame = Vec::new();
        write_frame(&mut frame, (entry.session.response_version(), 0, stream), opcode, body);
        entry.session.send(&frame);
        self.tally.on_ended(Ask::Session, Outcome::Local);
        self.touch_client(client);
    }

    pub(super) fn is_local_execute(&self, _frame: &[u8]) -> bool {
        false
    }

    pub(super) fn execute_locally(&mut self, _client: ClientKey, _frame: &mut [u8]) {}

    pub(super) fn query_locally(&mut self, _client: ClientKey, _frame: &mut [u8]) -> bool {
        false
    }

    pub(super) fn prepare_locally(&mut self, _client: ClientKey, _frame: &mut [u8]) -> bool {
        false
    }
}

//! What the engine answers itself: the driver must see one node, and that is us.

use crate::engine::client::ClientKey;
use crate::engine::engine::Engine;
use crate::engine::tally::{Outcome, RequestKind};
use crate::facade::select::Select;
use crate::facade::statement_id::{ID_LEN, facade_id, is_facade_id};
use crate::facade::statement_text;
use crate::facade::statement_text::StatementText;
use crate::facade::statements::LocalStatement;
use crate::facade::virtual_table::{Asked, LiveState};
use crate::session::session::Phase;
use cql::error_code::ErrorCode;
use cql::frame::write_frame;
use cql::header::{HEADER_LEN, Header};
use cql::notation::{
    put_int, put_long_string, put_short, put_short_bytes, put_string, put_string_list,
};
use cql::opcode::Opcode;
use cql::request::execute::Execute;
use cql::request::parameters::Parameters;
use cql::request::prepare::Prepare;
use cql::request::query::Query;
use cql::request::register::{EventKind, EventKinds};
use cql::request::startup::Startup;
use cql::response::error;
use cql::response::error::Extras;
use cql::response::result::ResultKind;
use cql::response::supported;

/// CQL version in SUPPORTED as long as the cluster's own is not known, and nothing is served: drivers
/// fail without any. It is the oldest that nodes with protocol 4 have.
const CQL_VERSION_MIN: &str = "3.3.1";

/// Told to clients that ask for nodes before the cluster's own tables were read.
const UNREACHED: &str = "shardlane has not reached the cluster yet";

/// What our tables show of the engine.
struct Live {
    schema_version: Option<[u8; 16]>,
}

impl LiveState for Live {
    fn schema_version(&self) -> Option<[u8; 16]> {
        self.schema_version
    }
}

impl Engine {
    /// OPTIONS, STARTUP and REGISTER.
    pub(in crate::engine) fn on_session_message(
        &mut self,
        client: ClientKey,
        opcode: Opcode,
        frame: &[u8],
    ) {
        let stream = Header::peek(frame).map_or(0, |header| header.stream);
        let body = frame.get(HEADER_LEN..).unwrap_or_default();
        if opcode == Opcode::Options {
            self.answer_options(client, stream);
        } else if opcode == Opcode::Startup {
            self.answer_startup(client, stream, body);
        } else {
            self.answer_register(client, stream, body);
        }
    }

    /// No `SCYLLA_*` key: a shard-aware driver would look for shards behind us and find none.
    /// What is not listed as a compression is spoken all the same, if a driver asks for it.
    /// [`supported::SHARDLANE`] is for other proxies, which must not take us for a node.
    fn answer_options(&mut self, client: ClientKey, stream: i16) {
        let told = self.settings.compression_told.iter().map(|one| one.name());
        let told: Vec<&str> = told.collect();
        let known = self.facade.as_ref().and_then(|facade| facade.facts().cql_version.clone());
        let cql_version = known.unwrap_or_else(|| CQL_VERSION_MIN.to_owned());
        self.answer(client, (Opcode::Supported, stream), |out| {
            put_short(out, 3);
            put_string(out, supported::COMPRESSION);
            put_string_list(out, &told);
            put_string(out, supported::CQL_VERSION);
            put_string_list(out, &[&cql_version]);
            put_string(out, supported::SHARDLANE);
            put_string_list(out, &[env!("CARGO_PKG_VERSION")]);
        });
    }

    fn answer_startup(&mut self, client: ClientKey, stream: i16, body: &[u8]) {
        let ready = self.clients.get(client).is_some_and(|c| c.session.phase == Phase::Ready);
        if ready {
            let text = "Unexpected message STARTUP, the connection is already initialized";
            return self.refuse(
                (client, stream),
                RequestKind::Session,
                ErrorCode::PROTOCOL_ERROR,
                text,
            );
        }
        let compression = Startup::read(body).and_then(|startup| startup.compression());
        match compression {
            Ok(compression) => {
                let phase = match self.authenticator.clone() {
                    Some(class) => {
                        let answer = (Opcode::Authenticate, stream);
                        self.answer(client, answer, |out| put_string(out, &class));
                        Phase::Authenticating
                    }
                    None => {
                        self.answer(client, (Opcode::Ready, stream), |_| {});
                        Phase::Ready
                    }
                };
                if let Some(entry) = self.clients.get_mut(client) {
                    self.tally.on_started(entry.session.version, compression);
                    entry.session.phase = phase;
                    entry.session.compression = compression;
                }
            }
            Err(error) => {
                let text = error.to_string();
                self.refuse(
                    (client, stream),
                    RequestKind::Session,
                    ErrorCode::PROTOCOL_ERROR,
                    &text,
                );
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
                self.refuse(
                    (client, stream),
                    RequestKind::Session,
                    ErrorCode::PROTOCOL_ERROR,
                    &text,
                );
            }
        }
    }

    fn answer(
        &mut self,
        client: ClientKey,
        (opcode, stream): (Opcode, i16),
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        self.answer_as(RequestKind::Session, client, (opcode, stream), body);
    }

    fn answer_as(
        &mut self,
        ask: RequestKind,
        client: ClientKey,
        (opcode, stream): (Opcode, i16),
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        let Some(entry) = self.clients.get_mut(client) else { return };
        let mut frame = Vec::new();
        write_frame(&mut frame, (entry.session.response_version(), 0, stream), opcode, body);
        entry.session.send(&frame);
        self.tally.on_ended(ask, Outcome::Local);
        self.touch_client(client);
    }

    /// Answers a QUERY that only concerns us; `false` when it is the cluster's.
    pub(in crate::engine) fn query_locally(&mut self, client: ClientKey, frame: &[u8]) -> bool {
        let stream = Header::peek(frame).map_or(0, |header| header.stream);
        let body = frame.get(HEADER_LEN..).unwrap_or_default();
        let Ok(query) = Query::read(body) else { return false };
        let asked = (client, stream);
        match self.classify(client, query.text) {
            StatementText::Other => return false,
            StatementText::Local(select) => {
                self.answer_select(RequestKind::Query, asked, &select, &query.parameters);
            }
            StatementText::Use(keyspace) => self.on_use(client, &keyspace, frame),
            StatementText::Refused(why) => {
                self.refuse(asked, RequestKind::Query, why.code, &why.text);
            }
        }
        true
    }

    /// Prepares a statement that only concerns us; `false` when it is the cluster's.
    pub(in crate::engine) fn prepare_locally(&mut self, client: ClientKey, frame: &[u8]) -> bool {
        let stream = Header::peek(frame).map_or(0, |header| header.stream);
        let body = frame.get(HEADER_LEN..).unwrap_or_default();
        let Ok(Prepare { text }) = Prepare::read(body) else { return false };
        let Some(entry) = self.clients.get(client) else { return false };
        let version = entry.session.version.unwrap_or(4);
        let id = facade_id(entry.session.keyspace.as_deref(), text);
        let (statement, message) = match self.classify(client, text) {
            StatementText::Other => return false,
            StatementText::Refused(why) => {
                self.refuse((client, stream), RequestKind::Prepare, why.code, &why.text);
                return true;
            }
            StatementText::Use(keyspace) => {
                (LocalStatement::Use(keyspace), prepared_use(&id, version))
            }
            StatementText::Local(select) => {
                // A node's own answer would show the client the nodes behind us.
                let Some(facade) = self.facade.clone() else {
                    self.refuse(
                        (client, stream),
                        RequestKind::Prepare,
                        ErrorCode::OVERLOADED,
                        UNREACHED,
                    );
                    return true;
                };
                match facade.prepare(&select, &id, version) {
                    Ok(message) => (LocalStatement::Select(select), message),
                    Err(refusal) => {
                        let (code, text) = (refusal.code, refusal.text);
                        self.refuse((client, stream), RequestKind::Prepare, code, &text);
                        return true;
                    }
                }
            }
        };
        self.local_statements.insert(id, statement);
        let answer = (Opcode::Result, stream);
        self.answer_as(RequestKind::Prepare, client, answer, |out| out.extend_from_slice(&message));
        true
    }

    /// Whether an EXECUTE names a statement that we answer.
    #[inline]
    pub(in crate::engine) fn is_local_execute(frame: &[u8]) -> bool {
        let id = frame.get(HEADER_LEN + 2..HEADER_LEN + 2 + ID_LEN);
        id.is_some_and(is_facade_id)
    }

    /// Answers an EXECUTE that only concerns us.
    pub(in crate::engine) fn execute_locally(&mut self, client: ClientKey, frame: &[u8]) {
        let stream = Header::peek(frame).map_or(0, |header| header.stream);
        let asked = (client, stream);
        let body = frame.get(HEADER_LEN..).unwrap_or_default();
        let Ok(execute) = Execute::read(body) else {
            let text = "malformed EXECUTE";
            return self.refuse(asked, RequestKind::Execute, ErrorCode::PROTOCOL_ERROR, text);
        };
        match self.local_statements.get(execute.id).as_deref() {
            Some(LocalStatement::Select(select)) => {
                self.answer_select(RequestKind::Execute, asked, select, &execute.parameters);
            }
            Some(LocalStatement::Use(keyspace)) => {
                let mut query = Vec::new();
                write_frame(&mut query, (4, 0, stream), Opcode::Query, |out| {
                    put_long_string(out, &format!("USE {}", statement_text::quote(keyspace)));
                    put_short(out, 1);
                    out.push(0);
                });
                self.on_use(client, keyspace, &query);
            }
            None => self.refuse_unknown(asked, execute.id),
        }
    }

    /// The driver prepares it again, and then it is known.
    fn refuse_unknown(&mut self, (client, stream): (ClientKey, i16), id: &[u8]) {
        let Some(entry) = self.clients.get_mut(client) else { return };
        let text = "No prepared statement with this ID found.";
        let extras = Extras::Unprepared { id: Some(id) };
        let mut frame = Vec::new();
        let version = entry.session.response_version();
        error::write_error_with(&mut frame, version, stream, text, &extras);
        entry.session.send(&frame);
        self.tally.on_ended(RequestKind::Execute, Outcome::Refused);
        self.touch_client(client);
    }

    fn answer_select(
        &mut self,
        ask: RequestKind,
        (client, stream): (ClientKey, i16),
        select: &Select,
        parameters: &Parameters<'_>,
    ) {
        let Some(seen_at) = self.clients.get(client).map(|client| client.local_address) else {
            return;
        };
        // Who reads nothing gets no more of these than of other answers.
        if self.disconnects_if_unread(client) {
            return self.tally.on_ended(ask, Outcome::Abandoned);
        }
        let Some(facade) = self.facade.clone() else {
            return self.refuse((client, stream), ask, ErrorCode::OVERLOADED, UNREACHED);
        };
        let live = Live { schema_version: None };
        let asked = Asked { seen_at, live: &live };
        match facade.answer(select, parameters, &asked) {
            Ok(answer) => {
                self.answer_as(ask, client, (Opcode::Result, stream), |out| answer.put(out));
            }
            Err(refusal) => self.refuse((client, stream), ask, refusal.code, &refusal.text),
        }
    }

    fn classify(&self, client: ClientKey, text: &str) -> StatementText {
        let keyspace = self.clients.get(client).and_then(|entry| entry.session.keyspace.as_deref());
        statement_text::classify(text, keyspace)
    }
}

/// The message of RESULT Prepared for a `USE`: no markers, no columns.
fn prepared_use(id: &[u8; ID_LEN], version: u8) -> Vec<u8> {
    let mut out = Vec::new();
    put_int(&mut out, ResultKind::Prepared.code());
    put_short_bytes(&mut out, id);
    let counts = if version >= 4 { 3 } else { 2 };
    for _ in 0..counts {
        put_int(&mut out, 0);
    }
    put_int(&mut out, 4);
    put_int(&mut out, 0);
    out
}

//! What the engine answers itself: the driver must see one node, and that is us.

use crate::engine::answers::deliver::Response;
use crate::engine::client::ClientKey;
use crate::engine::engine::Engine;
use crate::engine::pending::{InternalRequest, Origin};
use crate::engine::requests::local_traces::{Asker, add_trace, is_traced, traced_query};
use crate::engine::tally::{Outcome, RequestKind};
use crate::facade::refusal::Refusal;
use crate::facade::select::Select;
use crate::facade::statement_id::{ID_LEN, facade_id, is_facade_id};
use crate::facade::statement_text;
use crate::facade::statement_text::StatementText;
use crate::facade::statements::{LocalStatement, prepared_use};
use crate::facade::virtual_table::Asked;
use crate::routing::decision::Reason;
use crate::session::session::Phase;
use cql::error_code::ErrorCode;
use cql::frame::write_frame;
use cql::header::{FLAG_TRACING, HEADER_LEN, Header};
use cql::notation::{Reader, put_long_string, put_short, put_string, put_string_list};
use cql::opcode::Opcode;
use cql::request::execute::Execute;
use cql::request::parameters::Parameters;
use cql::request::prepare::Prepare;
use cql::request::query::Query;
use cql::request::register::{EventKind, EventKinds};
use cql::request::startup::Startup;
use cql::response::error;
use cql::response::error::Extras;
use cql::response::supported;

/// CQL version in SUPPORTED as long as the cluster's own is not known, and nothing is served: drivers
/// fail without any. It is the oldest that nodes with protocol 4 have.
const CQL_VERSION_MIN: &str = "3.3.1";

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
        let asker = Asker { client, stream, trace: None };
        let put = |out: &mut Vec<u8>, version| {
            write_frame(out, (version, 0, stream), opcode, body);
        };
        self.send_locally(RequestKind::Session, asker, Outcome::Local, put);
    }

    /// Answers a QUERY that only concerns us; `false` when it is the cluster's.
    pub(in crate::engine) fn query_locally(&mut self, asker: Asker, frame: &[u8]) -> bool {
        let body = frame.get(HEADER_LEN..).unwrap_or_default();
        let Ok(query) = Query::read(body) else { return false };
        match self.classify(asker.client, query.text) {
            StatementText::Other => return false,
            StatementText::Local(select) => {
                self.answer_select(RequestKind::Query, asker, &select, &query.parameters);
            }
            StatementText::Use(keyspace) => self.on_use(asker.client, &keyspace, frame),
            StatementText::Refused(why) => self.refuse_locally(RequestKind::Query, asker, &why),
        }
        true
    }

    /// Prepares a statement that only concerns us; `false` when it is the cluster's.
    pub(in crate::engine) fn prepare_locally(&mut self, asker: Asker, frame: &[u8]) -> bool {
        let body = frame.get(HEADER_LEN..).unwrap_or_default();
        let Ok(Prepare { text }) = Prepare::read(body) else { return false };
        let Some(entry) = self.clients.get(asker.client) else { return false };
        let version = entry.session.version.unwrap_or(4);
        let id = facade_id(entry.session.keyspace.as_deref(), text);
        let prepared = match self.classify(asker.client, text) {
            StatementText::Other => return false,
            StatementText::Refused(why) => Err(why),
            StatementText::Use(keyspace) => {
                Ok((LocalStatement::Use(keyspace), prepared_use(&id, version)))
            }
            // A node's own answer would show the client the nodes behind us.
            StatementText::Local(select) => match &self.facade {
                None => Err(Refusal::unreached()),
                Some(facade) => facade
                    .prepare(&select, &id, version)
                    .map(|message| (LocalStatement::Select(select), message)),
            },
        };
        match prepared {
            Ok((statement, message)) => {
                self.local_statements.insert(id, statement);
                let put = |out: &mut Vec<u8>| out.extend_from_slice(&message);
                self.answer_locally(RequestKind::Prepare, asker, put);
            }
            Err(why) => self.refuse_locally(RequestKind::Prepare, asker, &why),
        }
        true
    }

    /// Whether an EXECUTE names a statement that we answer.
    #[inline]
    pub(in crate::engine) fn is_local_execute(frame: &[u8]) -> bool {
        let id = frame.get(HEADER_LEN + 2..HEADER_LEN + 2 + ID_LEN);
        id.is_some_and(is_facade_id)
    }

    /// Whether a request gets its answer here, without any node.
    pub(in crate::engine) fn is_local(
        &self,
        client: ClientKey,
        opcode: Opcode,
        frame: &[u8],
    ) -> bool {
        let body = frame.get(HEADER_LEN..).unwrap_or_default();
        if opcode == Opcode::Execute {
            let statement = Execute::read(body).ok();
            let statement = statement.and_then(|execute| self.local_statements.get(execute.id));
            return !matches!(statement.as_deref(), Some(LocalStatement::Use(_)));
        }
        let Ok(text) = Reader::new(body).long_string() else { return false };
        match self.classify(client, text) {
            StatementText::Local(_) | StatementText::Refused(_) => true,
            StatementText::Use(_) => opcode == Opcode::Prepare,
            StatementText::Other => false,
        }
    }

    /// Answers an EXECUTE that only concerns us.
    pub(in crate::engine) fn execute_locally(&mut self, asker: Asker, frame: &[u8]) {
        let body = frame.get(HEADER_LEN..).unwrap_or_default();
        let Ok(execute) = Execute::read(body) else {
            let text = "malformed EXECUTE";
            let asked = (asker.client, asker.stream);
            return self.refuse(asked, RequestKind::Execute, ErrorCode::PROTOCOL_ERROR, text);
        };
        match self.local_statements.get(execute.id).as_deref() {
            Some(LocalStatement::Select(select)) => {
                self.answer_select(RequestKind::Execute, asker, select, &execute.parameters);
            }
            Some(LocalStatement::Use(keyspace)) => {
                let flags = Header::peek(frame).map_or(0, |head| head.flags & FLAG_TRACING);
                let mut query = Vec::new();
                write_frame(&mut query, (4, flags, asker.stream), Opcode::Query, |out| {
                    put_long_string(out, &format!("USE {}", statement_text::quote(keyspace)));
                    put_short(out, 1);
                    out.push(0);
                });
                self.on_use(asker.client, keyspace, &query);
            }
            None => {
                // The driver prepares it again, and then it is known.
                let text = "No prepared statement with this ID found.";
                let extras = Extras::Unprepared { id: Some(execute.id) };
                let put = |out: &mut Vec<u8>, version| {
                    error::write_error_with(out, version, asker.stream, text, &extras);
                };
                self.send_locally(RequestKind::Execute, asker, Outcome::Refused, put);
            }
        }
    }

    fn answer_select(
        &mut self,
        ask: RequestKind,
        asker: Asker,
        select: &Select,
        parameters: &Parameters<'_>,
    ) {
        let Some(entry) = self.clients.get(asker.client) else { return };
        let seen_at = entry.local_address;
        // Who reads nothing gets no more of these than of other answers.
        if self.disconnects_if_unread(asker.client) {
            return self.tally.on_ended(ask, Outcome::Abandoned);
        }
        let Some(facade) = self.facade.clone() else {
            return self.refuse_locally(ask, asker, &Refusal::unreached());
        };
        let live = self.agreement.shown;
        let asked = Asked { seen_at, live: &live };
        match facade.answer(select, parameters, &asked) {
            Ok(answer) => self.answer_locally(ask, asker, |out| answer.put(out)),
            Err(refusal) => self.refuse_locally(ask, asker, &refusal),
        }
    }

    fn answer_locally(&mut self, ask: RequestKind, asker: Asker, put: impl FnOnce(&mut Vec<u8>)) {
        let put = |out: &mut Vec<u8>, version| {
            write_frame(out, (version, 0, asker.stream), Opcode::Result, put);
        };
        self.send_locally(ask, asker, Outcome::Local, put);
    }

    fn refuse_locally(&mut self, ask: RequestKind, asker: Asker, why: &Refusal) {
        let put = |out: &mut Vec<u8>, version| {
            error::write_error(out, version, asker.stream, why.code, &why.text);
        };
        self.send_locally(ask, asker, Outcome::Refused, put);
    }

    /// Sends a frame of ours that `put` writes for a version, with the client's trace if it has one.
    fn send_locally(
        &mut self,
        ask: RequestKind,
        asker: Asker,
        outcome: Outcome,
        put: impl FnOnce(&mut Vec<u8>, u8),
    ) {
        let Some(entry) = self.clients.get_mut(asker.client) else { return };
        let mut frame = Vec::new();
        put(&mut frame, entry.session.response_version());
        if let Some(id) = asker.trace {
            add_trace(&mut frame, id);
        }
        entry.session.send(&frame);
        self.tally.on_ended(ask, outcome);
        self.touch_client(asker.client);
    }

    fn classify(&self, client: ClientKey, text: &str) -> StatementText {
        let keyspace = self.clients.get(client).and_then(|entry| entry.session.keyspace.as_deref());
        statement_text::classify(text, keyspace)
    }

    /// Asks a node to trace something, if a request that is answered here is to be traced. Returns
    /// whether the answer has to wait for that.
    pub(in crate::engine) fn waits_for_trace(
        &mut self,
        client: ClientKey,
        opcode: Opcode,
        frame: &[u8],
    ) -> bool {
        if !is_traced(frame) || !self.is_local(client, opcode, frame) {
            return false;
        }
        let number = self.next_number();
        let outgoing = self
            .outgoing(Origin::InternalRequest(InternalRequest::LocalTrace(number)), Opcode::Query);
        let home = self.clients.get(client).map(|client| client.home);
        let decision = home.and_then(|home| {
            let (router, lanes) = self.field(home);
            router.anywhere(&lanes, Reason::Text)
        });
        if !decision.is_some_and(|decision| self.send(decision.lane, outgoing, &traced_query())) {
            return false;
        }
        if let Some(entry) = self.clients.get_mut(client) {
            entry.in_flight += 1;
        }
        self.local_traces.insert(number, client, (opcode, frame));
        true
    }

    /// A node traced something, and says under which id.
    pub(in crate::engine) fn on_trace_answer(&mut self, number: u64, response: &Response<'_>) {
        let is_traced = response.header.flags & FLAG_TRACING != 0;
        let id = Reader::new(response.body).uuid().ok().filter(|_| is_traced);
        self.on_trace(number, id);
    }

    /// A trace is there, or will not come: the request is answered.
    pub(in crate::engine) fn on_trace(&mut self, number: u64, id: Option<[u8; 16]>) {
        let Some((client, opcode, frame)) = self.local_traces.remove(number) else { return };
        self.leave(client);
        if self.clients.get(client).is_none() {
            return self.tally.on_ended(RequestKind::of(opcode), Outcome::Abandoned);
        }
        let asker = Asker { trace: id, ..Asker::of(client, &frame) };
        // A `USE` that was answered meanwhile can make an unqualified table the cluster's.
        if opcode == Opcode::Execute {
            self.execute_locally(asker, &frame);
        } else if opcode == Opcode::Prepare {
            if !self.prepare_locally(asker, &frame) {
                self.on_prepare(client, &frame);
            }
        } else if !self.query_locally(asker, &frame) {
            self.on_query(client, &frame);
        }
    }
}

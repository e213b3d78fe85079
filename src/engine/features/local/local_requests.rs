//! What the engine answers itself: the driver must see one node, and that is us.

use std::sync::Arc;

use crate::engine::client::ClientStream;
use crate::engine::core::console_access::{Access, Live};
use crate::engine::core::core::Core;
use crate::engine::core::message::{ClientRequest, TraceId};
use crate::engine::view::tally::{Outcome, RequestKind};
use crate::facade::console::table::ConsoleTable;
use crate::facade::facade::Facade;
use crate::facade::local_statements::{LocalStatement, prepared_use};
use crate::facade::refusal::Refusal;
use crate::facade::tables::schema_version::SchemaVersion;
use crate::facade::tables::virtual_table::Viewpoint;
use crate::facade::text::select::Select;
use crate::facade::text::statement_id::{facade_id, names_facade_statement};
use crate::facade::text::statement_text::StatementText;
use crate::session::session::Phase;
use cql::error_code::ErrorCode;
use cql::frame::{FrameHead, write_frame};
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
use cql::statement::name::quoted;

/// CQL version in SUPPORTED as long as the cluster's own is not known, and nothing is served: drivers
/// fail without any. It is the oldest that nodes with protocol 4 have.
const CQL_VERSION_MIN: &str = "3.3.1";

/// What the engine answers itself.
#[derive(Debug, Default)]
pub(crate) struct LocalAnswers {
    /// What system.local and system.peers look like; `None` before they were read.
    facade: Option<Arc<Facade>>,
}

/// What becomes of a statement.
#[derive(Debug)]
pub(crate) enum Local {
    /// It is the cluster's to answer.
    No,
    /// It is the cluster's to answer, and rows of the console belong to the answer.
    Schema,
    /// It is answered.
    Answered,
    /// The rows of this table have to be collected first.
    Awaits(ConsoleTable),
    /// It is a `USE` of this keyspace, by this frame of a QUERY.
    Use(String, Vec<u8>),
}

impl LocalAnswers {
    /// Takes what system.local and system.peers look like.
    pub(crate) fn set_facade(&mut self, facade: Arc<Facade>) {
        self.facade = Some(facade);
    }

    /// Answers a QUERY that is not for the cluster. `shown` is the schema version that clients are
    /// shown.
    pub(crate) fn on_query(
        &self,
        core: &mut Core,
        request: &ClientRequest<'_>,
        query: &Query<'_>,
        shown: SchemaVersion,
    ) -> Local {
        let answered = Answered::of(request);
        match core.classify(request.from.client, query.text) {
            StatementText::Other => return Local::No,
            StatementText::Schema(question) => {
                let is_ours = question.concerns_us(&query.parameters);
                return if is_ours { Local::Schema } else { Local::No };
            }
            StatementText::Described(described) => {
                let style = self.facade.as_ref().map(|facade| facade.style()).unwrap_or_default();
                answered.result(core, |out| described.put(out, style));
            }
            StatementText::Local(select) => {
                let asked = Selected { select: &select, parameters: &query.parameters };
                return self.answer_select(core, answered, asked, shown);
            }
            StatementText::Use(keyspace) => return Local::Use(keyspace, request.frame.to_vec()),
            StatementText::Refused(why) => answered.refuse(core, &why),
        }
        Local::Answered
    }

    /// Prepares a statement that is not for the cluster; `false` when it is.
    pub(crate) fn on_prepare(&self, core: &mut Core, request: &ClientRequest<'_>) -> bool {
        let Ok(Prepare { text }) = Prepare::read(request.body()) else { return false };
        let (from, answered) = (request.from, Answered::of(request));
        let Some(entry) = core.clients.get(from.client) else { return false };
        let version = entry.session.version.unwrap_or(4);
        let id = facade_id(entry.session.keyspace.as_deref(), text);
        let prepared = match core.classify(from.client, text) {
            // DESCRIBE is not prepared by drivers, and an answer about the schema is never added to.
            StatementText::Described(_) | StatementText::Schema(_) | StatementText::Other => {
                return false;
            }
            StatementText::Refused(refusal) => Err(refusal),
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
                core.local_statements.insert(id, statement);
                answered.result(core, |out| out.extend_from_slice(&message));
            }
            Err(refusal) => answered.refuse(core, &refusal),
        }
        true
    }

    /// Answers an EXECUTE of a statement that we own. `shown` is the schema version that clients
    /// are shown.
    pub(crate) fn on_execute(
        &self,
        core: &mut Core,
        request: &ClientRequest<'_>,
        shown: SchemaVersion,
    ) -> Local {
        let answered = Answered::of(request);
        let Ok(execute) = Execute::read(request.body()) else {
            let text = "malformed EXECUTE".to_owned();
            answered.refuse(core, &Refusal { code: ErrorCode::PROTOCOL_ERROR, text });
            return Local::Answered;
        };
        match core.local_statements.get(execute.id).as_deref() {
            Some(LocalStatement::Select(select)) => {
                let is_console = ConsoleTable::of(select.table).is_some();
                match core.console_access(request.from.client) {
                    Access::Off if is_console => {
                        answered.refuse(core, &Refusal::no_such_table(select.table.table));
                    }
                    Access::Denied if is_console => {
                        let why = core.denied(request.from.client);
                        answered.refuse(core, &why);
                    }
                    Access::Off | Access::Denied | Access::Shown => {
                        let asked = Selected { select, parameters: &execute.parameters };
                        return self.answer_select(core, answered, asked, shown);
                    }
                }
            }
            Some(LocalStatement::Use(keyspace)) => {
                let flags = Header::peek(request.frame).map_or(0, |head| head.flags & FLAG_TRACING);
                let head = FrameHead { version: 4, flags, stream: request.from.stream };
                let mut query = Vec::new();
                write_frame(&mut query, head, Opcode::Query, |out| {
                    put_long_string(out, &format!("USE {}", quoted(keyspace)));
                    put_short(out, 1);
                    out.push(0);
                });
                return Local::Use(keyspace.clone(), query);
            }
            None => {
                // The driver prepares it again, and then it is known.
                let text = "No prepared statement with this ID found.";
                let extras = Extras::Unprepared { id: Some(execute.id) };
                answered.send(core, Outcome::Failed, |out, version| {
                    error::write_error_with(out, version, answered.from.stream, text, &extras);
                });
            }
        }
        Local::Answered
    }

    /// OPTIONS, STARTUP and REGISTER. `authenticator` is the class that a client must log in by, if
    /// it must.
    pub(crate) fn on_session_message(
        &self,
        core: &mut Core,
        request: &ClientRequest<'_>,
        authenticator: Option<&str>,
    ) {
        if request.opcode == Opcode::Options {
            let facts = self.facade.as_ref().map(|facade| facade.facts());
            let known = facts.and_then(|facts| facts.cql_version.as_deref());
            answer_options(core, request.from, known.unwrap_or(CQL_VERSION_MIN));
        } else if request.opcode == Opcode::Startup {
            answer_startup(core, request, authenticator);
        } else {
            answer_register(core, request);
        }
    }

    fn answer_select(
        &self,
        core: &mut Core,
        answered: Answered,
        Selected { select, parameters }: Selected<'_>,
        schema: SchemaVersion,
    ) -> Local {
        let Some(client) = core.clients.get(answered.from.client) else { return Local::Answered };
        let seen_at = client.local_address;
        // A client that reads nothing gets no more of these than of other answers.
        if core.disconnects_if_unread(answered.from.client) {
            core.tally.on_ended(answered.kind, Outcome::Abandoned);
            return Local::Answered;
        }
        let Some(facade) = &self.facade else {
            answered.refuse(core, &Refusal::unreached());
            return Local::Answered;
        };
        let table = ConsoleTable::of(select.table);
        let is_later_page =
            parameters.options().is_ok_and(|options| options.paging_state.is_some());
        let collected = table
            .and_then(|table| core.console.get(table, is_later_page, core.now_us).map(Arc::clone));
        let live = Live { schema, collected };
        let asked = Viewpoint { seen_at, live: &live };
        let answer = facade.answer(select, parameters, &asked);
        match (answer, table) {
            (Err(refusal), _) => answered.refuse(core, &refusal),
            (Ok(_), Some(table)) if live.collected.is_none() => return Local::Awaits(table),
            (Ok(answer), _) => answered.result(core, |out| answer.put(out)),
        }
        Local::Answered
    }
}

/// Whether a request gets its answer here, without any node.
pub(crate) fn answers(core: &Core, request: &ClientRequest<'_>) -> bool {
    if request.opcode == Opcode::Execute {
        let statement = Execute::read(request.body()).ok();
        let statement = statement.and_then(|execute| core.local_statements.get(execute.id));
        let is_use = matches!(statement.as_deref(), Some(LocalStatement::Use(_)));
        return names_facade_statement(request.frame.get(HEADER_LEN..).unwrap_or_default())
            && !is_use;
    }
    if request.opcode != Opcode::Query && request.opcode != Opcode::Prepare {
        return false;
    }
    let Ok(text) = Reader::new(request.body()).long_string() else { return false };
    match core.classify(request.from.client, text) {
        StatementText::Local(_) | StatementText::Described(_) | StatementText::Refused(_) => true,
        StatementText::Use(_) => request.opcode == Opcode::Prepare,
        StatementText::Schema(_) | StatementText::Other => false,
    }
}

/// A SELECT from a table of ours.
#[derive(Clone, Copy, Debug)]
struct Selected<'a> {
    select: &'a Select,
    parameters: &'a Parameters<'a>,
}

/// A request that is answered here.
#[derive(Clone, Copy, Debug)]
struct Answered {
    from: ClientStream,
    kind: RequestKind,
    trace: Option<TraceId>,
}

impl Answered {
    fn of(request: &ClientRequest<'_>) -> Self {
        let kind = RequestKind::of(request.opcode);
        Self { from: request.from, kind, trace: request.trace }
    }

    fn result(self, core: &mut Core, body: impl FnOnce(&mut Vec<u8>)) {
        self.send(core, Outcome::Local, |out, version| {
            let head = FrameHead { version, flags: 0, stream: self.from.stream };
            write_frame(out, head, Opcode::Result, body);
        });
    }

    /// Answers with an ERROR. A wrong question fails as it would before a node; it is refused where the right
    /// one would be, too.
    fn refuse(self, core: &mut Core, why: &Refusal) {
        let is_wrong = why.code != ErrorCode::OVERLOADED;
        let outcome = if is_wrong { Outcome::Failed } else { Outcome::Refused };
        self.send(core, outcome, |out, version| {
            error::write_error(out, version, self.from.stream, why.code, &why.text);
        });
    }

    /// Sends the frame that `write` writes for a version byte, with the trace if there is one.
    fn send(self, core: &mut Core, outcome: Outcome, write: impl FnOnce(&mut Vec<u8>, u8)) {
        core.tally.on_ended(self.kind, outcome);
        core.send_frame(self.from.client, |out, version| {
            write(out, version);
            if let Some(id) = self.trace {
                add_trace(out, id);
            }
        });
    }
}

/// Puts the id of a trace before the body of a frame.
fn add_trace(frame: &mut Vec<u8>, id: TraceId) {
    let Some(header) = Header::peek(frame) else { return };
    let body_len = header.body_len + 16;
    let header = Header { flags: header.flags | FLAG_TRACING, body_len, ..header };
    frame.splice(..HEADER_LEN, header.to_bytes().into_iter().chain(id));
}

/// No `SCYLLA_*` key: a shard-aware driver would look for shards behind us and find none.
/// Compressions that are not listed are spoken all the same, if a driver asks for them.
/// [`supported::SHARDLANE`] is for other proxies, which must not take us for a node.
fn answer_options(core: &mut Core, from: ClientStream, cql_version: &str) {
    let listed = core.settings.compression_offered.iter().map(|one| one.name());
    let listed: Vec<&str> = listed.collect();
    core.answer(from, RequestKind::Session, Opcode::Supported, |out| {
        put_short(out, 3);
        put_string(out, supported::COMPRESSION);
        put_string_list(out, &listed);
        put_string(out, supported::CQL_VERSION);
        put_string_list(out, &[cql_version]);
        put_string(out, supported::SHARDLANE);
        put_string_list(out, &[env!("CARGO_PKG_VERSION")]);
    });
}

fn answer_startup(core: &mut Core, request: &ClientRequest<'_>, authenticator: Option<&str>) {
    let (from, kind) = (request.from, RequestKind::Session);
    let phase = core.clients.get(from.client).map(|client| client.session.phase);
    if phase == Some(Phase::Ready) {
        let text = "Unexpected message STARTUP, the connection is already initialized";
        return core.refuse(from, kind, ErrorCode::PROTOCOL_ERROR, text);
    }
    let startup = Startup::read(request.body());
    if let Ok(startup) = &startup
        && let Some(entry) = core.clients.get_mut(from.client)
    {
        entry.about.set_driver(startup);
    }
    if core.is_cassandra
        && let Ok(startup) = &startup
        && let Some(why) = startup.version_refusal()
    {
        return core.refuse(from, kind, ErrorCode::PROTOCOL_ERROR, &why);
    }
    let compression = startup.and_then(|startup| startup.compression());
    let compression = match compression {
        Ok(compression) => compression,
        Err(error) => {
            return core.refuse(from, kind, ErrorCode::PROTOCOL_ERROR, &error.to_string());
        }
    };
    let phase = match authenticator {
        Some(class) => {
            core.answer(from, kind, Opcode::Authenticate, |out| put_string(out, class));
            Phase::Authenticating
        }
        None => {
            core.answer(from, kind, Opcode::Ready, |_| {});
            Phase::Ready
        }
    };
    if let Some(entry) = core.clients.get_mut(from.client) {
        core.tally.on_started(entry.session.version, compression);
        entry.session.phase = phase;
        entry.session.compression = compression;
    }
}

/// Events of nodes are never sent: they name nodes that the client must not know.
fn answer_register(core: &mut Core, request: &ClientRequest<'_>) {
    let (from, kind) = (request.from, RequestKind::Session);
    match EventKinds::read(request.body()) {
        Ok(kinds) => {
            if let Some(entry) = core.clients.get_mut(from.client) {
                entry.session.subscription.schema |= kinds.contains(EventKind::SchemaChange);
            }
            core.answer(from, kind, Opcode::Ready, |_| {});
        }
        Err(error) => core.refuse(from, kind, ErrorCode::PROTOCOL_ERROR, &error.to_string()),
    }
}

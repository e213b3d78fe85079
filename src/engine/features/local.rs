//! What the engine answers itself: the driver must see one node, and that is us.

use std::sync::Arc;

use crate::engine::client::{ClientKey, ClientStream};
use crate::engine::core::core::Core;
use crate::engine::core::message::Request;
use crate::engine::tally::{Outcome, RequestKind};
use crate::facade::facade::Facade;
use crate::facade::select::Select;
use crate::facade::statement_id::{ID_LEN, facade_id, is_facade_id};
use crate::facade::statement_text;
use crate::facade::statement_text::StatementText;
use crate::facade::statements::{LocalStatement, LocalStatements};
use crate::facade::virtual_table::{Asked, LiveState};
use crate::session::session::Phase;
use cql::error_code::ErrorCode;
use cql::frame::{FrameHead, write_frame};
use cql::header::HEADER_LEN;
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
use cql::response::error::Extras;
use cql::response::result::ResultKind;
use cql::response::supported;

/// CQL version in SUPPORTED as long as the cluster's own is not known, and nothing is served: drivers
/// fail without any. It is the oldest that nodes with protocol 4 have.
const CQL_VERSION_MIN: &str = "3.3.1";

/// The error of clients that ask for nodes before the cluster's own tables were read.
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

/// What the engine answers itself, and the statements that it prepared.
#[derive(Debug, Default)]
pub(crate) struct LocalAnswers {
    /// What system.local and system.peers look like; `None` before they were read.
    facade: Option<Arc<Facade>>,
    statements: LocalStatements,
}

/// What becomes of a statement.
#[derive(Debug)]
pub(crate) enum Local {
    /// It is the cluster's to answer.
    No,
    /// It is answered.
    Answered,
    /// It is a `USE` of this keyspace, by this frame of a QUERY.
    Use(String, Vec<u8>),
}

impl LocalAnswers {
    /// Takes what system.local and system.peers look like.
    pub(crate) fn set_facade(&mut self, facade: Arc<Facade>) {
        self.facade = Some(facade);
    }

    /// The statements that were prepared here.
    pub(crate) fn statements(&self) -> &LocalStatements {
        &self.statements
    }

    /// Answers a QUERY that is not for the cluster.
    pub(crate) fn on_query(
        &self,
        core: &mut Core,
        request: &Request<'_>,
        query: &Query<'_>,
    ) -> Local {
        let from = request.from;
        match classify(core, from.client, query.text) {
            StatementText::Other => return Local::No,
            StatementText::Local(select) => {
                let answered = Answered { from, kind: RequestKind::Query };
                self.answer_select(core, answered, &select, &query.parameters);
            }
            StatementText::Use(keyspace) => return Local::Use(keyspace, request.frame.to_vec()),
            StatementText::Refused(why) => {
                core.refuse(from, RequestKind::Query, why.code, &why.text);
            }
        }
        Local::Answered
    }

    /// Prepares a statement that is not for the cluster; `false` when it is.
    pub(crate) fn on_prepare(&mut self, core: &mut Core, request: &Request<'_>) -> bool {
        let Ok(Prepare { text }) = Prepare::read(request.body()) else { return false };
        let from = request.from;
        let Some(entry) = core.clients.get(from.client) else { return false };
        let version = entry.session.version.unwrap_or(4);
        let id = facade_id(entry.session.keyspace.as_deref(), text);
        let prepared = match classify(core, from.client, text) {
            StatementText::Other => return false,
            StatementText::Refused(refusal) => Err(refusal),
            StatementText::Use(keyspace) => {
                Ok((LocalStatement::Use(keyspace), prepared_use(&id, version)))
            }
            StatementText::Local(select) => {
                // A node's own answer would show the client the nodes behind us.
                let Some(facade) = &self.facade else {
                    core.refuse(from, RequestKind::Prepare, ErrorCode::OVERLOADED, UNREACHED);
                    return true;
                };
                let message = facade.prepare(&select, &id, version);
                message.map(|message| (LocalStatement::Select(select), message))
            }
        };
        match prepared {
            Ok((statement, message)) => {
                self.statements.insert(id, statement);
                core.answer(from, RequestKind::Prepare, Opcode::Result, |out| {
                    out.extend_from_slice(&message);
                });
            }
            Err(refusal) => core.refuse(from, RequestKind::Prepare, refusal.code, &refusal.text),
        }
        true
    }

    /// Whether an EXECUTE names a statement that we answer.
    #[inline]
    pub(crate) fn owns(request: &Request<'_>) -> bool {
        let id = request.frame.get(HEADER_LEN + 2..HEADER_LEN + 2 + ID_LEN);
        id.is_some_and(is_facade_id)
    }

    /// Answers an EXECUTE of a statement that we own.
    pub(crate) fn on_execute(&self, core: &mut Core, request: &Request<'_>) -> Local {
        let (from, kind) = (request.from, RequestKind::Execute);
        let Ok(execute) = Execute::read(request.body()) else {
            core.refuse(from, kind, ErrorCode::PROTOCOL_ERROR, "malformed EXECUTE");
            return Local::Answered;
        };
        match self.statements.get(execute.id).as_deref() {
            Some(LocalStatement::Select(select)) => {
                let answered = Answered { from, kind };
                self.answer_select(core, answered, select, &execute.parameters);
            }
            Some(LocalStatement::Use(keyspace)) => {
                let mut query = Vec::new();
                write_frame(
                    &mut query,
                    FrameHead { version: 4, flags: 0, stream: from.stream },
                    Opcode::Query,
                    |out| {
                        put_long_string(out, &format!("USE {}", statement_text::quote(keyspace)));
                        put_short(out, 1);
                        out.push(0);
                    },
                );
                return Local::Use(keyspace.clone(), query);
            }
            None => {
                // The driver prepares it again, and then it is known.
                let text = "No prepared statement with this ID found.";
                core.refuse_with(from, kind, text, &Extras::Unprepared { id: Some(execute.id) });
            }
        }
        Local::Answered
    }

    /// OPTIONS, STARTUP and REGISTER. `authenticator` is the class that a client must log in by, if
    /// it must.
    pub(crate) fn on_session_message(
        &self,
        core: &mut Core,
        request: &Request<'_>,
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
        Answered { from, kind }: Answered,
        select: &Select,
        parameters: &Parameters<'_>,
    ) {
        let Some(client) = core.clients.get(from.client) else { return };
        let seen_at = client.local_address;
        // A client that reads nothing gets no more of these than of other answers.
        if core.disconnects_if_unread(from.client) {
            return core.tally.on_ended(kind, Outcome::Abandoned);
        }
        let Some(facade) = &self.facade else {
            return core.refuse(from, kind, ErrorCode::OVERLOADED, UNREACHED);
        };
        let live = Live { schema_version: None };
        match facade.answer(select, parameters, &Asked { seen_at, live: &live }) {
            Ok(answer) => core.answer(from, kind, Opcode::Result, |out| answer.put(out)),
            Err(refusal) => core.refuse(from, kind, refusal.code, &refusal.text),
        }
    }
}

/// A request that is answered here.
#[derive(Clone, Copy, Debug)]
struct Answered {
    from: ClientStream,
    kind: RequestKind,
}

/// No `SCYLLA_*` key: a shard-aware driver would look for shards behind us and find none.
/// Compressions that are not listed are spoken all the same, if a driver asks for them.
/// [`supported::SHARDLANE`] is for other proxies, which must not take us for a node.
fn answer_options(core: &mut Core, from: ClientStream, cql_version: &str) {
    let listed = core.settings.compression_told.iter().map(|one| one.name());
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

fn answer_startup(core: &mut Core, request: &Request<'_>, authenticator: Option<&str>) {
    let (from, kind) = (request.from, RequestKind::Session);
    let phase = core.clients.get(from.client).map(|client| client.session.phase);
    if phase == Some(Phase::Ready) {
        let text = "Unexpected message STARTUP, the connection is already initialized";
        return core.refuse(from, kind, ErrorCode::PROTOCOL_ERROR, text);
    }
    let compression = Startup::read(request.body()).and_then(|startup| startup.compression());
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
fn answer_register(core: &mut Core, request: &Request<'_>) {
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

fn classify(core: &Core, client: ClientKey, text: &str) -> StatementText {
    let keyspace = core.clients.get(client).and_then(|entry| entry.session.keyspace.as_deref());
    statement_text::classify(text, keyspace)
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

//! The console's questions, which wait until the process has collected the rows of all workers.
//!
//! A worker knows its own clients and lanes alone. So a question is passed to the process, which asks
//! every worker, and costs nothing while nothing is asked.

use std::sync::Arc;

use crate::engine::action::Action;
use crate::engine::client::{ClientKey, ClientStream};
use crate::engine::core::core::Core;
use crate::engine::core::message::ClientRequest;
use crate::engine::core::reply::Response;
use crate::engine::core::todo::{Todo, TracedRequest};
use crate::engine::view::tally::RequestKind;
use crate::facade::console::contents::Contents;
use crate::facade::console::table::{ConsoleTable, KEYSPACE};
use crate::facade::refusal::Refusal;
use crate::facade::text::statement_text::{StatementText, Viewer, classify_for};
use cql::error_code::ErrorCode;
use cql::notation::{put_int, put_string};
use cql::opcode::Opcode;
use cql::request::query::Query;
use cql::response::result::ResultKind;

/// Questions that wait at most, and bytes of their frames.
const WAITING_MAX: usize = 1024;
const WAITING_BYTES_MAX: usize = 1 << 20;
/// How long a question waits at most, µs.
const WAIT_US_MAX: u64 = 5_000_000;

/// Questions that wait for their rows. Each counts as in flight of its client.
#[derive(Debug, Default)]
pub(crate) struct Console {
    waiting: Vec<Waiting>,
    waiting_bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    table: ConsoleTable,
    since_us: u64,
    request: TracedRequest,
}

impl Console {
    /// A request needs the rows of a table: it waits until they are collected.
    pub(crate) fn wait(
        &mut self,
        core: &mut Core,
        request: &ClientRequest<'_>,
        table: ConsoleTable,
    ) {
        let from = request.from;
        let bytes = self.waiting_bytes + request.frame.len();
        if bytes > WAITING_BYTES_MAX || self.waiting.len() >= WAITING_MAX {
            return refuse(core, request.from, RequestKind::of(request.opcode));
        }
        let Some(client) = core.clients.get_mut(from.client) else { return };
        client.in_flight += 1;
        if self.waiting.iter().all(|waiting| waiting.table != table) {
            core.actions.push_back(Action::CollectConsole(table));
        }
        self.waiting_bytes = bytes;
        let (opcode, trace) = (request.opcode, request.trace);
        let request = TracedRequest { from, opcode, frame: request.frame.to_vec(), trace };
        self.waiting.push(Waiting { table, since_us: core.now_us, request });
    }

    /// The rows of a table are there; `None` when they could not be collected.
    pub(crate) fn on_collected(
        &mut self,
        core: &mut Core,
        table: ConsoleTable,
        contents: Option<Arc<Contents>>,
    ) {
        let is_there = contents.is_some();
        if let Some(contents) = contents {
            let now_us = core.now_us;
            core.console.put(table, contents, now_us);
        }
        for Waiting { request, .. } in self.take(|waiting| waiting.table == table) {
            if is_there {
                core.todo.push_back(Todo::ServeTraced(request));
            } else {
                give_up(core, &request);
            }
        }
    }

    /// Gives up on questions that have waited too long, and on rows that are asked for no more.
    pub(crate) fn expire(&mut self, core: &mut Core) {
        let now_us = core.now_us;
        core.console.expire(now_us);
        for waiting in self.take(|one| now_us.saturating_sub(one.since_us) >= WAIT_US_MAX) {
            give_up(core, &waiting.request);
        }
    }

    fn take(&mut self, is_wanted: impl Fn(&Waiting) -> bool) -> Vec<Waiting> {
        let taken: Vec<Waiting> = self.waiting.extract_if(.., |one| is_wanted(one)).collect();
        let bytes = |one: &Waiting| one.request.frame.len();
        self.waiting_bytes = self.waiting.iter().map(bytes).sum();
        taken
    }
}

/// Puts a client into the console's keyspace. No lane of its own has to hear of it: what the console
/// does not have is asked by full names.
pub(crate) fn set_keyspace(core: &mut Core, from: ClientStream) {
    let kind = RequestKind::Query;
    let Some(base) = core.clients.get(from.client).map(|client| client.base) else { return };
    if core.pools.is_dedicated(base) {
        // Its connection would stay in the keyspace before.
        let text = format!(
            "shardlane cannot USE {KEYSPACE} for this kind of login: write {KEYSPACE}.table"
        );
        return core.refuse(from, kind, ErrorCode::INVALID, &text);
    }
    if let Some(client) = core.clients.get_mut(from.client) {
        client.about.uses_console = true;
        client.session.keyspace = None;
        client.pool = base;
    }
    core.answer(from, kind, Opcode::Result, |out| {
        put_int(out, ResultKind::SetKeyspace.code());
        put_string(out, KEYSPACE);
    });
}

/// A node's answer about its schema with the rows of ours; `None` when it stays as it is.
pub(crate) fn with_own_rows(
    core: &Core,
    client: ClientKey,
    request: &[u8],
    response: &Response<'_>,
) -> Option<Vec<u8>> {
    let query = Query::read(request).ok()?;
    let viewer = Viewer { keyspace: core.keyspace_of(client), sees_console: true };
    let StatementText::Schema(question) = classify_for(query.text, viewer) else { return None };
    let message = question.with_own_rows(response.message(), &query.parameters)?;
    let mut body = response.body.get(..response.message_at)?.to_vec();
    body.extend_from_slice(&message);
    Some(body)
}

fn give_up(core: &mut Core, request: &TracedRequest) {
    core.leave(request.from.client);
    refuse(core, request.from, RequestKind::of(request.opcode));
}

fn refuse(core: &mut Core, from: ClientStream, kind: RequestKind) {
    let why = Refusal::not_collected();
    core.refuse(from, kind, why.code, &why.text);
}

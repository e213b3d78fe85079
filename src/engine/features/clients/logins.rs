//! Logins: each client proves itself to the cluster, and uses lanes with its own rights only.
//!
//! The engine never judges a token: it hands it to the shell, which asks a node, and takes the
//! node's word. The plain lanes of a credential are its *base* pool; what its clients send stays on
//! lanes with that base.

use std::mem;
use std::sync::Arc;

use crate::engine::action::Action;
use crate::engine::client::{Client, ClientKey, ClientStream, PendingLogin};
use crate::engine::core::core::Core;
use crate::engine::core::message::ClientRequest;
use crate::engine::core::todo::Todo;
use crate::engine::limits::KEYS;
use crate::engine::verdict::LoginVerdict;
use crate::engine::view::tally::{Outcome, RequestKind};
use crate::session::sasl::SaslToken;
use crate::session::session::Phase;
use crate::upstream::lane::PoolId;
use cql::error_code::ErrorCode;
use cql::notation::{Reader, put_bytes};
use cql::opcode::Opcode;

/// Longest token that is accepted, bytes. Tickets of directory services may have some tens of
/// kilobytes.
const TOKEN_BYTES_MAX: usize = 64 << 10;
/// A token that is not longer than this needs no look at memory.
const UNASKED_BYTES_MAX: usize = 1 << 10;

/// Whether clients log in, and how.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    /// What the cluster calls its authenticator, while clients must log in.
    authenticator: Option<Arc<str>>,
}

impl Logins {
    /// The class of the cluster's authenticator, while clients must log in.
    pub(crate) fn authenticator(&self) -> Option<&Arc<str>> {
        self.authenticator.as_ref()
    }

    /// Learns whether clients must log in. Clients that came before that was known are closed and
    /// have to connect again.
    pub(crate) fn set_authenticator(&mut self, core: &mut Core, class: Option<Arc<str>>) {
        self.authenticator = class;
        if self.authenticator.is_none() {
            return;
        }
        for key in core.clients.keys() {
            let Some(client) = core.clients.get(key) else { continue };
            if client.session.phase == Phase::Ready && client.base == PoolId::PLAIN {
                core.evict(key);
            }
        }
    }

    /// Gives up on logins that found no node, or no lane, in time, where requests have a bound.
    /// Otherwise it is for the client to say how long it waits.
    pub(crate) fn expire(&self, core: &mut Core) {
        if self.authenticator.is_none() {
            return;
        }
        let Some(timeout) = core.settings.limits.request_us_max() else { return };
        let now = core.now_us;
        for key in core.clients.keys() {
            let Some(entry) = core.clients.get_mut(key) else { continue };
            let late = |login: &PendingLogin| now.saturating_sub(login.since_us) >= timeout;
            if !entry.login.as_deref().is_some_and(late) {
                continue;
            }
            let base = mem::replace(&mut entry.base, PoolId::NOWHERE);
            entry.pool = PoolId::NOWHERE;
            if let Some(pool) = core.pools.open_mut(base) {
                pool.logged_in.retain(|client| *client != key);
            }
            let text = format!(
                "shardlane could not open a connection with this login within {} ms, which is {}",
                timeout / 1000,
                KEYS.request_timeout_us
            );
            on_verdict(core, key, LoginVerdict::Unknown(ErrorCode::OVERLOADED, &text));
        }
    }
}

/// AUTH_RESPONSE: the token goes to the cluster as it came.
pub(crate) fn on_auth_response(core: &mut Core, request: &ClientRequest<'_>) {
    let ClientStream { client, stream } = request.from;
    let since_us = core.now_us;
    let Some(entry) = core.clients.get_mut(client) else { return };
    if entry.session.phase != Phase::Authenticating {
        // It was not asked for; these are the server's own words.
        let text = "Should not reach";
        return core.refuse(request.from, RequestKind::Session, ErrorCode::SERVER_ERROR, text);
    }
    let body_len = request.body().len();
    if body_len > UNASKED_BYTES_MAX && !core.has_memory_for(body_len) {
        core.tally.memory_refusals += 1;
        let text = core.settings.limits.memory_refusal("a login of this length");
        let kind = RequestKind::Session;
        return core.refuse(request.from, kind, ErrorCode::OVERLOADED, &text);
    }
    core.memory.bring(body_len);
    let Some(entry) = core.clients.get_mut(client) else { return };
    let fault = match Reader::new(request.body()).bytes() {
        Ok(token) if token.is_none_or(|token| token.len() <= TOKEN_BYTES_MAX) => {
            let token = SaslToken::new(token.unwrap_or_default());
            let token_len = token.reveal().len();
            let login =
                PendingLogin { stream, since_us, token_len, is_moved: false, success: None };
            entry.login = Some(Box::new(login));
            entry.about.role = token.user().map(Arc::from);
            return core.actions.push_back(Action::LogIn { client, token });
        }
        Ok(_) => format!("the token is longer than {TOKEN_BYTES_MAX} bytes"),
        Err(error) => error.to_string(),
    };
    core.refuse(request.from, RequestKind::Session, ErrorCode::PROTOCOL_ERROR, &fault);
}

/// The cluster's word on a client's login; whether the client still waited for it.
pub(crate) fn on_verdict(core: &mut Core, client: ClientKey, verdict: LoginVerdict<'_>) -> bool {
    let Some(entry) = core.clients.get_mut(client) else { return false };
    if entry.session.phase != Phase::Authenticating {
        if entry.login.take().is_some() {
            core.tally.on_ended(RequestKind::Session, Outcome::Abandoned);
        }
        return false;
    }
    let Some(stream) = entry.login.as_ref().map(|login| login.stream) else { return false };
    let to = ClientStream { client, stream };
    match verdict {
        LoginVerdict::Granted { base, success } => return on_granted(core, to, base, success),
        LoginVerdict::Refused(body) => {
            core.tally.logins_refused += 1;
            end_login(core, client, Opcode::Error, Outcome::Failed, body);
        }
        LoginVerdict::Challenged(challenge) => {
            let mut body = Vec::new();
            put_bytes(&mut body, Some(challenge));
            end_login(core, client, Opcode::AuthChallenge, Outcome::Answered, &body);
        }
        LoginVerdict::Unknown(code, text) => on_unknown(core, to, code, text),
    }
    true
}

/// A client comes from another process, where it logged in with this token: the cluster is asked again. Until it has
/// answered, and there is a lane, the client is not read. An answer of the cluster other than yes closes it.
pub(crate) fn on_moved_in(core: &mut Core, client: ClientKey, token: SaslToken) {
    let since_us = core.now_us;
    let Some(entry) = core.clients.get_mut(client) else { return };
    let token_len = token.reveal().len();
    let login = PendingLogin { stream: 0, since_us, token_len, is_moved: true, success: None };
    entry.session.phase = Phase::Authenticating;
    entry.login = Some(Box::new(login));
    entry.about.role = token.user().map(Arc::from);
    entry.switching = Some(Vec::new());
    core.tally.on_received(RequestKind::Session);
    core.memory.bring(token_len);
    core.actions.push_back(Action::LogIn { client, token });
    core.pause_if_needed(client);
}

fn on_unknown(core: &mut Core, to: ClientStream, code: ErrorCode, text: &str) {
    core.tally.logins_unknown += 1;
    if core.clients.get(to.client).is_some_and(waits_as_moved) {
        return end_login(core, to.client, Opcode::Error, Outcome::Failed, &[]);
    }
    let now_us = core.now_us;
    if let Some(entry) = core.clients.get_mut(to.client) {
        entry.login = None;
        entry.since_us = now_us;
    }
    core.refuse(to, RequestKind::Session, code, text);
}

fn on_granted(core: &mut Core, to: ClientStream, base: PoolId, success: &[u8]) -> bool {
    let Some(pool) = core.pools.open_mut(base) else {
        let text = "the login was withdrawn while it was looked at";
        on_unknown(core, to, ErrorCode::OVERLOADED, text);
        return true;
    };
    pool.logged_in.push(to.client);
    if let Some(entry) = core.clients.get_mut(to.client) {
        entry.base = base;
        entry.pool = base;
        if let Some(login) = &mut entry.login {
            login.success = Some(success.to_vec());
        }
    }
    welcome(core, base);
    true
}

/// Answers the clients that have logged in, once their credential has a lane.
pub(crate) fn welcome(core: &mut Core, base: PoolId) {
    if core.pools.lane_map(base).live().is_empty() {
        return;
    }
    let Some(pool) = core.pools.open_mut(base) else { return };
    for client in mem::take(&mut pool.logged_in) {
        let entry = core.clients.get_mut(client);
        let entry = entry
            .filter(|entry| entry.base == base && entry.session.phase == Phase::Authenticating);
        let login = entry.and_then(|entry| entry.login.as_mut());
        let Some(success) = login.and_then(|login| login.success.take()) else { continue };
        core.tally.logins_granted += 1;
        end_login(core, client, Opcode::AuthSuccess, Outcome::Answered, &success);
        if let Some(entry) = core.clients.get_mut(client) {
            entry.session.phase = Phase::Ready;
        }
    }
}

fn waits_as_moved(client: &Client) -> bool {
    client.login.as_deref().is_some_and(|login| login.is_moved)
}

/// Answers a client's AUTH_RESPONSE. Unless that was the end of it, it may send another.
fn end_login(core: &mut Core, client: ClientKey, opcode: Opcode, outcome: Outcome, body: &[u8]) {
    let now_us = core.now_us;
    let Some(entry) = core.clients.get_mut(client) else { return };
    let Some(login) = entry.login.take() else { return };
    entry.since_us = now_us;
    core.tally.on_ended(RequestKind::Session, outcome);
    if login.is_moved {
        if opcode == Opcode::AuthSuccess {
            return core.todo.push_back(Todo::EnterKeyspace(client));
        }
        return core.close_after_flush(client);
    }
    let to = ClientStream { client, stream: login.stream };
    core.send_response(to, opcode, |out| out.extend_from_slice(body));
}

/// The cluster does not accept a credential any more, or one client's own connection is gone: its
/// lanes are closed, and its clients.
pub(crate) fn revoke(core: &mut Core, base: PoolId) {
    if base == PoolId::PLAIN || !core.pools.is_open(base) {
        return;
    }
    for key in core.clients.keys() {
        if core.clients.get(key).is_some_and(|client| client.base == base) {
            core.evict(key);
        }
    }
    for own in core.pools.of_base(base) {
        core.close_pool(own);
    }
}

/// A client is gone that may have been logging in, or had its own connection.
pub(crate) fn on_client_closed(core: &mut Core, gone: &Client) {
    if gone.login.is_some() {
        core.tally.on_ended(RequestKind::Session, Outcome::Abandoned);
    }
    if core.pools.is_dedicated(gone.base) {
        core.close_pool(gone.base);
    }
}

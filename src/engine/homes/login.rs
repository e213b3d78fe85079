//! Logins: each client proves itself to the cluster, and goes over lanes with its own rights only.
//!
//! The engine never judges a token: it hands it to the shell, which asks a node, and takes the
//! node's word. The plain lanes of a credential are its clients' *home*; whatever they send stays
//! on lanes with that home.

use std::sync::Arc;

use crate::engine::action::Action;
use crate::engine::client::{Client, ClientKey, PendingLogin};
use crate::engine::engine::Engine;
use crate::engine::tally::{Outcome, RequestKind};
use crate::session::sasl::SaslToken;
use crate::session::session::Phase;
use crate::topology::id::NodeId;
use crate::upstream::lane::PoolId;
use cql::error_code::ErrorCode;
use cql::frame::write_frame;
use cql::header::{HEADER_LEN, Header};
use cql::notation::{Reader, put_bytes};
use cql::opcode::Opcode;

/// Longest token that is taken. Tickets of directory services may have some tens of kilobytes.
const TOKEN_BYTES_MAX: usize = 64 << 10;

/// What became of a client's login.
#[derive(Clone, Copy, Debug)]
pub enum Verdict<'a> {
    /// The cluster takes it: the client goes over the lanes of `home`, once there is one.
    Granted {
        /// The lanes with its rights.
        home: PoolId,
        /// The message of the node's AUTH_SUCCESS.
        success: &'a [u8],
    },
    /// The node's answer is an ERROR with this message.
    Refused(&'a [u8]),
    /// The node asks on, with this challenge.
    Challenged(&'a [u8]),
    /// Nobody could say; in our own words.
    Unknown(ErrorCode, &'a str),
}

impl Engine {
    /// Takes whether clients must log in: the class of the cluster's authenticator, if it has one.
    /// Clients that came in before that was known must come again.
    pub fn on_authenticator(&mut self, class: Option<Arc<str>>) {
        self.authenticator = class;
        if self.authenticator.is_none() {
            return;
        }
        for key in self.clients.keys() {
            let Some(client) = self.clients.get(key) else { continue };
            if client.session.phase == Phase::Ready && client.home == PoolId::PLAIN {
                self.evict(key);
            }
        }
    }

    /// Makes room for the lanes of a credential; `None` when there are too many.
    pub fn open_home(&mut self) -> Option<PoolId> {
        self.pools.add_home(false)
    }

    /// Makes room for one client's own connection, which is its only lane.
    pub fn open_dedicated(&mut self) -> Option<PoolId> {
        self.pools.add_home(true)
    }

    /// Whether clients may still be sent to a home.
    #[must_use]
    pub fn is_home_open(&self, home: PoolId) -> bool {
        self.pools.is_open(home)
    }

    /// The plain lanes with the rights of a pool.
    #[must_use]
    pub fn home_of_set(&self, pool: PoolId) -> PoolId {
        self.pools.home(pool)
    }

    /// Whether a client's login is with the cluster.
    pub(in crate::engine) fn is_logging_in(&self, client: ClientKey) -> bool {
        self.clients.get(client).is_some_and(|entry| entry.login.is_some())
    }

    /// AUTH_RESPONSE: the token goes to the cluster as it came.
    pub(in crate::engine) fn on_auth_response(&mut self, client: ClientKey, frame: &[u8]) {
        let stream = Header::peek(frame).map_or(0, |header| header.stream);
        let since_us = self.now_us;
        let Some(entry) = self.clients.get_mut(client) else { return };
        if entry.session.phase != Phase::Authenticating {
            // Nobody asked for it; these are the server's own words.
            let text = "Should not reach";
            return self.refuse(
                (client, stream),
                RequestKind::Session,
                ErrorCode::SERVER_ERROR,
                text,
            );
        }
        let token = Reader::new(frame.get(HEADER_LEN..).unwrap_or_default()).bytes();
        let fault = match token {
            Ok(token) if token.is_none_or(|token| token.len() <= TOKEN_BYTES_MAX) => {
                entry.login = Some(Box::new(PendingLogin { stream, since_us, success: None }));
                let token = SaslToken::new(token.unwrap_or_default());
                return self.actions.push_back(Action::LogIn { client, token });
            }
            Ok(_) => format!("the token is longer than {TOKEN_BYTES_MAX} bytes"),
            Err(error) => error.to_string(),
        };
        self.refuse((client, stream), RequestKind::Session, ErrorCode::PROTOCOL_ERROR, &fault);
    }

    /// The cluster's word on a client's login. `false` when the client is gone, or its home: then
    /// a home that was opened for it is nobody's.
    pub fn on_verdict(&mut self, client: ClientKey, verdict: Verdict<'_>) -> bool {
        let Some(entry) = self.clients.get_mut(client) else { return false };
        if entry.session.phase != Phase::Authenticating {
            if entry.login.take().is_some() {
                self.tally.on_ended(RequestKind::Session, Outcome::Abandoned);
            }
            return false;
        }
        let Some(stream) = entry.login.as_ref().map(|login| login.stream) else { return false };
        match verdict {
            Verdict::Granted { home, success } => self.on_granted(client, home, success),
            Verdict::Refused(body) => {
                self.tally.logins_refused += 1;
                self.end_login(client, Opcode::Error, Outcome::Failed, body);
                true
            }
            Verdict::Challenged(challenge) => {
                let mut body = Vec::new();
                put_bytes(&mut body, Some(challenge));
                self.end_login(client, Opcode::AuthChallenge, Outcome::Answered, &body);
                true
            }
            Verdict::Unknown(code, text) => {
                entry.login = None;
                self.tally.logins_unknown += 1;
                self.refuse((client, stream), RequestKind::Session, code, text);
                true
            }
        }
    }

    fn on_granted(&mut self, client: ClientKey, home: PoolId, success: &[u8]) -> bool {
        let Some(arrivals) = self.pools.arrivals(home) else {
            let text = "the login was withdrawn while it was looked at";
            return self.on_verdict(client, Verdict::Unknown(ErrorCode::OVERLOADED, text));
        };
        arrivals.push(client);
        if let Some(entry) = self.clients.get_mut(client) {
            entry.home = home;
            entry.pool = home;
            if let Some(login) = &mut entry.login {
                login.success = Some(success.to_vec());
            }
        }
        self.welcome_arrivals(home);
        true
    }

    /// Tells those who logged in that they are in: their credential has a lane.
    pub(in crate::engine) fn welcome_arrivals(&mut self, home: PoolId) {
        if self.pools.lane_map(home).live().is_empty() {
            return;
        }
        let Some(arrivals) = self.pools.arrivals(home) else { return };
        for client in std::mem::take(arrivals) {
            let entry = self.clients.get_mut(client);
            let entry = entry
                .filter(|entry| entry.home == home && entry.session.phase == Phase::Authenticating);
            let login = entry.and_then(|entry| entry.login.as_mut());
            let Some(success) = login.and_then(|login| login.success.take()) else { continue };
            self.tally.logins_granted += 1;
            self.end_login(client, Opcode::AuthSuccess, Outcome::Answered, &success);
            if let Some(entry) = self.clients.get_mut(client) {
                entry.session.phase = Phase::Ready;
            }
        }
    }

    /// Answers a client's AUTH_RESPONSE. Unless that was the end of it, it may send another.
    fn end_login(&mut self, client: ClientKey, opcode: Opcode, outcome: Outcome, body: &[u8]) {
        let Some(entry) = self.clients.get_mut(client) else { return };
        let Some(login) = entry.login.take() else { return };
        let mut frame = Vec::new();
        let header = (entry.session.response_version(), 0, login.stream);
        write_frame(&mut frame, header, opcode, |out| out.extend_from_slice(body));
        entry.session.send(&frame);
        self.tally.on_ended(RequestKind::Session, outcome);
        self.touch_client(client);
    }

    /// Gives up on logins that found no node, or no lane, in time.
    pub(in crate::engine) fn expire_logins(&mut self) {
        let timeout = self.settings.limits.request_timeout_us;
        let now = self.now_us;
        for key in self.clients.keys() {
            let Some(entry) = self.clients.get_mut(key) else { continue };
            let late = |login: &PendingLogin| now.saturating_sub(login.since_us) >= timeout;
            if !entry.login.as_deref().is_some_and(late) {
                continue;
            }
            let home = std::mem::replace(&mut entry.home, PoolId::NOWHERE);
            entry.pool = PoolId::NOWHERE;
            if let Some(arrivals) = self.pools.arrivals(home) {
                arrivals.retain(|client| *client != key);
            }
            let text = "shardlane could not open a connection with this login in time";
            self.on_verdict(key, Verdict::Unknown(ErrorCode::OVERLOADED, text));
        }
    }

    /// The cluster takes a credential no longer, or one client's own connection is gone: its
    /// lanes are closed, and its clients.
    pub fn on_home_revoked(&mut self, home: PoolId) {
        if home == PoolId::PLAIN || !self.pools.is_open(home) {
            return;
        }
        for key in self.clients.keys() {
            if self.clients.get(key).is_some_and(|client| client.home == home) {
                self.evict(key);
            }
        }
        for own in self.pools.of_home(home) {
            self.retire_pool(own);
        }
    }

    /// Closes a client that has no rights any more; nothing it still sends is served.
    fn evict(&mut self, client: ClientKey) {
        self.tally.clients_revoked += 1;
        if let Some(entry) = self.clients.get_mut(client) {
            entry.home = PoolId::NOWHERE;
            entry.pool = PoolId::NOWHERE;
        }
        self.close_after_flush(client);
    }

    /// A client is gone that had something to do with logins.
    pub(in crate::engine) fn on_login_left(&mut self, gone: &Client) {
        if gone.login.is_some() {
            self.tally.on_ended(RequestKind::Session, Outcome::Abandoned);
        }
        if self.pools.is_dedicated(gone.home) {
            self.retire_pool(gone.home);
        }
    }

    /// Of each node one home that has a lane to it, to ask what every user may ask.
    pub(in crate::engine) fn one_pool_per_node(&self) -> Vec<(NodeId, PoolId)> {
        let mut found: Vec<(NodeId, PoolId)> = Vec::new();
        for home in self.pools.homes() {
            for node in self.other_nodes(home, None) {
                if found.iter().all(|(known, _)| *known != node) {
                    found.push((node, home));
                }
            }
        }
        found
    }

    /// Counts the credentials that have lanes; a client's own connection is none.
    pub(in crate::engine) fn credentials(&self) -> usize {
        let homes = self.pools.homes().into_iter().skip(1);
        homes.filter(|home| !self.pools.is_dedicated(*home)).count()
    }
}

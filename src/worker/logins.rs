//! What a worker does about logins: from the cluster's word to lanes, clients and the book.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::auth::login_service::{LoginReport, UNNUMBERED};
use crate::auth::verification::Verification;
use crate::connect::dial_error::DialError;
use crate::connect::dialer::OpenedLane;
use crate::engine::client::ClientKey;
use crate::engine::limits::KEYS;
use crate::engine::verdict::Verdict;
use crate::platform::clock;
use crate::pool::lane_slots::LaneSerial;
use crate::session::sasl::SaslToken;
use crate::upstream::lane::PoolId;
use crate::worker::command::WorkerEvent;
use crate::worker::housekeeping::route_of;
use crate::worker::reactor::{LOGINS, Reactor};
use cql::error_code::ErrorCode;

/// Reports taken in one round.
const REPORTS_IN_A_ROW: usize = 64;
/// The message of AUTH_SUCCESS from a node that wanted no login: an empty token.
const NO_TOKEN: [u8; 4] = [0; 4];

impl Reactor {
    /// Learns whether clients log in themselves.
    pub(crate) fn on_authenticator(&mut self, class: Option<Arc<str>>, contacts: &[SocketAddr]) {
        if self.pool_manager.set_open_to_all(class.is_none()) {
            self.close_lanes_of(|(pool, _)| *pool == PoolId::PLAIN);
        }
        self.logins.set_contacts(contacts);
        self.engine.on_authenticator(class);
    }

    pub(crate) fn take_logins(&mut self) {
        let waker = self.waker(LOGINS);
        let mut context = Context::from_waker(&waker);
        for _ in 0..REPORTS_IN_A_ROW {
            match self.login_reports.poll_recv(&mut context) {
                Poll::Ready(Some(report)) => self.on_login_report(report),
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
        self.look_again(LOGINS);
    }

    fn on_login_report(&mut self, report: LoginReport) {
        match report {
            LoginReport::Challenged { run, challenge } => {
                if let Some(client) = self.logins.on_challenged(run) {
                    self.engine.on_verdict(client, Verdict::Challenged(&challenge));
                }
            }
            LoginReport::Ended { run, verification, asked_on } => {
                let Some((clients, token)) = self.logins.on_ended(run) else { return };
                match verification {
                    Verification::Granted(lane) => {
                        self.on_login_granted(&clients, (&token, asked_on), *lane);
                    }
                    Verification::Refused(error) => {
                        // Whoever came with this very token before must go as well.
                        if let Some(home) = self.pool_manager.home_of(&token) {
                            self.revoke(home);
                        }
                        self.tell_verdict(&clients, Verdict::Refused(&error.body));
                    }
                    Verification::Unknown(error) => self.on_login_unknown(&clients, error.as_ref()),
                }
            }
            LoginReport::Rechecked { home, credential, verification } => {
                let now_ms = clock::now_ms();
                if !self.logins.on_rechecked(home, &credential, now_ms) {
                    return;
                }
                if let Verification::Refused(_) = verification {
                    self.revoke(home);
                }
            }
        }
    }

    /// The cluster takes a token: its clients get lanes with its rights.
    fn on_login_granted(
        &mut self,
        clients: &[ClientKey],
        (token, asked_on): (&SaslToken, bool),
        mut lane: OpenedLane,
    ) {
        let login = lane.login.take();
        let success = login.map_or_else(|| NO_TOKEN.to_vec(), |login| login.success);
        // What took several steps, or is no name and password, may not work a second time.
        let home = if asked_on || !token.is_plain() {
            self.open_dedicated(clients, lane)
        } else {
            self.open_home(token, lane)
        };
        match home {
            Ok(base) => {
                self.tell_verdict(clients, Verdict::Granted { base, success: &success });
            }
            Err(text) => {
                tracing::warn!(reason = text, "a login could not be served");
                self.tell_verdict(clients, Verdict::Unknown(ErrorCode::OVERLOADED, &text));
            }
        }
    }

    /// The lanes of a credential, opened now unless it has some.
    fn open_home(&mut self, token: &SaslToken, lane: OpenedLane) -> Result<PoolId, String> {
        let known = self.pool_manager.home_of(token);
        if let Some(home) = known.filter(|home| self.engine.is_home_open(*home)) {
            return Ok(home);
        }
        let full = || {
            let (key, max) = (KEYS.credentials_max, self.logins.book().max());
            format!("shardlane has connections for {max} credentials, which is {key}")
        };
        let credential = self.logins.book().admit(token).ok_or_else(full)?;
        let home = self.engine.open_home().ok_or_else(full)?;
        self.logins.watch(home, Arc::clone(&credential), clock::now_ms());
        self.pool_manager.open_home(home, credential, lane);
        self.announcer.tell(WorkerEvent::LoggedIn);
        Ok(home)
    }

    /// The connection on which one client logged in becomes its own.
    fn open_dedicated(
        &mut self,
        clients: &[ClientKey],
        lane: OpenedLane,
    ) -> Result<PoolId, String> {
        let [_] = clients else {
            return Err("this login works once only; log in again".to_owned());
        };
        if lane.node == UNNUMBERED {
            let text = "shardlane does not know the cluster yet: it needs a role of its own for \
                        that where clients log in by other means than a password";
            return Err(text.to_owned());
        }
        let home = self.engine.open_dedicated();
        let home = home.ok_or("shardlane has too many connections of single clients")?;
        let key = self.engine.on_lane_up(route_of(home, &lane), lane.sharder);
        let key = key.ok_or("the login was withdrawn while it was looked at")?;
        if self.add_lane(key, ((home, lane.node), LaneSerial(0)), lane.stream) {
            Ok(home)
        } else {
            Err("shardlane has no room for more connections".to_owned())
        }
    }

    fn on_login_unknown(&mut self, clients: &[ClientKey], error: Option<&DialError>) {
        if let Some(error) = error.and_then(DialError::server_error) {
            return self.tell_verdict(clients, Verdict::Refused(&error.body));
        }
        let text = match error {
            Some(error) => format!("shardlane could not ask the cluster about this login: {error}"),
            None => "shardlane knows no node that it could ask about this login".to_owned(),
        };
        tracing::warn!(reason = text, "a login could not be looked at");
        self.tell_verdict(clients, Verdict::Unknown(ErrorCode::OVERLOADED, &text));
    }

    fn tell_verdict(&mut self, clients: &[ClientKey], verdict: Verdict<'_>) {
        for client in clients {
            self.engine.on_verdict(*client, verdict);
        }
    }

    /// The cluster takes a credential no longer.
    fn revoke(&mut self, home: PoolId) {
        let token = self.logins.unwatch(home).map(|credential| credential.token());
        let role = token.as_ref().and_then(|token| token.user());
        tracing::warn!(
            role = role.unwrap_or("unknown"),
            "the cluster takes a login no longer; its clients are closed"
        );
        self.engine.on_home_revoked(home);
    }
}

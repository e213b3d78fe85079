//! What a granted or refused login does: lanes with its rights, the client's answer, the end of a
//! credential that is taken no longer.

use crate::engine::client::ClientKey;
use crate::engine::engine::Engine;
use crate::engine::limits::KEYS;
use crate::engine::verdict::Verdict;
use crate::pool::action::{Owner, PoolAction, PoolNotice};
use crate::pool::connection::{Connection, DialFailure, DialId};
use crate::pool::lane_slots::LaneSerial;
use crate::pool::logins::{LoginEnd, UNNUMBERED};
use crate::pool::pool_key::PoolKey;
use crate::pool::pool_manager::{LaneOwner, OpenPool, PoolManager, route_of};
use crate::pool::refiller::RefillerKey;
use crate::session::sasl::SaslToken;
use crate::upstream::lane::PoolId;
use cql::error_code::ErrorCode;

/// The message of AUTH_SUCCESS from a node that wanted no login: an empty token.
const NO_TOKEN: [u8; 4] = [0; 4];

impl PoolManager {
    /// Takes the ends of logins to the engine.
    pub(super) fn settle_logins(&mut self, engine: &mut Engine) {
        while let Some(end) = self.logins.take_end() {
            match end {
                LoginEnd::Login { clients, token, asked_on, word: Ok((id, connection)) } => {
                    // What took several steps, or is no name and password, may not work a second time.
                    let lasts = !asked_on && token.is_plain();
                    self.on_granted(engine, &clients, (token, lasts), (id, &connection));
                }
                LoginEnd::Login { clients, word: Err(failure), .. } => {
                    self.on_not_granted(engine, &clients, failure.as_ref());
                }
                LoginEnd::Revoked(home) => self.revoke(engine, home),
            }
        }
    }

    /// The cluster takes a token: its clients get lanes with its rights.
    fn on_granted(
        &mut self,
        engine: &mut Engine,
        clients: &[ClientKey],
        (token, lasts): (SaslToken, bool),
        (id, connection): (DialId, &Connection),
    ) {
        let home = if lasts {
            self.open_home(engine, &token, (id, connection))
        } else {
            self.open_dedicated(engine, clients, (id, connection))
        };
        let success = connection.success.as_deref().unwrap_or(&NO_TOKEN);
        match home {
            Ok(home) => tell(engine, clients, Verdict::Granted { base: home, success }),
            Err(text) => {
                tell(engine, clients, Verdict::Unknown(ErrorCode::OVERLOADED, &text));
                self.orders.push(PoolAction::Log(PoolNotice::LoginNotServed(text)));
            }
        }
        // Unless it is a lane by now.
        if matches!(self.orders.owner(id), Some(Owner::Login(_))) {
            self.orders.drop(id);
        }
    }

    /// The cluster does not take a token, or could not be asked.
    fn on_not_granted(
        &mut self,
        engine: &mut Engine,
        clients: &[ClientKey],
        failure: Option<&DialFailure>,
    ) {
        if let Some(failure) = failure
            && let Some(error) = failure.server_error()
        {
            return tell(engine, clients, Verdict::Refused(&error.body));
        }
        let text = match failure {
            Some(failure) => {
                let reason = &failure.reason;
                format!("shardlane could not ask the cluster about this login: {reason}")
            }
            None => "shardlane knows no node that it could ask about this login".to_owned(),
        };
        tell(engine, clients, Verdict::Unknown(ErrorCode::OVERLOADED, &text));
        self.orders.push(PoolAction::Log(PoolNotice::LoginUnknown(text)));
    }

    /// The home of the credential with this token.
    fn home_of(&self, token: &SaslToken) -> Option<PoolId> {
        let has = |pool: &OpenPool| {
            let credential = pool.key.credential.as_ref();
            pool.key.keyspace.is_none() && credential.is_some_and(|known| known.token() == *token)
        };
        self.pools.iter().find(|(_, pool)| has(pool)).map(|(number, _)| PoolId(*number))
    }

    /// The lanes of a credential, opened now unless it has some.
    fn open_home(
        &mut self,
        engine: &mut Engine,
        token: &SaslToken,
        (id, connection): (DialId, &Connection),
    ) -> Result<PoolId, String> {
        if let Some(home) = self.home_of(token).filter(|home| engine.is_pool_open(*home)) {
            return Ok(home);
        }
        let full = || {
            let (key, max) = (KEYS.credentials_max, self.shared.book.max());
            format!("shardlane has connections for {max} credentials, which is {key}")
        };
        let credential = self.shared.book.admit(token).ok_or_else(full)?;
        let home = engine.open_base().ok_or_else(full)?;
        let key = PoolKey::plain(Some(credential));
        let now_ms = self.now_ms();
        self.logins.watch(home, key.clone(), now_ms);
        self.pools.insert(home.0, OpenPool { key, doubted_us: None });
        self.start(home, Some(connection.node));
        // The connection that is there already becomes the first lane.
        let key = RefillerKey { pool: home.0, node: connection.node };
        if self.refillers.contains_key(&key) {
            self.orders.pass_to(id, Owner::Refiller(key));
            self.on_opened(engine, (key, id), connection);
        }
        self.orders.push(PoolAction::LoggedIn);
        Ok(home)
    }

    /// The connection on which one client logged in becomes its own.
    fn open_dedicated(
        &mut self,
        engine: &mut Engine,
        clients: &[ClientKey],
        (id, connection): (DialId, &Connection),
    ) -> Result<PoolId, String> {
        let [_] = clients else {
            return Err("this login works once only; log in again".to_owned());
        };
        if connection.node == UNNUMBERED {
            let text = "shardlane does not know the cluster yet: it needs a role of its own for \
                        that where clients log in by other means than a password";
            return Err(text.to_owned());
        }
        if !self.targets.iter().any(|target| target.node == connection.node) {
            return Err(
                "the node that took this login is not used any more; log in again".to_owned()
            );
        }
        let home = engine.open_dedicated();
        let home = home.ok_or("shardlane has too many connections of single clients")?;
        let lane = engine.on_lane_up(route_of(home, connection), connection.sharder);
        let lane = lane.ok_or("the login was withdrawn while it was looked at")?;
        let key = RefillerKey { pool: home.0, node: connection.node };
        self.serve(engine, id, (lane, LaneOwner { key, serial: LaneSerial(0) }));
        Ok(home)
    }

    /// The cluster takes a credential no longer.
    fn revoke(&mut self, engine: &mut Engine, home: PoolId) {
        let key = self.logins.unwatch(home, &mut self.orders);
        let token = key.and_then(|key| key.credential).map(|credential| credential.token());
        let role = token.as_ref().and_then(|token| token.user()).map(str::to_owned);
        self.orders.push(PoolAction::Log(PoolNotice::LoginRevoked { role }));
        engine.on_credential_revoked(home);
    }
}

fn tell(engine: &mut Engine, clients: &[ClientKey], verdict: Verdict<'_>) {
    for client in clients {
        engine.on_verdict(*client, verdict);
    }
}

//! What a granted or refused login does: lanes with its rights, the client's answer, the end of a
//! credential that was withdrawn.

use crate::engine::client::ClientKey;
use crate::engine::engine::Engine;
use crate::engine::verdict::LoginVerdict;
use crate::pool::action::{Owner, PoolAction, PoolNotice};
use crate::pool::connection::{DialFailure, Dialled};
use crate::pool::login::credential_book::NoPlace;
use crate::pool::login::logins::LoginEnd;
use crate::pool::login::nodes_to_ask::UNNUMBERED;
use crate::pool::pool_key::PoolKey;
use crate::pool::pool_manager::{LaneOwner, OpenPool, PoolManager, route_of};
use crate::pool::refill::lane_slots::LaneSerial;
use crate::pool::refill::refiller::RefillerKey;
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
                LoginEnd::Login { clients, token, challenged, result: Ok(opened) } => {
                    // What took several steps, or is no name and password, may not work a second time.
                    let lasts = !challenged && token.is_plain();
                    self.on_granted(engine, &clients, &token, lasts, &opened);
                }
                LoginEnd::Login { clients, result: Err(failure), .. } => {
                    self.on_not_granted(engine, &clients, failure.as_ref());
                }
                LoginEnd::Revoked(base) => self.revoke(engine, base),
            }
        }
    }

    /// The cluster takes a token: its clients get lanes with its rights.
    fn on_granted(
        &mut self,
        engine: &mut Engine,
        clients: &[ClientKey],
        token: &SaslToken,
        lasts: bool,
        opened: &Dialled,
    ) {
        let base = if lasts {
            self.open_base(engine, token, opened)
        } else {
            self.open_dedicated(engine, clients, opened)
        };
        let success = opened.connection.success.as_deref().unwrap_or(&NO_TOKEN);
        match base {
            Ok(base) => answer(engine, clients, LoginVerdict::Granted { base, success }),
            Err(text) => {
                answer(engine, clients, LoginVerdict::Unknown(ErrorCode::OVERLOADED, &text));
                self.orders.push(PoolAction::Log(PoolNotice::LoginNotServed(text)));
            }
        }
        // Unless it is a lane by now.
        if matches!(self.orders.owner(opened.id), Some(Owner::Login(_))) {
            self.orders.drop(opened.id);
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
            return answer(engine, clients, LoginVerdict::Refused(&error.body));
        }
        let text = match failure {
            Some(failure) => {
                let reason = &failure.reason;
                format!("shardlane could not ask the cluster about this login: {reason}")
            }
            None => "shardlane knows no node that it could ask about this login".to_owned(),
        };
        answer(engine, clients, LoginVerdict::Unknown(ErrorCode::OVERLOADED, &text));
        self.orders.push(PoolAction::Log(PoolNotice::LoginUnknown(text)));
    }

    /// The base pool of the credential with this token.
    fn base_of(&self, token: &SaslToken) -> Option<PoolId> {
        let has = |pool: &OpenPool| {
            let credential = pool.key.credential.as_ref();
            pool.key.keyspace.is_none() && credential.is_some_and(|known| known.token() == *token)
        };
        self.pools.iter().find(|(_, pool)| has(pool)).map(|(number, _)| PoolId(*number))
    }

    /// The base pool of a credential, opened now unless it is open; `opened` becomes its first lane.
    fn open_base(
        &mut self,
        engine: &mut Engine,
        token: &SaslToken,
        opened: &Dialled,
    ) -> Result<PoolId, String> {
        if let Some(base) = self.base_of(token).filter(|base| engine.is_pool_open(*base)) {
            return Ok(base);
        }
        let book = &self.shared.book;
        let credential = book.admit(token).map_err(|no_place| no_place.to_string())?;
        let full = || NoPlace::Full { max: book.max() }.to_string();
        let base = engine.open_base().ok_or_else(full)?;
        let key = PoolKey::plain(Some(credential));
        let now_ms = self.now_ms();
        self.logins.watch(base, key.clone(), now_ms);
        self.pools.insert(base.0, OpenPool { key, probed_since_us: None });
        let node = opened.connection.node;
        self.start(base, Some(node));
        let key = RefillerKey { pool: base.0, node };
        if self.refillers.contains_key(&key) {
            self.orders.pass_to(opened.id, Owner::Refiller(key));
            self.on_opened(engine, key, opened);
        }
        self.orders.push(PoolAction::LoggedIn);
        Ok(base)
    }

    /// The connection on which one client logged in becomes its own.
    fn open_dedicated(
        &mut self,
        engine: &mut Engine,
        clients: &[ClientKey],
        opened: &Dialled,
    ) -> Result<PoolId, String> {
        let connection = &opened.connection;
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
        let base = engine.open_dedicated();
        let base = base.ok_or("shardlane has too many connections of single clients")?;
        let lane = engine.on_lane_up(route_of(base, connection), connection.sharder);
        let lane = lane.ok_or("the login was withdrawn while it was looked at")?;
        let key = RefillerKey { pool: base.0, node: connection.node };
        self.serve(engine, opened.id, lane, LaneOwner { key, serial: LaneSerial(0) });
        Ok(base)
    }

    /// The cluster no longer takes a credential.
    fn revoke(&mut self, engine: &mut Engine, base: PoolId) {
        let key = self.logins.unwatch(base, &mut self.orders);
        let token = key.and_then(|key| key.credential).map(|credential| credential.token());
        let role = token.as_ref().and_then(|token| token.user()).map(str::to_owned);
        self.orders.push(PoolAction::Log(PoolNotice::LoginRevoked { role }));
        engine.on_credential_revoked(base);
    }
}

fn answer(engine: &mut Engine, clients: &[ClientKey], verdict: LoginVerdict<'_>) {
    for client in clients {
        engine.on_verdict(*client, verdict);
    }
}

//! Clients that log in: each request on lanes with its own client's rights, each token as it came.

use std::collections::HashMap;

use cql::error_code::ErrorCode;
use cql::notation::put_bytes;
use cql::opcode::Opcode;
use shardlane::engine::action::Action;
use shardlane::engine::client::ClientKey;
use shardlane::engine::verdict::LoginVerdict;
use shardlane::session::sasl::SaslToken;
use shardlane::upstream::lane::PoolId;

use super::World;
use super::clients::Origin;
use super::input::Input;
use crate::support::frames;

const USERS: usize = 3;
/// Logins whose rights are one client's alone are numbered from here.
const OWN_FROM: usize = 1000;

/// What the shell knows of logins.
#[derive(Default)]
pub(super) struct Logins {
    /// Open homes, with the user whose rights they have.
    homes: Vec<(PoolId, usize)>,
    /// Tokens that the cluster is to judge.
    waiting: Vec<(ClientKey, SaslToken)>,
    /// Whom the cluster took each client for.
    rights: HashMap<ClientKey, usize>,
    own: usize,
}

impl World {
    /// From now on clients must log in.
    pub(super) fn guard(&mut self) {
        self.logins = Some(Logins::default());
        let class = Some("com.example.SomeAuthenticator".into());
        self.rig.input(|engine| engine.on_authenticator(class));
    }

    /// The token by which a client comes in where it must.
    pub(super) fn send_token(&mut self, at: usize, user: u8) {
        if self.logins.is_none() {
            return;
        }
        let Some(origin) = self.askers.get_mut(at) else { return };
        let (version, stream) = (origin.version, origin.next);
        origin.next = (origin.next + 1) & 0x3fff;
        let token = |out: &mut Vec<u8>| put_bytes(out, Some(&[user % USERS as u8]));
        let frame = frames::client_frame(stream, Opcode::AuthResponse, token);
        self.feed(at, &frames::of_version(version, frame));
        self.take_logins();
    }

    /// What the cluster says of logins; `false` where there are none.
    pub(super) fn login_step(&mut self, input: &mut Input<'_>) -> bool {
        if self.logins.is_none() || input.byte() & 1 == 0 {
            return false;
        }
        self.take_logins();
        match input.byte() % 8 {
            0..=4 => self.judge(input),
            5 => {
                let at = input.below(self.askers.len());
                self.send_token(at, input.byte());
            }
            6 => {
                let homes = &self.logins.as_ref().expect("guarded").homes;
                let Some((home, _)) = homes.get(input.below(homes.len())).copied() else {
                    return true;
                };
                self.rig.input(|engine| engine.on_credential_revoked(home));
            }
            _ => self.open_home_lane(input),
        }
        true
    }

    /// Keeps what the engine wants judged: the very bytes that its client sent.
    pub(super) fn take_logins(&mut self) {
        let Some(logins) = &mut self.logins else { return };
        for order in std::mem::take(&mut self.rig.actions) {
            let Action::LogIn { client, token } = order else {
                self.rig.actions.push_back(order);
                continue;
            };
            let origin = self.askers.iter().find(|origin| origin.key == client);
            let sent = |origin: &Origin| origin.tokens.iter().any(|sent| sent == token.reveal());
            let known = origin.is_none_or(|origin| origin.compresses || sent(origin));
            assert!(known, "a token that its client did not send");
            logins.waiting.push((client, token));
        }
    }

    fn judge(&mut self, input: &mut Input<'_>) {
        let logins = self.logins.as_mut().expect("guarded");
        if logins.waiting.is_empty() {
            return;
        }
        let (client, token) = logins.waiting.remove(input.below(logins.waiting.len()));
        let refusal = frames::error(ErrorCode::BAD_CREDENTIALS, "no");
        match input.byte() % 8 {
            0 => {
                self.rig.input(|engine| engine.on_verdict(client, LoginVerdict::Refused(&refusal)));
            }
            1 => {
                let verdict = LoginVerdict::Challenged(input.bytes());
                self.rig.input(|engine| engine.on_verdict(client, verdict));
            }
            2 => {
                let verdict = LoginVerdict::Unknown(ErrorCode::OVERLOADED, "nobody could say");
                self.rig.input(|engine| engine.on_verdict(client, verdict));
            }
            3 => {
                logins.own += 1;
                let user = OWN_FROM + logins.own;
                self.let_in(client, user);
            }
            _ => {
                let user = usize::from(token.reveal().first().copied().unwrap_or(0)) % USERS;
                self.let_in(client, user);
            }
        }
    }

    fn let_in(&mut self, client: ClientKey, user: usize) {
        let logins = self.logins.as_mut().expect("guarded");
        let known = logins.homes.iter().find(|(_, of)| *of == user).map(|(home, _)| *home);
        let known = known.filter(|home| self.rig.engine.is_pool_open(*home));
        let opened = |world: &mut Self| {
            let home = world.rig.input(|engine| match user {
                0..USERS => engine.open_base(),
                _ => engine.open_dedicated(),
            })?;
            world.logins.as_mut().expect("guarded").homes.push((home, user));
            world.pools.push(home);
            Some(home)
        };
        let Some(home) = known.or_else(|| opened(self)) else { return };
        // Rights are there before the client can use them.
        let logins = self.logins.as_mut().expect("guarded");
        let before = logins.rights.insert(client, user);
        let verdict = LoginVerdict::Granted { base: home, success: &[0xff; 4] };
        let granted = self.rig.input(|engine| engine.on_verdict(client, verdict));
        let logins = self.logins.as_mut().expect("guarded");
        match before {
            Some(before) if !granted => logins.rights.insert(client, before),
            _ => None,
        };
    }

    /// A lane with some user's rights comes up.
    fn open_home_lane(&mut self, input: &mut Input<'_>) {
        let homes = &self.logins.as_ref().expect("guarded").homes;
        let Some((home, _)) = homes.get(input.below(homes.len())).copied() else { return };
        let node = u16::from(input.byte() % 3);
        self.open_lane_of(home, node, 0);
    }

    /// Whose rights lanes of a pool have; `None` for nobody's.
    pub(super) fn user_of(&self, pool: PoolId) -> Option<usize> {
        let home = self.rig.engine.base_of(pool);
        let homes = &self.logins.as_ref()?.homes;
        homes.iter().find(|(known, _)| *known == home).map(|(_, user)| *user)
    }

    /// A pool is closed; nobody comes in by it any more.
    pub(super) fn forget_home(&mut self, pool: PoolId) {
        if let Some(logins) = &mut self.logins {
            logins.homes.retain(|(home, _)| *home != pool);
        }
    }

    /// A request with this number reached a node over a lane with the rights of `user`.
    pub(super) fn check_rights(&self, number: u64, user: Option<usize>) {
        let Some(logins) = &self.logins else { return };
        let (client, _) = self.origin[&number];
        let own = logins.rights.get(&client);
        assert!(own.is_some(), "{client:?} was never let in");
        assert_eq!(own.copied(), user, "a request with another's rights: {number}");
    }
}

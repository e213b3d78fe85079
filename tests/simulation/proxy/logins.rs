//! Stands in for the login service: asks the cluster about clients' tokens, and again about those
//! that have lanes.

use crate::agenda::Event;
use crate::model::credentials::Credential;
use crate::model::frames::Frame;
use crate::proxy::greeting::Refused;
use crate::proxy::workers::PoolKey;
use crate::world::World;
use cql::error_code::ErrorCode;
use shardlane::engine::client::ClientKey;
use shardlane::engine::verdict::Verdict;
use shardlane::upstream::lane::PoolId;

/// How often the cluster is asked about a credential that has lanes.
pub(crate) const RECHECK_US: u64 = 1_500_000;
/// Nodes that are asked about one login.
const NODES_MAX: usize = 3;

impl World {
    /// A client sent a token.
    pub(crate) fn on_log_in(&mut self, worker: usize, client: ClientKey, token: &[u8]) {
        if self.scenario.roles == 0 {
            return self.blame(format_args!("{client:?} is to log in, which nobody asked for"));
        }
        self.counted.login_runs += 1;
        let run = self.counted.login_runs;
        // Its login before was given up.
        self.workers.get_mut(worker).logins.insert(client, run);
        let at = self.now_us + self.handshake_us();
        self.agenda.plan(at, Event::LoginEnds { worker, client, run, token: token.to_vec() });
    }

    fn handshake_us(&mut self) -> u64 {
        let latency = self.scenario.latency_us;
        latency * 8 + self.chance.below(latency + 1)
    }

    /// The cluster has been asked about a login.
    pub(crate) fn on_login_ends(
        &mut self,
        (worker, client): (usize, ClientKey),
        run: u64,
        token: &[u8],
    ) {
        if self.workers.get(worker).logins.get(&client) != Some(&run) {
            return;
        }
        self.workers.get_mut(worker).logins.remove(&client);
        let known = Credential::of_token(token);
        match (self.ask_about(worker, token), known) {
            (Ok(success), Some(credential)) => self.grant((worker, client), credential, &success),
            (Err(Refused::Login(error)), _) => {
                // Whoever came with this very token before must go as well.
                if let Some(home) = known.and_then(|known| self.home_of(worker, known)) {
                    self.revoke(worker, home);
                }
                self.verdict((worker, client), Verdict::Refused(&error.body));
            }
            (Ok(_) | Err(Refused::Silent | Refused::Said(_)), _) => {
                let text = "nobody could be asked";
                self.verdict((worker, client), Verdict::Unknown(ErrorCode::OVERLOADED, text));
            }
        }
        self.flush(worker);
    }

    /// Asks some of the nodes that a worker knows, until one answers.
    fn ask_about(&mut self, worker: usize, token: &[u8]) -> Result<Frame, Refused> {
        let nodes = self.workers.get(worker).nodes();
        let first = self.chance.index(nodes.len().max(1));
        let asked = nodes.iter().copied().cycle().skip(first).take(nodes.len().min(NODES_MAX));
        for node in asked {
            match self.try_token(node, token) {
                Err(Refused::Silent) => {}
                said => return said,
            }
        }
        Err(Refused::Silent)
    }

    fn verdict(&mut self, (worker, client): (usize, ClientKey), verdict: Verdict<'_>) {
        self.input(worker, |engine| engine.on_verdict(client, verdict));
    }

    /// The lanes of a credential, if it has some.
    fn home_of(&self, worker: usize, credential: Credential) -> Option<u16> {
        let worker = self.workers.get(worker);
        let mut homes = worker.pools.iter().filter(|(number, pool)| {
            pool.keyspace.is_none()
                && pool.credential == Some(credential)
                && worker.engine.is_home_open(PoolId(**number))
        });
        homes.next().map(|(number, _)| *number)
    }

    /// The cluster takes a token: its client gets lanes with its rights.
    fn grant(
        &mut self,
        (number, client): (usize, ClientKey),
        credential: Credential,
        said: &Frame,
    ) {
        let known = self.home_of(number, credential);
        let home = known.map(PoolId).or_else(|| self.open_home(number, credential));
        let verdict = match home {
            Some(home) => Verdict::Granted { base: home, success: &said.body },
            None => Verdict::Unknown(ErrorCode::OVERLOADED, "there are too many credentials"),
        };
        self.verdict((number, client), verdict);
    }

    fn open_home(&mut self, number: usize, credential: Credential) -> Option<PoolId> {
        let home = self.input(number, |engine| engine.open_home())?;
        self.tell(format_args!("worker {number} opens home {} for {credential:?}", home.0));
        let now = self.now_us;
        let worker = self.workers.get_mut(number);
        worker.pools.insert(home.0, PoolKey { keyspace: None, credential: Some(credential) });
        worker.rechecks.insert(home.0, now + RECHECK_US);
        self.start_keepers(number);
        Some(home)
    }

    /// Asks the cluster about the credentials whose time has come.
    pub(crate) fn recheck_credentials(&mut self, number: usize) {
        let now = self.now_us;
        let worker = self.workers.get_mut(number);
        let mut due = Vec::new();
        for (home, at) in worker.rechecks.iter_mut().filter(|(_, at)| **at <= now) {
            // Until it has been asked.
            *at = u64::MAX;
            due.extend(worker.pools.get(home).and_then(|pool| Some((*home, pool.credential?))));
        }
        for (home, credential) in due {
            let at = now + self.handshake_us();
            self.agenda.plan(at, Event::Rechecked { worker: number, home, credential });
        }
    }

    /// The cluster has been asked about a credential again.
    pub(crate) fn on_rechecked(&mut self, number: usize, (home, credential): (u16, Credential)) {
        let now = self.now_us;
        let early = self.chance.below(RECHECK_US / 4 + 1);
        let said = self.ask_about(number, &credential.token());
        let worker = self.workers.get_mut(number);
        let own = worker.pools.get(&home).is_some_and(|pool| pool.credential == Some(credential));
        let Some(due) = worker.rechecks.get_mut(&home).filter(|_| own) else { return };
        *due = now + RECHECK_US - early;
        match said {
            Ok(_) => {}
            Err(Refused::Login(_)) => self.revoke(number, home),
            Err(Refused::Silent | Refused::Said(_)) => worker.unknown_us = now,
        }
        self.flush(number);
    }

    /// The cluster takes a credential no longer.
    fn revoke(&mut self, number: usize, home: u16) {
        self.tell(format_args!("home {home} of worker {number} is revoked"));
        self.workers.get_mut(number).rechecks.remove(&home);
        self.input(number, |engine| engine.on_home_revoked(PoolId(home)));
    }
}

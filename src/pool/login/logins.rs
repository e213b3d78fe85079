//! Clients' logins on their way to the cluster, and credentials that are asked about again while they
//! have lanes.
//!
//! A login is asked of one node after another until one can say. Equal tokens that wait become one
//! login. A refusal counts for the login that it answers; a credential that has lanes is taken for
//! withdrawn only once a second node of the data center says so, or none but the first can be asked.

use std::collections::{BTreeMap, VecDeque};

use crate::engine::client::ClientKey;
use crate::pool::action::{Orders, Owner, PoolAction};
use crate::pool::connection::{DialFailure, DialId, Dialled, FailureKind, Hello};
use crate::pool::login::login_queue::{LoginOrigin, LoginQueue, UnverifiedPlaces, Waiting};
use crate::pool::login::nodes_to_ask::NodesToAsk;
use crate::pool::nodes::node_target::NodeTarget;
use crate::pool::pool_key::PoolKey;
use crate::pool::refill::backoff::Jitter;
use crate::pool::refill::lane_slots::Dial;
use crate::session::sasl::SaslToken;
use crate::topology::id::NodeId;
use crate::upstream::lane::PoolId;

/// Clients that may owe the answer to a challenge at once, for one worker. They hold no place of those
/// that wait for a node.
const OWED_MAX: usize = 32;
/// Settings of logins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LoginSettings {
    /// Logins of clients that run at once, for one worker; those with equal tokens that wait behind
    /// them become one. Half of the places are kept for credentials that have lanes.
    pub runs_max: usize,
    /// How often the cluster is asked about a credential that has lanes, milliseconds.
    pub recheck_ms: u64,
}

impl Default for LoginSettings {
    fn default() -> Self {
        Self { runs_max: 8, recheck_ms: 60_000 }
    }
}

/// The outcome of a run.
#[derive(Debug)]
pub(crate) enum LoginEnd {
    /// A client's login, or that of several with one token.
    Login {
        /// The clients that wait for it.
        clients: Vec<ClientKey>,
        /// What they sent.
        token: SaslToken,
        /// Whether it took more than one step.
        challenged: bool,
        /// The connection on which the cluster took it, or why not: what the last node said.
        result: Result<Box<Dialled>, Option<DialFailure>>,
    },
    /// The cluster no longer takes the credential of this base pool.
    Revoked(PoolId),
}

/// The logins of one worker.
#[derive(Debug)]
pub(crate) struct LoginService {
    pub(in crate::pool) settings: LoginSettings,
    pub(super) jitter: Jitter,
    pub(in crate::pool) nodes: NodesToAsk,
    queued: LoginQueue,
    pub(super) runs: BTreeMap<u64, Run>,
    pub(super) next_run: u64,
    /// Set once a node has sent a challenge: then equal tokens do not make equal logins.
    alone: bool,
    pub(super) watched: BTreeMap<u16, Watched>,
    pub(super) ended: VecDeque<LoginEnd>,
}

/// A question to the cluster.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) what: What,
    pub(super) dial: DialId,
    pub(super) node: NodeId,
    /// Nodes to be asked if this one cannot say.
    pub(super) rest: VecDeque<NodeTarget>,
}

#[derive(Debug)]
pub(super) enum What {
    Login {
        login: Waiting,
        challenged: bool,
        /// Since when a client owes the answer to a challenge.
        owed_since_ms: Option<u64>,
    },
    Recheck(PoolId),
}

/// A credential that has lanes.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) pool: PoolKey,
    pub(super) due_ms: u64,
    pub(super) running: bool,
    /// Whether a node has refused it since it was last asked about.
    pub(super) was_refused: bool,
    /// The node that refused it; another is asked before that is believed.
    pub(super) refused_by: Option<NodeId>,
    /// How often that was asked in vain.
    pub(super) lone_refusals: u32,
}

impl Run {
    /// Since when its client owes the answer to a challenge; until then no node is waited for.
    fn owed_since_ms(&self) -> Option<u64> {
        match self.what {
            What::Login { owed_since_ms, .. } => owed_since_ms,
            What::Recheck(_) => None,
        }
    }
}

impl LoginService {
    pub(crate) fn new(settings: LoginSettings, seed: u64) -> Self {
        Self {
            settings,
            jitter: Jitter::new(seed),
            nodes: NodesToAsk::default(),
            queued: LoginQueue::default(),
            runs: BTreeMap::new(),
            next_run: 0,
            alone: false,
            watched: BTreeMap::new(),
            ended: VecDeque::new(),
        }
    }

    /// A run that has ended since the last call.
    pub(crate) fn take_end(&mut self) -> Option<LoginEnd> {
        self.ended.pop_front()
    }

    /// A client sent a token: the first of its login, or its answer to a challenge.
    pub(crate) fn on_token(
        &mut self,
        client: ClientKey,
        token: SaslToken,
        origin: LoginOrigin,
        orders: &mut Orders,
    ) {
        for run in self.runs.values_mut() {
            let What::Login { login, challenged, owed_since_ms } = &mut run.what else { continue };
            if *challenged && login.clients.first() == Some(&client) {
                *owed_since_ms = None;
                return orders.push(PoolAction::Answer { id: run.dial, token });
            }
        }
        // Its login before was given up.
        self.on_client_closed(client, orders);
        let joins = !self.alone && token.is_plain();
        match self.queued.same(&token).filter(|_| joins) {
            Some(same) => same.clients.push(client),
            None => self.queued.push(Waiting { token, clients: vec![client], origin }),
        }
        self.pump(orders);
    }

    /// Gives logins up whose clients owe their answer longest, where too many owe one. An answer that
    /// comes later begins another login.
    fn end_unanswered(&mut self, orders: &mut Orders) {
        let owed = self.runs.iter().filter_map(|(run, entry)| Some((entry.owed_since_ms()?, *run)));
        let mut owed: Vec<(u64, u64)> = owed.collect();
        let excess = owed.len().saturating_sub(OWED_MAX);
        owed.sort_unstable();
        for (_, run) in owed.into_iter().take(excess) {
            if let Some(entry) = self.runs.remove(&run) {
                orders.drop(entry.dial);
            }
        }
    }

    /// A client is gone, or gave its login up.
    pub(crate) fn on_client_closed(&mut self, client: ClientKey, orders: &mut Orders) {
        if self.queued.is_empty() && self.runs.is_empty() {
            return;
        }
        self.queued.forget(client);
        self.runs.retain(|_, run| {
            let What::Login { login, challenged, .. } = &mut run.what else { return true };
            login.clients.retain(|known| *known != client);
            // With no client left to answer a challenge the conversation ends.
            let stays = !*challenged || !login.clients.is_empty();
            if !stays {
                orders.drop(run.dial);
            }
            stays
        });
        self.pump(orders);
    }

    /// A node sent a challenge. Returns the client that has to answer; others with the same token
    /// start anew.
    pub(crate) fn on_challenged(
        &mut self,
        run: u64,
        now_ms: u64,
        orders: &mut Orders,
    ) -> Option<ClientKey> {
        self.alone = true;
        let entry = self.runs.get_mut(&run)?;
        self.nodes.note(entry.node, true);
        let What::Login { login, challenged, owed_since_ms } = &mut entry.what else { return None };
        *challenged = true;
        *owed_since_ms = Some(now_ms);
        let Waiting { token, clients, origin } = login;
        let rest = clients.split_off(1.min(clients.len()));
        let first = clients.first().copied();
        for client in rest {
            let (token, origin) = (token.clone(), *origin);
            self.queued.push(Waiting { token, clients: vec![client], origin });
        }
        self.end_unanswered(orders);
        self.pump(orders);
        first
    }

    /// A node has answered, or cannot be asked.
    pub(crate) fn on_dialled(
        &mut self,
        run: u64,
        result: Result<Dialled, DialFailure>,
        now_ms: u64,
        orders: &mut Orders,
    ) {
        let Some(mut entry) = self.runs.remove(&run) else { return };
        let failure = match result {
            Ok(opened) => {
                self.nodes.note(entry.node, true);
                return self.on_granted(entry, opened, now_ms, orders);
            }
            Err(failure) => failure,
        };
        match failure.kind {
            FailureKind::Refused(..) => self.nodes.note(entry.node, true),
            FailureKind::Broken => self.nodes.note(entry.node, false),
            FailureKind::NoSourcePort => {}
        }
        match &entry.what {
            What::Login { challenged, .. } => {
                let is_over = failure.refused_login().is_some() || *challenged;
                if !is_over && let Some(next) = entry.rest.pop_front() {
                    return self.ask(run, entry, next, orders);
                }
                if failure.refused_login().is_some()
                    && let Some(base) = self.base_of(&entry.what)
                {
                    // Clients that came with this very token before may have to go as well.
                    self.on_refused(base, entry.node);
                }
            }
            What::Recheck(base) => {
                let base = *base;
                let is_refused = failure.refused_login().is_some();
                if is_refused && self.is_agreed(base, entry.node) {
                    return self.ended.push_back(LoginEnd::Revoked(base));
                }
                if let Some(next) = entry.rest.pop_front() {
                    return self.ask(run, entry, next, orders);
                }
                return self.on_recheck_unknown(base, now_ms);
            }
        }
        self.ended.extend(login_end(entry.what, Err(Some(failure))));
        self.pump(orders);
    }

    fn on_granted(&mut self, entry: Run, opened: Dialled, now_ms: u64, orders: &mut Orders) {
        if let What::Recheck(base) = entry.what {
            orders.drop(opened.id);
            let due_ms = self.due_ms(now_ms);
            if let Some(watched) = self.watched.get_mut(&base.0) {
                *watched = Watched {
                    pool: watched.pool.clone(),
                    due_ms,
                    running: false,
                    was_refused: false,
                    refused_by: None,
                    lone_refusals: 0,
                };
            }
            return;
        }
        self.ended.extend(login_end(entry.what, Ok(Box::new(opened))));
        self.pump(orders);
    }

    pub(super) fn ask(
        &mut self,
        run: u64,
        mut entry: Run,
        target: NodeTarget,
        orders: &mut Orders,
    ) {
        let hello = match &entry.what {
            What::Login { login, .. } => Hello::Login {
                token: login.token.clone(),
                is_known: login.origin == LoginOrigin::Known,
            },
            What::Recheck(base) => match self.watched.get(&base.0) {
                Some(watched) => Hello::Recheck(watched.pool.clone()),
                None => return,
            },
        };
        entry.node = target.node;
        entry.dial = orders.dial(Owner::Login(run), target, Dial::Any, 0, hello);
        self.runs.insert(run, entry);
    }

    /// Starts the logins that may run. Those that find no node end at once.
    fn pump(&mut self, orders: &mut Orders) {
        let max = self.settings.runs_max;
        loop {
            let (mut running, mut unverified) = (0, 0);
            for run in self.runs.values().filter(|run| run.owed_since_ms().is_none()) {
                let What::Login { login, .. } = &run.what else { continue };
                running += 1;
                unverified += usize::from(login.origin != LoginOrigin::Known);
            }
            if running >= max {
                return;
            }
            let places = match unverified {
                0 => UnverifiedPlaces::Free,
                _ if unverified < max.div_ceil(2) => UnverifiedPlaces::Some,
                _ => UnverifiedPlaces::Taken,
            };
            let Some(login) = self.queued.next(places) else { return };
            let mut rest = self.nodes.next();
            let what = What::Login { login, challenged: false, owed_since_ms: None };
            match rest.pop_front() {
                Some(first) => {
                    self.next_run += 1;
                    let entry = Run { what, dial: DialId(0), node: first.node, rest };
                    self.ask(self.next_run, entry, first, orders);
                }
                None => self.ended.extend(login_end(what, Err(None))),
            }
        }
    }
}

fn login_end(what: What, result: Result<Box<Dialled>, Option<DialFailure>>) -> Option<LoginEnd> {
    let What::Login { login: Waiting { token, clients, .. }, challenged, .. } = what else {
        return None;
    };
    Some(LoginEnd::Login { clients, token, challenged, result })
}

//! The logins of one worker: clients' tokens on their way to the cluster, and credentials that
//! are asked about again while they have lanes.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use tokio::sync::mpsc::{Receiver, Sender};

use crate::auth::conversation::Conversation;
use crate::auth::verification::{Verification, verify};
use crate::connect::dialer::Dialer;
use crate::connect::handshake_budget::HandshakeBudget;
use crate::engine::client::ClientKey;
use crate::pool::backoff::Jitter;
use crate::pool::credential::Credential;
use crate::pool::credential_book::CredentialBook;
use crate::pool::node_target::{NodeTarget, ShardPort};
use crate::session::sasl::SaslToken;
use crate::topology::id::NodeId;
use crate::upstream::lane::PoolId;

/// Logins of clients that run at once, for one worker; those with equal tokens that wait behind
/// them become one.
const RUNS_MAX: usize = 8;
/// Reports that may wait; who finds no room waits itself.
const REPORTS: usize = 64;
/// Stands for a node that is asked by its address, before the cluster has told its nodes.
pub const UNNUMBERED: NodeId = NodeId(u16::MAX);

/// What the logins of a process go by.
#[derive(Clone, Debug)]
pub struct LoginSettings {
    /// Opens connections.
    pub dialer: Arc<Dialer>,
    /// Logins that may run at once with one node, for the whole process. Not that of lanes: a
    /// client does not wait until all lanes of others are open.
    pub budget: Arc<HandshakeBudget>,
    /// Every credential that has lanes.
    pub book: Arc<CredentialBook>,
    /// How often the cluster is asked about a credential that has lanes.
    pub recheck_ms: u64,
}

/// What logins come to.
#[derive(Debug)]
pub enum LoginReport {
    /// A node asks on.
    Challenged {
        /// Which login.
        run: u64,
        /// What the node asks.
        challenge: Vec<u8>,
    },
    /// A client's login is over.
    Ended {
        /// Which login.
        run: u64,
        /// What the cluster says.
        verification: Verification,
        /// Whether it took more than one step.
        asked_on: bool,
    },
    /// The cluster was asked about a credential again.
    Rechecked {
        /// Whose lanes.
        home: PoolId,
        /// The credential.
        credential: Arc<Credential>,
        /// What the cluster says.
        verification: Verification,
    },
}

/// The logins of one worker.
#[derive(Debug)]
pub struct LoginService {
    settings: LoginSettings,
    jitter: Jitter,
    /// Nodes to ask; before they are known, addresses to ask.
    targets: Vec<NodeTarget>,
    contacts: Vec<NodeTarget>,
    /// Which of them is asked first next time.
    turn: usize,
    queued: VecDeque<(SaslToken, Vec<ClientKey>)>,
    runs: BTreeMap<u64, Run>,
    next_run: u64,
    /// Set once a node has asked on: then equal tokens do not make equal logins.
    alone: bool,
    watched: BTreeMap<u16, Watched>,
    reports: Sender<LoginReport>,
}

#[derive(Debug)]
struct Run {
    token: SaslToken,
    clients: Vec<ClientKey>,
    answers: Sender<SaslToken>,
    challenged: bool,
}

#[derive(Debug)]
struct Watched {
    credential: Arc<Credential>,
    due_ms: u64,
    running: bool,
}

impl LoginService {
    /// A desk without logins, and where they report.
    #[must_use]
    pub fn new(settings: LoginSettings, seed: u64) -> (Self, Receiver<LoginReport>) {
        let (reports, receiver) = mpsc::channel(REPORTS);
        let pool_manager = Self {
            settings,
            jitter: Jitter::new(seed),
            targets: Vec::new(),
            contacts: Vec::new(),
            turn: 0,
            queued: VecDeque::new(),
            runs: BTreeMap::new(),
            next_run: 0,
            alone: false,
            watched: BTreeMap::new(),
            reports,
        };
        (pool_manager, receiver)
    }

    /// The credentials of the process.
    #[must_use]
    pub fn book(&self) -> &CredentialBook {
        &self.settings.book
    }

    /// Takes the nodes to ask.
    pub fn set_nodes(&mut self, targets: &[NodeTarget]) {
        self.targets = targets.to_vec();
    }

    /// Takes the addresses to ask as long as no node is known.
    pub fn set_contacts(&mut self, contacts: &[SocketAddr]) {
        let target = |address: &SocketAddr| NodeTarget {
            node: UNNUMBERED,
            host: None,
            address: *address,
            shard_port: ShardPort::AsTold,
        };
        self.contacts = contacts.iter().map(target).collect();
    }

    /// A client sent a token: the first of its login, or its answer to a node that asked on.
    pub fn on_token(&mut self, client: ClientKey, token: SaslToken) {
        let mut runs = self.runs.values();
        let run = runs.find(|run| run.challenged && run.clients.first() == Some(&client));
        if let Some(run) = run {
            // A run that has ended meanwhile tells so itself.
            run.answers.try_send(token).ok();
            return;
        }
        // Its login before was given up.
        self.forget(client);
        let same = self.queued.iter_mut().find(|(queued, _)| *queued == token);
        match same.filter(|(token, _)| !self.alone && token.is_plain()) {
            Some((_, clients)) => clients.push(client),
            None => self.queued.push_back((token, vec![client])),
        }
        self.pump();
    }

    /// A login is over: its clients, and the token that they all sent. `None` when they left.
    pub fn on_ended(&mut self, run: u64) -> Option<(Vec<ClientKey>, SaslToken)> {
        let ended = self.runs.remove(&run);
        self.pump();
        ended.map(|run| (run.clients, run.token))
    }

    /// A node asks on: the client that has to answer. Others with the same token start anew.
    pub fn on_challenged(&mut self, run: u64) -> Option<ClientKey> {
        self.alone = true;
        let entry = self.runs.get_mut(&run)?;
        entry.challenged = true;
        let rest = entry.clients.split_off(1.min(entry.clients.len()));
        let (first, token) = (entry.clients.first().copied(), entry.token.clone());
        self.queued.extend(rest.into_iter().map(|client| (token.clone(), vec![client])));
        self.pump();
        first
    }

    /// A client is gone.
    pub fn forget(&mut self, client: ClientKey) {
        if self.queued.is_empty() && self.runs.is_empty() {
            return;
        }
        for (_, clients) in &mut self.queued {
            clients.retain(|known| *known != client);
        }
        self.queued.retain(|(_, clients)| !clients.is_empty());
        for run in self.runs.values_mut() {
            run.clients.retain(|known| *known != client);
        }
        // Nobody is left to answer, which ends the conversation.
        self.runs.retain(|_, run| !run.challenged || !run.clients.is_empty());
        self.pump();
    }

    /// From now on the cluster is asked about a credential that has lanes.
    pub fn watch(&mut self, home: PoolId, credential: Arc<Credential>, now_ms: u64) {
        let due_ms = self.due_ms(now_ms);
        self.watched.insert(home.0, Watched { credential, due_ms, running: false });
    }

    /// A credential has no lanes any more; hands it back if it was asked about.
    pub fn unwatch(&mut self, home: PoolId) -> Option<Arc<Credential>> {
        self.watched.remove(&home.0).map(|watched| watched.credential)
    }

    /// A node refused a lane of a credential: the cluster is asked at once.
    pub fn recheck_now(&mut self, home: PoolId) {
        if let Some(watched) = self.watched.get_mut(&home.0) {
            watched.due_ms = 0;
        }
    }

    /// Asks the cluster about the credentials whose time has come.
    pub fn recheck(&mut self, now_ms: u64) {
        let due = |watched: &Watched| !watched.running && watched.due_ms <= now_ms;
        if !self.watched.values().any(due) {
            return;
        }
        let targets = self.next_targets();
        for (home, watched) in self.watched.iter_mut().filter(|(_, watched)| due(watched)) {
            watched.running = true;
            let (home, credential) = (PoolId(*home), Arc::clone(&watched.credential));
            let (settings, reports) = (self.settings.clone(), self.reports.clone());
            let targets = targets.clone();
            tokio::spawn(async move {
                let (dialer, budget) = (&settings.dialer, &settings.budget);
                let verification = verify(dialer, budget, &targets, &credential, || false).await;
                let report = LoginReport::Rechecked { home, credential, verification };
                // A worker that has ended needs no reports.
                reports.send(report).await.ok();
            });
        }
    }

    /// The cluster was asked about a credential; `false` when it is not this home's any more.
    pub fn on_rechecked(&mut self, home: PoolId, credential: &Credential, now_ms: u64) -> bool {
        let due_ms = self.due_ms(now_ms);
        match self.watched.get_mut(&home.0) {
            Some(watched) if *watched.credential == *credential => {
                watched.running = false;
                watched.due_ms = due_ms;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Not all at once: between three quarters of the time and the whole.
    fn due_ms(&mut self, now_ms: u64) -> u64 {
        let quarter = self.settings.recheck_ms / 4;
        now_ms + 3 * quarter + self.jitter.below(quarter + 1)
    }

    /// All nodes, another one first each time.
    fn next_targets(&mut self) -> Vec<NodeTarget> {
        self.turn = self.turn.wrapping_add(1);
        let known = if self.targets.is_empty() { &self.contacts } else { &self.targets };
        let start = self.turn.checked_rem(known.len()).unwrap_or(0);
        known.iter().cycle().skip(start).take(known.len()).copied().collect()
    }

    fn pump(&mut self) {
        while self.runs.len() < RUNS_MAX {
            let Some((token, clients)) = self.queued.pop_front() else { return };
            let targets = self.next_targets();
            self.next_run += 1;
            let run = self.next_run;
            let (answers, inbox) = mpsc::channel(1);
            let (settings, reports) = (self.settings.clone(), self.reports.clone());
            let asked_on = Arc::new(AtomicBool::new(false));
            let conversation =
                Conversation::new(run, reports.clone(), inbox, Arc::clone(&asked_on));
            let credential =
                Arc::new(Credential::with_challenge(token.clone(), Box::new(conversation)));
            self.runs.insert(run, Run { token, clients, answers, challenged: false });
            tokio::spawn(async move {
                let asked = || asked_on.load(Ordering::Relaxed);
                let (dialer, budget) = (&settings.dialer, &settings.budget);
                let verification = verify(dialer, budget, &targets, &credential, asked).await;
                let asked_on = asked();
                reports.send(LoginReport::Ended { run, verification, asked_on }).await.ok();
            });
        }
    }
}

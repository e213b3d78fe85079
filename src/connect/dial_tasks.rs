//! Opens the connections that pools order: a task for each, which waits for its node's turn, dials,
//! and reports.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::task::{AbortHandle, JoinSet};

use crate::connect::conversation::Conversation;
use crate::connect::dial_error::{DialError, DialErrorAt, DialStep};
use crate::connect::dial_report::DialReport;
use crate::connect::dialer::{Dialer, OpenedLane};
use crate::connect::handshake_budget::{HandshakeBudget, HeldTurn};
use crate::connect::hint;
use crate::pool::action::DialOrder;
use crate::pool::connection::{Connection, DialFailure, DialId, FailureKind, Hello, RefusedStep};
use crate::pool::login::credential::Credential;
use crate::pool::pool_key::PoolKey;
use crate::session::sasl::SaslToken;
use crate::sockets::transport::Transport;

/// Reports that may wait; a task that finds no room waits itself, with its connection.
const REPORTS: usize = 64;

/// Settings of what opens the connections of one worker.
#[derive(Clone, Debug)]
pub(crate) struct DialingSettings {
    /// Opens connections.
    pub dialer: Arc<Dialer>,
    /// Handshakes of lanes that may run at once, for the whole process.
    pub lanes: Arc<HandshakeBudget>,
    /// Logins that may run at once with one node, for the whole process. Not those of lanes: a
    /// client does not wait until all lanes of others are open.
    pub logins: Arc<HandshakeBudget>,
}

/// The connections of one worker that are no lanes yet.
#[derive(Debug)]
pub(crate) struct Dialing {
    settings: DialingSettings,
    reports: Sender<DialReport>,
    running: BTreeMap<DialId, Running>,
    opened: BTreeMap<DialId, Transport>,
}

#[derive(Debug)]
struct Running {
    task: AbortHandle,
    answers: Option<Sender<SaslToken>>,
}

impl Dialing {
    /// Without connections, and where its tasks report.
    #[must_use]
    pub(crate) fn new(settings: DialingSettings) -> (Self, Receiver<DialReport>) {
        let (reports, receiver) = mpsc::channel(REPORTS);
        let (running, opened) = (BTreeMap::new(), BTreeMap::new());
        (Self { settings, reports, running, opened }, receiver)
    }

    /// Opens further connections with this dialer.
    pub(crate) fn set_dialer(&mut self, dialer: Arc<Dialer>) {
        self.settings.dialer = dialer;
    }

    /// Opens a connection. Called within a runtime.
    pub(crate) fn start(&mut self, order: DialOrder) {
        let DialOrder { id, target, dial, failures, hello } = order;
        let budget = match &hello {
            Hello::Lane { .. } => &self.settings.lanes,
            Hello::Login { .. } | Hello::Recheck(_) => &self.settings.logins,
        };
        let whose = hello.whose();
        let (gate, dialer) = (budget.gate(target.node), Arc::clone(&self.settings.dialer));
        let (reports, held) = (self.reports.clone(), HeldTurn::default());
        let (pool, answers) = match hello {
            Hello::Lane { key: pool, .. } | Hello::Recheck(pool) => (pool, None),
            Hello::Login { token, .. } => {
                let (answers, inbox) = mpsc::channel(1);
                let conversation = Conversation::new(id, reports.clone(), inbox, held.clone());
                let credential = Credential::with_challenge(token, Box::new(conversation));
                (PoolKey::plain(Some(Arc::new(credential))), Some(answers))
            }
        };
        let task = tokio::spawn(async move {
            let mut attempt = JoinSet::new();
            attempt.spawn(async move {
                held.set(gate.enter(whose).await);
                let opened = dialer.open(&target, &gate, &pool, dial, failures).await;
                held.end();
                opened
            });
            let report = match attempt.join_next().await {
                Some(Ok(result)) => DialReport::Ended(id, result),
                Some(Err(_)) | None => DialReport::Vanished(id),
            };
            // A worker that has ended needs no reports.
            reports.send(report).await.ok();
        });
        self.running.insert(id, Running { task: task.abort_handle(), answers });
    }

    /// Takes a report, and returns it as pools want it. The socket of a connection stays here.
    pub(crate) fn on_ended(
        &mut self,
        id: DialId,
        result: Result<OpenedLane, DialErrorAt>,
    ) -> Result<Connection, DialFailure> {
        self.running.remove(&id);
        let lane = result.map_err(|failed| failure_of(&failed))?;
        self.opened.insert(id, lane.stream);
        Ok(Connection {
            node: lane.node,
            shard: lane.shard,
            sharder: lane.sharder,
            lwt_mask: lane.extensions.lwt_mask,
            metadata_ids: lane.extensions.metadata_ids,
            is_cassandra: lane.is_cassandra,
            compression: lane.extensions.compression,
            shard_aware_port: lane.shard_aware_port,
            success: lane.login.map(|login| login.success),
        })
    }

    /// A task ended without a report.
    pub(crate) fn on_vanished(&mut self, id: DialId) -> DialFailure {
        self.running.remove(&id);
        let (reason, hint) =
            ("the dialling task ended without a result".to_owned(), "report this".to_owned());
        DialFailure { kind: FailureKind::Broken, reason, hint }
    }

    /// Passes a client's answer on to the node that sent a challenge.
    pub(crate) fn answer(&self, id: DialId, token: SaslToken) {
        let running = self.running.get(&id);
        if let Some(answers) = running.and_then(|running| running.answers.as_ref()) {
            // A login that has ended meanwhile reports so itself.
            answers.try_send(token).ok();
        }
    }

    /// The socket of a connection that becomes a lane.
    pub(crate) fn take(&mut self, id: DialId) -> Option<Transport> {
        self.opened.remove(&id)
    }

    /// Gives a connection up, whether it is being opened or open.
    pub(crate) fn drop(&mut self, id: DialId) {
        if let Some(running) = self.running.remove(&id) {
            running.task.abort();
        }
        self.opened.remove(&id);
    }
}

impl Drop for Dialing {
    fn drop(&mut self) {
        for running in self.running.values() {
            running.task.abort();
        }
    }
}

/// An error as pools decide by it, with its text and its hint.
#[must_use]
pub(crate) fn failure_of(failed: &DialErrorAt) -> DialFailure {
    let kind = match &failed.error {
        DialError::Refused(error, DialStep::Login) => {
            FailureKind::Refused(RefusedStep::Login, error.clone())
        }
        DialError::Refused(error, DialStep::Use) => {
            FailureKind::Refused(RefusedStep::Use, error.clone())
        }
        DialError::Refused(error, _) => FailureKind::Refused(RefusedStep::Other, error.clone()),
        DialError::SourcePorts { .. } => FailureKind::NoSourcePort,
        DialError::Connect { .. }
        | DialError::Broken { .. }
        | DialError::Timeout { .. }
        | DialError::Malformed { .. }
        | DialError::Unexpected { .. }
        | DialError::CredentialMissing { .. }
        | DialError::Tls { .. }
        | DialError::TlsAlert { .. }
        | DialError::OtherHost { .. } => FailureKind::Broken,
    };
    let reason = match failed.source() {
        Some(source) => format!("{failed}: {source}"),
        None => failed.to_string(),
    };
    DialFailure { kind, reason, hint: hint::of_dial(failed) }
}

#[cfg(test)]
mod tests;

//! A login of more than one step: the node asks, the client answers, we only carry.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;
use tokio::sync::mpsc::{Receiver, Sender};

use crate::net::logins::login_desk::LoginReport;
use crate::session::sasl::SaslToken;

/// Carries challenges to a client, and its answers back.
#[derive(Debug)]
pub struct Conversation {
    run: u64,
    reports: Sender<LoginReport>,
    answers: Mutex<Receiver<SaslToken>>,
    /// Set when a node asks on.
    asked_on: Arc<AtomicBool>,
}

impl Conversation {
    /// A conversation for the login that the desk knows as `run`; it sets `asked_on` when it
    /// begins.
    #[must_use]
    pub fn new(
        run: u64,
        reports: Sender<LoginReport>,
        answers: Receiver<SaslToken>,
        asked_on: Arc<AtomicBool>,
    ) -> Self {
        Self { run, reports, answers: Mutex::new(answers), asked_on }
    }

    /// Asks the client; `None` when it has left.
    pub async fn answer(&self, challenge: &[u8]) -> Option<SaslToken> {
        self.asked_on.store(true, Ordering::Relaxed);
        let report = LoginReport::Challenged { run: self.run, challenge: challenge.to_vec() };
        self.reports.send(report).await.ok()?;
        self.answers.lock().await.recv().await
    }
}

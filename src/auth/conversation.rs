//! A login of more than one step: carries the challenges of a node to a client, and its answers back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;
use tokio::sync::mpsc::{Receiver, Sender};

use crate::auth::login_service::LoginReport;
use crate::pool::credential::{Challenge, ChallengeAnswer};
use crate::session::sasl::SaslToken;

/// Carries challenges to a client, and its answers back.
#[derive(Debug)]
pub struct Conversation {
    run: u64,
    reports: Sender<LoginReport>,
    answers: Mutex<Receiver<SaslToken>>,
    /// Set at the first challenge.
    asked_on: Arc<AtomicBool>,
}

impl Conversation {
    /// A conversation for the login that the login service knows as `run`. Sets `asked_on` at the first
    /// challenge.
    #[must_use]
    pub fn new(
        run: u64,
        reports: Sender<LoginReport>,
        answers: Receiver<SaslToken>,
        asked_on: Arc<AtomicBool>,
    ) -> Self {
        Self { run, reports, answers: Mutex::new(answers), asked_on }
    }

    async fn ask_client(&self, challenge: &[u8]) -> Option<SaslToken> {
        self.asked_on.store(true, Ordering::Relaxed);
        let report = LoginReport::Challenged { run: self.run, challenge: challenge.to_vec() };
        self.reports.send(report).await.ok()?;
        self.answers.lock().await.recv().await
    }
}

impl Challenge for Conversation {
    /// Asks the client; `None` when it has left.
    fn answer<'a>(&'a self, challenge: &'a [u8]) -> ChallengeAnswer<'a> {
        Box::pin(self.ask_client(challenge))
    }
}

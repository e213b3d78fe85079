//! A login of more than one step: carries the challenges of a node to a client, and its answers back.

use tokio::sync::Mutex;
use tokio::sync::mpsc::{Receiver, Sender};

use crate::connect::dial_report::DialReport;
use crate::pool::connection::DialId;
use crate::pool::credential::{Challenge, ChallengeAnswer};
use crate::session::sasl::SaslToken;

/// Carries challenges to a client, and its answers back.
#[derive(Debug)]
pub struct Conversation {
    id: DialId,
    reports: Sender<DialReport>,
    answers: Mutex<Receiver<SaslToken>>,
}

impl Conversation {
    /// A conversation on the connection `id`.
    #[must_use]
    pub fn new(id: DialId, reports: Sender<DialReport>, answers: Receiver<SaslToken>) -> Self {
        Self { id, reports, answers: Mutex::new(answers) }
    }

    async fn ask_client(&self, challenge: &[u8]) -> Option<SaslToken> {
        let report = DialReport::Challenged(self.id, challenge.to_vec());
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

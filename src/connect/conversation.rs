//! A login of more than one step: carries the challenges of a node to a client, and its answers back.

use tokio::sync::Mutex;
use tokio::sync::mpsc::{Receiver, Sender};

use crate::connect::dial_report::DialReport;
use crate::connect::handshake_budget::HeldTurn;
use crate::pool::connection::DialId;
use crate::pool::login::credential::{Challenge, ChallengeAnswer};
use crate::session::sasl::SaslToken;

/// Carries challenges to a client, and its answers back.
#[derive(Debug)]
pub struct Conversation {
    id: DialId,
    reports: Sender<DialReport>,
    answers: Mutex<Receiver<SaslToken>>,
    turn: HeldTurn,
}

impl Conversation {
    /// A conversation on the connection `id`, whose turn to shake hands ends with the first challenge:
    /// the client may never answer.
    #[must_use]
    pub fn new(
        id: DialId,
        reports: Sender<DialReport>,
        answers: Receiver<SaslToken>,
        turn: HeldTurn,
    ) -> Self {
        Self { id, reports, answers: Mutex::new(answers), turn }
    }

    async fn ask_client(&self, challenge: &[u8]) -> Option<SaslToken> {
        self.turn.end();
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

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::task::Poll;

    use tokio::sync::mpsc;

    use super::*;
    use crate::connect::handshake_budget::NodeGate;
    use crate::pool::refill::handshake_turns::Whose;

    #[tokio::test]
    async fn a_login_that_waits_for_its_client_holds_no_turn_at_its_node() {
        let (gate, held) = (NodeGate::default(), HeldTurn::default());
        held.set(gate.enter(Whose::Unverified).await);
        let mut next = Box::pin(gate.enter(Whose::Unverified));
        let mut has_turn =
            async || poll_fn(|context| Poll::Ready(next.as_mut().poll(context).is_ready())).await;
        assert!(!has_turn().await, "unverified logins have one turn");

        let (reports, mut reported) = mpsc::channel(1);
        let (_answers, inbox) = mpsc::channel(1);
        let conversation = Conversation::new(DialId(1), reports, inbox, held);
        let mut answer = conversation.answer(b"who?");
        let is_there =
            poll_fn(|context| Poll::Ready(answer.as_mut().poll(context).is_ready())).await;
        assert!(!is_there, "the client has not answered");
        assert!(matches!(reported.try_recv(), Ok(DialReport::Challenged(DialId(1), _))));
        assert!(has_turn().await);
    }
}

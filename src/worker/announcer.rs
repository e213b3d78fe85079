//! What a worker tells the rest of the process, which may have no room for it.
//!
//! A worker never waits for room. What may be lost is lost; what others rely on is told again.

use tokio::sync::mpsc::Sender;

use crate::engine::action::PeerMessage;
use crate::worker::command::WorkerEvent;

/// Tells what a worker has to say.
#[derive(Debug)]
pub(super) struct Announcer {
    number: usize,
    events: Sender<WorkerEvent>,
    /// Whether it has a lane, as was told.
    has_lane: bool,
    /// Set while the others do not know that they have missed a statement.
    statements_missed: bool,
}

impl Announcer {
    /// Of worker `number`, which has no lane yet.
    pub(super) fn new(number: usize, events: Sender<WorkerEvent>) -> Self {
        Self { number, events, has_lane: false, statements_missed: false }
    }

    /// Tells something that may be lost; `false` when it is.
    pub(super) fn tell(&self, event: WorkerEvent) -> bool {
        let told = self.events.try_send(event);
        if let Err(error) = &told {
            tracing::debug!(%error, "a worker's message was lost");
        }
        told.is_ok()
    }

    /// Tells what was learned. A lost tablet costs a hop; of a lost statement the others hear
    /// that there was one.
    pub(super) fn news(&mut self, news: PeerMessage) {
        let may_be_lost = news.may_be_lost();
        let told = self.tell(WorkerEvent::PeerMessage(self.number, news));
        self.statements_missed |= !told && !may_be_lost;
    }

    /// Tells whether there is a lane, when that is new. Called again and again.
    pub(super) fn lanes(&mut self, has_lane: bool) {
        if self.has_lane != has_lane && self.tell(WorkerEvent::PoolLanes(self.number, has_lane)) {
            self.has_lane = has_lane;
        }
    }

    /// Makes up for statements that the others have missed. Called again and again.
    pub(super) fn make_up(&mut self) {
        if self.statements_missed {
            self.statements_missed =
                !self.tell(WorkerEvent::PeerMessage(self.number, PeerMessage::StatementsMissed));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::mpsc::{self, Receiver};

    use super::*;
    use crate::engine::action::LearnedTablet;
    use crate::routing::statement::Statement;

    fn tablet() -> PeerMessage {
        let table = ("ks".into(), "t".into());
        PeerMessage::Tablet(Arc::new(LearnedTablet {
            table,
            first: 0,
            last: 1,
            replicas: Vec::new(),
        }))
    }

    fn statement() -> PeerMessage {
        PeerMessage::Statement(Arc::new(Statement {
            id: Box::new([1; 16]),
            ..Statement::default()
        }))
    }

    fn told(events: &mut Receiver<WorkerEvent>) -> Vec<String> {
        let told = std::iter::from_fn(|| events.try_recv().ok());
        let name = |event| match event {
            WorkerEvent::PoolLanes(_, up) => format!("lanes {up}"),
            WorkerEvent::PeerMessage(_, PeerMessage::Tablet(_)) => "tablet".into(),
            WorkerEvent::PeerMessage(_, PeerMessage::Statement(_)) => "statement".into(),
            WorkerEvent::PeerMessage(_, PeerMessage::StatementsMissed) => "missed".into(),
            WorkerEvent::RefreshTopology | WorkerEvent::LoggedIn => "other".into(),
        };
        told.map(name).collect()
    }

    #[test]
    fn of_a_statement_that_found_no_room_the_others_hear_that_there_was_one() {
        let (to_server, mut events) = mpsc::channel(1);
        let mut announcer = Announcer::new(0, to_server);
        announcer.news(statement());
        announcer.news(statement());
        announcer.make_up();
        assert_eq!(told(&mut events), ["statement"]);
        announcer.make_up();
        announcer.make_up();
        assert_eq!(told(&mut events), ["missed"], "once there is room, and once");
    }

    #[test]
    fn a_tablet_that_found_no_room_is_learned_by_a_miss() {
        let (to_server, mut events) = mpsc::channel(1);
        let mut announcer = Announcer::new(0, to_server);
        announcer.news(statement());
        announcer.news(tablet());
        assert_eq!(told(&mut events), ["statement"]);
        announcer.make_up();
        assert_eq!(told(&mut events), [""; 0]);
    }

    #[test]
    fn whether_there_is_a_lane_is_told_until_it_is_heard() {
        let (to_server, mut events) = mpsc::channel(1);
        let mut announcer = Announcer::new(0, to_server);
        announcer.news(tablet());
        announcer.lanes(true);
        assert_eq!(told(&mut events), ["tablet"]);
        announcer.lanes(true);
        announcer.lanes(true);
        assert_eq!(told(&mut events), ["lanes true"]);
        announcer.lanes(false);
        assert_eq!(told(&mut events), ["lanes false"]);
    }
}

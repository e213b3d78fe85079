//! What a worker reports to the rest of the process, which may have no room for it.
//!
//! A worker never waits for room. What may be lost is lost; what others rely on is reported again, and
//! questions about tables wait.

use std::collections::VecDeque;

use crate::engine::action::{PeerMessage, TableFact, TableRequest};
use crate::facade::console::table::ConsoleTable;

/// Questions about tables that wait for room, of each kind. Any more are lost: they are asked again, some time
/// later. Names have 255 bytes at most, so that all of them take less than half a megabyte.
const QUESTIONS_MAX: usize = 256;

/// A message from a worker.
#[derive(Debug)]
pub enum WorkerEvent {
    /// It has a lane, or has lost the last one; it is this worker.
    PoolLanes(usize, bool),
    /// It learned something that the others want to know; it is this worker.
    PeerMessage(usize, PeerMessage),
    /// A host was named that is not known.
    RefreshTopology,
    /// It wants to know something of a table.
    ReadTable(TableRequest),
    /// A client logged in with a credential that had no lanes.
    LoggedIn,
    /// A client asks for a table of the console; it is this worker.
    CollectConsole(usize, ConsoleTable),
}

/// Reports what a worker has to say. Each `send` returns whether the message found room.
#[derive(Debug)]
pub struct WorkerReporter {
    number: usize,
    /// Whether it has a lane, as was reported.
    has_lane: bool,
    /// Set while the others do not know that they have missed a statement.
    statements_missed: bool,
    /// Questions for keys that found no room, oldest first.
    keys: VecDeque<TableRequest>,
    /// Questions for tablets that found no room, oldest first.
    tablets: VecDeque<TableRequest>,
}

impl WorkerReporter {
    /// Of worker `number`, which has no lane yet.
    #[must_use]
    pub fn new(number: usize) -> Self {
        Self {
            number,
            has_lane: false,
            statements_missed: false,
            keys: VecDeque::new(),
            tablets: VecDeque::new(),
        }
    }

    /// The number of its worker.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// Reports what was learned. A lost tablet costs a hop; of a lost statement the others hear
    /// that there was one.
    pub fn peer_message(&mut self, message: PeerMessage, send: impl FnOnce(WorkerEvent) -> bool) {
        let may_be_lost = message.may_be_lost();
        let sent = send(WorkerEvent::PeerMessage(self.number, message));
        self.statements_missed |= !sent && !may_be_lost;
    }

    /// Reports whether there is a lane, when that is new. Called again and again.
    pub fn lanes(&mut self, has_lane: bool, send: impl FnOnce(WorkerEvent) -> bool) {
        if self.has_lane != has_lane && send(WorkerEvent::PoolLanes(self.number, has_lane)) {
            self.has_lane = has_lane;
        }
    }

    /// Asks something of a table. A question that finds no room, or others that wait, waits with them: many
    /// tables may be due at once, and none of their questions takes the place of another's each time.
    pub fn question(&mut self, question: TableRequest, send: impl FnOnce(WorkerEvent) -> bool) {
        let is_first = self.keys.is_empty() && self.tablets.is_empty();
        if is_first && send(WorkerEvent::ReadTable(question.clone())) {
            return;
        }
        let queue = match question.wanted {
            TableFact::Key => &mut self.keys,
            TableFact::Tablets => &mut self.tablets,
        };
        if queue.len() < QUESTIONS_MAX && !queue.contains(&question) {
            queue.push_back(question);
        }
    }

    /// Makes up for statements that the others have missed, and asks the questions that wait, those for keys
    /// first. Called again and again.
    pub fn make_up(&mut self, mut send: impl FnMut(WorkerEvent) -> bool) {
        if self.statements_missed {
            let missed = WorkerEvent::PeerMessage(self.number, PeerMessage::StatementsMissed);
            self.statements_missed = !send(missed);
        }
        for queue in [&mut self.keys, &mut self.tablets] {
            while let Some(question) = queue.front() {
                if !send(WorkerEvent::ReadTable(question.clone())) {
                    return;
                }
                queue.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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

    /// A channel with room for one message.
    #[derive(Default)]
    struct Channel(Option<WorkerEvent>);

    impl Channel {
        fn send(&mut self, event: WorkerEvent) -> bool {
            let is_free = self.0.is_none();
            if is_free {
                self.0 = Some(event);
            }
            is_free
        }

        fn take(&mut self) -> String {
            match self.0.take() {
                Some(WorkerEvent::PoolLanes(_, up)) => format!("lanes {up}"),
                Some(WorkerEvent::PeerMessage(_, PeerMessage::Tablet(_))) => "tablet".into(),
                Some(WorkerEvent::PeerMessage(_, PeerMessage::Statement(_))) => "statement".into(),
                Some(WorkerEvent::PeerMessage(_, PeerMessage::StatementsMissed)) => "missed".into(),
                Some(WorkerEvent::ReadTable(question)) => {
                    format!("{:?} of {}", question.wanted, question.table)
                }
                Some(
                    WorkerEvent::RefreshTopology
                    | WorkerEvent::LoggedIn
                    | WorkerEvent::CollectConsole(..),
                ) => "other".into(),
                None => "nothing".into(),
            }
        }
    }

    #[test]
    fn a_statement_that_found_no_room_is_reported_as_missed_once() {
        let (mut channel, mut reporter) = (Channel::default(), WorkerReporter::new(0));
        reporter.peer_message(statement(), |event| channel.send(event));
        reporter.peer_message(statement(), |event| channel.send(event));
        reporter.make_up(|event| channel.send(event));
        assert_eq!((channel.take(), channel.take()), ("statement".into(), "nothing".into()));
        reporter.make_up(|event| channel.send(event));
        reporter.make_up(|event| channel.send(event));
        assert_eq!((channel.take(), channel.take()), ("missed".into(), "nothing".into()));
        reporter.make_up(|event| channel.send(event));
        assert_eq!(channel.take(), "nothing");
    }

    #[test]
    fn a_tablet_that_found_no_room_is_learned_by_a_miss() {
        let (mut channel, mut reporter) = (Channel::default(), WorkerReporter::new(0));
        reporter.peer_message(statement(), |event| channel.send(event));
        reporter.peer_message(tablet(), |event| channel.send(event));
        assert_eq!(channel.take(), "statement");
        reporter.make_up(|event| channel.send(event));
        assert_eq!(channel.take(), "nothing");
    }

    #[test]
    fn the_first_lane_is_reported_until_there_is_room_for_it() {
        let (mut channel, mut reporter) = (Channel::default(), WorkerReporter::new(0));
        reporter.peer_message(tablet(), |event| channel.send(event));
        reporter.lanes(true, |event| channel.send(event));
        assert_eq!(channel.take(), "tablet");
        reporter.lanes(true, |event| channel.send(event));
        reporter.lanes(true, |event| channel.send(event));
        assert_eq!((channel.take(), channel.take()), ("lanes true".into(), "nothing".into()));
        reporter.lanes(false, |event| channel.send(event));
        assert_eq!(channel.take(), "lanes false");
    }

    fn question(wanted: TableFact, table: &str) -> TableRequest {
        TableRequest { keyspace: "ks".into(), table: table.into(), wanted }
    }

    #[test]
    fn questions_that_found_no_room_are_asked_once_there_is_some() {
        let (mut channel, mut reporter) = (Channel::default(), WorkerReporter::new(0));
        for table in ["t", "u", "v", "u"] {
            let question = question(TableFact::Tablets, table);
            reporter.question(question, |event| channel.send(event));
        }
        reporter.question(question(TableFact::Key, "w"), |event| channel.send(event));
        assert_eq!(channel.take(), "Tablets of t");
        // What is due later stands behind those that wait.
        reporter.question(question(TableFact::Tablets, "t"), |event| channel.send(event));
        let mut asked = Vec::new();
        for _ in 0..5 {
            reporter.make_up(|event| channel.send(event));
            asked.push(channel.take());
        }
        let expected = ["Key of w", "Tablets of u", "Tablets of v", "Tablets of t", "nothing"];
        assert_eq!(asked, expected);
    }

    #[test]
    fn few_questions_wait() {
        let mut reporter = WorkerReporter::new(0);
        for table in 0..=QUESTIONS_MAX {
            reporter.question(question(TableFact::Tablets, &table.to_string()), |_| false);
        }
        reporter.question(question(TableFact::Key, "t"), |_| false);
        let mut asked = 0;
        reporter.make_up(|_| {
            asked += 1;
            true
        });
        assert_eq!(asked, QUESTIONS_MAX + 1);
    }
}

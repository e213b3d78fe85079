//! Numbers of one engine: plain integers, written by one thread, added up on request.

use crate::collections::histogram::Histogram;
use crate::routing::decision::Reason;
use crate::topology::table::TableId;
use cql::compression::Compression;
use cql::opcode::Opcode;

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Outcome {
    /// The cluster answered it.
    Answered,
    /// The cluster answered it with an ERROR, or we did as it would have.
    Failed,
    /// We answered it, without the cluster.
    Local,
    /// We answered it with an ERROR, since we could not do what it asks.
    Refused,
    /// Its client had left.
    Abandoned,
}

impl Outcome {
    /// All outcomes, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::Answered, Self::Failed, Self::Local, Self::Refused, Self::Abandoned];

    /// The metric's label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Local => "local",
            Self::Refused => "refused",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Requests by what they ask.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum RequestKind {
    /// QUERY.
    Query,
    /// PREPARE.
    Prepare,
    /// EXECUTE.
    Execute,
    /// BATCH.
    Batch,
    /// Anything that sets up a connection.
    Session,
}

impl RequestKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::Query, Self::Prepare, Self::Execute, Self::Batch, Self::Session];

    /// The metric's label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Prepare => "prepare",
            Self::Execute => "execute",
            Self::Batch => "batch",
            Self::Session => "session",
        }
    }

    /// What an opcode asks.
    #[must_use]
    pub fn of(opcode: Opcode) -> Self {
        match opcode {
            Opcode::Query => Self::Query,
            Opcode::Prepare => Self::Prepare,
            Opcode::Execute => Self::Execute,
            Opcode::Batch => Self::Batch,
            Opcode::Error
            | Opcode::Startup
            | Opcode::Ready
            | Opcode::Authenticate
            | Opcode::Options
            | Opcode::Supported
            | Opcode::Result
            | Opcode::Register
            | Opcode::Event
            | Opcode::AuthChallenge
            | Opcode::AuthResponse
            | Opcode::AuthSuccess => Self::Session,
        }
    }
}

/// What the server's answers report of our routing to one tablet table.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Feedback {
    /// Answers that would have reported a miss and did not.
    pub hits: u64,
    /// Answers that reported which tablet we missed.
    pub misses: u64,
    /// The same of texts with bound keys: answers that reported no miss.
    pub text_hits: u64,
    /// And those that did.
    pub text_misses: u64,
}

impl Feedback {
    /// Adds what nodes reported to another engine.
    pub fn add(&mut self, other: Self) {
        self.hits += other.hits;
        self.misses += other.misses;
        self.text_hits += other.text_hits;
        self.text_misses += other.text_misses;
    }
}

/// The numbers of one engine.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Requests received, by what they ask.
    pub received: [u64; RequestKind::ALL.len()],
    /// Requests ended, by what they asked and how.
    pub ended: [[u64; Outcome::ALL.len()]; RequestKind::ALL.len()],
    /// Decisions by reason.
    pub routing: [u64; Reason::ALL.len()],
    /// Of those, the ones about requests whose table is known, by table number.
    pub by_table: Vec<[u64; Reason::ALL.len()]>,
    /// The server's reports on tablet tables, by table number.
    pub feedback: Vec<Feedback>,
    /// Tablet reports ignored because a newer one had just replaced them.
    pub stale_tablets: u64,
    /// Tablets that were read from the cluster's own tables and were new here.
    pub tablets_filled: u64,
    /// Tablets that the process before knew, and that were taken from it.
    pub tablets_restored: u64,
    /// Statements, likewise.
    pub statements_restored: u64,
    /// Tablets that were read and not taken, since a server had reported their range meanwhile.
    pub tablets_outdated: u64,
    /// Keys that were read to have their tablets reported.
    pub tablet_samples: u64,
    /// From a request's arrival to its answer's departure, µs.
    pub latency: Histogram,
    /// Of that, the time spent here, µs.
    pub own_time: Histogram,
    /// Clients that connected.
    pub clients_opened: u64,
    /// STARTUPs that were agreed to: protocol 3 and 4, each plain, with lz4, with Snappy.
    pub started: [[u64; 3]; 2],
    /// Clients refused for being too many.
    pub clients_refused: u64,
    /// Clients closed because they did not finish STARTUP and login: in time, or before others needed
    /// their place.
    pub clients_silent: u64,
    /// Clients refused or closed because others needed the memory.
    pub clients_closed_for_memory: u64,
    /// Times that a client waited because memory was near its bound.
    pub memory_waits: u64,
    /// Requests refused for want of memory.
    pub memory_refusals: u64,
    /// Clients closed because they never read their answers.
    pub clients_cut_off: u64,
    /// Clients closed because they broke the protocol.
    pub clients_broken: u64,
    /// Connections closed because they began with a newer version than is spoken: drivers step down.
    pub clients_newer: u64,
    /// Clients closed because the cluster does not accept their login any more.
    pub clients_revoked: u64,
    /// Logins that the cluster accepted.
    pub logins_granted: u64,
    /// Logins that the cluster refused.
    pub logins_refused: u64,
    /// Logins that could not be judged: no node, no lane or no room.
    pub logins_unknown: u64,
    /// Lanes closed because the node broke the protocol.
    pub lanes_broken: u64,
    /// Lanes closed because the node did not answer a heartbeat.
    pub heartbeat_timeouts: u64,
    /// Full lanes found stalled: their node took nothing and sent nothing.
    pub lanes_stalled: u64,
    /// Answers that came after their request was given up.
    pub late_answers: u64,
    /// Requests given up for want of an answer.
    pub timeouts: u64,
    /// Requests sent again.
    pub resent: u64,
    /// Requests not sent again because the budget for that was used up.
    pub retries_refused: u64,
    /// Slow reads not copied because the budget for that was used up.
    pub copies_refused: u64,
    /// Statements prepared again because a node had forgotten them.
    pub reprepared: u64,
    /// Statements prepared on other nodes before they were needed there.
    pub spread: u64,
    /// Statements left to their use, since too many were prepared at once.
    pub not_spread: u64,
    /// Prepared ids found in the catalog.
    pub catalog_hits: u64,
    /// Prepared ids not found in the catalog.
    pub catalog_misses: u64,
    /// Texts that were run as prepared statements.
    pub texts_executed: u64,
    /// Shapes of texts that were prepared.
    pub shapes_prepared: u64,
    /// Of those, the ones that stay text: a node refused them.
    pub shapes_given_up: u64,
    /// Texts whose shape a node had forgotten.
    pub shapes_forgotten: u64,
    /// Requests whose clients were asked to prepare again, since the id was not prepared here, or rows have
    /// other columns now.
    pub asked_to_prepare: u64,
    /// Schema changes whose answer waited for the nodes to agree.
    pub agreements: u64,
    /// Of those, the ones that were answered without agreement.
    pub agreement_timeouts: u64,
}

impl Tally {
    /// Counts a decision.
    #[inline]
    pub fn on_decision(&mut self, reason: Reason) {
        if let Some(cell) = self.routing.get_mut(usize::from(reason as u8)) {
            *cell += 1;
        }
    }

    /// Counts a decision about a request to a table.
    #[inline]
    pub fn on_decision_for(&mut self, table: TableId, reason: Reason) {
        let at = usize::try_from(table.0).unwrap_or(usize::MAX);
        let Some(row) = self.by_table.get_mut(at) else {
            return self.on_first_decision_for(at, reason);
        };
        if let Some(cell) = row.get_mut(usize::from(reason as u8)) {
            *cell += 1;
        }
    }

    #[cold]
    fn on_first_decision_for(&mut self, at: usize, reason: Reason) {
        // Numbers of tables are bounded.
        self.by_table.resize(at.saturating_add(1), [0; Reason::ALL.len()]);
        let row = self.by_table.get_mut(at);
        if let Some(cell) = row.and_then(|row| row.get_mut(usize::from(reason as u8))) {
            *cell += 1;
        }
    }

    /// Counts a request that came in.
    #[inline]
    pub fn on_received(&mut self, ask: RequestKind) {
        if let Some(cell) = self.received.get_mut(usize::from(ask as u8)) {
            *cell += 1;
        }
    }

    /// Counts a request that ended.
    #[inline]
    pub fn on_ended(&mut self, ask: RequestKind, outcome: Outcome) {
        let row = self.ended.get_mut(usize::from(ask as u8));
        if let Some(cell) = row.and_then(|row| row.get_mut(usize::from(outcome as u8))) {
            *cell += 1;
        }
    }

    /// Counts a request that ended, by its opcode.
    #[inline]
    pub fn on_request_ended(&mut self, opcode: Opcode, outcome: Outcome) {
        self.on_ended(RequestKind::of(opcode), outcome);
    }

    /// Counts a STARTUP that was agreed to.
    pub fn on_started(&mut self, version: Option<u8>, compression: Option<Compression>) {
        let row = usize::from(version != Some(3));
        let column = match compression {
            None => 0,
            Some(Compression::Lz4) => 1,
            Some(Compression::Snappy) => 2,
        };
        if let Some(cell) = self.started.get_mut(row).and_then(|row| row.get_mut(column)) {
            *cell += 1;
        }
    }

    /// Forgets the feedback of tables that are gone: their labels are for others.
    pub fn forget_feedback(&mut self, tables: impl IntoIterator<Item = TableId>) {
        for table in tables {
            let at = usize::try_from(table.0).unwrap_or(usize::MAX);
            if let Some(feedback) = self.feedback.get_mut(at) {
                *feedback = Feedback::default();
            }
        }
    }

    /// The cell of a table's feedback.
    #[inline]
    pub fn feedback_of(&mut self, table: TableId) -> &mut Feedback {
        let at = usize::try_from(table.0).unwrap_or(0);
        if self.feedback.len() <= at {
            self.feedback.resize(at + 1, Feedback::default());
        }
        self.feedback.get_mut(at).unwrap_or_else(|| unreachable!("just resized"))
    }
}

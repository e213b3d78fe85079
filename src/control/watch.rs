//! Watching one node until its connection fails: events, refreshes, heartbeats.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::Sender;
use tokio::time::sleep;

use crate::connect::dial_error::{DialError, DialErrorAt, DialStep};
use crate::control::agenda::{Agenda, AgendaSettings, Due};
use crate::control::contact::connection::ControlConnection;
use crate::control::error::ControlError;
use crate::control::tables::metadata;
use crate::control::tables::publication::{Publication, Publisher};
use crate::control::tables::routes::Routes;
use crate::control::tables::table_reads::{TableReads, TableReport};
use crate::control::tables::tablet_rows::Question;
use crate::engine::action::TableRequest;
use crate::platform::clock::{now_ms, now_us};
use crate::pool::refill::backoff::BackoffSettings;
use crate::topology::id::NodeId;
use crate::topology::table_key::TableKey;
use crate::topology::tablet_page::{ReadEnd, TabletPage};
use cql::error_code::ErrorCode;
use cql::response::event::Event;

/// What is asked of the watching connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ControlRequest {
    /// Read the system tables soon: a tablet names a host that is not known.
    Refresh,
    /// Look for a node now: there is a login that can be borrowed.
    Reach,
    /// Read something of one table, when there is nothing more urgent. It is dropped where there is
    /// no connection or no room.
    ReadTable(TableRequest),
    /// The operator changed how nodes are reached.
    Pace(ControlPace),
}

/// How fast nodes are tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ControlPace {
    /// Waits between rounds in which no node answered; five seconds at most.
    pub backoff: BackoffSettings,
    /// Longest name resolution, and longest TCP connect.
    pub connect_timeout_ms: u64,
}

/// What the watching connection reports, in the order in which it became known.
#[derive(Debug)]
pub(crate) enum ControlReport {
    /// The cluster, or what is known of it, has changed.
    Published(Publication),
    /// The message of an EVENT about the schema, once for each change.
    SchemaChange(Vec<u8>),
    /// The partition key of a table was read, as a worker had asked.
    TableKey(TableKey),
    /// Some of a table's tablets were read, as a worker had asked.
    Tablets(TabletPage),
    /// Events about the schema may have been missed: another node is watched, or too many came.
    EventsMissed,
    /// A node is said to be up; dials that wait for it may begin at once.
    NodeUp(NodeId),
    /// Whether clients have to log in, where they do it themselves.
    Authenticator {
        /// Class of the cluster's authenticator; `None` when it wants no login.
        class: Option<Arc<str>>,
        /// Nodes that reported it.
        contacts: Vec<SocketAddr>,
    },
    /// The connection failed, or none came about. It goes on trying.
    Failed(ControlError),
    /// The contact points are wrong, and no waiting mends them: found when the process starts, never
    /// later.
    Refused(ControlError),
}

/// Why watching ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The reader of the reports has ended.
    Closed,
    /// The connection failed.
    Lost(ControlError),
}

impl<E: Into<ControlError>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Lost(error.into())
    }
}

/// What stays when one node is watched after another.
#[derive(Debug)]
pub(crate) struct Watcher {
    /// Makes snapshots.
    pub publisher: Publisher,
    /// When to do what.
    pub agenda: AgendaSettings,
    /// Where nodes are dialled when their own addresses do not lead to them.
    pub routes: Routes,
    /// What workers want to know of single tables.
    pub reads: TableReads,
    /// What is asked. Closed, it ends the watching.
    pub requests: Receiver<ControlRequest>,
    /// Set where another pace was asked for, until the next round takes it.
    pub pace: Option<ControlPace>,
    /// The reports. Closed, it ends the watching.
    pub reports: Sender<ControlReport>,
}

impl Watcher {
    /// Watches the node at `contact`, whose tables have just been read.
    pub(crate) async fn watch<S>(
        &mut self,
        connection: &mut ControlConnection<S>,
        contact: SocketAddr,
    ) -> End
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match self.watch_on(connection, contact).await {
            Ok(()) => End::Closed,
            Err(end) => end,
        }
    }

    async fn watch_on<S>(
        &mut self,
        connection: &mut ControlConnection<S>,
        contact: SocketAddr,
    ) -> Result<(), End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut agenda = Agenda::new(self.agenda, now_ms());
        // What the node before was asked may never be answered.
        self.reads.clear();
        loop {
            self.take_events(connection, &mut agenda).await?;
            while let Ok(request) = self.requests.try_recv() {
                self.on_request(request, &mut agenda);
            }
            match agenda.due(now_ms()) {
                Some(Due::Refresh) => {
                    let mut metadata = metadata::read(connection).await?;
                    self.routes.apply(connection, &mut metadata).await?;
                    let lost = connection.events_lost();
                    if lost {
                        self.report(ControlReport::EventsMissed).await?;
                    }
                    if let Some(published) = self.publisher.on_metadata(metadata, contact, lost) {
                        self.report(ControlReport::Published(published)).await?;
                    }
                    agenda.on_refreshed(now_ms());
                    continue;
                }
                Some(Due::Heartbeat) => {
                    connection.ping().await?;
                    agenda.on_word(now_ms());
                    continue;
                }
                None => {}
            }
            if let Some(question) = self.reads.next_question(now_us()) {
                let answer = ask_or_refused(connection, &question).await?;
                agenda.on_word(now_ms());
                self.take_events(connection, &mut agenda).await?;
                let answer = answer.as_deref().map_err(|code| *code);
                if let Some(report) = self.reads.on_answer(answer, now_us()) {
                    self.report(of_table(report)).await?;
                }
                continue;
            }
            let rest = Duration::from_millis(agenda.wait_ms(now_ms()));
            let rest =
                self.reads.wait_us(now_us()).map_or(rest, |us| rest.min(Duration::from_micros(us)));
            tokio::select! {
                event = connection.wait_event() => event?,
                request = self.requests.recv() => match request {
                    Some(request) => self.on_request(request, &mut agenda),
                    None => return Ok(()),
                },
                () = sleep(rest) => {}
            }
        }
    }

    /// Goes by another pace: names at once, the rest in the next round.
    pub(crate) fn on_pace(&mut self, pace: ControlPace) {
        self.routes.set_timeout_ms(pace.connect_timeout_ms);
        self.pace = Some(pace);
    }

    fn on_request(&mut self, request: ControlRequest, agenda: &mut Agenda) {
        match request {
            ControlRequest::Refresh => agenda.on_request(now_ms()),
            ControlRequest::Reach => {}
            ControlRequest::Pace(pace) => self.on_pace(pace),
            ControlRequest::ReadTable(request) => {
                if !self.reads.on_request(request) {
                    tracing::debug!("no room for a question about a table");
                }
            }
        }
    }

    async fn take_events<S>(
        &mut self,
        connection: &mut ControlConnection<S>,
        agenda: &mut Agenda,
    ) -> Result<(), End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        while let Some(message) = connection.take_event() {
            self.on_event(connection.address(), message, agenda).await?;
        }
        Ok(())
    }

    async fn on_event(
        &mut self,
        from: SocketAddr,
        message: Vec<u8>,
        agenda: &mut Agenda,
    ) -> Result<(), End> {
        let malformed = |source| DialError::Malformed { step: DialStep::Event, source }.at(from);
        let event = Event::read(&message).map_err(malformed)?;
        agenda.on_event(&event, now_ms());
        self.reads.on_event(&event);
        match event {
            Event::Schema(_) => self.report(ControlReport::SchemaChange(message)).await,
            Event::Status(status) => {
                let is_up = status.change == "UP";
                self.publisher.on_status(status.address, is_up);
                match self.publisher.node_at(status.address) {
                    Some(node) if is_up => self.report(ControlReport::NodeUp(node)).await,
                    Some(_) | None => Ok(()),
                }
            }
            Event::Topology(_) | Event::ClientRoutes { .. } | Event::Unknown { .. } => Ok(()),
        }
    }

    async fn report(&self, report: ControlReport) -> Result<(), End> {
        self.reports.send(report).await.map_err(|_| End::Closed)
    }
}

fn of_table(report: TableReport) -> ControlReport {
    match report {
        TableReport::Key(key) => ControlReport::TableKey(key),
        TableReport::Tablets(page) => {
            if page.end == Some(ReadEnd::Refused) {
                let hint = "GRANT SELECT ON system.tablets TO the role";
                tracing::info!(
                    hint,
                    "no permission to read system.tablets: tablets are learned from answers instead"
                );
            }
            ControlReport::Tablets(page)
        }
    }
}

/// Asks about a table; `Ok(Err)` is the code of the ERROR that the node answers with.
async fn ask_or_refused<S>(
    connection: &mut ControlConnection<S>,
    question: &Question,
) -> Result<Result<Vec<u8>, ErrorCode>, End>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let answer = match &question.page {
        None => connection.query(&question.text).await,
        Some((rows, state)) => connection.query_page(&question.text, *rows, state.as_deref()).await,
    };
    match answer {
        Ok(message) => Ok(Ok(message)),
        Err(DialErrorAt { error: DialError::Refused(error, _), .. }) => Ok(Err(error.code)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;

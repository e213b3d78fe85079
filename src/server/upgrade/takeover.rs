//! An upgrade as the new process sees it: it opens its lanes, then takes the place of the one before and its clients; or it
//! gets no lane, and leaves that one its place.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::control::error::{ControlError, chain};
use crate::platform::{clock, service_manager};
use crate::server::error::{NoLane, ServerError};
use crate::server::upgrade::handover::ListenEvent;
use crate::server::upgrade::succession::Peer;
use crate::server::views::pages::AdminPages;
use crate::sockets::descriptors;
use crate::state::format::CheckedState;
use crate::state::record::StateHeader;

/// How long the service manager may take to read why this process ends.
const HEARD_MAX: Duration = Duration::from_secs(1);
/// How often a new process looks whether its lanes are there.
const LANES_POLL: Duration = Duration::from_millis(50);
/// Looks in a row without another lane after which a new process takes over with those that it has.
const LANES_SETTLED: u32 = 60;
/// Rounds in a row in which no contact point could be used, after which a new process leaves the one before its place.
const ROUNDS_FAILED: u32 = 5;

/// How long a new process waits, and why it did no longer.
#[derive(Debug)]
pub(crate) struct Patience {
    wait_s: u64,
    /// In a row, without a contact point that could be used.
    rounds_failed: u32,
    /// What the process before serves; `None` when it did not say.
    theirs: Option<StateHeader>,
    given_up: Option<ServerError>,
}

impl Patience {
    /// Waits for so many seconds, to take over what a process has learned with this state.
    #[must_use]
    pub(crate) fn new(wait_s: u64, state: Option<&[u8]>) -> Self {
        let theirs = state.and_then(|bytes| Some(CheckedState::check(bytes).ok()?.about().clone()));
        Self { wait_s, rounds_failed: 0, theirs, given_up: None }
    }

    /// How long the first lane may take, seconds.
    #[must_use]
    pub(crate) const fn wait_s(&self) -> u64 {
        self.wait_s
    }

    /// Whether to go on after another round in which no contact point could be used, `error`. Nodes that want the
    /// logins of clients can be.
    pub(crate) fn on_round_failed(&mut self, error: &ControlError) -> bool {
        if !error.logins_wanted().is_empty() {
            return true;
        }
        self.rounds_failed += 1;
        if self.rounds_failed >= ROUNDS_FAILED {
            self.give_up(NoLane::Refused(chain(error)));
        }
        self.given_up.is_none()
    }

    /// Whether to go on now that a cluster was reached, `own`: that which the process before serves.
    pub(crate) fn on_cluster(&mut self, own: &StateHeader) -> bool {
        let Some(theirs) = &self.theirs else { return true };
        let Some(reason) = theirs.differs_from(own) else { return true };
        let (theirs, own) = (theirs.cluster.clone(), own.cluster.clone());
        tracing::error!(
            %theirs,
            %own,
            reason,
            "this process reached another cluster and ends; the one before goes on"
        );
        self.given_up = Some(ServerError::OtherCluster { theirs, own, reason });
        false
    }

    /// Leaves the process before its place.
    pub(crate) fn give_up(&mut self, why: NoLane) {
        tracing::error!(%why, "this process has no lane and ends; the one before goes on");
        self.given_up = Some(ServerError::NotTakenOver(why));
    }

    /// Why it was given up; reported once.
    pub(crate) const fn take_reason(&mut self) -> Option<ServerError> {
        self.given_up.take()
    }
}

/// Takes the place of the process before once the lanes are there, then its clients.
pub(crate) async fn take_over(
    before: Peer,
    pages: Arc<AdminPages>,
    steps: Sender<ListenEvent>,
    wait_s: u64,
) {
    match wait_for_lanes(&before, &pages, wait_s).await {
        Waited::Lanes => {
            // It ends by itself when the process before is gone.
            drop(spawn_blocking(move || take_clients(before, &steps)));
        }
        Waited::Left => {
            tracing::warn!("the process before ends: this one serves new clients");
            // As the manager would take the end of the process before for that of the service.
            service_manager::notify_ready();
            for step in [ListenEvent::Listening, ListenEvent::AllMovedIn] {
                // A server that has ended needs to know nothing.
                steps.send(step).await.ok();
            }
        }
        Waited::NoLane => {
            steps.send(ListenEvent::NoLane(NoLane::InTime(wait_s))).await.ok();
        }
    }
}

/// What a new process has waited for.
enum Waited {
    /// A lane to every shard, or as many as come.
    Lanes,
    /// The process before has left its place.
    Left,
    /// None of that, for as long as it waits.
    NoLane,
}

/// Waits until there is a lane to every shard, or no more come, for so many seconds at most.
async fn wait_for_lanes(process: &Peer, pages: &AdminPages, wait_s: u64) -> Waited {
    let (mut before, mut same) = (0, 0);
    let until_us = clock::now_us() + wait_s * 1_000_000;
    while clock::now_us() < until_us {
        let (open, wanted) = pages.lanes().await;
        same = if open == before { same + 1 } else { 0 };
        if open > 0 && (open >= wanted || same >= LANES_SETTLED) {
            return Waited::Lanes;
        }
        if process.is_gone() {
            return Waited::Left;
        }
        before = open;
        sleep(LANES_POLL).await;
    }
    if before > 0 { Waited::Lanes } else { Waited::NoLane }
}

/// Reports to the service manager why this process ends, and waits until that was read: afterwards the manager could not
/// find out which unit it was of.
pub(crate) fn report_end(error: &ServerError) {
    let Some(manager) = service_manager::connect() else { return };
    service_manager::notify(&service_manager::status_of_end(&error.to_string()));
    let heard = || -> io::Result<()> {
        let (mut mine, theirs) = UnixStream::pair()?;
        mine.set_read_timeout(Some(HEARD_MAX))?;
        // The manager closes it when it comes to this message.
        descriptors::send(&manager, b"BARRIER=1", &[theirs.as_fd()])?;
        drop(theirs);
        mine.read(&mut [0]).map(drop)
    };
    if let Err(error) = heard() {
        tracing::debug!(%error, "the service manager may not know why this process ends");
    }
}

/// Takes the place of the process before, and its clients.
fn take_clients(mut before: Peer, steps: &Sender<ListenEvent>) {
    // First, as the manager would take the end of the process before for that of the service.
    service_manager::notify_ready();
    if let Err(error) = before.say_ready() {
        tracing::warn!(%error, "the process before has ended: its clients connect again");
    }
    let mut step = ListenEvent::Listening;
    // A server that has ended takes no client.
    while steps.blocking_send(step).is_ok() {
        step = match before.next_client() {
            Ok(Some((stream, client))) => ListenEvent::MovedIn(stream, Box::new(client)),
            Ok(None) => break,
            Err(error) => {
                tracing::warn!(%error, "the process before has ended: its clients connect again");
                break;
            }
        };
    }
    steps.blocking_send(ListenEvent::AllMovedIn).ok();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::format::Writer;
    use crate::topology::id::HostId;

    fn about(cluster: &str, host: u8) -> StateHeader {
        StateHeader {
            cluster: cluster.into(),
            hosts: vec![HostId([host; 16])],
            ..StateHeader::default()
        }
    }

    fn patience(theirs: StateHeader) -> Patience {
        let mut state = Vec::new();
        Writer::begin(&mut state, theirs).end(&mut state);
        Patience::new(30, Some(&state))
    }

    #[test]
    fn the_place_of_a_process_is_taken_by_one_of_the_same_cluster_alone() {
        let mut same = patience(about("prod", 1));
        assert!(same.on_cluster(&about("prod", 1)) && same.take_reason().is_none());
        for other in [about("test", 1), about("prod", 2)] {
            let mut patience = patience(about("prod", 1));
            assert!(!patience.on_cluster(&other));
            let why = patience.take_reason().unwrap().to_string();
            for part in ["`prod`", &format!("`{}`", other.cluster), "contact_points", "goes on"] {
                assert!(why.contains(part), "{why}");
            }
        }
    }

    #[test]
    fn a_process_that_has_reached_no_cluster_leaves_its_place_to_any() {
        let mut patience = Patience::new(30, Some(&[]));
        assert!(patience.on_cluster(&about("test", 1)));
    }
}

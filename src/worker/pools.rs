//! Carries out what the pools decide: connections, lanes, lines of the log.

use std::task::{Context, Poll};

use crate::connect::dial_report::DialReport;
use crate::engine::pending::LaneKey;
use crate::platform::clock;
use crate::pool::action::{PoolAction, PoolNotice};
use crate::pool::connection::DialId;
use crate::pool::worker_events::WorkerEvent;
use crate::worker::clients::login_lines::LoginLines;
use crate::worker::command::report;
use crate::worker::reactor::Reactor;
use crate::worker::slots::{MESSAGES_IN_A_ROW, REPORTS};
use crate::worker::socket::Who;

impl Reactor {
    /// Does what the pools want done.
    pub(super) fn carry_out_for_pools(&mut self, action: PoolAction) {
        match action {
            PoolAction::Dial(order) => self.dialing.start(order),
            PoolAction::Drop(id) => self.dialing.drop(id),
            PoolAction::Serve { id, lane } => self.serve_lane(id, lane),
            PoolAction::Close(lane) => {
                if let Some(slot) = self.lane_slots.remove(lane) {
                    self.drop_socket(slot);
                }
                self.report_lanes();
            }
            PoolAction::Answer { id, token } => self.dialing.answer(id, token),
            PoolAction::Log(notice) => log(&notice, &mut self.login_lines),
            PoolAction::LoggedIn => {
                report(&self.events, WorkerEvent::LoggedIn);
            }
        }
    }

    fn serve_lane(&mut self, id: DialId, lane: LaneKey) {
        let stream = self.dialing.take(id);
        let slot = stream.and_then(|stream| self.add_socket(Who::Lane(lane), stream));
        match slot {
            Some(slot) => self.lane_slots.insert(lane, slot),
            None => self.pools.on_lane_lost(&mut self.engine, lane),
        }
        self.report_lanes();
    }

    /// The socket of a lane is of no use any more.
    pub(super) fn close_lane(&mut self, lane: LaneKey) {
        if let Some(slot) = self.lane_slots.remove(lane) {
            self.drop_socket(slot);
        }
        self.pools.on_lane_lost(&mut self.engine, lane);
    }

    /// Reports the first lane that is up, and the last one that is down.
    fn report_lanes(&mut self) {
        let events = &self.events;
        self.reporter.lanes(self.pools.has_lanes(), |event| report(events, event));
    }

    pub(super) fn take_reports(&mut self) {
        let waker = self.waker(REPORTS);
        let mut context = Context::from_waker(&waker);
        for _ in 0..MESSAGES_IN_A_ROW {
            match self.reports.poll_recv(&mut context) {
                Poll::Ready(Some(report)) => self.on_report(report),
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
        self.look_again(REPORTS);
    }

    fn on_report(&mut self, report: DialReport) {
        match report {
            DialReport::Ended(id, result) => {
                let result = self.dialing.on_ended(id, result);
                self.pools.on_dialled(&mut self.engine, id, result);
            }
            DialReport::Challenged(id, challenge) => {
                self.pools.on_challenged(&mut self.engine, id, &challenge);
            }
            DialReport::Vanished(id) => {
                let failure = self.dialing.on_vanished(id);
                self.pools.on_dialled(&mut self.engine, id, Err(failure));
            }
        }
    }
}

fn log(notice: &PoolNotice, of_logins: &mut LoginLines) {
    match notice {
        PoolNotice::NodeLost { target, reason, hint } => {
            tracing::warn!(node = %target, reason, hint, "a node cannot be reached");
        }
        PoolNotice::NodeAway { target, reason, away_s } => {
            tracing::warn!(node = %target, reason, away_s, "a node still cannot be reached");
        }
        PoolNotice::NodeBack { target, away_s } => {
            tracing::warn!(node = %target, away_s, "a node is reached again");
        }
        PoolNotice::NoLane { target, reason, hint } => {
            tracing::warn!(node = %target, reason, hint, "a node is up, but a connection to it could not be opened");
        }
        PoolNotice::Resharded { target, .. } => {
            tracing::info!(node = %target, "the node has another number of shards");
        }
        PoolNotice::RemoteUsed(nodes) => {
            tracing::warn!(nodes, "no local node can be reached: other data centers are used");
        }
        PoolNotice::AllLocalUsed => {
            tracing::warn!(
                "none of the nodes chosen by lanes.nodes_max can be reached: all nodes of the data center are used"
            );
        }
        PoolNotice::StandInsLeft => {
            tracing::info!(
                "nodes are reachable again: the nodes that stood in for them are no longer used"
            );
        }
        PoolNotice::LoginRevoked { role } => {
            let role = role.as_deref().unwrap_or("unknown");
            tracing::warn!(role, "the cluster no longer accepts a login: its clients are closed");
        }
        // Clients cause these as often as they like.
        PoolNotice::LoginNotServed(reason) => {
            if let Some(left_out) = of_logins.not_served.next(clock::now_us()) {
                tracing::warn!(reason, left_out, "a login could not be served");
            }
        }
        PoolNotice::LoginUnknown(reason) => {
            if let Some(left_out) = of_logins.unknown.next(clock::now_us()) {
                tracing::warn!(reason, left_out, "the cluster could not be asked about a login");
            }
        }
    }
}

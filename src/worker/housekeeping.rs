//! What a worker does besides passing frames: messages, lanes that come and go, closing, draining.

use std::task::{Context, Poll};

use crate::connect::dial_error::{DialError, Step};
use crate::connect::dialer::OpenedLane;
use crate::connect::hint;
use crate::connect::pool_key::PoolKey;
use crate::connect::pool_refiller::LaneReport;
use crate::engine::action::Action;
use crate::engine::client::ClientKey;
use crate::engine::pending::LaneKey;
use crate::platform::clock;
use crate::pool::failover::Reached;
use crate::pool::lane_slots::LaneSerial;
use crate::sockets::transport::Transport;
use crate::topology::id::NodeId;
use crate::upstream::lane::{LaneRoute, PoolId};
use crate::worker::command::{Command, WorkerEvent};
use crate::worker::reactor::{COMMANDS, REPORTS, Reactor};
use crate::worker::socket::Who;
use cql::frame::write_frame;
use cql::opcode::Opcode;

/// Messages taken in one round.
pub(super) const MESSAGES_IN_A_ROW: usize = 64;
/// How long a client that was told why it is closed may go on reading and sending.
const LINGER_US: u64 = 3_000_000;

impl Reactor {
    pub(super) fn take_commands(&mut self) {
        let waker = self.waker(COMMANDS);
        let mut context = Context::from_waker(&waker);
        for _ in 0..MESSAGES_IN_A_ROW {
            match self.commands.poll_recv(&mut context) {
                Poll::Ready(Some(command)) => self.on_command(command),
                Poll::Ready(None) => {
                    self.drain_until_us.get_or_insert(0);
                    return;
                }
                Poll::Pending => return,
            }
        }
        self.look_again(COMMANDS);
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Client(arrival) => self.on_client(arrival),
            Command::Snapshot { snapshot, targets, remote } => {
                self.engine.on_snapshot(snapshot);
                self.failover.set_nodes(targets, remote, clock::now_us());
                // Whoever stood in for a chosen node may be a chosen one by now.
                let _targets_follow = self.failover.on_lanes(self.reached(), clock::now_us());
                let targets = self.failover.targets();
                self.logins.set_nodes(&targets);
                let is_wanted = |node| targets.iter().any(|target| target.node == node);
                for (pool, node) in self.pool_manager.set_nodes(targets.clone()) {
                    // Its lanes still work, but for those to an address that it has no longer.
                    if self.failover.is_local(node) && !is_wanted(node) {
                        self.engine.retire_node(node);
                    } else {
                        self.close_lanes_of(|of| *of == (pool, node));
                    }
                }
                self.tell_engine_of_remote();
            }
            Command::Facade(facade) => self.engine.on_facade(facade),
            Command::Authenticator { class, contacts } => self.on_authenticator(class, &contacts),
            Command::Event(body) => self.engine.on_event(&body),
            Command::NodeUp(node) => self.pool_manager.on_node_up(node),
            Command::PeerMessage(news) => self.engine.on_news(news),
            Command::Report(to) => {
                // Whoever asked may have given up meanwhile.
                let _unwanted = to.send((self.engine.tally().clone(), self.engine.gauges()));
            }
            Command::Drain { until_us } => {
                let sooner = self.drain_until_us.map_or(until_us, |before| before.min(until_us));
                self.drain_until_us = Some(sooner);
                self.drain_step(clock::now_us());
            }
        }
    }

    pub(super) fn on_client_end(&mut self, slot: usize, client: ClientKey) {
        self.forget_client(client);
        self.drop_socket(slot);
    }

    fn forget_client(&mut self, client: ClientKey) {
        self.engine.on_client_closed(client);
        self.logins.forget(client);
        self.client_slots.remove(client);
    }

    /// A client sends nothing more. It gets the answers that it still waits for.
    pub(super) fn on_client_done(&mut self, slot: usize, client: ClientKey) {
        let Some(socket) = self.socket(slot) else { return };
        socket.ended = true;
        // TLS may hold bytes that the engine takes for sent.
        if socket.blocked {
            return;
        }
        if self.engine.client_output(client).is_none_or(<[u8]>::is_empty) {
            self.after_client_flush(slot, client);
        }
    }

    /// All that waited for a client has left: a client that is to be closed is told so.
    pub(super) fn after_client_flush(&mut self, slot: usize, client: ClientKey) {
        let idle = self.engine.client_in_flight(client).unwrap_or(0) == 0;
        let Some(socket) = self.socket(slot) else { return };
        if socket.ended && idle {
            return self.on_client_end(slot, client);
        }
        if !socket.closing {
            return;
        }
        socket.finish();
        socket.who = Who::Lingering;
        socket.close_by_us = Some(clock::now_us() + LINGER_US);
        self.forget_client(client);
        self.look_again(slot);
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

    fn on_report(&mut self, report: LaneReport) {
        match report {
            LaneReport::Up { pool, serial, lane } => self.on_lane_opened(&pool, serial, lane),
            LaneReport::Failed { node, pool, error, retry_in_ms } => {
                if let DialError::Refused(_, Step::Use) = error {
                    // Its client hears that in the node's own words.
                    tracing::debug!(node = node.0, %error, "no lane of a keyspace");
                } else {
                    let fix = hint::of_dial(&error);
                    tracing::warn!(node = node.0, %error, retry_in_ms, fix, "no lane");
                    if let Some(pool) = self.pool_manager.pool_of(&pool) {
                        self.pool_manager.believe(pool);
                    }
                }
                self.on_lane_refused(&pool, &error);
            }
            LaneReport::Resharded { node, pool, .. } => {
                tracing::info!(node = node.0, "the node has another number of shards");
                if let Some(pool) = self.pool_manager.pool_of(&pool) {
                    self.close_lanes_of(|of| *of == (pool, node));
                }
            }
        }
    }

    fn on_lane_opened(&mut self, pool: &PoolKey, serial: LaneSerial, lane: OpenedLane) {
        let Some(pool) = self.pool_manager.pool_of(pool) else { return };
        self.pool_manager.believe(pool);
        let node = lane.node;
        if !self.pool_manager.wants(pool, node) {
            return;
        }
        let route = route_of(pool, &lane);
        let Some(key) = self.engine.on_lane_up(route, lane.sharder) else { return };
        tracing::debug!(node = node.0, shard = lane.shard.0, pool = pool.0, "lane up");
        self.add_lane(key, ((pool, node), serial), lane.stream);
    }

    /// Serves a lane's socket; `false` when there is no room.
    pub(super) fn add_lane(
        &mut self,
        lane: LaneKey,
        (refiller, serial): ((PoolId, NodeId), LaneSerial),
        stream: Transport,
    ) -> bool {
        let Some(slot) = self.add_socket(Who::Lane { lane, refiller, serial }, stream) else {
            self.engine.on_lane_down(lane);
            return false;
        };
        self.lane_slots.insert(lane, slot);
        self.tell_lanes();
        true
    }

    /// A keyspace that the node refuses is refused to whoever waits for it, in the node's words.
    fn on_lane_refused(&mut self, pool: &PoolKey, error: &DialError) {
        let Some(pool) = self.pool_manager.pool_of(pool).filter(|pool| *pool != PoolId::PLAIN)
        else {
            return;
        };
        let home = self.engine.home_of_set(pool);
        if let DialError::Refused(_, Step::Login) = error {
            return self.logins.recheck_now(home);
        }
        if pool == home {
            return;
        }
        if let Some(refusal) = error.server_error() {
            let mut frame = Vec::new();
            write_frame(&mut frame, (0x84, 0, 0), Opcode::Error, |out| {
                out.extend_from_slice(&refusal.body);
            });
            self.engine.on_set_failed(pool, Some(&frame));
        }
    }

    pub(super) fn carry_out(&mut self, order: Action) {
        match order {
            Action::OpenPool { pool, keyspace } => {
                let home = self.engine.home_of_set(pool);
                self.pool_manager.open_pool(pool, home, keyspace);
            }
            Action::LogIn { client, token } => self.logins.on_token(client, token),
            Action::ClosePool(pool) => {
                self.pool_manager.close_pool(pool);
                self.logins.unwatch(pool);
                self.close_lanes_of(|(of, _)| *of == pool);
            }
            Action::CloseLane(lane) => self.close_lane(lane),
            Action::CloseUnused(lane) => {
                let slot = self.lane_slots.get(lane);
                if let Some(Who::Lane { refiller, serial, .. }) =
                    slot.and_then(|at| self.who_at(at))
                {
                    self.pool_manager.on_lane_unused(refiller, serial);
                }
                self.close_lane(lane);
            }
            Action::OpenLane { pool, node, shard } => {
                self.pool_manager.on_asked_for((pool, node), shard);
            }
            Action::CloseClient(client) => {
                let Some(slot) = self.client_slots.get(client) else { return };
                if let Some(socket) = self.socket(slot) {
                    socket.closing = true;
                    socket.close_by_us = Some(clock::now_us() + LINGER_US);
                }
                self.write_to(slot);
            }
            Action::ResumeClient(client) => {
                if let Some(slot) = self.client_slots.get(client) {
                    self.look_again(slot);
                }
            }
            Action::Tell(news) => self.announcer.news(news),
            Action::RefreshTopology => {
                self.announcer.tell(WorkerEvent::RefreshTopology);
            }
        }
    }

    pub(super) fn close_lane(&mut self, lane: LaneKey) {
        let Some(slot) = self.lane_slots.remove(lane) else { return };
        if let Some(Who::Lane { refiller, serial, .. }) = self.socket(slot).map(|socket| socket.who)
        {
            tracing::debug!(node = refiller.1.0, pool = refiller.0.0, "lane down");
            self.pool_manager.on_lane_down(refiller, serial);
        }
        self.drop_socket(slot);
        self.engine.on_lane_down(lane);
        self.tell_lanes();
    }

    fn tell_engine_of_remote(&mut self) {
        let settings = self.failover.settings();
        self.engine.on_remote_nodes(self.failover.remote_nodes(), settings.local_consistency);
    }

    /// Sends requests to other data centers when no local lane was up for a while.
    pub(super) fn failover_step(&mut self, now_us: u64) {
        if self.lane_slots.is_empty() {
            // Whether lanes are wanted may change without one that comes or goes.
            self.fail_back();
        }
        if self.failover.on_time(now_us) {
            if self.failover.is_active() {
                let nodes = self.failover.remote_nodes().len();
                tracing::warn!(nodes, "no local node can be reached: other data centers are used");
            } else {
                tracing::warn!("no chosen node can be reached: all of the data center are used");
            }
            self.tell_engine_of_remote();
            self.logins.set_nodes(&self.failover.targets());
            self.pool_manager.set_nodes(self.failover.targets());
        }
    }

    /// Where home lanes lead to now.
    fn reached(&self) -> Reached {
        let idle = self.pool_manager.is_idle();
        let mut reached = Reached { chosen: idle, local: idle };
        for (_, slot) in self.lane_slots.all() {
            if let Some(Who::Lane { refiller: (pool, node), .. }) = self.who_at(slot)
                && self.engine.home_of_set(pool) == pool
            {
                reached.local |= self.failover.is_local(node);
                reached.chosen |= self.failover.is_chosen(node);
                // The chosen ones are local, and nearly always the first to be found.
                if reached.chosen {
                    break;
                }
            }
        }
        reached
    }

    /// Ends that as soon as one is up again. The other lanes finish what they owe.
    fn fail_back(&mut self) {
        if self.failover.on_lanes(self.reached(), clock::now_us()) {
            tracing::info!("nodes are back: those that stood in for them are left");
            self.tell_engine_of_remote();
            self.logins.set_nodes(&self.failover.targets());
            for (_, node) in self.pool_manager.set_nodes(self.failover.targets()) {
                self.engine.retire_node(node);
            }
        }
    }

    /// Tells when the first lane is up or the last one down.
    fn tell_lanes(&mut self) {
        self.fail_back();
        self.announcer.lanes(!self.lane_slots.is_empty());
    }

    pub(super) fn close_lanes_of(&mut self, of: impl Fn(&(PoolId, NodeId)) -> bool) {
        for (lane, slot) in self.lane_slots.all() {
            let who = self.socket(slot).map(|socket| socket.who);
            if let Some(Who::Lane { refiller, .. }) = who
                && of(&refiller)
            {
                self.close_lane(lane);
            }
        }
    }

    /// While draining: closes the clients that wait for nothing, and in the end all.
    pub(super) fn drain_step(&mut self, now_us: u64) {
        let Some(until_us) = self.drain_until_us else { return };
        for (client, slot) in self.client_slots.all() {
            if now_us >= until_us {
                self.on_client_end(slot, client);
            } else if self.engine.client_in_flight(client) == Some(0) {
                if let Some(socket) = self.socket(slot) {
                    socket.closing = true;
                }
                self.write_to(slot);
            }
        }
    }
}

/// Where a lane of `set` leads.
pub(super) fn route_of(pool: PoolId, lane: &OpenedLane) -> LaneRoute {
    let (node, shard, agreed) = (lane.node, lane.shard, lane.extensions);
    let (lwt_mask, metadata_ids) = (agreed.lwt_mask, agreed.metadata_ids);
    LaneRoute { node, shard, pool, lwt_mask, metadata_ids, compression: agreed.compression }
}

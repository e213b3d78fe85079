//! What goes wrong, and how it is mended.

use crate::agenda::Event;
use crate::clients::driver::{Driver, Temper};
use crate::faults::fault_kind::FaultKind;
use crate::network::link::{End, LinkId};
use crate::proxy::lanes::KEEPALIVE_US;
use crate::scenario::OUR_CENTER;
use crate::world::World;

/// Tables whose tablets move.
const TABLES: [&str; 2] = ["t", "c"];

/// A node and a shard.
type Replica = (usize, u16);

/// How something that went wrong is mended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mending {
    /// A node starts again.
    Start(usize),
    /// A lying node is replaced by one that does not.
    Honest(usize),
    /// A role that was dropped is made again, with another password.
    Restore(usize),
    /// Source ports arrive as they were sent.
    NoNat,
    /// Tablets on their way are where they were to go.
    Arrive,
}

impl World {
    /// Something goes wrong, and something else will.
    pub(crate) fn on_fault(&mut self) {
        if !self.trouble {
            return;
        }
        let wait = 1 + self.chance.below(self.scenario.fault_every_us * 2);
        self.agenda.plan(self.now_us + wait, Event::Fault);
        let faults = self.scenario.faults.clone();
        if let Some(kind) = self.chance.pick(&faults).copied() {
            self.commit(kind);
        }
    }

    fn commit(&mut self, kind: FaultKind) {
        let node = self.chance.index(self.cluster.members.len());
        let until = self.now_us + self.chance.between(100_000, 3_000_000);
        self.narrate(format_args!("FAULT {kind:?} (node {node})"));
        match kind {
            FaultKind::Stall => self.stall(),
            FaultKind::HalfOpen => self.half_open(),
            FaultKind::CutLane => self.cut_lane(),
            FaultKind::CutClient => {
                let number = self.chance.index(self.drivers.len());
                self.driver_leaves(number);
            }
            FaultKind::Kill | FaultKind::Stop => self.end_node(node, kind, until),
            FaultKind::Replace => self.replace(node),
            FaultKind::Reshard => {
                let shards = u16::try_from(self.chance.between(1, 5)).unwrap_or(1);
                // Tablets on shards that would be gone forbid it.
                let _refused = self.cluster.reshard_node(node, shards);
            }
            FaultKind::Move => self.move_tablet(),
            FaultKind::SlowMove => {
                self.begin_move();
                self.agenda.plan(until, Event::Mend(Mending::Arrive));
            }
            FaultKind::Resize => self.resize(),
            FaultKind::Forget => {
                let shard = u16::try_from(self.chance.below(8)).ok().filter(|shard| *shard < 4);
                let _count = self.cluster.forget_statements(Some(node), shard);
            }
            FaultKind::Nat => {
                self.cluster.options.nat = true;
                self.agenda.plan(until, Event::Mend(Mending::NoNat));
            }
            FaultKind::Amnesia
            | FaultKind::Overload
            | FaultKind::SlowNode
            | FaultKind::HostileNode => {
                self.spoil(node, kind, until);
            }
            FaultKind::Partition => self.partition(node, until),
            // Clients see to it themselves.
            FaultKind::Schema => {}
            FaultKind::SlowClient => self.spoil_client(Temper::Slow),
            FaultKind::DeafClient => self.spoil_client(Temper::Deaf),
            FaultKind::HostileClient => self.add_hostile(),
            FaultKind::Hog => self.add_hogs(),
            FaultKind::Intruder => self.add_intruders(),
            FaultKind::Withdraw => self.withdraw(until),
            FaultKind::LocalDown => self.end_local_nodes(until),
            FaultKind::RefuseUse => {
                if let Some(mood) = self.mood_mut(node) {
                    mood.refuses_use_until_us = until;
                }
                // Lanes of keyspaces are lost, so that others are wanted.
                for id in self.lanes_of_node(node) {
                    let lane = self.links.get_mut(&id).and_then(|link| link.lane());
                    if lane.is_some_and(|lane| lane.keyspace.is_some() && !lane.dedicated) {
                        self.cut_this_lane(id);
                    }
                }
            }
            FaultKind::Lonely => {
                if let Some(mood) = self.mood_mut(node) {
                    mood.lonely_until_us = until;
                }
            }
            FaultKind::StaleRoles => {
                // Always the same node: two of them would agree.
                if let Some(mood) = self.mood_mut(0) {
                    mood.stale_roles_until_us = until;
                }
            }
        }
    }

    fn withdraw(&mut self, until: u64) {
        let role = self.chance.index(self.credentials.len());
        let (dropped, now) = (self.chance.one_in(2), self.now_us);
        self.narrate(format_args!("role {role} is withdrawn, dropped: {dropped}"));
        self.credentials.withdraw(role, dropped, now, &mut self.cluster);
        self.agenda.plan(until, Event::Mend(Mending::Restore(role)));
    }

    fn end_local_nodes(&mut self, until: u64) {
        let until = until + 1_000_000;
        let members = self.cluster.members.iter().enumerate();
        let local = members.filter(|(_, member)| member.data_center == OUR_CENTER);
        let local: Vec<usize> = local.map(|(node, _)| node).collect();
        let kind = if self.chance.one_in(2) { FaultKind::Kill } else { FaultKind::Stop };
        for node in local {
            self.end_node(node, kind, until);
        }
    }

    fn any_link(&mut self, lanes: bool) -> Option<LinkId> {
        let of_kind = |end: &End| matches!(end, End::Lane(_)) == lanes;
        let ids: Vec<LinkId> =
            self.links.iter().filter(|(_, link)| of_kind(&link.end)).map(|(id, _)| *id).collect();
        self.chance.pick(&ids).copied()
    }

    fn stall(&mut self) {
        let lanes = self.chance.one_in(2);
        let until = self.now_us + self.chance.between(1_000, 400_000);
        let up = self.chance.one_in(2);
        if let Some(id) = self.any_link(lanes)
            && let Some(link) = self.links.get_mut(&id)
        {
            link.pipe(up).stalled_until_us = until;
        }
    }

    fn half_open(&mut self) {
        if let Some(id) = self.any_link(true) {
            self.lose(id);
            self.agenda.plan(self.now_us + KEEPALIVE_US, Event::LaneGone { link: id });
            // The node hears of it no sooner.
            self.forget_node_side(id);
        }
    }

    fn forget_node_side(&mut self, id: LinkId) {
        let Some(lane) = self.links.get_mut(&id).and_then(|link| link.lane()) else { return };
        if !lane.node_gone {
            lane.node_gone = true;
            let connection = lane.connection;
            self.node_links.remove(&connection);
            self.cluster.close(connection);
        }
    }

    fn cut_lane(&mut self) {
        if let Some(id) = self.any_link(true) {
            self.cut_this_lane(id);
        }
    }

    /// The proxy hears of it at once, or after all that is on its way.
    pub(crate) fn cut_this_lane(&mut self, id: LinkId) {
        self.forget_node_side(id);
        let Some(link) = self.links.get(&id) else { return };
        let (soon, behind) = (self.now_us + link.latency_us, link.down.last_us);
        let in_order = self.scenario.large && self.chance.one_in(2);
        let at = if in_order { behind.max(soon) } else { soon };
        self.agenda.plan(at, Event::LaneGone { link: id });
    }

    fn end_node(&mut self, node: usize, kind: FaultKind, until: u64) {
        let now = self.cluster_now();
        // A node that is down already stays down.
        let _refused = if kind == FaultKind::Kill {
            self.cluster.kill_node(node, now)
        } else {
            self.cluster.stop_node(node)
        };
        self.agenda.plan(until, Event::Mend(Mending::Start(node)));
    }

    fn replace(&mut self, node: usize) {
        let shards = u16::try_from(self.chance.between(1, 4)).unwrap_or(1);
        if self.cluster.members.len() < 9 && self.cluster.add_node(shards, None).is_ok() {
            // A cluster with too few nodes keeps the one that was to leave.
            let _refused = self.cluster.remove_node(node);
        }
    }

    fn move_tablet(&mut self) {
        if let Some((table, token, from, to)) = self.draw_move() {
            let _refused = self.cluster.move_tablet("tab", table, token, from, to);
        }
    }

    /// A tablet begins to move.
    fn begin_move(&mut self) {
        if let Some((table, token, from, to)) = self.draw_move() {
            let _refused = self.cluster.begin_move("tab", table, token, from, to);
        }
    }

    /// All tablets that are on their way arrive.
    pub(crate) fn end_moves(&mut self) {
        for table in TABLES {
            let arrived = self.cluster.end_moves("tab", table).unwrap_or(0);
            self.narrate(format_args!("{arrived} tablets of {table} arrive"));
        }
    }

    /// A replica of a tablet, by its table and a token, and where it might go.
    fn draw_move(&mut self) -> Option<(&'static str, i64, Replica, Replica)> {
        let token = self.chance.bits().cast_signed();
        let table = self.chance.pick(&TABLES).copied().unwrap_or("t");
        let tablets = self.cluster.tablets("tab", table);
        let replicas = tablets.and_then(|tablets| tablets.locate(token))?.1.replicas.clone();
        let from = self.chance.pick(&replicas).copied()?;
        let node = self.chance.index(self.cluster.members.len());
        let shards = self.cluster.members.get(node)?.nr_shards();
        let shard = u16::try_from(self.chance.below(u64::from(shards))).unwrap_or(0);
        Some((table, token, from, (node, shard)))
    }

    fn resize(&mut self) {
        let count = self.cluster.tablets("tab", "t").map_or(0, |tablets| tablets.all().len());
        let merge = count > 24 || self.chance.one_in(2);
        let _refused = match merge {
            true => self.cluster.merge_tablets("tab", "t"),
            false => self.cluster.split_tablets("tab", "t"),
        };
    }

    fn spoil(&mut self, node: usize, kind: FaultKind, until: u64) {
        let Some(mood) = self.mood_mut(node) else { return };
        if kind == FaultKind::Overload {
            mood.overloaded_until_us = until;
        } else if kind == FaultKind::SlowNode {
            mood.slow_until_us = until;
        } else if kind == FaultKind::Amnesia {
            mood.forgets_until_us = until;
        } else {
            mood.hostile_until_us = until;
            self.agenda.plan(until, Event::Mend(Mending::Honest(node)));
        }
    }

    fn partition(&mut self, node: usize, until: u64) {
        if let Some(mood) = self.mood_mut(node) {
            mood.cut_off_until_us = until;
        }
        for id in self.lanes_of_node(node) {
            self.lose(id);
            self.forget_node_side(id);
            self.agenda.plan(self.now_us + KEEPALIVE_US, Event::LaneGone { link: id });
        }
    }

    fn lanes_of_node(&self, node: usize) -> Vec<LinkId> {
        let of = |end: &End| match end {
            End::Lane(lane) => lane.node == node && lane.key.is_some(),
            End::Client(_) => false,
        };
        self.links.iter().filter(|(_, link)| of(&link.end)).map(|(id, _)| *id).collect()
    }

    fn spoil_client(&mut self, temper: Temper) {
        let number = self.chance.index(self.drivers.len());
        let Some(driver) = self.drivers.get_mut(number) else { return };
        if driver.temper == Temper::Honest && driver.ready {
            driver.temper = temper;
            if temper == Temper::Slow {
                self.start_slow_reads(number);
            }
        }
    }

    fn add_hostile(&mut self) {
        let is_one =
            |driver: &&Driver| driver.temper == Temper::Hostile && driver.pause_us().is_none();
        if self.drivers.iter().filter(is_one).count() >= 3 {
            return;
        }
        let mut driver = Driver::draw(&mut self.chance);
        driver.temper = Temper::Hostile;
        self.add_driver(driver);
    }

    /// Another client dials, and begins to ask.
    pub(crate) fn add_driver(&mut self, driver: Driver) {
        let number = self.drivers.len();
        self.drivers.push(driver);
        self.agenda.plan(self.now_us, Event::DriverDials { driver: number });
        self.agenda.plan(self.now_us + 1, Event::DriverActs { driver: number });
    }

    /// Something is mended, unless all was.
    pub(crate) fn on_mend(&mut self, mending: Mending) {
        if self.trouble {
            self.mend(mending);
        }
    }

    fn mend(&mut self, mending: Mending) {
        self.narrate(format_args!("MENDED {mending:?}"));
        match mending {
            Mending::Start(node) => {
                // It may have left for ever, or run already.
                let _refused = self.cluster.start_node(node);
            }
            Mending::Honest(node) => {
                for id in self.lanes_of_node(node) {
                    self.forget_node_side(id);
                    self.agenda.plan(self.now_us + 1, Event::LaneGone { link: id });
                }
            }
            Mending::Restore(role) => self.credentials.restore(role, &mut self.cluster),
            Mending::NoNat => self.cluster.options.nat = false,
            Mending::Arrive => self.end_moves(),
        }
    }

    /// Nothing more goes wrong, and all that did is mended.
    pub(crate) fn end_trouble(&mut self) {
        self.narrate(format_args!("no more faults"));
        self.trouble = false;
        self.cluster.options.nat = false;
        if self.scenario.has(FaultKind::SlowMove) {
            self.end_moves();
        }
        for role in 0..self.credentials.len() {
            self.mend(Mending::Restore(role));
        }
        for node in 0..self.cluster.members.len() {
            let was_hostile = self.mood(node).hostile_until_us > 0;
            if let Some(mood) = self.mood_mut(node) {
                *mood = crate::network::node::Mood::default();
            }
            if was_hostile {
                self.mend(Mending::Honest(node));
            }
            let _refused = self.cluster.start_node(node);
        }
        for number in 0..self.drivers.len() {
            let Some(driver) = self.drivers.get_mut(number) else { continue };
            driver.stopped = true;
            match driver.temper {
                Temper::Honest => {}
                Temper::Slow => {
                    driver.temper = Temper::Honest;
                    self.driver_reads(number);
                }
                Temper::Deaf | Temper::Hostile => self.driver_leaves(number),
            }
        }
    }

    /// Whether faults may be felt by honest clients.
    pub(crate) fn trouble_was_harsh(&self) -> bool {
        !self.calm && !self.scenario.is_benign()
    }
}

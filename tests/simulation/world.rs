//! Everything together, and what happens when something is due.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::agenda::{Agenda, Event};
use crate::chance::Chance;
use crate::clients::driver::Driver;
use crate::model::calm::copies::Arrived;
use crate::model::checks::held::Held;
use crate::model::checks::pools::Probe;
use crate::model::counted::Counted;
use crate::model::credentials::{Credentials, ROOT};
use crate::model::ledger::Ledger;
use crate::network::link::{Link, LinkId};
use crate::network::node::Mood;
use crate::proxy::control::Control;
use crate::proxy::demand::Called;
use crate::proxy::dialing::{DialKey, SimDial};
use crate::proxy::lanes::WorkerRefiller;
use crate::proxy::workers::Workers;
use crate::scenario::{CENTERS, Scenario};
use crate::story::Story;
use shardlane::engine::settings::{ConsoleSettings, EngineSettings};
use shardlane::pool::refill::handshake_turns::HandshakeTurns;
use sim::{Cluster, ClusterError, ClusterOptions, ConnectionId, Like, Mail};

/// The engine, the cluster, the network between, the clients, and the model that judges.
#[derive(Debug)]
pub(super) struct World {
    pub(super) scenario: Scenario,
    pub(super) chance: Chance,
    pub(super) now_us: u64,
    pub(super) agenda: Agenda,
    pub(super) story: Story,
    pub(super) cluster: Cluster,
    pub(super) cluster_due_us: u64,
    pub(super) moods: Vec<Mood>,
    pub(super) workers: Workers,
    pub(super) credentials: Credentials,
    pub(super) links: BTreeMap<LinkId, Link>,
    pub(super) links_made: LinkId,
    pub(super) node_links: BTreeMap<ConnectionId, LinkId>,
    /// Connections that are no lanes yet.
    pub(super) dials: BTreeMap<DialKey, SimDial>,
    /// Whose turn it is to shake hands, by node, of lanes and of logins.
    pub(super) turns: BTreeMap<(usize, bool), HandshakeTurns<DialKey>>,
    /// Shards that may have lanes, where those are opened on demand.
    pub(super) called: BTreeMap<WorkerRefiller, Called>,
    /// Keyspaces that no node has taken yet, by worker and pool.
    pub(super) probes: BTreeMap<(usize, u16), Probe>,
    /// When a lane was last lost that no dial has followed.
    pub(super) lost_us: BTreeMap<WorkerRefiller, u64>,
    /// When lanes were lost of late, each loss by itself.
    pub(super) losses_us: BTreeMap<WorkerRefiller, Vec<u64>>,
    /// When a dial of a node last failed.
    pub(super) failed_us: BTreeMap<usize, u64>,
    /// When the shard-aware port of a node last led astray.
    pub(super) ports_lied_us: BTreeMap<usize, u64>,
    pub(super) control: Control,
    pub(super) drivers: Vec<Driver>,
    pub(super) ledger: Ledger,
    pub(super) counted: Counted,
    pub(super) held: Held,
    /// When a node last gave an answer twice.
    pub(super) doubled_us: Option<u64>,
    /// Faults may still begin.
    pub(super) trouble: bool,
    /// Nothing goes wrong any more, and no request waits for what went wrong before.
    pub(super) calm: bool,
    /// When the proxy last heard a lane on which a node had lied.
    pub(super) lied_us: u64,
    /// Requests that arrived at each node.
    pub(super) arrivals: BTreeMap<usize, u64>,
    /// Where requests for one table arrived while its number of copies changes.
    pub(super) arrived: Arrived,
    /// Keyspaces, by bit, in which the table whose key's columns change their order has them turned.
    pub(super) turned: u8,
    /// When the schema changed last.
    pub(super) altered_us: u64,
    /// What was broken first.
    pub(super) broken: Option<String>,
}

impl World {
    /// The world of a scenario: a cluster with rows, an engine without lanes, no client.
    pub(super) fn new(scenario: Scenario, kept: bool) -> Result<Self, ClusterError> {
        let users = [(ROOT.0.to_owned(), ROOT.1.to_owned())];
        let cluster = Cluster::new(ClusterOptions {
            like: Like::V2026_3,
            nodes: scenario.nodes,
            shards: scenario.shards,
            tablets: scenario.tablets,
            seed: scenario.seed,
            nat: scenario.nat,
            data_centers: CENTERS.into_iter().take(scenario.centers).map(str::to_owned).collect(),
            users: users.into_iter().take(scenario.roles.min(1)).collect(),
            racks: vec!["r1".to_owned(), "r2".to_owned()],
            challenge: scenario.odd_logins,
            schema_lag: Duration::from_millis(40),
            down_after: Duration::from_secs(3),
            timeouts: (Duration::from_millis(700), Duration::from_millis(400)),
            ..ClusterOptions::default()
        })?;
        let settings = EngineSettings {
            limits: scenario.limits,
            some_nodes: scenario.some_nodes(),
            rack: scenario.has_rack().then(|| "r1".into()),
            tablet_samples_per_s: 100,
            routes_texts: true,
            runs_shapes: scenario.executes,
            asks_to_prepare: true,
            has_peers: true,
            compression_offered: Vec::new(),
            console: ConsoleSettings::default(),
            prefetch_tablets: scenario.prefetch,
            tablets_reread_us: scenario.reread_us,
        };
        let mut world = Self {
            chance: Chance::new(scenario.seed, 2),
            now_us: 1_000_000,
            agenda: Agenda::default(),
            story: Story::new(kept),
            moods: Vec::new(),
            cluster,
            cluster_due_us: u64::MAX,
            workers: Workers::new(&scenario, &settings),
            credentials: Credentials::default(),
            links: BTreeMap::new(),
            links_made: 0,
            node_links: BTreeMap::new(),
            dials: BTreeMap::new(),
            turns: BTreeMap::new(),
            called: BTreeMap::new(),
            probes: BTreeMap::new(),
            ports_lied_us: BTreeMap::new(),
            lost_us: BTreeMap::new(),
            losses_us: BTreeMap::new(),
            failed_us: BTreeMap::new(),
            control: Control::new(&scenario),
            drivers: Vec::new(),
            ledger: Ledger::default(),
            counted: Counted::default(),
            held: Held::default(),
            doubled_us: None,
            trouble: true,
            calm: false,
            lied_us: 0,
            arrivals: BTreeMap::new(),
            arrived: Arrived::default(),
            turned: 0,
            altered_us: 0,
            broken: None,
            scenario,
        };
        world.fill_cluster();
        Ok(world)
    }

    /// The cluster's own time.
    pub(super) fn cluster_now(&self) -> Duration {
        Duration::from_micros(self.now_us)
    }

    /// Adds a line to the story.
    pub(super) fn narrate(&mut self, what: fmt::Arguments<'_>) {
        self.story.note(self.now_us, what);
    }

    /// Something does not hold that must; the first such thing ends the run.
    pub(super) fn blame(&mut self, what: fmt::Arguments<'_>) {
        self.story.note(self.now_us, format_args!("BROKEN: {what}"));
        if self.broken.is_none() {
            self.broken = Some(what.to_string());
        }
    }

    /// Lets things happen until `until_us`, or until `done`.
    pub(super) fn run(&mut self, until_us: u64, done: impl Fn(&mut Self) -> bool) -> bool {
        while self.broken.is_none() && self.now_us < until_us {
            if done(self) {
                return true;
            }
            let Some((at, event)) = self.agenda.pop() else { break };
            self.now_us = self.now_us.max(at);
            self.counted.events += 1;
            self.happen(event);
        }
        false
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Segment { link, up, bytes } => self.on_segment(link, up, &bytes),
            Event::Writable { link, up } => self.on_writable(link, up),
            Event::ClientArrives { link } => self.on_client_arrives(link),
            Event::ClientGone { link } => self.on_client_gone(link),
            Event::DriverClosed { link } => self.on_driver_closed(link),
            Event::Linger { link } => self.close_client(link),
            Event::LaneGone { link } => self.on_lane_gone(link),
            Event::LaneCut { link } => self.cut_this_lane(link),
            Event::NodeClosed { link } => self.on_node_closed(link),
            Event::NodeAnswer { link, bytes } => self.on_node_answer(link, &bytes, false),
            Event::LastNodeAnswer { link, bytes } => self.on_node_answer(link, &bytes, true),
            Event::ProxyTurn { worker } => self.on_proxy_turn(worker),
            Event::Deadline { worker } => self.on_deadline(worker),
            Event::ClusterDue => self.on_cluster_due(),
            Event::DriverActs { driver } => self.on_driver_acts(driver),
            Event::DriverReads { driver } => self.on_slow_read(driver),
            Event::DriverDials { driver } => self.on_driver_dials(driver),
            Event::Dialled { worker, id } => self.on_dialled((worker, id)),
            Event::ChallengeEnds { worker, id } => self.on_challenge_ends((worker, id)),
            Event::ControlDials => self.on_control_dials(),
            Event::ControlHears { worker, body } => self.on_control_hears(worker, &body),
            Event::ControlReads => self.on_control_reads(),
            Event::Picture { worker, snapshot, dial_all_now } => {
                self.on_picture(worker, &snapshot, dial_all_now);
            }
            Event::ControlReadsTables => self.on_control_reads_tables(),
            Event::TableKey { worker, key } => self.on_table_key(worker, key),
            Event::Tablets { worker, page } => self.on_tablets(worker, &page),
            Event::EventsMissed { worker } => self.on_events_missed(worker),
            Event::ServerListens { worker } => self.on_server_listens(worker),
            Event::PeerMessage { worker, message } => self.on_peer_message(worker, message),
            Event::Fault => self.on_fault(),
            Event::Mend(mending) => self.on_mend(mending),
            Event::Audit => self.on_audit(),
        }
        self.take_cluster_mail();
    }

    fn on_cluster_due(&mut self) {
        let now = self.cluster_now();
        self.cluster_due_us = u64::MAX;
        self.cluster.on_time(now);
    }

    /// Delivers what the cluster has to send, and minds when it wants to be woken.
    fn take_cluster_mail(&mut self) {
        for mail in self.cluster.take_mail() {
            match mail {
                Mail::Bytes(id, bytes) => match self.node_links.get(&id).copied() {
                    Some(link) => self.on_node_answer(link, &bytes, false),
                    None => self.on_control_mail(id, &bytes),
                },
                Mail::Close(id) => match self.node_links.remove(&id) {
                    Some(link) => self.on_node_closes(link),
                    None => self.on_control_lost(id),
                },
            }
        }
        let due = self.cluster.next_due();
        let due_us = due.map(|due| u64::try_from(due.as_micros()).map_or(u64::MAX, |us| us + 1));
        if let Some(due_us) = due_us.filter(|due_us| *due_us < self.cluster_due_us) {
            self.cluster_due_us = due_us;
            self.agenda.plan(due_us.max(self.now_us), Event::ClusterDue);
        }
    }
}

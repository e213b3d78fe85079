//! What a seed draws before anything happens: the cluster, the clients, the bounds, the faults.

use crate::bounds::limits;
use crate::chance::Chance;
use crate::clients::intruders::Intrusion;
use crate::faults::fault_kind::FaultKind;
use crate::model::checks::pools::PORT_BLOCK_US;
use crate::model::checks::rights::RECHECK_US;
use cql::compression::Compression;
use shardlane::control::tables::table_reads::TableReadSettings;
use shardlane::engine::limits::Limits;
use shardlane::pool::login::logins::LoginSettings;
use shardlane::pool::nodes::failover::FailoverSettings;
use shardlane::pool::pool_manager::PoolSettings;
use shardlane::pool::refill::backoff::BackoffSettings;
use shardlane::pool::refill::lane_slots::WantedLanes;
use shardlane::pool::refill::refiller::ShardPortSettings;

/// Rows of each table that clients read.
pub(crate) const ROWS: u64 = 32;

/// Messages of a worker that may wait, where none is lost.
const REPORT_ROOM: usize = 1_024;

/// Data centers by name.
pub(super) const CENTERS: [&str; 2] = ["datacenter1", "datacenter2"];
/// The one that lanes go to.
pub(super) const OUR_CENTER: &str = "datacenter1";

/// What a seed draws.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// The seed.
    pub seed: u64,
    /// Nodes at the beginning.
    pub nodes: usize,
    /// Shards of each node at the beginning.
    pub shards: u16,
    /// Copies of each row.
    pub factor: usize,
    /// Tablets of each table at the beginning.
    pub tablets: u32,
    /// Honest clients.
    pub clients: usize,
    /// Requests that a client has on the way at most.
    pub window: u64,
    /// Mean time between two bursts of a client, µs.
    pub think_us: u64,
    /// One way through the network, µs.
    pub latency_us: u64,
    /// Bytes that a connection holds on its way.
    pub pipe_bytes: usize,
    /// Bytes that the proxy reads at once.
    pub read_bytes: usize,
    /// How long faults last, µs.
    pub trouble_us: u64,
    /// Mean time between two faults, µs.
    pub fault_every_us: u64,
    /// The engine's bounds.
    pub limits: Limits,
    /// Whether lanes name columns by id, as newer nodes offer it.
    pub metadata_ids: bool,
    /// Workers: one, or two that pass on what they learn.
    pub workers: usize,
    /// Messages of a worker to the server that may wait; few of them mean that some are lost.
    pub report_room: usize,
    /// Logins of clients that run at once, for one worker.
    pub logins_max: usize,
    /// Whether some clients log in by other means than name and password: over several steps, or
    /// with a token that is like no other.
    pub odd_logins: bool,
    /// Roles that clients log in as; none if 0: then everybody is let in.
    pub roles: usize,
    /// How lanes are compressed.
    pub lane_compression: Option<Compression>,
    /// Whether there are rows so large that answers are passed on without a copy.
    pub large: bool,
    /// Data centers; the first is ours.
    pub centers: usize,
    /// What is done when no node of ours can be reached.
    pub failover: FailoverSettings,
    /// Whether all tablets of a table are read when a request first names it.
    pub prefetch: bool,
    /// Whether the role of the control connection may read them.
    pub may_read: bool,
    /// After how long they are read again while the table is in use, µs; 0 is never.
    pub reread_us: u64,
    /// How they are read.
    pub reads: TableReadSettings,
    /// Whether there are tables with keys of all types, of which clients ask by text.
    pub texts: bool,
    /// How clients log in as no application does, if some do.
    pub intrusion: Option<Intrusion>,
    /// Whether texts that are seen often are run as prepared statements.
    pub executes: bool,
    /// Whether a client prepares more statements than other nodes prepare ahead.
    pub floods: bool,
    /// Whether clients read while the number of copies changes.
    pub copies: bool,
    /// What may go wrong.
    pub(super) faults: Vec<FaultKind>,
    /// Whether the first connections to the shard-aware port come through something that changes
    /// source ports.
    pub nat: bool,
}

impl Scenario {
    /// Draws the scenario of a seed.
    #[must_use]
    pub(crate) fn draw(seed: u64) -> Self {
        let mut chance = Chance::new(seed, 1);
        let nodes = chance.between(1, 4);
        let factor = chance.between(1, nodes.min(3));
        let mut faults: Vec<FaultKind> =
            FaultKind::ALL.into_iter().filter(|_| chance.one_in(3)).collect();
        match seed % 8 {
            0 => faults.clear(),
            1 => faults.retain(|kind| kind.is_benign()),
            _ => {}
        }
        let tight = chance.one_in(2);
        // Connections stall for 0.4 s where no honest client may notice anything.
        let lane_stall_us = match seed % 8 {
            0 | 1 => 3_000_000,
            _ if tight => 60_000,
            _ => 250_000,
        };
        let clients = chance.between(1, 6);
        let window = chance.number(&[1, 4, 16, 32]);
        // So that each seed has about as many requests.
        let pause_us = chance.number(&[4_000, 8_000, 20_000]);
        let scenario = Self {
            seed,
            workers: 1,
            report_room: REPORT_ROOM,
            logins_max: 8,
            odd_logins: false,
            intrusion: None,
            roles: 0,
            lane_compression: None,
            large: false,
            centers: 1,
            failover: FailoverSettings::default(),
            nodes: usize::try_from(nodes).unwrap_or(1),
            shards: u16::try_from(chance.between(1, 4)).unwrap_or(1),
            factor: usize::try_from(factor).unwrap_or(1),
            tablets: u32::try_from(chance.number(&[1, 2, 3, 4, 8, 16])).unwrap_or(1),
            clients: usize::try_from(clients).unwrap_or(1),
            window,
            think_us: (clients * window.div_ceil(2) * pause_us).max(1),
            latency_us: chance.number(&[50, 300, 2_000, 10_000]),
            pipe_bytes: usize::try_from(chance.number(&[300, 2_000, 64_000])).unwrap_or(300),
            read_bytes: usize::try_from(chance.number(&[64, 1_000, 16_000])).unwrap_or(64),
            trouble_us: chance.between(3, 9) * 1_000_000,
            fault_every_us: chance.number(&[150_000, 400_000, 1_000_000]),
            limits: Limits {
                lane_stall_us,
                keyspace_lane_unused_us: 0,
                ..limits(&mut chance, tight, window)
            },
            metadata_ids: chance.one_in(2),
            nat: faults.contains(&FaultKind::Nat) && chance.one_in(2),
            faults,
            prefetch: false,
            texts: false,
            executes: false,
            floods: false,
            copies: false,
            may_read: true,
            reread_us: 0,
            reads: TableReadSettings::default(),
        };
        scenario.with_more(&mut Chance::new(seed, 3))
    }

    /// What only some worlds have.
    fn with_more(mut self, chance: &mut Chance) -> Self {
        let harsh = self.seed % 8 > 1;
        if chance.one_in(3) {
            self.workers = 2;
            let loses = harsh && chance.number(&[0, 2, 8]) > 0;
            self.report_room = if loses { 1 } else { REPORT_ROOM };
        }
        if chance.one_in(3) {
            self.roles = usize::try_from(chance.between(2, 3)).unwrap_or(2);
            if harsh && chance.one_in(2) {
                self.faults.push(FaultKind::Withdraw);
            }
        }
        self.lane_compression = chance.one_in(4).then_some(Compression::Lz4);
        if chance.one_in(4) {
            // From copies of all reads to copies of those that are late.
            let trips = chance.number(&[1, 3, 10]);
            self.limits.speculative_delay_us = self.latency_us * trips + 100;
        }
        if chance.one_in(6) && self.nodes > 1 {
            self.centers = 2;
            self.factor = self.factor.min(self.nodes / 2);
            // Who joins may make it one of one data center only.
            self.faults.retain(|kind| *kind != FaultKind::Replace);
            let (after_ms, local_consistency) = (chance.between(100, 1_000), chance.one_in(4));
            let remote_nodes_max = usize::try_from(chance.between(0, 2)).unwrap_or(1);
            self.failover = FailoverSettings {
                remote_nodes_max,
                after_ms,
                local_consistency,
                local_nodes_max: 0,
            };
            if harsh {
                self.faults.push(FaultKind::LocalDown);
            }
        }
        if chance.one_in(5) {
            self = self.with_large_rows(chance);
        }
        if chance.one_in(8) {
            // A request and its answer, then a handshake, are done before a lane counts as unused.
            let idle_us = chance.number(&[150_000, 400_000, 1_500_000]);
            self.limits.lane_unused_us = idle_us + self.latency_us * 20;
            self.limits.keyspace_lane_unused_us = self.limits.lane_unused_us;
        }
        let local = self.nodes.div_ceil(self.centers);
        if chance.one_in(8) && local > 1 {
            let some = usize::try_from(chance.number(&[1, 1, 2])).unwrap_or(1);
            self.failover.local_nodes_max = some.min(local - 1);
            if harsh {
                self.faults.push(FaultKind::Kill);
            }
            if self.centers == 1 {
                self.failover.after_ms = chance.between(100, 1_000);
            }
        }
        let seed = self.seed;
        self.with_odd_clients(&mut Chance::new(seed, 4))
    }

    /// Clients that log in as few do.
    fn with_odd_clients(mut self, chance: &mut Chance) -> Self {
        if self.roles > 0 {
            self.logins_max = usize::try_from(chance.number(&[1, 1, 2, 8])).unwrap_or(1);
            self.odd_logins = chance.one_in(2);
            if self.logins_max == 1 {
                // So many that equal logins wait for each other.
                self.clients = self.clients.max(6);
                self.latency_us = self.latency_us.max(2_000);
            }
        }
        let harsh = self.seed % 8 > 1;
        if harsh && chance.one_in(4) {
            self.faults.push(FaultKind::RefuseUse);
        }
        if harsh && self.roles > 0 && self.nodes > 2 && self.centers == 1 && chance.one_in(2) {
            // The others must be there to be asked.
            self.faults.retain(|kind| kind.leaves_nodes_in_reach());
            self.faults.push(FaultKind::StaleRoles);
        }
        if harsh && !self.large && chance.one_in(5) {
            // Lanes that are soon full, and then go silent.
            self.faults.push(FaultKind::HalfOpen);
            self.pipe_bytes = 300;
            self.limits.outbox_high_bytes = 300;
            self.limits.outbox_low_bytes = 75;
            self.limits.lane_stall_us = 60_000;
        }
        let seed = self.seed;
        self.with_few_bounds(&mut Chance::new(seed, 5))
    }

    /// Requests that wait as long as their node gives signs of life.
    fn with_few_bounds(mut self, chance: &mut Chance) -> Self {
        if chance.one_in(3) {
            self.limits.request_timeout_us = 0;
        }
        let seed = self.seed;
        self.with_reads(&mut Chance::new(seed, 19))
    }

    /// Tablets that are read from the cluster's own tables, in pages of some.
    fn with_reads(mut self, chance: &mut Chance) -> Self {
        self.prefetch = chance.one_in(2);
        let page_rows = u32::try_from(chance.number(&[1, 3, 500])).unwrap_or(1);
        self.may_read = !chance.one_in(5);
        self.reread_us = chance.number(&[0, 500_000, 2_000_000]);
        self.reads = TableReadSettings { page_rows, ..TableReadSettings::default() };
        let seed = self.seed;
        self.with_texts(&mut Chance::new(seed, 20))
    }

    /// Statements by text that name keys of all types.
    fn with_texts(mut self, chance: &mut Chance) -> Self {
        self.texts = chance.one_in(3);
        if !self.on_demand() && chance.one_in(3) {
            let idle_us = chance.number(&[150_000, 400_000, 1_500_000]);
            self.limits.keyspace_lane_unused_us = idle_us + self.latency_us * 20;
        }
        self.executes = chance.one_in(2);
        // A node that takes its peers for dead.
        let is_harsh = self.seed % 8 > 1;
        if is_harsh && self.nodes > 1 && Chance::new(self.seed, 21).one_in(4) {
            self.faults.push(FaultKind::Lonely);
        }
        let seed = self.seed;
        self.with_slow_moves(&mut Chance::new(seed, 24))
    }

    /// What the pools of a worker go by.
    pub(crate) fn pools(&self) -> PoolSettings {
        PoolSettings {
            lanes: if self.on_demand() { WantedLanes::ShardsInUse } else { WantedLanes::EachShard },
            keyspace_lanes: match self.limits.keyspace_lane_unused_us {
                0 => WantedLanes::One,
                _ => WantedLanes::ShardsInUse,
            },
            ports: ShardPortSettings {
                shard_aware: true,
                default: Some(19_042),
                proxy_protocol: None,
                block_ms: PORT_BLOCK_US / 1_000,
            },
            backoff: BackoffSettings::default(),
            failover: self.failover,
            logins: LoginSettings { runs_max: self.logins_max, recheck_ms: RECHECK_US / 1_000 },
        }
    }

    /// Whether messages of workers are lost.
    pub(super) fn loses_reports(&self) -> bool {
        self.report_room < 2
    }

    /// Whether the nodes of one rack are preferred.
    pub(super) fn has_rack(&self) -> bool {
        self.seed.is_multiple_of(3)
    }

    /// Whether lanes lead to some nodes of our data center only.
    pub(super) fn some_nodes(&self) -> bool {
        self.failover.local_nodes_max > 0
    }

    /// Whether lanes are opened only when requests ask for them.
    pub(super) fn on_demand(&self) -> bool {
        self.limits.lane_unused_us > 0
    }

    /// Whether nothing goes wrong that an honest client could notice.
    #[must_use]
    pub(crate) fn is_benign(&self) -> bool {
        self.faults.iter().all(|kind| kind.is_benign())
    }

    /// Whether a kind of fault may happen.
    pub(super) fn has(&self, kind: FaultKind) -> bool {
        self.faults.contains(&kind)
    }

    /// One line about it.
    #[must_use]
    pub(crate) fn summary(&self) -> String {
        format!(
            "{} nodes × {} shards, RF {}, {} tablets, {} clients × {} requests, {} µs one way, \
             {} B pipes, {} workers with room for {} reports, {} roles, {} logins at once, odd: {}, lanes {:?}, large rows: {}, lanes idle {} µs, in keyspaces {} µs, {} nodes \
             chosen, {} data centers, tablets read: {} ({}) by {}, texts: {}, executed: {}, memory {} B, faults {:?}",
            self.nodes,
            self.shards,
            self.factor,
            self.tablets,
            self.clients,
            self.window,
            self.latency_us,
            self.pipe_bytes,
            self.workers,
            self.report_room,
            self.roles,
            self.logins_max,
            self.odd_logins,
            self.lane_compression,
            self.large,
            self.limits.lane_unused_us,
            self.limits.keyspace_lane_unused_us,
            self.failover.local_nodes_max,
            self.centers,
            self.prefetch,
            self.may_read,
            self.reads.page_rows,
            self.texts,
            self.executes,
            self.limits.memory_bytes_max,
            self.faults
        )
    }
}

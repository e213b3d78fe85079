//! Many proxies at one cluster: what a restart of the whole cluster costs its nodes.
//!
//! Each proxy runs the real dial schedules of its pool refillers. The nodes are a model: a shard greets one connection
//! after another, each for a while of its CPU, and hangs up on no client; a client that waits too long hangs up.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use cql::token::shard::{ShardId, Sharder};
use shardlane::pool::refill::backoff::{BackoffSettings, Jitter};
use shardlane::pool::refill::dial_schedule::{DialSchedule, Failure, Next};
use shardlane::pool::refill::lane_slots::{Dial, LaneSerial, WantedLanes};

/// No client is served before this, milliseconds: the nodes are away.
const RETURN_MS: u64 = 60_000;
/// Where shards are dialled.
const PORT: u16 = 19_042;
/// The first look at a connection's way, there and back.
const ROUND_TRIP_MS: u64 = 1;
/// Time for one try at its first, as the product's default; it doubles with failures up to eightfold.
const TIME_OUT_MS: u64 = 5_000;

/// What is simulated.
#[derive(Clone, Copy)]
struct Scene {
    proxies: usize,
    nodes: usize,
    /// Nodes that each proxy uses, others than the next one.
    nodes_used: usize,
    shards: u16,
    /// CPU of a shard for one handshake, microseconds: 200 without a login, 10,000 with a slow password hash.
    greeting_us: u64,
    lanes: WantedLanes,
    /// Shards of each node that a proxy has lanes to, where lanes are opened on demand.
    in_use: u16,
    backoff: BackoffSettings,
    /// Within this time of their return the proxies hear that nodes are up, milliseconds.
    told_within_ms: u64,
}

/// What came of it.
#[derive(Debug, Default)]
struct Outcome {
    /// Lanes that there are in the end.
    lanes: usize,
    /// Tries that met a closed port, in the worst second, at one node.
    refused_peak: usize,
    /// The same in the last ten seconds, a second.
    refused_late: usize,
    /// Connections that reached a node after its return.
    reached: usize,
    /// Of those, the ones whose proxy lost patience.
    timed_out: usize,
    /// Most connections that waited for one shard at one time.
    queue_peak: usize,
    /// From the return of the nodes until half of, and all, lanes were there.
    half_ms: u64,
    all_ms: u64,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Event {
    /// A refiller looks what to do.
    Look { refiller: usize },
    /// A try arrives at its node.
    Arrive { refiller: usize, shard: Option<u16>, limit_ms: u64 },
    /// A try met no listener.
    Refused { refiller: usize, shard: Option<u16> },
    /// A shard has greeted the first of its queue.
    Greeted { shard: usize },
    /// A refiller hears that the node is up.
    Up { refiller: usize },
}

/// A connection in a shard's queue.
#[derive(Clone, Copy)]
struct Waiting {
    refiller: usize,
    dial: Dial,
    until_us: u64,
}

struct World {
    scene: Scene,
    now_us: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    serial: u64,
    schedules: Vec<DialSchedule>,
    queues: Vec<VecDeque<Waiting>>,
    refused: Vec<Vec<usize>>,
    arrivals_us: Vec<u64>,
    outcome: Outcome,
}

impl World {
    fn new(scene: Scene) -> Self {
        let refillers = scene.proxies * scene.nodes_used.min(scene.nodes);
        let seconds = usize::try_from(RETURN_MS / 1_000).unwrap() + 1;
        let schedule = |at: usize| {
            let seed = 7_919 * u64::try_from(at).unwrap();
            DialSchedule::new(scene.lanes, scene.backoff, seed)
        };
        Self {
            scene,
            now_us: 0,
            events: BinaryHeap::new(),
            serial: 0,
            schedules: (0..refillers).map(schedule).collect(),
            queues: vec![VecDeque::new(); scene.nodes * usize::from(scene.shards)],
            refused: vec![vec![0; seconds]; scene.nodes],
            arrivals_us: Vec::new(),
            outcome: Outcome::default(),
        }
    }

    fn sharder(&self) -> Option<Sharder> {
        Sharder::new(self.scene.shards, 12).ok()
    }

    /// All proxies are connected; the whole cluster goes away at once and comes back after a minute.
    fn restart(mut self) -> Outcome {
        let sharder = self.sharder();
        let wanted = match self.scene.lanes {
            WantedLanes::One => 1,
            WantedLanes::EachShard => self.scene.shards,
            WantedLanes::ShardsInUse => self.scene.in_use,
        };
        for (number, schedule) in (0_u16..).zip(&mut self.schedules) {
            let _first = schedule.next(Some(PORT), 0);
            let shards = self.scene.shards;
            for shard in 0..wanted {
                let dial = dial_of((shard > 0).then_some(shard), sharder);
                // Each proxy uses shards of its own.
                let shard = ShardId((number % 1_009 * wanted + shard) % shards);
                let _opened = schedule.on_opened(dial, shard, sharder, 0);
            }
            assert_eq!(schedule.slots().up(), usize::from(wanted));
            for serial in 0..wanted {
                schedule.on_lane_down(LaneSerial(u64::from(serial)), 0);
            }
        }
        let mut jitter = Jitter::new(1);
        for refiller in 0..self.schedules.len() {
            self.look(refiller);
            let up_ms = RETURN_MS + jitter.below(self.scene.told_within_ms);
            self.at(1_000 * up_ms, Event::Up { refiller });
        }
        while let Some(Reverse((at_us, _, event))) = self.events.pop() {
            self.now_us = at_us;
            self.on(event);
        }
        let lanes = self.schedules.len() * usize::from(wanted);
        self.end(lanes)
    }

    fn end(mut self, lanes: usize) -> Outcome {
        self.outcome.lanes = self.schedules.iter().map(|schedule| schedule.slots().up()).sum();
        // On demand, the first connection to a node may come to a shard that is not used.
        let spare =
            if self.scene.lanes == WantedLanes::ShardsInUse { self.schedules.len() } else { 0 };
        let wanted = lanes..=lanes + spare;
        assert!(wanted.contains(&self.outcome.lanes), "lanes are missing in the end");
        let lanes = self.outcome.lanes;
        let since = |at_us: u64| at_us / 1_000 - RETURN_MS;
        self.outcome.half_ms = since(self.arrivals_us[lanes / 2]);
        self.outcome.all_ms = since(self.arrivals_us[lanes - 1]);
        self.outcome.refused_peak = self.refused.iter().flatten().copied().max().unwrap();
        let late = |node: &Vec<usize>| node.iter().rev().take(11).sum::<usize>() / 10;
        self.outcome.refused_late = self.refused.iter().map(late).max().unwrap();
        self.outcome
    }

    fn now_ms(&self) -> u64 {
        self.now_us / 1_000
    }

    fn at(&mut self, at_us: u64, event: Event) {
        self.serial += 1;
        self.events.push(Reverse((at_us, self.serial, event)));
    }

    fn look(&mut self, refiller: usize) {
        loop {
            let now = self.now_ms();
            match self.schedules[refiller].next(Some(PORT), now) {
                Next::Rest => return,
                Next::Wait(ms) => {
                    return self.at(self.now_us + 1_000 * ms, Event::Look { refiller });
                }
                Next::Dial(dial) => {
                    let shard = dial.shard().map(|shard| shard.0);
                    let limit_ms = TIME_OUT_MS << self.schedules[refiller].failures().min(3);
                    let event = if now < RETURN_MS {
                        let (node, second) =
                            (refiller % self.scene.nodes, usize::try_from(now / 1_000).unwrap());
                        self.refused[node][second] += 1;
                        Event::Refused { refiller, shard }
                    } else {
                        Event::Arrive { refiller, shard, limit_ms }
                    };
                    self.at(self.now_us + 1_000 * ROUND_TRIP_MS, event);
                }
            }
        }
    }

    fn on(&mut self, event: Event) {
        match event {
            Event::Look { refiller } => self.look(refiller),
            Event::Up { refiller } => {
                let now = self.now_ms();
                self.schedules[refiller].on_node_up(now);
                self.look(refiller);
            }
            Event::Refused { refiller, shard } => {
                self.failed(refiller, dial_of(shard, self.sharder()));
            }
            Event::Arrive { refiller, shard, limit_ms } => self.arrive(refiller, shard, limit_ms),
            Event::Greeted { shard } => self.greeted(shard),
        }
    }

    fn failed(&mut self, refiller: usize, dial: Dial) {
        let now = self.now_ms();
        self.schedules[refiller].on_failed(dial, Failure::Broken, now);
        self.look(refiller);
    }

    fn arrive(&mut self, refiller: usize, shard: Option<u16>, limit_ms: u64) {
        self.outcome.reached += 1;
        let of_node = usize::from(self.scene.shards);
        let first = refiller % self.scene.nodes * of_node;
        // The plain port gives a connection to the shard with the fewest.
        let shortest = || (first..first + of_node).min_by_key(|at| self.queues[*at].len()).unwrap();
        let at = shard.map_or_else(shortest, |shard| first + usize::from(shard));
        let until_us = self.now_us + 1_000 * limit_ms;
        let dial = dial_of(shard, self.sharder());
        self.queues[at].push_back(Waiting { refiller, dial, until_us });
        self.outcome.queue_peak = self.outcome.queue_peak.max(self.queues[at].len());
        if self.queues[at].len() == 1 {
            self.at(self.now_us + self.scene.greeting_us, Event::Greeted { shard: at });
        }
    }

    /// A shard spends its CPU on a connection whether or not its proxy still waits.
    fn greeted(&mut self, at: usize) {
        let Waiting { refiller, dial, until_us } = self.queues[at].pop_front().unwrap();
        if !self.queues[at].is_empty() {
            self.at(self.now_us + self.scene.greeting_us, Event::Greeted { shard: at });
        }
        if self.now_us > until_us {
            self.outcome.timed_out += 1;
            return self.failed(refiller, dial);
        }
        let shard = ShardId(u16::try_from(at % usize::from(self.scene.shards)).unwrap());
        let sharder = Sharder::new(self.scene.shards, 12).ok();
        let (now, before) = (self.now_ms(), self.schedules[refiller].slots().up());
        let _opened = self.schedules[refiller].on_opened(dial, shard, sharder, now);
        if self.schedules[refiller].slots().up() > before {
            self.arrivals_us.push(self.now_us);
        }
        self.look(refiller);
    }
}

fn dial_of(shard: Option<u16>, sharder: Option<Sharder>) -> Dial {
    match (shard.map(ShardId), sharder) {
        (Some(shard), Some(sharder)) => Dial::Shard { shard, sharder, port: PORT, start: 0 },
        (None, _) | (Some(_), None) => Dial::Any,
    }
}

const BASE: Scene = Scene {
    proxies: 1_000,
    nodes: 3,
    nodes_used: usize::MAX,
    shards: 8,
    greeting_us: 200,
    lanes: WantedLanes::EachShard,
    in_use: 0,
    backoff: BackoffSettings { first_ms: 100, max_ms: 30_000, quiet_ms: 60_000 },
    // The control connection comes back by a backoff of its own, and all is dialled when it does.
    told_within_ms: 30_000,
};

#[test]
fn a_restart_of_the_whole_cluster_is_no_storm() {
    assert_eq!(BASE.backoff, BackoffSettings::default());
    let outcome = World::new(BASE).restart();
    assert_eq!(outcome.lanes, 24_000);
    assert_eq!(outcome.timed_out, 0, "{outcome:?}");
    // A connection is opened once; one that the plain port gave to a shard with a lane may be in excess.
    assert!(outcome.reached <= outcome.lanes + outcome.lanes / 20, "{outcome:?}");
    assert!(outcome.all_ms <= 31_000, "{outcome:?}");
}

#[test]
fn a_node_would_be_dialled_without_pause_if_waits_did_not_grow() {
    let few = Scene { proxies: 100, ..BASE };
    let eager = BackoffSettings { first_ms: 100, max_ms: 100, quiet_ms: 60_000 };
    let eager = World::new(Scene { backoff: eager, ..few }).restart();
    let patient = World::new(few).restart();
    assert!(eager.refused_late > 50 * patient.refused_late, "{eager:?} {patient:?}");
}

/// What a restart comes to in several scenes.
pub(crate) fn table() -> String {
    let login = Scene { greeting_us: 10_000, ..BASE };
    let at_once = Scene { told_within_ms: 1, ..login };
    let large = Scene { nodes: 1, shards: 64, ..at_once };
    let scenes = [
        BASE,
        login,
        Scene { lanes: WantedLanes::One, ..login },
        Scene { told_within_ms: 1, ..BASE },
        at_once,
        Scene { lanes: WantedLanes::One, ..at_once },
        Scene { lanes: WantedLanes::ShardsInUse, in_use: 2, ..at_once },
        Scene { proxies: 10_000, nodes: 1, ..BASE },
        Scene { nodes: 30, nodes_used: 3, ..at_once },
        large,
        Scene { lanes: WantedLanes::ShardsInUse, in_use: 8, ..large },
    ];
    let mut table = String::from(
        "| proxies | nodes × shards | lanes to each node | CPU of a handshake, ms | all hear of the return within, s | lanes | knocks at one node in the first second away | in a late one | \
         handshakes / lanes | gave up | longest queue of a shard | half back, s | all back, s |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for scene in scenes {
        let outcome = World::new(scene).restart();
        assert_eq!(outcome.timed_out, 0, "{outcome:?}");
        table += &row(&scene, &outcome);
    }
    table
}

fn row(scene: &Scene, outcome: &Outcome) -> String {
    let seconds = |ms: u64| format!("{}.{}", ms / 1_000, ms % 1_000 / 100);
    let hundredths = outcome.reached * 100 / outcome.lanes;
    format!(
        "| {} | {} × {} | {} | {}.{} | {} | {} | {} | {} | {}.{:02} | {} | {} | {} | {} |\n",
        scene.proxies,
        scene.nodes,
        scene.shards,
        match scene.lanes {
            WantedLanes::One => "one".to_owned(),
            WantedLanes::EachShard if scene.nodes_used < scene.nodes => {
                format!("one a shard, to {} nodes", scene.nodes_used)
            }
            WantedLanes::EachShard => "one a shard".to_owned(),
            WantedLanes::ShardsInUse => format!("{} in use", scene.in_use),
        },
        scene.greeting_us / 1_000,
        scene.greeting_us % 1_000 / 100,
        seconds(scene.told_within_ms),
        outcome.lanes,
        outcome.refused_peak,
        outcome.refused_late,
        hundredths / 100,
        hundredths % 100,
        outcome.timed_out,
        outcome.queue_peak,
        seconds(outcome.half_ms),
        seconds(outcome.all_ms),
    )
}

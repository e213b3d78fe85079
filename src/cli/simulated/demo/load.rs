//! The load: writes, and reads of what was written, at a pace that does not wait for answers.

use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc as std_mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::runtime::Builder;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::cli::simulated::demo::client::{DemoClient, NodeReply};
use crate::cli::simulated::demo::probe::{Probe, ProbeReport};
use crate::cli::simulated::demo::stage::{KEYSPACE, TABLE};
use crate::platform::clock;
use cql::opcode::Opcode;
use cql::response::rows::Rows;
use cql::values::cell;
use sim::mix;

/// Connections, as many as old drivers open to a node.
const CONNECTIONS: u64 = 4;
/// Requests of one connection that may wait for their answers.
const IN_FLIGHT_MAX: i16 = 32;
/// Rows that a connection remembers, to read them again.
const KNOWN_MAX: usize = 4096;
/// Requests a second once the load has warmed up.
const RATE: u64 = 2_000;
/// The load warms up for a quarter of its time, and no longer than this.
const WARM_UP_US_MAX: u64 = 5_000_000;
/// How often what is due is sent.
const TICK: Duration = Duration::from_millis(10);
/// How long the last answers are waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many requests are due at which time. The rate grows with the cube of time at first: the
/// tablets of a table are learned within some hundred requests, too fast to be seen otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadPlan {
    duration_us: u64,
}

impl LoadPlan {
    /// A load of so many seconds.
    #[must_use]
    pub(crate) fn new(seconds: u64) -> Self {
        Self { duration_us: seconds.saturating_mul(1_000_000) }
    }

    /// How long it lasts.
    #[must_use]
    pub(crate) fn duration_us(self) -> u64 {
        self.duration_us
    }

    /// Requests that should have been sent by now.
    fn due(self, elapsed_us: u64) -> u64 {
        let warm_up = u128::from((self.duration_us / 4).clamp(1, WARM_UP_US_MAX));
        let (rate, elapsed) = (u128::from(RATE), u128::from(elapsed_us));
        let warm = elapsed.min(warm_up);
        let rest = elapsed - warm;
        let due = rate * warm.pow(4) / (4 * warm_up.pow(3)) + rate * rest;
        u64::try_from(due / 1_000_000).unwrap_or(u64::MAX)
    }
}

/// What the load has counted so far.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Requests with an answer.
    pub answered: AtomicU64,
    /// Of those, refusals.
    pub refused: AtomicU64,
    /// Of those, rows that were not what was written.
    pub wrong: AtomicU64,
    /// Requests that never got an answer.
    pub unanswered: AtomicU64,
}

/// What came of the load, beside its counters.
#[derive(Debug)]
pub(crate) struct LoadReport {
    /// The first thing that went wrong on each connection.
    pub faults: Vec<String>,
    /// Latencies with and without the proxy.
    pub probe: ProbeReport,
}

/// A load on its thread.
#[derive(Debug)]
pub(crate) struct Load {
    /// What it has counted so far.
    pub counters: Arc<Counters>,
    thread: JoinHandle<anyhow::Result<LoadReport>>,
}

impl Load {
    /// Starts it, and waits until its table exists, with at least `tablets` tablets.
    pub(crate) fn start(
        proxy: SocketAddr,
        node: SocketAddr,
        plan: LoadPlan,
        tablets: u32,
    ) -> anyhow::Result<Self> {
        let counters = Arc::<Counters>::default();
        let (ready, is_ready) = std_mpsc::sync_channel(1);
        let shared = Arc::clone(&counters);
        let run = move || {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let (talks, probe) = Box::pin(set_up(proxy, node, tablets, &shared)).await?;
                // It fails only if the thread that waits for it has ended.
                ready.send(()).ok();
                drop(ready);
                Box::pin(run(talks, probe, plan)).await
            })
        };
        let thread = thread::Builder::new().name("load".to_owned()).spawn(run);
        let load = Self { counters, thread: thread.context("cannot start the load's thread")? };
        match is_ready.recv() {
            Ok(()) => Ok(load),
            Err(_) => Err(load.end().err().unwrap_or_else(|| anyhow!("the load has ended"))),
        }
    }

    /// Whether it is over.
    #[must_use]
    pub(crate) fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for its end.
    pub(crate) fn end(self) -> anyhow::Result<LoadReport> {
        self.thread.join().unwrap_or_else(|_| Err(anyhow!("the load has panicked")))
    }
}

async fn set_up(
    proxy: SocketAddr,
    node: SocketAddr,
    tablets: u32,
    counters: &Arc<Counters>,
) -> anyhow::Result<(Vec<Talk>, Probe)> {
    let mut client = DemoClient::connect(proxy).await?;
    let keyspace = format!(
        "CREATE KEYSPACE IF NOT EXISTS {KEYSPACE} WITH replication = {{'class': 'NetworkTopologyStrategy', \
         'replication_factor': 1}} AND tablets = {{'enabled': true, 'initial': {tablets}}}"
    );
    client.query(&keyspace).await?;
    let table =
        format!("CREATE TABLE IF NOT EXISTS {KEYSPACE}.{TABLE} (k bigint PRIMARY KEY, v bigint)");
    client.query(&table).await?;
    let mut talks = Vec::new();
    for number in 0..CONNECTIONS {
        let mut client = DemoClient::connect(proxy).await?;
        let insert = format!("INSERT INTO {KEYSPACE}.{TABLE} (k, v) VALUES (?, ?)");
        let select = format!("SELECT v FROM {KEYSPACE}.{TABLE} WHERE k = ?");
        let (insert, select) = (client.prepare(&insert).await?, client.prepare(&select).await?);
        talks.push(Talk {
            number,
            client,
            insert,
            select,
            dice: Dice { seed: number, drawn: 0 },
            waiting: vec![None; usize::try_from(IN_FLIGHT_MAX).unwrap_or(0)],
            free: (0..IN_FLIGHT_MAX).collect(),
            known: Vec::new(),
            sent: 0,
            counters: Arc::clone(counters),
            fault: None,
        });
    }
    let probe = Box::pin(Probe::set_up(client, proxy, node)).await?;
    Ok((talks, probe))
}

async fn run(talks: Vec<Talk>, probe: Probe, plan: LoadPlan) -> anyhow::Result<LoadReport> {
    let began_us = clock::now_us();
    let talks = talks.into_iter().map(|talk| tokio::spawn(talk.run(plan, began_us)));
    let talks = talks.collect::<Vec<_>>();
    let probe = Box::pin(probe.run(began_us + plan.duration_us())).await;
    let mut faults = Vec::new();
    for talk in talks {
        faults.extend(talk.await?);
    }
    let probe = probe.unwrap_or_else(|error| {
        faults.push(format!("{error:#}"));
        ProbeReport::default()
    });
    Ok(LoadReport { faults, probe })
}

/// A request that waits for its answer.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Write { key: i64, value: i64 },
    Read { value: i64 },
}

/// One connection of the load.
#[derive(Debug)]
struct Talk {
    number: u64,
    client: DemoClient,
    insert: Vec<u8>,
    select: Vec<u8>,
    dice: Dice,
    /// By stream.
    waiting: Vec<Option<Asked>>,
    /// Streams that wait for nothing.
    free: Vec<i16>,
    /// Rows that were written, and are not written again.
    known: Vec<(i64, i64)>,
    sent: u64,
    counters: Arc<Counters>,
    fault: Option<String>,
}

impl Talk {
    /// Follows the plan, then waits for the last answers. Returns what went wrong first.
    async fn run(mut self, plan: LoadPlan, began_us: u64) -> Option<String> {
        let talked = self.follow(plan, began_us).await;
        let talked = match talked {
            Ok(()) => match timeout(PATIENCE, self.finish()).await {
                Ok(finished) => finished,
                Err(_) => Err(anyhow!("requests without an answer for {PATIENCE:?}")),
            },
            Err(error) => Err(error),
        };
        let unanswered = self.waiting.iter().flatten().count();
        let unanswered = u64::try_from(unanswered).unwrap_or(u64::MAX);
        self.counters.unanswered.fetch_add(unanswered, Ordering::Relaxed);
        self.fault.or_else(|| talked.err().map(|error| format!("{error:#}")))
    }

    async fn follow(&mut self, plan: LoadPlan, began_us: u64) -> anyhow::Result<()> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                answer = self.client.answer() => {
                    let answer = answer?;
                    self.on_answer(&answer);
                }
                _ = ticks.tick() => {
                    let elapsed_us = clock::now_us().saturating_sub(began_us);
                    if elapsed_us >= plan.duration_us() {
                        return Ok(());
                    }
                    let due = (plan.due(elapsed_us) + self.number) / CONNECTIONS;
                    while self.sent < due && self.put_one() {}
                    self.client.flush().await?;
                }
            }
        }
    }

    async fn finish(&mut self) -> anyhow::Result<()> {
        while self.waiting.iter().any(Option::is_some) {
            let answer = self.client.answer().await?;
            self.on_answer(&answer);
        }
        Ok(())
    }

    /// Puts a write or a read of a random row; false when too many requests wait.
    fn put_one(&mut self) -> bool {
        let Some(stream) = self.free.pop() else { return false };
        let row = self.known.get(self.dice.below(self.known.len().saturating_mul(2))).copied();
        let asked = match row {
            Some((key, value)) => {
                self.client.put_execute(stream, &self.select, &[key]);
                Asked::Read { value }
            }
            // As often as not, and always when there is nothing to read.
            None => {
                let (key, value) = (self.dice.number(), self.dice.number());
                self.client.put_execute(stream, &self.insert, &[key, value]);
                Asked::Write { key, value }
            }
        };
        if let Some(place) = self.place(stream) {
            *place = Some(asked);
        }
        self.sent += 1;
        true
    }

    fn on_answer(&mut self, answer: &NodeReply) {
        let Some(asked) = self.place(answer.stream).and_then(mem::take) else {
            let fault = || format!("an answer to stream {}, which waits for none", answer.stream);
            self.counters.wrong.fetch_add(1, Ordering::Relaxed);
            self.fault.get_or_insert_with(fault);
            return;
        };
        self.free.push(answer.stream);
        self.counters.answered.fetch_add(1, Ordering::Relaxed);
        if let Some(refusal) = answer.refusal() {
            self.counters.refused.fetch_add(1, Ordering::Relaxed);
            self.fault.get_or_insert(refusal);
            return;
        }
        match asked {
            Asked::Write { key, value } => self.remember(key, value),
            Asked::Read { value } => {
                let found = read_value(answer);
                if found != Some(value) {
                    self.counters.wrong.fetch_add(1, Ordering::Relaxed);
                    self.fault.get_or_insert_with(|| format!("read {found:?}, wrote {value}"));
                }
            }
        }
    }

    fn place(&mut self, stream: i16) -> Option<&mut Option<Asked>> {
        self.waiting.get_mut(usize::try_from(stream).ok()?)
    }

    fn remember(&mut self, key: i64, value: i64) {
        if self.known.len() < KNOWN_MAX {
            self.known.push((key, value));
        } else if let Some(row) = self.known.get_mut(self.dice.below(KNOWN_MAX)) {
            *row = (key, value);
        }
    }
}

fn read_value(answer: &NodeReply) -> Option<i64> {
    if answer.opcode != Opcode::Result {
        return None;
    }
    let rows = Rows::read(&answer.message).ok()?;
    let row = rows.rows().next()?.ok()?;
    cell::bigint(row.get("v")?).ok()
}

/// Numbers that look random, the same for every run.
#[derive(Debug)]
struct Dice {
    seed: u64,
    drawn: u64,
}

impl Dice {
    fn number(&mut self) -> i64 {
        let number = mix(self.seed, self.drawn);
        self.drawn += 1;
        number.cast_signed()
    }

    /// A number below `bound`; 0 when there is none.
    fn below(&mut self, bound: usize) -> usize {
        let number = usize::try_from(self.number().unsigned_abs()).unwrap_or(0);
        number.checked_rem(bound).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_warms_up_and_then_keeps_its_rate() {
        let plan = LoadPlan::new(20);
        let at = |second: u64| plan.due(second * 1_000_000);
        assert_eq!([at(0), at(1), at(2), at(5)], [0, 4, 64, 2_500]);
        assert_eq!(at(20) - at(19), RATE);
    }
}

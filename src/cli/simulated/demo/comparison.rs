//! The same requests with a setting on and off: a table that is new to the proxy, and texts.
//!
//! The proxy that served the load has the defaults. A second one, before the same cluster, neither
//! reads tablets ahead nor reads texts. Each has a table of its own, which gets prepared reads first
//! and then as many by text; the nodes count where both arrive.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use tokio::runtime::Builder;
use tokio::time::{MissedTickBehavior, interval};

use crate::cli::simulated::demo::client::DemoClient;
use crate::cli::simulated::demo::sample::percent;
use crate::cli::simulated::demo::stage::{KEYSPACE, Proxy, Stage};
use sim::{Arrivals, mix};

/// The table of the proxy that reads tablets ahead.
const READ_AHEAD: &str = "read_ahead";
/// The table of the proxy that learns each tablet by a miss.
const LEARNED: &str = "learned";
/// So many requests for each tablet of a table: enough to meet nearly every one.
const REQUESTS_PER_TABLET: u64 = 10;
/// Fewest and most requests of a kind for a table: the most take two seconds.
const REQUESTS: (u64, u64) = (100, 1_000);
/// Pause between two requests: an application that is not busy.
const PACE: Duration = Duration::from_millis(2);

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Comparison {
    /// With `tablets.prefetch` and `text.mode = "route"`.
    pub with: Side,
    /// With neither.
    pub without: Side,
}

/// What the nodes counted of one table, and what its proxy knows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Side {
    /// Prepared requests for the table while it was new to the proxy.
    pub cold: u64,
    /// Those of them that arrived elsewhere than at the shard of their row.
    pub cold_misses: u64,
    /// Tablets of the table.
    pub tablets: u64,
    /// Those of them that the proxy knows in the end.
    pub learned: u64,
    /// Requests by text with a constant key.
    pub texts: u64,
    /// Those of them that arrived at the shard of their row.
    pub text_hits: u64,
}

impl Comparison {
    /// Runs it; `tablets` is how many a table has.
    pub(crate) fn run(stage: &Stage, tablets: u32) -> anyhow::Result<Self> {
        let second = stage.plain_proxy()?;
        let compared = compare(stage, &second, tablets);
        second.end()?;
        compared
    }

    /// Prints it, as part of the page for people.
    pub(crate) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        for (head, side, is_on) in [("new table", self.with, "on"), ("", self.without, "off")] {
            let Side { cold, cold_misses, tablets, learned, .. } = side;
            writeln!(
                out,
                "{head:14} tablets.prefetch {is_on:4} {cold_misses:4} of {cold} requests missed, \
                 {learned} of {tablets} tablets known"
            )?;
        }
        for (head, side, mode) in [("texts", self.with, "route"), ("", self.without, "off")] {
            let Side { texts, text_hits, .. } = side;
            let share = percent(text_hits, texts);
            writeln!(
                out,
                "{head:14} text.mode {:7} {share:>8} of {texts} reads with constant keys at the shard of \
                 their row",
                format!("{mode:?}"),
            )?;
        }
        Ok(())
    }
}

fn compare(stage: &Stage, second: &Proxy, tablets: u32) -> anyhow::Result<Comparison> {
    let first = stage.proxy();
    block_on(create_tables(first.address()))?;
    let requests = u64::from(tablets) * REQUESTS_PER_TABLET;
    let requests = requests.clamp(REQUESTS.0, REQUESTS.1);
    let (with, without) = thread::scope(|threads| {
        let with = threads.spawn(|| side(stage, first, READ_AHEAD, requests));
        let without = side(stage, second, LEARNED, requests);
        (with.join(), without)
    });
    let with = with.unwrap_or_else(|_| Err(anyhow!("the comparison has panicked")))?;
    Ok(Comparison { with, without: without? })
}

/// Sends the requests for one table, and asks the nodes and the proxy what came of them.
fn side(stage: &Stage, proxy: &Proxy, table: &str, requests: u64) -> anyhow::Result<Side> {
    let known_before = proxy.numbers()?.1.tablets;
    block_on(ask(proxy.address(), table, requests))?;
    let known = proxy.numbers()?.1.tablets;
    let view = stage.table(table)?;
    let all =
        |arrivals: Arrivals| arrivals.right_shard + arrivals.wrong_shard + arrivals.non_replica;
    let (cold, texts) = (view.requests.routable, view.requests.text);
    Ok(Side {
        cold: all(cold),
        cold_misses: cold.wrong_shard + cold.non_replica,
        tablets: u64::try_from(view.tablets).unwrap_or(u64::MAX),
        learned: known.saturating_sub(known_before),
        texts: all(texts),
        text_hits: texts.right_shard,
    })
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Makes both tables. All nodes know them then: a proxy answers when they agree on the schema.
async fn create_tables(proxy: SocketAddr) -> anyhow::Result<()> {
    let mut client = DemoClient::connect(proxy).await?;
    for table in [READ_AHEAD, LEARNED] {
        let create = format!("CREATE TABLE {KEYSPACE}.{table} (k bigint PRIMARY KEY, v bigint)");
        client.query(&create).await?;
    }
    Ok(())
}

/// Reads `requests` random rows by a prepared statement, then as many by text.
async fn ask(proxy: SocketAddr, table: &str, requests: u64) -> anyhow::Result<()> {
    let mut client = DemoClient::connect(proxy).await?;
    let select = client.prepare(&format!("SELECT v FROM {KEYSPACE}.{table} WHERE k = ?")).await?;
    let keys = |half: u64| (0..requests).map(move |number| mix(half, number).cast_signed());
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for key in keys(0) {
        pace.tick().await;
        client.put_execute(0, &select, &[key]);
        client.alone().await?;
    }
    for key in keys(1) {
        pace.tick().await;
        client.query(&format!("SELECT v FROM {KEYSPACE}.{table} WHERE k = {key}")).await?;
    }
    Ok(())
}

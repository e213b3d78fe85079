//! The demo from its start to its summary.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;

use crate::cli::simulated::args::DemoArgs;
use crate::cli::simulated::demo::comparison::Comparison;
use crate::cli::simulated::demo::load::{Load, LoadPlan};
use crate::cli::simulated::demo::sample::{Sample, Window};
use crate::cli::simulated::demo::screen::{SECOND_US, Screen};
use crate::cli::simulated::demo::stage::{Stage, TABLE};
use crate::cli::simulated::demo::summary::{Summary, SummaryInput};
use crate::platform::clock;

/// How often nodes, proxy and load are asked for numbers.
const FRAME: Duration = Duration::from_millis(100);
/// How long the load goes on that is kept, seconds: until people have seen enough.
const KEPT_S: u64 = 86_400;
/// The end of the load that the last hit rate is of: its last quarter, and no more than this.
const LAST_US_MAX: u64 = 5 * SECOND_US;

/// Shows everything, then sums up. Fails when a row came back wrong or a request was not answered.
pub(crate) fn demo(args: &DemoArgs) -> anyhow::Result<()> {
    let plan = LoadPlan::new(args.seconds);
    let mut screen = Screen::new(args.json, plan.duration_us());
    let stage = Stage::set(args)?;
    let node = stage.nodes().first().copied().context("the cluster has no node")?;
    screen.announce(&format!(
        "simulated cluster: {} nodes with {} shards at {node} and on; proxy: {}",
        args.nodes,
        args.shards,
        stage.proxy().address(),
    ));
    screen.announce(&format!("live page: http://{}/", stage.proxy().page()));
    let load = Load::start(stage.proxy().address(), node, plan, args.tablets)?;
    let last_us = (plan.duration_us() / 4).min(LAST_US_MAX);
    let (window, moved) = watch(&stage, &load, &mut screen, plan, last_us)?;
    screen.end();
    let counters = Arc::clone(&load.counters);
    let report = load.end()?;
    let proxy = stage.proxy().numbers()?;
    screen.announce(
        "a new table and texts: the same requests with tablets.prefetch and text.mode on and off",
    );
    let comparison = Comparison::run(&stage, args.tablets)?;
    let summary = Summary::new(&SummaryInput {
        window: &window,
        last_us,
        counters: &counters,
        report: &report,
        proxy: &proxy,
        shards: u64::from(args.nodes) * u64::from(args.shards),
        moved,
        comparison,
    });
    summary.print(args.json, &mut io::stdout().lock()).context("cannot print the summary")?;
    if args.keep {
        let page = stage.proxy().page();
        screen.announce(&format!("the load goes on, to be seen at http://{page}/ until Ctrl-C"));
        Load::start(stage.proxy().address(), node, LoadPlan::new(KEPT_S), args.tablets)?.end()?;
    }
    stage.end()?;
    summary.verdict()
}

/// Watches the load to its end, and moves tablets at half time. Returns the numbers of its last
/// `last_us` µs, and how many tablets were moved.
fn watch(
    stage: &Stage,
    load: &Load,
    screen: &mut Screen,
    plan: LoadPlan,
    last_us: u64,
) -> anyhow::Result<(Window, usize)> {
    let began_us = clock::now_us();
    let mut window = Window::new(last_us.max(SECOND_US));
    let mut moved = None;
    loop {
        let is_over = load.is_over();
        let at_us = clock::now_us().saturating_sub(began_us);
        window.push(sample(stage, at_us)?);
        screen.on_sample(&window);
        if is_over {
            return Ok((window, moved.unwrap_or(0)));
        }
        if moved.is_none() && at_us >= plan.duration_us() / 2 {
            let count = stage.migrate()?;
            let text =
                format!("{count} tablets migrate to other shards, without notice to the proxy");
            screen.announce(&text);
            moved = Some(count);
        }
        thread::sleep(FRAME);
    }
}

fn sample(stage: &Stage, at_us: u64) -> anyhow::Result<Sample> {
    let table = stage.table(TABLE)?;
    let (_, gauges) = stage.proxy().numbers()?;
    let arrivals = table.requests.routable;
    Ok(Sample {
        at_us,
        hits: arrivals.right_shard,
        misses: arrivals.wrong_shard + arrivals.non_replica,
        learned: gauges.tablets,
        tablets: u64::try_from(table.tablets).unwrap_or(u64::MAX),
    })
}

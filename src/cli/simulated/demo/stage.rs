//! The cluster and the proxy before it, each on threads of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process;
use std::sync::mpsc as std_mpsc;
use std::thread::{self, JoinHandle};

use anyhow::{Context, anyhow};
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;

use crate::cli::simulated::args::DemoArgs;
use crate::config::settings::{DrainSettings, Settings, TextMode};
use crate::control::contact::contact_point::ContactPoint;
use crate::engine::view::gauges::Gauges;
use crate::engine::view::tally::Tally;
use crate::listen::listener::Bind;
use crate::listen::passed::Passed;
use crate::platform::clock;
use crate::server::server::Server;
use crate::worker::command::WorkerCommand;
use sim::{
    Cluster, ClusterError, ClusterOptions, Replica, Requests, SimError, SimHandle, SimOptions,
};

/// The keyspace of the load; it has tablets.
pub(crate) const KEYSPACE: &str = "demo";
/// The table of the load.
pub(crate) const TABLE: &str = "kv";
/// Time for what runs to finish at the end, milliseconds.
const DRAIN_MS: u64 = 500;
/// Of so many tablets, one is moved.
const MOVED_ONE_OF: usize = 4;

/// What the nodes know of a table.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TableAtNodes {
    /// Where its requests arrived.
    pub requests: Requests,
    /// How many tablets it has.
    pub tablets: usize,
}

/// Everything that the load needs, running.
#[derive(Debug)]
pub(crate) struct Stage {
    sim: SimHandle,
    proxy: Proxy,
}

/// A proxy on a thread of its own.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    page: SocketAddr,
    worker: Sender<WorkerCommand>,
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Stage {
    /// Starts both.
    pub(crate) fn set(args: &DemoArgs) -> anyhow::Result<Self> {
        let sim = SimHandle::spawn(options(args)).map_err(|error| match &error {
            SimError::Bind { address, source } => {
                let hint = "the demo needs loopback addresses such as this one (Linux has them \
                            all; elsewhere add them to the loopback interface)";
                anyhow!("cannot listen on {address}: {source}; {hint}")
            }
            SimError::Cluster(_) | SimError::NoPort | SimError::Thread(_) | SimError::Ended => {
                anyhow::Error::from(error)
            }
        })?;
        let proxy = Proxy::start(settings(sim.contact_points()))?;
        Ok(Self { sim, proxy })
    }

    /// The proxy of the load, with the settings that it has by default.
    #[must_use]
    pub(crate) fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// Starts one more, which neither reads tablets ahead nor reads texts.
    pub(crate) fn plain_proxy(&self) -> anyhow::Result<Proxy> {
        let mut settings = settings(self.nodes());
        settings.tablets.prefetch = false;
        settings.text_mode = TextMode::Off;
        Proxy::start(settings)
    }

    /// The nodes.
    #[must_use]
    pub(crate) fn nodes(&self) -> &[SocketAddr] {
        self.sim.contact_points()
    }

    /// Asks the nodes for a table of the load's keyspace; nothing before it is there.
    pub(crate) fn table(&self, table: &str) -> anyhow::Result<TableAtNodes> {
        let table = table.to_owned();
        let view = move |cluster: &mut Cluster, _| {
            cluster.requests(KEYSPACE, &table).map(|requests| TableAtNodes {
                requests,
                tablets: cluster.tablets(KEYSPACE, &table).map_or(0, |tablets| tablets.all().len()),
            })
        };
        Ok(self.sim.with(view)?.unwrap_or_default())
    }

    /// Moves some tablets of the load's table to other shards; how many.
    pub(crate) fn migrate(&self) -> anyhow::Result<usize> {
        Ok(self.sim.with(|cluster, _| migrate(cluster))??)
    }

    /// Ends both.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        self.proxy.end()?;
        self.sim.stop()?;
        Ok(())
    }
}

impl Proxy {
    fn start(settings: Settings) -> anyhow::Result<Self> {
        let (report, reports) = std_mpsc::sync_channel(1);
        let (stop, stopped) = mpsc::channel(1);
        let serve = move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    // It fails only if the thread that waits for it has ended.
                    report.send(Err(error.into())).ok();
                    return;
                }
            };
            runtime.block_on(async {
                let server =
                    Server::start(&settings, Passed::default()).map_err(anyhow::Error::from);
                let started = server.and_then(|server| {
                    let worker = server.workers().into_iter().next().context("no worker")?;
                    Ok(((server.address()?, server.admin_address()), worker, server))
                });
                let (outcome, server) = match started {
                    Ok((addresses, worker, server)) => (Ok((addresses, worker)), Some(server)),
                    Err(error) => (Err(error), None),
                };
                report.send(outcome).ok();
                if let Some(server) = server {
                    // Its cluster is the only one that there is.
                    Box::pin(server.serve(stopped, None)).await.ok();
                }
            });
        };
        let thread = thread::Builder::new().name("proxy".to_owned()).spawn(serve);
        let thread = thread.context("cannot start the proxy's thread")?;
        let ((address, page), worker) =
            reports.recv().context("the proxy's thread has ended")??;
        Ok(Self { address, page, worker, stop, thread })
    }

    /// Where it takes clients.
    #[must_use]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it shows itself.
    #[must_use]
    pub(crate) fn page(&self) -> SocketAddr {
        self.page
    }

    /// Asks it for its numbers.
    pub(crate) fn numbers(&self) -> anyhow::Result<(Tally, Gauges)> {
        let (answer, numbers) = oneshot::channel();
        let asked = self.worker.blocking_send(WorkerCommand::Report(answer));
        asked.ok().context("the proxy has ended")?;
        numbers.blocking_recv().context("the proxy has ended")
    }

    /// Ends it, once its requests in flight are answered.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        // It fails only if the proxy has ended.
        self.stop.blocking_send(()).ok();
        drop(self.worker);
        self.thread.join().map_err(|_| anyhow!("the proxy has panicked"))
    }
}

/// Loopback addresses of its own, by the process's number, and free ports: two demos, or a server
/// on the usual port, don't meet.
fn options(args: &DemoArgs) -> SimOptions {
    let third = u8::try_from(process::id() % 200).unwrap_or(0).saturating_add(40);
    let cluster = ClusterOptions {
        nodes: usize::from(args.nodes),
        shards: args.shards,
        address: IpAddr::V4(Ipv4Addr::new(127, 0, third, 1)),
        port: 0,
        shard_aware_port: 0,
        tablets: args.tablets,
        epoch_micros: clock::unix_us(),
        ..ClusterOptions::default()
    };
    SimOptions { cluster, api: None, tls: None }
}

fn settings(nodes: &[SocketAddr]) -> Settings {
    let point =
        |node: &SocketAddr| ContactPoint { host: node.ip().to_string(), port: Some(node.port()) };
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Settings {
        contact_points: nodes.iter().map(point).collect(),
        bind: vec![Bind::Tcp(any)],
        admin: any,
        drain: DrainSettings { drain_ms: DRAIN_MS, ..DrainSettings::default() },
        ..Settings::default()
    }
}

/// Moves one of some tablets to the next node, or to the next shard where there is one node only.
fn migrate(cluster: &mut Cluster) -> Result<usize, ClusterError> {
    let (nodes, shards) = (cluster.members.len(), cluster.options.shards);
    let tablets = cluster.tablets(KEYSPACE, TABLE);
    let tablets = tablets.into_iter().flat_map(|tablets| tablets.all()).step_by(MOVED_ONE_OF);
    let chosen: Vec<(i64, Replica)> =
        tablets.filter_map(|tablet| Some((tablet.last, *tablet.replicas.first()?))).collect();
    let mut moved = 0;
    for (token, (node, shard)) in chosen {
        let to = if nodes > 1 {
            ((node + 1) % nodes, shard)
        } else {
            (node, (shard + 1) % shards.max(1))
        };
        if to != (node, shard) {
            cluster.move_tablet(KEYSPACE, TABLE, token, (node, shard), to)?;
            moved += 1;
        }
    }
    Ok(moved)
}

//! The same request through the proxy and straight to a node, by turns, while the load runs.
//!
//! Both ways have the same client, the same moment and the same load, so the difference within a
//! pair is the proxy's, with its two more passages through the kernel. What chance adds to the way
//! through the proxy (a busy machine does) counts against the proxy; what it adds to the other way
//! is not credited below zero.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::sleep;

use crate::cli::simulated::demo::client::DemoClient;
use crate::collections::histogram::Histogram;
use crate::platform::clock;

/// Pause after each pair of requests.
const PAUSE: Duration = Duration::from_millis(10);
/// Without tablets: its requests shall not be mistaken for those of the load.
const KEYSPACE: &str = "demo_probe";

/// What the pairs came to, µs.
#[derive(Debug, Default)]
pub(crate) struct ProbeReport {
    /// How much longer the way through the proxy took, within each pair.
    pub added: Histogram,
    /// Latency of the way straight to a node.
    pub direct: Histogram,
}

/// Two connections, one to the proxy and one to a node.
#[derive(Debug)]
pub(crate) struct Probe {
    through: Way,
    direct: Way,
}

#[derive(Debug)]
struct Way {
    client: DemoClient,
    select: Vec<u8>,
}

impl Probe {
    /// Makes a table of one row over `client`, and prepares its reading on both ways.
    pub(crate) async fn set_up(
        mut client: DemoClient,
        proxy: SocketAddr,
        node: SocketAddr,
    ) -> anyhow::Result<Self> {
        let statements = [
            format!(
                "CREATE KEYSPACE IF NOT EXISTS {KEYSPACE} WITH replication = {{'class': \
                 'NetworkTopologyStrategy', 'replication_factor': 1}} AND tablets = \
                 {{'enabled': false}}"
            ),
            format!("CREATE TABLE IF NOT EXISTS {KEYSPACE}.kv (k bigint PRIMARY KEY, v bigint)"),
            format!("INSERT INTO {KEYSPACE}.kv (k, v) VALUES (1, 1)"),
        ];
        for statement in statements {
            client.query(&statement).await?;
        }
        Ok(Self { through: Way::open(proxy).await?, direct: Way::open(node).await? })
    }

    /// Measures until this time of our clock.
    pub(crate) async fn run(mut self, until_us: u64) -> anyhow::Result<ProbeReport> {
        let mut report = ProbeReport::default();
        while clock::now_us() < until_us {
            let through_us = self.through.measure().await?;
            let direct_us = self.direct.measure().await?;
            report.on_pair(through_us, direct_us);
            sleep(PAUSE).await;
            // The second read may find caches warm: both ways go second in turn.
            let direct_us = self.direct.measure().await?;
            let through_us = self.through.measure().await?;
            report.on_pair(through_us, direct_us);
            sleep(PAUSE).await;
        }
        Ok(report)
    }
}

impl ProbeReport {
    fn on_pair(&mut self, through_us: u64, direct_us: u64) {
        self.added.record(through_us.saturating_sub(direct_us));
        self.direct.record(direct_us);
    }
}

impl Way {
    async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let mut client = DemoClient::connect(address).await?;
        let select = format!("SELECT v FROM {KEYSPACE}.kv WHERE k = ?");
        let select = client.prepare(&select).await?;
        Ok(Self { client, select })
    }

    /// One read; how long it took, µs.
    async fn measure(&mut self) -> anyhow::Result<u64> {
        let began_us = clock::now_us();
        self.client.put_execute(0, &self.select, &[1]);
        self.client.alone().await?;
        Ok(clock::now_us().saturating_sub(began_us))
    }
}

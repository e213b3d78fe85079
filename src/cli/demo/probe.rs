//! The same request through the proxy and straight to a node, by turns, while the load runs.
//!
//! Both ways have the same client, the same moment and the same load, so the difference of the
//! latencies is the proxy's, with its two more passages through the kernel.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::sleep;

use crate::cli::demo::client::Client;
use crate::flow::histogram::Histogram;
use crate::net::clock;

/// Pause after each pair of requests.
const PAUSE: Duration = Duration::from_millis(10);
/// Without tablets: its requests shall not be mistaken for those of the load.
const KEYSPACE: &str = "demo_probe";

/// Latencies by way.
#[derive(Debug, Default)]
pub struct ProbeReport {
    through: Histogram,
    direct: Histogram,
}

impl ProbeReport {
    /// What the proxy adds at this quantile, µs: the difference of both ways' quantiles.
    #[must_use]
    pub fn added_us(&self, per_mille: u64) -> u64 {
        self.through.quantile(per_mille).saturating_sub(self.direct.quantile(per_mille))
    }

    /// Latency straight to a node at this quantile, µs.
    #[must_use]
    pub fn direct_us(&self, per_mille: u64) -> u64 {
        self.direct.quantile(per_mille)
    }

    /// Requests that went either way.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.direct.count().min(self.through.count())
    }
}

/// Two connections, one to the proxy and one to a node.
#[derive(Debug)]
pub struct Probe {
    through: Way,
    direct: Way,
}

#[derive(Debug)]
struct Way {
    client: Client,
    select: Vec<u8>,
    latency: Histogram,
}

impl Probe {
    /// Makes a table of one row over `client`, and prepares its reading on both ways.
    pub async fn set_up(
        mut client: Client,
        proxy: SocketAddr,
        node: SocketAddr,
    ) -> anyhow::Result<Self> {
        let statements = [
            format!(
                "CREATE KEYSPACE {KEYSPACE} WITH replication = {{'class': \
                 'NetworkTopologyStrategy', 'replication_factor': 1}} AND tablets = \
                 {{'enabled': false}}"
            ),
            format!("CREATE TABLE {KEYSPACE}.kv (k bigint PRIMARY KEY, v bigint)"),
            format!("INSERT INTO {KEYSPACE}.kv (k, v) VALUES (1, 1)"),
        ];
        for statement in statements {
            client.query(&statement).await?;
        }
        Ok(Self { through: Way::open(proxy).await?, direct: Way::open(node).await? })
    }

    /// Measures until this time of our clock.
    pub async fn run(mut self, until_us: u64) -> anyhow::Result<ProbeReport> {
        while clock::now_us() < until_us {
            self.through.measure().await?;
            self.direct.measure().await?;
            sleep(PAUSE).await;
            // Who goes second may find caches warm: both get their turn.
            self.direct.measure().await?;
            self.through.measure().await?;
            sleep(PAUSE).await;
        }
        Ok(ProbeReport { through: self.through.latency, direct: self.direct.latency })
    }
}

impl Way {
    async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let mut client = Client::connect(address).await?;
        let select = format!("SELECT v FROM {KEYSPACE}.kv WHERE k = ?");
        let select = client.prepare(&select).await?;
        Ok(Self { client, select, latency: Histogram::default() })
    }

    async fn measure(&mut self) -> anyhow::Result<()> {
        let began_us = clock::now_us();
        self.client.put_execute(0, &self.select, &[1]);
        self.client.alone().await?;
        self.latency.record(clock::now_us().saturating_sub(began_us));
        Ok(())
    }
}

//! Flags of `demo` and `sim`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

/// What the figures of `demo` mean.
pub(crate) const MEASURES: &str = "The hit rate is the nodes' own count: requests that arrived at the shard \
that has the row. Added latency: a read through the proxy against the same read straight to a node, \
by turns while the load runs; p50 and p99 of the difference within a pair. Memory is that of the \
process, the simulated cluster included. The hit rate of the end is that of the last quarter, 5 \
seconds at most. After the load, two tables that are new get the same prepared requests and then \
reads by text: one through this proxy, the other through one with tablets.prefetch and text.mode off; \
where they arrive is the nodes' count, too. Fails when a row is read back wrong, or a request is refused or not answered.";

/// Flags of `demo`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DemoArgs {
    /// Simulated nodes
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=9))]
    pub nodes: u16,
    /// Shards of each node
    #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub shards: u16,
    /// Tablets of each table
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub tablets: u32,
    /// How long the load lasts
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
    /// Go on with the load after the summary, with the live page open, until Ctrl-C
    #[arg(long, conflicts_with = "json")]
    pub keep: bool,
    /// Print the summary as one line of JSON, and nothing else
    #[arg(long)]
    pub json: bool,
}

/// Flags of `sim`.
#[derive(Args, Clone, Debug)]
pub(crate) struct SimArgs {
    /// ScyllaDB version to behave like, 6.2 or 2026.3
    #[arg(long, value_name = "VERSION", hide_possible_values = true, value_enum, default_value_t = Like::V2026_3)]
    pub like: Like,
    /// Simulated nodes
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub nodes: u16,
    /// Shards of each node
    #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub shards: u16,
    /// Address of the first node; the next nodes count up its last octet
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub address: IpAddr,
    /// CQL port; 0 for any that is free
    #[arg(long, value_name = "PORT", default_value_t = 9042)]
    pub port: u16,
    /// Port at which the source port chooses the shard; 0 for any that is free
    #[arg(long, value_name = "PORT", default_value_t = 19_042)]
    pub shard_aware_port: u16,
    /// Port at which a PROXY protocol header chooses the shard; none if not given
    #[arg(long, value_name = "PORT")]
    pub proxy_protocol_port: Option<u16>,
    /// Speak TLS at two more ports, with this certificate
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Key of that certificate; both are read anew for each connection
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Ask TLS clients for a certificate of one of these CAs
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_client_ca: Option<PathBuf>,
    /// CQL port for TLS; 0 for any that is free
    #[arg(long, value_name = "PORT", default_value_t = 9142)]
    pub tls_port: u16,
    /// Shard-aware port for TLS; 0 for any that is free
    #[arg(long, value_name = "PORT", default_value_t = 19_142)]
    pub tls_shard_aware_port: u16,
    /// Speak TLS at the usual ports instead, which SUPPORTED then does not distinguish
    #[arg(long, requires = "tls_cert")]
    pub tls_only: bool,
    /// Tablets of a table whose keyspace does not say how many
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub tablets: u32,
    /// Ring tokens of each node
    #[arg(long, value_name = "COUNT", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub vnodes: u64,
    /// Data centres, separated by commas; nodes are dealt out to them in turn
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', default_value = "datacenter1", value_parser = NonEmptyStringValueParser::new())]
    pub dc: Vec<String>,
    /// Racks of each data centre, separated by commas; its nodes are dealt out to them in turn
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', default_value = "rack1", value_parser = NonEmptyStringValueParser::new())]
    pub rack: Vec<String>,
    /// Ask clients for this name and password, made up, never a real one; may be given again
    #[arg(long, value_name = "USER:PASSWORD", value_parser = parse_user)]
    pub user: Vec<SimUser>,
    /// Also take logins of two steps: a name, then the MD5 of the server's challenge and the password
    #[arg(long)]
    pub challenge: bool,
    /// Where to serve the control pages, such as those that move tablets
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub api: Option<SocketAddr>,
    /// Behave as if something before the shard-aware port changed source ports
    #[arg(long)]
    pub nat: bool,
    /// Delay each answer by up to so long, so that answers change their order
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=60_000))]
    pub delay_ms: u64,
    /// How long other nodes don't know of a schema change
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(0..=60_000))]
    pub schema_lag_ms: u64,
    /// Seed of tokens, ids and placement
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
}

/// Versions that the simulation knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Like {
    /// The last open-source release line.
    #[value(name = "6.2")]
    V6_2,
    /// A current release line.
    #[value(name = "2026.3")]
    V2026_3,
}

/// Name and password of a user of the simulation who may do everything.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SimUser {
    /// Name.
    pub name: String,
    /// Password.
    pub password: String,
}

fn parse_user(text: &str) -> Result<SimUser, String> {
    let (name, password) = text.split_once(':').ok_or("give USER:PASSWORD")?;
    Ok(SimUser { name: name.to_owned(), password: password.to_owned() })
}

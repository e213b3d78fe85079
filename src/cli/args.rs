//! The command line as people write it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Sends every CQL request to the ScyllaDB shard that owns its row
///
/// shardlane runs next to an application, speaks CQL to it as if it were one node, and forwards each
/// request over a connection to the very shard that holds the row.
#[derive(Debug, Parser)]
#[command(name = "shardlane", version, after_help = CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const CODES: &str = "Exit codes: 0 it worked, 1 it failed, 2 wrong usage or configuration.";

const LAYERS: &str = "Each flag has a variable (--data-center: SHARDLANE_DATA_CENTER) and a key in \
the file (data_center). A flag beats the environment, which beats the file, which beats the default. \
Limits, timeouts, lanes and logs are set in the file, or by variables such as SHARDLANE_LOG_LEVEL.";

const MEASURES: &str = "The hit rate is the nodes' own count: requests that arrived at the shard \
that has the row. Added latency: a read through the proxy against the same read straight to a node, \
by turns while the load runs; p50 and p99 of the difference within a pair. Memory is that of the \
process, the simulated cluster included. The hit rate of the end is that of the last quarter, 5 \
seconds at most. Fails when a row is read back wrong, or a request is refused or not answered.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve an application
    #[command(after_help = LAYERS)]
    Run(SettingsArgs),
    /// Show it at work: a simulated cluster, the proxy and a load in one process
    #[command(after_help = MEASURES)]
    Demo(DemoArgs),
    /// Run a simulated cluster alone, for tests; prints `ready` when it listens
    Sim(SimArgs),
    /// Tell whether `run` would work well here, and what to mend if not; serves nobody
    #[command(after_help = LAYERS)]
    Doctor(DoctorArgs),
    /// Print every setting and where it came from, and every fault; touches no network
    #[command(after_help = LAYERS)]
    Check(SettingsArgs),
    /// Tell where a row lives: key, token, tablet or ring, nodes and shards
    #[command(after_help = LAYERS)]
    Explain(ExplainArgs),
}

/// Flags that are settings. They stay text here: the settings' own rules judge them, together with
/// the file and the environment, so that all faults are told at once.
#[derive(Args, Clone, Debug, Default)]
pub struct SettingsArgs {
    /// Configuration file, TOML
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Nodes asked first for the cluster's members, separated by commas
    #[arg(short, long, value_name = "HOST[:PORT],...")]
    pub contact_points: Option<String>,
    /// CQL port of the nodes [default: 9042]
    #[arg(long, value_name = "PORT")]
    pub port: Option<String>,
    /// Where clients connect; may be given several times [default: 127.0.0.1:9042]
    #[arg(long, value_name = "ADDRESS:PORT|unix:PATH")]
    pub bind: Vec<String>,
    /// Permissions of the file of a Unix socket [default: 0660]
    #[arg(long, value_name = "MODE")]
    pub bind_mode: Option<String>,
    /// Serve TCP clients by TLS with this certificate, PEM
    #[arg(long, value_name = "FILE")]
    pub bind_tls_cert: Option<String>,
    /// Key of that certificate
    #[arg(long, value_name = "FILE")]
    pub bind_tls_key: Option<String>,
    /// Ask clients for a certificate of one of these CAs
    #[arg(long, value_name = "FILE")]
    pub bind_tls_client_ca: Option<String>,
    /// Nodes of this data centre are preferred
    #[arg(long, value_name = "NAME")]
    pub data_center: Option<String>,
    /// Nodes of this rack are preferred within the data centre
    #[arg(long, value_name = "NAME")]
    pub rack: Option<String>,
    /// Whose rights clients have: their own (pass-through) or the proxy's (service) [default: the
    /// proxy's if it has a role]
    #[arg(long, value_name = "MODE")]
    pub auth_mode: Option<String>,
    /// The proxy's own role, for a cluster that asks for credentials
    #[arg(long, value_name = "ROLE")]
    pub username: Option<String>,
    /// File that holds that role's password
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<String>,
    /// Speak TLS with the nodes, whose certificates come from one of these CAs, PEM
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<String>,
    /// Certificate for nodes that ask for one
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<String>,
    /// Key of that certificate
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<String>,
    /// Name that the nodes' certificates bear, if not their address
    #[arg(long, value_name = "NAME")]
    pub tls_server_name: Option<String>,
    /// Whether the nodes' certificates must bear their name [default: true]
    #[arg(long, value_name = "BOOL")]
    pub tls_verify_name: Option<String>,
    /// Where metrics and probes are served [default: 127.0.0.1:9380]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub admin: Option<String>,
    /// Worker threads [default: 1]
    #[arg(long, value_name = "COUNT")]
    pub workers: Option<String>,
}

impl SettingsArgs {
    /// The flags that were given, by the key of their setting.
    #[must_use]
    pub fn by_key(&self) -> BTreeMap<&'static str, String> {
        let bind = (!self.bind.is_empty()).then(|| self.bind.join(","));
        let flags = [
            ("contact_points", &self.contact_points),
            ("port", &self.port),
            ("bind", &bind),
            ("bind_mode", &self.bind_mode),
            ("bind_tls.cert", &self.bind_tls_cert),
            ("bind_tls.key", &self.bind_tls_key),
            ("bind_tls.client_ca", &self.bind_tls_client_ca),
            ("tls.ca", &self.tls_ca),
            ("tls.cert", &self.tls_cert),
            ("tls.key", &self.tls_key),
            ("tls.server_name", &self.tls_server_name),
            ("tls.verify_name", &self.tls_verify_name),
            ("data_center", &self.data_center),
            ("rack", &self.rack),
            ("auth.mode", &self.auth_mode),
            ("username", &self.username),
            ("password_file", &self.password_file),
            ("admin", &self.admin),
            ("workers", &self.workers),
        ];
        let given = |(key, value): (&'static str, &Option<String>)| Some((key, value.clone()?));
        flags.into_iter().filter_map(given).collect()
    }
}

/// Flags of `demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
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
    /// Print the summary as one line of JSON, and nothing else
    #[arg(long)]
    pub json: bool,
}

/// Flags of `sim`.
#[derive(Args, Clone, Debug)]
pub struct SimArgs {
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
    /// Speak TLS at the usual ports instead, which SUPPORTED then does not tell apart
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
pub enum Like {
    /// The last open-source release line.
    #[value(name = "6.2")]
    V6_2,
    /// A current release line.
    #[value(name = "2026.3")]
    V2026_3,
}

/// Name and password of a user of the simulation who may do everything.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SimUser {
    /// Name.
    pub name: String,
    /// Password.
    pub password: String,
}

fn parse_user(text: &str) -> Result<SimUser, String> {
    let (name, password) = text.split_once(':').ok_or("give USER:PASSWORD")?;
    Ok(SimUser { name: name.to_owned(), password: password.to_owned() })
}

/// Flags of `doctor`.
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// Print the findings as one line of JSON
    #[arg(long)]
    pub json: bool,
    /// The settings to try.
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// Flags of `explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// Table, with its keyspace
    #[arg(value_name = "KEYSPACE.TABLE", value_parser = parse_table)]
    pub table: TableName,
    /// Values of the partition key's columns, in their order
    #[arg(value_name = "KEY", required = true)]
    pub keys: Vec<String>,
    /// The cluster to ask.
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// A table's full name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TableName {
    /// Keyspace.
    pub keyspace: String,
    /// Table.
    pub table: String,
}

fn parse_table(text: &str) -> Result<TableName, String> {
    match text.split_once('.') {
        Some((keyspace, table)) if !keyspace.is_empty() && !table.is_empty() => {
            Ok(TableName { keyspace: keyspace.to_owned(), table: table.to_owned() })
        }
        Some(_) | None => Err("give KEYSPACE.TABLE".to_owned()),
    }
}

#[cfg(test)]
mod tests;

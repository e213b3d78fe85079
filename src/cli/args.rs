//! The command line as people write it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

#[cfg(feature = "demo")]
use crate::cli::simulated::args::{DemoArgs, MEASURES, SimArgs};

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
Limits, timeouts, retries, lanes, compression and logs are set in the file, or by variables such as \
SHARDLANE_LOG_LEVEL.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve an application
    #[command(after_help = LAYERS)]
    Run(SettingsArgs),
    /// Show it at work: a simulated cluster, the proxy and a load in one process
    #[cfg(feature = "demo")]
    #[command(after_help = MEASURES)]
    Demo(DemoArgs),
    /// Run a simulated cluster alone, for tests; prints `ready` when it listens
    #[cfg(feature = "demo")]
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
    /// Compression that drivers are told of, lz4 or snappy or both [default: none]
    #[arg(long, value_name = "NAME,...")]
    pub compression_clients: Option<String>,
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
    /// Where nodes are dialled instead of at the addresses that they tell
    #[arg(long, value_name = "FROM=HOST[:PORT],...")]
    pub translate: Option<String>,
    /// Connection ids whose rows of `system.client_routes` say where nodes are
    #[arg(long, value_name = "ID,...")]
    pub client_routes: Option<String>,
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
            ("translate", &self.translate),
            ("client_routes", &self.client_routes),
            ("compression.clients", &self.compression_clients),
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

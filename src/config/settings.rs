//! The settings as the program uses them: typed, in range, and in agreement with each other.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use crate::connect::dialer::DialSettings;
use crate::connect::tls::node_tls::NodeTlsSettings;
use crate::control::contact::contact_point::ContactPoint;
use crate::control::tables::routes::Translation;
use crate::control::tables::table_reads::TableReadSettings;
use crate::engine::limits::Limits;
use crate::engine::settings::ConsoleSettings;
use crate::listen::client_tls::ClientTlsSettings;
use crate::listen::listener::Bind;
use crate::pool::nodes::failover::FailoverSettings;
use crate::pool::refill::backoff::BackoffSettings;
use crate::telemetry::logging::LogSettings;
use cql::compression::Compression;

/// Whose rights clients have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AuthMode {
    /// The proxy's own; clients need not log in.
    Service,
    /// Their own: the cluster judges each login.
    PassThrough,
}

impl FromStr for AuthMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "service" => Ok(Self::Service),
            "pass-through" => Ok(Self::PassThrough),
            _ => Err("neither service nor pass-through".to_owned()),
        }
    }
}

impl AuthMode {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::PassThrough => "pass-through",
        }
    }
}

/// What becomes of statements by text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TextMode {
    /// They are read, and go to the shard that owns their row.
    Route,
    /// The same, and those that are seen often are run as prepared statements.
    Execute,
    /// They are not read, and go to any node.
    Off,
}

impl FromStr for TextMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "route" => Ok(Self::Route),
            "execute" => Ok(Self::Execute),
            "off" => Ok(Self::Off),
            _ => Err("neither route, execute nor off".to_owned()),
        }
    }
}

impl TextMode {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Execute => "execute",
            Self::Off => "off",
        }
    }
}

impl Settings {
    /// Whose rights clients have: their own, unless the proxy has a role for them.
    #[must_use]
    pub fn auth_mode(&self) -> AuthMode {
        let service = self.username.is_some();
        self.auth_mode.unwrap_or(if service { AuthMode::Service } else { AuthMode::PassThrough })
    }
}

/// To whom the live page of the admin address is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PageAccess {
    /// To browsers of the same machine or pod.
    Loopback,
    /// To all that reach the admin address.
    All,
    /// To none.
    Off,
}

impl PageAccess {
    /// Whether a browser sees it that asks from the loopback, or from elsewhere.
    #[must_use]
    pub fn admits(self, is_local: bool) -> bool {
        match self {
            Self::Loopback => is_local,
            Self::All => true,
            Self::Off => false,
        }
    }

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::All => "all",
            Self::Off => "off",
        }
    }
}

impl FromStr for PageAccess {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "loopback" => Ok(Self::Loopback),
            "all" => Ok(Self::All),
            "off" => Ok(Self::Off),
            _ => Err("neither loopback, all nor off".to_owned()),
        }
    }
}

/// How much time each step of the process's end has.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct DrainSettings {
    /// Time after SIGTERM in which clients are served as before, in any case, seconds.
    pub min_sigterm_delay_s: u64,
    /// Time after SIGTERM in which clients are served as before while any is connected, seconds.
    pub max_sigterm_delay_s: u64,
    /// Time for requests in flight after that, milliseconds.
    pub drain_ms: u64,
}

/// How tablets are read from the cluster's own tables.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TabletSettings {
    /// Whether all tablets of a table are read when a request first names it.
    pub prefetch: bool,
    /// After how long those of a table in use are read again, microseconds; 0 is never.
    pub reread_us: u64,
    /// How fast.
    pub reads: TableReadSettings,
    /// How many keys a second each worker reads to have their tablets reported; 0 is none.
    pub samples_per_s: u32,
}

impl Default for TabletSettings {
    fn default() -> Self {
        let reads = TableReadSettings::default();
        Self { prefetch: true, reread_us: 600_000_000, reads, samples_per_s: 100 }
    }
}

/// Where what was learned is kept over a restart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StateSettings {
    /// The file; without one, nothing is kept.
    pub file: Option<PathBuf>,
    /// After how long it is written anew, seconds.
    pub interval_s: u64,
    /// Longest file, bytes.
    pub bytes_max: u64,
}

impl Default for StateSettings {
    fn default() -> Self {
        Self { file: None, interval_s: 60, bytes_max: 64 << 20 }
    }
}

/// Everything that an operator can set. [`crate::config::table`] says what each setting is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Nodes asked first for the cluster's members; the rest is discovered.
    pub contact_points: Vec<ContactPoint>,
    /// CQL port of contact points that name none.
    pub port: u16,
    /// Where clients connect.
    pub bind: Vec<Bind>,
    /// Whether clients see each address among them as a node.
    pub bind_as_nodes: bool,
    /// Permissions of the files of Unix sockets among them.
    pub bind_mode: u32,
    /// Nodes of this data center are preferred.
    pub data_center: Option<String>,
    /// Nodes of this rack are preferred within the data center.
    pub rack: Option<String>,
    /// Where nodes are dialled instead of at the addresses that they report.
    pub translate: Vec<Translation>,
    /// Connection ids whose rows of `system.client_routes` are followed.
    pub client_routes: Vec<String>,
    /// Whose rights clients have; none leaves it to the other settings and the cluster.
    pub auth_mode: Option<AuthMode>,
    /// How often the cluster is asked again about a credential in use, seconds.
    pub auth_recheck_s: u64,
    /// The proxy's own user, for a cluster that asks for credentials.
    pub username: Option<String>,
    /// File that holds that user's password.
    pub password_file: Option<PathBuf>,
    /// Where metrics and probes are served.
    pub admin: SocketAddr,
    /// Worker threads.
    pub workers: usize,
    /// The engine's bounds and time limits.
    pub limits: Limits,
    /// How nodes are dialled.
    pub dial: DialSettings,
    /// Algorithms that clients are offered.
    pub compression_offered: Vec<Compression>,
    /// Waits between attempts to dial a node.
    pub backoff: BackoffSettings,
    /// Whether nodes of other data centers are used, and when.
    pub failover: FailoverSettings,
    /// How tablets are read from the cluster's own tables.
    pub tablets: TabletSettings,
    /// Where what was learned is kept over a restart.
    pub state: StateSettings,
    /// Where a new process asks the old one for its place.
    pub upgrade_socket: Option<PathBuf>,
    /// How long a new process waits for its first lane before it leaves the old one its place, seconds.
    pub upgrade_lanes_wait_s: u64,
    /// How the process ends.
    pub drain: DrainSettings,
    /// Whether the startup probe passes before the first node was reached.
    pub startup_without_cluster: bool,
    /// TLS with the nodes.
    pub node_tls: NodeTlsSettings,
    /// TLS with clients.
    pub client_tls: ClientTlsSettings,
    /// How often files that may be replaced are looked at, milliseconds.
    pub file_poll_ms: u64,
    /// The console.
    pub console: ConsoleSettings,
    /// To whom the live page is shown.
    pub page: PageAccess,
    /// Whether clients are asked to prepare again what was not prepared here.
    pub asks_to_prepare: bool,
    /// What becomes of statements by text.
    pub text_mode: TextMode,
    /// Logs.
    pub log: LogSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            contact_points: Vec::new(),
            port: 9042,
            bind: vec![Bind::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 9042)))],
            bind_as_nodes: false,
            bind_mode: 0o660,
            data_center: None,
            rack: None,
            translate: Vec::new(),
            client_routes: Vec::new(),
            auth_mode: None,
            auth_recheck_s: 30,
            username: None,
            password_file: None,
            admin: SocketAddr::from((Ipv4Addr::LOCALHOST, 9380)),
            workers: 1,
            limits: Limits::default(),
            dial: DialSettings::default(),
            compression_offered: Vec::new(),
            backoff: BackoffSettings::default(),
            failover: FailoverSettings::default(),
            tablets: TabletSettings::default(),
            state: StateSettings::default(),
            upgrade_socket: None,
            upgrade_lanes_wait_s: 30,
            drain: DrainSettings { drain_ms: 10_000, ..DrainSettings::default() },
            startup_without_cluster: false,
            node_tls: NodeTlsSettings::default(),
            client_tls: ClientTlsSettings::default(),
            file_poll_ms: 5_000,
            console: ConsoleSettings::default(),
            page: PageAccess::Loopback,
            asks_to_prepare: true,
            text_mode: TextMode::Route,
            log: LogSettings::default(),
        }
    }
}

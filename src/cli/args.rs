//! The command line as people write it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches, Parser, Subcommand, value_parser};
use thiserror::Error;

use crate::cli::inject::{ANNOTATIONS, InjectArgs};
#[cfg(feature = "demo")]
use crate::cli::simulated::args::{DemoArgs, MEASURES, SimArgs};
use crate::config::setting::Setting;
use crate::config::settings::Settings;
use crate::config::table;

/// Sends every CQL request to the ScyllaDB shard that owns its row
///
/// shardlane runs next to an application, speaks CQL to it as if it were one node, and forwards each
/// request over a connection to the very shard that holds the row.
#[derive(Debug, Parser)]
#[command(name = "shardlane", version, after_help = CODES)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const CODES: &str = "Exit codes: 0 it worked, 1 it failed, 2 wrong usage or configuration.";

const LAYERS: &str = "Each flag has a variable (--data-center: SHARDLANE_DATA_CENTER) and a key in \
the file (data_center). A flag beats the environment, which beats the file, which beats the default. \
Flags that take several values, separated by commas, may be given several times. Settings without a flag, such as limits and timeouts, are set in the file, or by variables such as \
SHARDLANE_LOG_LEVEL; docs/configuration.md lists them all.";

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
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
    /// Check whether `run` would work well here, and say what to correct if not; serves no client
    #[command(after_help = LAYERS)]
    Doctor(DoctorArgs),
    /// Print every fault, or else every setting and where it comes from; uses no network
    #[command(after_help = LAYERS)]
    Check(SettingsArgs),
    /// Show where a row, or a statement, goes: key, token, tablet or ring, nodes and shards
    #[command(after_help = LAYERS)]
    Explain(ExplainArgs),
    /// Wait until a shardlane that runs here serves clients: for the entrypoint of an application
    #[command(after_help = LAYERS)]
    Wait(WaitArgs),
    /// Stop a shardlane that runs here, as SIGTERM does, without its delays
    #[command(after_help = LAYERS)]
    Shutdown(SettingsArgs),
    /// Have a shardlane that runs here read its settings again, as SIGHUP does
    #[command(after_help = LAYERS)]
    Reload(SettingsArgs),
    /// Add shardlane to the pods of Kubernetes manifests; the rest of the text stays as it is
    #[command(after_help = ANNOTATIONS)]
    Inject(InjectArgs),
}

/// Flags that are settings. They stay text here: the settings' own rules judge them, together with
/// the file and the environment, so that all faults are reported at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct SettingsArgs {
    /// Configuration file, TOML.
    pub config: Option<PathBuf>,
    /// The flags that were given, by the key of their setting.
    pub by_key: BTreeMap<&'static str, String>,
}

impl Args for SettingsArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        let config = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Configuration file, TOML");
        let mut defaults = Settings::default();
        let flags = table::all().filter_map(|setting| flag(setting, &mut defaults));
        // Command lines of other sidecars have it. The exit code after SIGTERM is 0 in any case.
        let exit_zero = Arg::new("exit-zero-on-sigterm").long("exit-zero-on-sigterm");
        let exit_zero = exit_zero.action(ArgAction::SetTrue).hide(true);
        command.arg(config).arg(exit_zero).args(flags)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingsArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |setting: &Setting| {
            let values = matches.try_get_many::<String>(setting.key).ok().flatten()?;
            Some((setting.key, values.cloned().collect::<Vec<_>>().join(",")))
        };
        let by_key = table::all().filter_map(given).collect();
        Ok(Self { config: matches.get_one::<PathBuf>(CONFIG).cloned(), by_key })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

const CONFIG: &str = "config";

/// The flag of a setting, if it has one.
fn flag(setting: &Setting, defaults: &mut Settings) -> Option<Arg> {
    let flag = setting.flag?;
    let default = match setting.show(defaults).as_str() {
        "" => String::new(),
        value => format!(" [default: {value}]"),
    };
    let flag = Arg::new(setting.key)
        .long(setting.flag_name())
        .value_name(flag.value_name)
        .action(if flag.repeats { ArgAction::Append } else { ArgAction::Set })
        .help(format!("{}{default}", setting.what));
    Some(match setting.flag.and_then(|flag| flag.short) {
        Some(short) => flag.short(short),
        None => flag,
    })
}

/// Flags of `doctor`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DoctorArgs {
    /// Print the findings as one line of JSON
    #[arg(long)]
    pub json: bool,
    /// The settings to try.
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// Flags of `wait`.
#[derive(Args, Clone, Debug)]
pub(crate) struct WaitArgs {
    /// How long to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub timeout: u64,
    /// The settings that the other process runs with; only `admin` matters.
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// Flags of `explain`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ExplainArgs {
    /// Table, with its keyspace; or a whole statement, quoted: "SELECT v FROM ks.t WHERE k = 5"
    #[arg(value_name = "KEYSPACE.TABLE|STATEMENT")]
    pub what: String,
    /// Values of the partition key's columns, in their order; none for a statement
    #[arg(value_name = "KEY")]
    pub keys: Vec<String>,
    /// Keyspace of a table that is named without one, as the client's USE would set it
    #[arg(long, value_name = "NAME")]
    pub keyspace: Option<String>,
    /// Print what was found as one line of JSON
    #[arg(long)]
    pub json: bool,
    /// The cluster to ask.
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// What is to be explained.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ExplainSubject {
    /// The row of a key.
    Key {
        /// Keyspace, as the schema spells it.
        keyspace: String,
        /// Table, as the schema spells it.
        table: String,
        /// The key's values.
        values: Vec<String>,
    },
    /// A statement.
    Statement(String),
}

impl ExplainArgs {
    /// What is to be explained. A statement is known by the spaces in it.
    pub(crate) fn subject(&self) -> Result<ExplainSubject, WrongUsage> {
        let what = self.what.trim();
        if what.contains(char::is_whitespace) {
            let is_alone = self.keys.is_empty();
            let too_many = WrongUsage("a statement has its key in its text: give no KEY behind it");
            return is_alone.then(|| ExplainSubject::Statement(what.to_owned())).ok_or(too_many);
        }
        let (keyspace, table) = match (what.split_once('.'), &self.keyspace) {
            (Some(names), _) => names,
            (None, Some(keyspace)) => (keyspace.as_str(), what),
            (None, None) => ("", what),
        };
        if keyspace.is_empty() || table.is_empty() {
            return Err(WrongUsage("give KEYSPACE.TABLE and the KEY, or a statement"));
        }
        if self.keys.is_empty() {
            return Err(WrongUsage("give the KEY behind KEYSPACE.TABLE, or a statement"));
        }
        let (keyspace, table) = (keyspace.to_owned(), table.to_owned());
        Ok(ExplainSubject::Key { keyspace, table, values: self.keys.clone() })
    }
}

/// Arguments that do not go together, in a sentence.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("{0}; see --help")]
pub(crate) struct WrongUsage(pub &'static str);

#[cfg(test)]
mod pages;
#[cfg(test)]
mod tests;

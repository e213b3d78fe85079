//! `shardlane inject`: manifests in, the same manifests with sidecars out; or the webhook that does so with each new pod.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Arg, ArgMatches, Args, FromArgMatches};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use crate::config::load;
use crate::config::origin::Environment;
use crate::inject::choice::{self, InjectOption};
use crate::inject::manifest::{self, ManifestError};
use crate::inject::sidecar::{Mode, Sidecar};
use crate::platform::clock;
use crate::server::signals::{ProcessSignal, Signals};
use crate::telemetry::logging;
use crate::tls::files::TlsFiles;
use crate::webhook::server::{Ending, Webhook};

/// Longest text, bytes: what a large chart renders has a few MiB.
const TEXT_BYTES_MAX: u64 = 16 << 20;

/// What the help says after the flags.
pub(crate) const ANNOTATIONS: &str = "An annotation of a pod's template, or of the object that has it, beats the flag: \
shardlane.dev/contact-points for --contact-points, and so on. shardlane.dev/inject: disabled leaves a pod as it is. \
What was done is said on stderr.";

/// Flags of `inject`.
#[derive(Args, Clone, Debug)]
pub(crate) struct InjectArgs {
    /// Manifests, YAML or JSON; - for stdin
    #[arg(short, long, value_name = "FILE", required_unless_present = "serve")]
    pub filename: Option<PathBuf>,
    /// Serve the mutating admission webhook instead, over HTTPS at /inject: pods annotated shardlane.dev/inject: enabled
    /// get a sidecar
    #[arg(long, conflicts_with = "filename", requires_all = ["cert", "key"])]
    pub serve: bool,
    /// Where the webhook listens
    #[arg(long, value_name = "IP:PORT", default_value = "0.0.0.0:8443")]
    pub bind: SocketAddr,
    /// Certificate of the webhook, PEM; read again when it changes
    #[arg(long, value_name = "FILE", requires = "serve")]
    pub cert: Option<PathBuf>,
    /// Private key of that certificate, PEM; read again when it changes
    #[arg(long, value_name = "FILE", requires = "serve")]
    pub key: Option<PathBuf>,
    /// The same as --mode classic, for Kubernetes before 1.29
    #[arg(long, conflicts_with = "mode")]
    pub classic: bool,
    /// What all sidecars have unless annotations say otherwise.
    #[command(flatten)]
    pub choices: ChoicesArgs,
}

/// Flags that are choices.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChoicesArgs {
    given: Vec<(&'static str, String)>,
}

impl Args for ChoicesArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.args(choice::ALL.iter().map(flag))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ChoicesArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |choice: &InjectOption| {
            let value = matches.try_get_one::<String>(choice.name).ok().flatten()?;
            Some((choice.name, value.clone()))
        };
        Ok(Self { given: choice::ALL.iter().filter_map(given).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn flag(choice: &'static InjectOption) -> Arg {
    let check = |value: &str| {
        let set = choice.set(&mut Sidecar::default(), value);
        set.map(|()| value.to_owned())
    };
    Arg::new(choice.name)
        .long(choice.name)
        .value_name(choice.value_name)
        .value_parser(check)
        .help(choice.what)
}

impl InjectArgs {
    /// What all sidecars have.
    fn defaults(&self) -> Sidecar {
        let mut sidecar = Sidecar::default();
        for (name, value) in &self.choices.given {
            if let Ok(choice) = choice::of_annotation(name) {
                // The flag's value was checked when it was read.
                choice.set(&mut sidecar, value).ok();
            }
        }
        if self.classic {
            sidecar.mode = Mode::Classic;
        }
        sidecar
    }
}

/// Writes the manifests with sidecars to `out`, and what was done to stderr. If any pod cannot get its sidecar, nothing
/// is written. Or serves the webhook until a signal stops it.
pub(crate) fn inject(
    args: &InjectArgs,
    environment: Environment<'_>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let Some(filename) = &args.filename else { return serve(args, environment) };
    let text = read(filename).with_context(|| format!("cannot read {}", filename.display()))?;
    // Nothing can be reported when stderr itself fails.
    let report =
        |lines: &[String]| lines.iter().for_each(|line| drop(writeln!(io::stderr(), "{line}")));
    let injected = manifest::inject(&text, &args.defaults()).inspect_err(|error| match error {
        ManifestError::Refused { others, .. } => report(others),
        ManifestError::Unreadable(_) => {}
    })?;
    out.write_all(injected.text.as_bytes()).context("cannot write the manifests")?;
    report(&injected.report);
    Ok(())
}

fn serve(args: &InjectArgs, environment: Environment<'_>) -> anyhow::Result<()> {
    let defaults = args.defaults();
    // What contradicts itself is found here and not pod by pod; what is missing may be given by annotations.
    defaults.check_contradictions().map_err(anyhow::Error::msg)?;
    // Only the log's settings matter, which come from the environment.
    let placeholder = BTreeMap::from([("contact_points", "127.0.0.1".to_owned())]);
    let settings = load::load(placeholder, None, environment).accept()?;
    let _log = logging::start(&settings.log, clock::unix_us).map_err(anyhow::Error::msg)?;
    let files = TlsFiles { ca: None, cert: args.cert.clone(), key: args.key.clone() };
    let certificate = Webhook::load(files)?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let served = runtime.block_on(async {
        let mut signals = Signals::listen().context("cannot listen to signals")?;
        let listener = TcpListener::bind(args.bind).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", args.bind))?;
        let webhook = Webhook::new(listener, certificate, defaults);
        tracing::info!(address = %webhook.address()?, "the webhook listens");
        let stop = async move { while signals.next().await == ProcessSignal::Reload {} };
        webhook.serve(stop, Ending::default()).await;
        tracing::info!("stopped");
        Ok(())
    });
    // A file system that hangs must not keep the process alive.
    runtime.shutdown_background();
    served
}

fn read(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let source: &mut dyn Read =
        if path == Path::new("-") { &mut io::stdin().lock() } else { &mut File::open(path)? };
    source.take(TEXT_BYTES_MAX + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|len| len > TEXT_BYTES_MAX) {
        bail!("it is longer than {} MiB", TEXT_BYTES_MAX >> 20);
    }
    Ok(text)
}

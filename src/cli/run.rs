//! `shardlane run`: serves until a signal, or a request to the admin address, stops it.

use std::env;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime;
use tokio::sync::mpsc;

use crate::cli::args::SettingsArgs;
use crate::cli::next_process;
use crate::config::error::Faults;
use crate::config::origin::Environment;
use crate::config::running::{Running, Sources};
use crate::config::settings::Settings;
use crate::config::variables::{self, UnknownVariable, process_variables};
use crate::listen::listener::Bind;
use crate::listen::passed::Passed;
use crate::platform::{allocator, clock};
use crate::server::reload::{ReloadRequest, Reloadable};
use crate::server::server::Server;
use crate::server::signals::{ProcessSignal, Signals};
use crate::server::upgrade::takeover::report_end;
use crate::telemetry::logging;

/// Descriptors besides those of clients: lanes, pages, and what the process itself needs.
const OTHER_DESCRIPTORS: u64 = 256;

/// Reads the settings, starts the server, and stops it on SIGTERM or SIGINT.
pub(crate) fn run(args: &SettingsArgs, environment: Environment<'_>) -> anyhow::Result<()> {
    if next_process::is_between() {
        return next_process::leave_next().context("cannot start the next process");
    }
    // Descriptors that were passed to us stay open over this.
    allocator::give_memory_back();
    let passed = Passed::from_environment();
    let args = args.clone();
    let sources = Sources::new(args.by_key, args.config, environment);
    let loaded = sources.load();
    let doubts = loaded.doubts.clone();
    let unknown = variables::unknown(process_variables());
    let running = Running::new(loaded).map_err(|faults| {
        // Nothing is logged yet, and one of them may be the cause.
        let unknown = unknown.iter().map(ToString::to_string);
        let doubts = unknown.chain(doubts.iter().map(ToString::to_string)).collect();
        Faults { doubts, ..faults }
    })?;
    let settings = running.settings.clone();
    let _log = logging::start(&settings.log, clock::unix_us).map_err(anyhow::Error::msg)?;
    for UnknownVariable { name, suggestion } in unknown {
        tracing::warn!(name, suggestion, "variable is set, but there is no such setting");
    }
    for doubt in doubts {
        tracing::warn!(setting = doubt.key, hint = doubt.hint, "{}", doubt.text);
    }
    raise_descriptor_limit(u64::try_from(settings.limits.clients_max).unwrap_or(u64::MAX));
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let served = runtime.block_on(serve(&settings, passed, Reloadable { sources, running }));
    // A file system that hangs must not keep the process alive.
    runtime.shutdown_background();
    served
}

/// Lets the process open as many descriptors as the system allows it: the usual limit of 1,024 is
/// for programs that use `select`.
fn raise_descriptor_limit(clients_max: u64) {
    let before = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: before.maximum, ..before };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the limit of descriptors stays as it is");
    }
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if limit < clients_max.saturating_add(OTHER_DESCRIPTORS) {
        tracing::warn!(
            limit,
            clients_max,
            "fewer file descriptors than limits.clients_max may need: raise the limit (ulimit -n, \
             LimitNOFILE), or lower clients_max"
        );
    }
}

fn listed(binds: &[Bind]) -> String {
    binds.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

async fn serve(settings: &Settings, passed: Passed, reloadable: Reloadable) -> anyhow::Result<()> {
    let mut signals = Signals::listen().context("cannot listen to signals")?;
    let server = Server::start(settings, passed).inspect_err(report_end)?;
    server.show_settings(reloadable.running.entries.clone());
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        clients = %listed(&server.binds()),
        admin = %server.admin_address(),
        workers = settings.workers,
        "starting"
    );
    if settings.node_tls.files.ca.is_some() && !settings.node_tls.verify_name {
        tracing::warn!(
            "tls.verify_name is false: any certificate that the CA signed is accepted as a node's"
        );
    }
    let (stop, stopped) = mpsc::channel(2);
    let reloads = server.reloads();
    // Found now: once the program is replaced, the system has no name for the old one.
    let program = settings.upgrade_socket.as_ref().and_then(|_| env::current_exe().ok());
    tokio::spawn(async move {
        loop {
            match signals.next().await {
                ProcessSignal::Reload => {
                    // A full queue means that the settings are about to be read.
                    reloads.try_send(ReloadRequest { cause: "signal", answer: None }).ok();
                }
                ProcessSignal::Upgrade => next_process::start_next(program.as_deref()),
                signal @ (ProcessSignal::Terminate | ProcessSignal::Interrupt) => {
                    tracing::info!(?signal, "received signal, stopping");
                    if stop.send(()).await.is_err() {
                        return;
                    }
                }
            }
        }
    });
    Box::pin(server.serve(stopped, Some(reloadable))).await.inspect_err(report_end)?;
    tracing::info!("stopped");
    Ok(())
}

//! `shardlane run`: serves until it is told to stop.

use anyhow::Context;
use tokio::runtime;
use tokio::sync::mpsc;

use crate::cli::args::SettingsArgs;
use crate::config::load;
use crate::config::overrides::{Environment, Unknown, process_variables};
use crate::config::settings::Settings;
use crate::net::listener::Bind;
use crate::server::server::Server;
use crate::server::signals::Signals;
use crate::telemetry::logging;

/// Reads the settings, starts the server, and stops it on SIGTERM or SIGINT.
pub fn run(args: &SettingsArgs, environment: Environment<'_>) -> anyhow::Result<()> {
    let args = args.clone();
    let loaded = load::load(args.by_key(), args.config, environment);
    let unknown = loaded.unknown_variables(process_variables());
    let doubts = loaded.doubts.clone();
    let settings = loaded.accept()?;
    logging::start(&settings.log).map_err(anyhow::Error::msg)?;
    for Unknown { name, meant } in unknown {
        tracing::warn!(name, meant, "variable is set, but there is no such setting");
    }
    for doubt in doubts {
        tracing::warn!(doubt, "a setting is hardly meant so");
    }
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(serve(&settings))
}

fn listed(binds: &[Bind]) -> String {
    binds.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

async fn serve(settings: &Settings) -> anyhow::Result<()> {
    let mut signals = Signals::listen().context("cannot listen to signals")?;
    let server = Server::start(settings)?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        clients = %listed(&server.binds()),
        admin = %server.admin_address()?,
        workers = settings.workers,
        "starting"
    );
    if settings.node_tls.files.ca.is_some() && !settings.node_tls.verify_name {
        tracing::warn!(
            "tls.verify_name is false: whoever has any certificate of the CA can pose as a node"
        );
    }
    let (stop, stopped) = mpsc::channel(2);
    tokio::spawn(async move {
        loop {
            let signal = signals.next().await;
            tracing::info!(?signal, "told to stop");
            if stop.send(()).await.is_err() {
                return;
            }
        }
    });
    Box::pin(server.serve(stopped)).await?;
    tracing::info!("stopped");
    Ok(())
}

//! `shardlane sim`: the simulated cluster alone, on loopback sockets.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::Builder;

use crate::cli::simulated::args::{Like, SimArgs};
use crate::listen::client_tls::server_config;
use crate::platform::clock;
use crate::server::signals::{ProcessSignal, Signals};
use crate::tls::files::TlsFiles;
use crate::tls::rotated::Rotated;
use sim::{ClusterOptions, Like as ImitatedVersion, SimOptions, SimTls, Started, serve};

/// Serves the cluster until a signal comes. Says where its nodes listen, then `ready`.
pub(crate) fn sim(args: &SimArgs) -> anyhow::Result<()> {
    let options = SimOptions { tls: tls(args)?, ..options(args) };
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    runtime.block_on(async {
        let mut signals = Signals::listen().context("cannot listen to signals")?;
        let announced = |started: &Started| {
            // The cluster serves whether or not this is read.
            announce(started, &mut io::stdout().lock()).ok();
        };
        tokio::select! {
            ended = serve(options, announced) => Ok(ended?),
            () = stopped(&mut signals) => Ok(()),
        }
    })
}

/// Waits for a signal to stop; there is nothing to read again.
async fn stopped(signals: &mut Signals) {
    while signals.next().await == ProcessSignal::Reload {}
}

fn announce(started: &Started, out: &mut dyn Write) -> io::Result<()> {
    for address in &started.contact_points {
        writeln!(out, "node {address}")?;
    }
    if let Some(api) = started.api {
        writeln!(out, "api {api}")?;
    }
    writeln!(out, "ready")?;
    out.flush()
}

fn options(args: &SimArgs) -> SimOptions {
    let like = match args.like {
        Like::V6_2 => ImitatedVersion::V6_2,
        Like::V2026_3 => ImitatedVersion::V2026_3,
    };
    let cluster = ClusterOptions {
        like,
        nodes: usize::from(args.nodes),
        shards: args.shards,
        address: args.address,
        port: args.port,
        shard_aware_port: args.shard_aware_port,
        proxy_port: args.proxy_protocol_port,
        data_centers: args.dc.clone(),
        racks: args.rack.clone(),
        tls_ports: (args.tls_cert.is_some() && !args.tls_only)
            .then_some((args.tls_port, args.tls_shard_aware_port)),
        tablets: args.tablets,
        vnodes: args.vnodes,
        users: args.user.iter().map(|it| (it.name.clone(), it.password.clone())).collect(),
        challenge: args.challenge,
        schema_lag: Duration::from_millis(args.schema_lag_ms),
        delay_max: Duration::from_millis(args.delay_ms),
        nat: args.nat,
        seed: args.seed,
        // Drivers send timestamps of today: rows that the cluster stamps must not be older.
        epoch_micros: clock::unix_us(),
        ..ClusterOptions::default()
    };
    SimOptions { cluster, api: args.api, tls: None }
}

fn tls(args: &SimArgs) -> anyhow::Result<Option<SimTls>> {
    if args.tls_cert.is_none() {
        return Ok(None);
    }
    let files = TlsFiles {
        ca: args.tls_client_ca.clone(),
        cert: args.tls_cert.clone(),
        key: args.tls_key.clone(),
    };
    let rotated = Rotated::load(files, Box::new(server_config))?;
    let config = move || {
        // Files that are bad now leave those from before in use.
        drop(rotated.look());
        rotated.get()
    };
    Ok(Some(SimTls { config: Arc::new(config), only: args.tls_only }))
}

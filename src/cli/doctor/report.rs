//! The command: settings, contact points, cluster, nodes, and the list of what was found.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::runtime::Builder;

use crate::cli::args::DoctorArgs;
use crate::cli::doctor::finding::{Findings, Level};
use crate::cli::doctor::{cluster, nodes, points};
use crate::config::load;
use crate::config::origin::Environment;
use crate::config::settings::{AuthMode, Settings};
use crate::config::variables;
use crate::control::contact::hint;
use crate::control::error::chain;
use crate::control::tables::metadata::ClusterMetadata;
use crate::control::tables::publication::Publisher;
use crate::control::tables::routes::{RouteSettings, Routes};
use crate::pool::login::credential_book::CredentialBook;
use crate::pool::nodes::node_choice::NodeChoice;
use crate::pool::nodes::node_target::Route;
use crate::pool::pool_key::PoolKey;
use crate::server::rotation::Tls;
use crate::server::{assemble, workers};

/// How long nodes have to agree on the schema at most, milliseconds: a person waits for the report.
const AGREEMENT_MS_MAX: u64 = 10_000;

/// Looks at everything that `run` depends on, and prints it to `out`; fails when something has to
/// be mended. `variables` are all names of the environment, to find misspelt ones.
pub(crate) fn doctor(
    args: &DoctorArgs,
    environment: Environment<'_>,
    variables: Vec<String>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let given = args.settings.clone();
    let loaded = load::load(given.by_key, given.config, environment);
    let doubts = loaded.doubts.clone();
    let settings = loaded.accept()?;
    let mut findings = Findings::default();
    for unknown in variables::unknown(variables) {
        let hint = "correct its name, or remove it; `shardlane check` lists all settings";
        findings.warn("settings", unknown.to_string(), hint);
    }
    for doubt in doubts {
        let topic = match doubt.key {
            "password_file" => "login",
            key if key.contains("tls") => "tls",
            _ => "settings",
        };
        findings.warn(topic, doubt.text, doubt.hint);
    }
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    runtime.block_on(Box::pin(examine(&settings, &mut findings)));
    if args.json {
        writeln!(out, "{}", findings.json())?;
    } else {
        findings.print(out)?;
    }
    match findings.count(Level::Bad) {
        0 => Ok(()),
        1 => bail!("`run` would not work well: 1 finding has to be mended"),
        count => bail!("`run` would not work well: {count} findings have to be mended"),
    }
}

async fn examine(given: &Settings, findings: &mut Findings) {
    let credential = match assemble::credential(given) {
        Ok(credential) => credential,
        Err(error) => {
            let file = given.password_file.clone().unwrap_or_default();
            let text = format!("password_file {}: {error}", file.display());
            let hint = "give a readable file that holds the password alone, as UTF-8";
            return findings.bad("login", text, hint);
        }
    };
    let tls = match Tls::load(given) {
        Ok(tls) => tls,
        Err(error) => {
            return findings.bad("tls", error.to_string(), error.fault.hint());
        }
    };
    let mut control = assemble::control(given, credential.clone(), &tls, 0);
    // Where clients log in themselves, a node that wants a login is as it should be.
    let is_lent = given.auth_mode() == AuthMode::PassThrough && credential.is_none();
    control.reach.book = is_lent.then(|| Arc::new(CredentialBook::new(1)));
    let Some(mut reached) = points::examine(&control.reach, findings).await else { return };
    let mut routes = Routes::new(control.routes.clone());
    if let Err(error) = routes.apply(&mut reached.connection, &mut reached.metadata).await {
        findings.bad("routes", chain(&error), hint::of_control(&error));
    }
    let mut publisher = Publisher::new(control.data_center.as_deref());
    let publication = publisher.on_metadata(reached.metadata.clone(), reached.address, false);
    let Some(publication) = publication else { return };
    let data_center = &publication.data_center;
    routes_of(&control.routes, &reached.metadata, findings);
    cluster::examine(given, &tls, &mut reached, data_center, findings).await;
    let mut targets = NodeChoice::default().local_targets(workers::candidates(&publication));
    targets.sort_by_key(|target| target.address);
    let agreement_ms = (given.limits.agreement_timeout_us / 1_000).min(AGREEMENT_MS_MAX);
    let pool = PoolKey::plain(credential);
    let dialer = assemble::dialer(given, &tls);
    nodes::examine(&dialer, &pool, &targets, agreement_ms, findings).await;
}

/// Where nodes are dialled instead of at their own addresses.
fn routes_of(settings: &RouteSettings, metadata: &ClusterMetadata, findings: &mut Findings) {
    let is_used = !settings.translations.is_empty() || !settings.connection_ids.is_empty();
    for row in metadata.hosts.iter().filter(|_| is_used) {
        let own = row.address.map_or_else(|| "?".to_owned(), |address| address.to_string());
        match row.route {
            Some(Route { address, port, .. }) => {
                let port = port.map(|port| format!(", port {port}")).unwrap_or_default();
                findings
                    .ok("routes", format!("{own} ({}) is dialled at {address}{port}", row.host));
            }
            None => {
                let text = format!("{own} ({}) has no route, and is dialled there", row.host);
                let hint = "add it to translate, or to the rows of system.client_routes under an id \
                           of client_routes; the log names those that do not resolve";
                findings.warn("routes", text, hint);
            }
        }
    }
}

//! The command: key, token, tablet or ring, nodes and shards.

use std::io::Write;
use std::net::SocketAddr;

use anyhow::{Context, bail};
use tokio::runtime::Builder;
use tokio::time::{Duration, timeout};

use crate::cli::args::{ExplainArgs, ExplainSubject};
use crate::cli::explain::explanation::{
    ExplainedReplica, Explanation, KeyPart, Placement, Routing,
};
use crate::cli::explain::tables::{ExplainedColumn, key_columns, tablet};
use crate::cli::explain::{key, statement};
use crate::config::load;
use crate::config::origin::Environment;
use crate::config::settings::TextMode;
use crate::connect::dialer::{connect, secure};
use crate::connect::handshake::ask_options;
use crate::connect::tls::node_tls::NodeTls;
use crate::control::contact::connection::ControlConnection;
use crate::control::contact::reach::reach;
use crate::control::tables::publication::Publisher;
use crate::control::tables::routes::Routes;
use crate::facade::console::table as console;
use crate::facade::tables::table_name::VirtualTableName;
use crate::routing::decision::Reason;
use crate::server::assemble;
use crate::server::rotation::Tls;
use crate::sockets::transport::Transport;
use crate::topology::node::Node;
use crate::topology::snapshot::{Keyspace, Snapshot};
use crate::upstream::lane::LANE_VERSION;
use cql::token::shard::Sharder;
use cql::token::token::Token;

/// Longest connect, and longest wait for what a node offers.
const NODE_TIMEOUT_MS: u64 = 3_000;

/// The reason of what is answered here; it is no decision of routing.
const LOCAL: &str = "local";

/// Connects as the proxy does, and prints where the row of a key or of a statement lives.
pub(crate) fn explain(
    args: &ExplainArgs,
    environment: Environment<'_>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let subject = args.subject()?;
    let given = args.settings.clone();
    let settings = load::load(given.by_key, given.config, environment).accept()?;
    let credential = assemble::credential(&settings).context("cannot read the password file")?;
    let tls = Tls::load(&settings)?;
    let control = assemble::control(&settings, credential, &tls, 0);
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let explanation = runtime.block_on(async {
        let mut reached = Box::pin(reach(&control.reach, &[], 0)).await?;
        let mut routes = Routes::new(control.routes);
        routes.apply(&mut reached.connection, &mut reached.metadata).await?;
        let publication =
            Publisher::new(None).on_metadata(reached.metadata, reached.address, false);
        let snapshot = publication.context("the node names no cluster")?.snapshot;
        let connection = &mut reached.connection;
        let is_here = |keyspace: &str, table: &str| {
            let is_console = keyspace == console::KEYSPACE
                && settings.console.enabled
                && snapshot.keyspace(keyspace).is_none();
            is_console || VirtualTableName::find(keyspace, table).is_some()
        };
        let mut explanation = match &subject {
            ExplainSubject::Key { keyspace, table, .. } if is_here(keyspace, table) => {
                of_local(keyspace.clone(), table.clone())
            }
            ExplainSubject::Key { keyspace, table, values } => {
                of_key(connection, &snapshot, keyspace, table, values).await?
            }
            ExplainSubject::Statement(text) => {
                let keyspace = args.keyspace.as_deref();
                let found =
                    Box::pin(statement::explain(connection, &snapshot, text, keyspace)).await?;
                match found.table {
                    Some((keyspace, table)) if is_here(&keyspace, &table) => {
                        of_local(keyspace, table)
                    }
                    table => Explanation { table, ..found },
                }
            }
        };
        Box::pin(place(connection, &snapshot, tls.nodes.as_deref(), &mut explanation)).await?;
        anyhow::Ok(explanation)
    })?;
    let explanation = as_configured(explanation, settings.text_mode);
    if args.json {
        writeln!(out, "{}", explanation.json())?;
    } else {
        explanation.print(out)?;
    }
    Ok(())
}

/// Says that a text is not read, where the settings say so.
fn as_configured(explanation: Explanation, mode: TextMode) -> Explanation {
    let off = |routing: Routing| match mode {
        TextMode::Route | TextMode::Execute => routing,
        TextMode::Off if routing.reason == LOCAL => routing,
        TextMode::Off => Routing {
            is_routed: false,
            reason: Reason::Text.label(),
            why: "any node: text.mode is off".to_owned(),
            ..routing
        },
    };
    Explanation { routing: explanation.routing.map(off), ..explanation }
}

/// Explains a table whose rows no node is asked for.
fn of_local(keyspace: String, table: String) -> Explanation {
    let routing = Routing {
        is_routed: false,
        reason: LOCAL,
        why: "no node: shardlane itself answers about this table".to_owned(),
        is_fixed: false,
    };
    let table = Some((keyspace, table));
    Explanation { table, routing: Some(routing), ..Explanation::default() }
}

/// Explains the key of a table.
async fn of_key(
    connection: &mut ControlConnection<Transport>,
    snapshot: &Snapshot,
    keyspace: &str,
    table: &str,
    values: &[String],
) -> anyhow::Result<Explanation> {
    let known = snapshot.keyspace(keyspace);
    let known = known.with_context(|| format!("there is no keyspace {keyspace}"))?;
    let columns = key_columns(connection, keyspace, table).await?;
    let cells = cells(keyspace, table, &columns, values)?;
    let partitioner = known
        .partitioner(table)
        .with_context(|| format!("{keyspace}.{table} has a partitioner that is not known here"))?;
    let (token, bytes) = key::locate(partitioner, &cells)?;
    let part = |(column, value): (ExplainedColumn, &String)| KeyPart {
        column: column.name,
        kind: column.kind,
        value: value.clone(),
    };
    Ok(Explanation {
        table: Some((keyspace.to_owned(), table.to_owned())),
        key: columns.into_iter().zip(values).map(part).collect(),
        bytes: Some(bytes),
        token: Some(token),
        ..Explanation::default()
    })
}

/// The key's cells; an error names the columns when their number is another.
fn cells(
    keyspace: &str,
    table: &str,
    columns: &[ExplainedColumn],
    keys: &[String],
) -> anyhow::Result<Vec<Vec<u8>>> {
    if columns.is_empty() {
        bail!("there is no table {keyspace}.{table}");
    }
    if columns.len() != keys.len() {
        let named: Vec<String> =
            columns.iter().map(|column| format!("{} {}", column.name, column.kind)).collect();
        bail!(
            "the partition key of {keyspace}.{table} is ({}): give {} values, not {}",
            named.join(", "),
            columns.len(),
            keys.len()
        );
    }
    let cell = |(column, key): (&ExplainedColumn, &String)| {
        key::cell(&column.kind, key).with_context(|| format!("column {}", column.name))
    };
    columns.iter().zip(keys).map(cell).collect()
}

/// Finds the replicas of the explanation's token.
async fn place(
    connection: &mut ControlConnection<Transport>,
    snapshot: &Snapshot,
    tls: Option<&NodeTls>,
    explanation: &mut Explanation,
) -> anyhow::Result<()> {
    let (Some((keyspace, table)), Some(token)) = (&explanation.table, explanation.token) else {
        return Ok(());
    };
    let Some(known) = snapshot.keyspace(keyspace) else { return Ok(()) };
    let (placement, replicas) = if known.tablets {
        match tablet(connection, keyspace, table, token).await? {
            Ok(found) => {
                let replica = |(host, shard): (_, i32)| {
                    let shard = u32::try_from(shard).map_err(|_| format!("shard {shard}"));
                    ExplainedReplica::of_host(snapshot, host, shard)
                };
                let replicas = found.replicas.into_iter().map(replica).collect();
                (Placement::Tablet { after: found.after, last: found.last }, replicas)
            }
            Err(why) => (Placement::UnknownTablet(why), Vec::new()),
        }
    } else {
        on_ring(snapshot, known, token, tls).await
    };
    explanation.placement = Some(placement);
    explanation.replicas = replicas;
    Ok(())
}

async fn on_ring(
    snapshot: &Snapshot,
    keyspace: &Keyspace,
    token: Token,
    tls: Option<&NodeTls>,
) -> (Placement, Vec<ExplainedReplica>) {
    let nodes = keyspace.ring.replicas(token);
    let range = keyspace.ring.range(token).filter(|_| !nodes.is_empty());
    let Some((after, last)) = range else { return (Placement::Nowhere, Vec::new()) };
    let mut replicas = Vec::new();
    for node in nodes.iter().filter_map(|id| snapshot.node(*id)) {
        replicas.push(ExplainedReplica::of(node, shard(node, token, tls).await));
    }
    (Placement::Ring(after, last), replicas)
}

/// Which shard of a node owns a token of the ring; each node is asked how many it has.
async fn shard(node: &Node, token: Token, tls: Option<&NodeTls>) -> Result<u32, String> {
    let address = SocketAddr::new(node.address, node.port);
    let asking = async {
        let stream = connect(address, NODE_TIMEOUT_MS).await?;
        let mut stream = secure(tls, stream, address, NODE_TIMEOUT_MS).await?;
        let supported = ask_options(&mut stream, LANE_VERSION).await;
        anyhow::Ok(supported.map_err(|error| error.at(address))?)
    };
    let supported = match timeout(Duration::from_millis(NODE_TIMEOUT_MS), asking).await {
        Ok(Ok(supported)) => supported,
        Ok(Err(error)) => return Err(format!("shard unknown ({error:#})")),
        Err(_) => return Err(format!("shard unknown (no answer within {NODE_TIMEOUT_MS} ms)")),
    };
    let Some(sharding) = supported.sharding else { return Err("without shards".to_owned()) };
    match Sharder::new(sharding.nr_shards, sharding.ignore_msb) {
        Ok(sharder) => Ok(u32::from(sharder.shard_of(token).0)),
        Err(error) => Err(format!("shard unknown ({error})")),
    }
}

//! The command: key, token, tablet or ring, nodes and shards, one line each.

use std::io::Write;
use std::net::SocketAddr;

use anyhow::{Context, bail};
use tokio::runtime::Builder;
use tokio::time::{Duration, timeout};

use crate::cli::args::{ExplainArgs, TableName};
use crate::cli::explain::key;
use crate::cli::explain::tables::{KeyColumn, key_columns, tablet};
use crate::config::load;
use crate::config::origin::Environment;
use crate::connect::dialer::{connect, secure};
use crate::connect::handshake::ask_options;
use crate::connect::node_tls::NodeTls;
use crate::control::reaching::connection::Connection;
use crate::control::reaching::reach::{Reached, reach};
use crate::control::tables::publication::Publisher;
use crate::control::tables::routes::Routes;
use crate::server::assemble;
use crate::server::rotation::Tls;
use crate::sockets::transport::Transport;
use crate::topology::node::Node;
use crate::topology::snapshot::{Keyspace, Snapshot};
use cql::token::partition_key::token_of;
use cql::token::shard::Sharder;
use cql::token::token::Token;

/// The protocol in which nodes are asked for their shards.
const VERSION: u8 = 4;
/// Longest connect, and longest wait for what a node offers.
const NODE_TIMEOUT_MS: u64 = 3_000;

/// Connects as the proxy does, and prints where the row of a key lives.
pub fn explain(
    args: &ExplainArgs,
    environment: Environment<'_>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let given = args.settings.clone();
    let settings = load::load(given.by_key, given.config, environment).accept()?;
    let credential = assemble::credential(&settings).context("cannot read the password file")?;
    let tls = Tls::load(&settings)?;
    let control = assemble::control(&settings, credential, &tls, 0);
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    runtime.block_on(async {
        let mut reached = Box::pin(reach(&control.reach, &[], 0)).await?;
        let mut routes = Routes::new(control.routes);
        routes.apply(&mut reached.connection, &mut reached.metadata).await?;
        Box::pin(print(args, reached, tls.nodes.as_deref(), out)).await
    })
}

async fn print(
    args: &ExplainArgs,
    reached: Reached,
    tls: Option<&NodeTls>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let Reached { address, mut connection, metadata, .. } = reached;
    let name = &args.table;
    let publication = Publisher::new(None).on_metadata(metadata, address, false);
    let snapshot = publication.context("the node names no cluster")?.snapshot;
    let keyspace = snapshot
        .keyspace(&name.keyspace)
        .with_context(|| format!("there is no keyspace {}", name.keyspace))?;
    let columns = key_columns(&mut connection, name).await?;
    let cells = cells(name, &columns, &args.keys)?;
    let partitioner = keyspace.partitioner(&name.table).with_context(|| {
        format!("{}.{} has a partitioner that is not known here", name.keyspace, name.table)
    })?;
    let mut composite = Vec::new();
    let token = token_of(partitioner, cells.iter().map(Vec::as_slice), &mut composite)?;
    let bytes = if let [cell] = cells.as_slice() { cell } else { &composite };
    let named = columns.iter().zip(&args.keys);
    let named: Vec<String> =
        named.map(|(column, key)| format!("{} {} = {key}", column.kind, column.name)).collect();
    writeln!(out, "table    {}.{}", name.keyspace, name.table)?;
    writeln!(out, "key      {}", named.join(", "))?;
    writeln!(out, "bytes    {}", key::hex(bytes))?;
    writeln!(out, "token    {}", token.value())?;
    if keyspace.tablets {
        print_tablet(&mut connection, &snapshot, name, token, out).await
    } else {
        print_ring(&snapshot, keyspace, token, tls, out).await
    }
}

/// The key's cells; an error names the columns when their number is another.
fn cells(
    table: &TableName,
    columns: &[KeyColumn],
    keys: &[String],
) -> anyhow::Result<Vec<Vec<u8>>> {
    if columns.len() != keys.len() {
        let columns: Vec<String> =
            columns.iter().map(|column| format!("{} {}", column.name, column.kind)).collect();
        bail!(
            "the partition key of {}.{} is ({}): give {} values, not {}",
            table.keyspace,
            table.table,
            columns.join(", "),
            columns.len(),
            keys.len()
        );
    }
    let cell = |(column, key): (&KeyColumn, &String)| {
        key::cell(&column.kind, key).with_context(|| format!("column {}", column.name))
    };
    columns.iter().zip(keys).map(cell).collect()
}

async fn print_tablet(
    connection: &mut Connection<Transport>,
    snapshot: &Snapshot,
    name: &TableName,
    token: Token,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let found = match tablet(connection, name, token).await? {
        Ok(found) => found,
        Err(why) => {
            writeln!(out, "tablet   unknown: {why}")?;
            writeln!(
                out,
                "replicas learned by the proxy, not read from here: a request that arrives"
            )?;
            writeln!(
                out,
                "         at a wrong shard is answered all the same, and its answer names"
            )?;
            writeln!(out, "         tablet, nodes and shards, so that the next ones go there")?;
            return Ok(());
        }
    };
    writeln!(out, "tablet   the one that ends with token {}", found.last)?;
    for (host, shard) in found.replicas {
        match snapshot.node_of(host) {
            Some(node) => print_replica(node, &format!("shard {shard}"), out)?,
            None => {
                writeln!(out, "replica  host {host} shard {shard}, which no table describes")?;
            }
        }
    }
    Ok(())
}

async fn print_ring(
    snapshot: &Snapshot,
    keyspace: &Keyspace,
    token: Token,
    tls: Option<&NodeTls>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let replicas = keyspace.ring.replicas(token);
    if replicas.is_empty() {
        writeln!(
            out,
            "ring     no replicas: each node has such a table for itself, or its replication is not known here"
        )?;
        return Ok(());
    }
    writeln!(out, "ring     replicas in ring order, the primary one first")?;
    for node in replicas.iter().filter_map(|id| snapshot.node(*id)) {
        print_replica(node, &shard(node, token, tls).await, out)?;
    }
    Ok(())
}

fn print_replica(node: &Node, shard: &str, out: &mut dyn Write) -> std::io::Result<()> {
    let address = SocketAddr::new(node.address, node.port);
    let (center, rack, host) = (&node.data_center, &node.rack, node.host);
    writeln!(out, "replica  {address} {shard} dc {center} rack {rack} host {host}")
}

/// Which shard of a node owns a token of the ring; each node is asked how many it has.
async fn shard(node: &Node, token: Token, tls: Option<&NodeTls>) -> String {
    let address = SocketAddr::new(node.address, node.port);
    let asking = async {
        let stream = connect(address, NODE_TIMEOUT_MS).await?;
        let mut stream = secure(tls, stream, address, NODE_TIMEOUT_MS).await?;
        anyhow::Ok(ask_options(&mut stream, VERSION).await?)
    };
    let supported = match timeout(Duration::from_millis(NODE_TIMEOUT_MS), asking).await {
        Ok(Ok(supported)) => supported,
        Ok(Err(error)) => return format!("shard unknown ({error:#})"),
        Err(_) => return format!("shard unknown (no answer within {NODE_TIMEOUT_MS} ms)"),
    };
    let Some(sharding) = supported.sharding else { return "without shards".to_owned() };
    match Sharder::new(sharding.nr_shards, sharding.ignore_msb) {
        Ok(sharder) => format!("shard {}", sharder.shard_of(token).0),
        Err(error) => format!("shard unknown ({error})"),
    }
}

//! Each node of the data center: every shard dialled as `run` would, clock and schema compared.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::cli::doctor::cluster::first_cell;
use crate::cli::doctor::finding::Findings;
use crate::connect::dial_error::{DialError, DialErrorAt};
use crate::connect::dialer::{Dialer, OpenedLane};
use crate::connect::handshake_budget::NodeGate;
use crate::connect::hint;
use crate::control::contact::connection::ControlConnection;
use crate::control::error::chain;
use crate::platform::clock;
use crate::pool::nodes::node_target::NodeTarget;
use crate::pool::pool_key::PoolKey;
use crate::pool::refill::lane_slots::Dial;
use crate::sockets::transport::Transport;
use crate::upstream::lane::LANE_VERSION;
use cql::token::shard::{ShardId, Sharder};
use cql::values::cell;

/// Longest wait for an answer to a question.
const QUERY_TIMEOUT_MS: u64 = 5_000;
/// A clock that is off by more makes the order of writes a matter of luck.
const SKEW_MAX_US: i64 = 500_000;
/// How shards are named where source ports do not arrive.
const PROXY_HEADER: &str = "PROXY header";
/// Nodes that are looked at in one go.
const NODES_AT_ONCE: usize = 8;
/// How long nodes that know different schemas are left to themselves before they are asked again.
const AGREEMENT_REST: Duration = Duration::from_millis(200);

/// What one node came to.
#[derive(Debug, Default)]
struct Checkup {
    findings: Findings,
    /// A connection that takes questions, if the node can be used.
    connection: Option<ControlConnection<Transport>>,
}

/// A connection that came to another shard than its source port names.
#[derive(Debug)]
struct Stray {
    source_port: u16,
    wanted: ShardId,
    found: ShardId,
}

/// Looks at every node of `targets`. Nodes that know different schemas have `agreement_ms` to agree.
pub(crate) async fn examine(
    dialer: &Dialer,
    pool: &PoolKey,
    targets: &[NodeTarget],
    agreement_ms: u64,
    findings: &mut Findings,
) {
    let mut nodes = Vec::new();
    for some in targets.chunks(NODES_AT_ONCE) {
        let mut running = JoinSet::new();
        for (index, target) in some.iter().enumerate() {
            let (dialer, pool, target) = (dialer.clone(), pool.clone(), *target);
            running
                .spawn(async move { (index, Box::pin(check_up(&dialer, &pool, &target)).await) });
        }
        let mut checkups = running.join_all().await;
        checkups.sort_by_key(|(index, _)| *index);
        for ((_, checkup), target) in checkups.into_iter().zip(some) {
            findings.append(checkup.findings);
            nodes.extend(checkup.connection.map(|connection| (*target, connection)));
        }
    }
    Box::pin(agreement(nodes, agreement_ms, findings)).await;
}

async fn check_up(dialer: &Dialer, pool: &PoolKey, target: &NodeTarget) -> Checkup {
    let mut checkup = Checkup::default();
    let gate = NodeGate::default();
    let lane = match dialer.open(target, &gate, pool, Dial::Any, 0).await {
        Ok(lane) => lane,
        Err(failed) => {
            let why = chain(&failed.error);
            let text = format!("{} cannot be used: {why}", target.address);
            checkup.findings.bad("node", text, hint::of_dial(&failed));
            return checkup;
        }
    };
    match lane.sharder {
        Some(sharder) => {
            shards(dialer, target, pool, &lane, sharder, &mut checkup.findings).await;
        }
        None => checkup.findings.ok("node", format!("{} answers, without shards", target.address)),
    }
    let mut connection =
        ControlConnection::new(lane.stream, target.address, LANE_VERSION, QUERY_TIMEOUT_MS);
    clock_skew(&mut connection, target, &mut checkup.findings).await;
    checkup.connection = Some(connection);
    checkup
}

/// Dials each shard from a source port that names it, and compares with what SUPPORTED says.
async fn shards(
    dialer: &Dialer,
    target: &NodeTarget,
    pool: &PoolKey,
    first: &OpenedLane,
    sharder: Sharder,
    findings: &mut Findings,
) {
    let settings = dialer.settings();
    let (address, nr_shards) = (target.address, sharder.nr_shards());
    let advertised = first.shard_aware_port.or(settings.shard_aware_port_default);
    let how = match settings.proxy_protocol_port {
        Some(_) => PROXY_HEADER,
        None => "source port",
    };
    let Some(port) = settings.shard_ports().port_of(target, advertised) else {
        let why = if settings.shard_aware {
            "its route leads to no other port"
        } else {
            "lanes.shard_aware_port is false"
        };
        let text =
            format!("{address} answers, {nr_shards} shards; not dialled one by one, for {why}");
        return findings.ok("node", text);
    };
    let gate = NodeGate::default();
    let mut reached = BTreeSet::new();
    let mut strays = Vec::new();
    // Kept until the end, as `run` keeps them.
    let mut lanes = Vec::new();
    for shard in (0..nr_shards.get()).map(ShardId) {
        // Another run soon after takes other ports than those that the kernel still remembers.
        let start = std::process::id();
        let dial = Dial::Shard { shard, sharder, port, start };
        match dialer.open(target, &gate, pool, dial, 0).await {
            Ok(lane) => {
                reached.insert(lane.shard.0);
                if lane.shard != shard {
                    strays.push(Stray {
                        source_port: source_port(&lane),
                        wanted: shard,
                        found: lane.shard,
                    });
                }
                lanes.push(lane);
            }
            Err(error) => return closed(target, how, port, &error, findings),
        }
    }
    if let Some(first) = strays.first() {
        return rewritten(target, how, first, strays.len(), findings);
    }
    let text = format!(
        "{address} answers, {} of {nr_shards} shards reached by {how} at port {port}",
        reached.len()
    );
    findings.ok("node", text);
    let verdict = match settings.proxy_protocol_port {
        Some(_) => "PROXY headers choose the shard, whatever happens to source ports",
        None => "source ports arrive as they were chosen: no address translation in between",
    };
    findings.ok("nat", format!("{address}: {verdict}"));
}

fn source_port(lane: &OpenedLane) -> u16 {
    let local = lane.stream.tcp().and_then(|stream| stream.local_addr().ok());
    local.map_or(0, |address| address.port())
}

/// Reports that `count` connections, `stray` the first, came to other shards than they named.
fn rewritten(target: &NodeTarget, how: &str, stray: &Stray, count: usize, findings: &mut Findings) {
    let address = target.address;
    let (from, wanted, found) = (stray.source_port, stray.wanted.0, stray.found.0);
    findings.ok("node", format!("{address} answers"));
    let text = format!(
        "{address}: {how} {from} came to shard {found} instead of {wanted} ({count} such): \
         something on the way rewrites source ports"
    );
    let hint = "connect without NAT or load balancer in between; or give the nodes a \
               native_shard_aware_transport_port_proxy_protocol and set lanes.proxy_protocol_port \
               to it; or accept to find shards by trial: lanes.shard_aware_port = false";
    findings.bad("nat", text, hint);
}

/// Reports that the port for connections that name their shard takes none.
fn closed(
    target: &NodeTarget,
    how: &str,
    port: u16,
    failed: &DialErrorAt,
    findings: &mut Findings,
) {
    let address = target.address;
    let why = chain(&failed.error);
    let text =
        format!("{address} answers, but shards cannot be dialled by {how} at port {port}: {why}");
    let hint = if let DialError::SourcePorts { .. } = failed.error {
        hint::of_dial(failed)
    } else {
        let setting = if how == PROXY_HEADER {
            "native_shard_aware_transport_port_proxy_protocol"
        } else {
            "native_shard_aware_transport_port"
        };
        format!(
            "let firewalls pass port {port} from here, and compare it with {setting} at the node; \
             or accept to find shards by trial: lanes.shard_aware_port = false"
        )
    };
    findings.bad("node", text, hint);
}

/// Compares the node's clock with ours, taking the middle of the question for its moment.
async fn clock_skew(
    connection: &mut ControlConnection<Transport>,
    target: &NodeTarget,
    findings: &mut Findings,
) {
    let asked_us = clock::unix_us();
    let query = "SELECT toTimestamp(now()) FROM system.local WHERE key = 'local'";
    let Ok(message) = connection.query(query).await else { return };
    let answered_us = clock::unix_us();
    let Some(theirs_ms) = first_cell(&message).and_then(|cell| cell::bigint(&cell).ok()) else {
        return;
    };
    let ours_us = asked_us + (answered_us - asked_us) / 2;
    let skew_us = theirs_ms.saturating_mul(1_000).saturating_sub(ours_us);
    // Neither is known better than to the time that the question took, and a millisecond.
    let known_to_us = (answered_us - asked_us) / 2 + 1_000;
    let (address, skew_ms) = (target.address, skew_us / 1_000);
    if skew_us.saturating_abs() > SKEW_MAX_US + known_to_us {
        let text = format!("{address}: its clock differs from ours by {skew_ms} ms");
        let hint = "keep both clocks by NTP (chronyc tracking): drivers stamp writes by the clock \
                   of this machine, nodes by theirs, and the later stamp wins";
        findings.warn("clock", text, hint);
    } else {
        findings.ok("clock", format!("{address}: within {} ms of ours", skew_ms.abs() + 1));
    }
}

/// Asks all nodes for the version of their schema until it is the same everywhere.
async fn agreement(
    mut nodes: Vec<(NodeTarget, ControlConnection<Transport>)>,
    patience_ms: u64,
    findings: &mut Findings,
) {
    let until_ms = clock::now_ms().saturating_add(patience_ms);
    let groups = loop {
        let mut groups: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
        for (target, connection) in &mut nodes {
            let query = "SELECT schema_version FROM system.local WHERE key = 'local'";
            let answer = connection.query(query).await.ok();
            if let Some(version) = answer.and_then(|message| first_cell(&message)) {
                groups.entry(version).or_default().push(target.address.to_string());
            }
        }
        if groups.len() < 2 || clock::now_ms() >= until_ms {
            break groups;
        }
        sleep(AGREEMENT_REST).await;
    };
    match groups.len() {
        0 => {}
        1 => findings.ok("schema", "all nodes that answer have the same"),
        count => {
            let groups: Vec<String> = groups.values().map(|nodes| nodes.join(", ")).collect();
            let text = format!("{count} different versions: {}", groups.join(" | "));
            let hint = "look again in a minute; if it stays, restart the nodes of the smaller group \
                       (nodetool describecluster shows them)";
            findings.bad("schema", text, hint);
        }
    }
}

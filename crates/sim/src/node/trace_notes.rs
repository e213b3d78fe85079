//! The events of a trace: which node and shard did what, in the server's words.

use std::net::{IpAddr, Ipv4Addr};

use crate::cluster::cluster::Cluster;
use crate::cluster::life::member::Member;
use crate::cluster::replicas::consistency::required;
use crate::cluster::replicas::tablets::Replica;
use crate::cluster::traces::Trace;
use crate::node::connection::Connection;
use cql::consistency::Consistency;
use cql::opcode::Opcode;

/// Opens the trace `id` of a request whose body has `request_size` bytes, and which came
/// `started_micros` µs after 1970.
pub(crate) fn begin(
    cluster: &mut Cluster,
    connection: &Connection,
    id: [u8; 16],
    opcode: Opcode,
    request_size: usize,
    started_micros: i64,
) {
    let coordinator = address(&cluster.members, connection.node);
    let request = match opcode {
        Opcode::Prepare => "Preparing CQL3 query",
        Opcode::Execute => "Execute CQL3 prepared query",
        Opcode::Batch => "Execute batch of CQL3 queries",
        Opcode::Query
        | Opcode::Error
        | Opcode::Startup
        | Opcode::Ready
        | Opcode::Authenticate
        | Opcode::Options
        | Opcode::Supported
        | Opcode::Result
        | Opcode::Register
        | Opcode::Event
        | Opcode::AuthChallenge
        | Opcode::AuthResponse
        | Opcode::AuthSuccess => "Execute CQL3 query",
    };
    cluster.traces.begin(Trace {
        id,
        client: connection.peer.ip(),
        coordinator,
        shard: connection.shard,
        request,
        username: connection.user.clone().unwrap_or_else(|| "anonymous".to_owned()),
        started_micros,
        request_size,
        response_size: 0,
        parameters: Vec::new(),
        events: Vec::new(),
    });
}

/// Notes how a read reaches its replicas: as many as the consistency level wants, first the
/// coordinator's own.
pub(crate) fn read(
    cluster: &mut Cluster,
    connection: &Connection,
    replicas: &[Replica],
    token: i64,
    level: Consistency,
) {
    let coordinator = address(&cluster.members, connection.node);
    let mut targets = living(&cluster.members, replicas);
    targets.sort_by_key(|(node, _)| *node != connection.node);
    targets.truncate(required(level, replicas.len()).max(1));
    let all = addresses(&cluster.members, replicas);
    let chosen = addresses(&cluster.members, &targets);
    cluster.traces.note(format!(
        "Creating read executor for token {token} with all: {{{all}}} targets: {{{chosen}}} repair \
         decision: NONE"
    ));
    for (node, shard) in targets {
        let place = (address(&cluster.members, node), shard);
        let traces = &mut cluster.traces;
        let is_local = node == connection.node;
        if is_local {
            traces.note("read_data: querying locally");
        } else {
            traces.note(format!("read_data: sending a message to /{}", place.0));
            traces.note_at(place, format!("read_data: message received from /{coordinator}"));
        }
        traces.note_at(place, format!("Start querying singular range {{{token}}}"));
        traces.note_at(place, "Querying is done");
        if !is_local {
            let text = format!("read_data handling is done, sending a response to /{coordinator}");
            traces.note_at(place, text);
            traces.note(format!("read_data: got response from /{}", place.0));
        }
    }
}

/// Notes how a write reaches every replica that is up.
pub(crate) fn write(
    cluster: &mut Cluster,
    connection: &Connection,
    replicas: &[Replica],
    token: i64,
) {
    let coordinator = address(&cluster.members, connection.node);
    let all = addresses(&cluster.members, replicas);
    let text =
        format!("Creating write handler for token: {token} natural: {{{all}}} pending: {{}}");
    cluster.traces.note(text);
    for (node, shard) in living(&cluster.members, replicas) {
        let place = (address(&cluster.members, node), shard);
        let traces = &mut cluster.traces;
        if node == connection.node {
            traces.note("Executing a mutation locally");
            traces.note_at(place, "Applying a mutation");
        } else {
            traces.note(format!("Sending a mutation to /{}", place.0));
            traces.note_at(place, format!("Message received from /{coordinator}"));
            traces.note_at(place, format!("Sending mutation_done to /{coordinator}"));
            traces.note(format!("Got a response from /{}", place.0));
        }
    }
}

fn living(members: &[Member], replicas: &[Replica]) -> Vec<Replica> {
    let answers = |node: usize| members.get(node).is_some_and(Member::answers);
    replicas.iter().copied().filter(|(node, _)| answers(*node)).collect()
}

fn address(members: &[Member], node: usize) -> IpAddr {
    members.get(node).map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |member| member.address)
}

fn addresses(members: &[Member], replicas: &[Replica]) -> String {
    let texts = replicas.iter().map(|(node, _)| address(members, *node).to_string());
    texts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;

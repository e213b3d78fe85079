//! Compares a request with the replicas of its partition: counts it, refuses it if too few are up,
//! or adds the tablet to its answer.

use std::time::Duration;

use crate::cluster::cluster::Cluster;
use crate::cluster::replicas::consistency::{self, Verdict, judge};
use crate::cluster::replicas::layout::is_system;
use crate::cluster::requests::{Arrival, Source};
use crate::node::connection::Connection;
use crate::node::frames::refusal::{Operation, PROTOCOL, Refusal};
use crate::node::frames::tablet_payload;
use crate::node::trace_notes;
use crate::store::plans::prepared::{Prepared, StatementKind};
use cql::consistency::Consistency;
use cql::notation::Value;
use cql::token::partitioner::Partitioner;

/// How a statement came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// By QUERY.
    Text,
    /// By EXECUTE.
    Prepared,
    /// As a child of a BATCH, with the type of the batch.
    Child(u8),
}

/// Checks one statement. Returns the payload of its answer if the client negotiated the extension,
/// the table has tablets, the whole partition key is bound, and the request came to a shard that is
/// no replica of the tablet.
pub(crate) fn check(
    cluster: &mut Cluster,
    connection: &Connection,
    prepared: &Prepared,
    form: Form,
    values: &[Value<'_>],
    level: Consistency,
) -> Result<Option<Vec<u8>>, Refusal> {
    if let Consistency::Unknown(code) = level {
        let text = format!("Unknown code {code} for a consistency level");
        return Err(Refusal::new(PROTOCOL, text));
    }
    let Some((keyspace, table)) = &prepared.table else { return Ok(None) };
    if is_system(keyspace) || !is_data(prepared.kind) {
        return Ok(None);
    }
    let Some(key) = prepared.partition_key(values) else {
        if let Some(layout) = cluster.layout.table_mut(keyspace, table) {
            layout.requests.unkeyed += 1;
        }
        return Ok(None);
    };
    let token = Partitioner::Murmur3.token(&key).value();
    let (ring, members) = (&cluster.ring, &cluster.members);
    let Some(place) = cluster.layout.locate(keyspace, table, token, ring, members) else {
        return Ok(None);
    };
    let arrival = Arrival::judge(&place.replicas, connection.node, connection.shard);
    let bound = prepared.may_report_tablet();
    let asks = connection.extensions.tablets_v1 && bound && !matches!(form, Form::Child(_));
    let payload = match (place.tablet, arrival) {
        (Some((first, last)), Arrival::WrongShard | Arrival::NonReplica) if asks => {
            Some(tablet_payload::value(first, last, &place.replicas, members))
        }
        (Some(_) | None, _) => None,
    };
    let center = members.get(connection.node).map_or("", |member| member.data_center.as_str());
    let verdict = judge(level, &place.replicas, center, members);
    let source = match form {
        Form::Prepared if bound => Source::Routable,
        Form::Text => Source::Text,
        Form::Prepared | Form::Child(_) => Source::Other,
    };
    if cluster.traces.is_open() {
        cluster.traces.parameter("consistency_level", consistency::name(level));
        match (verdict, operation(prepared, form)) {
            (Verdict::Enough, Operation::Read) => {
                trace_notes::read(cluster, connection, &place.replicas, token, level);
            }
            (Verdict::Enough, Operation::Write(_)) => {
                trace_notes::write(cluster, connection, &place.replicas, token);
            }
            (Verdict::Unavailable { .. } | Verdict::TimesOut { .. }, _) => {}
        }
    }
    let has_payload = payload.is_some() && verdict == Verdict::Enough;
    if let Some(layout) = cluster.layout.table_mut(keyspace, table) {
        layout.requests.count(source, arrival, has_payload);
    }
    let operation = operation(prepared, form);
    match verdict {
        Verdict::Enough => Ok(payload),
        Verdict::Unavailable { required, alive } => {
            Err(Refusal::unavailable(level, required, alive))
        }
        Verdict::TimesOut { required, answering } => {
            let wait = match operation {
                Operation::Read => cluster.options.timeouts.0,
                Operation::Write(_) => cluster.options.timeouts.1,
            };
            let wait = wait.max(Duration::from_nanos(1));
            let refusal = Refusal::timeout(operation, keyspace, table, level, answering, required);
            Err(Refusal { wait, ..refusal })
        }
    }
}

/// Whether a statement reads or writes rows.
fn is_data(kind: StatementKind) -> bool {
    match kind {
        StatementKind::Select | StatementKind::Modification | StatementKind::Batch => true,
        StatementKind::Schema
        | StatementKind::Truncate
        | StatementKind::Use
        | StatementKind::Describe
        | StatementKind::Grant => false,
    }
}

fn operation(prepared: &Prepared, form: Form) -> Operation {
    match (prepared.kind, form) {
        (StatementKind::Select, _) => Operation::Read,
        (_, _) if prepared.lwt => Operation::Write("CAS"),
        (_, Form::Child(1)) => Operation::Write("UNLOGGED_BATCH"),
        (_, Form::Child(2)) => Operation::Write("COUNTER"),
        (_, Form::Child(_)) | (StatementKind::Batch, _) => Operation::Write("BATCH"),
        (_, Form::Text | Form::Prepared) => Operation::Write("SIMPLE"),
    }
}

#[cfg(test)]
mod tests;

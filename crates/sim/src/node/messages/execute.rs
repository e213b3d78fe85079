//! QUERY, PREPARE and EXECUTE.

use std::sync::Arc;
use std::time::Duration;

use crate::cluster::cluster::Cluster;
use crate::cluster::statements::Statement;
use crate::cluster::system_rows::View;
use crate::node::connection::Connection;
use crate::node::frames::answer::Answer;
use crate::node::frames::event::Event;
use crate::node::frames::refusal::{INVALID, Refusal, SERVER};
use crate::node::frames::result;
use crate::node::frames::result::Description;
use crate::node::messages::grant;
use crate::node::messages::rights;
use crate::node::replicas::{Form, check};
use crate::store::execution::outcome::{Outcome, SchemaChange};
use crate::store::plans::prepared::Prepared;
use crate::store::plans::request::Request;
use cql::notation::{Reader, Value};
use cql::opcode::Opcode;
use cql::request::parameters::{Options, Parameters, SKIP_METADATA, Values};
use cql::request::prepare as wire_prepare;
use cql::request::query::Query;

/// A flag of protocol v5 that v4 does not know.
const UNKNOWN_FLAG: u8 = 0x80;

/// Answers QUERY.
pub(crate) fn query(
    cluster: &mut Cluster,
    connection: &mut Connection,
    body: &[u8],
    now: Duration,
) -> Result<Answer, Refusal> {
    let query = Query::read(body)?;
    let statement = find(cluster, connection, query.text)?;
    run(cluster, connection, &statement, Form::Text, &query.parameters, None, now)
}

/// Answers PREPARE: the statement is then prepared on every shard of the node, on no other node.
pub(crate) fn prepare(
    cluster: &mut Cluster,
    connection: &Connection,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let text = wire_prepare::Prepare::read(body)?.text;
    let statement = find(cluster, connection, text)?;
    if let Some(member) = cluster.members.get_mut(connection.node) {
        member.keep(&statement);
    }
    let body = result::prepared(&statement, connection, cluster.options.like);
    Ok(Answer::new(Opcode::Result, body))
}

/// Answers EXECUTE.
pub(crate) fn execute(
    cluster: &mut Cluster,
    connection: &mut Connection,
    body: &[u8],
    now: Duration,
) -> Result<Answer, Refusal> {
    let mut reader = Reader::new(body);
    let id = reader.short_bytes()?;
    let metadata_id = match connection.extensions.metadata_id {
        true => Some(reader.short_bytes()?),
        false => None,
    };
    let statement = recall(cluster, connection, id)?;
    let parameters = Parameters::read(&mut reader)?;
    run(cluster, connection, &statement, Form::Prepared, &parameters, metadata_id, now)
}

/// The statement with this text, unless the node has not heard of its table yet.
pub(crate) fn find(
    cluster: &mut Cluster,
    connection: &Connection,
    text: &str,
) -> Result<Arc<Statement>, Refusal> {
    cluster.traces.parameter("query", text);
    cluster.traces.note("Parsing a statement");
    let statement = cluster.statement(text, connection.keyspace.as_deref())?;
    if let (Some((keyspace, table)), Some(member)) =
        (&statement.prepared.table, cluster.members.get(connection.node))
        && let Some(text) = cluster.history.hides(member.schema_seen, keyspace, table)
    {
        return Err(Refusal::new(INVALID, text));
    }
    Ok(statement)
}

/// The statement that was prepared on this shard.
pub(crate) fn recall(
    cluster: &mut Cluster,
    connection: &Connection,
    id: &[u8],
) -> Result<Arc<Statement>, Refusal> {
    let member = cluster.members.get_mut(connection.node);
    let member = member.ok_or_else(|| Refusal::new(SERVER, "no such node"))?;
    let Some(statement) = member.statement(connection.shard, id) else {
        return Err(Refusal::unprepared(id));
    };
    let statement = Arc::clone(statement);
    cluster.traces.parameter("query", &statement.prepared.text);
    if !cluster.database.is_current(&statement.prepared) {
        member.forget(None, &statement.id);
        return Err(Refusal::unprepared(id));
    }
    Ok(statement)
}

fn run(
    cluster: &mut Cluster,
    connection: &mut Connection,
    statement: &Statement,
    form: Form,
    parameters: &Parameters<'_>,
    metadata_id: Option<&[u8]>,
    now: Duration,
) -> Result<Answer, Refusal> {
    if parameters.flags & UNKNOWN_FLAG != 0 {
        return Err(Refusal::new(SERVER, "Bit mask contains invalid enumeration indices."));
    }
    let options = parameters.options()?;
    let prepared = &statement.prepared;
    let values = bind(prepared, parameters.values, connection)?;
    cluster.traces.note("Processing a statement");
    if let Some(grant) = prepared.grant() {
        return grant::run(cluster, connection, grant);
    }
    rights::check(cluster, connection, prepared)?;
    let tablet = check(cluster, connection, prepared, form, &values, parameters.consistency)?;
    let serial = parameters.consistency.is_serial();
    let outcome = on_database(cluster, connection, &options, serial, now, |database, request| {
        database.execute(prepared, &values, request)
    })?;
    let changed = metadata_id.filter(|id| **id != statement.metadata_id);
    let how = Description {
        like: cluster.options.like,
        skip: parameters.flags & SKIP_METADATA != 0,
        changed: changed.map(|_| statement.metadata_id),
    };
    let mut answer = conclude(cluster, connection, outcome, how, now);
    cluster.traces.note("Done processing - preparing a result");
    answer.tablet = tablet;
    Ok(answer)
}

/// Calls the database with the parameters of a request and the state of the node.
pub(crate) fn on_database<T>(
    cluster: &mut Cluster,
    connection: &Connection,
    options: &Options<'_>,
    serial: bool,
    now: Duration,
    call: impl FnOnce(&mut crate::store::database::Database, &Request<'_>) -> T,
) -> T {
    let now_micros = cluster.wall_micros(now);
    let view = View {
        members: &cluster.members,
        layout: &cluster.layout,
        connections: &cluster.connections,
        columns: &cluster.columns,
        client_routes: &cluster.client_routes,
        traces: &cluster.traces,
        like: cluster.options.like,
        name: &cluster.options.name,
        seed: cluster.options.seed,
        asking: connection,
    };
    let request = Request {
        keyspace: connection.keyspace.as_deref(),
        page_size: options.page_size,
        paging_state: options.paging_state,
        timestamp_micros: options.timestamp_micros,
        now_micros,
        serial,
        system: &view,
    };
    call(&mut cluster.database, &request)
}

/// Turns the database's outcome into an answer, and applies its effects on connection and cluster.
pub(crate) fn conclude(
    cluster: &mut Cluster,
    connection: &mut Connection,
    outcome: Outcome,
    how: Description,
    now: Duration,
) -> Answer {
    let mut before = Vec::new();
    let body = match outcome {
        Outcome::Void => result::void(),
        Outcome::Rows(rows) => result::rows(&rows, how),
        Outcome::SetKeyspace(keyspace) => {
            let body = result::set_keyspace(&keyspace);
            connection.keyspace = Some(keyspace);
            body
        }
        Outcome::SchemaChange(changes) => {
            let body = changes.first().map_or_else(result::void, result::schema_change);
            // The real server sends the event before the result, on the connection that asked.
            announce(cluster, connection, changes, now, &mut before);
            body
        }
    };
    let side = cluster.database.take_side_changes();
    if !side.is_empty() {
        announce(cluster, connection, side, now, &mut before);
    }
    Answer { before, ..Answer::new(Opcode::Result, body) }
}

/// Sends events of schema changes to all clients that registered; those for this connection go to
/// `before`.
fn announce(
    cluster: &mut Cluster,
    connection: &Connection,
    changes: Vec<SchemaChange>,
    now: Duration,
    before: &mut Vec<u8>,
) {
    for event in changes.iter().map(Event::Schema) {
        if event.is_for(connection) {
            before.extend(event.frame_for(connection));
        }
    }
    cluster.on_schema_changed(connection.node, connection.id, changes, now);
}

/// Puts values in the order of the bind variables.
pub(crate) fn bind<'a>(
    prepared: &Prepared,
    values: Values<'a>,
    connection: &Connection,
) -> Result<Vec<Value<'a>>, Refusal> {
    let expected = prepared.bind.len();
    let received = usize::from(values.count());
    if received != expected && !(values.named() && received > expected) {
        let missing = || values.named().then(|| missing(prepared, values)).flatten();
        let text = missing().unwrap_or_else(|| {
            format!("Invalid amount of bind variables: expected {expected} received {received}")
        });
        return Err(Refusal::new(INVALID, text));
    }
    let old = connection.version == Some(3);
    let read = |value: Value<'a>| match value {
        Value::Unset if old => Value::Null,
        Value::Null | Value::Unset | Value::Bytes(_) => value,
    };
    if !values.named() {
        return values.iter().map(|item| Ok(read(item?.value))).collect();
    }
    let mut given = Vec::with_capacity(received);
    for item in values.iter() {
        given.push(item?);
    }
    let of = |name: &str| given.iter().find(|given| given.name == Some(name));
    let bound = prepared.bind.iter().map(|column| match of(&column.name) {
        Some(given) => Ok(read(given.value)),
        None => {
            let name = &column.name;
            Err(Refusal::new(INVALID, format!("Missing value for bind marker with name: {name}")))
        }
    });
    let bound = bound.collect::<Result<Vec<_>, _>>()?;
    if received > expected {
        let text =
            format!("Invalid amount of bind variables: expected {expected} received {received}");
        return Err(Refusal::new(INVALID, text));
    }
    Ok(bound)
}

/// The refusal's text for the first variable without a value.
fn missing(prepared: &Prepared, values: Values<'_>) -> Option<String> {
    let given: Vec<&str> = values.iter().filter_map(|item| item.ok()?.name).collect();
    let missing = prepared.bind.iter().find(|column| !given.contains(&column.name.as_str()))?;
    Some(format!("Missing value for bind marker with name: {}", missing.name))
}

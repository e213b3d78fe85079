//! BATCH.

use std::sync::Arc;
use std::time::Duration;

use crate::cluster::cluster::Cluster;
use crate::cluster::statements::Statement;
use crate::node::connection::Connection;
use crate::node::frames::answer::Answer;
use crate::node::frames::refusal::Refusal;
use crate::node::frames::result::Description;
use crate::node::messages::execute::{bind, conclude, find, on_database, recall};
use crate::node::messages::rights;
use crate::node::replicas::{Form, check};
use crate::store::plans::prepared::Prepared;
use cql::notation::Value;
use cql::request::batch::{Batch, ChildStatement};
use cql::request::parameters::Options;

/// Answers BATCH. If an id is unknown, the whole batch is refused with the first such id.
pub(crate) fn batch(
    cluster: &mut Cluster,
    connection: &mut Connection,
    body: &[u8],
    now: Duration,
) -> Result<Answer, Refusal> {
    let batch = Batch::read(body)?;
    let tail = batch.tail()?;
    let mut statements: Vec<(Arc<Prepared>, Vec<Value<'_>>)> = Vec::new();
    for child in batch.children() {
        let child = child?;
        let statement: Arc<Statement> = match child.statement {
            ChildStatement::Text(text) => find(cluster, connection, text)?,
            ChildStatement::Prepared(id) => recall(cluster, connection, id)?,
        };
        let values = bind(&statement.prepared, child.values, connection)?;
        statements.push((Arc::clone(&statement.prepared), values));
    }
    for (prepared, _) in &statements {
        rights::check(cluster, connection, prepared)?;
    }
    for (prepared, values) in &statements {
        check(cluster, connection, prepared, Form::Child(batch.kind), values, tail.consistency)?;
    }
    let options = Options { timestamp_micros: tail.timestamp_micros, ..Options::default() };
    let outcome = on_database(cluster, connection, &options, false, now, |database, request| {
        database.execute_batch(&statements, request)
    })?;
    let how = Description { like: cluster.options.like, skip: false, changed: None };
    Ok(conclude(cluster, connection, outcome, how, now))
}

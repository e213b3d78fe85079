//! Prepares and runs statements over one logical database.

use std::sync::Arc;

use crate::sim::cql::error::CqlError;
use crate::sim::like::Like;
use crate::sim::store::outcome::Outcome;
use crate::sim::store::prepared::Prepared;
use crate::sim::store::request::Request;
use crate::sim::store::schema::Schema;
use crate::wire::notation::Value;

/// Schema and rows of the whole cluster.
#[derive(Debug)]
pub struct Database {
    schema: Schema,
}

impl Database {
    /// A database with the system tables of the imitated server, and nothing else.
    #[must_use]
    pub fn new(_like: Like) -> Self {
        Self { schema: Schema::default() }
    }

    /// Parses `text` and checks it against the schema; `keyspace` is the one in `USE`.
    pub fn prepare(&self, text: &str, _keyspace: Option<&str>) -> Result<Arc<Prepared>, CqlError> {
        Err(CqlError::syntax(format!("line 1:0 no viable alternative at input '{text}'")))
    }

    /// Whether `prepared` still fits the schema; a node answers UNPREPARED (0x2500) when not.
    #[must_use]
    pub fn is_current(&self, _prepared: &Prepared) -> bool {
        true
    }

    /// Runs a statement; `values` stand in the order of `prepared.bind`.
    pub fn execute(
        &mut self,
        _prepared: &Prepared,
        _values: &[Value<'_>],
        _request: &Request<'_>,
    ) -> Result<Outcome, CqlError> {
        Ok(Outcome::Void)
    }

    /// Runs the children of a BATCH together, or none of them.
    pub fn execute_batch(
        &mut self,
        _children: &[(Arc<Prepared>, Vec<Value<'_>>)],
        _request: &Request<'_>,
    ) -> Result<Outcome, CqlError> {
        Ok(Outcome::Void)
    }

    /// The schema.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }
}

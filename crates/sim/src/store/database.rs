//! Prepares and runs statements over one logical database.

use std::cell::Cell;
use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

use crate::cql::ast;
use crate::cql::ast::Statement;
use crate::cql::error::CqlError;
use crate::cql::function::Moment;
use crate::cql::parser::statement;
use crate::like::Like;
use crate::store::data::rows::TableRows;
use crate::store::definitions::definition;
use crate::store::definitions::paxos_table;
use crate::store::definitions::schema::Schema;
use crate::store::definitions::schema::Table;
use crate::store::definitions::setting::Racks;
use crate::store::definitions::setting::Setting;
use crate::store::definitions::system_tables;
use crate::store::describe::describe;
use crate::store::execution::apply;
use crate::store::execution::outcome::Outcome;
use crate::store::execution::outcome::SchemaChange;
use crate::store::plans::bind::Binder;
use crate::store::plans::insert_json;
use crate::store::plans::modify::Condition;
use crate::store::plans::modify::ModifyPlan;
use crate::store::plans::prepared::BatchPlan;
use crate::store::plans::prepared::Plan;
use crate::store::plans::prepared::Prepared;
use crate::store::plans::prepared::StatementKind;
use crate::store::plans::request::Request;
use crate::store::plans::select::SelectPlan;
use cql::notation::Value;
use cql::values::column_type::ColumnType;

/// Schema and rows of the whole cluster.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) like: Like,
    pub(crate) schema: Schema,
    /// By table id.
    pub(crate) rows: HashMap<[u8; 16], TableRows>,
    /// What `replication_factor` stands for.
    pub(crate) datacenters: Vec<String>,
    /// The racks of each data center; empty when they are unknown.
    pub(crate) racks: Racks,
    /// Changes of the schema that statements other than schema statements caused.
    side_changes: Vec<SchemaChange>,
    /// Counts uuids and list elements.
    serial: u64,
    /// The last timestamp that the server chose itself.
    last_timestamp: i64,
}

impl Database {
    /// A database with the system tables of the imitated server, and nothing else.
    #[must_use]
    pub(crate) fn new(like: Like) -> Self {
        Self {
            like,
            schema: system_tables::schema(like),
            rows: HashMap::new(),
            datacenters: vec!["datacenter1".to_owned()],
            racks: Racks::new(),
            side_changes: Vec::new(),
            serial: 1,
            last_timestamp: 0,
        }
    }

    /// Sets the data centers, which `replication_factor` stands for.
    #[must_use]
    pub(crate) fn with_datacenters(mut self, datacenters: Vec<String>) -> Self {
        self.datacenters = datacenters;
        self
    }

    /// The schema.
    #[must_use]
    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Whether `prepared` still fits the schema; a node answers UNPREPARED (0x2500) when not.
    #[must_use]
    pub(crate) fn is_current(&self, prepared: &Prepared) -> bool {
        prepared.tables().into_iter().all(|table| {
            let now = self.schema.table(&table.keyspace, &table.name);
            now.is_some_and(|now| (now.id, now.version) == (table.id, table.version))
        })
    }

    /// Parses `text` and checks it against the schema; `keyspace` is the one in `USE`.
    pub(crate) fn prepare(
        &self,
        text: &str,
        keyspace: Option<&str>,
    ) -> Result<Arc<Prepared>, CqlError> {
        let parsed = statement::parse(text)?;
        let mut binder = Binder::new(&self.schema, &parsed.markers);
        let mut table = None;
        let mut pk_indexes = Vec::new();
        let mut result = Vec::new();
        let mut lwt = false;
        let (kind, plan) = match parsed.statement {
            Statement::Select(select) => {
                let on = self.schema.find(&select.table, keyspace)?;
                let plan = SelectPlan::new(&mut binder, on, &select, self.like)?;
                table = Some(Arc::clone(on));
                pk_indexes = plan.restrictions.pk_indexes(on);
                result = plan.columns();
                (StatementKind::Select, Plan::Select(Box::new(plan)))
            }
            Statement::Modify(modify) => {
                let plan = self.plan_modify(&mut binder, &modify, keyspace)?;
                table = Some(Arc::clone(&plan.table));
                pk_indexes = plan.restrictions.pk_indexes(&plan.table);
                lwt = plan.condition != Condition::Always;
                result = apply::condition_columns(&[&plan]);
                (StatementKind::Modification, Plan::Modify(Box::new(plan)))
            }
            Statement::Batch(batch) => {
                let plan = self.plan_batch(&mut binder, &batch, keyspace)?;
                let same = |other: &ModifyPlan| {
                    plan.children.first().is_some_and(|first| first.table.id == other.table.id)
                };
                if let Some(last) = plan.children.last().filter(|_| plan.children.iter().all(same))
                {
                    pk_indexes = last.restrictions.pk_indexes(&last.table);
                    table = Some(Arc::clone(&last.table));
                }
                result = apply::condition_columns(&plan.children.iter().collect::<Vec<_>>());
                (StatementKind::Batch, Plan::Batch(plan))
            }
            Statement::Ddl(ddl) => (StatementKind::Schema, Plan::Ddl(ddl)),
            Statement::Truncate(name) => {
                let on = Arc::clone(self.schema.find(&name, keyspace)?);
                (StatementKind::Truncate, Plan::Truncate(on))
            }
            Statement::Use(name) => (StatementKind::Use, Plan::Use(name)),
            Statement::Describe(describe) => {
                result = describe::columns(&describe);
                (StatementKind::Describe, Plan::Describe(describe))
            }
            Statement::Grant(grant) => (StatementKind::Grant, Plan::Grant(grant)),
        };
        Ok(Arc::new(Prepared {
            text: text.to_owned(),
            keyspace: keyspace.map(str::to_owned),
            kind,
            table: table.map(|table: Arc<Table>| (table.keyspace.clone(), table.name.clone())),
            bind: binder.specs(),
            pk_indexes,
            result,
            lwt,
            plan,
        }))
    }

    fn plan_modify(
        &self,
        binder: &mut Binder<'_>,
        modify: &ast::Modify,
        keyspace: Option<&str>,
    ) -> Result<ModifyPlan, CqlError> {
        let table = self.schema.find(&modify.table, keyspace)?;
        if let ast::Action::InsertJson { json: ast::Term::Text(text), default_unset } =
            &modify.action
        {
            let expanded = insert_json::expand(table, modify, text, *default_unset)?;
            return ModifyPlan::new(binder, table, &expanded, self.like);
        }
        ModifyPlan::new(binder, table, modify, self.like)
    }

    fn plan_batch(
        &self,
        binder: &mut Binder<'_>,
        batch: &ast::Batch,
        keyspace: Option<&str>,
    ) -> Result<BatchPlan, CqlError> {
        let stamp = batch.using.timestamp.as_ref();
        let timestamp = binder.maybe(stamp, "[timestamp]", ColumnType::Bigint)?;
        let children = batch.children.iter().map(|c| self.plan_modify(binder, c, keyspace));
        let children = children.collect::<Result<Vec<_>, _>>()?;
        if batch.kind == ast::BatchKind::Counter
            && children.iter().any(|child| !child.table.is_counter())
        {
            return Err(CqlError::invalid(
                "Cannot include non-counter statement in a counter batch",
            ));
        }
        Ok(BatchPlan { children, timestamp })
    }

    /// Runs a statement; `values` stand in the order of `prepared.bind`.
    ///
    /// A statement that no longer fits the schema is prepared anew from its text first.
    pub(crate) fn execute(
        &mut self,
        prepared: &Prepared,
        values: &[Value<'_>],
        request: &Request<'_>,
    ) -> Result<Outcome, CqlError> {
        if !self.is_current(prepared) {
            let fresh = self.prepare(&prepared.text, prepared.keyspace.as_deref())?;
            return self.execute_current(&fresh, values, request);
        }
        self.execute_current(prepared, values, request)
    }

    fn execute_current(
        &mut self,
        prepared: &Prepared,
        values: &[Value<'_>],
        request: &Request<'_>,
    ) -> Result<Outcome, CqlError> {
        check_count(prepared, values)?;
        let moment = self.moment(request);
        let outcome = self.run(prepared, values, request, &moment);
        self.serial = moment.serial.get();
        outcome
    }

    /// Runs the children of a BATCH together, or none of them.
    pub(crate) fn execute_batch(
        &mut self,
        children: &[(Arc<Prepared>, Vec<Value<'_>>)],
        request: &Request<'_>,
    ) -> Result<Outcome, CqlError> {
        let mut fresh = Vec::new();
        for (child, _) in children {
            fresh.push(match self.is_current(child) {
                true => Arc::clone(child),
                false => self.prepare(&child.text, child.keyspace.as_deref())?,
            });
        }
        let mut plans = Vec::new();
        for (child, (_, values)) in fresh.iter().zip(children) {
            check_count(child, values)?;
            let Plan::Modify(plan) = &child.plan else {
                return Err(CqlError::invalid(
                    "Invalid statement in batch: only UPDATE, INSERT and DELETE statements are \
                     allowed.",
                ));
            };
            plans.push((plan.as_ref(), values.as_slice()));
        }
        let moment = self.moment(request);
        let outcome = self.run_batch(&plans, None, request, &moment);
        self.serial = moment.serial.get();
        outcome
    }

    fn moment(&self, request: &Request<'_>) -> Moment {
        Moment { now_micros: request.now_micros, serial: Cell::new(self.serial) }
    }

    /// A timestamp of the server's own, greater than any before.
    pub(crate) fn timestamp(&mut self, now_micros: i64) -> i64 {
        self.last_timestamp = now_micros.max(self.last_timestamp.saturating_add(1));
        self.last_timestamp
    }

    /// The first light-weight transaction on a table with tablets creates the table for them.
    pub(crate) fn ensure_paxos(&mut self, table: &Table, moment: &Moment) -> Result<(), CqlError> {
        let keyspace = self.schema.keyspaces.get(&table.keyspace);
        let has_tablets = keyspace.is_some_and(|keyspace| keyspace.tablets.is_some());
        let name = paxos_table::name_of(&table.name);
        if !has_tablets || self.schema.table(&table.keyspace, &name).is_some() {
            return Ok(());
        }
        let setting = Setting {
            like: self.like,
            used: None,
            id: moment.time_uuid(),
            now_micros: moment.now_micros,
            datacenters: &self.datacenters,
            racks: &self.racks,
            internal: true,
        };
        let parsed = statement::parse(&paxos_table::create_statement(table))?;
        if let Statement::Ddl(ddl) = parsed.statement {
            self.side_changes.extend(definition::run(&mut self.schema, &ddl, setting)?);
        }
        Ok(())
    }

    /// Changes of the schema that the last statements caused beside their results.
    pub(crate) fn take_side_changes(&mut self) -> Vec<SchemaChange> {
        std::mem::take(&mut self.side_changes)
    }

    /// Deletes the rows of tables that were dropped.
    pub(crate) fn forget_dropped(&mut self) {
        let tables = self.schema.keyspaces.values().flat_map(|keyspace| keyspace.tables.values());
        let ids: HashSet<[u8; 16]> = tables.map(|table| table.id).collect();
        self.rows.retain(|id, _| ids.contains(id));
    }
}

fn check_count(prepared: &Prepared, values: &[Value<'_>]) -> Result<(), CqlError> {
    if values.len() == prepared.bind.len() {
        return Ok(());
    }
    Err(CqlError::invalid(format!(
        "Invalid amount of bind variables: expected {} received {}",
        prepared.bind.len(),
        values.len()
    )))
}

#[cfg(test)]
mod tests;

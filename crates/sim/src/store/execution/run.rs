//! Runs each kind of prepared statement.

use std::borrow::Cow;

use crate::cql::ast;
use crate::cql::error::CqlError;
use crate::cql::expression::Expr;
use crate::cql::expression::Inputs;
use crate::cql::function::Moment;
use crate::like::Like;
use crate::store::data::rows::TableRows;
use crate::store::database::Database;
use crate::store::definitions::definition;
use crate::store::definitions::schema;
use crate::store::definitions::schema::Table;
use crate::store::definitions::setting::Setting;
use crate::store::definitions::system_schema;
use crate::store::definitions::view_definition;
use crate::store::describe::describe;
use crate::store::execution::apply;
use crate::store::execution::apply::Ready;
use crate::store::execution::filter;
use crate::store::execution::outcome::Outcome;
use crate::store::execution::outcome::Rows;
use crate::store::execution::select::Page;
use crate::store::plans::bind::Binder;
use crate::store::plans::insert_json;
use crate::store::plans::modify::Condition;
use crate::store::plans::modify::ModifyPlan;
use crate::store::plans::prepared::Plan;
use crate::store::plans::prepared::Prepared;
use crate::store::plans::request::Request;
use crate::store::plans::select::SelectPlan;
use cql::notation::Value;

impl Database {
    /// Runs a statement that fits the schema.
    pub(crate) fn run(
        &mut self,
        prepared: &Prepared,
        values: &[Value<'_>],
        request: &Request<'_>,
        moment: &Moment,
    ) -> Result<Outcome, CqlError> {
        match &prepared.plan {
            Plan::Select(plan) => {
                self.refuse_lwt(&plan.table, request.serial)?;
                if request.serial {
                    self.ensure_paxos(&plan.table, moment)?;
                }
                let inputs = Inputs { values, moment };
                let rows = self.rows_of(plan, request, inputs);
                let page = Page { size: request.page_size, state: request.paging_state };
                plan.run(&rows, inputs, page).map(Outcome::Rows)
            }
            Plan::Modify(plan) => self.run_batch(&[(plan.as_ref(), values)], None, request, moment),
            Plan::Batch(batch) => {
                let children: Vec<_> = batch.children.iter().map(|child| (child, values)).collect();
                self.run_batch(&children, batch.timestamp.as_ref(), request, moment)
            }
            Plan::Ddl(ddl) => {
                let setting = Setting {
                    like: self.like,
                    used: prepared.keyspace.as_deref().or(request.keyspace),
                    id: moment.time_uuid(),
                    now_micros: request.now_micros,
                    datacenters: &self.datacenters,
                    racks: &self.racks,
                    internal: false,
                };
                let changes = definition::run(&mut self.schema, ddl, setting)?;
                if changes.is_empty() {
                    return Ok(Outcome::Void);
                }
                self.forget_dropped();
                Ok(Outcome::SchemaChange(changes))
            }
            Plan::Truncate(table) => {
                if table.view.is_some() {
                    return Err(CqlError::invalid(
                        "Cannot TRUNCATE materialized view directly; must truncate base table \
                         instead",
                    ));
                }
                self.rows.remove(&table.id);
                Ok(Outcome::Void)
            }
            Plan::Use(name) => {
                if !self.schema.keyspaces.contains_key(name) {
                    return Err(CqlError::invalid(format!("Keyspace '{name}' does not exist")));
                }
                Ok(Outcome::SetKeyspace(name.clone()))
            }
            Plan::Describe(describe) => {
                let setting = describe::Setting {
                    like: self.like,
                    used: request.keyspace,
                    cluster: request.system.cluster_name(),
                };
                describe::run(&self.schema, describe, setting).map(Outcome::Rows)
            }
            // The node runs these: roles are not the database's.
            Plan::Grant(_) => Err(CqlError::Unauthorized(
                "You have to be logged in and not anonymous to perform this request".to_owned(),
            )),
        }
    }

    /// 6.2 has no light-weight transactions on tablets.
    fn refuse_lwt(&self, table: &Table, conditional: bool) -> Result<(), CqlError> {
        let keyspace = self.schema.keyspaces.get(&table.keyspace);
        let tablets = keyspace.is_some_and(|keyspace| keyspace.tablets.is_some());
        if self.like == Like::V6_2 && conditional && tablets {
            return Err(CqlError::invalid(format!(
                "Cannot use LightWeight Transactions for table {}.{}: LWT is not yet supported \
                 with tablets",
                table.keyspace, table.name
            )));
        }
        Ok(())
    }

    /// The rows that a SELECT reads: stored ones, or computed ones of views and system tables. Those of
    /// thousands of tables are not made to show one.
    fn rows_of<'a>(
        &'a self,
        plan: &SelectPlan,
        request: &Request<'_>,
        inputs: Inputs<'_>,
    ) -> Cow<'a, TableRows> {
        let table = &plan.table;
        if let Some(view) = &table.view {
            let now = request.now_micros.div_euclid(1_000_000);
            let made = self.schema.table(&table.keyspace, &view.base).and_then(|base| {
                Some(view_definition::rows(table, base, self.rows.get(&base.id)?, now))
            });
            return Cow::Owned(made.unwrap_or_default());
        }
        let fixed = |position| filter::fixed(&plan.restrictions, table, position, inputs);
        let made = match table.keyspace.as_str() {
            "system_schema" => {
                let (keyspaces, names) = (fixed(0), fixed(1));
                Some(system_schema::rows(
                    &self.schema,
                    table,
                    keyspaces.as_deref(),
                    names.as_deref(),
                ))
            }
            keyspace if schema::is_system(keyspace) => {
                request.system.rows(keyspace, &table.name, fixed(0).as_deref())
            }
            _ => None,
        };
        let stored = self.rows.get(&table.id);
        let Some(made) = made else {
            return stored.map_or_else(|| Cow::Owned(TableRows::default()), Cow::Borrowed);
        };
        let mut rows = stored.cloned().unwrap_or_default();
        for cells in made {
            view_definition::put(&mut rows, table, &cells);
        }
        Cow::Owned(rows)
    }

    /// Runs modifications together: all conditions hold, or nothing is written.
    pub(crate) fn run_batch(
        &mut self,
        children: &[(&ModifyPlan, &[Value<'_>])],
        stamp: Option<&Expr>,
        request: &Request<'_>,
        moment: &Moment,
    ) -> Result<Outcome, CqlError> {
        let mut plans = Vec::new();
        for (plan, values) in children {
            plans.push((self.expanded(plan, values, moment)?, *values));
        }
        let conditional = plans.iter().any(|(plan, _)| plan.condition != Condition::Always);
        for (plan, _) in &plans {
            self.refuse_lwt(&plan.table, conditional)?;
        }
        let values = plans.first().map_or(&[] as &[Value<'_>], |(_, values)| values);
        let own = match stamp {
            Some(expr) => expr.evaluate(Inputs { values, moment })?.bytes(),
            None => None,
        };
        let own = own.and_then(|b| b.first_chunk::<8>().map(|b| i64::from_be_bytes(*b)));
        if request.timestamp_micros == Some(i64::MIN) {
            return Err(CqlError::Protocol(format!(
                "Out of bound timestamp, must be in [{}, {}] (got {})",
                -i64::MAX,
                i64::MAX,
                i64::MIN
            )));
        }
        let given = own.or_else(|| request.timestamp_micros.filter(|_| !conditional));
        let timestamp = match given {
            Some(given) => given,
            None => self.timestamp(request.now_micros),
        };
        let mut ready = Vec::new();
        for (plan, values) in &plans {
            ready.push((plan, Ready::new(plan, Inputs { values, moment }, timestamp)?));
        }
        let mut answer = Outcome::Void;
        if conditional {
            let plans: Vec<&ModifyPlan> = plans.iter().map(|(plan, _)| plan.as_ref()).collect();
            for plan in &plans {
                self.ensure_paxos(&plan.table, moment)?;
            }
            let (applied, rows) = self.judge(&plans, &ready)?;
            answer = Outcome::Rows(rows);
            if !applied {
                return Ok(answer);
            }
        }
        for (plan, ready) in &ready {
            let serial = i64::try_from(moment.serial.get()).unwrap_or(i64::MAX);
            moment.serial.set(moment.serial.get().wrapping_add(1));
            ready.write(self.rows.entry(plan.table.id).or_default(), serial)?;
        }
        Ok(answer)
    }

    /// Evaluates all conditions, which must be about one partition.
    fn judge(
        &self,
        plans: &[&ModifyPlan],
        ready: &[(&Cow<'_, ModifyPlan>, Ready<'_>)],
    ) -> Result<(bool, Rows), CqlError> {
        let Some((first, ready_first)) = ready.first() else {
            return Ok((true, Rows::default()));
        };
        for (plan, ready) in ready {
            if plan.table.id != first.table.id {
                return Err(CqlError::invalid("BATCH with conditions cannot span multiple tables"));
            }
            if ready.partitions != ready_first.partitions {
                return Err(CqlError::invalid(
                    "BATCH with conditions cannot span multiple partitions",
                ));
            }
        }
        let columns = apply::shown(plans);
        let empty = TableRows::default();
        let rows = self.rows.get(&first.table.id).unwrap_or(&empty);
        let mut judged = Vec::new();
        for (_, ready) in ready {
            judged.push(ready.judge(rows, &columns)?);
        }
        let applied = judged.iter().all(|(holds, _)| *holds);
        let rows = judged
            .into_iter()
            .map(|(_, row)| std::iter::once(Some(vec![u8::from(applied)])).chain(row).collect());
        let columns = apply::result_columns(first, &columns);
        Ok((applied, Rows { columns, rows: rows.collect(), paging_state: None }))
    }

    /// An INSERT JSON of a bind variable becomes the INSERT that it stands for.
    fn expanded<'p>(
        &self,
        plan: &'p ModifyPlan,
        values: &[Value<'_>],
        moment: &Moment,
    ) -> Result<Cow<'p, ModifyPlan>, CqlError> {
        let Some((expr, default_unset)) = &plan.json else {
            return Ok(Cow::Borrowed(plan));
        };
        let Some(bytes) = expr.evaluate(Inputs { values, moment })?.bytes() else {
            return Err(CqlError::invalid("Got null for INSERT JSON values"));
        };
        let condition = match plan.condition {
            Condition::NotExists => ast::Condition::NotExists,
            Condition::Always | Condition::Exists | Condition::Tests(_) => ast::Condition::Always,
        };
        let modify = ast::Modify {
            table: ast::Name { keyspace: None, name: plan.table.name.clone() },
            action: ast::Action::Insert { columns: Vec::new(), values: Vec::new() },
            using: ast::Using::default(),
            relations: Vec::new(),
            condition,
        };
        let text = String::from_utf8_lossy(&bytes);
        let modify = insert_json::expand(&plan.table, &modify, &text, *default_unset)?;
        let mut binder = Binder::new(&self.schema, &[]);
        let mut expanded = ModifyPlan::new(&mut binder, &plan.table, &modify, self.like)?;
        expanded.timestamp.clone_from(&plan.timestamp);
        expanded.ttl.clone_from(&plan.ttl);
        Ok(Cow::Owned(expanded))
    }
}

//! A statement that was parsed and checked against the schema.

use std::cell::Cell;
use std::sync::Arc;

use crate::cql::ast::Ddl;
use crate::cql::ast::Describe;
use crate::cql::ast::Grant;
use crate::cql::expression::Inputs;
use crate::cql::function::Moment;
use crate::store::definitions::column_spec::ColumnSpec;
use crate::store::definitions::schema::Table;
use crate::store::execution::filter;
use crate::store::plans::modify::ModifyPlan;
use crate::store::plans::restriction::Restrictions;
use crate::store::plans::select::SelectPlan;
use cql::notation::Value;

/// Kinds of statements that a node treats differently.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum StatementKind {
    /// SELECT.
    Select,
    /// INSERT, UPDATE, DELETE.
    Modification,
    /// BEGIN … APPLY BATCH as text.
    Batch,
    /// CREATE, ALTER, DROP.
    Schema,
    /// TRUNCATE.
    Truncate,
    /// USE.
    Use,
    /// DESCRIBE.
    Describe,
    /// GRANT, REVOKE.
    Grant,
}

/// How a statement is run.
#[derive(Debug)]
pub(crate) enum Plan {
    Select(Box<SelectPlan>),
    Modify(Box<ModifyPlan>),
    Batch(BatchPlan),
    Ddl(Box<Ddl>),
    Truncate(Arc<Table>),
    Use(String),
    Describe(Describe),
    Grant(Grant),
}

/// A batch given as text.
#[derive(Debug)]
pub(crate) struct BatchPlan {
    /// What it does, in order.
    pub(crate) children: Vec<ModifyPlan>,
    /// `USING TIMESTAMP` of the whole.
    pub(crate) timestamp: Option<crate::cql::expression::Expr>,
}

/// A statement that was parsed and checked against the schema.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The text as sent.
    pub text: String,
    /// The keyspace that was in `USE` when it was prepared.
    pub keyspace: Option<String>,
    /// What it does.
    pub kind: StatementKind,
    /// The one table it works on: keyspace, name.
    pub table: Option<(String, String)>,
    /// The bind variables, in order.
    pub bind: Vec<ColumnSpec>,
    /// For each component of the partition key its bind variable; empty unless all are bound.
    pub pk_indexes: Vec<u16>,
    /// Result metadata of a SELECT or a conditional modification; empty for everything else.
    pub result: Vec<ColumnSpec>,
    /// Whether it is a conditional modification: bit 31 of the flags of the bind metadata.
    pub lwt: bool,
    pub(crate) plan: Plan,
}

impl Prepared {
    /// The serialized partition key, when the statement names exactly one partition, whether by
    /// bind variables or by literals.
    #[must_use]
    pub(crate) fn partition_key(&self, values: &[Value<'_>]) -> Option<Vec<u8>> {
        match &self.plan {
            Plan::Select(plan) => one_key(&plan.restrictions, &plan.table, values),
            Plan::Modify(plan) => one_key(&plan.restrictions, &plan.table, values),
            Plan::Batch(batch) => {
                let mut keys =
                    batch.children.iter().map(|c| one_key(&c.restrictions, &c.table, values));
                let first = keys.next()??;
                keys.all(|key| key.as_ref() == Some(&first)).then_some(first)
            }
            Plan::Ddl(_)
            | Plan::Truncate(_)
            | Plan::Use(_)
            | Plan::Describe(_)
            | Plan::Grant(_) => None,
        }
    }

    /// Whether its answer may carry the tablet of its partition: all components of the partition
    /// key are bound, and it names one partition.
    #[must_use]
    pub(crate) fn may_report_tablet(&self) -> bool {
        match self.kind {
            StatementKind::Select | StatementKind::Modification => !self.pk_indexes.is_empty(),
            StatementKind::Batch
            | StatementKind::Schema
            | StatementKind::Truncate
            | StatementKind::Use
            | StatementKind::Describe
            | StatementKind::Grant => false,
        }
    }

    /// The tables it was checked against.
    pub(crate) fn tables(&self) -> Vec<&Arc<Table>> {
        match &self.plan {
            Plan::Select(plan) => vec![&plan.table],
            Plan::Modify(plan) => vec![&plan.table],
            Plan::Batch(batch) => batch.children.iter().map(|child| &child.table).collect(),
            Plan::Truncate(table) => vec![table],
            Plan::Ddl(_) | Plan::Use(_) | Plan::Describe(_) | Plan::Grant(_) => Vec::new(),
        }
    }

    /// The GRANT or REVOKE that it is.
    pub(crate) fn grant(&self) -> Option<&Grant> {
        if let Plan::Grant(grant) = &self.plan { Some(grant) } else { None }
    }
}

fn one_key(restrictions: &Restrictions, table: &Table, values: &[Value<'_>]) -> Option<Vec<u8>> {
    if !restrictions.tests.iter().all(|test| test.is_pure()) {
        return None;
    }
    let moment = Moment { now_micros: 0, serial: Cell::new(0) };
    let inputs = Inputs { values, moment: &moment };
    let mut named = filter::partitions(restrictions, table, inputs).ok()??;
    let ((_, key), _) = named.pop()?;
    named.is_empty().then_some(key)
}

//! SELECT: checked when prepared, run against rows.

use std::sync::Arc;

use crate::cql::ast;
use crate::cql::error::CqlError;
use crate::cql::expression::Expr;
use crate::cql::expression::Inputs;
use crate::cql::values::json;
use crate::like::Like;
use crate::store::data::rows::TableRows;
use crate::store::data::rows::View;
use crate::store::definitions::column_spec::ColumnSpec;
use crate::store::definitions::schema::Table;
use crate::store::execution::aggregate::Tally;
use crate::store::execution::outcome::Rows;
use crate::store::execution::scan;
use crate::store::execution::scan::Limits;
use crate::store::plans::bind::Binder;
use crate::store::plans::pick;
use crate::store::plans::pick::Output;
use crate::store::plans::pick::Pick;
use crate::store::plans::restriction::Restrictions;
use crate::store::plans::restriction::Subject;
use cql::column_type::ColumnType;

/// A SELECT that was checked against its table.
#[derive(Clone, Debug)]
pub(crate) struct SelectPlan {
    pub(crate) table: Arc<Table>,
    pub(crate) restrictions: Restrictions,
    outputs: Vec<Output>,
    json: bool,
    pub(crate) distinct: bool,
    pub(crate) reversed: bool,
    group_by: Vec<usize>,
    limit: Option<Expr>,
    per_partition_limit: Option<Expr>,
}

/// Page size and where the last page ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page<'a> {
    pub(crate) size: Option<i32>,
    pub(crate) state: Option<&'a [u8]>,
}

/// What rows of one group have in common.
type GroupKey = Vec<Option<Vec<u8>>>;

impl SelectPlan {
    /// Checks a SELECT.
    pub(crate) fn new(
        binder: &mut Binder<'_>,
        table: &Arc<Table>,
        select: &ast::Select,
        like: Like,
    ) -> Result<Self, CqlError> {
        binder.enter(table);
        let outputs = pick::outputs(binder, table, select)?;
        let restrictions = Restrictions::bind(binder, table, &select.relations, like)?;
        let filtered = restrictions.needs_filtering(table) && !restrictions.uses_index(table);
        if filtered && !select.allow_filtering {
            return Err(CqlError::invalid(
                "Cannot execute this query as it might involve data filtering and thus may have \
                 unpredictable performance. If you want to execute this query despite the \
                 performance unpredictability, use ALLOW FILTERING",
            ));
        }
        let reversed = reversed(table, &restrictions, &select.order_by)?;
        let positions = select
            .group_by
            .iter()
            .map(|name| crate::store::plans::restriction::position(table, name));
        let group_by = positions.collect::<Result<_, _>>()?;
        let per_partition = select.per_partition_limit.as_ref();
        let per_partition_limit = binder.maybe(per_partition, "[limit]", ColumnType::Int)?;
        let limit = binder.maybe(select.limit.as_ref(), "[limit]", ColumnType::Int)?;
        binder.maybe(select.timeout.as_ref(), "[timeout]", ColumnType::Duration)?;
        Ok(Self {
            table: Arc::clone(table),
            restrictions,
            outputs,
            json: select.json,
            distinct: select.distinct,
            reversed,
            group_by,
            limit,
            per_partition_limit,
        })
    }

    /// Result metadata.
    pub(crate) fn columns(&self) -> Vec<ColumnSpec> {
        let spec = |name: &str, column_type: &ColumnType| ColumnSpec {
            keyspace: self.table.keyspace.clone(),
            table: self.table.name.clone(),
            name: name.to_owned(),
            column_type: column_type.clone(),
        };
        if self.json {
            return vec![spec("[json]", &ColumnType::Varchar)];
        }
        self.outputs.iter().map(|output| spec(&output.name, &output.column_type)).collect()
    }

    /// Whether it reads partitions rather than rows.
    pub(crate) fn partitions_only(&self) -> bool {
        self.distinct
    }

    /// Whether a partition with static cells and no rows is a row of the result.
    pub(crate) fn shows_statics(&self) -> bool {
        let key_len = self.table.partition_len + self.table.clustering_len;
        let clustering = self.table.partition_len..key_len;
        !self.restrictions.tests.iter().any(|test| match &test.subject {
            Subject::Column(at) | Subject::Element(at, _) => clustering.contains(at),
            Subject::Columns(_) => true,
            Subject::Token => false,
        })
    }

    /// Runs it.
    pub(crate) fn run(
        &self,
        rows: &TableRows,
        inputs: Inputs<'_>,
        page: Page<'_>,
    ) -> Result<Rows, CqlError> {
        let limits = Limits {
            rows: limit(self.limit.as_ref(), inputs)?,
            per_partition: limit(self.per_partition_limit.as_ref(), inputs)?,
            page: page.size.filter(|size| *size > 0),
        };
        let aggregates = self.outputs.iter().any(|output| output.pick.is_aggregate());
        if aggregates || !self.group_by.is_empty() {
            return self.run_groups(rows, inputs, limits);
        }
        let mut out = Vec::new();
        let paging_state = scan::scan(self, rows, inputs, limits, page.state, |view| {
            let cells = self.outputs.iter().map(|output| output.pick.of(view, &self.table, inputs));
            out.push(self.shown(cells.collect::<Result<_, _>>()?));
            Ok(())
        })?;
        let paging_state = paging_state.map(|state| state.encode());
        Ok(Rows { columns: self.columns(), rows: out, paging_state })
    }

    /// One row, as JSON if that was asked for.
    fn shown(&self, cells: Vec<Option<Vec<u8>>>) -> Vec<Option<Vec<u8>>> {
        if !self.json {
            return cells;
        }
        let pairs = self.outputs.iter().zip(&cells).map(|(output, cell)| {
            let value = json::text(&output.column_type, cell.as_deref());
            format!("{}: {value}", json::quote(&output.name))
        });
        let text = format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "));
        vec![Some(text.into_bytes())]
    }

    /// Aggregates over groups of rows; without GROUP BY there is one group, even of no rows.
    fn run_groups(
        &self,
        rows: &TableRows,
        inputs: Inputs<'_>,
        limits: Limits,
    ) -> Result<Rows, CqlError> {
        let group_limit = limits.rows;
        let limits = Limits { rows: None, per_partition: limits.per_partition, page: None };
        let fresh = || vec![Tally::default(); self.outputs.len()];
        let mut groups: Vec<(GroupKey, Vec<Tally>)> = Vec::new();
        if self.group_by.is_empty() {
            groups.push((Vec::new(), fresh()));
        }
        scan::scan(self, rows, inputs, limits, None, |view| {
            let key = self.group_key(view);
            if groups.last().is_none_or(|(last, _)| *last != key) {
                groups.push((key, fresh()));
            }
            let Some((_, tallies)) = groups.last_mut() else {
                return Ok(());
            };
            for (tally, output) in tallies.iter_mut().zip(&self.outputs) {
                let value = output.pick.of(view, &self.table, inputs)?;
                tally.add(&source_type(output), value);
            }
            Ok(())
        })?;
        let rows =
            groups.into_iter().take(group_limit.unwrap_or(usize::MAX)).map(|(_, tallies)| {
                let cells = tallies.into_iter().zip(&self.outputs).map(|(tally, output)| {
                    match &output.pick {
                        Pick::Aggregate(aggregate, from, _) => tally.result(*aggregate, from),
                        Pick::Column(_)
                        | Pick::WriteTime(_)
                        | Pick::TimeToLive(_)
                        | Pick::Token
                        | Pick::Value(_)
                        | Pick::Call(..)
                        | Pick::Field(..)
                        | Pick::Element(..) => tally.first(),
                    }
                });
                self.shown(cells.collect())
            });
        Ok(Rows { columns: self.columns(), rows: rows.collect(), paging_state: None })
    }

    fn group_key(&self, view: &View<'_>) -> GroupKey {
        let column = |at: &usize| self.table.columns.get(*at).map(|column| view.value(*at, column));
        self.group_by.iter().filter_map(column).collect()
    }
}

/// The type of what an aggregate adds up.
fn source_type(output: &Output) -> ColumnType {
    if let Pick::Aggregate(_, from, _) = &output.pick {
        return from.clone();
    }
    output.column_type.clone()
}

fn limit(expr: Option<&Expr>, inputs: Inputs<'_>) -> Result<Option<usize>, CqlError> {
    let Some(expr) = expr else {
        return Ok(None);
    };
    let Some(bytes) = expr.evaluate(inputs)?.bytes() else {
        return Ok(None);
    };
    let limit = bytes.first_chunk::<4>().map_or(0, |bytes| i32::from_be_bytes(*bytes));
    match usize::try_from(limit) {
        Ok(limit) if limit > 0 => Ok(Some(limit)),
        _ => Err(CqlError::invalid("LIMIT must be strictly positive")),
    }
}

/// Whether ORDER BY asks for the reverse of the clustering order.
fn reversed(
    table: &Table,
    restrictions: &Restrictions,
    order_by: &[(String, bool)],
) -> Result<bool, CqlError> {
    if order_by.is_empty() {
        return Ok(false);
    }
    if !restrictions.fixes_partition(table) {
        return Err(CqlError::invalid(
            "ORDER BY is only supported when the partition key is restricted by an EQ or an IN.",
        ));
    }
    let mut wanted = None;
    let mut clustering = table.clustering().iter();
    for (name, descending) in order_by {
        if table.position(name).is_none() {
            return Err(CqlError::invalid(format!("Unrecognized name {name}")));
        }
        // Columns fixed by = may be left out.
        let column = clustering.find(|column| {
            let position = table.position(&column.name).unwrap_or(usize::MAX);
            column.name == *name || restrictions.fixing(position).is_none()
        });
        let Some(column) = column.filter(|column| column.name == *name) else {
            return Err(CqlError::invalid(format!(
                "Order by is currently only supported on the clustered columns of the PRIMARY \
                 KEY, got {name}"
            )));
        };
        let turned = column.descending != *descending;
        if wanted.is_some_and(|wanted| wanted != turned) {
            return Err(CqlError::invalid("Unsupported order by relation"));
        }
        wanted = Some(turned);
    }
    Ok(wanted.unwrap_or(false))
}

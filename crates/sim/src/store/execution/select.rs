//! SELECT, run against rows.

use crate::cql::error::CqlError;
use crate::cql::expression::Expr;
use crate::cql::expression::Inputs;
use crate::cql::values::json;
use crate::store::data::rows::TableRows;
use crate::store::data::rows::View;
use crate::store::execution::aggregate::Tally;
use crate::store::execution::outcome::Rows;
use crate::store::execution::scan;
use crate::store::execution::scan::Limits;
use crate::store::plans::pick::Output;
use crate::store::plans::pick::Pick;
use crate::store::plans::select::SelectPlan;
use cql::values::column_type::ColumnType;

/// Page size and where the last page ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page<'a> {
    pub(crate) size: Option<i32>,
    pub(crate) state: Option<&'a [u8]>,
}

/// What rows of one group have in common.
type GroupKey = Vec<Option<Vec<u8>>>;

impl SelectPlan {
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

//! Modifications at run time: conditions judged, cells written.

use crate::cql::error::CqlError;
use crate::cql::expression::Evaluated;
use crate::cql::expression::Expr;
use crate::cql::expression::Inputs;
use crate::cql::values::sort_key;
use crate::store::data::cell::Cells;
use crate::store::data::key;
use crate::store::data::rows::NamedPartition;
use crate::store::data::rows::Partition;
use crate::store::data::rows::Slice;
use crate::store::data::rows::TableRows;
use crate::store::data::rows::View;
use crate::store::definitions::column_spec::ColumnSpec;
use crate::store::definitions::schema::Column;
use crate::store::definitions::schema::ColumnKind;
use crate::store::execution::collect;
use crate::store::execution::collect::Stamp;
use crate::store::execution::filter;
use crate::store::execution::filter::Computed;
use crate::store::plans::modify::Condition;
use crate::store::plans::modify::ModifyKind;
use crate::store::plans::modify::ModifyPlan;
use crate::store::plans::modify::Operation;
use crate::store::plans::restriction::Subject;
use cql::values::column_type::ColumnType;

/// Twenty years: the longest time to live.
const TTL_MAX: i32 = 20 * 365 * 24 * 60 * 60;
/// How far ahead of now a timestamp may be: three days.
const AHEAD_MAX_MICROS: i64 = 3 * 24 * 60 * 60 * 1_000_000;

/// A cell of the result of a conditional modification.
pub(crate) type ResultRow = Vec<Option<Vec<u8>>>;

/// A modification with its values computed, ready to be judged and written.
#[derive(Debug)]
pub(crate) struct Ready<'p> {
    plan: &'p ModifyPlan,
    inputs: Inputs<'p>,
    pub(crate) partitions: Vec<NamedPartition>,
    /// Sort keys and values of the rows that are named, when they are.
    rows: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
    slice: Slice,
    stamp: Stamp,
}

impl<'p> Ready<'p> {
    /// Computes keys, timestamp and time to live; `timestamp` is the request's, or the server's.
    pub(crate) fn new(
        plan: &'p ModifyPlan,
        inputs: Inputs<'p>,
        timestamp: i64,
    ) -> Result<Self, CqlError> {
        let table = &plan.table;
        for test in filter::compute(&plan.restrictions.tests, table, inputs)? {
            check_null(&test, plan)?;
        }
        let partitions = filter::partitions(&plan.restrictions, table, inputs)?.unwrap_or_default();
        let tests = filter::compute(&plan.restrictions.tests, table, inputs)?;
        let mut rows = vec![Vec::new()];
        if plan.fixes_row() {
            let from = table.partition_len;
            for position in from..from + table.clustering_len {
                let values = plan.restrictions.fixing(position).and_then(|fixing| {
                    tests.iter().find(|computed| std::ptr::eq(computed.test, fixing))
                });
                rows = filter::extend(&rows, values.map_or(&[], |test| test.values.as_slice()))?;
            }
        } else {
            rows.clear();
        }
        let rows = rows.into_iter().map(|values| (key::clustering(table, &values), values));
        Ok(Self {
            plan,
            inputs,
            partitions,
            rows: rows.collect(),
            slice: filter::slice(&tests, table),
            stamp: stamp(plan, inputs, timestamp)?,
        })
    }

    /// Whether the condition holds, and the row as it is before.
    pub(crate) fn judge(
        &self,
        rows: &TableRows,
        columns: &[usize],
    ) -> Result<(bool, ResultRow), CqlError> {
        let plan = self.plan;
        let (Some((key, components)), true) = (self.partitions.first(), self.partitions.len() == 1)
        else {
            return Err(CqlError::invalid(
                "IN on the partition key is not supported with conditional updates",
            ));
        };
        let empty = Partition::new(components.clone());
        let partition = rows.partitions.get(key).unwrap_or(&empty);
        let now = self.stamp.now;
        let row = self.rows.first().and_then(|(sort, _)| partition.row(sort));
        let row = row.filter(|row| row.is_live(now));
        let view = View { token: key.0, partition, row, now };
        let exists = row.is_some() || (plan.is_static_only() && partition.statics.any_live(now));
        let holds = match &plan.condition {
            Condition::Always => true,
            Condition::Exists => exists,
            Condition::NotExists => !exists,
            Condition::Tests(tests) => {
                let tests = filter::compute(tests, &plan.table, self.inputs)?;
                tests.iter().all(|test| test.matches(&view, &plan.table))
            }
        };
        let shown = columns.iter().map(|at| {
            let column = plan.table.columns.get(*at)?;
            let known = exists || column.kind == ColumnKind::Static;
            if known { view.value(*at, column) } else { None }
        });
        Ok((holds, shown.collect()))
    }

    /// Writes it; `serial` orders what is appended to lists.
    pub(crate) fn write(&self, rows: &mut TableRows, serial: i64) -> Result<(), CqlError> {
        for (key, components) in &self.partitions {
            let partition = rows
                .partitions
                .entry(key.clone())
                .or_insert_with(|| Partition::new(components.clone()));
            self.write_partition(partition, serial)?;
        }
        Ok(())
    }

    fn write_partition(&self, partition: &mut Partition, serial: i64) -> Result<(), CqlError> {
        let timestamp = self.stamp.timestamp;
        if self.plan.deletes_rows() {
            let whole = !self.plan.restrictions.tests.iter().any(|test| match &test.subject {
                Subject::Column(at) => *at >= self.plan.table.partition_len,
                Subject::Columns(_) | Subject::Element(..) | Subject::Token => true,
            });
            if whole {
                partition.delete(timestamp);
            } else if self.rows.is_empty() {
                partition.delete_slice(self.slice.clone(), timestamp);
            }
            for (sort, values) in self.rows.iter().filter(|_| !whole) {
                partition.delete_row(sort, values, timestamp);
            }
            return Ok(());
        }
        if !partition.is_deleted_at(timestamp) {
            self.write_cells(&mut partition.statics, ColumnKind::Static, serial)?;
        }
        for (sort, values) in &self.rows {
            let static_only = self.plan.is_static_only();
            let clustered = self.plan.table.clustering_len > 0;
            if static_only && (clustered || self.plan.kind == ModifyKind::Delete) {
                continue;
            }
            if let Some(row) = partition.row_mut(sort, values, timestamp) {
                if self.plan.kind == ModifyKind::Insert {
                    row.mark(self.stamp.cell(Some(Vec::new())));
                }
                self.write_cells(&mut row.cells, ColumnKind::Regular, serial)?;
            }
        }
        Ok(())
    }

    fn write_cells(
        &self,
        cells: &mut Cells,
        kind: ColumnKind,
        serial: i64,
    ) -> Result<(), CqlError> {
        for (at, operation) in &self.plan.operations {
            let column = self.plan.table.columns.get(*at).filter(|column| column.kind == kind);
            if let Some(column) = column {
                self.write_column(cells, column, operation, serial)?;
            }
        }
        Ok(())
    }

    fn write_column(
        &self,
        cells: &mut Cells,
        column: &Column,
        operation: &Operation,
        serial: i64,
    ) -> Result<(), CqlError> {
        let stamp = self.stamp;
        match operation {
            Operation::Set(expr) => match expr.evaluate(self.inputs)? {
                Evaluated::Unset => {}
                Evaluated::Null => cells.put(column, stamp.cell(None)),
                Evaluated::Bytes(bytes) => cells.put(column, stamp.cell(Some(bytes))),
            },
            Operation::Delete => cells.put(column, stamp.cell(None)),
            Operation::Add(expr) | Operation::Prepend(expr) | Operation::Subtract(expr) => {
                if let Some(bytes) = expr.evaluate(self.inputs)?.bytes() {
                    if column.column_type == ColumnType::Counter {
                        let subtract = matches!(operation, Operation::Subtract(_));
                        collect::count(cells, column, &bytes, subtract, stamp);
                    } else if let Operation::Subtract(_) = operation {
                        collect::remove(cells, column, &bytes, stamp);
                    } else {
                        let prepend = matches!(operation, Operation::Prepend(_));
                        let serial = if prepend { -serial } else { serial };
                        collect::add(cells, column, &bytes, serial, stamp);
                    }
                }
            }
            Operation::SetElement(key, value) => {
                let value = match value.evaluate(self.inputs)? {
                    Evaluated::Unset => return Ok(()),
                    Evaluated::Null => None,
                    Evaluated::Bytes(bytes) => Some(bytes),
                };
                self.put_element(cells, column, key, value)?;
            }
            Operation::DeleteElement(key) => self.put_element(cells, column, key, None)?,
            Operation::SetField(at, value) => {
                let key = at.to_be_bytes().to_vec();
                match value.evaluate(self.inputs)? {
                    Evaluated::Unset => {}
                    Evaluated::Null => {
                        cells.parts_mut(column).put(key.clone(), key, stamp.cell(None));
                    }
                    Evaluated::Bytes(bytes) => {
                        cells.parts_mut(column).put(key.clone(), key, stamp.cell(Some(bytes)));
                    }
                }
            }
            Operation::DeleteField(at) => {
                let key = at.to_be_bytes().to_vec();
                cells.parts_mut(column).put(key.clone(), key, stamp.cell(None));
            }
        }
        Ok(())
    }

    fn put_element(
        &self,
        cells: &mut Cells,
        column: &Column,
        key: &Expr,
        value: Option<Vec<u8>>,
    ) -> Result<(), CqlError> {
        let name = &column.name;
        let Some(key) = key.evaluate(self.inputs)?.bytes() else {
            return Err(CqlError::invalid(format!("Invalid null value for key of {name}")));
        };
        let cell = self.stamp.cell(value);
        let parts = cells.parts_mut(column);
        if let ColumnType::Map(key_type, _) | ColumnType::Set(key_type) = &column.column_type {
            parts.put(sort_key::key(key_type, &key), key, cell);
            return Ok(());
        }
        let at = key.first_chunk::<4>().map_or(-1, |bytes| i32::from_be_bytes(*bytes));
        let now = self.stamp.now;
        let live = parts.entries.iter().filter(|(_, (_, cell))| cell.live(now).is_some());
        let positions: Vec<Vec<u8>> = live.map(|(sort, _)| sort.clone()).collect();
        let size = positions.len();
        let position = usize::try_from(at).ok().and_then(|at| positions.into_iter().nth(at));
        let Some(position) = position else {
            return Err(CqlError::invalid(format!(
                "List index {at} out of bound, list has size {size}"
            )));
        };
        parts.put(position, Vec::new(), cell);
        Ok(())
    }
}

fn check_null(computed: &Computed<'_>, plan: &ModifyPlan) -> Result<(), CqlError> {
    if computed.values.iter().all(Option::is_some) {
        return Ok(());
    }
    let name = match &computed.test.subject {
        Subject::Column(at) => plan.table.columns.get(*at).map(|column| column.name.clone()),
        Subject::Columns(_) | Subject::Element(..) | Subject::Token => None,
    };
    let name = name.unwrap_or_default();
    Err(CqlError::invalid(format!("Invalid null value in condition for column {name}")))
}

fn stamp(plan: &ModifyPlan, inputs: Inputs<'_>, timestamp: i64) -> Result<Stamp, CqlError> {
    let now_micros = inputs.moment.now_micros;
    let long = |bytes: Vec<u8>| bytes.first_chunk::<8>().map(|bytes| i64::from_be_bytes(*bytes));
    let own = match &plan.timestamp {
        Some(expr) => expr.evaluate(inputs)?.bytes().and_then(long),
        None => None,
    };
    if own.is_some_and(|own| own > now_micros.saturating_add(AHEAD_MAX_MICROS)) {
        return Err(CqlError::invalid(
            "Cannot provide a timestamp more than 3 days into the future. If this was not \
             intended, make sure the timestamp is in microseconds",
        ));
    }
    let default = plan.table.text_option("default_time_to_live").unwrap_or("0");
    let default = default.parse::<i32>().unwrap_or(0);
    let int = |bytes: Vec<u8>| bytes.first_chunk::<4>().map(|bytes| i32::from_be_bytes(*bytes));
    let ttl = match &plan.ttl {
        Some(expr) => expr.evaluate(inputs)?.bytes().and_then(int).unwrap_or(default),
        None => default,
    };
    if ttl < 0 {
        return Err(CqlError::invalid("A TTL must be greater or equal to 0"));
    }
    if ttl > TTL_MAX {
        return Err(CqlError::invalid(format!(
            "ttl is too large. requested ({ttl}) maximum ({TTL_MAX})"
        )));
    }
    let now = now_micros.div_euclid(1_000_000);
    Ok(Stamp { timestamp: own.unwrap_or(timestamp), ttl, now })
}

/// The columns that a conditional modification shows beside `[applied]`.
pub(crate) fn shown_columns(plan: &ModifyPlan) -> Vec<usize> {
    let Condition::Tests(tests) = &plan.condition else {
        return (0..plan.table.columns.len()).collect();
    };
    let mentioned = |at: &usize| {
        tests.iter().any(|test| match &test.subject {
            Subject::Column(on) | Subject::Element(on, _) => on == at,
            Subject::Columns(on) => on.contains(at),
            Subject::Token => false,
        })
    };
    (0..plan.table.columns.len()).filter(mentioned).collect()
}

/// `[applied]` and the columns at `positions`.
pub(crate) fn result_columns(plan: &ModifyPlan, positions: &[usize]) -> Vec<ColumnSpec> {
    let spec = |name: &str, column_type: ColumnType| ColumnSpec {
        keyspace: plan.table.keyspace.clone(),
        table: plan.table.name.clone(),
        name: name.to_owned(),
        column_type,
    };
    let shown = positions.iter().filter_map(|at| plan.table.columns.get(*at));
    std::iter::once(spec("[applied]", ColumnType::Boolean))
        .chain(shown.map(|column| spec(&column.name, column.column_type.clone())))
        .collect()
}

/// The positions of the columns that conditional modifications show; several also show the key.
pub(crate) fn shown(plans: &[&ModifyPlan]) -> Vec<usize> {
    let Some(first) = plans.first() else {
        return Vec::new();
    };
    let key_len = first.table.partition_len + first.table.clustering_len;
    let mut columns: Vec<usize> = if plans.len() > 1 { (0..key_len).collect() } else { Vec::new() };
    for plan in plans.iter().filter(|plan| plan.condition != Condition::Always) {
        columns.extend(shown_columns(plan));
    }
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// Result metadata of modifications: none without a condition.
pub(crate) fn condition_columns(plans: &[&ModifyPlan]) -> Vec<ColumnSpec> {
    match plans.first() {
        Some(first) if plans.iter().any(|plan| plan.condition != Condition::Always) => {
            result_columns(first, &shown(plans))
        }
        _ => Vec::new(),
    }
}

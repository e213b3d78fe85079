//! SELECT, checked when it is prepared.

use std::sync::Arc;

use crate::cql::ast;
use crate::cql::error::CqlError;
use crate::cql::expression::Expr;
use crate::like::Like;
use crate::store::definitions::column_spec::ColumnSpec;
use crate::store::definitions::schema::Table;
use crate::store::plans::bind::Binder;
use crate::store::plans::pick;
use crate::store::plans::pick::Output;
use crate::store::plans::restriction::Restrictions;
use crate::store::plans::restriction::Subject;
use cql::values::column_type::ColumnType;

/// A SELECT that was checked against its table.
#[derive(Clone, Debug)]
pub(crate) struct SelectPlan {
    pub(crate) table: Arc<Table>,
    pub(crate) restrictions: Restrictions,
    pub(crate) outputs: Vec<Output>,
    pub(crate) json: bool,
    pub(crate) distinct: bool,
    pub(crate) reversed: bool,
    pub(crate) group_by: Vec<usize>,
    pub(crate) limit: Option<Expr>,
    pub(crate) per_partition_limit: Option<Expr>,
}

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

//! INSERT, UPDATE and DELETE: checked when prepared.

use std::sync::Arc;

use crate::cql::ast;
use crate::cql::ast::Action;
use crate::cql::ast::Change;
use crate::cql::ast::Left;
use crate::cql::ast::Operator;
use crate::cql::ast::Place;
use crate::cql::ast::Relation;
use crate::cql::ast::Right;
use crate::cql::ast::Term;
use crate::cql::error::CqlError;
use crate::cql::expression::Expr;
use crate::like::Like;
use crate::store::definitions::schema::Column;
use crate::store::definitions::schema::ColumnKind;
use crate::store::definitions::schema::Table;
use crate::store::plans::bind::Binder;
use crate::store::plans::bind::Receiver;
use crate::store::plans::restriction;
use crate::store::plans::restriction::Restrictions;
use crate::store::plans::restriction::Subject;
use crate::store::plans::restriction::Test;
use cql::values::column_type::ColumnType;

/// What happens to one column.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Operation {
    Set(Expr),
    SetElement(Expr, Expr),
    SetField(u16, Expr),
    /// Collections: add elements; counters: add.
    Add(Expr),
    Prepend(Expr),
    Subtract(Expr),
    Delete,
    DeleteElement(Expr),
    DeleteField(u16),
}

/// IF.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Condition {
    Always,
    Exists,
    NotExists,
    Tests(Vec<Test>),
}

/// What kind of modification it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ModifyKind {
    Insert,
    Update,
    Delete,
}

/// A modification that was checked against its table.
#[derive(Clone, Debug)]
pub(crate) struct ModifyPlan {
    pub(crate) table: Arc<Table>,
    pub(crate) kind: ModifyKind,
    pub(crate) restrictions: Restrictions,
    /// Column position and what happens to it.
    pub(crate) operations: Vec<(usize, Operation)>,
    pub(crate) timestamp: Option<Expr>,
    pub(crate) ttl: Option<Expr>,
    pub(crate) condition: Condition,
    /// INSERT JSON of a bind variable: the rest is known at run time only.
    pub(crate) json: Option<(Expr, bool)>,
}

impl ModifyPlan {
    /// Checks a modification.
    pub(crate) fn new(
        binder: &mut Binder<'_>,
        table: &Arc<Table>,
        modify: &ast::Modify,
        like: Like,
    ) -> Result<Self, CqlError> {
        binder.enter(table);
        if table.view.is_some() {
            return Err(CqlError::invalid("Cannot directly modify a materialized view"));
        }
        let mut plan = Self {
            table: Arc::clone(table),
            kind: ModifyKind::Insert,
            restrictions: Restrictions::default(),
            operations: Vec::new(),
            timestamp: None,
            ttl: None,
            condition: Condition::Always,
            json: None,
        };
        match &modify.action {
            Action::Insert { columns, values } => plan.insert(binder, columns, values, like)?,
            Action::InsertJson { json, default_unset } => {
                let to = Receiver::new("", ColumnType::Varchar);
                plan.json = Some((binder.bind(json, &to)?, *default_unset));
            }
            Action::Update(assignments) => {
                plan.kind = ModifyKind::Update;
                plan.using(binder, &modify.using)?;
                for assignment in assignments {
                    plan.assign(binder, assignment)?;
                }
            }
            Action::Delete(targets) => {
                plan.kind = ModifyKind::Delete;
                plan.using(binder, &modify.using)?;
                for (name, place) in targets {
                    plan.delete(binder, name, place)?;
                }
            }
        }
        if plan.kind == ModifyKind::Insert {
            plan.using(binder, &modify.using)?;
        } else {
            plan.restrictions = Restrictions::bind(binder, table, &modify.relations, like)?;
        }
        plan.condition = condition(binder, table, &modify.condition, like)?;
        if plan.json.is_none() {
            plan.check_key()?;
        }
        Ok(plan)
    }

    fn using(&mut self, binder: &mut Binder<'_>, using: &ast::Using) -> Result<(), CqlError> {
        if self.table.is_counter() && (using.ttl.is_some() || using.timestamp.is_some()) {
            return Err(CqlError::invalid(
                "Cannot provide custom timestamp or TTL for counter updates",
            ));
        }
        self.timestamp =
            binder.maybe(using.timestamp.as_ref(), "[timestamp]", ColumnType::Bigint)?;
        self.ttl = binder.maybe(using.ttl.as_ref(), "[ttl]", ColumnType::Int)?;
        binder.maybe(using.timeout.as_ref(), "[timeout]", ColumnType::Duration)?;
        Ok(())
    }

    fn insert(
        &mut self,
        binder: &mut Binder<'_>,
        columns: &[String],
        values: &[Term],
        like: Like,
    ) -> Result<(), CqlError> {
        let table = Arc::clone(&self.table);
        if table.is_counter() {
            return Err(CqlError::invalid(
                "INSERT statement are not allowed on counter tables, use UPDATE instead",
            ));
        }
        if columns.len() != values.len() {
            return Err(CqlError::invalid("Unmatched column names/values"));
        }
        for (at, (name, value)) in columns.iter().zip(values).enumerate() {
            let column = column(&table, name)?;
            if columns.iter().take(at).any(|earlier| earlier == name) {
                return Err(CqlError::invalid(format!(
                    "Multiple definitions found for column {name}"
                )));
            }
            if column.is_key() {
                let relation = Relation {
                    left: Left::Column(name.clone()),
                    operator: Operator::Equal,
                    right: Right::One(value.clone()),
                };
                self.restrictions.tests.push(restriction::test(binder, &table, &relation, like)?);
            } else {
                let bound = binder.bind(value, &Receiver::column(column))?;
                self.push(name, Operation::Set(bound))?;
            }
        }
        Ok(())
    }

    fn push(&mut self, name: &str, operation: Operation) -> Result<(), CqlError> {
        let position = restriction::position(&self.table, name)?;
        self.operations.push((position, operation));
        Ok(())
    }

    fn assign(
        &mut self,
        binder: &mut Binder<'_>,
        assignment: &ast::Assignment,
    ) -> Result<(), CqlError> {
        let table = Arc::clone(&self.table);
        let name = &assignment.column;
        let column = column(&table, name)?;
        if column.is_key() {
            return Err(CqlError::invalid(format!("PRIMARY KEY part {name} found in SET part")));
        }
        let is_counter = column.column_type == ColumnType::Counter;
        let operation = match (&assignment.place, &assignment.change) {
            (Place::Whole, Change::Set(term)) if is_counter => {
                let _refused = binder.bind(term, &Receiver::column(column))?;
                return Err(CqlError::invalid(format!(
                    "Cannot set the value of counter column {name} (counters can only be \
                     incremented/decremented, not set)"
                )));
            }
            (Place::Whole, Change::Set(term)) => {
                Operation::Set(binder.bind(term, &Receiver::column(column))?)
            }
            (Place::Whole, Change::Add(term)) => {
                Operation::Add(binder.bind(term, &changeable(column, false)?)?)
            }
            (Place::Whole, Change::Subtract(term)) => {
                Operation::Subtract(binder.bind(term, &changeable(column, true)?)?)
            }
            (Place::Whole, Change::Prepend(term)) => {
                let value = binder.bind(term, &changeable(column, false)?)?;
                let is_list = matches!(column.column_type, ColumnType::List(_));
                if is_list { Operation::Prepend(value) } else { Operation::Add(value) }
            }
            (Place::Element(key), Change::Set(term)) => {
                multi_cell(column, "")?;
                let (key_to, value_to) = restriction::element_receivers(column)?;
                let key = binder.bind(key, &key_to)?;
                Operation::SetElement(key, binder.bind(term, &value_to)?)
            }
            (Place::Field(field), Change::Set(term)) => {
                let (at, to) = field_receiver(column, field)?;
                Operation::SetField(at, binder.bind(term, &to)?)
            }
            (Place::Element(_) | Place::Field(_), _) => {
                return Err(CqlError::invalid(format!("Invalid operation for column {name}")));
            }
        };
        self.push(name, operation)
    }

    fn delete(
        &mut self,
        binder: &mut Binder<'_>,
        name: &str,
        place: &Place,
    ) -> Result<(), CqlError> {
        let table = Arc::clone(&self.table);
        let column = column(&table, name)?;
        if column.is_key() {
            return Err(CqlError::invalid(format!(
                "Invalid identifier {name} for deletion (should not be a PRIMARY KEY part)"
            )));
        }
        let operation = match place {
            Place::Whole => Operation::Delete,
            Place::Element(key) => {
                multi_cell(column, "")?;
                let to = if let ColumnType::Set(element) = &column.column_type {
                    Receiver::new(&format!("value({name})"), (**element).clone())
                } else {
                    restriction::element_receivers(column)?.0
                };
                Operation::DeleteElement(binder.bind(key, &to)?)
            }
            Place::Field(field) => Operation::DeleteField(field_receiver(column, field)?.0),
        };
        self.push(name, operation)
    }

    /// Whether it writes static cells only, so that no clustering key is needed.
    pub(crate) fn is_static_only(&self) -> bool {
        let is_static = |position: &usize| {
            let column = self.table.columns.get(*position);
            column.is_some_and(|column| column.kind == ColumnKind::Static)
        };
        !self.operations.is_empty() && self.operations.iter().all(|(at, _)| is_static(at))
    }

    /// Whether every clustering column is fixed.
    pub(crate) fn fixes_row(&self) -> bool {
        let from = self.table.partition_len;
        (from..from + self.table.clustering_len).all(|at| self.restrictions.fixing(at).is_some())
    }

    /// Whether whole rows go, by key, by slice or with their partition.
    pub(crate) fn deletes_rows(&self) -> bool {
        self.kind == ModifyKind::Delete && self.operations.is_empty()
    }

    fn check_key(&self) -> Result<(), CqlError> {
        let table = &self.table;
        let key_len = table.partition_len + table.clustering_len;
        let foreign = (key_len..table.columns.len()).find(|at| self.restrictions.mentions(*at));
        if let Some(column) = foreign.and_then(|at| table.columns.get(at)) {
            return Err(CqlError::invalid(format!(
                "Invalid where clause contains non PRIMARY KEY columns: {}",
                column.name
            )));
        }
        let uneven = self.restrictions.tests.iter().any(|test| match &test.subject {
            Subject::Columns(at) => {
                test.operator == Operator::In || !restriction::same_direction(table, at)
            }
            Subject::Column(_) | Subject::Element(..) | Subject::Token => false,
        });
        if uneven {
            return Err(CqlError::invalid(
                "Multi-column relations of this kind are not supported in modifications here",
            ));
        }
        let missing = (0..key_len).find(|at| self.restrictions.fixing(*at).is_none());
        let Some(at) = missing else {
            return Ok(());
        };
        let name = table.columns.get(at).map(|column| column.name.clone()).unwrap_or_default();
        let loose = self.deletes_rows() && self.condition == Condition::Always;
        let no_clustering =
            (table.partition_len..key_len).all(|at| !self.restrictions.mentions(at));
        if at >= table.partition_len && (loose || (self.is_static_only() && no_clustering)) {
            return Ok(());
        }
        Err(CqlError::invalid(format!("Missing mandatory PRIMARY KEY part {name}")))
    }
}

fn condition(
    binder: &mut Binder<'_>,
    table: &Table,
    condition: &ast::Condition,
    like: Like,
) -> Result<Condition, CqlError> {
    Ok(match condition {
        ast::Condition::Always => Condition::Always,
        ast::Condition::Exists => Condition::Exists,
        ast::Condition::NotExists => Condition::NotExists,
        ast::Condition::Columns(relations) => {
            let tests = relations.iter().map(|relation| {
                if let Left::Column(name) | Left::Element(name, _) = &relation.left
                    && column(table, name)?.is_key()
                {
                    return Err(CqlError::invalid(format!(
                        "PRIMARY KEY column '{name}' cannot have IF conditions"
                    )));
                }
                restriction::test(binder, table, relation, like)
            });
            Condition::Tests(tests.collect::<Result<_, _>>()?)
        }
    })
}

fn column<'t>(table: &'t Table, name: &str) -> Result<&'t Column, CqlError> {
    let found = table.columns.iter().find(|column| column.name == *name);
    found.ok_or_else(|| CqlError::invalid(format!("Unknown identifier {name}")))
}

fn multi_cell(column: &Column, sign: &str) -> Result<(), CqlError> {
    if column.is_multi_cell() {
        return Ok(());
    }
    let name = &column.name;
    Err(CqlError::invalid(format!(
        "Invalid operation ({name} = {name} {sign} ?) for frozen or non collection column {name}"
    )))
}

/// What can be added to a column, or taken from it.
fn changeable(column: &Column, subtract: bool) -> Result<Receiver, CqlError> {
    if column.column_type == ColumnType::Counter {
        return Ok(Receiver::new(&column.name, ColumnType::Bigint));
    }
    multi_cell(column, if subtract { "-" } else { "+" })?;
    if let (true, ColumnType::Map(key, _)) = (subtract, &column.column_type) {
        return Ok(Receiver::new(&column.name, ColumnType::Set(key.clone())));
    }
    Ok(Receiver::column(column))
}

fn field_receiver(column: &Column, field: &str) -> Result<(u16, Receiver), CqlError> {
    multi_cell(column, "")?;
    let ColumnType::Udt { name: type_name, fields, .. } = &column.column_type else {
        return Err(CqlError::invalid(format!("Column {} is not a user type", column.name)));
    };
    let found = fields.iter().zip(0u16..).find(|((name, _), _)| name == field);
    let Some(((_, field_type), at)) = found else {
        return Err(CqlError::invalid(format!(
            "UDT {type_name} does not have a field named {field}"
        )));
    };
    Ok((at, Receiver::new(&format!("{}.{field}", column.name), field_type.clone())))
}

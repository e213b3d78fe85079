//! The selectors between SELECT and FROM: one output column each.

use crate::cql::ast::Select;
use crate::cql::ast::Selector;
use crate::cql::ast::Term;
use crate::cql::class_name::class_name;
use crate::cql::error::CqlError;
use crate::cql::expression::Expr;
use crate::cql::expression::Inputs;
use crate::cql::function;
use crate::cql::function::Function;
use crate::cql::type_name;
use crate::cql::values::elements;
use crate::store::data::rows::View;
use crate::store::definitions::schema::Table;
use crate::store::execution::filter;
use crate::store::plans::bind::Binder;
use crate::store::plans::bind::Receiver;
use crate::store::plans::restriction;
use cql::values::column_type::ColumnType;

/// Functions over all rows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Aggregate {
    Count,
    Min,
    Max,
    Sum,
    Average,
}

/// How to compute one output column from a row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Pick {
    Column(usize),
    WriteTime(usize),
    TimeToLive(usize),
    Token,
    Value(Expr),
    Call(Function, Vec<Self>),
    Field(Box<Self>, usize),
    Element(Box<Self>, ColumnType, Expr),
    /// Of the rows' picks; `None` counts rows.
    Aggregate(Aggregate, ColumnType, Option<Box<Self>>),
}

/// One output column.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) column_type: ColumnType,
    pub(crate) pick: Pick,
}

/// The output columns of a SELECT, before JSON.
pub(crate) fn outputs(
    binder: &mut Binder<'_>,
    table: &Table,
    select: &Select,
) -> Result<Vec<Output>, CqlError> {
    if select.selection.is_empty() {
        let columns = table.columns.iter().enumerate();
        return Ok(columns
            .map(|(at, column)| Output {
                name: column.name.clone(),
                column_type: column.column_type.clone(),
                pick: Pick::Column(at),
            })
            .collect());
    }
    select
        .selection
        .iter()
        .map(|selected| {
            let mut output = output(binder, table, &selected.selector)?;
            if let Some(alias) = &selected.alias {
                output.name.clone_from(alias);
            }
            Ok(output)
        })
        .collect()
}

fn output(binder: &mut Binder<'_>, table: &Table, selector: &Selector) -> Result<Output, CqlError> {
    match selector {
        Selector::Column(name) => {
            let at = restriction::position(table, name)?;
            let column_type = table.columns.get(at).map(|column| column.column_type.clone());
            let column_type = column_type.unwrap_or(ColumnType::Blob);
            Ok(Output { name: name.clone(), column_type, pick: Pick::Column(at) })
        }
        Selector::CountRows => Ok(Output {
            name: "count".to_owned(),
            column_type: ColumnType::Bigint,
            pick: Pick::Aggregate(Aggregate::Count, ColumnType::Bigint, None),
        }),
        Selector::Value(term) => value(binder, term),
        Selector::Call(name, arguments) => call(binder, table, name, arguments),
        Selector::Cast(inner, raw) => {
            let inner = output(binder, table, inner)?;
            let to = binder.resolve(raw)?;
            let to_name = type_name::cql_name(&to, false);
            if !function::is_castable(&inner.column_type, &to) {
                let (from, to) = (class_name(&inner.column_type), class_name(&to));
                return Err(CqlError::invalid(format!("{from} cannot be cast to {to}")));
            }
            let cast = Function::Cast(inner.column_type, to.clone());
            let name = format!("cast({} as {to_name})", inner.name);
            Ok(Output { name, column_type: to, pick: Pick::Call(cast, vec![inner.pick]) })
        }
        Selector::Field(inner, field) => {
            let inner = output(binder, table, inner)?;
            let ColumnType::Udt { fields, .. } = &inner.column_type else {
                return Err(CqlError::invalid(format!(
                    "Invalid field selection: {} of type {} is not a user type",
                    inner.name,
                    type_name::cql_name(&inner.column_type, false)
                )));
            };
            let found = fields.iter().enumerate().find(|(_, (name, _))| name == field);
            let Some((at, (_, column_type))) = found else {
                return Err(CqlError::invalid(format!(
                    "{} of type {} has no field {field}",
                    inner.name,
                    type_name::cql_name(&inner.column_type, false)
                )));
            };
            let name = format!("{}.{field}", inner.name);
            let column_type = column_type.clone();
            Ok(Output { name, column_type, pick: Pick::Field(Box::new(inner.pick), at) })
        }
        Selector::Element(inner, key) => {
            let inner = output(binder, table, inner)?;
            let (key_type, element) = if let ColumnType::Map(key, value) = &inner.column_type {
                ((**key).clone(), (**value).clone())
            } else if let ColumnType::List(value) = &inner.column_type {
                (ColumnType::Int, (**value).clone())
            } else {
                return Err(CqlError::invalid(format!("{} is not a map or list", inner.name)));
            };
            let receiver = Receiver::new(&format!("key({})", inner.name), key_type);
            let key = binder.bind(key, &receiver)?;
            let pick = Pick::Element(Box::new(inner.pick), inner.column_type, key);
            Ok(Output { name: format!("{}[]", inner.name), column_type: element, pick })
        }
    }
}

/// A literal, whose type follows from its form.
fn value(binder: &mut Binder<'_>, term: &Term) -> Result<Output, CqlError> {
    let (column_type, name) = match term {
        Term::Cast(raw, _) => (binder.resolve(raw)?, "value".to_owned()),
        Term::Integer(text) => (ColumnType::Int, text.clone()),
        Term::Float(text) => (ColumnType::Double, text.clone()),
        Term::Boolean(value) => (ColumnType::Boolean, value.to_string()),
        Term::Text(text) => (ColumnType::Varchar, text.clone()),
        Term::Uuid(text) => (ColumnType::Uuid, text.clone()),
        Term::Hex(text) => (ColumnType::Blob, text.clone()),
        Term::Duration(text) => (ColumnType::Duration, text.clone()),
        Term::Null
        | Term::Marker(_)
        | Term::List(_)
        | Term::Set(_)
        | Term::Map(_)
        | Term::Tuple(_)
        | Term::Fields(_)
        | Term::Call(..) => {
            return Err(CqlError::invalid("Cannot infer type for term in selection clause"));
        }
    };
    let bound = binder.bind(term, &Receiver::new(&name, column_type.clone()))?;
    Ok(Output { name, column_type, pick: Pick::Value(bound) })
}

fn call(
    binder: &mut Binder<'_>,
    table: &Table,
    name: &str,
    arguments: &[Selector],
) -> Result<Output, CqlError> {
    if name == "token" {
        let names: Vec<&str> = table.partition_key().iter().map(|c| c.name.as_str()).collect();
        let name = format!("system.token({})", names.join(", "));
        return Ok(Output { name, column_type: ColumnType::Bigint, pick: Pick::Token });
    }
    let inner: Vec<Output> = arguments
        .iter()
        .map(|argument| output(binder, table, argument))
        .collect::<Result<_, _>>()?;
    let names: Vec<&str> = inner.iter().map(|output| output.name.as_str()).collect();
    let shown = names.join(", ");
    if let ("writetime" | "ttl", [single]) = (name, inner.as_slice()) {
        return cell_function(table, name, single);
    }
    let aggregate = match name {
        "count" => Some(Aggregate::Count),
        "min" => Some(Aggregate::Min),
        "max" => Some(Aggregate::Max),
        "sum" => Some(Aggregate::Sum),
        "avg" => Some(Aggregate::Average),
        _ => None,
    };
    if let (Some(aggregate), [single]) = (aggregate, inner.as_slice()) {
        let from = single.column_type.clone();
        let column_type =
            if aggregate == Aggregate::Count { ColumnType::Bigint } else { from.clone() };
        let pick = Pick::Aggregate(aggregate, from, Some(Box::new(single.pick.clone())));
        return Ok(Output { name: format!("system.{name}({shown})"), column_type, pick });
    }
    let first = inner.first().map(|output| &output.column_type);
    let Some((function, parameters, column_type)) = function::find(name, first) else {
        return Err(CqlError::invalid(format!("Unknown function {name} called")));
    };
    if parameters.len() != inner.len() {
        return Err(CqlError::invalid(format!(
            "Invalid number of arguments in call to function system.{name}: {} required but {} \
             provided",
            parameters.len(),
            inner.len()
        )));
    }
    let picks = inner.iter().map(|output| output.pick.clone()).collect();
    let name = format!("system.{name}({shown})");
    Ok(Output { name, column_type, pick: Pick::Call(function, picks) })
}

fn cell_function(table: &Table, name: &str, of: &Output) -> Result<Output, CqlError> {
    let shown = format!("{name}({})", of.name);
    let Pick::Column(at) = of.pick else {
        return Err(CqlError::invalid(format!("{shown} is not supported")));
    };
    let column = table.columns.get(at);
    if column.is_some_and(|column| column.is_key()) {
        return Err(CqlError::invalid(format!(
            "Cannot use selection function {name} on PRIMARY KEY part {}",
            of.name
        )));
    }
    if column.is_some_and(|column| column.is_multi_cell()) {
        return Err(CqlError::invalid(format!(
            "Cannot use selection function {name} on non-frozen collections"
        )));
    }
    let (column_type, pick) = match name {
        "ttl" => (ColumnType::Int, Pick::TimeToLive(at)),
        _ => (ColumnType::Bigint, Pick::WriteTime(at)),
    };
    Ok(Output { name: shown, column_type, pick })
}

impl Pick {
    /// Whether it looks at all rows.
    pub(crate) fn is_aggregate(&self) -> bool {
        matches!(self, Self::Aggregate(..))
    }

    /// Its value in one row; of an aggregate, what this row adds to it.
    pub(crate) fn of(
        &self,
        view: &View<'_>,
        table: &Table,
        inputs: Inputs<'_>,
    ) -> Result<Option<Vec<u8>>, CqlError> {
        let cell = |at: &usize| {
            let column = table.columns.get(*at)?;
            let cell = view.cells(column)?.cell(column)?;
            cell.live(view.now).map(|_| cell)
        };
        Ok(match self {
            Self::Column(at) => table.columns.get(*at).and_then(|column| view.value(*at, column)),
            Self::WriteTime(at) => cell(at).map(|cell| cell.timestamp.to_be_bytes().to_vec()),
            Self::TimeToLive(at) => cell(at).and_then(|cell| {
                let (expires, _) = cell.expiry?;
                let left = i32::try_from(expires - view.now).ok()?;
                Some(left.to_be_bytes().to_vec())
            }),
            Self::Token => Some(view.token.to_be_bytes().to_vec()),
            Self::Value(expr) => expr.evaluate(inputs)?.bytes(),
            Self::Call(function, picks) => {
                let arguments = picks.iter().map(|pick| pick.of(view, table, inputs));
                let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
                function.call(&arguments, inputs.moment)
            }
            Self::Field(inner, at) => inner.of(view, table, inputs)?.and_then(|value| {
                elements::split_fields(&value)?.get(*at).copied().flatten().map(<[u8]>::to_vec)
            }),
            Self::Element(inner, column_type, key) => {
                let value = inner.of(view, table, inputs)?;
                let key = key.evaluate(inputs)?.bytes();
                filter::element(column_type, value.as_deref(), key.as_deref())
            }
            Self::Aggregate(_, _, inner) => match inner {
                Some(inner) => inner.of(view, table, inputs)?,
                None => Some(Vec::new()),
            },
        })
    }
}

//! Values to be computed at each run: constants, bind variables, collections, calls.

use crate::cql::error::CqlError;
use crate::cql::function::Function;
use crate::cql::function::Moment;
use crate::cql::values::elements;
use crate::cql::values::sort_key;
use crate::cql::values::validate;
use cql::notation::Value;
use cql::values::column_type::ColumnType;

/// A value to be computed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Expr {
    Null,
    Constant(Vec<u8>),
    Marker {
        index: usize,
        column_type: ColumnType,
        name: String,
    },
    List(Vec<Self>),
    Set(ColumnType, Vec<Self>),
    Map(ColumnType, Vec<(Self, Self)>),
    Fields(Vec<Self>),
    Call(Function, Vec<Self>),
    /// With its type written before it.
    Hinted(Box<Self>),
}

/// A computed value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Evaluated {
    Null,
    Unset,
    Bytes(Vec<u8>),
}

impl Evaluated {
    /// The bytes; `None` for null and unset alike.
    pub(crate) fn bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Null | Self::Unset => None,
        }
    }
}

/// What expressions are computed from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inputs<'a> {
    /// Values in the order of the bind variables.
    pub(crate) values: &'a [Value<'a>],
    /// When.
    pub(crate) moment: &'a Moment,
}

impl Expr {
    /// Whether it is a bind variable itself, and which. With a type before it, it is none: servers do not
    /// count it among those that give the partition key.
    pub(crate) fn marker(&self) -> Option<usize> {
        if let Self::Marker { index, .. } = self { Some(*index) } else { None }
    }

    /// The bind variable that gives its value, with a type before it or not.
    pub(crate) fn variable(&self) -> Option<usize> {
        if let Self::Hinted(inner) = self { inner.variable() } else { self.marker() }
    }

    /// Whether it gives the same at any time.
    pub(crate) fn is_pure(&self) -> bool {
        match self {
            Self::Null | Self::Constant(_) | Self::Marker { .. } => true,
            Self::List(parts) | Self::Set(_, parts) | Self::Fields(parts) => {
                parts.iter().all(Self::is_pure)
            }
            Self::Map(_, pairs) => pairs.iter().all(|(k, v)| k.is_pure() && v.is_pure()),
            Self::Hinted(inner) => inner.is_pure(),
            Self::Call(function, arguments) => {
                function.is_pure() && arguments.iter().all(Self::is_pure)
            }
        }
    }

    /// Computes the value.
    pub(crate) fn evaluate(&self, inputs: Inputs<'_>) -> Result<Evaluated, CqlError> {
        let bytes = match self {
            Self::Null => return Ok(Evaluated::Null),
            Self::Hinted(inner) => return inner.evaluate(inputs),
            Self::Constant(bytes) => bytes.clone(),
            Self::Marker { index, column_type, name } => {
                return match inputs.values.get(*index) {
                    None | Some(Value::Null) => Ok(Evaluated::Null),
                    Some(Value::Unset) => Ok(Evaluated::Unset),
                    Some(Value::Bytes(bytes)) => {
                        validate::check(column_type, bytes, name)?;
                        Ok(Evaluated::Bytes(bytes.to_vec()))
                    }
                };
            }
            Self::List(parts) => {
                let parts = elements_of(parts, inputs)?;
                elements::join(parts.len(), parts.iter().map(Vec::as_slice))
            }
            Self::Set(element, parts) => {
                let mut parts = elements_of(parts, inputs)?;
                parts.sort_by_cached_key(|part| sort_key::key(element, part));
                parts.dedup();
                elements::join(parts.len(), parts.iter().map(Vec::as_slice))
            }
            Self::Map(key_type, pairs) => {
                let keys = elements_of(pairs.iter().map(|(key, _)| key), inputs)?;
                let values = elements_of(pairs.iter().map(|(_, value)| value), inputs)?;
                let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = keys.into_iter().zip(values).collect();
                pairs.sort_by_cached_key(|(key, _)| sort_key::key(key_type, key));
                let flat = pairs.iter().flat_map(|(key, value)| [key.as_slice(), value]);
                elements::join(pairs.len(), flat)
            }
            Self::Fields(parts) => {
                let parts = parts
                    .iter()
                    .map(|part| Ok(part.evaluate(inputs)?.bytes()))
                    .collect::<Result<Vec<_>, CqlError>>()?;
                elements::join_fields(parts.iter().map(|part| part.as_deref()))
            }
            Self::Call(function, arguments) => {
                let arguments = arguments
                    .iter()
                    .map(|argument| Ok(argument.evaluate(inputs)?.bytes()))
                    .collect::<Result<Vec<_>, CqlError>>()?;
                return Ok(match function.call(&arguments, inputs.moment) {
                    Some(bytes) => Evaluated::Bytes(bytes),
                    None => Evaluated::Null,
                });
            }
        };
        Ok(Evaluated::Bytes(bytes))
    }
}

/// The elements of a collection, which cannot hold nulls.
fn elements_of<'e>(
    parts: impl IntoIterator<Item = &'e Expr>,
    inputs: Inputs<'_>,
) -> Result<Vec<Vec<u8>>, CqlError> {
    parts
        .into_iter()
        .map(|part| {
            part.evaluate(inputs)?
                .bytes()
                .ok_or_else(|| CqlError::invalid("null is not supported inside collections"))
        })
        .collect()
}

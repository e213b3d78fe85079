//! Binds terms to types: bind variables get their specs, literals their bytes.

use crate::cql::ast::RawType;
use crate::cql::ast::Term;
use crate::cql::error::CqlError;
use crate::cql::expression::Expr;
use crate::cql::function;
use crate::cql::type_name;
use crate::cql::values::constant;
use crate::store::definitions::column_spec::ColumnSpec;
use crate::store::definitions::schema::Column;
use crate::store::definitions::schema::Schema;
use crate::store::definitions::schema::Table;
use cql::values::column_type::ColumnType;

/// What a term is for: its type, and the name that a `?` takes.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    pub(crate) name: String,
    pub(crate) column_type: ColumnType,
}

impl Receiver {
    pub(crate) fn new(name: &str, column_type: ColumnType) -> Self {
        Self { name: name.to_owned(), column_type }
    }

    pub(crate) fn column(column: &Column) -> Self {
        Self::new(&column.name, column.column_type.clone())
    }
}

/// Binds the terms of one statement.
#[derive(Debug)]
pub(crate) struct Binder<'a> {
    schema: &'a Schema,
    keyspace: String,
    table: String,
    names: &'a [Option<String>],
    specs: Vec<Option<ColumnSpec>>,
}

impl<'a> Binder<'a> {
    /// A binder for the bind variables called `names`.
    pub(crate) fn new(schema: &'a Schema, names: &'a [Option<String>]) -> Self {
        let specs = vec![None; names.len()];
        Self { schema, keyspace: String::new(), table: String::new(), names, specs }
    }

    /// From here on, bind variables belong to `table`.
    pub(crate) fn enter(&mut self, table: &Table) {
        self.keyspace.clone_from(&table.keyspace);
        self.table.clone_from(&table.name);
    }

    /// The specs of all bind variables, in order.
    pub(crate) fn specs(self) -> Vec<ColumnSpec> {
        let unused = |index: usize| ColumnSpec {
            keyspace: self.keyspace.clone(),
            table: self.table.clone(),
            name: self.names.get(index).cloned().flatten().unwrap_or_default(),
            column_type: ColumnType::Blob,
        };
        let specs = self.specs.iter().enumerate();
        specs.map(|(at, spec)| spec.clone().unwrap_or_else(|| unused(at))).collect()
    }

    /// The type that is written.
    pub(crate) fn resolve(&self, raw: &RawType) -> Result<ColumnType, CqlError> {
        Ok(self.schema.resolve(raw, &self.keyspace)?.0)
    }

    /// Binds an optional term.
    pub(crate) fn maybe(
        &mut self,
        term: Option<&Term>,
        name: &str,
        column_type: ColumnType,
    ) -> Result<Option<Expr>, CqlError> {
        term.map(|term| self.bind(term, &Receiver::new(name, column_type))).transpose()
    }

    /// Binds a term to what it is for.
    pub(crate) fn bind(&mut self, term: &Term, to: &Receiver) -> Result<Expr, CqlError> {
        match term {
            Term::Null => Ok(Expr::Null),
            Term::Marker(index) => Ok(self.marker(*index, to)),
            Term::Cast(raw, inner) => {
                let from = self.resolve(raw)?;
                self.assignable(&from, to)?;
                let inner = self.bind(inner, &Receiver::new(&to.name, from))?;
                Ok(Expr::Hinted(Box::new(inner)))
            }
            Term::Call(name, arguments) => self.call(name, arguments, to),
            Term::List(parts) => {
                let ColumnType::List(element) = &to.column_type else {
                    return self.constant(term, to);
                };
                Ok(Expr::List(self.elements(parts, element, to)?))
            }
            Term::Set(parts) => self.set(term, parts, to),
            Term::Map(pairs) => self.map(term, pairs, to),
            Term::Tuple(parts) => self.tuple(term, parts, to),
            Term::Fields(pairs) => self.fields(term, pairs, to),
            Term::Text(_)
            | Term::Integer(_)
            | Term::Float(_)
            | Term::Boolean(_)
            | Term::Uuid(_)
            | Term::Hex(_)
            | Term::Duration(_) => self.constant(term, to),
        }
    }

    fn constant(&self, term: &Term, to: &Receiver) -> Result<Expr, CqlError> {
        Ok(Expr::Constant(constant::encode(term, &to.column_type, &to.name)?))
    }

    fn marker(&mut self, index: usize, to: &Receiver) -> Expr {
        let name = self.names.get(index).cloned().flatten().unwrap_or_else(|| to.name.clone());
        let json = to.name.is_empty();
        let spec = ColumnSpec {
            keyspace: if json { String::new() } else { self.keyspace.clone() },
            table: if json { String::new() } else { self.table.clone() },
            name: name.clone(),
            column_type: to.column_type.clone(),
        };
        if let Some(slot) = self.specs.get_mut(index) {
            *slot = Some(spec);
        }
        Expr::Marker { index, column_type: to.column_type.clone(), name }
    }

    fn elements(
        &mut self,
        parts: &[Term],
        element: &ColumnType,
        to: &Receiver,
    ) -> Result<Vec<Expr>, CqlError> {
        let to = Receiver::new(&format!("value({})", to.name), element.clone());
        parts.iter().map(|part| self.bind(part, &to)).collect()
    }

    /// A set; `{}` is also an empty map, and a user-defined value without fields.
    fn set(&mut self, term: &Term, parts: &[Term], to: &Receiver) -> Result<Expr, CqlError> {
        if let ColumnType::Set(element) = &to.column_type {
            return Ok(Expr::Set((**element).clone(), self.elements(parts, element, to)?));
        }
        if let (ColumnType::Map(key, _), []) = (&to.column_type, parts) {
            return Ok(Expr::Map((**key).clone(), Vec::new()));
        }
        if let (ColumnType::Udt { .. }, []) = (&to.column_type, parts) {
            return Ok(Expr::Null);
        }
        self.constant(term, to)
    }

    fn map(
        &mut self,
        term: &Term,
        pairs: &[(Term, Term)],
        to: &Receiver,
    ) -> Result<Expr, CqlError> {
        let ColumnType::Map(key, value) = &to.column_type else {
            return self.constant(term, to);
        };
        let key_to = Receiver::new(&format!("key({})", to.name), (**key).clone());
        let value_to = Receiver::new(&format!("value({})", to.name), (**value).clone());
        let bound =
            pairs.iter().map(|(k, v)| Ok((self.bind(k, &key_to)?, self.bind(v, &value_to)?)));
        Ok(Expr::Map((**key).clone(), bound.collect::<Result<_, CqlError>>()?))
    }

    fn tuple(&mut self, term: &Term, parts: &[Term], to: &Receiver) -> Result<Expr, CqlError> {
        let ColumnType::Tuple(types) = &to.column_type else {
            // A value in parentheses.
            return match parts {
                [single] => self.bind(single, to),
                _ => self.constant(term, to),
            };
        };
        if parts.len() > types.len() {
            return Err(CqlError::invalid(format!(
                "Invalid tuple literal for {}: too many elements. Type {} expects {} but got {}",
                to.name,
                type_name::cql_name(&to.column_type, true),
                types.len(),
                parts.len()
            )));
        }
        let bound = parts.iter().zip(types).enumerate().map(|(at, (part, part_type))| {
            self.bind(part, &Receiver::new(&format!("{}[{at}]", to.name), part_type.clone()))
        });
        Ok(Expr::Fields(bound.collect::<Result<_, _>>()?))
    }

    fn fields(
        &mut self,
        term: &Term,
        pairs: &[(String, Term)],
        to: &Receiver,
    ) -> Result<Expr, CqlError> {
        let ColumnType::Udt { name: type_name, fields, .. } = &to.column_type else {
            return self.constant(term, to);
        };
        let unknown = pairs.iter().find(|(name, _)| !fields.iter().any(|(f, _)| f == name));
        if let Some((name, _)) = unknown {
            return Err(CqlError::invalid(format!(
                "Unknown field '{name}' in value of user defined type {type_name}"
            )));
        }
        let bound = fields.iter().map(|(field, field_type)| {
            let to = Receiver::new(&format!("{}.{field}", to.name), field_type.clone());
            match pairs.iter().find(|(name, _)| name == field) {
                Some((_, term)) => self.bind(term, &to),
                None => Ok(Expr::Null),
            }
        });
        Ok(Expr::Fields(bound.collect::<Result<_, _>>()?))
    }

    fn call(&mut self, name: &str, arguments: &[Term], to: &Receiver) -> Result<Expr, CqlError> {
        let lower = name.to_lowercase();
        if lower == "fromjson" || lower == "from_json" {
            if let [Term::Text(text)] = arguments
                && let Ok(json) = serde_json::from_str(text)
            {
                let term = crate::cql::values::json::term(&json, &to.column_type);
                return self.bind(&term, to);
            }
            return Err(CqlError::invalid("fromJson takes one literal of JSON here"));
        }
        let inner = arguments.first().and_then(|term| self.type_of(term));
        let (function, parameters, returned) = function::find(&lower, inner.as_ref())
            .ok_or_else(|| CqlError::invalid(format!("Unknown function {lower} called")))?;
        if parameters.len() != arguments.len() {
            return Err(CqlError::invalid(format!(
                "Invalid number of arguments in call to function system.{lower}: {} required but \
                 {} provided",
                parameters.len(),
                arguments.len()
            )));
        }
        self.assignable(&returned, to)?;
        let bound = arguments.iter().zip(parameters).enumerate();
        let bound = bound.map(|(at, (argument, parameter))| {
            self.bind(argument, &Receiver::new(&format!("arg{at}(system.{lower})"), parameter))
        });
        Ok(Expr::Call(function, bound.collect::<Result<_, _>>()?))
    }

    /// The type of a term that states it: a cast or a call.
    fn type_of(&self, term: &Term) -> Option<ColumnType> {
        if let Term::Cast(raw, _) = term {
            return self.resolve(raw).ok();
        }
        let Term::Call(name, arguments) = term else {
            return None;
        };
        let inner = arguments.first().and_then(|argument| self.type_of(argument));
        function::find(name, inner.as_ref()).map(|(_, _, returned)| returned)
    }

    fn assignable(&self, from: &ColumnType, to: &Receiver) -> Result<(), CqlError> {
        let wanted = &to.column_type;
        let fits = from == wanted
            || matches!((from, wanted), (ColumnType::Timeuuid, ColumnType::Uuid))
            || matches!((from, wanted), (ColumnType::Ascii, ColumnType::Varchar))
            || matches!(wanted, ColumnType::Blob)
            || matches!((from, wanted), (ColumnType::Bigint, ColumnType::Timestamp));
        if fits {
            return Ok(());
        }
        Err(CqlError::invalid(format!(
            "Type error: cannot assign result of type {} to {} (type {})",
            type_name::cql_name(from, false),
            to.name,
            type_name::cql_name(wanted, false)
        )))
    }
}

//! Changes of the schema, as an EVENT and as the RESULT of a statement (v4 section 4.2.5.5).

use crate::error::WireError;
use crate::header::RESPONSE;
use crate::notation::{Reader, put_int, put_string, put_string_list};
use crate::response::result::ResultKind;

/// What happened to something of a schema.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct SchemaChange<'a> {
    /// `CREATED`, `UPDATED` or `DROPPED`.
    pub change: &'a str,
    /// The keyspace, or the one that the target is in.
    pub keyspace: &'a str,
    /// What changed.
    pub target: SchemaTarget<'a>,
}

/// Something of a schema.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum SchemaTarget<'a> {
    /// The keyspace itself.
    Keyspace,
    /// A table; ScyllaDB reports views and indexes as tables too.
    Table(&'a str),
    /// A user-defined type.
    Type(&'a str),
    /// A function of these argument types (v4).
    Function(&'a str, Vec<&'a str>),
    /// An aggregate of these argument types (v4).
    Aggregate(&'a str, Vec<&'a str>),
}

impl<'a> SchemaChange<'a> {
    /// Reads a change; `None` when its target is of an unknown kind.
    pub fn read(reader: &mut Reader<'a>) -> Result<Option<Self>, WireError> {
        let change = reader.string()?;
        let kind = reader.string()?;
        let keyspace = reader.string()?;
        let target = match kind {
            "KEYSPACE" => SchemaTarget::Keyspace,
            "TABLE" => SchemaTarget::Table(reader.string()?),
            "TYPE" => SchemaTarget::Type(reader.string()?),
            "FUNCTION" => SchemaTarget::Function(reader.string()?, reader.string_list()?),
            "AGGREGATE" => SchemaTarget::Aggregate(reader.string()?, reader.string_list()?),
            _ => return Ok(None),
        };
        Ok(Some(Self { change, keyspace, target }))
    }

    /// Reads the message of a RESULT of kind Schema_change, kind included.
    pub fn read_result(message: &'a [u8]) -> Result<Option<Self>, WireError> {
        let mut reader = Reader::new(message);
        let kind = reader.int()?;
        if kind != ResultKind::SchemaChange.code() {
            return Err(WireError::ResultKind(kind));
        }
        Self::read(&mut reader)
    }

    /// Whether a client of `version` can read it: v3 knows neither functions nor aggregates.
    #[must_use]
    pub fn fits(&self, version: u8) -> bool {
        match self.target {
            SchemaTarget::Keyspace | SchemaTarget::Table(_) | SchemaTarget::Type(_) => true,
            SchemaTarget::Function(..) | SchemaTarget::Aggregate(..) => version & !RESPONSE >= 4,
        }
    }

    /// Appends the change.
    pub fn put(&self, out: &mut Vec<u8>) {
        let (kind, name, arguments) = match &self.target {
            SchemaTarget::Keyspace => ("KEYSPACE", None, None),
            SchemaTarget::Table(name) => ("TABLE", Some(name), None),
            SchemaTarget::Type(name) => ("TYPE", Some(name), None),
            SchemaTarget::Function(name, arguments) => ("FUNCTION", Some(name), Some(arguments)),
            SchemaTarget::Aggregate(name, arguments) => ("AGGREGATE", Some(name), Some(arguments)),
        };
        put_string(out, self.change);
        put_string(out, kind);
        put_string(out, self.keyspace);
        if let Some(name) = name {
            put_string(out, name);
        }
        if let Some(arguments) = arguments {
            put_string_list(out, arguments);
        }
    }

    /// Appends the message of a RESULT of kind Schema_change.
    pub fn put_result(&self, out: &mut Vec<u8>) {
        put_int(out, ResultKind::SchemaChange.code());
        self.put(out);
    }
}

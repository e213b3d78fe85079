//! Keyspaces, tables and types.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cql::ast::Name;
use crate::cql::ast::RawType;
use crate::cql::error::CqlError;
use crate::cql::type_name;
use cql::values::column_type::ColumnType;

/// All keyspaces.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// By name; also the system ones.
    pub keyspaces: BTreeMap<String, Keyspace>,
    /// Goes up by one with every change.
    pub(crate) generation: u64,
}

/// One keyspace.
#[derive(Clone, Debug, Default)]
pub struct Keyspace {
    /// Its name.
    pub name: String,
    /// `class` (full Java name) and the factors by data centre, sorted by key.
    pub replication: BTreeMap<String, String>,
    /// Whether writes go to the commit log.
    pub durable_writes: bool,
    /// Some(initial count, 0 = the server chooses) when its tables are divided into tablets.
    pub tablets: Option<u32>,
    /// Tables and views by name.
    pub(crate) tables: BTreeMap<String, Arc<Table>>,
    /// User-defined types by name: fields in order.
    pub types: BTreeMap<String, Vec<(String, ColumnType)>>,
}

/// One table or view.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// Its id; a table created again under the same name has another.
    pub id: [u8; 16],
    /// The keyspace.
    pub keyspace: String,
    /// The name.
    pub name: String,
    /// Columns in the order of `SELECT *`: partition key, clustering, static, regular.
    pub columns: Vec<Column>,
    /// The id of the column that is added next.
    pub(crate) next_column_id: u32,
    /// How many of the first columns are the partition key.
    pub partition_len: usize,
    /// How many columns after them are the clustering key.
    pub clustering_len: usize,
    /// Goes up by one with every change: statements prepared against an older one are invalid.
    pub version: u64,
    /// The options in WITH, or their defaults.
    pub options: BTreeMap<String, Property>,
    /// Secondary indexes by name.
    pub indexes: BTreeMap<String, String>,
    /// What it is a view of.
    pub view: Option<View>,
    /// Columns that were dropped, with their types and when in microseconds.
    pub dropped: BTreeMap<String, (String, i64)>,
}

/// The value of a table option.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Property {
    /// A word, text or number, as written.
    Text(String),
    /// A map of texts.
    Map(BTreeMap<String, String>),
}

/// How a materialized view follows its base table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct View {
    /// Name of the base table.
    pub base: String,
    /// Id of the base table.
    pub base_id: [u8; 16],
    /// Whether it was created with `SELECT *`.
    pub all_columns: bool,
    /// The WHERE clause as `system_schema` writes it.
    pub where_clause: String,
}

/// What part a column plays.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum ColumnKind {
    /// Part of the partition key.
    PartitionKey,
    /// Part of the clustering key.
    Clustering,
    /// One cell a partition.
    Static,
    /// One cell a row.
    Regular,
}

/// One column.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Column {
    /// Stays the same when other columns come and go.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its part.
    pub kind: ColumnKind,
    /// Its type.
    pub column_type: ColumnType,
    /// Whether a collection or user-defined type is stored as one cell.
    pub frozen: bool,
    /// Whether a clustering column is sorted in descending order.
    pub descending: bool,
}

impl Column {
    /// Whether it is stored cell by cell.
    pub(crate) fn is_multi_cell(&self) -> bool {
        !self.frozen
            && type_name::is_composite(&self.column_type)
            && !matches!(self.column_type, ColumnType::Tuple(_))
    }

    /// Whether it is part of the primary key.
    pub(crate) fn is_key(&self) -> bool {
        matches!(self.kind, ColumnKind::PartitionKey | ColumnKind::Clustering)
    }
}

impl Table {
    /// The index of a column by name.
    #[must_use]
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The columns of the partition key.
    #[must_use]
    pub(crate) fn partition_key(&self) -> &[Column] {
        self.columns.get(..self.partition_len).unwrap_or_default()
    }

    /// The clustering columns.
    #[must_use]
    pub(crate) fn clustering(&self) -> &[Column] {
        let end = self.partition_len + self.clustering_len;
        self.columns.get(self.partition_len..end).unwrap_or_default()
    }

    /// Whether its cells are counters.
    #[must_use]
    pub(crate) fn is_counter(&self) -> bool {
        self.columns.iter().any(|column| column.column_type == ColumnType::Counter)
    }

    /// A text option.
    #[must_use]
    pub(crate) fn text_option(&self, name: &str) -> Option<&str> {
        match self.options.get(name)? {
            Property::Text(text) => Some(text),
            Property::Map(_) => None,
        }
    }

    /// A map option.
    #[must_use]
    pub(crate) fn map_option(&self, name: &str) -> Option<&BTreeMap<String, String>> {
        match self.options.get(name)? {
            Property::Map(map) => Some(map),
            Property::Text(_) => None,
        }
    }

    /// Puts the columns into the order of `SELECT *`, the key columns as they stand.
    pub(crate) fn sort_columns(&mut self) {
        let key_len = self.partition_len + self.clustering_len;
        if let Some(rest) = self.columns.get_mut(key_len..) {
            rest.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        }
    }
}

/// Whether it is a keyspace of the server itself.
#[must_use]
pub(crate) fn is_system(keyspace: &str) -> bool {
    keyspace == "system" || keyspace.starts_with("system_")
}

impl Schema {
    /// A table or view.
    #[must_use]
    pub(crate) fn table(&self, keyspace: &str, table: &str) -> Option<&Arc<Table>> {
        self.keyspaces.get(keyspace)?.tables.get(table)
    }

    /// The keyspace of a name, its own or the one in `USE`.
    pub(crate) fn keyspace_of<'a>(
        &self,
        name: &'a Name,
        used: Option<&'a str>,
    ) -> Result<&'a str, CqlError> {
        let Some(keyspace) = name.keyspace.as_deref().or(used) else {
            return Err(CqlError::invalid(
                "No keyspace has been specified. USE a keyspace, or explicitly specify \
                 keyspace.tablename",
            ));
        };
        if !self.keyspaces.contains_key(keyspace) {
            return Err(CqlError::invalid(format!("Keyspace {keyspace} does not exist")));
        }
        Ok(keyspace)
    }

    /// The table of a name, or the server's refusal.
    pub(crate) fn find(&self, name: &Name, used: Option<&str>) -> Result<&Arc<Table>, CqlError> {
        let keyspace = self.keyspace_of(name, used)?;
        self.table(keyspace, &name.name)
            .ok_or_else(|| CqlError::invalid(format!("unconfigured table {}", name.name)))
    }

    /// A written type, and whether it is frozen.
    pub(crate) fn resolve(
        &self,
        raw: &RawType,
        keyspace: &str,
    ) -> Result<(ColumnType, bool), CqlError> {
        let inner = |raw: &RawType| -> Result<Box<ColumnType>, CqlError> {
            let (resolved, frozen) = self.resolve(raw, keyspace)?;
            let is_tuple = matches!(resolved, ColumnType::Tuple(_));
            if type_name::is_composite(&resolved) && !frozen && !is_tuple {
                let shown = type_name::cql_name(&resolved, false);
                return Err(CqlError::invalid(format!(
                    "Non-frozen collections or UDTs are not allowed inside collections: {shown}"
                )));
            }
            Ok(Box::new(resolved))
        };
        Ok(match raw {
            RawType::Frozen(raw) => (self.resolve_frozen(raw, keyspace)?, true),
            RawType::List(element) => (ColumnType::List(inner(element)?), false),
            RawType::Set(element) => (ColumnType::Set(inner(element)?), false),
            RawType::Map(key, value) => (ColumnType::Map(inner(key)?, inner(value)?), false),
            RawType::Tuple(_) => (self.resolve_frozen(raw, keyspace)?, true),
            RawType::Custom(class) => (ColumnType::Custom(class.clone()), false),
            RawType::Named(name) => match type_name::simple(&name.name) {
                Some(simple) if name.keyspace.is_none() => (simple, false),
                _ => (self.user_type(name, keyspace)?, false),
            },
        })
    }

    /// Inside `frozen<…>` and tuples everything is frozen, written so or not.
    fn resolve_frozen(&self, raw: &RawType, keyspace: &str) -> Result<ColumnType, CqlError> {
        let inner = |raw: &RawType| self.resolve_frozen(raw, keyspace);
        Ok(match raw {
            RawType::Frozen(raw) => inner(raw)?,
            RawType::List(element) => ColumnType::List(Box::new(inner(element)?)),
            RawType::Set(element) => ColumnType::Set(Box::new(inner(element)?)),
            RawType::Map(key, value) => {
                ColumnType::Map(Box::new(inner(key)?), Box::new(inner(value)?))
            }
            RawType::Tuple(parts) => {
                ColumnType::Tuple(parts.iter().map(inner).collect::<Result<_, _>>()?)
            }
            RawType::Custom(_) | RawType::Named(_) => self.resolve(raw, keyspace)?.0,
        })
    }

    fn user_type(&self, name: &Name, keyspace: &str) -> Result<ColumnType, CqlError> {
        let keyspace_name = name.keyspace.as_deref().unwrap_or(keyspace);
        let fields =
            self.keyspaces.get(keyspace_name).and_then(|keyspace| keyspace.types.get(&name.name));
        let Some(fields) = fields else {
            return Err(CqlError::invalid(format!("Unknown type {keyspace_name}.{}", name.name)));
        };
        Ok(ColumnType::Udt {
            keyspace: keyspace_name.to_owned(),
            name: name.name.clone(),
            fields: fields.clone(),
        })
    }
}

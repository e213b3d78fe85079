//! The console among the cluster's keyspaces: what drivers and cqlsh read of the schema is a node's
//! answer, to which the rows of ours are added.
//!
//! A node knows which columns its schema tables have, and we do not. So every question goes to a node,
//! also one for our keyspace alone, and its answer names the columns that our rows must have.

use crate::facade::console::describe::{Listed, listed};
use crate::facade::console::layout;
use crate::facade::console::table::{ConsoleTable, KEYSPACE};
use crate::facade::tables::table_name::VirtualTableName;
use crate::facade::tables::virtual_table::{Column, ColumnRole};
use crate::facade::text::bound_values::BoundValues;
use crate::facade::text::literal::{LocalLiteral, type_name};
use crate::facade::text::select::{Comparand, Select, SelectorSource};
use cql::notation::{Reader, put_bytes, put_int};
use cql::request::parameters::Parameters;
use cql::response::metadata::Metadata;
use cql::response::result::ResultKind;
use cql::values::cell;
use cql::values::column_type::ColumnType;

/// The keyspace in which a server describes its tables.
pub const SCHEMA: &str = "system_schema";

/// Tables of the schema in which the console has rows.
const TABLES: [VirtualTableName; 3] = [
    VirtualTableName { keyspace: SCHEMA, table: "keyspaces" },
    VirtualTableName { keyspace: SCHEMA, table: "tables" },
    VirtualTableName { keyspace: SCHEMA, table: "columns" },
];

/// Columns of the keys of these tables: those that questions have conditions on.
const KEYS: [&str; 3] = ["keyspace_name", "table_name", "column_name"];

/// The table of the schema of this name, if the console has rows in it.
#[must_use]
pub fn find(table: &str) -> Option<VirtualTableName> {
    TABLES.into_iter().find(|name| name.table == table)
}

/// A question about the schema to which rows of ours belong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SchemaQuestion {
    /// A SELECT.
    Select(Box<Select>),
    /// A DESCRIBE of names.
    Names(Listed),
}

impl SchemaQuestion {
    /// A SELECT from one of these tables; `None` when its answer is not one row for each of ours.
    #[must_use]
    pub fn of(select: Select) -> Option<Self> {
        let is_column = |source: &SelectorSource| matches!(source, SelectorSource::Column(_));
        let is_plain = !select.is_json && select.limit.is_none() && !select.limits_partitions;
        let shows_columns = select.selectors.iter().all(|selector| is_column(&selector.source));
        (is_plain && shows_columns).then(|| Self::Select(Box::new(select)))
    }

    /// Whether any row of ours belongs to the answer.
    #[must_use]
    pub fn concerns_us(&self, parameters: &Parameters<'_>) -> bool {
        match self {
            Self::Names(_) => true,
            Self::Select(select) => !wanted(select, parameters).is_empty(),
        }
    }

    /// The message of a RESULT Rows with the rows of ours; `None` when there are none to add, because
    /// another page follows or the columns are not described.
    #[must_use]
    pub fn with_own_rows(&self, message: &[u8], parameters: &Parameters<'_>) -> Option<Vec<u8>> {
        let mut reader = Reader::new(message);
        if reader.int().ok()? != ResultKind::Rows.code() {
            return None;
        }
        let metadata = Metadata::read(&mut reader).ok()?;
        if metadata.paging_state.is_some() || metadata.columns.is_empty() {
            return None;
        }
        let head = message.get(..message.len() - reader.rest().len())?;
        let count = reader.int().ok()?;
        let own = self.rows(&metadata, parameters);
        let mut out = head.to_vec();
        put_int(&mut out, count.checked_add(i32::try_from(own.len()).ok()?)?);
        out.extend_from_slice(reader.rest());
        for cell in own.iter().flatten() {
            put_bytes(&mut out, cell.as_deref());
        }
        Some(out)
    }

    fn rows(&self, metadata: &Metadata<'_>, parameters: &Parameters<'_>) -> Vec<Cells> {
        let columns = metadata.columns.iter();
        let mut rows: Vec<Cells> = Vec::new();
        match self {
            Self::Names(names) => {
                let width = metadata.columns.len();
                rows.extend(listed(*names).into_iter().filter(|row| row.len() == width));
            }
            Self::Select(select) => {
                for own in wanted(select, parameters) {
                    let cells = columns.clone().enumerate().map(|(at, column)| {
                        let source = select.selectors.get(at).map(|selector| &selector.source);
                        let name = match source {
                            Some(SelectorSource::Column(name)) => name,
                            Some(_) | None => column.name,
                        };
                        own.cell(name, &column.kind)
                    });
                    let row: Cells = cells.collect();
                    // DISTINCT, and selections without the whole key, show a partition once.
                    if !rows.contains(&row) {
                        rows.push(row);
                    }
                }
            }
        }
        rows
    }
}

type Cells = Vec<Option<Vec<u8>>>;

/// A row of ours in one of the schema's tables.
#[derive(Clone, Debug)]
struct OwnRow {
    table: Option<ConsoleTable>,
    column: Option<(usize, Column)>,
}

/// The rows of ours that a SELECT wants.
fn wanted(select: &Select, parameters: &Parameters<'_>) -> Vec<OwnRow> {
    let Ok(values) = BoundValues::read(select, &parameters.values) else { return Vec::new() };
    let mut rows = all_rows(select.table);
    for relation in &select.relations {
        if !KEYS.contains(&relation.column.as_str()) {
            return Vec::new();
        }
        let accepted = accepted(&relation.terms, &values);
        rows.retain(|row| {
            let cell = row.key(&relation.column);
            cell.is_some_and(|cell| accepted.iter().any(|one| one == cell.as_bytes()))
        });
    }
    rows
}

fn accepted(terms: &[Comparand], values: &BoundValues<'_>) -> Vec<Vec<u8>> {
    let mut accepted = Vec::new();
    for term in terms {
        match term {
            Comparand::Literal(LocalLiteral::Text(text)) => {
                accepted.push(text.clone().into_bytes());
            }
            Comparand::Literal(_) => {}
            Comparand::Marker(place) => accepted.extend(values.get(*place).map(<[u8]>::to_vec)),
            Comparand::ListMarker(place) => {
                let list = values.get(*place).and_then(|list| cell::list(list).ok());
                accepted.extend(list.into_iter().flatten().flatten().map(<[u8]>::to_vec));
            }
        }
    }
    accepted
}

fn all_rows(table: VirtualTableName) -> Vec<OwnRow> {
    let tables = ConsoleTable::ALL.into_iter();
    match table.table {
        "keyspaces" => vec![OwnRow { table: None, column: None }],
        "tables" => tables.map(|table| OwnRow { table: Some(table), column: None }).collect(),
        "columns" => tables.flat_map(columns_of).collect(),
        _ => Vec::new(),
    }
}

/// The columns of a table, by name, as a server sorts them.
fn columns_of(table: ConsoleTable) -> Vec<OwnRow> {
    let mut columns: Vec<(usize, Column)> = Vec::new();
    for column in layout::columns(table) {
        let before = columns.iter().filter(|(_, one)| one.role == column.role).count();
        columns.push((before, column));
    }
    columns.sort_by(|(_, one), (_, other)| one.name.cmp(&other.name));
    let row = |column| OwnRow { table: Some(table), column: Some(column) };
    columns.into_iter().map(row).collect()
}

impl OwnRow {
    /// A cell of the key.
    fn key(&self, name: &str) -> Option<&str> {
        match name {
            "keyspace_name" => Some(KEYSPACE),
            "table_name" => Some(self.table?.name().table),
            "column_name" => Some(&self.column.as_ref()?.1.name),
            _ => None,
        }
    }

    /// The cell of a column of this type. What is not said of our tables is empty rather than null:
    /// drivers count on it.
    fn cell(&self, name: &str, kind: &ColumnType) -> Option<Vec<u8>> {
        if let Some(key) = self.key(name) {
            return Some(key.into());
        }
        match (name, &self.column, self.table) {
            ("replication", None, None) => {
                let class = "org.apache.cassandra.locator.LocalStrategy";
                Some(cell::from_text_map(&[("class", class)]))
            }
            ("comment", None, Some(table)) => Some(layout::comment(table).into()),
            ("flags", None, Some(_)) => Some(cell::from_text_list(&["compound"])),
            ("id", None, Some(table)) => Some(id_of(table).to_vec()),
            ("clustering_order", Some((_, column)), _) => {
                let is_clustering = column.role == ColumnRole::ClusteringKey;
                Some(if is_clustering { "asc" } else { "none" }.into())
            }
            ("column_name_bytes", Some((_, column)), _) => Some(column.name.clone().into()),
            ("kind", Some((_, column)), _) => Some(kind_of(column.role).into()),
            ("position", Some((before, column)), _) => {
                let is_key =
                    matches!(column.role, ColumnRole::PartitionKey | ColumnRole::ClusteringKey);
                let position = if is_key { i32::try_from(*before).unwrap_or(0) } else { -1 };
                Some(position.to_be_bytes().to_vec())
            }
            ("type", Some((_, column)), _) => Some(type_name(&column.kind).into()),
            _ => empty(kind),
        }
    }
}

fn kind_of(role: ColumnRole) -> &'static str {
    match role {
        ColumnRole::PartitionKey => "partition_key",
        ColumnRole::ClusteringKey => "clustering",
        ColumnRole::Static => "static",
        ColumnRole::Regular => "regular",
    }
}

/// The id of a table: any will do that no other table has.
fn id_of(table: ConsoleTable) -> [u8; 16] {
    let mut id = *b"shardlane\0\0\0\0\0\0\0";
    // Version 8 and the variant of RFC 9562.
    (id[6], id[8], id[15]) = (0x80 | id[6] & 0x0f, 0x80 | id[8] & 0x3f, table as u8);
    id
}

/// Nothing, of a type: 0, false, no elements.
fn empty(kind: &ColumnType) -> Option<Vec<u8>> {
    match kind {
        ColumnType::Int | ColumnType::Float => Some(vec![0; 4]),
        ColumnType::Bigint | ColumnType::Double => Some(vec![0; 8]),
        ColumnType::Boolean => Some(vec![0]),
        ColumnType::List(_) | ColumnType::Set(_) | ColumnType::Map(..) => Some(vec![0; 4]),
        ColumnType::Varchar | ColumnType::Ascii => Some(Vec::new()),
        ColumnType::Custom(_)
        | ColumnType::Blob
        | ColumnType::Counter
        | ColumnType::Decimal
        | ColumnType::Timestamp
        | ColumnType::Uuid
        | ColumnType::Varint
        | ColumnType::Timeuuid
        | ColumnType::Inet
        | ColumnType::Date
        | ColumnType::Time
        | ColumnType::Smallint
        | ColumnType::Tinyint
        | ColumnType::Duration
        | ColumnType::Udt { .. }
        | ColumnType::Tuple(_) => None,
    }
}

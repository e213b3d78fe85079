//! DESCRIBE of the console, as servers describe their own virtual keyspaces.

use crate::facade::console::layout;
use crate::facade::console::table::{ConsoleTable, KEYSPACE};
use crate::facade::refusal::Refusal;
use crate::facade::tables::virtual_table::{Column, ColumnRole};
use crate::facade::text::lexer::WordLexer;
use crate::facade::text::literal::type_name;
use cql::response::metadata::{ColumnSpec, Metadata, MetadataStyle};
use cql::response::rows::put_rows;
use cql::values::column_type::ColumnType;

/// A DESCRIBE that is answered here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Described {
    /// The keyspace, and its tables unless it was asked for alone.
    Keyspace {
        /// Whether the tables are left out.
        only: bool,
    },
    /// One table.
    Table(ConsoleTable),
    /// The names of the tables.
    Tables,
}

/// What a DESCRIBE asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Description {
    /// Something of the console.
    Own(Described),
    /// Names of all keyspaces or of all tables: ours belong to them.
    Names(Listed),
    /// Something of the console that is not there.
    Missing(Refusal),
    /// Something of the cluster.
    Other,
}

/// Names of which a node lists its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Listed {
    /// Keyspaces.
    Keyspaces,
    /// Tables.
    Tables,
}

impl Description {
    /// Reads what follows the word DESCRIBE, for a client whose keyspace is `keyspace`.
    #[must_use]
    pub fn read(mut words: WordLexer<'_>, keyspace: Option<&str>) -> Self {
        let is_ours = keyspace == Some(KEYSPACE);
        let only = words.take_keyword("ONLY");
        if words.take_keyword("KEYSPACES") {
            return Self::Names(Listed::Keyspaces);
        }
        if words.take_keyword("TABLES") {
            return match keyspace {
                Some(_) if is_ours => Self::Own(Described::Tables),
                Some(_) => Self::Other,
                None => Self::Names(Listed::Tables),
            };
        }
        if words.take_keyword("KEYSPACE") {
            let named = match words.take_name() {
                Some(name) => name == KEYSPACE,
                None => is_ours,
            };
            return if named { Self::Own(Described::Keyspace { only }) } else { Self::Other };
        }
        let is_table = words.take_keyword("TABLE") || words.take_keyword("COLUMNFAMILY");
        let Some(first) = words.take_name() else { return Self::Other };
        if words.take_sign('.') {
            let table = words.take_name().filter(|_| first == KEYSPACE);
            return table.map_or(Self::Other, |table| Self::table(&table));
        }
        if !is_table && first == KEYSPACE {
            return Self::Own(Described::Keyspace { only });
        }
        if is_ours { Self::table(&first) } else { Self::Other }
    }

    fn table(name: &str) -> Self {
        match ConsoleTable::find(name) {
            Some(table) => Self::Own(Described::Table(table)),
            None => Self::Missing(Refusal::not_found(KEYSPACE, name)),
        }
    }
}

impl Described {
    /// Appends the message of the RESULT.
    pub fn put(self, out: &mut Vec<u8>, style: MetadataStyle) {
        let mut rows = Vec::new();
        match self {
            Self::Keyspace { only } => {
                rows.push(row(&[KEYSPACE, "keyspace", KEYSPACE, &create_keyspace()]));
                let tables = ConsoleTable::ALL.into_iter().filter(|_| !only);
                rows.extend(tables.map(table_row));
            }
            Self::Table(table) => rows.push(table_row(table)),
            Self::Tables => {
                let names = ConsoleTable::ALL.map(|table| table.name().table);
                rows.extend(names.map(|name| row(&[KEYSPACE, "table", name])));
            }
        }
        let names = ["keyspace_name", "type", "name", "create_statement"];
        let shown = rows.first().map_or(names.len(), Vec::len);
        let spec = |name| ColumnSpec {
            keyspace: "system",
            table: "describe",
            name,
            kind: ColumnType::Varchar,
        };
        let specs = names.into_iter().take(shown).map(spec).collect();
        put_rows(out, &Metadata::new(style, specs), &rows);
    }
}

type Cells = Vec<Option<Vec<u8>>>;

/// Rows of ours in a list of names.
#[must_use]
pub fn listed(listed: Listed) -> Vec<Cells> {
    match listed {
        Listed::Keyspaces => vec![row(&[KEYSPACE, "keyspace", KEYSPACE])],
        Listed::Tables => {
            let names = ConsoleTable::ALL.map(|table| table.name().table);
            names.map(|name| row(&[KEYSPACE, "table", name])).into()
        }
    }
}

fn table_row(table: ConsoleTable) -> Cells {
    row(&[KEYSPACE, "table", table.name().table, &create_table(table)])
}

fn row(cells: &[&str]) -> Cells {
    cells.iter().map(|cell| Some(cell.as_bytes().to_vec())).collect()
}

fn create_keyspace() -> String {
    format!(
        "/*\nWarning: Keyspace {KEYSPACE} is a virtual keyspace and cannot be recreated with CQL.\n\
         Structure, for reference:*/\n// VIRTUAL KEYSPACE {KEYSPACE};"
    )
}

fn create_table(table: ConsoleTable) -> String {
    let columns = layout::columns(table);
    let names = |role| {
        let of_role = columns.iter().filter(move |column| column.role == role);
        of_role.map(|column| column.name.as_str()).collect::<Vec<_>>()
    };
    let partition = names(ColumnRole::PartitionKey);
    let partition = match partition.as_slice() {
        [one] => (*one).to_owned(),
        several => format!("({})", several.join(", ")),
    };
    let key: Vec<&str> =
        [partition.as_str()].into_iter().chain(names(ColumnRole::ClusteringKey)).collect();
    let lines: Vec<String> = columns.iter().map(column_line).collect();
    let name = table.name().table;
    format!(
        "/*\nWarning: Table {KEYSPACE}.{name} is a virtual table and cannot be recreated with CQL.\n\
         Structure, for reference:\nVIRTUAL TABLE {KEYSPACE}.{name} (\n{}    PRIMARY KEY ({})\n) WITH \
         comment = '{}';\n*/",
        lines.concat(),
        key.join(", "),
        layout::comment(table),
    )
}

fn column_line(column: &Column) -> String {
    let suffix = if column.role == ColumnRole::Static { " static" } else { "" };
    format!("    {} {}{suffix},\n", column.name, type_name(&column.kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cql::response::rows::Rows;
    use cql::values::cell;

    fn read(text: &str, keyspace: Option<&str>) -> Description {
        Description::read(WordLexer::new(text), keyspace)
    }

    #[test]
    fn describe_of_the_console_is_answered_here_and_nothing_else() {
        let own = Some(KEYSPACE);
        for (text, keyspace, expected) in [
            ("KEYSPACE shardlane", None, Described::Keyspace { only: false }),
            ("only keyspace shardlane;", None, Described::Keyspace { only: true }),
            ("keyspace", own, Described::Keyspace { only: false }),
            ("shardlane", Some("ks"), Described::Keyspace { only: false }),
            ("TABLE shardlane.routing", None, Described::Table(ConsoleTable::Routing)),
            ("table routing", own, Described::Table(ConsoleTable::Routing)),
            ("\"shardlane\".lanes", None, Described::Table(ConsoleTable::Lanes)),
            ("lanes", own, Described::Table(ConsoleTable::Lanes)),
            ("tables", own, Described::Tables),
        ] {
            assert_eq!(read(text, keyspace), Description::Own(expected), "{text}");
        }
        for (text, keyspace) in [
            ("keyspace ks", own),
            ("keyspace", None),
            ("table ks.routing", own),
            ("routing", None),
            ("table routing", Some("ks")),
            ("tables", Some("ks")),
            ("cluster", None),
            ("", own),
        ] {
            assert_eq!(read(text, keyspace), Description::Other, "{text}");
        }
        assert!(matches!(read("table shardlane.lane", None), Description::Missing(_)));
        assert_eq!(read("TABLES", None), Description::Names(Listed::Tables));
    }

    #[test]
    fn a_table_is_described_with_its_key_and_its_static_columns() {
        let mut message = Vec::new();
        Described::Table(ConsoleTable::Routing).put(&mut message, MetadataStyle::Global);
        let rows = Rows::read(&message).unwrap();
        let row = rows.rows().next().unwrap().unwrap();
        let text = cell::text(row.get("create_statement").unwrap()).unwrap();
        assert!(text.contains("VIRTUAL TABLE shardlane.routing ("), "{text}");
        assert!(text.contains("    hits bigint static,\n"), "{text}");
        assert!(text.contains("PRIMARY KEY ((keyspace_name, table_name), reason)"), "{text}");
    }
}

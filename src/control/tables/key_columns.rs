//! The partition key of one table, as `system_schema.columns` has it.

use crate::engine::action::TableRequest;
use crate::topology::table_key::KeyColumn;
use cql::error::WireError;
use cql::response::rows::Rows;
use cql::values::cell;
use cql::values::column_type::ColumnType;

/// The CQL text that asks for the columns of a table or view.
#[must_use]
pub(crate) fn question(of: &TableRequest) -> String {
    format!(
        "SELECT column_name, kind, position, type FROM system_schema.columns \
         WHERE keyspace_name = {} AND table_name = {}",
        literal(&of.keyspace),
        literal(&of.table)
    )
}

/// What the schema says of a table's columns.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct FoundColumns {
    /// Those of its partition key; `None` when there is no such table, or no whole key.
    pub key: Option<Box<[KeyColumn]>>,
    /// Whether there is no such table.
    pub is_absent: bool,
}

/// Reads the message of the RESULT.
pub(crate) fn read(message: &[u8]) -> Result<FoundColumns, WireError> {
    let (mut columns, mut is_absent) = (Vec::new(), true);
    for row in Rows::read(message)?.rows() {
        let row = row?;
        is_absent = false;
        let text = |column| row.read(column, cell::text).map(Option::unwrap_or_default);
        if text("kind")? == "partition_key" {
            let position = row.read("position", cell::int)?.unwrap_or_default();
            let (name, kind) = (text("column_name")?.into(), text("type")?);
            let kind =
                ColumnType::from_name(kind).unwrap_or_else(|| ColumnType::Custom(kind.to_owned()));
            columns.push((position, KeyColumn { name, kind }));
        }
    }
    columns.sort_by_key(|(position, _)| *position);
    let is_whole = columns.iter().zip(0..).all(|((position, _), place)| *position == place);
    let columns: Box<[KeyColumn]> = columns.into_iter().map(|(_, column)| column).collect();
    let key = Some(columns).filter(|columns| is_whole && !columns.is_empty());
    Ok(FoundColumns { key, is_absent })
}

/// A text as CQL writes it.
#[must_use]
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::action::TableFact;
    use cql::response::metadata::{ColumnSpec, Metadata, MetadataStyle};
    use cql::response::rows::put_rows;

    type Row<'a> = (&'a str, &'a str, i32, &'a str);

    fn answer(rows: &[Row<'_>]) -> Vec<u8> {
        let kinds =
            [ColumnType::Varchar, ColumnType::Varchar, ColumnType::Int, ColumnType::Varchar];
        let names = ["column_name", "kind", "position", "type"].into_iter().zip(kinds);
        let specs = names.map(|(name, kind)| ColumnSpec {
            keyspace: "system_schema",
            table: "columns",
            name,
            kind,
        });
        let cells = |row: &Row<'_>| {
            let position = row.2.to_be_bytes().to_vec();
            vec![Some(row.0.into()), Some(row.1.into()), Some(position), Some(row.3.into())]
        };
        let rows: Vec<Vec<Option<Vec<u8>>>> = rows.iter().map(cells).collect();
        let mut out = Vec::new();
        put_rows(&mut out, &Metadata::new(MetadataStyle::PerColumn, specs.collect()), &rows);
        out
    }

    #[test]
    fn the_key_s_columns_come_in_its_order_with_their_types() {
        let message = answer(&[
            ("a", "partition_key", 1, "frozen<tuple<int, text>>"),
            ("B", "partition_key", 0, "bigint"),
            ("c", "clustering", 0, "int"),
            ("u", "partition_key", 2, "frozen<address>"),
            ("v", "regular", -1, "text"),
        ]);
        let columns = read(&message).unwrap().key.unwrap();
        let tuple = ColumnType::Tuple(vec![ColumnType::Int, ColumnType::Varchar]);
        let expected = [
            ("B", ColumnType::Bigint),
            ("a", tuple),
            ("u", ColumnType::Custom("frozen<address>".to_owned())),
        ];
        let found = columns.iter().map(|column| (&*column.name, column.kind.clone()));
        assert!(found.eq(expected), "{columns:?}");
    }

    #[test]
    fn rows_that_are_no_whole_key_give_none() {
        let without_key = |is_absent| Ok(FoundColumns { key: None, is_absent });
        assert_eq!(read(&answer(&[])), without_key(true));
        assert_eq!(read(&answer(&[("v", "regular", -1, "text")])), without_key(false));
        let gap = [("a", "partition_key", 0, "int"), ("b", "partition_key", 2, "int")];
        assert_eq!(read(&answer(&gap)), without_key(false));
    }

    #[test]
    fn a_name_cannot_end_its_literal() {
        let of = TableRequest {
            keyspace: "it's".into(),
            table: "t' OR '".into(),
            wanted: TableFact::Key,
        };
        let text = question(&of);
        assert!(text.ends_with("keyspace_name = 'it''s' AND table_name = 't'' OR '''"), "{text}");
    }
}

//! Reads of single keys, bound to markers: nodes judge whether such a read came to the right shard, and
//! report the tablet if not. Of a key that a statement gives by constants they report nothing.

use crate::routing::text::token::{document_of, with_components, with_components_of_document};
use crate::topology::table_key::KeyColumn;
use cql::request::parameters::Values;
use cql::statement::name::quoted;
use cql::statement::partition::{KEY_COLUMNS_MAX, Partition};
use cql::statement::statement::TableStatement;

/// A read of one key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct KeyRead {
    /// The statement, with a marker for each column of the key.
    pub text: String,
    /// The columns of the key, serialized, in the order of the markers.
    pub values: Vec<Vec<u8>>,
}

impl KeyRead {
    /// The read of the key that `statement` names, of a table with its keyspace and the columns of its
    /// key. `None` when it names none.
    pub(super) fn of(
        statement: &TableStatement<'_>,
        keyspace: &str,
        table: &str,
        columns: &[KeyColumn],
        values: Values<'_>,
        literals: &mut Vec<u8>,
    ) -> Option<Self> {
        let mut names = [""; KEY_COLUMNS_MAX];
        let names = names.get_mut(..columns.len())?;
        for (name, column) in names.iter_mut().zip(columns) {
            *name = &column.name;
        }
        let copy = |components: &[&[u8]]| components.iter().map(|it| it.to_vec()).collect();
        let values = match statement.target(names).ok()?.partition {
            Partition::One(key) | Partition::FirstOfSeveral(key) => {
                with_components(columns, &key, values, literals, copy)
            }
            Partition::Json(term) => {
                let document = document_of(&term, values).ok()?;
                with_components_of_document(columns, names, &document, literals, copy)
            }
            Partition::TokenRange(_) | Partition::All => return None,
        };
        Some(Self { text: text_of(keyspace, table, columns), values: values.ok()? })
    }
}

fn text_of(keyspace: &str, table: &str, columns: &[KeyColumn]) -> String {
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    let relations: Vec<String> = names.iter().map(|name| format!("{name} = ?")).collect();
    let (names, relations) = (names.join(", "), relations.join(" AND "));
    format!("SELECT {names} FROM {}.{} WHERE {relations}", quoted(keyspace), quoted(table))
}

//! The partition key of one table, and the user-defined types in it: one question after another.

use std::collections::{BTreeMap, BTreeSet};

use crate::control::tables::key_columns;
use crate::control::tables::key_columns::{FoundColumns, literal};
use crate::engine::action::TableRequest;
use crate::topology::table_key::TableKey;
use cql::error::WireError;
use cql::error_code::ErrorCode;
use cql::response::rows::Rows;
use cql::values::cell;
use cql::values::column_type::ColumnType;

/// User-defined types that are asked for. A key with more is not understood.
const TYPES_MAX: usize = 16;

/// Fields that a key's types may have together, each counted as often as its type stands in the key.
const FIELDS_MAX: usize = 1_024;

/// How deep user-defined types may stand in each other.
const DEPTH_MAX: usize = 8;

/// Fields of a type: their names, and their types in the schema's words.
type Fields = Vec<(String, String)>;

/// How far the reading of one table's key has come.
#[derive(Debug)]
pub(crate) struct KeyReading {
    pub(super) request: TableRequest,
    /// What was found of the columns, once that was asked.
    columns: Option<FoundColumns>,
    /// Types by their names, those without fields where there is no such type.
    types: BTreeMap<String, Fields>,
    /// The type that is asked for.
    asked: Option<String>,
}

impl KeyReading {
    /// Nothing was asked yet.
    #[must_use]
    pub(crate) fn new(request: TableRequest) -> Self {
        Self { request, columns: None, types: BTreeMap::new(), asked: None }
    }

    /// What to ask, in CQL.
    #[must_use]
    pub(crate) fn question(&self) -> String {
        match &self.asked {
            None => key_columns::question(&self.request),
            Some(name) => format!(
                "SELECT field_names, field_types FROM system_schema.types \
                 WHERE keyspace_name = {} AND type_name = {}",
                literal(&self.request.keyspace),
                literal(name)
            ),
        }
    }

    /// Takes in the answer to the question. The key, once it is known; then there is no further question.
    /// `Err` when the node did not answer: it may be asked again later.
    pub(crate) fn on_answer(
        &mut self,
        answer: Result<&[u8], ErrorCode>,
    ) -> Result<Option<TableKey>, ErrorCode> {
        let message = match answer {
            Ok(message) => Some(message),
            Err(ErrorCode::INVALID | ErrorCode::UNAUTHORIZED) => None,
            Err(code) => return Err(code),
        };
        match self.asked.take() {
            None => {
                let found = message.map(key_columns::read).transpose().unwrap_or_default();
                self.columns = Some(found.unwrap_or_default());
            }
            Some(name) => {
                let fields = message.map(read_fields).transpose().unwrap_or_default();
                self.types.insert(name, fields.unwrap_or_default());
            }
        }
        let mut found = self.columns.clone().unwrap_or_default();
        let mut unread = BTreeSet::new();
        let mut room = FIELDS_MAX;
        for column in found.key.iter_mut().flatten() {
            let ColumnType::Custom(words) = &column.kind else { continue };
            let kind = self.kind_of(words, &mut unread, &mut room, DEPTH_MAX);
            if let Some(kind) = kind {
                column.kind = kind;
            }
        }
        if let Some(name) = unread.pop_first()
            && self.types.len() < TYPES_MAX
        {
            self.asked = Some(name);
            return Ok(None);
        }
        let FoundColumns { key: columns, is_absent } = found;
        let (keyspace, table) = (self.request.keyspace.clone(), self.request.table.clone());
        Ok(Some(TableKey { keyspace, table, columns, is_absent }))
    }

    /// The type that the schema's words mean, as far as is known; types that have to be read for it are put
    /// into `unread`.
    fn kind_of(
        &self,
        words: &str,
        unread: &mut BTreeSet<String>,
        room: &mut usize,
        depth: usize,
    ) -> Option<ColumnType> {
        let depth = depth.checked_sub(1)?;
        ColumnType::from_name_with(words, &mut |written| {
            let name = unquoted(written)?;
            let Some(fields) = self.types.get(&name) else {
                unread.insert(name);
                return None;
            };
            *room = room.checked_sub(fields.len())?;
            let fields = fields.iter().map(|(field, words)| {
                Some((field.clone(), self.kind_of(words, unread, room, depth)?))
            });
            let fields = fields.collect::<Option<Vec<_>>>().filter(|fields| !fields.is_empty())?;
            Some(ColumnType::Udt { keyspace: self.request.keyspace.to_string(), name, fields })
        })
    }
}

/// The name of a type as the schema has it, from what stands in another type; `None` for what is no name.
fn unquoted(written: &str) -> Option<String> {
    match written.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').map(|inside| inside.replace("\"\"", "\"")),
        None => {
            let is_name = written.starts_with(|first: char| first.is_ascii_alphabetic());
            is_name.then(|| written.to_owned())
        }
    }
}

/// Reads the message of the RESULT; no fields when there is no such type.
fn read_fields(message: &[u8]) -> Result<Fields, WireError> {
    let rows = Rows::read(message)?;
    let Some(row) = rows.rows().next().transpose()? else { return Ok(Fields::new()) };
    let list = |column| row.read(column, cell::text_list).map(Option::unwrap_or_default);
    let (names, types) = (list("field_names")?, list("field_types")?);
    if names.len() != types.len() {
        return Ok(Fields::new());
    }
    let owned = |(name, kind): (&str, &str)| (name.to_owned(), kind.to_owned());
    Ok(names.into_iter().zip(types).map(owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::action::TableFact;
    use cql::response::metadata::{ColumnSpec, Metadata, MetadataStyle};
    use cql::response::rows::put_rows;

    fn reading() -> KeyReading {
        let wanted = TableFact::Key;
        KeyReading::new(TableRequest { keyspace: "ks".into(), table: "t".into(), wanted })
    }

    fn message(columns: &[(&'static str, ColumnType)], rows: &[Vec<Vec<u8>>]) -> Vec<u8> {
        let (keyspace, table) = ("system_schema", "columns");
        let specs = columns.iter().map(|(name, kind)| {
            let kind = kind.clone();
            ColumnSpec { keyspace, table, name, kind }
        });
        let rows: Vec<Vec<Option<Vec<u8>>>> =
            rows.iter().map(|row| row.iter().cloned().map(Some).collect()).collect();
        let mut out = Vec::new();
        put_rows(&mut out, &Metadata::new(MetadataStyle::PerColumn, specs.collect()), &rows);
        out
    }

    fn key_of(kind: &str) -> Vec<u8> {
        let text = ColumnType::Varchar;
        let columns = [
            ("column_name", text.clone()),
            ("kind", text.clone()),
            ("position", ColumnType::Int),
            ("type", text),
        ];
        let cells = [b"k".to_vec(), b"partition_key".to_vec(), vec![0; 4], kind.into()];
        message(&columns, &[cells.to_vec()])
    }

    fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
        let texts = ColumnType::List(Box::new(ColumnType::Varchar));
        let columns = [("field_names", texts.clone()), ("field_types", texts)];
        let (names, types): (Vec<&str>, Vec<&str>) = fields.iter().copied().unzip();
        let row = vec![cell::from_text_list(&names), cell::from_text_list(&types)];
        let rows = if fields.is_empty() { vec![] } else { vec![row] };
        message(&columns, &rows)
    }

    /// The type of the key that these answers say, one for each question.
    fn kind(answers: &[Vec<u8>]) -> ColumnType {
        let mut reading = reading();
        for answer in answers {
            if let Some(key) = reading.on_answer(Ok(answer)).unwrap() {
                return key.columns.unwrap()[0].kind.clone();
            }
        }
        panic!("asks for more: {}", reading.question());
    }

    fn udt(name: &str, fields: &[(&str, ColumnType)]) -> ColumnType {
        let fields = fields.iter().map(|(name, kind)| ((*name).to_owned(), kind.clone()));
        ColumnType::Udt {
            keyspace: "ks".to_owned(),
            name: name.to_owned(),
            fields: fields.collect(),
        }
    }

    #[test]
    fn types_in_a_key_are_asked_for_one_after_another() {
        let mut reading = reading();
        assert_eq!(reading.on_answer(Ok(&key_of("frozen<list<frozen<\"It's\">>>"))), Ok(None));
        assert!(reading.question().ends_with("AND type_name = 'It''s'"), "{}", reading.question());
        let outer = fields(&[("a", "int"), ("B", "frozen<inner>")]);
        assert_eq!(reading.on_answer(Ok(&outer)), Ok(None));
        assert!(reading.question().ends_with("AND type_name = 'inner'"), "{}", reading.question());
        let key = reading.on_answer(Ok(&fields(&[("c", "text")]))).unwrap().unwrap();
        let inner = udt("inner", &[("c", ColumnType::Varchar)]);
        let outer = udt("It's", &[("a", ColumnType::Int), ("B", inner)]);
        assert_eq!(key.columns.unwrap()[0].kind, ColumnType::List(Box::new(outer)));
    }

    #[test]
    fn a_type_that_is_not_there_or_no_type_stays_what_it_was() {
        let custom = |words: &str| ColumnType::Custom(words.to_owned());
        assert_eq!(kind(&[key_of("frozen<gone>"), fields(&[])]), custom("frozen<gone>"));
        assert_eq!(kind(&[key_of("vector<float, 3>")]), custom("vector<float, 3>"));
        assert_eq!(kind(&[key_of("'org.apache.Type'")]), custom("'org.apache.Type'"));
        let mut reading = reading();
        reading.on_answer(Ok(&key_of("frozen<a>"))).unwrap();
        assert_eq!(reading.on_answer(Err(ErrorCode::OVERLOADED)), Err(ErrorCode::OVERLOADED));
    }

    #[test]
    fn types_without_end_are_not_followed() {
        let itself = [key_of("frozen<a>"), fields(&[("a", "frozen<a>")])];
        assert_eq!(kind(&itself), ColumnType::Custom("frozen<a>".to_owned()));
        let mut chain = vec![key_of("frozen<t0>")];
        chain.extend((1..=TYPES_MAX).map(|at| fields(&[("f", &format!("frozen<t{at}>"))])));
        assert_eq!(kind(&chain), ColumnType::Custom("frozen<t0>".to_owned()));
        let many = format!("frozen<tuple<{}>>", vec!["frozen<a>"; 40].join(", "));
        let wide: Vec<String> = (0..40).map(|at| format!("f{at}")).collect();
        let wide: Vec<(&str, &str)> = wide.iter().map(|name| (name.as_str(), "int")).collect();
        assert_eq!(kind(&[key_of(&many), fields(&wide)]), ColumnType::Custom(many));
    }
}

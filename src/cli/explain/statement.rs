//! Where a whole statement goes, and why: the proxy's own reader of texts is asked.

use std::sync::Arc;

use crate::cli::explain::explanation::{Explanation, KeyPart, Routing};
use crate::cli::explain::key;
use crate::cli::explain::tables::{self, ExplainedColumn};
use crate::control::contact::connection::ControlConnection;
use crate::routing::decision::Reason;
use crate::routing::place::Place;
use crate::routing::tables::table_keys::TableKeys;
use crate::routing::tables::table_routes::TableRoutes;
use crate::routing::text::{BoundText, Schema, TextPlace, TextReader};
use crate::sockets::transport::Transport;
use crate::topology::snapshot::Snapshot;
use crate::topology::table::Tables;
use crate::topology::table_key::{self, TableKey};
use cql::request::parameters::Values;
use cql::statement::batch::TextBatch;
use cql::statement::document::Document;
use cql::statement::partition::{Partition, PartitionKey};
use cql::statement::statement::TableStatement;
use cql::statement::term::Term;
use cql::token::partitioner::Partitioner;
use cql::values::column_type::ColumnType;
use cql::values::literal::Literal;

/// A table that the statement names.
struct ReadTable {
    keyspace: String,
    table: String,
    columns: Vec<ExplainedColumn>,
}

/// What a statement says by itself, and what is known of the tables that it names.
struct Reading<'a> {
    text: &'a str,
    keyspace: Option<&'a str>,
    tables: Vec<ReadTable>,
}

/// What one statement, alone or of a batch, says of its partition.
#[derive(Default)]
struct Row {
    table: Option<(String, String)>,
    key: Vec<KeyPart>,
    bytes: Option<Vec<u8>>,
    /// Why its key is not certain, where one column is to blame.
    blame: Option<String>,
}

/// Explains a statement of a client whose keyspace is `keyspace`, up to its token.
pub(crate) async fn explain(
    connection: &mut ControlConnection<Transport>,
    snapshot: &Snapshot,
    text: &str,
    keyspace: Option<&str>,
) -> anyhow::Result<Explanation> {
    let mut reading = Reading { text, keyspace, tables: Vec::new() };
    let place = place(connection, snapshot, &mut reading).await?;
    let row = reading.row();
    let (is_routed, reason, token) = match place.place {
        Place::At(_, token) => (true, place.reason, Some(token)),
        // Nothing is bound here; a client's request has the values.
        Place::Nowhere(Reason::NullKey) => (true, Reason::TextBound, None),
        Place::Nowhere(reason) => (false, reason, None),
    };
    let why = reading.why(reason, &row);
    let routing = Routing { is_routed, reason: reason.label(), why, is_fixed: place.is_fixed };
    Ok(Explanation {
        table: row.table,
        key: row.key,
        bytes: row.bytes.filter(|_| is_routed),
        token,
        routing: Some(routing),
        ..Explanation::default()
    })
}

/// Asks the proxy's own reader, and reads the key of each table that it wants to know.
async fn place(
    connection: &mut ControlConnection<Transport>,
    snapshot: &Snapshot,
    reading: &mut Reading<'_>,
) -> anyhow::Result<TextPlace> {
    let (mut reader, mut keys) = (TextReader::default(), TableKeys::default());
    let (mut tables, mut routes) = (Tables::default(), TableRoutes::default());
    loop {
        let mut schema = Schema { keys: &mut keys, routes: &mut routes, snapshot, tables: &tables };
        let values = Values::new(0, false, &[]);
        let asked = BoundText { text: reading.text, values, keyspace: reading.keyspace, now_us: 0 };
        let place = reader.read(&mut schema, &asked);
        let Some((keyspace, table)) = place.unread else { return Ok(place) };
        let columns = tables::key_columns(connection, &keyspace, &table).await?;
        let known = columns.iter().map(|column| table_key::KeyColumn {
            name: column.name.as_str().into(),
            kind: column.value_type.clone(),
        });
        let known = Some(known.collect()).filter(|_| !columns.is_empty());
        let id = known.as_ref().and_then(|_| tables.intern(&keyspace, &table));
        let (keyspace_name, table_name) = (keyspace.to_string(), table.to_string());
        let is_absent = columns.is_empty();
        keys.learn(Arc::new(TableKey { keyspace, table, columns: known, is_absent }), id);
        let table = ReadTable { keyspace: keyspace_name, table: table_name, columns };
        reading.tables.push(table);
    }
}

impl Reading<'_> {
    /// What the statement says, or the first one of a batch whose key is certain, or else the first.
    fn row(&self) -> Row {
        let Ok(batch) = TextBatch::read(self.text) else {
            return TableStatement::read(self.text)
                .map(|one| self.row_of(&one))
                .unwrap_or_default();
        };
        let mut first = None;
        for child in batch.children().map_while(Result::ok) {
            let row = self.row_of(&child);
            if row.bytes.is_some() {
                return row;
            }
            first = first.or(Some(row));
        }
        first.unwrap_or_default()
    }

    fn row_of(&self, statement: &TableStatement<'_>) -> Row {
        let name = statement.table.table.to_name();
        let own = statement.table.keyspace.map(|keyspace| keyspace.to_name());
        let Some(keyspace) = own.or_else(|| self.keyspace.map(str::to_owned)) else {
            return Row::default();
        };
        let is_it = |known: &&ReadTable| known.keyspace == keyspace && known.table == name;
        let known = self.tables.iter().find(is_it);
        let mut row = Row { table: Some((keyspace.clone(), name.clone())), ..Row::default() };
        let Some(ReadTable { columns, .. }) = known else { return row };
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        match statement.target(&names) {
            Ok(target) => match &target.partition {
                Partition::One(key) | Partition::FirstOfSeveral(key) => row.take(columns, key),
                Partition::Json(document) => row.take_document(columns, document),
                Partition::TokenRange(_) | Partition::All => {}
            },
            Err(error) => row.blame = Some(error.to_string()),
        }
        row
    }

    /// A reason in words.
    fn why(&self, reason: Reason, row: &Row) -> String {
        let is_there = self.tables.iter().all(|known| !known.columns.is_empty());
        let words = match reason {
            Reason::TextLiteral => "the text has the whole partition key",
            Reason::TextIn => "by the first of the partitions that IN names",
            Reason::TokenRange => "by the first token of the range",
            Reason::TextScan => "any node: it does not fix the whole partition key",
            Reason::TextBound => {
                "a client binds the values of the key's markers; write one in its place to see where it goes"
            }
            Reason::TextUnknownTable if row.table.is_none() => {
                "any node: the table has no keyspace; --keyspace gives that of the client"
            }
            Reason::TextUnknownTable if is_there => "any node: too many tables are known",
            Reason::TextUnknownTable => "any node: there is no such table",
            Reason::UnknownKeyspace => {
                "any node: there is no such keyspace, or its replication is not known here"
            }
            Reason::LocalTable => "any node: each has its own rows of this table",
            Reason::NoKey => "any node: the table's partitioner is not known here",
            Reason::UnroutableBatch => "any node: no statement of the batch names a partition",
            Reason::Text => "any node: it neither reads nor writes rows",
            Reason::TextNotUnderstood => {
                let blame = row.blame.as_deref().unwrap_or("the text is not understood");
                return format!("any node: {blame}");
            }
            Reason::TabletReplica
            | Reason::RingReplica
            | Reason::LwtPrimary
            | Reason::ShardDown
            | Reason::ShardNotOpen
            | Reason::ReplicaDown
            | Reason::ReplicaNotUsed
            | Reason::ReplicaStalled
            | Reason::UnknownTablet
            | Reason::NullKey
            | Reason::UnknownStatement
            | Reason::Prepare
            | Reason::Reprepared
            | Reason::LaneLost
            | Reason::Dedicated
            | Reason::Speculative => "no reason of a text",
        };
        words.to_owned()
    }
}

impl Row {
    /// Takes the key, as far as its terms are constants that every server reads in the same way.
    fn take(&mut self, columns: &[ExplainedColumn], key: &PartitionKey<'_>) {
        let mut cells = Vec::new();
        for (term, column) in key.terms().iter().zip(columns) {
            let (value, mut cell) = (shown(term), Vec::new());
            let ExplainedColumn { name, kind, value_type } = column.clone();
            match term {
                Term::Literal(literal) => {
                    if literal.put(&value_type, &mut cell).is_err() {
                        let shown = if matches!(literal, Literal::Text(_)) {
                            format!("'{value}'")
                        } else {
                            value.clone()
                        };
                        let is_own = matches!(value_type, ColumnType::Custom(_));
                        self.blame = Some(if is_own {
                            format!(
                                "constants of the type of column {name} ({kind}) are not read; bind \
                                 its value"
                            )
                        } else {
                            format!(
                                "servers read the constant {shown} of column {name} ({kind}) \
                                 differently, or refuse it"
                            )
                        });
                    }
                }
                Term::Marker(_) | Term::NamedMarker(_) => {
                    self.blame = Some("markers have no values here".to_owned());
                }
            }
            cells.push(cell);
            self.key.push(KeyPart { column: name, kind, value });
        }
        self.keep(&cells);
    }

    /// Takes the key out of the document of an INSERT … JSON.
    fn take_document(&mut self, columns: &[ExplainedColumn], term: &Term<'_>) {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let document = match term {
            Term::Literal(literal) => Document::of_literal(literal),
            Term::Marker(_) | Term::NamedMarker(_) => None,
        };
        let Some(Ok(found)) = document.map(|document| document.find(&names)) else {
            self.blame = Some("the JSON document does not give each column of the key once".into());
            return;
        };
        let mut cells = Vec::new();
        for (value, column) in found.iter().flatten().zip(columns) {
            let ExplainedColumn { name, kind, value_type } = column.clone();
            let mut cell = Vec::new();
            if value.put(&value_type, &mut cell).is_err() {
                self.blame = Some(format!(
                    "servers read the JSON of column {name} ({kind}) differently, or refuse it"
                ));
            }
            cells.push(cell);
            self.key.push(KeyPart { column: name, kind, value: value.as_written().to_owned() });
        }
        self.keep(&cells);
    }

    /// Keeps the serialized key, if all of it is certain.
    fn keep(&mut self, cells: &[Vec<u8>]) {
        if self.blame.is_none() {
            let located = key::locate(Partitioner::Murmur3, cells);
            self.bytes = located.ok().map(|(_, bytes)| bytes);
        }
    }
}

/// A term as the text has it, without its quotes.
fn shown(term: &Term<'_>) -> String {
    match term {
        Term::Literal(literal) => match literal {
            Literal::Text(inside) => inside.replace("''", "'"),
            Literal::Dollars(text)
            | Literal::Integer(text)
            | Literal::Float(text)
            | Literal::Uuid(text)
            | Literal::List(text)
            | Literal::Braces(text)
            | Literal::Tuple(text) => (*text).to_owned(),
            Literal::Hex(digits) => (*digits).to_owned(),
            Literal::Boolean(value) => value.to_string(),
        },
        Term::Marker(_) => "?".to_owned(),
        Term::NamedMarker(name) => format!(":{}", name.to_name()),
    }
}

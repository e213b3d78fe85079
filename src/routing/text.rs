//! Statements by text: from words and bound values to the partition that they name.
//!
//! A text is read each time: that costs less than to look for it among those that were read before
//! ([ADR 10](../../docs/adr/0010-texts-are-read-each-time.md)). What is not fully understood goes to
//! any node, untouched.

use std::sync::Arc;

use crate::routing::decision::Reason;
use crate::routing::place::Place;
use crate::routing::tables::table_keys::TableKeys;
use crate::routing::tables::table_routes;
use crate::routing::tables::table_routes::TableRoutes;
use crate::topology::snapshot::Snapshot;
use crate::topology::table::{TableId, Tables};
use cql::request::parameters::Values;
use cql::statement::batch::TextBatch;
use cql::statement::name::TableName;
use cql::statement::partition::{KEY_COLUMNS_MAX, Partition};
use cql::statement::statement::{NotUnderstood, TableStatement};
use cql::statement::term::Term;
use cql::token::token::Token;
use key_read::KeyRead;
use token::{Buffers, document_of, start_of, token_of, token_of_document};

pub(crate) mod key_read;
mod token;

/// Statements of one batch that are looked at. What follows is taken to need its client's keyspace.
const CHILDREN_MAX: usize = 256;

/// A statement by text, and what it is to be read with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BoundText<'a> {
    /// The statement.
    pub text: &'a str,
    /// The values for its markers.
    pub values: Values<'a>,
    /// The keyspace of its client.
    pub keyspace: Option<&'a str>,
    /// The time, µs of a clock that never goes back.
    pub now_us: u64,
}

/// What is known of tables.
#[derive(Debug)]
pub(crate) struct Schema<'a> {
    /// Partition keys.
    pub keys: &'a mut TableKeys,
    /// How rows are found.
    pub routes: &'a mut TableRoutes,
    /// Keyspaces.
    pub snapshot: &'a Snapshot,
    /// Numbers and names.
    pub tables: &'a Tables,
}

/// Where a statement by text may go.
#[derive(Debug)]
pub(crate) struct TextPlace {
    /// Where its rows are.
    pub place: Place,
    /// Why it goes to a replica of them, if it does.
    pub reason: Reason,
    /// Whether all clients should go to the same replica: it is a light-weight transaction.
    pub is_fixed: bool,
    /// Whether it names the keyspace of every table, so that its client's keyspace does not matter.
    pub is_qualified: bool,
    /// The table whose tablet a node reports when this goes astray.
    pub reported: Option<TableId>,
    /// Keyspace and name of a table whose partition key is to be read.
    pub unread: Option<(Arc<str>, Arc<str>)>,
    /// Whether its table's partition key is not known, be it asked for already or not.
    is_unread: bool,
}

impl TextPlace {
    /// Its table, if it has a number.
    #[must_use]
    pub(crate) fn table(&self) -> Option<TableId> {
        match self.place {
            Place::At(table, _) => Some(table),
            Place::Nowhere(_) => self.reported,
        }
    }
}

/// Reads texts; keeps its buffers.
#[derive(Debug, Default)]
pub(crate) struct TextReader {
    names: Names,
    literals: Vec<u8>,
    scratch: Vec<u8>,
}

/// A keyspace and a table as the schema spells them.
#[derive(Debug, Default)]
struct Names {
    /// One behind the other.
    text: String,
    /// Where the table's begins.
    table_at: usize,
}

impl TextPlace {
    fn nowhere(reason: Reason) -> Self {
        Self {
            place: Place::Nowhere(reason),
            reason,
            is_fixed: false,
            is_qualified: false,
            reported: None,
            unread: None,
            is_unread: false,
        }
    }
}

impl TextReader {
    /// Reads a statement, or a batch by text.
    pub(crate) fn read(&mut self, schema: &mut Schema<'_>, asked: &BoundText<'_>) -> TextPlace {
        match TableStatement::read(asked.text) {
            Ok(statement) => {
                let mut one = self.statement(schema, asked, &statement);
                if one.is_unread {
                    one.unread = self.ask(schema, asked, &statement);
                }
                one
            }
            Err(NotUnderstood::Verb) => match TextBatch::read(asked.text) {
                Ok(batch) => self.batch(schema, asked, &batch),
                Err(NotUnderstood::Verb) => TextPlace::nowhere(Reason::Text),
                Err(NotUnderstood::Text | NotUnderstood::Key | NotUnderstood::KeyColumns) => {
                    TextPlace::nowhere(Reason::TextNotUnderstood)
                }
            },
            Err(NotUnderstood::Text | NotUnderstood::Key | NotUnderstood::KeyColumns) => {
                TextPlace::nowhere(Reason::TextNotUnderstood)
            }
        }
    }

    /// A batch goes where its first statement goes that names one partition.
    fn batch(
        &mut self,
        schema: &mut Schema<'_>,
        asked: &BoundText<'_>,
        batch: &TextBatch<'_>,
    ) -> TextPlace {
        let mut whole = TextPlace::nowhere(Reason::UnroutableBatch);
        let mut is_qualified = true;
        for (index, child) in batch.children().enumerate() {
            let Ok(child) = child else { return TextPlace::nowhere(Reason::TextNotUnderstood) };
            if index >= CHILDREN_MAX {
                is_qualified = false;
                break;
            }
            let one = self.statement(schema, asked, &child);
            // What is asked for is noted as asked, and one table is asked for at a time.
            if one.is_unread && whole.unread.is_none() {
                whole.unread = self.ask(schema, asked, &child);
            }
            is_qualified &= one.is_qualified;
            // One condition makes the whole batch a light-weight transaction.
            whole.is_fixed |= one.is_fixed;
            if matches!((whole.place, one.place), (Place::Nowhere(_), Place::At(..))) {
                (whole.place, whole.reason) = (one.place, one.reason);
            }
        }
        TextPlace { is_qualified, ..whole }
    }

    /// The read of the key that a statement names, or the first statement of a batch that names one.
    /// `None` when nothing names a key of a table that is known.
    pub(crate) fn key_read(
        &mut self,
        schema: &Schema<'_>,
        asked: &BoundText<'_>,
    ) -> Option<KeyRead> {
        match TableStatement::read(asked.text) {
            Ok(statement) => self.key_read_of(schema, asked, &statement),
            Err(NotUnderstood::Verb) => {
                let batch = TextBatch::read(asked.text).ok()?;
                let mut children = batch.children().take(CHILDREN_MAX).map_while(Result::ok);
                children.find_map(|child| self.key_read_of(schema, asked, &child))
            }
            Err(NotUnderstood::Text | NotUnderstood::Key | NotUnderstood::KeyColumns) => None,
        }
    }

    fn key_read_of(
        &mut self,
        schema: &Schema<'_>,
        asked: &BoundText<'_>,
        statement: &TableStatement<'_>,
    ) -> Option<KeyRead> {
        let (keyspace, table) = self.names.of(&statement.table, asked.keyspace)?;
        let keys = &schema.keys;
        let columns = keys.find(keyspace, table)?.columns()?;
        KeyRead::of(statement, keyspace, table, columns, asked.values, &mut self.literals)
    }

    /// One statement, alone or of a batch.
    fn statement(
        &mut self,
        schema: &mut Schema<'_>,
        asked: &BoundText<'_>,
        statement: &TableStatement<'_>,
    ) -> TextPlace {
        let is_qualified = statement.table.keyspace.is_some();
        let mut one = TextPlace { is_qualified, ..TextPlace::nowhere(Reason::TextNotUnderstood) };
        one.place = match self.locate(schema, asked, statement, &mut one) {
            Ok((table, token)) => Place::At(table, token),
            Err(reason) => Place::Nowhere(reason),
        };
        one
    }

    /// The table of a statement whose key was not read, unless it is asked for already.
    #[cold]
    fn ask(
        &mut self,
        schema: &mut Schema<'_>,
        asked: &BoundText<'_>,
        statement: &TableStatement<'_>,
    ) -> Option<(Arc<str>, Arc<str>)> {
        let (keyspace, table) = self.names.of(&statement.table, asked.keyspace)?;
        schema.keys.ask(keyspace, table, asked.now_us)
    }

    /// Finds the partition of a statement; `one` takes what else is found out.
    fn locate(
        &mut self,
        schema: &mut Schema<'_>,
        asked: &BoundText<'_>,
        statement: &TableStatement<'_>,
        one: &mut TextPlace,
    ) -> Result<(TableId, Token), Reason> {
        let names = self.names.of(&statement.table, asked.keyspace);
        let (keyspace, table) = names.ok_or(Reason::TextUnknownTable)?;
        if let Some(reason) = table_routes::without_key(schema.snapshot, keyspace) {
            return Err(reason);
        }
        let Some(known) = schema.keys.find(keyspace, table) else {
            one.is_unread = true;
            return Err(Reason::TextUnknownTable);
        };
        let (Some(id), Some(columns)) = (known.id, known.columns()) else {
            return Err(Reason::TextUnknownTable);
        };
        let tables = schema.tables;
        let route = schema.routes.route(schema.snapshot, id, || tables.name(id));
        let partitioner = route.and_then(|route| route.partitioner).ok_or(Reason::NoKey)?;
        let mut names = [""; KEY_COLUMNS_MAX];
        let names = names.get_mut(..columns.len()).ok_or(Reason::TextNotUnderstood)?;
        for (name, column) in names.iter_mut().zip(columns) {
            *name = &column.name;
        }
        let target = statement.target(names).map_err(|_| Reason::TextNotUnderstood)?;
        one.is_fixed = target.is_conditional;
        let buffers = Buffers { literals: &mut self.literals, scratch: &mut self.scratch };
        let token = match &target.partition {
            Partition::One(key) => {
                let is_bound = key.terms().iter().all(|term| !matches!(term, Term::Literal(_)));
                one.reason = if is_bound { Reason::TextBound } else { Reason::TextLiteral };
                one.reported = is_bound.then_some(id);
                token_of(partitioner, columns, key, asked.values, buffers)?
            }
            Partition::FirstOfSeveral(key) => {
                one.reason = Reason::TextIn;
                token_of(partitioner, columns, key, asked.values, buffers)?
            }
            Partition::TokenRange(range) => {
                one.reason = Reason::TokenRange;
                start_of(range, asked.values)?
            }
            Partition::All => return Err(Reason::TextScan),
            Partition::Json(term) => {
                let is_literal = matches!(term, Term::Literal(_));
                one.reason = if is_literal { Reason::TextLiteral } else { Reason::TextBound };
                let document = document_of(term, asked.values)?;
                token_of_document(partitioner, columns, names, &document, buffers)?
            }
        };
        Ok((id, token))
    }
}

impl Names {
    /// Keyspace and table; `None` when the client has not said in which keyspace.
    fn of(&mut self, table: &TableName<'_>, keyspace: Option<&str>) -> Option<(&str, &str)> {
        self.text.clear();
        match &table.keyspace {
            Some(name) => name.put(&mut self.text),
            None => self.text.push_str(keyspace?),
        }
        self.table_at = self.text.len();
        table.table.put(&mut self.text);
        self.text.split_at_checked(self.table_at)
    }
}

#[cfg(test)]
mod tests;

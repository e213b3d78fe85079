//! Statements and what they answer.

use super::*;
use crate::cql::values::json;
use crate::store::plans::request::NoSystemRows;

mod conditions;
mod definitions;
mod describe;
mod errors;
mod selection;
mod values;

/// A database with a keyspace `ks` in use, and a clock that tests set.
struct Bench {
    database: Database,
    now_micros: i64,
}

fn bench() -> Bench {
    let mut bench =
        Bench { database: Database::new(Like::V2026_3), now_micros: 1_700_000_000_000_000 };
    bench.ok("CREATE KEYSPACE ks WITH replication = {'class': 'NetworkTopologyStrategy', \
         'replication_factor': 3}");
    bench
}

impl Bench {
    fn request(&self) -> Request<'static> {
        Request {
            keyspace: Some("ks"),
            page_size: None,
            paging_state: None,
            timestamp_micros: None,
            now_micros: self.now_micros,
            serial: false,
            system: &NoSystemRows,
        }
    }

    fn run(&mut self, text: &str, values: &[Value<'_>]) -> Result<Outcome, CqlError> {
        let request = self.request();
        let prepared = self.database.prepare(text, Some("ks"))?;
        self.database.execute(&prepared, values, &request)
    }

    /// Runs a statement that must succeed.
    fn ok(&mut self, text: &str) -> Outcome {
        self.run(text, &[]).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// Code and text of the refusal of a statement.
    fn refusal(&mut self, text: &str) -> String {
        let error = self.run(text, &[]).expect_err(text);
        format!("{:04x} {error}", error.code())
    }

    /// The rows of a statement, cells as JSON, rows between bars.
    fn rows(&mut self, text: &str) -> String {
        self.rows_with(text, &[])
    }

    fn rows_with(&mut self, text: &str, values: &[Value<'_>]) -> String {
        let outcome = self.run(text, values).unwrap_or_else(|error| panic!("{text}: {error}"));
        let Outcome::Rows(rows) = outcome else {
            panic!("{text}: {outcome:?}");
        };
        shown(&rows)
    }

    /// Names and types of the bind variables, and the pk indexes.
    fn markers(&self, text: &str) -> String {
        let prepared = self.database.prepare(text, Some("ks")).unwrap();
        let markers = prepared.bind.iter().map(|spec| {
            let column_type = crate::cql::type_name::cql_name(&spec.column_type, false);
            format!("{} {column_type}", spec.name)
        });
        format!("{} {:?}", markers.collect::<Vec<_>>().join(", "), prepared.pk_indexes)
    }
}

fn shown(rows: &crate::store::execution::outcome::Rows) -> String {
    let lines = rows.rows.iter().map(|row| {
        let cells = row.iter().zip(&rows.columns);
        let cells = cells.map(|(cell, spec)| json::text(&spec.column_type, cell.as_deref()));
        cells.collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join(" | ")
}

fn names(rows: &crate::store::execution::outcome::Rows) -> String {
    rows.columns.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>().join(",")
}

fn int(value: i32) -> [u8; 4] {
    value.to_be_bytes()
}

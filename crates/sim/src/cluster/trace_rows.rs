//! Traces as rows of `system_traces`.

use crate::cluster::system_rows::{Cell, View, inet, int, text};
use crate::cluster::traces::Trace;
use crate::cql::function::time_uuid;
use crate::cql::values::elements;
use crate::store::plans::request::SystemRow;

impl View<'_> {
    /// The rows of a table of `system_traces`; `None` for tables that stay empty.
    pub(crate) fn trace_rows(&self, table: &str) -> Option<Vec<SystemRow>> {
        match table {
            "sessions" => {
                let rows =
                    self.traces.closed().map(|trace| self.columns.row(table, session(trace)));
                Some(rows.collect())
            }
            "events" => {
                let rows = self.traces.closed().flat_map(events);
                Some(rows.map(|row| self.columns.row(table, row)).collect())
            }
            _ => None,
        }
    }
}

fn session(trace: &Trace) -> Vec<(&'static str, Cell)> {
    let flat =
        trace.parameters.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    let parameters = elements::join(trace.parameters.len(), flat);
    let size = |bytes: usize| int(i32::try_from(bytes).unwrap_or(i32::MAX));
    vec![
        ("session_id", Some(trace.id.to_vec())),
        ("client", inet(trace.client)),
        ("command", text("QUERY")),
        ("coordinator", inet(trace.coordinator)),
        ("duration", int(trace.duration_micros())),
        ("parameters", Some(parameters)),
        ("request", text(trace.request)),
        ("request_size", size(trace.request_size)),
        ("response_size", size(trace.response_size)),
        ("started_at", Some(trace.started_micros.div_euclid(1000).to_be_bytes().to_vec())),
        ("username", text(&trace.username)),
    ]
}

fn events(trace: &Trace) -> impl Iterator<Item = Vec<(&'static str, Cell)>> {
    (0_u64..).zip(&trace.events).map(|(number, event)| {
        let micros = trace.started_micros.saturating_add(i64::from(event.elapsed_micros));
        let steps = u64::try_from(micros).unwrap_or(0).wrapping_mul(10);
        vec![
            ("session_id", Some(trace.id.to_vec())),
            ("event_id", Some(time_uuid(steps, number).to_vec())),
            ("activity", text(&event.activity)),
            ("scylla_parent_id", Some(0_i64.to_be_bytes().to_vec())),
            ("scylla_span_id", Some(1_i64.to_be_bytes().to_vec())),
            ("source", inet(event.source)),
            ("source_elapsed", int(event.elapsed_micros)),
            ("thread", text(&format!("shard {}", event.shard))),
        ]
    })
}

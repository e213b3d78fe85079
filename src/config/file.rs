//! The file as written: TOML, every key known, nothing yet checked for sense.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use toml::Value;
use toml::de::{DeTable, DeValue};

/// The file's keys and their types. Numbers are wide here, so that a number out of range is
/// answered by the setting's own range and not by the width of an integer.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    contact_points: Option<Vec<String>>,
    port: Option<i64>,
    bind: Option<String>,
    bind_mode: Option<String>,
    data_center: Option<String>,
    rack: Option<String>,
    translate: Option<Vec<Translate>>,
    client_routes: Option<Vec<String>>,
    username: Option<String>,
    password_file: Option<String>,
    admin: Option<String>,
    workers: Option<i64>,
    tls: Option<Tls>,
    bind_tls: Option<BindTls>,
    auth: Option<Auth>,
    limits: Option<Limits>,
    timeouts: Option<Timeouts>,
    retries: Option<Retries>,
    lanes: Option<PoolLanes>,
    failover: Option<Failover>,
    compression: Option<Compression>,
    log: Option<Log>,
}

/// Where one node is dialled.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Translate {
    from: String,
    to: String,
    shard_aware_port: Option<i64>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    ca: Option<String>,
    cert: Option<String>,
    key: Option<String>,
    server_name: Option<String>,
    verify_name: Option<bool>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct BindTls {
    cert: Option<String>,
    key: Option<String>,
    client_ca: Option<String>,
    handshake_ms: Option<i64>,
    handshakes_max: Option<i64>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Auth {
    mode: Option<String>,
    recheck_s: Option<i64>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    frame_body_bytes_max: Option<i64>,
    client_in_flight_max: Option<i64>,
    outbox_high_bytes: Option<i64>,
    outbox_low_bytes: Option<i64>,
    client_backlog_bytes_max: Option<i64>,
    lane_streams_max: Option<i64>,
    lane_orphans_max: Option<i64>,
    lane_retained_bytes_max: Option<i64>,
    clients_max: Option<i64>,
    catalog_bytes_max: Option<i64>,
    tablets_max: Option<i64>,
    keyspaces_max: Option<i64>,
    credentials_max: Option<i64>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Timeouts {
    connect_ms: Option<i64>,
    handshake_ms: Option<i64>,
    request_ms: Option<i64>,
    schema_agreement_ms: Option<i64>,
    heartbeat_ms: Option<i64>,
    lane_stall_ms: Option<i64>,
    drain_ms: Option<i64>,
    file_poll_ms: Option<i64>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Retries {
    percent: Option<i64>,
    floor_per_s: Option<i64>,
    speculative_ms: Option<i64>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Compression {
    lanes: Option<String>,
    clients: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct PoolLanes {
    per: Option<String>,
    idle_close_s: Option<i64>,
    nodes_max: Option<i64>,
    shard_aware_port: Option<bool>,
    proxy_protocol_port: Option<i64>,
    source_port_low: Option<i64>,
    source_port_high: Option<i64>,
    keepalive_s: Option<i64>,
    heartbeat_s: Option<i64>,
    backoff_first_ms: Option<i64>,
    backoff_max_ms: Option<i64>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Failover {
    remote_nodes_max: Option<i64>,
    after_ms: Option<i64>,
    local_consistency: Option<bool>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Log {
    format: Option<String>,
    level: Option<String>,
}

/// What a file says: the text of each key, and the parser's complaints.
#[derive(Debug, Default)]
pub struct FileText {
    /// Text of each key, as `table.key`. Lists are joined by commas, as flags write them.
    pub values: BTreeMap<String, String>,
    /// Each complaint with its place, and the key that it is about.
    pub complaints: Vec<String>,
}

/// Reads a file's text. A parser stops at its first complaint; here the complained-of entry is
/// blanked out and the rest is read again, so that one look finds every fault.
#[must_use]
pub fn parse(text: &str) -> FileText {
    let mut rest = text.to_owned();
    let mut complaints = Vec::new();
    loop {
        let error = match toml::from_str::<File>(&rest) {
            Ok(file) => return FileText { values: flatten(&file), complaints },
            Err(error) => error,
        };
        let span = error.span();
        let mut told = tell(&rest, span.as_ref(), error.message());
        if let Some(right) = right_form(error.message()) {
            told = format!("{told}\n{right}");
        }
        complaints.push(told);
        let blanked = span
            .as_ref()
            .and_then(|span| blank_entry(&rest, span))
            .filter(|shorter| *shorter != rest)
            .or_else(|| blank_table(&rest, &span?));
        match blanked {
            Some(shorter) if shorter != rest => rest = shorter,
            Some(_) | None => return FileText { values: BTreeMap::new(), complaints },
        }
    }
}

/// A complaint with its place. Of the line only what stands before a value is shown: somebody may
/// have put a password into it.
fn tell(text: &str, span: Option<&Range<usize>>, message: &str) -> String {
    let message = message.trim_end();
    let before = span.and_then(|span| text.get(..span.start));
    let Some(before) = before else { return message.to_owned() };
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let number = before.matches('\n').count() + 1;
    let column = before.get(start..).map_or(0, |before| before.chars().count()) + 1;
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default().trim();
    let shown = match line.split_once('=') {
        Some((key, _)) => format!(" at `{} = …`", key.trim()),
        None if line.starts_with('[') && !line.contains(['"', '\'']) => format!(" at `{line}`"),
        None => String::new(),
    };
    format!("line {number}, column {column}{shown}: {message}")
}

/// What would be right in place of a value of a wrong type, by the parser's words about it.
fn right_form(message: &str) -> Option<&'static str> {
    let (_, expected) = message.strip_prefix("invalid type: ")?.rsplit_once(", expected ")?;
    match expected {
        "i64" => Some("give a whole number without quotes, as 9042"),
        "a string" => Some("give a text in quotes"),
        "a boolean" => Some("give true or false, without quotes"),
        "a sequence" => Some("give a list in brackets, of texts in quotes"),
        table if table.starts_with("struct ") => Some(
            "give a table: its name in brackets on a line, as [limits], its keys on lines below",
        ),
        _ => None,
    }
}

/// `text` with the whole table turned to spaces whose header the fault is in; `None` when the fault
/// is no header, or the text no TOML at all.
fn blank_table(text: &str, fault: &Range<usize>) -> Option<String> {
    DeTable::parse(text).ok()?;
    let start = text.get(..fault.start)?.rfind('\n').map_or(0, |newline| newline + 1);
    let table = text.get(start..)?;
    let is_header = |line: &str| line.trim_start().starts_with('[');
    if !is_header(table) {
        return None;
    }
    let mut end = start;
    for (number, line) in table.split_inclusive('\n').enumerate() {
        if number > 0 && is_header(line) {
            break;
        }
        end += line.len();
    }
    let (before, inside, after) = (text.get(..start)?, text.get(start..end)?, text.get(end..)?);
    Some([before, &blank(inside), after].concat())
}

/// As many spaces as `part` has bytes, with its line breaks.
fn blank(part: &str) -> String {
    let spaces = |c: char| if c == '\n' { "\n".to_owned() } else { " ".repeat(c.len_utf8()) };
    part.chars().map(spaces).collect()
}

/// `text` with the entry around `fault` turned to spaces; lines and columns stay as they were.
fn blank_entry(text: &str, fault: &Range<usize>) -> Option<String> {
    let table = DeTable::parse(text).ok()?;
    let entry = find_entry(table.get_ref(), fault)?;
    let (before, inside, after) =
        (text.get(..entry.start)?, text.get(entry.clone())?, text.get(entry.end..)?);
    Some([before, &blank(inside), after].concat())
}

/// The bytes of the `key = value` that holds `fault`. A faulty table header has no such bytes:
/// without its header, its entries would fall to the table above.
fn find_entry(table: &DeTable<'_>, fault: &Range<usize>) -> Option<Range<usize>> {
    table.iter().find_map(|(key, value)| {
        if let DeValue::Table(inner) = value.get_ref() {
            return find_entry(inner, fault);
        }
        let entry = key.span().start..value.span().end;
        (entry.start <= fault.start && fault.end <= entry.end).then_some(entry)
    })
}

fn flatten(file: &File) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    let table = toml::Table::try_from(file).unwrap_or_default();
    for (key, value) in &table {
        match value {
            Value::Table(inner) => {
                for (name, value) in inner {
                    values.insert(format!("{key}.{name}"), plain(value));
                }
            }
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => {
                values.insert(key.clone(), plain(value));
            }
        }
    }
    values
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        Value::Table(entry) => plain_translate(entry),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
            value.to_string()
        }
    }
}

/// An entry of `translate`, as flags would write it.
fn plain_translate(entry: &toml::Table) -> String {
    let part = |key| entry.get(key).map(plain).unwrap_or_default();
    let port = entry.get("shard_aware_port").map(|port| format!("/{port}"));
    format!("{}={}{}", part("from"), part("to"), port.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_their_paths_and_lists_their_commas() {
        let file = parse("contact_points = ['a', 'b:1']\n[limits]\nclients_max = 5\n");
        let expected = [("contact_points", "a,b:1"), ("limits.clients_max", "5")];
        assert!(file.complaints.is_empty());
        assert!(file.values.iter().map(|(k, v)| (k.as_str(), v.as_str())).eq(expected));
    }

    #[test]
    fn every_wrong_type_and_unknown_key_is_told_with_its_line() {
        let file = parse("port = 'x'\nprot = 1\nworkers = 2\n[limits]\nclients_max = true\n");
        assert_eq!(file.complaints.len(), 3, "{:#?}", file.complaints);
        let places = [
            "line 1, column 8 at `port = …`",
            "line 2, column 1 at `prot = …`",
            "line 5, column 15 at `clients_max = …`",
        ];
        for line in places {
            assert!(file.complaints.iter().any(|text| text.contains(line)), "{line}");
        }
        assert_eq!(file.values.get("workers").map(String::as_str), Some("2"));
    }

    #[test]
    fn no_complaint_shows_what_may_be_a_password() {
        for text in [
            "[auth]\npassword = \"hunter2\"\n",
            "[auth]\nmode = \"none\" hunter2\n",
            "password = hunter2",
            "password: hunter2",
            "[auth]\nx = \"\"\"\nhunter2 \\q",
            "x = { password = \"hunter2\" }",
        ] {
            let complaints = parse(text).complaints;
            assert!(!complaints.is_empty(), "{text}");
            assert!(!complaints.concat().contains("hunter2"), "{complaints:#?}");
        }
    }

    #[test]
    fn a_wrong_type_is_told_with_the_right_form() {
        let cases = [
            ("port = '9042'", "give a whole number without quotes, as 9042"),
            ("workers = 1.5", "give a whole number without quotes, as 9042"),
            ("rack = 1", "give a text in quotes"),
            ("[tls]\nverify_name = 'no'", "give true or false, without quotes"),
            ("contact_points = '10.0.0.1'", "give a list in brackets"),
            ("contact_points = [1]", "give a text in quotes"),
            ("limits = 3", "give a table: its name in brackets"),
        ];
        for (text, right) in cases {
            let file = parse(text);
            assert_eq!(file.complaints.len(), 1, "{text}: {:#?}", file.complaints);
            let told = file.complaints[0].lines().last().unwrap();
            assert!(told.starts_with(right), "{text}: {:#?}", file.complaints);
        }
    }

    #[test]
    fn broken_toml_and_unknown_tables_end_the_reading() {
        for text in ["port = = 1\n", "[limts]\nclients_max = 5\n", "[limits\n", "limits = 3\n"] {
            let file = parse(text);
            assert_eq!(file.complaints.len(), 1, "{text}: {:#?}", file.complaints);
        }
    }

    #[test]
    fn entries_of_the_map_may_be_tables_of_their_own() {
        let one = "translate = [{ from = '10.0.0.1', to = 'lb:1', shard_aware_port = 2 }]\n";
        let other = "[[translate]]\nfrom = '10.0.0.1'\nto = 'lb:1'\nshard_aware_port = 2\n";
        for text in [one, other] {
            let file = parse(text);
            assert!(file.complaints.is_empty(), "{:#?}", file.complaints);
            assert_eq!(file.values.get("translate").map(String::as_str), Some("10.0.0.1=lb:1/2"));
        }
        let file = parse("port = 'x'\n[[translate]]\nfrom = '10.0.0.1'\nwhere = 'lb'\n");
        assert!(
            file.complaints.iter().any(|text| text.contains("where")),
            "{:#?}",
            file.complaints
        );
    }
}

//! The one node that a driver sees: answers of `system.local`, `system.peers` and `peers_v2`.
//!
//! The columns and most cells are those of a real node, so that drivers which name columns one by
//! one find them. Addresses become the listener's, the host id the facade's own, and there are no
//! peers: a driver that learnt of real nodes would connect to them and pass us by.

use std::borrow::Cow;
use std::net::SocketAddr;

use crate::facade::bound_values::BoundValues;
use crate::facade::json;
use crate::facade::refusal::Refusal;
use crate::facade::select::{Purpose, Relation, Select, Selector, Source, SystemTable, Term};
use cql::cell;
use cql::column_type::ColumnType;
use cql::notation::{put_int, put_short_bytes};
use cql::request::parameters::Values;
use cql::response::metadata::{ColumnSpec, Metadata, MetadataStyle, put_bind_metadata};
use cql::response::result::ResultKind;
use cql::response::rows::put_rows;

const KEYSPACE: &str = "system";
/// The key of the only row of `system.local`. Others can be there: anybody may write the table.
const LOCAL_KEY: &[u8] = b"local";
/// One token is enough for drivers that want any; with one node it makes no difference which.
const TOKEN: &str = "0";

/// The node that a driver sees.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Facade {
    /// The same over restarts, and not a real node's: drivers tell nodes by it.
    pub host_id: [u8; 16],
    /// How the real node writes metadata.
    pub style: MetadataStyle,
    /// The real node's own row of `system.local`.
    pub local: Vec<LocalColumn>,
    /// Columns of `system.peers`.
    pub peers: Vec<(String, ColumnType)>,
    /// Columns of `system.peers_v2`, whether or not the real node has that table.
    pub peers_v2: Vec<(String, ColumnType)>,
}

/// A column of `system.local` with its cell.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LocalColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ColumnType,
    /// The real node's value.
    pub cell: Option<Vec<u8>>,
}

/// A column of a result, and where its cells come from.
struct Output<'a> {
    name: Cow<'a, str>,
    kind: ColumnType,
    shown: Shown<'a>,
}

/// Where the cell of a result comes from.
#[derive(Clone, Copy)]
enum Shown<'a> {
    Column(&'a str),
    Json(&'a str),
    Count,
}

impl Facade {
    /// The message of the RESULT that answers `select`, for a client which reached us at `seen_at`.
    pub fn answer(
        &self,
        select: &Select,
        values: &Values<'_>,
        seen_at: SocketAddr,
    ) -> Result<Vec<u8>, Refusal> {
        let outputs = self.outputs(select)?;
        let values = BoundValues::read(select, values)?;
        let has_row = select.table == SystemTable::Local
            && select.relations.iter().all(|relation| is_local(relation, &values));
        let counts = outputs.iter().any(|output| matches!(output.shown, Shown::Count));
        let cells = |output: &Output<'_>| match output.shown {
            Shown::Count => Some(Cow::Owned(i64::from(has_row).to_be_bytes().to_vec())),
            Shown::Column(name) if has_row => self.cell(name, seen_at),
            Shown::Json(name) if has_row => Some(self.json_cell(name, seen_at)),
            Shown::Column(_) | Shown::Json(_) => None,
        };
        let mut rows = Vec::new();
        if has_row || counts {
            rows.push(outputs.iter().map(cells).collect::<Vec<_>>());
        }
        if select.is_json {
            rows = rows.iter().map(|row| vec![Some(json_row(&outputs, row))]).collect();
        }
        let mut out = Vec::new();
        let specs = specs(select, &outputs);
        put_rows(&mut out, &Metadata::new(self.style, specs), &rows);
        Ok(out)
    }

    /// The message of the RESULT Prepared of `select` under `id`, for protocol `version`.
    pub fn prepare(&self, select: &Select, id: &[u8; 16], version: u8) -> Result<Vec<u8>, Refusal> {
        let outputs = self.outputs(select)?;
        let columns = self.columns(select.table);
        let kind_of = |name: &str| {
            let column = columns.iter().find(|(column, _)| *column == name);
            column.map_or(ColumnType::Blob, |(_, kind)| (*kind).clone())
        };
        let markers: Vec<_> = select
            .markers
            .iter()
            .map(|marker| ColumnSpec {
                keyspace: KEYSPACE,
                table: select.table.name(),
                name: &marker.name,
                kind: match &marker.purpose {
                    Purpose::Column(name) => kind_of(name),
                    Purpose::ListOf(name) => ColumnType::List(Box::new(kind_of(name))),
                    Purpose::Limit => ColumnType::Int,
                    Purpose::Timeout => ColumnType::Duration,
                },
            })
            .collect();
        let mut out = Vec::new();
        put_int(&mut out, ResultKind::Prepared.code());
        put_short_bytes(&mut out, id);
        put_bind_metadata(&mut out, version, 0, &pk_indexes(select), &markers);
        Metadata::new(self.style, specs(select, &outputs)).put(&mut out);
        Ok(out)
    }

    /// The columns of the result, before they become one JSON text.
    fn outputs<'a>(&'a self, select: &'a Select) -> Result<Vec<Output<'a>>, Refusal> {
        let columns = self.columns(select.table);
        let find = |name: &str| {
            let column = columns.iter().find(|(column, _)| *column == name);
            column.copied().ok_or_else(|| Refusal::unrecognized_name(name))
        };
        for relation in &select.relations {
            find(&relation.column)?;
        }
        if select.selectors.is_empty() {
            let output = |&(name, kind): &(&'a str, &ColumnType)| Output {
                name: Cow::Borrowed(name),
                kind: kind.clone(),
                shown: Shown::Column(name),
            };
            return Ok(columns.iter().map(output).collect());
        }
        let output = |selector: &'a Selector| {
            let (own_name, kind, shown) = match &selector.source {
                Source::Column(name) => {
                    let (name, kind) = find(name)?;
                    (Cow::Borrowed(name), kind.clone(), Shown::Column(name))
                }
                Source::ToJson(name) => {
                    let (name, _) = find(name)?;
                    let shown = Cow::Owned(format!("system.tojson({name})"));
                    (shown, ColumnType::Varchar, Shown::Json(name))
                }
                Source::Count => (Cow::Borrowed("count"), ColumnType::Bigint, Shown::Count),
            };
            let name = selector.alias.as_deref().map_or(own_name, Cow::Borrowed);
            Ok(Output { name, kind, shown })
        };
        select.selectors.iter().map(output).collect()
    }

    fn columns(&self, table: SystemTable) -> Vec<(&str, &ColumnType)> {
        match table {
            SystemTable::Local => {
                self.local.iter().map(|column| (column.name.as_str(), &column.kind)).collect()
            }
            SystemTable::Peers => named(&self.peers),
            SystemTable::PeersV2 => named(&self.peers_v2),
        }
    }

    /// A cell of our row of `system.local`.
    fn cell(&self, name: &str, seen_at: SocketAddr) -> Option<Cow<'_, [u8]>> {
        let column = self.local.iter().find(|column| column.name == name)?;
        // A node that just joined may lack these; a driver needs them.
        match name {
            "host_id" => return Some(Cow::Borrowed(&self.host_id)),
            "tokens" => return Some(Cow::Owned(cell::from_text_list(&[TOKEN]))),
            _ => {}
        }
        let real = column.cell.as_deref()?;
        if column.kind == ColumnType::Inet {
            return Some(Cow::Owned(cell::from_inet(seen_at.ip())));
        }
        if column.kind == ColumnType::Int && name.ends_with("_port") {
            return Some(Cow::Owned(i32::from(seen_at.port()).to_be_bytes().to_vec()));
        }
        Some(Cow::Borrowed(real))
    }

    fn json_cell(&self, name: &str, seen_at: SocketAddr) -> Cow<'_, [u8]> {
        let column = self.local.iter().find(|column| column.name == name);
        let kind = column.map_or(&ColumnType::Blob, |column| &column.kind);
        let mut text = String::new();
        json::put_cell(&mut text, kind, self.cell(name, seen_at).as_deref());
        Cow::Owned(text.into_bytes())
    }
}

/// The id under which a statement of these tables is prepared: the same on every connection and
/// after every restart, and never a node's, whose ids are MD5 sums.
#[must_use]
pub fn facade_id(keyspace: Option<&str>, text: &str) -> [u8; 16] {
    let named = format!("{}\0{text}", keyspace.unwrap_or_default());
    // Reading from memory cannot fail.
    let hash = murmur3::murmur3_x64_128(&mut named.as_bytes(), 0).unwrap_or_default();
    let mut id = hash.to_be_bytes();
    id.iter_mut().zip(FACADE_MARK).for_each(|(byte, mark)| *byte = mark);
    id
}

/// Whether an id is one of [`facade_id`]. After a restart such an id is unknown until the driver
/// has prepared again, and no node knows it.
#[must_use]
pub fn is_facade_id(id: &[u8]) -> bool {
    id.len() == 16 && id.starts_with(&FACADE_MARK)
}

/// What every id of ours begins with; a node's id does so once in 2^48.
const FACADE_MARK: [u8; 6] = *b"facade";

fn named(columns: &[(String, ColumnType)]) -> Vec<(&str, &ColumnType)> {
    columns.iter().map(|(name, kind)| (name.as_str(), kind)).collect()
}

fn is_local(relation: &Relation, values: &BoundValues<'_>) -> bool {
    relation.terms.iter().any(|term| match term {
        Term::Text(text) => text.as_bytes() == LOCAL_KEY,
        Term::Other => false,
        Term::Marker(place) => values.get(*place) == Some(LOCAL_KEY),
        Term::ListMarker(place) => {
            let list = values.get(*place).and_then(|list| cell::list(list).ok());
            list.is_some_and(|list| list.contains(&Some(LOCAL_KEY)))
        }
    })
}

/// Where the marker of the partition key stands, when the key is one marker.
fn pk_indexes(select: &Select) -> Vec<u16> {
    let key = match select.table {
        SystemTable::Local => "key",
        SystemTable::Peers | SystemTable::PeersV2 => "peer",
    };
    let relation = select.relations.iter().rfind(|relation| relation.column == key);
    match relation.map(|relation| relation.terms.as_slice()) {
        Some([Term::Marker(place)]) => u16::try_from(*place).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn specs<'a>(select: &Select, outputs: &'a [Output<'_>]) -> Vec<ColumnSpec<'a>> {
    let table = select.table.name();
    let spec = |name, kind| ColumnSpec { keyspace: KEYSPACE, table, name, kind };
    if select.is_json {
        return vec![spec("[json]", ColumnType::Varchar)];
    }
    outputs.iter().map(|output| spec(output.name.as_ref(), output.kind.clone())).collect()
}

fn json_row<'a>(outputs: &[Output<'_>], row: &[Option<Cow<'_, [u8]>>]) -> Cow<'a, [u8]> {
    let mut text = String::from("{");
    for (index, (output, cell)) in outputs.iter().zip(row).enumerate() {
        text.push_str(if index > 0 { ", " } else { "" });
        json::put_string(&mut text, &output.name);
        text.push_str(": ");
        json::put_cell(&mut text, &output.kind, cell.as_deref());
    }
    text.push('}');
    Cow::Owned(text.into_bytes())
}

#[cfg(test)]
mod tests;

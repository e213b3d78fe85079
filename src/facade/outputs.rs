//! The columns of a result: which cells of a row they show, and under which names.

use std::borrow::Cow;

use crate::facade::refusal::Refusal;
use crate::facade::tables::virtual_table::{Cell, Column, ColumnRole, VirtualTable};
use crate::facade::text::select;
use crate::facade::text::select::{Comparand, MarkerUse, Select, Selector, SelectorSource};
use cql::notation::{put_int, put_short_bytes};
use cql::response::metadata::{ColumnSpec, Metadata, MetadataStyle, put_bind_metadata};
use cql::response::result::ResultKind;
use cql::values::column_type::ColumnType;
use cql::values::json;

/// The columns that a SELECT wants of a table.
#[derive(Debug)]
pub(in crate::facade) struct Outputs<'a> {
    pub(in crate::facade) table: &'a dyn VirtualTable,
    pub(in crate::facade) select: &'a Select,
    outputs: Vec<Output<'a>>,
}

/// A column of a result.
#[derive(Debug)]
struct Output<'a> {
    name: Cow<'a, str>,
    kind: ColumnType,
    shown: Shown,
}

/// What a column of a result shows, by places in the table's columns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Shown {
    Column(usize),
    Json(usize),
    Count,
    CountOf(usize),
}

/// What was counted while rows were looked through.
#[derive(Debug, Default)]
pub(in crate::facade) struct Counts {
    rows: i64,
    /// For each output, rows in which its column is not null.
    not_null: Vec<i64>,
}

impl<'a> Outputs<'a> {
    pub(in crate::facade) fn new(
        table: &'a dyn VirtualTable,
        select: &'a Select,
    ) -> Result<Self, Refusal> {
        for relation in &select.relations {
            place_of(table, &relation.column)?;
        }
        let outputs = if select.selectors.is_empty() {
            let all = |(at, column): (usize, &'a Column)| Output {
                name: Cow::Borrowed(&column.name),
                kind: column.kind.clone(),
                shown: Shown::Column(at),
            };
            table.columns().iter().enumerate().map(all).collect()
        } else {
            let output = |selector| Output::new(table, selector);
            select.selectors.iter().map(output).collect::<Result<_, _>>()?
        };
        let outputs = Self { table, select, outputs };
        outputs.check_distinct()?;
        Ok(outputs)
    }

    /// With DISTINCT only what all rows of a partition share can be shown, and its whole key.
    fn check_distinct(&self) -> Result<(), Refusal> {
        if !self.select.is_distinct {
            return Ok(());
        }
        let columns = self.table.columns();
        let is_shared =
            |column: &Column| matches!(column.role, ColumnRole::PartitionKey | ColumnRole::Static);
        let shown = self.outputs.iter().filter_map(|output| match output.shown {
            Shown::Column(at) | Shown::Json(at) | Shown::CountOf(at) => columns.get(at),
            Shown::Count => None,
        });
        let shown: Vec<&Column> = shown.collect();
        if let Some(column) = shown.iter().find(|column| !is_shared(column)) {
            return Err(Refusal::not_distinct(&column.name));
        }
        let mut key = columns.iter().filter(|column| column.role == ColumnRole::PartitionKey);
        if let Some(missing) = key.find(|column| !shown.contains(column)) {
            return Err(Refusal::missing_in_distinct(&missing.name));
        }
        for relation in &self.select.relations {
            if !is_shared(place_of(self.table, &relation.column)?.1) {
                return Err(Refusal::condition_with_distinct());
            }
        }
        Ok(())
    }

    /// Whether all rows become one, in which they are counted.
    pub(in crate::facade) fn counts(&self) -> bool {
        let is_count =
            |output: &Output<'_>| matches!(output.shown, Shown::Count | Shown::CountOf(_));
        self.outputs.iter().any(is_count)
    }

    /// Bytes of a row in the result. It stops to add them up beyond `bytes_max`.
    pub(in crate::facade) fn row_bytes(&self, row: &[Cell<'_>], bytes_max: usize) -> usize {
        let mut bytes = 0;
        self.each_cell(row, &Counts::default(), |cell| {
            bytes += 4 + cell.map_or(0, <[u8]>::len);
            bytes <= bytes_max
        });
        bytes
    }

    /// Hands out the cells of a row of the result, until `take` says no.
    pub(in crate::facade) fn each_cell(
        &self,
        row: &[Cell<'_>],
        counts: &Counts,
        mut take: impl FnMut(Option<&[u8]>) -> bool,
    ) {
        if self.select.is_json {
            take(Some(self.json_row(row, counts).as_bytes()));
            return;
        }
        for (at, output) in self.outputs.iter().enumerate() {
            if !take(self.cell(at, output, row, counts).as_deref()) {
                return;
            }
        }
    }

    /// Counts a row.
    pub(in crate::facade) fn count(&self, counts: &mut Counts, row: &[Cell<'_>]) {
        counts.rows += 1;
        counts.not_null.resize(self.outputs.len(), 0);
        for (output, count) in self.outputs.iter().zip(&mut counts.not_null) {
            if let Shown::CountOf(at) = output.shown {
                *count += i64::from(row.get(at).is_some_and(Option::is_some));
            }
        }
    }

    fn cell<'c>(
        &self,
        at: usize,
        output: &Output<'_>,
        row: &'c [Cell<'_>],
        counts: &Counts,
    ) -> Option<Cow<'c, [u8]>> {
        let count = |count: i64| Some(Cow::Owned(count.to_be_bytes().to_vec()));
        match output.shown {
            Shown::Column(place) => row.get(place)?.as_deref().map(Cow::Borrowed),
            Shown::Json(place) => {
                // Where no row was found there is nothing to be shown as JSON either.
                let cell = row.get(place)?.as_deref();
                let mut text = String::new();
                json::put_cell(&mut text, &self.table.columns().get(place)?.kind, cell);
                Some(Cow::Owned(text.into_bytes()))
            }
            Shown::Count => count(counts.rows),
            Shown::CountOf(_) => count(counts.not_null.get(at).copied().unwrap_or(0)),
        }
    }

    fn json_row(&self, row: &[Cell<'_>], counts: &Counts) -> String {
        let mut text = String::from("{");
        for (at, output) in self.outputs.iter().enumerate() {
            text.push_str(if at > 0 { ", " } else { "" });
            json::put_string(&mut text, &output.name);
            text.push_str(": ");
            json::put_cell(&mut text, &output.kind, self.cell(at, output, row, counts).as_deref());
        }
        text.push('}');
        text
    }

    /// The result's metadata.
    pub(in crate::facade) fn metadata(&self, style: MetadataStyle) -> Metadata<'_> {
        let name = self.table.name();
        let (keyspace, table) = (name.keyspace, name.table);
        let spec = |name, kind| ColumnSpec { keyspace, table, name, kind };
        let specs = if self.select.is_json {
            vec![spec("[json]", ColumnType::Varchar)]
        } else {
            let outputs = self.outputs.iter();
            outputs.map(|output| spec(output.name.as_ref(), output.kind.clone())).collect()
        };
        Metadata::new(style, specs)
    }

    /// The markers' names and types.
    fn markers(&self) -> Vec<ColumnSpec<'_>> {
        let name = self.table.name();
        let kind_of = |name: &str| {
            let column = self.table.columns().iter().find(|column| column.name == name);
            column.map_or(ColumnType::Blob, |column| column.kind.clone())
        };
        let spec = |marker: &'a select::Marker| ColumnSpec {
            keyspace: name.keyspace,
            table: name.table,
            name: &marker.name,
            kind: match &marker.purpose {
                MarkerUse::Column(name) => kind_of(name),
                MarkerUse::ListOf(name) => ColumnType::List(Box::new(kind_of(name))),
                MarkerUse::Limit => ColumnType::Int,
                MarkerUse::Timeout => ColumnType::Duration,
            },
        };
        self.select.markers.iter().map(spec).collect()
    }

    /// Where the markers of the partition key stand, when each of its columns is one marker.
    fn pk_indexes(&self) -> Vec<u16> {
        let columns = self.table.columns().iter();
        let key = columns.filter(|column| column.role == ColumnRole::PartitionKey);
        let marker = |column: &Column| {
            let mut relations = self.select.relations.iter();
            let relation = relations.rfind(|relation| relation.column == column.name)?;
            match relation.terms.as_slice() {
                [Comparand::Marker(place)] => u16::try_from(*place).ok(),
                _ => None,
            }
        };
        key.map(marker).collect::<Option<_>>().unwrap_or_default()
    }
}

impl<'a> Output<'a> {
    fn new(table: &'a dyn VirtualTable, selector: &'a Selector) -> Result<Self, Refusal> {
        let (own_name, kind, shown) = match &selector.source {
            SelectorSource::Column(name) => {
                let (at, column) = place_of(table, name)?;
                (Cow::Borrowed(&*column.name), column.kind.clone(), Shown::Column(at))
            }
            SelectorSource::ToJson(name) => {
                let (at, column) = place_of(table, name)?;
                let shown = Cow::Owned(format!("system.tojson({})", column.name));
                (shown, ColumnType::Varchar, Shown::Json(at))
            }
            SelectorSource::Count => (Cow::Borrowed("count"), ColumnType::Bigint, Shown::Count),
            SelectorSource::CountOf(name) => {
                let (at, column) = place_of(table, name)?;
                let shown = Cow::Owned(format!("system.count({})", column.name));
                (shown, ColumnType::Bigint, Shown::CountOf(at))
            }
        };
        let name = selector.alias.as_deref().map_or(own_name, Cow::Borrowed);
        Ok(Self { name, kind, shown })
    }
}

/// A column by its name, and its place.
pub(in crate::facade) fn place_of<'a>(
    table: &'a dyn VirtualTable,
    name: &str,
) -> Result<(usize, &'a Column), Refusal> {
    let mut columns = table.columns().iter().enumerate();
    columns.find(|(_, column)| column.name == name).ok_or_else(|| {
        if table.is_of_cassandra() {
            Refusal::undefined_column(name, table.name())
        } else {
            Refusal::unrecognized_name(name)
        }
    })
}

/// The message of a RESULT Prepared.
pub(in crate::facade) fn put_prepared(
    outputs: &Outputs<'_>,
    style: MetadataStyle,
    id: &[u8; 16],
    version: u8,
) -> Vec<u8> {
    let mut out = Vec::new();
    put_int(&mut out, ResultKind::Prepared.code());
    put_short_bytes(&mut out, id);
    put_bind_metadata(&mut out, version, 0, &outputs.pk_indexes(), &outputs.markers());
    outputs.metadata(style).put(&mut out);
    out
}

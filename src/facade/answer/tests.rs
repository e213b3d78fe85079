//! A table of several rows, asked for them in every way that is understood.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::*;
use crate::facade::facade::{Facade, Facts};
use crate::facade::tables::table_name::{PEERS, VirtualTableName};
use crate::facade::tables::virtual_table::{LiveState, Row};
use crate::facade::text::statement_text::{StatementText, classify};
use cql::notation::{Reader, put_short};
use cql::request::parameters::{PAGE_SIZE, PAGING_STATE, VALUES};
use cql::response::rows::Rows;
use cql::values::column_type::ColumnType;

/// Lanes of nodes: `node` and `shard` are the key, `requests` grows with the row, `note` is null in
/// every second one.
#[derive(Debug)]
struct Lanes {
    columns: Vec<Column>,
    rows: u64,
    note_len: usize,
}

impl Lanes {
    fn new(rows: u64) -> Self {
        let column = |name: &str, kind, role| Column { name: name.to_owned(), kind, role };
        let columns = vec![
            column("node", ColumnType::Varchar, ColumnRole::PartitionKey),
            column("shard", ColumnType::Int, ColumnRole::ClusteringKey),
            column("requests", ColumnType::Bigint, ColumnRole::Regular),
            column("note", ColumnType::Varchar, ColumnRole::Regular),
        ];
        Self { columns, rows, note_len: 3 }
    }
}

impl VirtualTable for Lanes {
    fn name(&self) -> VirtualTableName {
        PEERS
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn visit(&self, _: &Viewpoint<'_>, from: u64, take: &mut dyn FnMut(Row<'_>) -> bool) {
        for number in (from / 10..self.rows).filter(|number| number * 10 >= from) {
            let node = if number < 3 { "n1" } else { "n2" };
            let shard = i32::try_from(number % 3).unwrap().to_be_bytes().to_vec();
            let note = "x".repeat(self.note_len).into_bytes();
            let cells = vec![
                Some(Cow::Borrowed(node.as_bytes())),
                Some(Cow::Owned(shard)),
                Some(Cow::Owned(number.to_be_bytes().to_vec())),
                (number % 2 == 0).then_some(Cow::Owned(note)),
            ];
            if !take(Row { position: number * 10, cells }) {
                return;
            }
        }
    }
}

struct Nothing;

impl LiveState for Nothing {
    fn schema_version(&self) -> Option<[u8; 16]> {
        None
    }
}

/// The options of a request: page size, paging state, values.
#[derive(Clone, Default)]
struct Request<'a> {
    page_size: Option<i32>,
    state: Option<Vec<u8>>,
    values: &'a [&'a [u8]],
}

impl Request<'_> {
    fn bytes(&self) -> Vec<u8> {
        let page = if self.page_size.is_some() { PAGE_SIZE } else { 0 };
        let state = if self.state.is_some() { PAGING_STATE } else { 0 };
        let mut out = vec![0, 1, VALUES | page | state];
        put_short(&mut out, u16::try_from(self.values.len()).unwrap());
        self.values.iter().for_each(|value| put_bytes(&mut out, Some(value)));
        if let Some(rows) = self.page_size {
            put_int(&mut out, rows);
        }
        if let Some(state) = &self.state {
            put_bytes(&mut out, Some(state));
        }
        out
    }
}

/// `requests` of each row, or the first cell as it is, and the paging state.
type Page = (Vec<Option<Vec<u8>>>, Option<Vec<u8>>);

fn page(table: Lanes, text: &str, request: &Request<'_>) -> Result<Page, Refusal> {
    let bytes = request.bytes();
    let parameters = Parameters::read(&mut Reader::new(&bytes)).unwrap();
    let StatementText::Local(select) = classify(text, None) else { panic!("{text}") };
    let style = MetadataStyle::Global;
    let facade = Facade::new(style, Facts::default(), vec![Box::new(table)]);
    let asked = Viewpoint { seen_at: SocketAddr::from(([127, 0, 0, 1], 9042)), live: &Nothing };
    let answer = facade.answer(&select, &parameters, &asked)?;
    let mut out = Vec::new();
    answer.put(&mut out);
    assert_eq!(out.len(), answer.len(), "{text}: the size is known before");
    assert!(out.len() <= ANSWER_BYTES_MAX + 1000, "{text}: {} bytes", out.len());
    let rows = Rows::read(&out).unwrap();
    let first = |cells: &[Option<&[u8]>]| cells[0].map(<[u8]>::to_vec);
    let cells = rows.rows().map(|row| first(&row.unwrap().cells)).collect();
    Ok((cells, rows.metadata.paging_state.map(<[u8]>::to_vec)))
}

fn numbers(cells: &[Option<Vec<u8>>]) -> Vec<i64> {
    cells.iter().map(|cell| cell::bigint(cell.as_deref().unwrap()).unwrap()).collect()
}

fn found(table: Lanes, tail: &str) -> Vec<i64> {
    let text = format!("SELECT requests FROM system.peers {tail}");
    let (cells, state) = page(table, &text, &Request::default()).unwrap();
    assert_eq!(state, None, "{text}");
    numbers(&cells)
}

fn refused(tail: &str) -> Refusal {
    let text = format!("SELECT requests FROM system.peers {tail}");
    page(Lanes::new(5), &text, &Request::default()).unwrap_err()
}

#[test]
fn rows_are_found_by_their_key() {
    let five = || Lanes::new(5);
    assert_eq!(found(five(), ""), [0, 1, 2, 3, 4]);
    assert_eq!(found(five(), "WHERE node = 'n1'"), [0, 1, 2]);
    assert_eq!(found(five(), "WHERE node = 'n1' AND shard = 1"), [1]);
    assert_eq!(found(five(), "WHERE node IN ('n2', 'n1') AND shard IN (0, 7)"), [0, 3]);
    assert!(found(five(), "WHERE node = 'n3'").is_empty());
    assert!(found(five(), "WHERE node = null").is_empty());
}

#[test]
fn rows_are_found_by_other_columns_only_where_that_is_allowed() {
    for tail in ["WHERE requests = 3", "WHERE shard = 1", "WHERE node = 'n1' AND requests = 1"] {
        assert_eq!(refused(tail), Refusal::needs_filtering(), "{tail}");
    }
    let five = || Lanes::new(5);
    assert_eq!(found(five(), "WHERE requests = 3 ALLOW FILTERING"), [3]);
    assert_eq!(found(five(), "WHERE shard = 1 ALLOW FILTERING"), [1, 4]);
    assert_eq!(found(five(), "WHERE note = 'xxx' AND node = 'n1' ALLOW FILTERING"), [0, 2]);
    let text = "Unrecognized name nope";
    assert_eq!(refused("WHERE nope = 3").text, text);
}

#[test]
fn a_limit_ends_the_rows() {
    assert_eq!(found(Lanes::new(5), "LIMIT 2"), [0, 1]);
    assert_eq!(found(Lanes::new(5), "WHERE node = 'n2' LIMIT 9"), [3, 4]);
    let text = "SELECT requests FROM system.peers LIMIT ?";
    let bound = |limit: i32| {
        let bytes = limit.to_be_bytes();
        let values = [&bytes[..]];
        page(Lanes::new(5), text, &Request { values: &values, ..Request::default() })
    };
    assert_eq!(numbers(&bound(3).unwrap().0), [0, 1, 2]);
    assert_eq!(bound(0).unwrap_err(), Refusal::limit());
    assert_eq!(refused("PER PARTITION LIMIT 1"), Refusal::partition_limit());
}

#[test]
fn counts_are_of_all_rows_that_are_found() {
    let count = |what: &str, tail: &str| {
        let text = format!("SELECT {what} FROM system.peers {tail}");
        numbers(&page(Lanes::new(5), &text, &Request::default()).unwrap().0)
    };
    assert_eq!(count("count(*)", ""), [5]);
    assert_eq!(count("count(note)", ""), [3]);
    assert_eq!(count("count(*)", "WHERE node = 'n2' LIMIT 1"), [2]);
    assert_eq!(count("count(*)", "WHERE node = 'n9'"), [0]);
    assert_eq!(count("requests, count(*)", "WHERE node = 'n2'"), [3]);
}

#[test]
fn rows_come_by_pages_up_to_the_limit() {
    for (tail, expected) in [("", vec![0, 1, 2, 3, 4]), ("LIMIT 3", vec![0, 1, 2])] {
        let text = format!("SELECT requests FROM system.peers {tail}");
        for page_size in 1..=6 {
            let mut request = Request { page_size: Some(page_size), ..Request::default() };
            let (mut all, mut pages) = (Vec::new(), 0);
            loop {
                let (cells, state) = page(Lanes::new(5), &text, &request).unwrap();
                assert!(cells.len() <= usize::try_from(page_size).unwrap());
                all.extend(numbers(&cells));
                pages += 1;
                request.state = state;
                if request.state.is_none() {
                    break;
                }
            }
            assert_eq!(all, expected, "{tail} by {page_size}");
            assert_eq!(pages, expected.len().div_ceil(usize::try_from(page_size).unwrap()));
        }
    }
}

#[test]
fn rows_that_leave_between_two_pages_move_no_other() {
    let text = "SELECT requests FROM system.peers";
    let first = Request { page_size: Some(2), ..Request::default() };
    let (_, state) = page(Lanes::new(5), text, &first).unwrap();
    // It begins at the place of a row that is gone: at the next one.
    let mut moved = state.clone().unwrap();
    moved[7] += 1;
    for (state, expected) in [(state, vec![2, 3]), (Some(moved), vec![3, 4])] {
        let next = Request { state, ..first.clone() };
        assert_eq!(numbers(&page(Lanes::new(5), text, &next).unwrap().0), expected);
    }
    for state in [vec![], vec![0; 15], vec![0; 17]] {
        let broken = Request { state: Some(state), ..first.clone() };
        assert_eq!(page(Lanes::new(5), text, &broken).unwrap_err(), Refusal::paging_state());
    }
}

#[test]
fn a_page_ends_before_it_is_too_long_and_what_has_no_pages_is_refused() {
    let large = || Lanes { note_len: 100_000, ..Lanes::new(40) };
    let text = "SELECT requests, note FROM system.peers";
    let mut request = Request { page_size: Some(5000), ..Request::default() };
    let (mut all, mut pages) = (Vec::new(), 0);
    loop {
        let (cells, state) = page(large(), text, &request).unwrap();
        all.extend(numbers(&cells));
        pages += 1;
        request.state = state;
        if request.state.is_none() {
            break;
        }
    }
    assert_eq!((all, pages), ((0..40).collect(), 2), "2 MB");
    let refusal = page(large(), text, &Request::default()).unwrap_err();
    assert_eq!(refusal, Refusal::too_large(ANSWER_BYTES_MAX));
}

#[test]
fn a_row_that_is_too_long_alone_is_refused_however_it_is_asked_for() {
    let wide = vec!["note"; 1000].join(",");
    let large = || Lanes { note_len: 2_000, ..Lanes::new(4) };
    for what in [wide.clone(), format!("JSON {wide}"), format!("count(*),{}", &wide[5..])] {
        let text = format!("SELECT {what} FROM system.peers");
        for page_size in [None, Some(100)] {
            let request = Request { page_size, ..Request::default() };
            let refusal = page(large(), &text, &request).unwrap_err();
            assert_eq!(refusal, Refusal::too_large(ANSWER_BYTES_MAX), "{page_size:?}");
        }
    }
}

#[test]
fn distinct_shows_each_partition_once() {
    let text = "SELECT DISTINCT node FROM system.peers";
    let shown = |text: &str, request: &Request<'_>| page(Lanes::new(7), text, request).unwrap();
    let node = |name: &str| Some(name.as_bytes().to_vec());
    assert_eq!(shown(text, &Request::default()), (vec![node("n1"), node("n2")], None));
    let (first, state) = shown(text, &Request { page_size: Some(1), ..Request::default() });
    assert_eq!(first, [node("n1")]);
    let (second, state) = shown(text, &Request { page_size: Some(1), state, ..Request::default() });
    assert_eq!((second, state), (vec![node("n2")], None));
    let limited = format!("{text} LIMIT 1");
    assert_eq!(shown(&limited, &Request::default()).0, [node("n1")]);
}

#[test]
fn distinct_of_what_is_no_partition_key_is_refused_in_the_servers_words() {
    for (text, why) in [
        (
            "SELECT DISTINCT * FROM system.peers",
            "partition key columns and/or static columns (not shard)",
        ),
        ("SELECT DISTINCT node, note FROM system.peers", "and/or static columns (not note)"),
        (
            "SELECT DISTINCT count(*) FROM system.peers",
            "all the partition key columns (missing node)",
        ),
        (
            "SELECT DISTINCT node FROM system.peers WHERE node = 'n1' AND shard = 1",
            "only supports restriction by partition key",
        ),
    ] {
        let refused = page(Lanes::new(7), text, &Request::default()).unwrap_err();
        assert_eq!(refused.code, cql::error_code::ErrorCode::INVALID);
        assert!(refused.text.contains(why), "{}", refused.text);
    }
}

//! Rows of `system.tablets` as servers send them, and damaged ones.

use super::*;
use crate::engine::action::TableFact;
use cql::notation::{put_bytes, put_int};
use cql::response::metadata::{ColumnSpec, Metadata, MetadataStyle};
use cql::response::rows::put_rows;
use cql::values::column_type::ColumnType;

type Cells = Vec<Option<Vec<u8>>>;

const COLUMNS: [&str; 5] = ["last_token", "replicas", "new_replicas", "stage", "base_table"];

fn reading() -> TabletReading {
    let (keyspace, table) = ("ks".into(), "t".into());
    TabletReading::new(TableRequest { keyspace, table, wanted: TableFact::Tablets }, 500, 77)
}

/// A reading that knows the table's id.
fn reading_pages() -> TabletReading {
    let mut reading = reading();
    let id = answer(&["id"], &[vec![Some(vec![9; 16])]], None);
    assert_eq!(reading.on_answer(Ok(&id)), Progress::More);
    reading
}

fn answer(columns: &[&str], rows: &[Cells], state: Option<&[u8]>) -> Vec<u8> {
    let spec = |name| ColumnSpec { keyspace: "system", table: "t", name, kind: ColumnType::Blob };
    let specs = columns.iter().copied().map(spec).collect();
    let metadata =
        Metadata { paging_state: state, ..Metadata::new(MetadataStyle::PerColumn, specs) };
    let mut out = Vec::new();
    put_rows(&mut out, &metadata, rows);
    out
}

fn replicas(of: &[(u8, i32)]) -> Vec<u8> {
    let mut list = Vec::new();
    put_int(&mut list, i32::try_from(of.len()).unwrap());
    for (host, shard) in of {
        let mut tuple = Vec::new();
        put_bytes(&mut tuple, Some(&[*host; 16]));
        put_bytes(&mut tuple, Some(&shard.to_be_bytes()));
        put_bytes(&mut list, Some(&tuple));
    }
    list
}

/// A row of a table's own tablets; `stage` is set while one moves.
fn row(last: i64, of: &[(u8, i32)], stage: Option<&str>) -> Cells {
    let stage = stage.map(|stage| stage.as_bytes().to_vec());
    let new = stage.as_ref().map(|_| replicas(&[(99, 0)]));
    vec![Some(last.to_be_bytes().to_vec()), Some(replicas(of)), new, stage, None]
}

fn tablet(first: i64, last: i64, host: u8, shard: u16) -> ReadTablet {
    ReadTablet { first, last, replicas: vec![(HostId([host; 16]), shard)] }
}

fn page(progress: Progress) -> TabletPage {
    let Progress::Page(page) = progress else { panic!("{progress:?}") };
    page
}

#[test]
fn ranges_go_on_over_pages() {
    let mut reading = reading_pages();
    let first = [row(-5, &[(1, 0)], None), row(0, &[(2, 1)], None)];
    let ended = page(reading.on_answer(Ok(&answer(&COLUMNS, &first, Some(b"next")))));
    assert_eq!((ended.began_us, ended.end), (77, None));
    assert_eq!(ended.tablets, [tablet(i64::MIN, -5, 1, 0), tablet(-5, 0, 2, 1)]);
    let asked = reading.question();
    assert_eq!(asked.page, Some((500, Some(b"next".to_vec()))));
    assert!(asked.text.contains("table_id = 09090909-"), "{}", asked.text);

    let ended =
        page(reading.on_answer(Ok(&answer(&COLUMNS, &[row(i64::MAX, &[(3, 2)], None)], None))));
    assert_eq!(ended.tablets, [tablet(0, i64::MAX, 3, 2)]);
    assert_eq!(ended.end, Some(ReadEnd::Complete { moving: false }));
}

#[test]
fn a_tablet_that_moves_has_the_replicas_that_nodes_judge_by() {
    let mut reading = reading_pages();
    let rows = [row(0, &[(1, 0)], Some("streaming")), row(i64::MAX, &[(2, 0)], None)];
    let ended = page(reading.on_answer(Ok(&answer(&COLUMNS, &rows, None))));
    assert_eq!(ended.tablets, [tablet(i64::MIN, 0, 1, 0), tablet(0, i64::MAX, 2, 0)]);
    assert_eq!(ended.end, Some(ReadEnd::Complete { moving: true }));
}

#[test]
fn damaged_rows_are_left_out_with_what_depends_on_them() {
    let mut reading = reading_pages();
    let without = |column: usize| {
        let mut cells = row(30, &[(1, 0)], None);
        cells[column] = None;
        cells
    };
    let rows = [
        row(0, &[(1, 0)], None),
        row(10, &[(1, -1)], None),
        row(20, &[(1, 1)], None),
        without(1),
        row(40, &[(1, 2)], None),
        row(40, &[(1, 3)], None),
        without(0),
        row(60, &[(1, 4)], None),
        row(70, &[(1, 5)], None),
        row(80, &[], None),
    ];
    let ended = page(reading.on_answer(Ok(&answer(&COLUMNS, &rows, None))));
    let expected = [
        tablet(i64::MIN, 0, 1, 0),
        tablet(10, 20, 1, 1),
        tablet(30, 40, 1, 2),
        tablet(60, 70, 1, 5),
    ];
    assert_eq!(ended.tablets, expected);
}

#[test]
fn a_table_that_shares_the_tablets_of_another_is_read_there() {
    let mut reading = reading_pages();
    let shared: Cells = vec![None, None, None, None, Some(vec![7; 16])];
    assert_eq!(
        reading.on_answer(Ok(&answer(&COLUMNS, std::slice::from_ref(&shared), None))),
        Progress::More
    );
    assert!(reading.question().text.contains("table_id = 07070707-"));
    // No way leads in a circle.
    let ended = page(reading.on_answer(Ok(&answer(&COLUMNS, &[shared], None))));
    assert_eq!((ended.tablets.len(), ended.end), (0, Some(ReadEnd::Complete { moving: false })));
}

#[test]
fn an_older_server_is_asked_for_the_columns_that_it_has() {
    let mut reading = reading_pages();
    assert!(reading.question().text.contains("base_table"));
    assert_eq!(reading.on_answer(Err(ErrorCode::INVALID)), Progress::More);
    assert!(!reading.question().text.contains("base_table"));
    let rows = [vec![Some(i64::MAX.to_be_bytes().to_vec()), Some(replicas(&[(1, 0)])), None, None]];
    let ended = page(reading.on_answer(Ok(&answer(&COLUMNS[..4], &rows, None))));
    assert_eq!(ended.tablets, [tablet(i64::MIN, i64::MAX, 1, 0)]);
}

#[test]
fn a_view_is_found_among_the_views_and_what_is_nowhere_fails() {
    let mut reading = reading();
    let nothing = answer(&["id"], &[], None);
    assert!(reading.question().text.contains("system_schema.tables"));
    assert_eq!(reading.on_answer(Ok(&nothing)), Progress::More);
    assert!(reading.question().text.contains("system_schema.views WHERE keyspace_name = 'ks'"));
    let ended = page(reading.on_answer(Ok(&nothing)));
    assert_eq!(ended.end, Some(ReadEnd::Failed));
}

#[test]
fn refusals_are_told_apart() {
    let ended = page(reading_pages().on_answer(Err(ErrorCode::UNAUTHORIZED)));
    assert_eq!(ended.end, Some(ReadEnd::Refused));
    assert_eq!(reading_pages().on_answer(Err(ErrorCode::OVERLOADED)), Progress::Busy);
    let ended = page(reading().on_answer(Err(ErrorCode::INVALID)));
    assert_eq!(ended.end, Some(ReadEnd::Failed));
    let ended = page(reading_pages().on_answer(Ok(b"no rows")));
    assert_eq!(ended.end, Some(ReadEnd::Failed));
}

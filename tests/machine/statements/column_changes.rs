//! A table changes: clients that hold older columns, and asked for rows without theirs, prepare again.

use cql::consistency::Consistency;
use cql::error_code::ErrorCode;
use cql::notation::put_short_bytes;
use cql::response::metadata::{ColumnSpec, Metadata, MetadataStyle};
use cql::response::rows::put_rows;
use cql::values::column_type::ColumnType;
use shardlane::engine::client::ClientKey;
use shardlane::engine::pending::LaneKey;

use crate::support::frames::{Frame, SKIP_METADATA, execute, execute_at, prepared, schema_event};
use crate::support::rig::Rig;

const ID: [u8; 16] = [9; 16];
const TEXT: &str = "SELECT * FROM tab.t WHERE k = ?";
const OLD: &[(&str, ColumnType)] = &[("k", ColumnType::Int), ("v", ColumnType::Int)];
/// A column more, at the end.
const MORE: &[(&str, ColumnType)] =
    &[("k", ColumnType::Int), ("v", ColumnType::Int), ("w", ColumnType::Int)];
/// As many columns as before, one of another type.
const OTHER: &[(&str, ColumnType)] = &[("k", ColumnType::Int), ("v", ColumnType::Varchar)];

fn metadata(style: MetadataStyle, columns: &[(&'static str, ColumnType)]) -> Metadata<'static> {
    let column = |(name, kind): &(&'static str, ColumnType)| ColumnSpec {
        keyspace: "tab",
        table: "t",
        name,
        kind: kind.clone(),
    };
    Metadata::new(style, columns.iter().map(column).collect())
}

fn prepared_with(columns: &[(&'static str, ColumnType)]) -> Vec<u8> {
    let mut described = Vec::new();
    metadata(MetadataStyle::Global, columns).put(&mut described);
    prepared(&ID, 0, "tab.t", &described)
}

/// RESULT Rows of no row, with the columns. Servers write them in either style.
fn rows_with(columns: &[(&'static str, ColumnType)]) -> Vec<u8> {
    let mut body = Vec::new();
    put_rows::<&[u8]>(&mut body, &metadata(MetadataStyle::PerColumn, columns), &[]);
    body
}

fn rig() -> Rig {
    let mut rig = Rig::with_settings(|settings| settings.asks_to_prepare = true);
    rig.open_all_lanes();
    rig
}

fn bare(stream: i16) -> Vec<u8> {
    execute_at(stream, &ID, b"key ", Consistency::One, SKIP_METADATA)
}

/// A client runs the statement, and the node answers by rows with these columns.
fn run(rig: &mut Rig, client: ClientKey, columns: &[(&'static str, ColumnType)]) -> Frame {
    rig.send(client, &bare(5));
    let (lane, request) = rig.request();
    rig.result(lane, request.stream(), &rows_with(columns));
    rig.answer(client)
}

fn is_asked(answer: &Frame) -> bool {
    answer.header.opcode == 0 && answer.code() == ErrorCode::UNPREPARED
}

#[test]
fn a_client_that_holds_older_columns_is_asked_to_prepare_again_once() {
    let mut rig = rig();
    let (old, new, third) = (rig.client(), rig.client(), rig.client());
    rig.prepare(old, TEXT, &prepared_with(OLD));
    rig.prepare(new, TEXT, &prepared_with(MORE));
    rig.pass_time(100_000);
    for client in [old, third] {
        rig.send(client, &bare(5));
        assert!(is_asked(&rig.answer(client)));
        assert!(rig.all_requests().is_empty(), "no node is asked in vain");
    }
    // One prepares again; another connection of its driver does not, and is asked once all the same.
    rig.prepare(old, TEXT, &prepared_with(MORE));
    rig.pass_time(100_000);
    for client in [old, new, third] {
        assert_eq!(run(&mut rig, client, MORE).body, rows_with(MORE));
    }
    assert_eq!(rig.engine.tally().asked_to_prepare, 2);
    rig.finish();
}

#[test]
fn rows_of_other_columns_than_their_client_holds_are_not_given_to_it() {
    for now in [MORE, OTHER] {
        let mut rig = rig();
        let client = rig.client();
        rig.prepare(client, TEXT, &prepared_with(OLD));
        rig.input(|engine| engine.on_event(&schema_event("UPDATED", "tab", Some("t"))));
        let _questions = rig.all_requests();
        assert_eq!(run(&mut rig, client, OLD).body, rows_with(OLD), "another change of the table");
        assert!(is_asked(&run(&mut rig, client, now)));
        rig.prepare(client, TEXT, &prepared_with(now));
        rig.pass_time(1);
        assert_eq!(run(&mut rig, client, now).body, rows_with(now));
        // And back.
        assert!(is_asked(&run(&mut rig, client, OLD)));
        rig.finish();
    }
}

#[test]
fn requests_on_their_way_when_their_client_prepares_again_are_from_before() {
    let mut rig = rig();
    let (client, other) = (rig.client(), rig.client());
    rig.prepare(client, TEXT, &prepared_with(OLD));
    rig.prepare(other, TEXT, &prepared_with(OTHER));
    rig.prepare(client, TEXT, &prepared_with(OTHER));
    rig.pass_time(1);
    rig.send(client, &[bare(1), bare(2)].concat());
    let sent: Vec<(LaneKey, Frame)> = rig.all_requests();
    rig.result(sent[0].0, sent[0].1.stream(), &rows_with(MORE));
    assert!(is_asked(&rig.answer(client)));
    rig.pass_time(1_000_000);
    rig.prepare(client, TEXT, &prepared_with(MORE));
    rig.result(sent[1].0, sent[1].1.stream(), &rows_with(MORE));
    assert!(is_asked(&rig.answer(client)), "it was sent by the older columns");
    rig.finish();
}

#[test]
fn a_node_that_names_columns_by_ids_describes_those_that_changed() {
    let mut rig = rig();
    rig.metadata_ids = true;
    rig.open_all_lanes();
    let client = rig.client();
    let plain = prepared_with(OLD);
    let mut with_id = plain[..4 + 2 + ID.len()].to_vec();
    put_short_bytes(&mut with_id, &[1; 16]);
    with_id.extend_from_slice(&plain[4 + 2 + ID.len()..]);
    rig.prepare(client, TEXT, &with_id);
    assert!(is_asked(&run(&mut rig, client, MORE)));
    rig.finish();
}

#[test]
fn a_client_that_reads_by_the_columns_that_come_is_not_asked() {
    let mut rig = rig();
    let (old, new) = (rig.client(), rig.client());
    rig.prepare(old, TEXT, &prepared_with(OLD));
    rig.prepare(new, TEXT, &prepared_with(MORE));
    rig.send(old, &execute(5, &ID, b"key "));
    let (lane, request) = rig.request();
    rig.result(lane, request.stream(), &rows_with(MORE));
    assert_eq!(rig.answer(old).body, rows_with(MORE));
    assert_eq!(rig.engine.tally().asked_to_prepare, 0);
    rig.finish();
}

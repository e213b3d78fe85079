//! Frames of real servers: read right, and written back byte for byte.
//!
//! Each file of `tests/data/frames` holds one frame as hex; its first line says of which server.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a frame that cannot be read fails the test"
)]

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::OnceLock;

use proptest::prelude::*;

use shardlane::session::statement_text::{StatementText, classify};
use shardlane::session::system_select::SystemSelect;
use shardlane::session::system_tables::Facade;
use shardlane::wire::cell;
use shardlane::wire::column_type::ColumnType;
use shardlane::wire::compression::Compression;
use shardlane::wire::decoder::FrameCutter;
use shardlane::wire::frame::write_frame;
use shardlane::wire::header::{FLAG_COMPRESSED, HEADER_LEN, Header, RESPONSE};
use shardlane::wire::notation::{Reader, put_int, put_short_bytes, put_string};
use shardlane::wire::opcode::Opcode;
use shardlane::wire::payload::TabletReport;
use shardlane::wire::refusal::{write_version_change, write_version_refusal};
use shardlane::wire::request::auth_response::{self, Plain, write_auth_response};
use shardlane::wire::request::batch::{Batch, ChildStatement};
use shardlane::wire::request::execute::Execute;
use shardlane::wire::request::parameters::Values;
use shardlane::wire::request::query::Query;
use shardlane::wire::request::register::{EventKind, EventKinds, write_register};
use shardlane::wire::request::startup::{Startup, write_startup};
use shardlane::wire::request::{parameters, prepare};
use shardlane::wire::response::error::{
    ErrorCode, ErrorMessage, Extras, write_error, write_error_with,
};
use shardlane::wire::response::event::{Event, write_event};
use shardlane::wire::response::metadata::{Metadata, put_bind_metadata, read_bind_metadata};
use shardlane::wire::response::metadata_id;
use shardlane::wire::response::prefix::Prefix;
use shardlane::wire::response::prepared::Prepared;
use shardlane::wire::response::result::ResultKind;
use shardlane::wire::response::rows::{Rows, put_rows};
use shardlane::wire::response::schema_change::{SchemaChange, SchemaTarget};
use shardlane::wire::response::supported::{Sharding, Supported};

const LEN_MAX: u32 = 1 << 20;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/frames")
}

fn frame(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(folder().join(name).with_extension("txt")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let digits = lines.collect::<String>().into_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn every_frame() -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), frame(&name))).collect()
}

fn split(frame: &[u8]) -> (Header, &[u8]) {
    let header = Header::peek(frame).unwrap();
    assert_eq!(header.frame_len(LEN_MAX), Ok(frame.len()));
    (header, &frame[HEADER_LEN..])
}

/// Writes a frame with the header of `like` and what `body` writes.
fn rewrite(like: &[u8], body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let header = Header::peek(like).unwrap();
    let mut out = Vec::new();
    let opcode = Opcode::from_byte(header.opcode).unwrap();
    write_frame(&mut out, (header.version, header.flags, header.stream), opcode, body);
    out
}

#[test]
fn all_frames_in_one_stream_are_cut_apart() {
    let frames: Vec<_> = every_frame().into_iter().map(|(_, frame)| frame).collect();
    for versions in [[0x03, 0x04], [0x83, 0x84]] {
        let expected: Vec<_> = frames.iter().filter(|frame| versions.contains(&frame[0])).collect();
        let mut stream: Vec<u8> = expected.iter().flat_map(|frame| frame.iter().copied()).collect();
        let mut cutter = FrameCutter::new(versions, LEN_MAX);
        let mut seen = Vec::new();
        for read in stream.chunks_mut(1000) {
            let mut chunk = read;
            while let Some(frame) = cutter.next_frame(&mut chunk).unwrap() {
                seen.push(frame.to_vec());
            }
        }
        assert!(seen.iter().eq(expected));
    }
}

#[test]
fn startup_is_read_and_written() {
    let golden = frame("startup");
    let (header, body) = split(&golden);
    let startup = Startup::read(body).unwrap();

    assert_eq!(startup.get("CQL_VERSION"), Some("3.0.0"));
    assert_eq!(startup.compression(), Ok(None));
    let mut out = Vec::new();
    write_startup(&mut out, 4, header.stream, &startup.options);
    assert_eq!(out, golden);
}

#[test]
fn register_is_read_and_written() {
    let golden = frame("register");
    let (header, body) = split(&golden);
    let kinds = EventKinds::read(body).unwrap();
    let named = [EventKind::TopologyChange, EventKind::StatusChange, EventKind::SchemaChange];

    assert!(named.iter().all(|kind| kinds.contains(*kind)));
    assert!(!kinds.contains(EventKind::ClientRoutesChange));
    let mut out = Vec::new();
    write_register(&mut out, 4, header.stream, &named);
    assert_eq!(out, golden);
}

#[test]
fn an_unknown_event_type_is_refused_in_the_words_of_the_server() {
    let golden = frame("error_event_type");
    let (header, body) = split(&golden);
    let message = ErrorMessage::read(body).unwrap();
    let (_, unknown) = message.text.split_once('\'').unwrap();
    let (unknown, _) = unknown.split_once('\'').unwrap();
    let mut request = vec![0, 1];
    put_string(&mut request, unknown);

    let error = EventKinds::read(&request).unwrap_err();

    let mut out = Vec::new();
    write_error(&mut out, 4, header.stream, error.code(), &error.to_string());
    assert_eq!(out, golden);
}

#[test]
fn a_plain_token_is_read_and_written() {
    let golden = frame("auth_response");
    let (header, body) = split(&golden);
    let token = auth_response::read(body).unwrap().unwrap();
    let plain = Plain::read(token).unwrap();
    assert!(plain.user == b"cassandra" && plain.password == b"cassandra");

    let (mut again, mut out) = (Vec::new(), Vec::new());
    plain.put(&mut again);
    write_auth_response(&mut out, 4, header.stream, Some(&again));
    assert_eq!(out, golden);
}

#[test]
fn statements_are_found_in_requests() {
    let query = frame("query_local");
    let query = Query::read(split(&query).1).unwrap();
    assert_eq!(query.text, "SELECT * FROM system.local WHERE key='local'");
    let named = frame("query_named_value");
    let named = Query::read(split(&named).1).unwrap();
    assert_eq!(named.parameters.flags, parameters::NAMES | parameters::VALUES);
    let (name, _) = named.parameters.values.iter().next().unwrap().unwrap();
    assert_eq!(name, Some("address"));
    let text = frame("prepare_insert");
    let text = prepare::read(split(&text).1).unwrap();
    assert_eq!(text, "INSERT INTO tk.t (pk, ck, v) VALUES (?, ?, ?)");
    let execute = frame("execute_insert");
    let execute = Execute::read(split(&execute).1).unwrap();
    assert_eq!((execute.id.len(), execute.parameters.values.count()), (16, 3));
    let batch = frame("batch_mixed");
    let batch = Batch::read(split(&batch).1).unwrap();
    let children: Vec<_> = batch.children().map(Result::unwrap).collect();
    assert_eq!((batch.kind, children.len()), (1, usize::from(batch.count)));
    assert!(children.iter().any(|one| matches!(one.statement, ChildStatement::Text(_))));
    assert!(children.iter().any(|one| matches!(one.statement, ChildStatement::Prepared(_))));
    assert_eq!(batch.tail().unwrap().serial_consistency, None);
}

#[test]
fn supported_is_read_and_written() {
    for (name, is_new) in [("supported_6", false), ("supported_2026", true)] {
        let golden = frame(name);
        let (_, body) = split(&golden);
        let supported = Supported::read(body).unwrap();

        let sharding = supported.sharding.unwrap();
        assert_eq!(sharding, Sharding { nr_shards: 2, ignore_msb: 12, ..sharding });
        assert_eq!(supported.shard_aware_port, Some(19042));
        assert_eq!(supported.lwt_mask, Some(0x8000_0000));
        assert_eq!(supported.rate_limit_code, Some(ErrorCode::RATE_LIMIT.0));
        assert_eq!(supported.compression, Compression::ALL);
        assert!(supported.tablets_v1);
        assert_eq!((supported.metadata_id, supported.host_id.is_some()), (is_new, is_new));
        assert_eq!(rewrite(&golden, |out| supported.put(out)), golden, "{name}");
    }
}

#[test]
fn other_versions_are_refused_in_the_words_of_the_server() {
    for (name, byte) in [("refusal_v5", 5), ("refusal_v66", 66)] {
        let mut out = Vec::new();
        write_version_refusal(&mut out, byte);
        assert_eq!(out, frame(name));
    }
    let mut out = Vec::new();
    write_version_change(&mut out, 3, 4);
    assert_eq!(out, frame("version_change_v3"));
}

#[test]
fn errors_are_read_and_written() {
    let expected = [
        ("error_unprepared", ErrorCode::UNPREPARED),
        ("error_syntax", ErrorCode::SYNTAX_ERROR),
        ("error_unavailable", ErrorCode::UNAVAILABLE),
        ("error_already_exists", ErrorCode::ALREADY_EXISTS),
        ("error_rate_limit", ErrorCode::RATE_LIMIT),
        ("error_read_timeout", ErrorCode::READ_TIMEOUT),
        ("error_write_timeout", ErrorCode::WRITE_TIMEOUT),
        ("error_read_failure", ErrorCode::READ_FAILURE),
        ("error_read_failure_v3", ErrorCode::READ_TIMEOUT),
        ("error_write_failure", ErrorCode::WRITE_FAILURE),
        ("error_write_failure_v3", ErrorCode::WRITE_TIMEOUT),
        ("lz4_size_error", ErrorCode::SERVER_ERROR),
    ];
    for (name, code) in expected {
        let golden = frame(name);
        let (header, body) = split(&golden);
        let message = ErrorMessage::read(body).unwrap();
        assert_eq!(message.code, code, "{name}");
        let mut out = Vec::new();
        let (version, stream, text) = (header.version, header.stream, message.text.as_ref());
        if message.extras == Extras::None {
            write_error(&mut out, version, stream, code, text);
        } else {
            write_error_with(&mut out, version, stream, text, &message.extras);
        }
        assert_eq!(out, golden, "{name}");
    }
}

#[test]
fn v3_hears_of_failures_as_timeouts() {
    for (v4, v3) in [
        ("error_read_failure", "error_read_failure_v3"),
        ("error_write_failure", "error_write_failure_v3"),
    ] {
        let (v4, v3) = (frame(v4), frame(v3));
        let extras = ErrorMessage::read(split(&v4).1).unwrap().extras;
        let (header, body) = split(&v3);
        let text = ErrorMessage::read(body).unwrap().text;
        let mut out = Vec::new();
        write_error_with(&mut out, 3, header.stream, &text, &extras);
        assert_eq!(out, v3);
    }
}

#[test]
fn an_unprepared_without_id_is_still_unprepared() {
    let golden = frame("error_unprepared");
    let (_, body) = split(&golden);
    let message = ErrorMessage::read(&body[..body.len() - 18]).unwrap();
    assert_eq!(message.extras, Extras::Unprepared { id: None });
}

#[test]
fn events_are_read_and_written() {
    let golden = [
        ("event_table", EventKind::SchemaChange),
        ("event_keyspace_dropped", EventKind::SchemaChange),
        ("event_type", EventKind::SchemaChange),
        ("event_new_node", EventKind::TopologyChange),
        ("event_up", EventKind::StatusChange),
        ("event_down", EventKind::StatusChange),
        ("event_client_routes", EventKind::ClientRoutesChange),
    ];
    for (name, kind) in golden {
        let golden = frame(name);
        let event = Event::read(split(&golden).1).unwrap();
        assert_eq!(event.kind(), Some(kind), "{name}");
        let mut out = Vec::new();
        write_event(&mut out, 4, &event);
        assert_eq!(out, golden, "{name}");
    }
    let down = frame("event_down");
    let Event::Status(node) = Event::read(split(&down).1).unwrap() else { panic!("no status") };
    assert_eq!(node.change, "DOWN");
    assert_eq!((node.address, node.port), (IpAddr::from([127, 0, 3, 3]), 19042));
}

#[test]
fn an_unknown_event_is_kept() {
    let mut message = Vec::new();
    put_string(&mut message, "WEATHER_CHANGE");
    message.extend_from_slice(b"rain");

    let event = Event::read(&message).unwrap();

    assert_eq!(event, Event::Unknown { kind: "WEATHER_CHANGE", rest: b"rain" });
    let mut out = Vec::new();
    event.put(&mut out);
    assert_eq!(out, message);
}

#[test]
fn a_schema_change_is_read_and_written_as_a_result() {
    let golden = frame("schema_change_table");
    let change = SchemaChange::read_result(split(&golden).1).unwrap().unwrap();
    let target = SchemaTarget::Table("t");
    assert_eq!(change, SchemaChange { change: "CREATED", keyspace: "tk", target });
    assert_eq!(rewrite(&golden, |out| change.put_result(out)), golden);
}

#[test]
fn functions_and_aggregates_are_read_and_written() {
    let arguments = vec!["int", "text"];
    for target in
        [SchemaTarget::Function("f", arguments.clone()), SchemaTarget::Aggregate("a", arguments)]
    {
        let change = SchemaChange { change: "DROPPED", keyspace: "ks", target };
        assert!(change.fits(0x84) && !change.fits(3));
        let mut out = Vec::new();
        change.put(&mut out);
        assert_eq!(SchemaChange::read(&mut Reader::new(&out)), Ok(Some(change)));
    }
}

#[test]
fn prepared_is_read_and_written() {
    for (name, marks, pk_indexes) in [
        ("prepared_insert", 0, vec![0]),
        ("prepared_lwt", 0x8000_0000, vec![0]),
        ("prepared_v3", 0, vec![]),
        ("prepared_local", 0, vec![0]),
    ] {
        let golden = frame(name);
        let (header, body) = split(&golden);
        let version = header.version & !RESPONSE;
        let prepared = Prepared::read(version, body).unwrap();
        assert_eq!(prepared.pk_indexes, pk_indexes, "{name}");
        assert_eq!(prepared.flags & 0x8000_0000, marks, "{name}");

        let mut reader = Reader::new(&body[prepared.flags_at..]);
        let (flags, indexes, markers) = read_bind_metadata(&mut reader, version).unwrap();
        let result = Metadata::read(&mut reader).unwrap();
        assert!(reader.rest().is_empty(), "{name}");
        assert_eq!((flags, &indexes), (prepared.flags, &pk_indexes), "{name}");
        let again = rewrite(&golden, |out| {
            put_int(out, ResultKind::Prepared.code());
            put_short_bytes(out, prepared.id);
            put_bind_metadata(out, version, marks, &indexes, &markers);
            result.put(out);
        });
        assert_eq!(again, golden, "{name}");
    }
}

#[test]
fn a_metadata_id_is_cut_out_and_what_is_left_is_as_without_the_extension() {
    let (mut with, without) =
        (frame("prepared_with_metadata_id"), frame("prepared_without_metadata_id"));
    let (later, id) = metadata_id::cut_from_prepared(&mut with[HEADER_LEN..]).unwrap();
    assert_eq!(with[HEADER_LEN + later..], without[HEADER_LEN..]);

    let (mut changed, same) = (frame("rows_metadata_changed"), frame("rows_metadata_same"));
    let later = metadata_id::cut_from_rows(&mut changed[HEADER_LEN..]).unwrap();
    assert_eq!(changed[HEADER_LEN + later..], same[HEADER_LEN..]);
    assert_eq!(metadata_id::cut_from_rows(&mut frame("rows_metadata_same")[HEADER_LEN..]), Ok(0));

    let mut page = frame("rows_metadata_changed_page");
    let before = Rows::read(&page[HEADER_LEN..]).unwrap().metadata.paging_state.map(<[u8]>::to_vec);
    let later = metadata_id::cut_from_rows(&mut page[HEADER_LEN..]).unwrap();
    let rows = Rows::read(&page[HEADER_LEN + later..]).unwrap();
    assert_eq!(rows.metadata.metadata_id, None);
    assert_eq!(rows.metadata.paging_state.map(<[u8]>::to_vec), before);

    let execute = frame("execute_metadata_id");
    let mut reader = Reader::new(&execute[HEADER_LEN..]);
    reader.short_bytes().unwrap();
    assert_eq!(reader.short_bytes(), Ok(&*id), "where the node expects the id that it gave");
}

#[test]
fn rows_are_read_and_written() {
    for (name, rows_count) in [
        ("rows_local_6", 1),
        ("rows_local_2026", 1),
        ("rows_peers_2026", 0),
        ("rows_peers_6", 2),
        ("rows_no_metadata", 1),
        ("rows_metadata_changed", 1),
        ("rows_json", 1),
    ] {
        let golden = frame(name);
        let rows = Rows::read(split(&golden).1).unwrap();
        let read: Vec<_> = rows.rows().map(|row| row.unwrap().cells).collect();
        assert_eq!((rows.len(), read.len()), (rows_count, rows_count as usize), "{name}");
        assert_eq!(rewrite(&golden, |out| put_rows(out, &rows.metadata, &read)), golden, "{name}");
    }
}

#[test]
fn cells_of_system_local_are_read() {
    for name in ["rows_local_6", "rows_local_2026"] {
        let golden = frame(name);
        let rows = Rows::read(split(&golden).1).unwrap();
        let row = rows.rows().next().unwrap().unwrap();

        assert_eq!(rows.metadata.columns.len(), 18);
        assert_eq!(rows.metadata.columns[0].table, "local");
        assert_eq!(rows.metadata.columns[16].kind, ColumnType::set_of_text());
        assert_eq!(row.read("key", cell::text), Ok(Some("local")));
        assert_eq!(row.read("data_center", cell::text), Ok(Some("datacenter1")));
        assert!(row.read("gossip_generation", cell::int).unwrap().unwrap() > 0);
        assert_ne!(row.read("host_id", cell::uuid), Ok(Some([0; 16])));
        assert!(row.read("rpc_address", cell::inet).unwrap().unwrap().is_loopback());
        assert_eq!(row.read("tokens", cell::text_list).unwrap().unwrap().len(), 16);
        assert_eq!(row.read("truncated_at", cell::text_map), Ok(None));
        assert_eq!(row.get("no_such_column"), None);
    }
}

#[test]
fn rows_tell_of_changed_metadata() {
    let golden = frame("rows_metadata_changed");
    let rows = Rows::read(split(&golden).1).unwrap();
    assert_eq!(rows.metadata.metadata_id.unwrap().len(), 16);
    assert_eq!(rows.metadata.columns.len(), 2);
}

#[test]
fn a_tablet_is_found_behind_the_prefix() {
    let golden = frame("result_tablet");
    let (header, body) = split(&golden);
    let prefix = Prefix::read(header.flags, body).unwrap();
    let report = TabletReport::find(&body[prefix.payload]).unwrap().unwrap();
    assert!(report.first < report.last);
    assert_eq!(report.replicas().len(), 1);
    assert_eq!(ResultKind::read(&body[prefix.message_at..]), Ok(ResultKind::Void));
}

#[test]
fn compressed_frames_of_the_server_are_read() {
    let plain = |compression: Compression, name| {
        let packed = frame(name);
        assert_eq!(packed[1] & FLAG_COMPRESSED, FLAG_COMPRESSED);
        let mut out = Vec::new();
        compression.decompress_frame(&packed, LEN_MAX, &mut out).unwrap();
        out
    };
    for (compression, name) in
        [(Compression::Lz4, "lz4_ready"), (Compression::Snappy, "snappy_ready")]
    {
        let ready = plain(compression, name);
        assert_eq!((ready[4], ready.len()), (Opcode::Ready.byte(), HEADER_LEN));
    }
    let query = plain(Compression::Lz4, "lz4_query");
    assert_eq!(Query::read(&query[HEADER_LEN..]).unwrap().text, "SELECT key FROM system.local");
    let rows = plain(Compression::Lz4, "lz4_rows");
    let rows = Rows::read(&rows[HEADER_LEN..]).unwrap();
    let row = rows.rows().next().unwrap().unwrap();
    assert_eq!(row.read("key", cell::text), Ok(Some("local")));
}

/// The facade of the node whose `system.local` the frame holds.
fn facade(local: &str, peers: &str) -> Facade {
    let (local, peers) = (frame(local), frame(peers));
    let read = |frame| Rows::read(split(frame).1).unwrap();
    let (local, peers) = (read(&local), read(&peers));
    Facade::from_rows([7; 16], &local, &peers, None).unwrap().unwrap()
}

fn select(text: &str) -> SystemSelect {
    let StatementText::Local(select) = classify(text, None) else { panic!("{text} is not local") };
    *select
}

#[test]
fn system_tables_are_answered_as_the_node_would() {
    let seen_at = SocketAddr::from(([127, 0, 0, 1], 9042));
    for (name, (local, peers), text) in [
        ("rows_json", ("rows_local_6", "rows_peers_6"), "SELECT JSON key FROM system.local"),
        ("rows_peers_2026", ("rows_local_2026", "rows_peers_2026"), "SELECT * FROM system.peers"),
    ] {
        let golden = frame(name);
        let answer = facade(local, peers)
            .answer(&select(text), &Values::new(0, false, &[]), seen_at)
            .unwrap();
        assert_eq!(rewrite(&golden, |out| out.extend(answer)), golden, "{name}");
    }
}

#[test]
fn system_local_is_prepared_as_the_node_would() {
    let golden = frame("prepared_local");
    let (_, body) = split(&golden);
    let id = Prepared::read(4, body).unwrap().id.try_into().unwrap();
    let text = "SELECT key, schema_version, tokens FROM system.local WHERE key = ?";
    let facade = facade("rows_local_6", "rows_peers_6");

    let answer = facade.prepare(&select(text), id, 4).unwrap();

    assert_eq!(rewrite(&golden, |out| out.extend(answer)), golden);
}

#[test]
fn the_local_row_differs_from_the_nodes_only_where_it_must() {
    for (local, peers) in [("rows_local_6", "rows_peers_6"), ("rows_local_2026", "rows_peers_2026")]
    {
        let golden = frame(local);
        let real = Rows::read(split(&golden).1).unwrap();
        let seen_at = SocketAddr::from(([10, 9, 8, 7], 9042));
        let text = "SELECT * FROM system.local WHERE key='local'";
        let answer = facade(local, peers)
            .answer(&select(text), &Values::new(0, false, &[]), seen_at)
            .unwrap();
        let ours = Rows::read(&answer).unwrap();

        assert_eq!(ours.metadata, real.metadata);
        let columns = real.metadata.columns.iter().map(|column| column.name);
        let (our_row, real_row) = (ours.rows().next().unwrap(), real.rows().next().unwrap());
        let cells = our_row.unwrap().cells.into_iter().zip(real_row.unwrap().cells);
        let cells = cells.map(|(ours, real)| ours == real);
        let differ: Vec<_> =
            columns.zip(cells).filter(|(_, same)| !same).map(|(name, _)| name).collect();
        let expected = ["broadcast_address", "host_id", "listen_address", "rpc_address", "tokens"];
        assert_eq!(differ, expected);
    }
}

/// Reads `body` by every reader there is; what comes out does not matter.
fn read_by_all(body: &[u8]) -> usize {
    let mut read = 0;
    let mut note = |is_ok: bool| read += usize::from(is_ok);
    note(Startup::read(body).is_ok_and(|startup| startup.compression().is_ok()));
    note(EventKinds::read(body).is_ok());
    note(auth_response::read(body).is_ok_and(|token| token.and_then(Plain::read).is_some()));
    note(prepare::read(body).is_ok());
    note(Query::read(body).is_ok_and(|query| query.parameters.options().is_ok()));
    note(Execute::read(body).is_ok_and(|execute| execute.parameters.options().is_ok()));
    note(Batch::read(body).is_ok_and(|batch| batch.tail().is_ok()));
    note(Supported::read(body).is_ok());
    note(ErrorMessage::read(body).is_ok());
    note(Event::read(body).is_ok());
    note(SchemaChange::read_result(body).is_ok());
    note(Rows::read(body).is_ok_and(|rows| rows.rows().all(|row| row.is_ok())));
    for version in [3, 4] {
        note(Prepared::read(version, body).is_ok());
        note(read_bind_metadata(&mut Reader::new(body), version).is_ok());
    }
    for flags in 0..16 {
        note(Prefix::read(flags, body).is_ok());
    }
    note(TabletReport::find(body).is_ok());
    note(ColumnType::read(&mut Reader::new(body)).is_ok());
    note(cell::text_list(body).is_ok());
    note(cell::text_map(body).is_ok());
    read
}

#[test]
fn frames_cut_short_never_panic_a_reader() {
    for (name, frame) in every_frame() {
        let body = &frame[HEADER_LEN..];
        for len in 0..body.len() {
            let cut = read_by_all(&body[..len]);
            assert!(cut <= 64, "{name} cut at {len}");
        }
    }
}

#[test]
fn types_that_nest_without_end_are_refused() {
    let nested = [0x00, 0x20].repeat(100_000);
    assert!(ColumnType::read(&mut Reader::new(&nested)).is_err());
}

proptest! {
    #[test]
    fn no_bytes_panic_a_reader(body in prop::collection::vec(any::<u8>(), 0..300)) {
        read_by_all(&body);
    }

    #[test]
    fn no_changed_byte_of_a_real_frame_panics_a_reader(
        index in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        static FRAMES: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
        let (_, frame) = index.get(FRAMES.get_or_init(every_frame));
        let mut body = frame[HEADER_LEN..].to_vec();
        if !body.is_empty() {
            let at = at.index(body.len());
            body[at] = byte;
        }
        read_by_all(&body);
    }
}

//! What nodes answer.

use std::net::IpAddr;

use cql::compression::Compression;
use cql::error_code::ErrorCode;
use cql::header::{FLAG_COMPRESSED, HEADER_LEN, RESPONSE};
use cql::notation::{Reader, put_int, put_short_bytes, put_string};
use cql::opcode::Opcode;
use cql::payload::TabletReport;
use cql::refusal::{write_version_change, write_version_refusal};
use cql::request::query::Query;
use cql::request::register::EventKind;
use cql::response::error::{ErrorMessage, Extras, write_error, write_error_with};
use cql::response::event::{Event, write_event};
use cql::response::metadata::{Metadata, put_bind_metadata, read_bind_metadata};
use cql::response::metadata_id;
use cql::response::prefix::Prefix;
use cql::response::prepared::Prepared;
use cql::response::result::ResultKind;
use cql::response::rows::{Rows, put_rows};
use cql::response::schema_change::{SchemaChange, SchemaTarget};
use cql::response::supported::{Sharding, Supported};
use cql::values::cell;
use cql::values::column_type::ColumnType;

use crate::{LEN_MAX, frame, rewrite, split};

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
fn clients_of_v3_get_failures_as_timeouts() {
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
        let bind = read_bind_metadata(&mut reader, version).unwrap();
        let result = Metadata::read(&mut reader).unwrap();
        assert!(reader.rest().is_empty(), "{name}");
        assert_eq!((bind.flags, &bind.pk_indexes), (prepared.flags, &pk_indexes), "{name}");
        let again = rewrite(&golden, |out| {
            put_int(out, ResultKind::Prepared.code());
            put_short_bytes(out, prepared.id);
            put_bind_metadata(out, version, marks, &bind.pk_indexes, &bind.markers);
            result.put(out);
        });
        assert_eq!(again, golden, "{name}");
    }
}

#[test]
fn a_metadata_id_is_cut_out_and_what_is_left_is_as_without_the_extension() {
    let (mut with, without) =
        (frame("prepared_with_metadata_id"), frame("prepared_without_metadata_id"));
    let metadata_id::CutMetadataId { later, id } =
        metadata_id::cut_from_prepared(&mut with[HEADER_LEN..]).unwrap();
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
fn rows_carry_changed_metadata_and_its_id() {
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

//! The keyspace in which the process shows what it does.

use std::net::SocketAddr;
use std::sync::Arc;

use cql::error_code::ErrorCode;
use cql::notation::{Reader, put_bytes, put_int, put_long_string, put_short, put_short_bytes};
use cql::opcode::Opcode;
use cql::response::metadata::{ColumnSpec, Metadata, MetadataStyle};
use cql::response::rows::{Rows, put_rows};
use cql::values::cell;
use cql::values::column_type::ColumnType;
use shardlane::engine::action::{Action, TableFact};
use shardlane::engine::client::ClientKey;
use shardlane::engine::engine::Engine;
use shardlane::engine::settings::{ConsoleSettings, EngineSettings};
use shardlane::engine::verdict::LoginVerdict;
use shardlane::facade::console::contents::{ConsoleRow, Contents};
use shardlane::facade::console::table::ConsoleTable;
use shardlane::facade::tables::system_tables::OneNode;
use shardlane::routing::decision::Reason;

use crate::support::frames::{
    Frame, client_frame, execute, prepare, query, schema_event, startup, void,
};
use crate::support::rig::{Rig, settings as support_settings};

/// A rig whose clients are shown a node.
fn rig() -> Rig {
    shown(Rig::with_all_lanes())
}

fn shown(mut rig: Rig) -> Rig {
    let node = OneNode {
        host_id: [7; 16],
        style: MetadataStyle::Global,
        local: Vec::new(),
        peers: Vec::new(),
        peers_v2: Vec::new(),
        nodes: Vec::new(),
    };
    let facade = Arc::new(node.facade());
    rig.input(|engine| engine.on_facade(facade));
    rig
}

/// Rows of `settings`: so many, each with its number as its name.
fn settings(count: usize) -> Option<Arc<Contents>> {
    let row = |number: usize| {
        let row = ConsoleRow::default().text(&format!("s{number:04}")).text("1");
        row.text("default").text("restart")
    };
    Some(Arc::new((0..count).map(row).collect()))
}

fn collections(rig: &mut Rig) -> Vec<ConsoleTable> {
    let asked = rig.actions.iter().filter_map(|action| match action {
        Action::CollectConsole(table) => Some(*table),
        _ => None,
    });
    let asked = asked.collect();
    rig.actions.retain(|action| !matches!(action, Action::CollectConsole(_)));
    asked
}

fn refusal(answer: &Frame) -> (ErrorCode, String) {
    assert_eq!(answer.opcode(), Opcode::Error, "{answer:?}");
    let mut reader = Reader::new(&answer.body);
    (ErrorCode(reader.int().unwrap()), reader.string().unwrap().to_owned())
}

fn names(answer: &Frame) -> Vec<String> {
    let rows = Rows::read(&answer.body).unwrap();
    let name = |cell: Option<&[u8]>| cell::text(cell.unwrap()).unwrap().to_owned();
    rows.rows().map(|row| name(row.unwrap().cells[0])).collect()
}

#[test]
fn a_question_waits_until_the_rows_of_all_workers_are_there() {
    let mut rig = rig();
    let (one, other) = (rig.client(), rig.client());
    rig.send(one, &query(1, "SELECT * FROM shardlane.settings"));
    rig.send(other, &query(2, "SELECT name FROM shardlane.settings WHERE name = 's0001'"));
    assert!(rig.answers(one).is_empty() && rig.answers(other).is_empty());
    assert_eq!(rig.engine.client_in_flight(one), Some(1));
    assert_eq!(collections(&mut rig), [ConsoleTable::Settings], "both wait for the same");
    rig.input(|engine| engine.on_console(ConsoleTable::Settings, settings(3)));
    assert_eq!(names(&rig.answer(one)), ["s0000", "s0001", "s0002"]);
    assert_eq!(names(&rig.answer(other)), ["s0001"]);
    assert_eq!(rig.engine.client_in_flight(one), Some(0));

    // A look at several tables is one look; the next one is new.
    rig.send(one, &query(3, "SELECT * FROM shardlane.settings"));
    assert_eq!(names(&rig.answer(one)).len(), 3);
    rig.pass_time(1_000_000);
    rig.send(one, &query(4, "SELECT * FROM shardlane.settings"));
    assert!(rig.answers(one).is_empty());
    assert_eq!(collections(&mut rig), [ConsoleTable::Settings]);
    rig.input(|engine| engine.on_console(ConsoleTable::Settings, settings(1)));
    assert_eq!(names(&rig.answer(one)), ["s0000"]);
    rig.finish();
}

#[test]
fn rows_that_cannot_be_collected_are_an_error_and_no_silence() {
    let mut rig = rig();
    let client = rig.client();
    rig.send(client, &query(1, "SELECT * FROM shardlane.lanes"));
    rig.input(|engine| engine.on_console(ConsoleTable::Lanes, None));
    assert_eq!(refusal(&rig.answer(client)).0, ErrorCode::OVERLOADED);
    rig.send(client, &query(2, "SELECT * FROM shardlane.lanes"));
    rig.pass_time(6_000_000);
    let (code, text) = refusal(&rig.answer(client));
    assert_eq!(code, ErrorCode::OVERLOADED);
    assert!(text.contains("in time"), "{text}");
    assert_eq!(rig.engine.client_in_flight(client), Some(0));

    // A client that has left waits for nothing.
    rig.send(client, &query(3, "SELECT * FROM shardlane.lanes"));
    rig.input(|engine| engine.on_client_closed(client));
    rig.input(|engine| engine.on_console(ConsoleTable::Lanes, settings(1)));
}

#[test]
fn a_wrong_select_is_refused_before_anything_is_collected() {
    let mut rig = rig();
    let client = rig.client();
    for (text, words) in [
        ("SELECT nothing FROM shardlane.lanes", "Unrecognized name nothing"),
        ("SELECT * FROM shardlane.nothing", "unconfigured table nothing"),
        ("SELECT * FROM shardlane.lanes WHERE state = 'open'", "ALLOW FILTERING"),
        ("DELETE FROM shardlane.lanes WHERE node = '::1'", "Modification is not supported"),
        ("DESCRIBE TABLE shardlane.nothing", "'nothing' not found in keyspace 'shardlane'"),
    ] {
        rig.send(client, &query(1, text));
        let (code, why) = refusal(&rig.answer(client));
        assert_eq!(code, ErrorCode::INVALID, "{text}");
        assert!(why.contains(words), "{text}: {why}");
    }
    assert_eq!(collections(&mut rig), []);
    rig.finish();
}

#[test]
fn pages_are_of_one_collection_and_prepared_statements_work() {
    let mut rig = rig();
    let client = rig.client();
    rig.send(client, &prepare(1, "SELECT name FROM shardlane.settings"));
    let answer = rig.answer(client);
    let id = Reader::new(&answer.body[4..]).short_bytes().unwrap().to_vec();
    let page = |stream: i16, state: Option<&[u8]>| {
        client_frame(stream, Opcode::Execute, |out| {
            put_short_bytes(out, &id);
            put_short(out, 1);
            out.push(if state.is_some() { 0x0c } else { 0x04 });
            put_int(out, 2);
            if state.is_some() {
                put_bytes(out, state);
            }
        })
    };
    rig.send(client, &page(2, None));
    rig.input(|engine| engine.on_console(ConsoleTable::Settings, settings(3)));
    let first = rig.answer(client);
    assert_eq!(names(&first), ["s0000", "s0001"]);
    let state = Rows::read(&first.body).unwrap().metadata.paging_state.unwrap().to_vec();
    rig.pass_time(5_000_000);
    rig.send(client, &page(3, Some(&state)));
    assert_eq!(names(&rig.answer(client)), ["s0002"], "without another collection");
    rig.finish();
}

#[test]
fn a_client_that_uses_the_console_needs_no_lane_for_it() {
    let mut rig = rig();
    let client = rig.client();
    rig.send(client, &query(1, "USE shardlane"));
    let answer = rig.answer(client);
    assert_eq!(Reader::new(&answer.body[4..]).string().unwrap(), "shardlane");
    assert!(!rig.actions.iter().any(|action| matches!(action, Action::OpenPool { .. })));
    rig.send(client, &query(2, "SELECT name FROM settings"));
    rig.input(|engine| engine.on_console(ConsoleTable::Settings, settings(1)));
    assert_eq!(names(&rig.answer(client)), ["s0000"]);
    rig.send(client, &query(3, "INSERT INTO settings (name) VALUES ('a')"));
    assert_eq!(refusal(&rig.answer(client)).0, ErrorCode::INVALID);
    // Tables of the cluster are asked by their full names, on plain lanes.
    rig.send(client, &query(4, "SELECT v FROM tab.t"));
    let (lane, request) = rig.request();
    assert_eq!(request.text(), "SELECT v FROM tab.t");
    rig.result(lane, request.stream(), &[0, 0, 0, 1]);
    assert_eq!(rig.answer(client).stream(), 4);
    rig.finish();
}

#[test]
fn a_console_that_is_turned_off_is_gone_at_once() {
    let mut rig = rig();
    let client = rig.client();
    let off = ConsoleSettings { enabled: false, ..ConsoleSettings::default() };
    rig.input(|engine| engine.on_settings(EngineSettings { console: off, ..support_settings() }));
    rig.send(client, &query(1, "SELECT * FROM shardlane.lanes"));
    let (lane, request) = rig.request();
    rig.result(lane, request.stream(), &keyspaces());
    assert_eq!(names(&rig.answer(client)), ["ks"], "the cluster has it to answer");
}

/// RESULT Rows with one row of `ks`.
fn keyspaces() -> Vec<u8> {
    let spec =
        |name, kind| ColumnSpec { keyspace: "system_schema", table: "keyspaces", name, kind };
    let map = ColumnType::Map(Box::new(ColumnType::Varchar), Box::new(ColumnType::Varchar));
    let specs = vec![spec("keyspace_name", ColumnType::Varchar), spec("replication", map)];
    let mut out = Vec::new();
    let row = vec![Some(b"ks".to_vec()), None];
    put_rows(&mut out, &Metadata::new(MetadataStyle::Global, specs), &[row]);
    out
}

#[test]
fn the_schema_of_the_cluster_has_the_console_in_it() {
    let mut rig = rig();
    let client = rig.client();
    let asked = |rig: &mut Rig, text: &str| {
        rig.send(client, &query(5, text));
        let (lane, request) = rig.request();
        rig.result(lane, request.stream(), &keyspaces());
        names(&rig.answer(client))
    };
    let all = "SELECT * FROM system_schema.keyspaces";
    assert_eq!(asked(&mut rig, all), ["ks", "shardlane"]);
    assert_eq!(asked(&mut rig, &format!("{all} WHERE keyspace_name = 'shardlane'")).len(), 2);
    assert_eq!(asked(&mut rig, &format!("{all} WHERE keyspace_name = 'ks'")), ["ks"]);
    assert_eq!(asked(&mut rig, "SELECT * FROM system_schema.types"), ["ks"]);

    // A bound value says which keyspace is wanted.
    let bound = client_frame(6, Opcode::Query, |out| {
        put_long_string(out, &format!("{all} WHERE keyspace_name = ?"));
        put_short(out, 1);
        out.push(0x01);
        put_short(out, 1);
        put_bytes(out, Some(b"shardlane"));
    });
    rig.send(client, &bound);
    let (lane, request) = rig.request();
    rig.result(lane, request.stream(), &keyspaces());
    assert_eq!(names(&rig.answer(client)), ["ks", "shardlane"]);
    rig.finish();
}

#[test]
fn without_a_console_all_goes_to_the_cluster() {
    let mut rig = shown(Rig::with_settings(|settings| settings.console.enabled = false));
    rig.lane(0, 0);
    let client = rig.client();
    for text in ["SELECT * FROM shardlane.lanes", "SELECT * FROM system_schema.keyspaces"] {
        rig.send(client, &query(1, text));
        let (lane, request) = rig.request();
        assert_eq!(request.text(), text);
        rig.result(lane, request.stream(), &keyspaces());
        assert_eq!(names(&rig.answer(client)), ["ks"]);
    }
}

#[test]
fn clients_lanes_tables_and_statements_are_seen_inside() {
    let mut rig = rig();
    let peer: SocketAddr = "[::ffff:10.1.2.3]:555".parse().unwrap();
    let client = rig.client();
    rig.input(|engine| engine.on_client_named(client, peer));
    rig.prepare_select(client, "tab", 9);
    rig.send(client, &execute(7, &[9; 16], b"key "));
    let (lane, request) = rig.request();
    rig.result(lane, request.stream(), &[0, 0, 0, 1]);
    rig.answer(client);

    let seen = rig.engine.inspect(&ConsoleTable::ALL);
    assert_eq!(seen.clients.len(), 1);
    assert_eq!(seen.clients[0].peer, Some("10.1.2.3:555".parse().unwrap()));
    let table = seen.tables.iter().find(|table| &*table.table == "t").unwrap();
    assert_eq!(table.requests.iter().sum::<u64>(), 1, "{table:?}");
    assert_eq!(seen.statements.len(), 1);
    assert_eq!(seen.statements[0].requests, 1);
    assert_eq!(seen.lanes.iter().map(|lane| lane.requests).sum::<u64>(), 2);
    // Whatever has no table is the rest of what the metrics say.
    let tally = rig.engine.tally().routing;
    for reason in Reason::ALL {
        let at = reason as usize;
        let of_tables: u64 = seen.tables.iter().map(|table| table.requests[at]).sum();
        assert_eq!(of_tables + seen.without_table[at], tally[at], "{reason:?}");
    }
    rig.finish();
}

/// A client that logged in as `user`, with lanes of that login.
fn logged_in(rig: &mut Rig, user: &str) -> ClientKey {
    let home = rig.input(|engine| engine.open_base()).unwrap();
    rig.lane_of(home, 0, 0).unwrap();
    let client = rig.silent_client();
    rig.send(client, &startup(4, None));
    let token = format!("\0{user}\0secret");
    rig.send(
        client,
        &client_frame(1, Opcode::AuthResponse, |out| put_bytes(out, Some(token.as_bytes()))),
    );
    let verdict = LoginVerdict::Granted { base: home, success: &[] };
    assert!(rig.input(|engine| engine.on_verdict(client, verdict)));
    assert_eq!(rig.answers(client).last().unwrap().opcode(), Opcode::AuthSuccess);
    client
}

#[test]
fn of_clients_that_log_in_only_roles_that_are_named_see_the_console() {
    let mut rig = shown(Rig::with_settings(|it| it.console.roles = vec!["operator".to_owned()]));
    rig.input(|engine| engine.on_authenticator(Some("PasswordAuthenticator".into())));
    let (operator, app) = (logged_in(&mut rig, "operator"), logged_in(&mut rig, "app"));
    let text = "SELECT * FROM shardlane.settings";
    rig.send(app, &query(2, text));
    let (code, why) = refusal(&rig.answer(app));
    assert_eq!(code, ErrorCode::UNAUTHORIZED);
    assert!(why.starts_with("User app has no SELECT permission on <keyspace shardlane>"), "{why}");
    assert!(why.contains("console.roles"), "{why}");
    rig.send(operator, &query(3, text));
    rig.input(|engine| engine.on_console(ConsoleTable::Settings, settings(2)));
    assert_eq!(names(&rig.answer(operator)).len(), 2);

    // An id that another client was given opens no door.
    rig.send(operator, &prepare(4, text));
    let answer = rig.answer(operator);
    let id = Reader::new(&answer.body[4..]).short_bytes().unwrap().to_vec();
    rig.send(app, &execute(5, &id, b""));
    assert_eq!(refusal(&rig.answer(app)).0, ErrorCode::UNAUTHORIZED);
    rig.send(app, &query(6, "DESCRIBE KEYSPACE shardlane"));
    assert_eq!(refusal(&rig.answer(app)).0, ErrorCode::UNAUTHORIZED);
    rig.finish();
}

#[test]
fn a_table_that_was_dropped_is_listed_no_more_and_its_counts_stay() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    rig.send(client, &execute(5, &[9; 16], b"key "));
    let (lane, request) = rig.request();
    rig.result(lane, request.stream(), &void());
    let seen = |rig: &mut Rig| {
        let seen = rig.engine.inspect(&[ConsoleTable::Tables]);
        let [table] = &seen.tables[..] else { panic!("{seen:?}") };
        (table.is_present, table.requests.iter().sum::<u64>())
    };
    assert_eq!(seen(&mut rig), (true, 1));
    let changes = [
        ("DROPPED", Some("t"), false),
        ("CREATED", Some("t"), true),
        ("DROPPED", None, false),
        ("CREATED", None, false),
        ("CREATED", Some("t"), true),
        ("CREATED", None, true),
        ("UPDATED", Some("t"), true),
    ];
    for (change, table, is_present) in changes {
        rig.input(|engine| engine.on_event(&schema_event(change, "tab", table)));
        assert_eq!(seen(&mut rig), (is_present, 1), "{change} {table:?}");
    }
}

#[test]
fn a_table_whose_end_was_missed_is_asked_for_and_listed_no_more() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.prepare_select(client, "tab", 9);
    rig.actions.clear();
    rig.pass_time(1_000_000);
    assert_eq!(keys_wanted(&mut rig), 0, "there is no reason to ask");
    rig.input(Engine::on_events_missed);
    rig.pass_time(1_000_000);
    assert_eq!(keys_wanted(&mut rig), 1);
    let is_present =
        |rig: &mut Rig| rig.engine.inspect(&[ConsoleTable::Tables]).tables[0].is_present;
    assert!(is_present(&mut rig));
    rig.know_no_key("tab", "t");
    assert!(!is_present(&mut rig));
}

fn keys_wanted(rig: &mut Rig) -> usize {
    let is_key =
        |action: &Action| matches!(action, Action::ReadTable(it) if it.wanted == TableFact::Key);
    let wanted = rig.actions.iter().filter(|action| is_key(action)).count();
    rig.actions.retain(|action| !is_key(action));
    wanted
}

//! Clients that move from one engine to another, as they do from process to process.

use cql::error_code::ErrorCode;
use cql::header::Header;
use cql::notation::put_string_list;
use cql::opcode::Opcode;
use shardlane::engine::client::{ClientKey, MoveAfter};
use shardlane::engine::learned::PartStart;
use shardlane::engine::verdict::LoginVerdict;
use shardlane::routing::decision::Reason;
use shardlane::session::sasl::SaslToken;
use shardlane::state::client::MovedClient;
use shardlane::state::record::Record;

use crate::clients::keyspaces::use_keyspace;
use crate::clients::logins::{self, grant, guarded, home, logged_in};
use crate::support::frames::{client_frame, execute, query, startup, void};
use crate::support::rig::Rig;

/// Takes a client out of an engine, as the shell does.
fn take(rig: &mut Rig, client: ClientKey) -> Option<MovedClient> {
    let moved = rig.input(|engine| engine.move_out(client));
    if moved.is_some() {
        rig.input(|engine| engine.on_client_closed(client));
        rig.clients.retain(|known| *known != client);
    }
    moved
}

fn bring(rig: &mut Rig, moved: &MovedClient) -> ClientKey {
    let mut moved = moved.clone();
    let client = rig.input(|engine| engine.on_client_moved_in(&mut moved)).unwrap();
    rig.clients.push(client);
    client
}

#[test]
fn a_client_is_served_on_where_it_moved_to() {
    let mut old = Rig::with_all_lanes();
    let client = old.client();
    old.prepare_select(client, "tab", 9);
    let records = learned(&old);
    let moved = take(&mut old, client).unwrap();
    assert_eq!(old.engine.gauges().clients, 0);
    let mut new = Rig::with_all_lanes();
    for record in &records {
        new.input(|engine| engine.on_restored(record));
    }
    let client = bring(&mut new, &moved);
    new.send(client, &execute(4, &[9; 16], b"key "));
    let (lane, request) = new.request();
    assert_eq!(request.opcode(), Opcode::Execute);
    new.result(lane, request.stream(), &void());
    assert_eq!(new.answer(client).stream(), 4);
    assert_eq!(new.decisions(Reason::UnknownStatement), 0);
    new.finish();
}

fn learned(rig: &Rig) -> Vec<Record> {
    let (mut records, mut from) = (Vec::new(), Some(PartStart::BEGIN));
    while let Some(place) = from {
        let part = rig.engine.learned(place);
        records.extend(part.records);
        from = part.next;
    }
    records
}

#[test]
fn a_client_stays_until_it_has_its_answers() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.send(client, &query(3, "SELECT v FROM tab.t"));
    assert_eq!(rig.engine.moves_after(client), MoveAfter::Answers);
    assert_eq!(take(&mut rig, client), None, "a request is on its way");
    let (lane, request) = rig.request();
    rig.result(lane, request.stream(), &void());
    assert_eq!(take(&mut rig, client), None, "its answer has not left");
    rig.answer(client);
    assert!(take(&mut rig, client).is_some());
    rig.finish();
}

#[test]
fn a_client_that_has_not_started_starts_where_it_moved_to() {
    let startup = startup(4, None);
    let options = client_frame(1, Opcode::Options, |_| {});
    for (sent, answers) in [(&[][..], 0), (&startup[..3], 0), (&startup[..12], 0), (&options, 1)] {
        let mut old = Rig::with_all_lanes();
        let client = old.silent_client();
        old.send(client, sent);
        assert_eq!(old.answers(client).len(), answers);
        let moved = take(&mut old, client).unwrap();
        assert!(moved.is_new && moved.version.is_none_or(|version| version == 4));
        let mut new = Rig::with_all_lanes();
        let client = bring(&mut new, &moved);
        assert!(new.engine.may_read(client));
        new.send(client, &startup[moved.partial.len()..]);
        assert_eq!(new.answer(client).opcode(), Opcode::Ready);
        new.send(client, &query(5, "SELECT v FROM tab.t"));
        let (lane, request) = new.request();
        new.result(lane, request.stream(), &void());
        assert_eq!(new.answer(client).stream(), 5);
        new.finish();
    }
}

#[test]
fn a_client_that_has_not_started_logs_in_where_it_moved_to() {
    let mut old = guarded();
    let client = old.silent_client();
    let moved = take(&mut old, client).unwrap();
    let mut new = guarded();
    let (home, _) = home(&mut new);
    let client = bring(&mut new, &moved);
    new.send(client, &startup(4, None));
    assert_eq!(new.answer(client).opcode(), Opcode::Authenticate);
    assert_eq!(new.engine.moves_after(client), MoveAfter::Reading, "its login is under way");
    assert_eq!(new.input(|engine| engine.move_out(client)), None);
    new.send(client, &logins::auth_response(9, b"\0bob\0pw"));
    assert_eq!(logins::token(&mut new).0, client);
    assert_eq!(new.engine.moves_after(client), MoveAfter::Reading, "a node judges it");
    grant(&mut new, client, home);
    assert_eq!(new.answer(client).opcode(), Opcode::AuthSuccess);
    assert_eq!(new.engine.moves_after(client), MoveAfter::Answers);
    new.finish();
}

/// A request whose frame is so many bytes longer than its text.
fn long_query(stream: i16, padding: usize) -> Vec<u8> {
    let text = format!("INSERT INTO tab.t (k, v) VALUES (1, '{}')", "y".repeat(padding));
    query(stream, &text)
}

#[test]
fn a_client_moves_once_the_rest_of_a_long_frame_was_read() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    let frame = long_query(3, 3 << 20);
    rig.send(client, &frame[..1 << 20]);
    assert_eq!(rig.engine.moves_after(client), MoveAfter::Answers, "so much moves along");
    rig.send(client, &frame[1 << 20..2 << 20]);
    assert_eq!(rig.engine.moves_after(client), MoveAfter::Reading);
    assert_eq!(take(&mut rig, client), None);
    rig.send(client, &frame[2 << 20..]);
    assert_eq!(rig.engine.moves_after(client), MoveAfter::Answers);
    let (lane, request) = rig.request();
    rig.result(lane, request.stream(), &void());
    rig.answer(client);
    let moved = take(&mut rig, client).unwrap();
    assert!(moved.partial.is_empty());
    rig.finish();
}

#[test]
fn a_client_moves_once_a_request_that_is_too_long_was_skipped() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    let len = usize::try_from(rig.engine.limits().frame_body_bytes_max).unwrap() + 1000;
    let head = Header { body_len: len.try_into().unwrap(), ..Header::peek(&query(3, "")).unwrap() };
    rig.send(client, &head.to_bytes());
    assert_eq!(rig.answer(client).opcode(), Opcode::Error);
    assert_eq!(rig.engine.moves_after(client), MoveAfter::Reading);
    for _ in 0..len / 1000 {
        rig.send(client, &[0; 1000]);
    }
    rig.send(client, &vec![0; len % 1000]);
    assert_eq!(rig.engine.moves_after(client), MoveAfter::Answers);
    assert!(take(&mut rig, client).is_some());
    rig.finish();
}

#[test]
fn the_front_of_a_frame_moves_along() {
    let mut old = Rig::with_all_lanes();
    let client = old.client();
    let frame = query(7, "SELECT v FROM tab.t");
    old.send(client, &frame[..13]);
    let moved = take(&mut old, client).unwrap();
    assert_eq!(moved.partial, &frame[..13]);
    let mut new = Rig::with_all_lanes();
    let client = bring(&mut new, &moved);
    new.send(client, &frame[13..]);
    let (_, request) = new.request();
    assert_eq!(request.text(), "SELECT v FROM tab.t");
}

#[test]
fn a_client_in_a_keyspace_waits_for_its_lanes() {
    let mut old = Rig::with_all_lanes();
    let client = old.client();
    let register = |out: &mut Vec<u8>| put_string_list(out, &["SCHEMA_CHANGE"]);
    old.send(client, &client_frame(2, Opcode::Register, register));
    old.answer(client);
    use_keyspace(&mut old, client, "tab");
    let moved = take(&mut old, client).unwrap();
    assert_eq!((moved.keyspace.as_deref(), moved.schema_events), (Some("tab"), true));

    let mut new = Rig::with_all_lanes();
    let client = bring(&mut new, &moved);
    assert!(!new.engine.may_read(client), "its texts would run in no keyspace");
    let (pool, keyspace) = new.opened().unwrap();
    assert_eq!(&*keyspace, "tab");
    let lane = new.lane_of(pool, 0, 0).unwrap();
    assert!(new.engine.may_read(client));
    new.send(client, &query(5, "SELECT v FROM t"));
    let (to, request) = new.request();
    assert_eq!((to, request.text()), (lane, "SELECT v FROM t"));
    new.result(lane, request.stream(), &void());
    new.answer(client);
    new.finish();
}

#[test]
fn a_client_whose_keyspace_gets_no_lanes_is_served_as_any_other() {
    let mut old = Rig::with_all_lanes();
    let client = old.client();
    let mut moved = take(&mut old, client).unwrap();
    moved.keyspace = Some("tab".into());
    let mut new = Rig::with_all_lanes();
    let client = bring(&mut new, &moved);
    let (pool, _) = new.opened().unwrap();
    new.input(|engine| engine.on_pool_failed(pool, None));
    assert!(new.engine.may_read(client), "it gets errors rather than nothing");
}

/// A client that logged in to one engine, on its way to another, as the shell hands it on.
fn on_its_way(keyspace: Option<&str>) -> MovedClient {
    let mut old = guarded();
    let (home, _) = home(&mut old);
    let client = logged_in(&mut old, home);
    assert_eq!(old.engine.own_base(client), Some(home));
    let mut moved = take(&mut old, client).unwrap();
    moved.token = Some(SaslToken::new(b"\0bob\0pw"));
    moved.keyspace = keyspace.map(Into::into);
    old.finish();
    moved
}

#[test]
fn a_client_that_logged_in_is_read_once_the_cluster_has_taken_its_login_again() {
    let moved = on_its_way(None);
    let mut new = guarded();
    let (home, lanes) = home(&mut new);
    let client = bring(&mut new, &moved);
    assert!(!new.engine.may_read(client), "it has no rights here yet");
    let (who, token) = logins::token(&mut new);
    assert_eq!((who, token.reveal()), (client, &b"\0bob\0pw"[..]));
    grant(&mut new, client, home);
    assert!(new.answers(client).is_empty(), "it asked for nothing");
    assert!(new.engine.may_read(client));
    new.send(client, &query(5, "SELECT v FROM tab.t"));
    let (lane, request) = new.request();
    assert!(lanes.contains(&lane), "it has its own lanes");
    new.result(lane, request.stream(), &void());
    assert_eq!(new.answer(client).stream(), 5);
    assert_eq!(new.engine.moves_after(client), MoveAfter::Answers, "and may move again");
    new.finish();
}

#[test]
fn a_client_that_logged_in_and_used_a_keyspace_waits_for_lanes_of_both() {
    let moved = on_its_way(Some("tab"));
    let mut new = guarded();
    let (home, _) = home(&mut new);
    let client = bring(&mut new, &moved);
    logins::token(&mut new);
    grant(&mut new, client, home);
    assert!(!new.engine.may_read(client), "its texts would run in no keyspace");
    let (pool, _) = new.opened().unwrap();
    assert_eq!(new.engine.base_of(pool), home);
    let lane = new.lane_of(pool, 0, 0).unwrap();
    assert!(new.engine.may_read(client));
    new.send(client, &query(5, "SELECT v FROM t"));
    let (to, request) = new.request();
    assert_eq!(to, lane);
    new.result(lane, request.stream(), &void());
    new.answer(client);
    new.finish();
}

#[test]
fn a_client_whose_login_is_not_taken_again_is_closed_without_a_word() {
    let moved = on_its_way(None);
    let refused = LoginVerdict::Refused(b"not you");
    let unknown = LoginVerdict::Unknown(ErrorCode::OVERLOADED, "no node");
    for verdict in [refused, unknown, LoginVerdict::Challenged(b"what")] {
        let mut new = guarded();
        let client = bring(&mut new, &moved);
        logins::token(&mut new);
        new.input(|engine| engine.on_verdict(client, verdict));
        assert!(new.answers(client).is_empty());
        assert!(!new.engine.may_read(client));
        new.leave(client);
        new.finish();
    }
}

#[test]
fn a_client_that_would_have_to_log_in_and_has_not_is_not_taken() {
    let mut moved = on_its_way(None);
    moved.token = None;
    let mut new = guarded();
    assert_eq!(new.input(|engine| engine.on_client_moved_in(&mut moved)), None);
}

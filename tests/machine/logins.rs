//! Logins: the cluster judges each client's own, and no client goes over another's lanes.

use std::sync::Arc;

use shardlane::engine::client::ClientKey;
use shardlane::engine::login::Verdict;
use shardlane::engine::order::Order;
use shardlane::engine::pending::LaneKey;
use shardlane::routing::decision::Reason;
use shardlane::session::sasl::SaslToken;
use shardlane::upstream::lane::SetId;
use shardlane::wire::notation::{Reader, put_bytes, put_int, put_string};
use shardlane::wire::opcode::Opcode;
use shardlane::wire::response::error::ErrorCode;

use crate::support::frames::{
    Frame, error, execute, frame, of_version, prepare, prepared, query, startup, unprepared, void,
};
use crate::support::rig::Rig;

const CLASS: &str = "com.example.auth.SomeAuthenticator";
const SUCCESS: [u8; 4] = [0xff; 4];

/// An engine whose clients must log in.
fn guarded() -> Rig {
    let mut rig = Rig::new();
    rig.input(|engine| engine.on_authenticator(Some(CLASS.into())));
    rig
}

fn auth_response(stream: i16, token: &[u8]) -> Vec<u8> {
    frame((4, 0, stream), Opcode::AuthResponse, |out| put_bytes(out, Some(token)))
}

/// A client that was asked to log in.
fn asked(rig: &mut Rig, version: u8) -> ClientKey {
    let client = rig.silent_client();
    rig.send(client, &startup(version, None));
    let answer = rig.answer(client);
    assert_eq!(answer.opcode(), Opcode::Authenticate);
    assert_eq!(Reader::new(&answer.body).string(), Ok(CLASS));
    client
}

/// The token that the shell is to ask the cluster about.
fn token(rig: &mut Rig) -> (ClientKey, SaslToken) {
    let at = rig.orders.iter().position(|order| matches!(order, Order::LogIn { .. })).unwrap();
    match rig.orders.remove(at).unwrap() {
        Order::LogIn { client, token } => (client, token),
        other => panic!("{other:?}"),
    }
}

fn grant(rig: &mut Rig, client: ClientKey, home: SetId) {
    let verdict = Verdict::Granted { home, success: &SUCCESS };
    assert!(rig.input(|engine| engine.on_verdict(client, verdict)));
}

/// A client that logged in to `home`, which has a lane.
fn logged_in(rig: &mut Rig, home: SetId) -> ClientKey {
    let client = asked(rig, 4);
    rig.send(client, &auth_response(9, b"\0bob\0pw"));
    assert_eq!(token(rig).0, client);
    grant(rig, client, home);
    let answer = rig.answer(client);
    assert_eq!((answer.opcode(), answer.stream()), (Opcode::AuthSuccess, 9));
    assert_eq!(answer.body, SUCCESS);
    client
}

/// A credential with one lane to each node.
fn home(rig: &mut Rig) -> (SetId, Vec<LaneKey>) {
    let home = rig.input(|engine| engine.open_home()).unwrap();
    let lanes = (0..3).map(|node| rig.lane_of(home, node, 0).unwrap()).collect();
    (home, lanes)
}

fn closed_sets(rig: &Rig) -> Vec<SetId> {
    let closed = rig.orders.iter().filter_map(|order| match order {
        Order::CloseSet(set) => Some(*set),
        _ => None,
    });
    closed.collect()
}

fn words(frame: &Frame) -> (ErrorCode, String) {
    let error = frame.error();
    (error.code, error.text.into_owned())
}

#[test]
fn a_token_goes_to_the_cluster_as_it_came_and_nothing_is_served_before() {
    let mut rig = guarded();
    let (home, lanes) = home(&mut rig);
    let client = asked(&mut rig, 4);
    rig.send(client, &[query(1, "SELECT 1"), auth_response(2, b"\0bob\0pw")].concat());
    let refused = rig.answer(client);
    let text = "Unexpected message 7, expecting SASL_RESPONSE";
    assert_eq!(words(&refused), (ErrorCode::PROTOCOL_ERROR, text.to_owned()));
    let (who, sent) = token(&mut rig);
    assert_eq!((who, sent.reveal()), (client, &b"\0bob\0pw"[..]));

    rig.send(client, &[query(3, "SELECT 2"), auth_response(4, b"\0eve\0pw")].concat());
    let answers = rig.answers(client);
    assert!(answers.iter().all(|answer| answer.code() == ErrorCode::PROTOCOL_ERROR));
    assert_eq!(answers.len(), 2, "one login at a time");
    assert!(rig.all_requests().is_empty());
    grant(&mut rig, client, home);
    assert_eq!(rig.answer(client).opcode(), Opcode::AuthSuccess);
    rig.send(client, &query(5, "SELECT 3"));
    let (lane, request) = rig.request();
    assert!(lanes.contains(&lane));
    rig.result(lane, request.stream(), &void());
    rig.finish();
}

#[test]
fn the_clusters_refusal_is_passed_on_byte_by_byte_and_another_try_may_follow() {
    for version in [3, 4] {
        let mut rig = guarded();
        let (home, _) = home(&mut rig);
        let client = asked(&mut rig, version);
        rig.send(client, &of_version(version, auth_response(7, b"\0bob\0guess")));
        token(&mut rig);
        let body = error(ErrorCode::BAD_CREDENTIALS, "Provided username bob and/or password");
        rig.input(|engine| engine.on_verdict(client, Verdict::Refused(&body)));
        let answer = rig.answer(client);
        assert_eq!((answer.header.version, answer.stream()), (0x80 | version, 7));
        assert_eq!((answer.opcode(), &answer.body), (Opcode::Error, &body));

        rig.send(client, &of_version(version, auth_response(8, b"\0bob\0right")));
        assert_eq!(token(&mut rig).1.reveal(), b"\0bob\0right");
        grant(&mut rig, client, home);
        assert_eq!(rig.answer(client).opcode(), Opcode::AuthSuccess);
        rig.finish();
    }
}

#[test]
fn a_client_is_told_that_it_is_in_once_there_is_a_lane_for_it() {
    let mut rig = guarded();
    let home = rig.input(|engine| engine.open_home()).unwrap();
    let (early, late) = (asked(&mut rig, 4), asked(&mut rig, 4));
    for client in [early, late] {
        rig.send(client, &auth_response(1, b"\0bob\0pw"));
        token(&mut rig);
        grant(&mut rig, client, home);
        assert!(rig.answers(client).is_empty());
    }
    rig.leave(late);
    rig.lane_of(home, 0, 0).unwrap();
    assert_eq!(rig.answer(early).opcode(), Opcode::AuthSuccess);
    rig.finish();
}

#[test]
fn a_login_without_a_lane_is_refused_in_time_and_may_be_tried_again() {
    let mut rig = guarded();
    let home = rig.input(|engine| engine.open_home()).unwrap();
    let client = asked(&mut rig, 4);
    rig.send(client, &auth_response(1, b"\0bob\0pw"));
    token(&mut rig);
    grant(&mut rig, client, home);
    rig.pass_time(16_000_000);
    assert_eq!(rig.answer(client).code(), ErrorCode::OVERLOADED);
    rig.send(client, &auth_response(2, b"\0bob\0pw"));
    token(&mut rig);
    rig.finish();
}

#[test]
fn no_client_goes_over_the_lanes_of_another_credential() {
    let mut rig = guarded();
    let (bobs, annas) = (home(&mut rig), home(&mut rig));
    let (bob, anna) = (logged_in(&mut rig, bobs.0), logged_in(&mut rig, annas.0));
    for (client, (_, lanes)) in [(bob, &bobs), (anna, &annas)] {
        let asks = [query(1, "SELECT 1"), prepare(2, "SELECT 2"), execute(3, &[1; 16], b"k")];
        rig.send(client, &asks.concat());
        let sent = rig.all_requests();
        assert_eq!(sent.len(), 3);
        assert!(sent.iter().all(|(lane, _)| lanes.contains(lane)));
    }
    // Lanes come and go; what was sent is read again, among its own.
    for lane in bobs.1.clone() {
        rig.lose(lane);
        for (at, _) in rig.all_requests() {
            assert!(bobs.1.contains(&at), "bob's request came to another's lane");
        }
    }
    rig.send(bob, &query(4, "SELECT 4"));
    assert!(rig.all_requests().is_empty());
    let refused = rig.answers(bob);
    assert_eq!(refused.last().unwrap().code(), ErrorCode::OVERLOADED);
    rig.finish();
}

#[test]
fn each_credential_has_its_own_lanes_of_a_keyspace() {
    let mut rig = guarded();
    let ((bobs, _), (annas, _)) = (home(&mut rig), home(&mut rig));
    let (bob, anna) = (logged_in(&mut rig, bobs), logged_in(&mut rig, annas));
    let mut sets = Vec::new();
    for (client, home) in [(bob, bobs), (anna, annas)] {
        rig.send(client, &query(1, "USE ks"));
        let (set, _) = rig.opened().unwrap();
        assert_eq!(rig.engine.home_of_set(set), home);
        let lane = rig.lane_of(set, 0, 0).unwrap();
        let request = rig.requests(lane).remove(0);
        let mut answer = Vec::new();
        put_int(&mut answer, 3);
        put_string(&mut answer, "ks");
        rig.result(lane, request.stream(), &answer);
        assert_eq!(rig.answer(client).opcode(), Opcode::Result);
        rig.send(client, &query(2, "SELECT"));
        assert_eq!(rig.requests(lane).len(), 1);
        sets.push(set);
    }
    assert_ne!(sets[0], sets[1]);
    rig.finish();
}

#[test]
fn a_forgotten_statement_is_prepared_again_with_the_rights_of_who_asked() {
    let mut rig = guarded();
    let (bobs, annas) = (home(&mut rig), home(&mut rig));
    let (bob, anna) = (logged_in(&mut rig, bobs.0), logged_in(&mut rig, annas.0));
    rig.prepare_select(bob, "tab", 5);
    rig.send(anna, &execute(1, &[5; 16], b"k"));
    let (lane, request) = rig.request();
    assert!(annas.1.contains(&lane));
    rig.error(lane, request.stream(), &unprepared(&[5; 16]));
    rig.send(bob, &execute(2, &[5; 16], b"k"));
    for (at, request) in rig.all_requests() {
        match request.opcode() {
            Opcode::Prepare => {
                assert!(annas.1.contains(&at));
                let answer = prepared(&[5; 16], 0, ("tab", "t"), b"columns");
                rig.result(at, request.stream(), &answer);
            }
            _ => assert!(bobs.1.contains(&at)),
        }
    }
    let (again, request) = rig.request();
    assert!(annas.1.contains(&again));
    assert_eq!(request.opcode(), Opcode::Execute);
    rig.finish();
}

#[test]
fn a_login_that_is_withdrawn_closes_its_clients_and_its_lanes_alone() {
    let mut rig = guarded();
    let (bobs, annas) = (home(&mut rig), home(&mut rig));
    let (bob, anna) = (logged_in(&mut rig, bobs.0), logged_in(&mut rig, annas.0));
    rig.send(bob, &query(1, "SELECT slow"));
    assert_eq!(rig.all_requests().len(), 1);
    rig.input(|engine| engine.on_home_revoked(bobs.0));
    assert_eq!(rig.clients_to_close(), [bob]);
    assert_eq!(closed_sets(&rig), [bobs.0]);
    rig.send(bob, &query(2, "SELECT more"));
    assert!(rig.all_requests().is_empty());
    for lane in bobs.1 {
        rig.lose(lane);
    }
    assert!(rig.all_requests().is_empty(), "what bob asked is not asked again for anybody");
    assert!(rig.lane_of(bobs.0, 0, 0).is_none(), "a lane that comes too late is not wanted");
    rig.send(anna, &query(1, "SELECT 1"));
    assert!(annas.1.contains(&rig.request().0));
    rig.finish();
}

#[test]
fn a_verdict_that_comes_too_late_lets_nobody_in() {
    let mut rig = guarded();
    let (bobs, _) = home(&mut rig);
    let client = asked(&mut rig, 4);
    rig.send(client, &auth_response(1, b"\0bob\0pw"));
    token(&mut rig);
    rig.input(|engine| engine.on_home_revoked(bobs));
    grant(&mut rig, client, bobs);
    assert_eq!(rig.answer(client).code(), ErrorCode::OVERLOADED);

    rig.send(client, &auth_response(2, b"\0bob\0pw"));
    token(&mut rig);
    rig.send(client, b"no protocol");
    let (annas, _) = home(&mut rig);
    let verdict = Verdict::Granted { home: annas, success: &SUCCESS };
    assert!(!rig.input(|engine| engine.on_verdict(client, verdict)), "it is being closed");
    assert!(!rig.engine.may_read(client));
    rig.finish();
}

#[test]
fn a_credential_that_nobody_uses_is_forgotten_after_a_minute() {
    let mut rig = guarded();
    let (bobs, _) = home(&mut rig);
    let bob = logged_in(&mut rig, bobs);
    rig.pass_time(120_000_000);
    assert!(closed_sets(&rig).is_empty(), "a client uses it");
    rig.leave(bob);
    rig.pass_time(1_000_000);
    rig.pass_time(59_000_000);
    assert!(closed_sets(&rig).is_empty(), "not idle for long enough");
    assert_eq!(rig.engine.gauges().credentials, 1);
    rig.pass_time(1_000_000);
    assert_eq!(closed_sets(&rig), [bobs]);
    assert!(!rig.engine.is_home_open(bobs));
    assert_eq!(rig.engine.gauges().credentials, 0);
}

#[test]
fn who_came_in_before_the_cluster_asked_for_logins_must_come_again() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    rig.input(|engine| engine.on_authenticator(Some(CLASS.into())));
    assert_eq!(rig.clients_to_close(), [client]);
    rig.send(client, &query(1, "SELECT 1"));
    assert!(rig.all_requests().is_empty());
    rig.input(|engine| engine.on_authenticator(None));
    let open = rig.client();
    rig.send(open, &query(1, "SELECT 1"));
    assert_eq!(rig.all_requests().len(), 1);
    rig.finish();
}

#[test]
fn a_login_of_several_steps_keeps_a_connection_for_itself() {
    let mut rig = guarded();
    let (_, others) = home(&mut rig);
    let client = asked(&mut rig, 4);
    rig.send(client, &auth_response(1, b"bob"));
    token(&mut rig);
    rig.input(|engine| engine.on_verdict(client, Verdict::Challenged(b"nonce")));
    let answer = rig.answer(client);
    assert_eq!((answer.opcode(), answer.stream()), (Opcode::AuthChallenge, 1));
    assert_eq!(Reader::new(&answer.body).bytes(), Ok(Some(&b"nonce"[..])));
    rig.send(client, &auth_response(2, b"response"));
    assert_eq!(token(&mut rig).1.reveal(), b"response");
    let own = rig.input(|engine| engine.open_dedicated()).unwrap();
    let lane = rig.lane_of(own, 1, 0).unwrap();
    grant(&mut rig, client, own);
    assert_eq!(rig.answer(client).opcode(), Opcode::AuthSuccess);

    let asks = [query(1, "USE ks"), query(2, "SELECT 1"), execute(3, &[1; 16], b"k")];
    rig.send(client, &asks.concat());
    let request = rig.requests(lane).remove(0);
    assert_eq!(request.text(), "USE ks");
    let mut named = Vec::new();
    put_int(&mut named, 3);
    put_string(&mut named, "ks");
    rig.result(lane, request.stream(), &named);
    assert_eq!(rig.requests(lane).len(), 2);
    assert!(others.iter().all(|other| rig.requests(*other).is_empty()));
    assert!(rig.opened().is_none() && rig.lanes_to_close().is_empty());
    assert_eq!(rig.decisions(Reason::Dedicated), 2, "the USE and the EXECUTE");

    rig.lose(lane);
    assert_eq!(rig.clients_to_close(), [client], "its login is gone with its connection");
    assert_eq!(closed_sets(&rig), [own]);
    rig.finish();
}

#[test]
fn a_client_with_a_connection_for_itself_takes_it_along() {
    let mut rig = guarded();
    let own = rig.input(|engine| engine.open_dedicated()).unwrap();
    rig.lane_of(own, 1, 0).unwrap();
    let client = logged_in(&mut rig, own);
    rig.leave(client);
    assert_eq!(closed_sets(&rig), [own]);
    rig.finish();
}

#[test]
fn schema_agreement_is_asked_on_whatever_lanes_there_are() {
    let mut rig = guarded();
    let ((bobs, lanes), _) = (home(&mut rig), home(&mut rig));
    let bob = logged_in(&mut rig, bobs);
    rig.send(bob, &query(1, "CREATE TABLE ks.t (k int PRIMARY KEY)"));
    let (lane, request) = rig.request();
    assert!(lanes.contains(&lane));
    let mut changed = Vec::new();
    put_int(&mut changed, 5);
    for word in ["CREATED", "TABLE", "ks", "t"] {
        put_string(&mut changed, word);
    }
    rig.result(lane, request.stream(), &changed);
    let asked = rig.all_requests();
    assert_eq!(asked.len(), 3, "each node once");
    assert!(asked.iter().all(|(_, request)| request.text().contains("schema_version")));
    rig.finish();
}

#[test]
fn a_token_of_any_size_is_no_harm() {
    let mut rig = guarded();
    let client = asked(&mut rig, 4);
    rig.send(client, &auth_response(1, &[7; 70_000]));
    assert_eq!(rig.answer(client).code(), ErrorCode::PROTOCOL_ERROR);
    rig.send(client, &frame((4, 0, 2), Opcode::AuthResponse, |out| put_int(out, -1)));
    assert!(token(&mut rig).1.reveal().is_empty());
    let class: Arc<str> = CLASS.into();
    rig.input(|engine| engine.on_authenticator(Some(class)));
    assert!(rig.clients_to_close().is_empty(), "nobody is in");
    rig.finish();
}

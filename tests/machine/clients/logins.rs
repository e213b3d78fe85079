//! Logins: the cluster judges each client's own, and no client goes over another's lanes.

mod lanes;

use std::sync::Arc;

use cql::error_code::ErrorCode;
use cql::notation::{Reader, put_bytes, put_int};
use cql::opcode::Opcode;
use shardlane::engine::action::Action;
use shardlane::engine::client::ClientKey;
use shardlane::engine::pending::LaneKey;
use shardlane::engine::verdict::LoginVerdict;
use shardlane::session::sasl::SaslToken;
use shardlane::upstream::lane::PoolId;

use crate::support::frames::{Frame, client_frame, error, of_version, query, startup, void};
use crate::support::rig::Rig;

const CLASS: &str = "com.example.auth.SomeAuthenticator";
const SUCCESS: [u8; 4] = [0xff; 4];

/// An engine whose clients must log in.
pub(crate) fn guarded() -> Rig {
    let mut rig = Rig::new();
    rig.input(|engine| engine.on_authenticator(Some(CLASS.into())));
    rig
}

pub(crate) fn auth_response(stream: i16, token: &[u8]) -> Vec<u8> {
    client_frame(stream, Opcode::AuthResponse, |out| put_bytes(out, Some(token)))
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
pub(crate) fn token(rig: &mut Rig) -> (ClientKey, SaslToken) {
    let at = rig.actions.iter().position(|order| matches!(order, Action::LogIn { .. })).unwrap();
    match rig.actions.remove(at).unwrap() {
        Action::LogIn { client, token } => (client, token),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn grant(rig: &mut Rig, client: ClientKey, home: PoolId) {
    let verdict = LoginVerdict::Granted { base: home, success: &SUCCESS };
    assert!(rig.input(|engine| engine.on_verdict(client, verdict)));
}

/// A client that logged in to `home`, which has a lane.
pub(crate) fn logged_in(rig: &mut Rig, home: PoolId) -> ClientKey {
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
pub(crate) fn home(rig: &mut Rig) -> (PoolId, Vec<LaneKey>) {
    let home = rig.input(|engine| engine.open_base()).unwrap();
    let lanes = (0..3).map(|node| rig.lane_of(home, node, 0).unwrap()).collect();
    (home, lanes)
}

fn closed_sets(rig: &Rig) -> Vec<PoolId> {
    let closed = rig.actions.iter().filter_map(|order| match order {
        Action::ClosePool(pool) => Some(*pool),
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
        rig.input(|engine| engine.on_verdict(client, LoginVerdict::Refused(&body)));
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
fn a_login_is_answered_once_there_is_a_lane_for_it() {
    let mut rig = guarded();
    let home = rig.input(|engine| engine.open_base()).unwrap();
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
    let home = rig.input(|engine| engine.open_base()).unwrap();
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
fn a_login_waits_as_long_as_its_client_does() {
    let mut rig = Rig::with_limits(|limits| limits.request_timeout_us = 0);
    rig.input(|engine| engine.on_authenticator(Some(CLASS.into())));
    let home = rig.input(|engine| engine.open_base()).unwrap();
    let client = asked(&mut rig, 4);
    rig.send(client, &auth_response(1, b"\0bob\0pw"));
    token(&mut rig);
    grant(&mut rig, client, home);
    rig.pass_time(600_000_000);
    assert!(rig.answers(client).is_empty());
    rig.lane_of(home, 0, 0).unwrap();
    assert_eq!(rig.answer(client).opcode(), Opcode::AuthSuccess);
    rig.finish();
}

#[test]
fn the_client_that_has_owed_an_answer_for_longest_gives_way_to_others() {
    let mut rig = Rig::with_limits(|limits| limits.clients_max = 4);
    rig.input(|engine| engine.on_authenticator(Some(CLASS.into())));
    let early = asked(&mut rig, 4);
    rig.send(early, &auth_response(1, b"ticket"));
    token(&mut rig);
    rig.pass_time(1_000_000);
    let silent = rig.silent_client();
    rig.pass_time(1_000_000);
    rig.input(|engine| engine.on_verdict(early, LoginVerdict::Challenged(b"prove it")));
    assert_eq!(rig.answer(early).opcode(), Opcode::AuthChallenge);
    let _third = rig.silent_client();
    assert_eq!(rig.clients_to_close(), [silent], "the first was asked just now");
}

#[test]
fn a_client_that_never_answers_a_challenge_is_closed() {
    let mut rig = guarded();
    let client = asked(&mut rig, 4);
    rig.pass_time(29_000_000);
    rig.send(client, &auth_response(1, b"ticket"));
    token(&mut rig);
    rig.pass_time(14_000_000);
    assert!(rig.clients_to_close().is_empty(), "the cluster's time is not the client's");
    rig.input(|engine| engine.on_verdict(client, LoginVerdict::Challenged(b"prove it")));
    assert_eq!(rig.answer(client).opcode(), Opcode::AuthChallenge);
    rig.pass_time(30_000_000);
    assert_eq!(rig.clients_to_close(), [client]);
    assert_eq!(rig.answer(client).code(), ErrorCode::OVERLOADED);
    rig.finish();
}

#[test]
fn a_verdict_that_comes_too_late_lets_no_client_in() {
    let mut rig = guarded();
    let (bobs, _) = home(&mut rig);
    let client = asked(&mut rig, 4);
    rig.send(client, &auth_response(1, b"\0bob\0pw"));
    token(&mut rig);
    rig.input(|engine| engine.on_credential_revoked(bobs));
    grant(&mut rig, client, bobs);
    assert_eq!(rig.answer(client).code(), ErrorCode::OVERLOADED);

    rig.send(client, &auth_response(2, b"\0bob\0pw"));
    token(&mut rig);
    rig.send(client, b"no protocol");
    let (annas, _) = home(&mut rig);
    let verdict = LoginVerdict::Granted { base: annas, success: &SUCCESS };
    assert!(!rig.input(|engine| engine.on_verdict(client, verdict)), "it is being closed");
    assert!(!rig.engine.may_read(client));
    rig.finish();
}

#[test]
fn a_client_from_before_the_cluster_asked_for_logins_must_connect_again() {
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
fn a_token_of_any_size_is_no_harm() {
    let mut rig = guarded();
    let client = asked(&mut rig, 4);
    rig.send(client, &auth_response(1, &[7; 70_000]));
    assert_eq!(rig.answer(client).code(), ErrorCode::PROTOCOL_ERROR);
    rig.send(client, &client_frame(2, Opcode::AuthResponse, |out| put_int(out, -1)));
    assert!(token(&mut rig).1.reveal().is_empty());
    let class: Arc<str> = CLASS.into();
    rig.input(|engine| engine.on_authenticator(Some(class)));
    assert!(rig.clients_to_close().is_empty(), "no client is in");
    rig.finish();
}

//! Each credential has lanes of its own.

use cql::consistency::Consistency;
use cql::error_code::ErrorCode;
use cql::notation::{Reader, put_int, put_string};
use cql::opcode::Opcode;
use cql::request::parameters::SKIP_METADATA;
use shardlane::engine::client::ClientKey;
use shardlane::engine::pending::LaneKey;
use shardlane::engine::verdict::LoginVerdict;
use shardlane::routing::decision::Reason;

use super::{asked, auth_response, closed_sets, grant, guarded, home, logged_in, token};
use crate::support::frames::{execute, execute_at, prepare, prepared, query, unprepared};
use crate::support::rig::Rig;

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
    let mut pools = Vec::new();
    for (client, home) in [(bob, bobs), (anna, annas)] {
        rig.send(client, &query(1, "USE ks"));
        let (pool, _) = rig.opened().unwrap();
        assert_eq!(rig.engine.base_of(pool), home);
        let lane = rig.lane_of(pool, 0, 0).unwrap();
        let request = rig.requests(lane).remove(0);
        let mut answer = Vec::new();
        put_int(&mut answer, 3);
        put_string(&mut answer, "ks");
        rig.result(lane, request.stream(), &answer);
        assert_eq!(rig.answer(client).opcode(), Opcode::Result);
        rig.send(client, &query(2, "SELECT"));
        assert_eq!(rig.requests(lane).len(), 1);
        pools.push(pool);
    }
    assert_ne!(pools[0], pools[1]);
    rig.finish();
}

#[test]
fn a_forgotten_statement_is_prepared_again_with_the_rights_of_its_client() {
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
                let answer = prepared(&[5; 16], 0, "tab.t", b"columns");
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
    rig.input(|engine| engine.on_credential_revoked(bobs.0));
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
fn a_use_that_waits_for_a_lane_of_a_withdrawn_login_has_its_answer_at_once() {
    for is_sent in [false, true] {
        let mut rig = guarded();
        let (bobs, _) = home(&mut rig);
        let bob = logged_in(&mut rig, bobs);
        rig.send(bob, &query(1, "USE ks"));
        let (pool, _) = rig.opened().unwrap();
        let lane = is_sent.then(|| rig.lane_of(pool, 0, 0).unwrap());
        rig.input(|engine| engine.on_credential_revoked(bobs));
        if let Some(lane) = lane {
            assert_eq!(rig.requests(lane).len(), 1);
            rig.lose(lane);
        }
        assert_eq!(rig.answer(bob).code(), ErrorCode::OVERLOADED, "sent: {is_sent}");
        assert_eq!(rig.clients_to_close(), [bob]);
        rig.finish();
    }
}

#[test]
fn an_unused_credential_is_forgotten_after_a_minute() {
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
    assert!(!rig.engine.is_pool_open(bobs));
    assert_eq!(rig.engine.gauges().credentials, 0);
}

#[test]
fn a_login_of_several_steps_keeps_a_connection_for_itself() {
    let mut rig = guarded();
    let (_, others) = home(&mut rig);
    let client = asked(&mut rig, 4);
    rig.send(client, &auth_response(1, b"bob"));
    token(&mut rig);
    rig.input(|engine| engine.on_verdict(client, LoginVerdict::Challenged(b"nonce")));
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
    rig.result(lane, request.stream(), &keyspace_set("ks"));
    assert_eq!(rig.requests(lane).len(), 2);
    assert!(others.iter().all(|other| rig.requests(*other).is_empty()));
    assert!(rig.opened().is_none() && rig.lanes_to_close().is_empty());
    assert_eq!(rig.decisions(Reason::Dedicated), 2, "the USE and the EXECUTE");

    rig.lose(lane);
    assert_eq!(rig.clients_to_close(), [client], "its login is gone with its connection");
    assert_eq!(closed_sets(&rig), [own]);
    rig.finish();
}

/// A client with a connection for itself, on which it prepared a statement and then said `USE ks`.
fn switched(rig: &mut Rig) -> (ClientKey, LaneKey) {
    let own = rig.input(|engine| engine.open_dedicated()).unwrap();
    let lane = rig.lane_of(own, 1, 0).unwrap();
    let client = logged_in(rig, own);
    rig.prepare_select(client, "tab", 5);
    rig.send(client, &query(1, "USE ks"));
    let request = rig.requests(lane).remove(0);
    rig.result(lane, request.stream(), &keyspace_set("ks"));
    assert_eq!(rig.answer(client).opcode(), Opcode::Result);
    (client, lane)
}

/// What a node answers to `USE`.
fn keyspace_set(name: &str) -> Vec<u8> {
    let mut message = Vec::new();
    put_int(&mut message, 3);
    put_string(&mut message, name);
    message
}

#[test]
fn a_forgotten_statement_is_prepared_again_on_a_clients_own_connection_behind_a_use() {
    let mut rig = guarded();
    let (client, lane) = switched(&mut rig);
    rig.send(client, &execute(2, &[5; 16], b"k"));
    let request = rig.requests(lane).remove(0);
    rig.error(lane, request.stream(), &unprepared(&[5; 16]));
    let asked = rig.requests(lane).remove(0);
    assert_eq!(asked.opcode(), Opcode::Prepare);
    // The node gives a text that names its keyspace one id in all keyspaces.
    rig.result(lane, asked.stream(), &prepared(&[5; 16], 0, "tab.t", b"columns"));
    assert_eq!(rig.requests(lane).remove(0).opcode(), Opcode::Execute);
    rig.finish();
}

#[test]
fn a_statement_that_is_another_behind_a_use_is_for_the_client_to_prepare() {
    let mut rig = guarded();
    let (annas, _) = home(&mut rig);
    let anna = logged_in(&mut rig, annas);
    let (client, lane) = switched(&mut rig);
    rig.send(client, &execute(2, &[5; 16], b"k"));
    let request = rig.requests(lane).remove(0);
    rig.error(lane, request.stream(), &unprepared(&[5; 16]));
    let asked = rig.requests(lane).remove(0);
    rig.result(lane, asked.stream(), &prepared(&[6; 16], 0, "tab.t", b"other columns"));
    assert_eq!(rig.answer(client).code(), ErrorCode::UNPREPARED);

    // Nothing was learned of the columns of the first.
    rig.send(anna, &execute_at(3, &[5; 16], b"k", Consistency::One, SKIP_METADATA));
    let (_, request) = rig.request();
    assert_ne!(request.body[2 + 16 + 2] & SKIP_METADATA, 0);
    rig.finish();
}

#[test]
fn a_statement_is_of_the_keyspace_in_which_it_was_asked_for() {
    let mut rig = guarded();
    let (annas, _) = home(&mut rig);
    let anna = logged_in(&mut rig, annas);
    let own = rig.input(|engine| engine.open_dedicated()).unwrap();
    let lane = rig.lane_of(own, 1, 0).unwrap();
    let client = logged_in(&mut rig, own);
    rig.send(client, &[prepare(1, "SELECT v FROM tab.t WHERE k = ?"), query(2, "USE ks")].concat());
    let asked = rig.requests(lane);
    // The node answers the second first.
    rig.result(lane, asked[1].stream(), &keyspace_set("ks"));
    let answer = prepared(&[5; 16], 0, "tab.t", b"columns");
    rig.result(lane, asked[0].stream(), &answer);

    // So it can be prepared for those who use no keyspace.
    rig.send(anna, &execute(3, &[5; 16], b"k"));
    let (lane, request) = rig.request();
    rig.error(lane, request.stream(), &unprepared(&[5; 16]));
    assert_eq!(rig.request().1.opcode(), Opcode::Prepare);
    rig.finish();
}

#[test]
fn a_statement_of_which_the_keyspace_is_not_known_any_more_is_not_recorded() {
    let mut rig = guarded();
    let own = rig.input(|engine| engine.open_dedicated()).unwrap();
    let lane = rig.lane_of(own, 1, 0).unwrap();
    let client = logged_in(&mut rig, own);
    rig.send(client, &prepare(1, "SELECT v FROM tab.t WHERE k = ?"));
    let asked = rig.requests(lane).remove(0);
    for keyspace in ["ks", "other"] {
        rig.send(client, &query(2, &format!("USE {keyspace}")));
        let request = rig.requests(lane).remove(0);
        rig.result(lane, request.stream(), &keyspace_set(keyspace));
        assert_eq!(rig.answer(client).opcode(), Opcode::Result);
    }
    rig.result(lane, asked.stream(), &prepared(&[5; 16], 0, "tab.t", b"columns"));
    assert_eq!(rig.answer(client).opcode(), Opcode::Result);
    assert_eq!(rig.engine.gauges().catalog_entries, 0);
    rig.finish();
}

#[test]
fn requests_behind_a_use_are_counted_when_their_clients_own_connection_is_lost() {
    let mut rig = guarded();
    let own = rig.input(|engine| engine.open_dedicated()).unwrap();
    let lane = rig.lane_of(own, 1, 0).unwrap();
    let client = logged_in(&mut rig, own);
    let before = (rig.received(), rig.ended());
    rig.send(client, &[query(1, "USE ks"), query(2, "SELECT 1"), query(3, "SELECT 2")].concat());
    assert_eq!(rig.requests(lane).len(), 1);
    rig.lose(lane);
    assert_eq!(rig.clients_to_close(), [client]);
    rig.finish();
    assert_eq!((rig.received() - before.0, rig.ended() - before.1), (3, 3));
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

//! Statements by text go to the shard that owns their row, as far as their text says it.

use cql::consistency::Consistency;
use cql::header::FLAG_PAYLOAD;
use cql::opcode::Opcode;
use cql::token::partitioner::Partitioner;
use cql::values::column_type::ColumnType;
use shardlane::engine::action::Action;
use shardlane::engine::client::ClientKey;
use shardlane::engine::pending::LaneKey;
use shardlane::routing::decision::Reason;
use shardlane::topology::id::NodeId;

use crate::clients::keyspaces::use_keyspace;
use crate::support::frames::{
    Bound, batch_of_texts, execute, prepared_without_key, query, query_at, query_with, rows,
    schema_event, tablet_payload, void,
};
use crate::support::rig::{Rig, host, shard_of, snapshot};

/// A rig that knows the keys of `ring.t` and `tab.t`, an int `k` each.
fn rig() -> Rig {
    let mut rig = Rig::with_all_lanes();
    for keyspace in ["ring", "tab"] {
        rig.know_key(keyspace, "t", &[("k", ColumnType::Int)]);
    }
    rig
}

/// The lane to the one replica of a key in `ring`.
fn owner(rig: &Rig, key: &[u8]) -> LaneKey {
    let token = Partitioner::Murmur3.token(key);
    let snapshot = snapshot(1, 3);
    let [NodeId(node)] = snapshot.keyspace("ring").unwrap().ring.replicas(token) else {
        panic!("one copy of each row")
    };
    rig.lane_to(*node, shard_of(key))
}

/// Sends a text that must reach the owner of the int `key`, unchanged, and lets it be answered.
fn leads_to(rig: &mut Rig, frame: &[u8], key: i32) {
    let client = rig.clients[0];
    rig.send(client, frame);
    let (lane, request) = rig.request();
    assert_eq!(request.body, frame[9..]);
    assert_eq!(lane, owner(rig, &key.to_be_bytes()), "{}", String::from_utf8_lossy(frame));
    rig.result(lane, request.stream(), &void());
    let _told = rig.answer(client);
}

#[test]
fn a_constant_key_leads_to_its_shard() {
    let mut rig = rig();
    rig.client();
    for key in -20..20 {
        for text in [
            format!("SELECT v FROM ring.t WHERE k = {key}"),
            format!("INSERT INTO ring.t (v, k) VALUES ('it''s', {key}) USING TTL 5"),
            format!("UPDATE \"ring\".T SET v = 'k = 3' WHERE K={key} AND c > 5;"),
            format!("INSERT INTO ring.t JSON '{{\"v\": \"it''s\", \"k\": {key}}}' IF NOT EXISTS"),
            format!("delete v from Ring.\"t\" where k in ({key})"),
            format!("BEGIN BATCH DELETE FROM ring.t WHERE k = {key}; APPLY BATCH"),
        ] {
            leads_to(&mut rig, &query(1, &text), key);
        }
    }
    assert_eq!(rig.decisions(Reason::TextLiteral), 200);
    rig.finish();
}

#[test]
fn bound_values_are_taken_as_they_are() {
    let mut rig = rig();
    rig.client();
    for key in 0..20i32 {
        let (bytes, other) = (key.to_be_bytes(), 7i32.to_be_bytes());
        let by_place: &[Bound<'_>] = &[(None, Some(&other)), (None, Some(&bytes))];
        let by_name: &[Bound<'_>] = &[(Some("k"), Some(&bytes)), (Some("v"), Some(&other))];
        for (text, values) in [
            ("UPDATE ring.t SET v = ? WHERE k = ?", by_place),
            ("UPDATE ring.t SET v = ? WHERE k = ?", by_name),
            ("UPDATE ring.t SET v = :v WHERE k = :K", by_name),
            ("BEGIN BATCH INSERT INTO ring.t (v, k) VALUES (?, ?); APPLY BATCH", by_place),
        ] {
            leads_to(&mut rig, &query_with(1, text, values), key);
        }
    }
    assert_eq!(rig.decisions(Reason::TextBound), 80);
    rig.finish();
}

#[test]
fn a_key_of_several_columns_is_put_together_in_its_own_order() {
    let mut rig = rig();
    let client = rig.client();
    rig.know_key("ring", "pair", &[("a", ColumnType::Varchar), ("b", ColumnType::Bigint)]);
    let key = b"\0\x04it's\0\0\x08\0\0\0\0\0\0\0\x05\0";
    let five = 5i64.to_be_bytes();
    let bound: &[Bound<'_>] = &[(None, Some(&five)), (None, Some(b"it's"))];
    for frame in [
        query(1, "SELECT * FROM ring.pair WHERE b = 5 AND a = 'it''s'"),
        query_with(1, "SELECT * FROM ring.pair WHERE b = ? AND a = ?", bound),
        query_with(1, "SELECT * FROM ring.pair WHERE b = ? AND a = 'it''s'", &bound[..1]),
        query(1, "INSERT INTO ring.pair (b, a) VALUES (5, $$it's$$)"),
    ] {
        rig.send(client, &frame);
        let (lane, request) = rig.request();
        assert_eq!(lane, owner(&rig, key));
        rig.result(lane, request.stream(), &void());
    }
    rig.finish();
}

#[test]
fn a_table_is_read_when_it_is_first_named() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    for _ in 0..3 {
        rig.send(client, &query(1, "SELECT v FROM ring.T WHERE k = 1"));
        let (lane, request) = rig.request();
        rig.result(lane, request.stream(), &void());
        let _told = rig.answer(client);
    }
    assert_eq!(rig.decisions(Reason::TextUnknownTable), 3);
    assert_eq!(rig.tables_to_read(), [("ring".to_owned(), "t".to_owned())]);

    rig.know_key("ring", "t", &[("k", ColumnType::Int)]);
    leads_to(&mut rig, &query(1, "SELECT v FROM ring.t WHERE k = 1"), 1);
    assert!(rig.tables_to_read().is_empty());

    // A table that is not there is not asked for again and again.
    rig.send(client, &query(1, "SELECT v FROM ring.none WHERE k = 1"));
    assert_eq!(rig.tables_to_read().len(), 1);
    rig.know_no_key("ring", "none");
    rig.send(client, &query(2, "SELECT v FROM ring.none WHERE k = 1"));
    assert!(rig.tables_to_read().is_empty());
    rig.finish();
}

#[test]
fn a_table_that_changed_is_read_again() {
    let mut rig = rig();
    let client = rig.client();
    let event = schema_event("UPDATED", "ring", Some("t"));
    rig.input(|engine| engine.on_event(&event));
    rig.pass_time(11_000_000);
    rig.send(client, &query(1, "SELECT v FROM ring.t WHERE k = 1"));
    assert_eq!(rig.tables_to_read(), [("ring".to_owned(), "t".to_owned())]);
    rig.finish();
}

#[test]
fn an_uncertain_text_goes_anywhere_untouched() {
    let mut rig = rig();
    let client = rig.client();
    rig.know_key("ring", "s", &[("k", ColumnType::Varchar)]);
    for (text, reason) in [
        ("SELECT v FROM ring.t", Reason::TextScan),
        ("SELECT v FROM ring.t WHERE v = 1 ALLOW FILTERING", Reason::TextScan),
        ("SELECT v FROM ring.t WHERE k = 'one'", Reason::TextNotUnderstood),
        ("SELECT v FROM ring.s WHERE k = 1", Reason::TextNotUnderstood),
        ("SELECT v FROM ring.t WHERE k = f(1)", Reason::TextNotUnderstood),
        ("SELECT v FROM ring.t WHERE k = 1 OR k = 2", Reason::TextNotUnderstood),
        ("INSERT INTO ring.t JSON '{\"k\": 1.0}'", Reason::TextNotUnderstood),
        ("BEGIN BATCH INSERT INTO ring.t (k) VALUES (1)", Reason::TextNotUnderstood),
        ("SELECT v FROM ring.t WHERE k = ?", Reason::NullKey),
        ("SELECT v FROM t WHERE k = 1", Reason::TextUnknownTable),
        ("SELECT v FROM own.t WHERE k = 1", Reason::LocalTable),
        ("SELECT v FROM system.paxos WHERE row_key = 1", Reason::LocalTable),
        ("SELECT v FROM elsewhere.t WHERE k = 1", Reason::UnknownKeyspace),
        ("GRANT SELECT ON ring.t TO reader", Reason::Text),
        ("TRUNCATE ring.t", Reason::Text),
        ("", Reason::Text),
    ] {
        let before = rig.decisions(reason);
        let frame = query(1, text);
        rig.send(client, &frame);
        let (lane, request) = rig.request();
        assert_eq!(request.body, frame[9..]);
        assert_eq!(rig.decisions(reason), before + 1, "{text}: {:?}", rig.engine.tally().routing);
        rig.result(lane, request.stream(), &void());
    }
    assert!(rig.tables_to_read().is_empty());
    rig.finish();
}

#[test]
fn several_partitions_go_by_the_first_and_ranges_by_their_start() {
    let mut rig = rig();
    rig.client();
    leads_to(&mut rig, &query(1, "SELECT v FROM ring.t WHERE k IN (7, 8, 9)"), 7);
    assert_eq!(rig.decisions(Reason::TextIn), 1);

    let token = Partitioner::Murmur3.token(&7i32.to_be_bytes()).value();
    let before = (token - 1).to_be_bytes();
    let bound: &[Bound<'_>] = &[(None, Some(&before)), (None, Some(&[0x7f; 8]))];
    for frame in [
        query(1, &format!("SELECT v FROM ring.t WHERE token(k) >= {token}")),
        query(1, &format!("SELECT v FROM ring.t WHERE token(k) > {} LIMIT 5", token - 1)),
        query_with(1, "SELECT v FROM ring.t WHERE token(k) > ? AND token(k) <= ?", bound),
    ] {
        leads_to(&mut rig, &frame, 7);
    }
    assert_eq!(rig.decisions(Reason::TokenRange), 3);
    rig.finish();
}

#[test]
fn a_prepared_statement_without_key_markers_is_routed_by_its_text() {
    let mut rig = Rig::with_all_lanes();
    let client = rig.client();
    let token = Partitioner::Murmur3.token(&7i32.to_be_bytes()).value();
    let texts = [
        "SELECT v FROM ring.t WHERE token(k) > ? AND token(k) <= ?",
        "UPDATE ring.t SET v = ? WHERE k = 7",
        "SELECT v FROM ring.t WHERE k IN (7, ?)",
        "SELECT v FROM ring.t WHERE v = ? ALLOW FILTERING",
    ];
    for (id, text) in (1..).zip(texts) {
        rig.prepare(client, text, &prepared_without_key(&[id; 16], "ring.t"));
    }
    let own = owner(&rig, &7i32.to_be_bytes());
    let value = (token - 1).to_be_bytes();
    rig.send(client, &execute(1, &[1; 16], &value));
    let _anywhere = rig.request();
    assert_eq!(rig.decisions(Reason::NoKey), 1);
    assert_eq!(rig.tables_to_read(), [("ring".to_owned(), "t".to_owned())]);
    rig.know_key("ring", "t", &[("k", ColumnType::Int)]);
    for id in 1..4 {
        rig.send(client, &execute(1, &[id; 16], &value));
        assert_eq!(rig.request().0, own, "{}", texts[usize::from(id) - 1]);
    }
    for reason in [Reason::TokenRange, Reason::TextLiteral, Reason::TextIn] {
        assert_eq!(rig.decisions(reason), 1);
    }
    rig.send(client, &execute(1, &[4; 16], &value));
    let _anywhere = rig.request();
    assert_eq!(rig.decisions(Reason::NoKey), 2);
    rig.finish();
}

#[test]
fn a_light_weight_transaction_goes_to_the_first_replica() {
    let mut rig = rig();
    let client = rig.client();
    rig.know_tablet(&[(2, 1), (0, 0), (1, 0)]);
    for stream in 0..6 {
        rig.send(client, &query(stream, "UPDATE tab.t SET v = 1 WHERE k = 1 IF v = 2"));
    }
    rig.send(client, &query_at(6, "SELECT v FROM tab.t WHERE k = 1", Consistency::Serial));
    let text = "BEGIN BATCH DELETE FROM tab.t WHERE k = 1; \
                INSERT INTO tab.t (k) VALUES (1) IF NOT EXISTS APPLY BATCH";
    rig.send(client, &query(7, text));
    assert_eq!(rig.requests(rig.lanes[5]).len(), 8);
    assert_eq!(rig.decisions(Reason::LwtPrimary), 8);
    rig.finish();
}

/// Sends `frame`, which is answered with the tablet of `tab.t` on shard 1 of node 2.
fn miss(rig: &mut Rig, client: ClientKey, frame: &[u8]) {
    rig.send(client, frame);
    let (lane, request) = rig.request();
    let payload = tablet_payload(i64::MIN, i64::MAX, &[(host(2).0, 1)]);
    let body = [payload, rows(b"rows")].concat();
    rig.respond(lane, FLAG_PAYLOAD, request.stream(), Opcode::Result, &body);
    assert_eq!(rig.answer(client).mark(), b"rows", "the payload is cut");
}

#[test]
fn a_bound_text_teaches_its_tablet_and_is_judged_apart() {
    let mut rig = rig();
    let client = rig.client();
    let key = 1i32.to_be_bytes();
    let bound = query_with(1, "SELECT v FROM tab.t WHERE k = ?", &[(None, Some(&key))]);
    miss(&mut rig, client, &bound);
    assert_eq!(rig.decisions(Reason::UnknownTablet), 1);
    for frame in [bound, query(1, "SELECT v FROM tab.t WHERE k = 1")] {
        rig.send(client, &frame);
        let (lane, request) = rig.request();
        assert_eq!(lane, rig.lanes[5]);
        rig.result(lane, request.stream(), &void());
    }
    let feedback = rig.engine.tally().feedback.iter().find(|of| of.text_misses > 0).unwrap();
    // Of constants a node says nothing: no word is no praise.
    assert_eq!((feedback.text_hits, feedback.text_misses), (1, 1));
    assert_eq!((feedback.hits, feedback.misses), (0, 0));
    rig.finish();
}

#[test]
fn a_text_of_a_client_in_a_keyspace_takes_its_lanes_unless_it_names_another() {
    let mut rig = rig();
    let client = rig.client();
    let (pool, first) = use_keyspace(&mut rig, client, "ring");
    let others = [1, 2].map(|node| rig.lane_of(pool, node, 0).unwrap());
    let lanes = [first, others[0], others[1]];
    let _spread = rig.all_requests();
    for key in 0..20i32 {
        let own = owner(&rig, &key.to_be_bytes());
        let node = rig.lanes.iter().position(|lane| *lane == own).unwrap() / 2;
        rig.send(client, &query(1, &format!("SELECT v FROM t WHERE k = {key}")));
        let (lane, request) = rig.request();
        assert_eq!(lane, lanes[node], "its node, in its keyspace");
        rig.result(lane, request.stream(), &void());
        leads_to_again(&mut rig, client, key);
    }
    // One statement without a keyspace is enough.
    let text = "BEGIN BATCH DELETE FROM ring.t WHERE k = 1; DELETE FROM t WHERE k = 1 APPLY BATCH";
    let texts = ["DELETE FROM ring.t WHERE k = 1", "DELETE FROM t WHERE k = 1"];
    for frame in [query(1, text), batch_of_texts(1, &texts), query(1, "TRUNCATE ring.t")] {
        rig.send(client, &frame);
        let (lane, request) = rig.request();
        assert!(lanes.contains(&lane));
        rig.result(lane, request.stream(), &void());
    }
    rig.finish();
}

/// The same with its keyspace's name goes to the shard itself.
fn leads_to_again(rig: &mut Rig, client: ClientKey, key: i32) {
    let texts = [
        query(1, &format!("SELECT v FROM ring.t WHERE k = {key}")),
        batch_of_texts(1, &[&format!("DELETE FROM ring.t WHERE k = {key}")]),
    ];
    for frame in texts {
        rig.send(client, &frame);
        let (lane, request) = rig.request();
        assert_eq!(lane, owner(rig, &key.to_be_bytes()));
        rig.result(lane, request.stream(), &void());
    }
}

#[test]
fn a_batch_of_texts_goes_where_its_first_key_lies() {
    let mut rig = rig();
    rig.client();
    for key in 0..20 {
        let own = format!("INSERT INTO ring.t (k) VALUES ({key})");
        let frame = batch_of_texts(1, &["TRUNCATE ring.t", &own, "DELETE FROM ring.t WHERE k = 5"]);
        leads_to(&mut rig, &frame, key);
    }
    let client = rig.clients[0];
    rig.send(client, &batch_of_texts(1, &["DELETE FROM ring.none WHERE k = 5"]));
    assert_eq!(rig.decisions(Reason::UnroutableBatch), 1);
    assert_eq!(rig.decisions(Reason::TextLiteral), 20, "as BEGIN BATCH by text is counted");
    rig.finish();
}

#[test]
fn tables_that_batches_name_are_read_at_once() {
    let mut rig = rig();
    let client = rig.client();
    let of = |table: &str| format!("DELETE FROM ring.{table} WHERE k = 5");
    rig.send(client, &batch_of_texts(1, &[&of("a"), &of("b"), &of("a")]));
    rig.send(client, &batch_of_texts(2, &[&of("c")]));
    let read = rig.tables_to_read();
    let names: Vec<&str> = read.iter().map(|(_, table)| &**table).collect();
    assert_eq!(names, ["a", "b", "c"]);
    rig.finish();
}

#[test]
fn a_text_whose_lane_is_lost_is_routed_by_its_text_again() {
    let mut rig = rig();
    let client = rig.client();
    rig.know_tablet(&[(1, 1), (2, 1)]);
    rig.send(client, &query(1, "SELECT v FROM tab.t WHERE k = 1"));
    let (first, _) = rig.request();
    let other = if first == rig.lanes[3] { rig.lanes[5] } else { rig.lanes[3] };
    rig.lose(first);
    assert_eq!(rig.request().0, other);
    rig.finish();
}

#[test]
fn no_text_is_read_where_that_is_turned_off() {
    let mut rig = Rig::with_settings(|settings| settings.routes_texts = false);
    rig.open_all_lanes();
    let client = rig.client();
    rig.know_key("ring", "t", &[("k", ColumnType::Int)]);
    rig.send(client, &query(1, "SELECT v FROM ring.t WHERE k = 1"));
    rig.send(client, &query(2, "SELECT v FROM ring.u WHERE k = 1"));
    rig.send(client, &batch_of_texts(3, &["DELETE FROM ring.t WHERE k = 1"]));
    assert_eq!((rig.decisions(Reason::Text), rig.decisions(Reason::UnroutableBatch)), (2, 1));
    assert!(!rig.actions.iter().any(|action| matches!(action, Action::ReadTable(_))));
    rig.finish();
}

//! Keys of texts with constants are read once more, so that nodes report their tablets: those that are not
//! known, and some of the known ones, which may have moved.

use cql::error_code::ErrorCode;
use cql::header::FLAG_PAYLOAD;
use cql::opcode::Opcode;
use cql::request::parameters::{BoundValue, PAGE_SIZE};
use cql::request::query::Query;
use cql::values::column_type::ColumnType;
use shardlane::engine::client::ClientKey;
use shardlane::engine::pending::LaneKey;
use shardlane::engine::settings::EngineSettings;

use crate::support::frames::{
    Frame, batch_of_texts, error, execute, query, query_with, rows, tablet_payload, void,
};
use crate::support::rig::{Rig, host};
use crate::tablets::reading::{COMPLETE, page, request, wanted};

const SECOND_US: u64 = 1_000_000;

/// A rig that knows the key of `tab.t` and `ring.t`, an int `k`, and does not read tablets.
fn rig_with(change: impl FnOnce(&mut EngineSettings)) -> (Rig, ClientKey) {
    let mut rig = Rig::with_settings(|settings| {
        settings.prefetch_tablets = false;
        change(settings);
    });
    rig.open_all_lanes();
    for keyspace in ["ring", "tab"] {
        rig.know_key(keyspace, "t", &[("k", ColumnType::Int)]);
    }
    let client = rig.client();
    (rig, client)
}

fn rig() -> (Rig, ClientKey) {
    rig_with(|_| {})
}

/// Sends a text and answers it; returns its lane and the samples that came behind it.
fn ask(rig: &mut Rig, client: ClientKey, text: &str) -> (LaneKey, Vec<(LaneKey, Frame)>) {
    rig.send(client, &query(1, text));
    let (texts, samples): (Vec<_>, Vec<_>) =
        rig.all_requests().into_iter().partition(|(_, request)| read(request).0 == text);
    let [(lane, request)] = &texts[..] else { panic!("one text: {texts:?}") };
    rig.result(*lane, request.stream(), &rows(b"own"));
    assert_eq!(rig.answer(client).mark(), b"own");
    (*lane, samples)
}

/// The text of a QUERY, and its values.
fn read(request: &Frame) -> (String, Vec<Vec<u8>>) {
    assert_eq!(request.opcode(), Opcode::Query);
    let query = Query::read(&request.body).unwrap();
    let bytes = |value: BoundValue<'_>| match value.value {
        cql::notation::Value::Bytes(bytes) => bytes.to_vec(),
        other => panic!("{other:?}"),
    };
    let values = query.parameters.values.iter().map(|value| bytes(value.unwrap())).collect();
    (query.text.to_owned(), values)
}

/// A node answers a sample, and reports that the whole ring is on node 2, shard 1.
fn report(rig: &mut Rig, (lane, sample): &(LaneKey, Frame)) {
    let payload = tablet_payload(i64::MIN, i64::MAX, &[(host(2).0, 1)]);
    let body = [payload, rows(b"sample")].concat();
    rig.respond(*lane, FLAG_PAYLOAD, sample.stream(), Opcode::Result, &body);
}

#[test]
fn a_constant_of_an_unknown_tablet_is_read_once_more_where_its_text_went() {
    let (mut rig, client) = rig();
    let text = "UPDATE tab.t SET v = 'secret' WHERE k = 258";
    let (lane, samples) = ask(&mut rig, client, text);
    let [(sampled, sample)] = &samples[..] else { panic!("{samples:?}") };
    assert_eq!(*sampled, lane, "it is judged as the text would be");
    let expected = "SELECT \"k\" FROM \"tab\".\"t\" WHERE \"k\" = ?";
    assert_eq!(read(sample), (expected.to_owned(), vec![vec![0, 0, 1, 2]]));
    let parameters = Query::read(&sample.body).unwrap().parameters;
    assert_eq!(parameters.options().unwrap().page_size, Some(1), "one row of many");
    assert_ne!(parameters.flags & PAGE_SIZE, 0);

    report(&mut rig, &samples[0]);
    assert!(rig.answers(client).is_empty(), "the client gets nothing of it");
    let (lane, samples) = ask(&mut rig, client, text);
    assert_eq!((lane, samples.len()), (rig.lanes[5], 0));
    let tally = rig.engine.tally();
    let feedback = tally.feedback.iter().find(|of| of.text_misses > 0).unwrap();
    assert_eq!((feedback.text_hits, feedback.text_misses, tally.tablet_samples), (0, 1, 1));
    rig.finish();
}

#[test]
fn one_in_a_hundred_texts_of_known_tablets_is_sampled_so_that_a_move_is_noticed() {
    // Two replicas take turns, and one of them has moved: samples must meet that one, too.
    for moved in [0, 2] {
        let (mut rig, client) = rig();
        rig.know_tablet(&[(0, 0), (1, 0)]);
        let (mut texts, mut is_learned) = (0, false);
        while !is_learned {
            texts += 1;
            assert!(texts < 1_000, "no sample was taken where the tablet was");
            rig.pass_time(SECOND_US / 100);
            let (lane, samples) = ask(&mut rig, client, "SELECT v FROM tab.t WHERE k = 1");
            for sample in &samples {
                if lane == rig.lanes[moved] {
                    report(&mut rig, sample);
                    is_learned = true;
                } else {
                    rig.result(sample.0, sample.1.stream(), &rows(b"sample"));
                }
            }
        }
        assert!(texts <= 2 * 101, "{texts}");
        assert_eq!(ask(&mut rig, client, "SELECT v FROM tab.t WHERE k = 1").0, rig.lanes[5]);
        rig.finish();
    }
}

/// Asks for a key of `tab.t` until a text is sampled: how many texts that took, and the sample.
fn until_sampled(rig: &mut Rig, client: ClientKey) -> (u64, (LaneKey, Frame)) {
    for texts in 1..1_000 {
        rig.pass_time(SECOND_US / 100);
        let (lane, samples) = ask(rig, client, "SELECT v FROM tab.t WHERE k = 1");
        if let Some(sample) = samples.into_iter().next() {
            assert_eq!(sample.0, lane, "it is judged as the text would be");
            return (texts, sample);
        }
    }
    panic!("no text is sampled");
}

#[test]
fn the_first_sample_that_shows_a_move_has_the_table_read_again() {
    let (mut rig, client) = rig_with(|settings| settings.prefetch_tablets = true);
    let first = page(&rig, Some(1), COMPLETE);
    rig.input(|engine| engine.on_tablets_read(&first));
    rig.pass_time(SECOND_US);
    wanted(&mut rig);
    // A sample without a report changes nothing.
    let (texts, (lane, sample)) = until_sampled(&mut rig, client);
    assert_eq!((texts, lane), (101, rig.lanes[3]));
    rig.result(lane, sample.stream(), &rows(b"sample"));
    rig.pass_time(20 * SECOND_US);
    assert_eq!(wanted(&mut rig), []);

    // The tablet moves: so many texts are astray until a sample is, and the table is read within a second.
    let (texts, sample) = until_sampled(&mut rig, client);
    assert_eq!(texts, 101);
    report(&mut rig, &sample);
    rig.pass_time(SECOND_US);
    assert_eq!(ask(&mut rig, client, "SELECT v FROM tab.t WHERE k = 1").0, rig.lanes[5]);
    assert_eq!(wanted(&mut rig), [request()]);
    let feedback = rig.engine.tally().feedback.iter().find(|of| of.text_misses > 0).copied();
    assert_eq!(feedback.map(|it| (it.text_hits, it.text_misses)), Some((1, 1)));
    rig.finish();
}

#[test]
fn a_table_is_not_read_more_often_because_samples_go_on_to_show_moves() {
    let (mut rig, client) = rig_with(|settings| settings.prefetch_tablets = true);
    let first = page(&rig, Some(1), COMPLETE);
    rig.input(|engine| engine.on_tablets_read(&first));
    rig.pass_time(20 * SECOND_US);
    wanted(&mut rig);
    let (_, sample) = until_sampled(&mut rig, client);
    report(&mut rig, &sample);
    rig.pass_time(SECOND_US);
    assert_eq!(wanted(&mut rig), [request()]);
    let again = page(&rig, Some(1), COMPLETE);
    rig.input(|engine| engine.on_tablets_read(&again));
    let ended_us = rig.now_us;
    while rig.now_us < ended_us + 9 * SECOND_US {
        let (_, sample) = until_sampled(&mut rig, client);
        report(&mut rig, &sample);
        assert_eq!(wanted(&mut rig), [], "it was read a moment ago");
    }
    rig.pass_time(2 * SECOND_US);
    ask(&mut rig, client, "SELECT v FROM tab.t WHERE k = 1");
    rig.pass_time(SECOND_US);
    assert_eq!(wanted(&mut rig), [request()]);
    rig.finish();
}

#[test]
fn a_table_of_which_a_tablet_moved_is_sampled_more_until_samples_show_no_move() {
    let (mut rig, client) = rig();
    rig.know_tablet(&[(1, 1)]);
    let (texts, sample) = until_sampled(&mut rig, client);
    assert_eq!(texts, 101);
    report(&mut rig, &sample);
    for _ in 0..32 {
        let (texts, (lane, sample)) = until_sampled(&mut rig, client);
        assert_eq!(texts, 7);
        rig.result(lane, sample.stream(), &rows(b"sample"));
    }
    assert_eq!(until_sampled(&mut rig, client).0, 101);
    rig.finish();
}

#[test]
fn texts_in_batch_frames_are_sampled_since_nodes_judge_no_batch() {
    let (mut rig, client) = rig();
    rig.send(client, &batch_of_texts(1, &["INSERT INTO tab.t (k, v) VALUES (258, 'v')"]));
    let requests = rig.all_requests();
    let [_, (lane, sample)] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(*lane, requests[0].0);
    let expected = "SELECT \"k\" FROM \"tab\".\"t\" WHERE \"k\" = ?";
    assert_eq!(read(sample), (expected.to_owned(), vec![vec![0, 0, 1, 2]]));
}

#[test]
fn samples_are_bounded_by_the_second() {
    let (mut rig, client) = rig();
    let mut taken = || {
        let texts = (0..500).map(|key| format!("SELECT v FROM tab.t WHERE k = {key}"));
        texts.map(|text| ask(&mut rig, client, &text).1.len()).sum::<usize>()
    };
    assert_eq!(taken(), 10, "a tenth of a second's at once");
    assert_eq!(taken(), 0);
    rig.pass_time(SECOND_US / 20);
    let mut taken = || {
        let texts = (0..500).map(|key| format!("SELECT v FROM tab.t WHERE k = {key}"));
        texts.map(|text| ask(&mut rig, client, &text).1.len()).sum::<usize>()
    };
    assert_eq!(taken(), 5);
}

#[test]
fn a_table_that_must_not_be_read_is_left_alone() {
    let (mut rig, client) = rig();
    let text = "DELETE FROM tab.t WHERE k = 1";
    let (_, samples) = ask(&mut rig, client, text);
    let [(lane, sample)] = &samples[..] else { panic!("{samples:?}") };
    let refused = error(ErrorCode::UNAUTHORIZED, "User w has no SELECT permission");
    rig.error(*lane, sample.stream(), &refused);
    for _ in 0..10 {
        rig.pass_time(SECOND_US);
        assert!(ask(&mut rig, client, text).1.is_empty());
    }
    rig.pass_time(600 * SECOND_US);
    assert_eq!(ask(&mut rig, client, text).1.len(), 1, "rights may have been granted");
}

#[test]
fn nothing_is_sampled_where_nodes_judge_tablets_are_read_or_there_are_none() {
    let select = "SELECT v FROM tab.t WHERE k = 1";
    let (mut rig, client) = rig_with(|settings| settings.prefetch_tablets = true);
    assert!(ask(&mut rig, client, select).1.is_empty(), "they are read all at once");
    let (mut rig, client) = rig_with(|settings| settings.tablet_samples_per_s = 0);
    assert!(ask(&mut rig, client, select).1.is_empty(), "it is turned off");

    let (mut rig, client) = self::rig();
    assert!(ask(&mut rig, client, "SELECT v FROM ring.t WHERE k = 1").1.is_empty());
    assert!(ask(&mut rig, client, "SELECT v FROM tab.t").1.is_empty(), "it names no key");
    let key = 1i32.to_be_bytes();
    rig.send(client, &query_with(2, "SELECT v FROM tab.t WHERE k = ?", &[(None, Some(&key))]));
    let (lane, bound) = rig.request();
    rig.result(lane, bound.stream(), &void());
    rig.answer(client);
    rig.prepare_select(client, "tab", 9);
    rig.send(client, &execute(4, &[9; 16], b"key "));
    assert!(rig.all_requests().iter().all(|(_, request)| request.opcode() != Opcode::Query));
}

#[test]
fn keys_of_several_columns_documents_and_batches_are_sampled_too() {
    let (mut rig, client) = rig();
    rig.know_key("tab", "T", &[("A", ColumnType::Varchar), ("b\"", ColumnType::Bigint)]);
    let five = 5i64.to_be_bytes().to_vec();
    for text in [
        "SELECT * FROM tab.\"T\" WHERE \"b\"\"\" = 5 AND \"A\" = 'it''s'",
        "SELECT * FROM tab.\"T\" WHERE \"b\"\"\" = 5 AND \"A\" IN ('it''s', 'more')",
        "BEGIN BATCH DELETE FROM tab.\"T\" WHERE \"b\"\"\" = 5 AND \"A\" = $$it's$$; APPLY BATCH",
    ] {
        rig.pass_time(SECOND_US);
        let (_, samples) = ask(&mut rig, client, text);
        let [(_, sample)] = &samples[..] else { panic!("{text}: {samples:?}") };
        let expected =
            "SELECT \"A\", \"b\"\"\" FROM \"tab\".\"T\" WHERE \"A\" = ? AND \"b\"\"\" = ?";
        assert_eq!(read(sample), (expected.to_owned(), vec![b"it's".to_vec(), five.clone()]));
    }
    rig.pass_time(SECOND_US);
    let document = "INSERT INTO tab.t JSON '{\"v\": \"it''s\", \"k\": 258}'";
    let (_, samples) = ask(&mut rig, client, document);
    assert_eq!(read(&samples[0].1).1, [vec![0, 0, 1, 2]]);
}

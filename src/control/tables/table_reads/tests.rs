//! Requests of workers, and the questions that they become.

use super::*;
use cql::response::schema_change::SchemaChange;

const RATE: TableReadSettings = TableReadSettings { rows_per_s: 2 * QUESTION_ROWS, page_rows: 500 };

fn key_of(table: &str) -> TableRequest {
    TableRequest { keyspace: "ks".into(), table: table.into(), wanted: TableFact::Key }
}

fn tablets_of(table: &str) -> TableRequest {
    TableRequest { wanted: TableFact::Tablets, ..key_of(table) }
}

fn names(question: Option<Question>) -> String {
    let text = question.map(|question| question.text).unwrap_or_default();
    let name = text.split("table_name = '").nth(1).and_then(|rest| rest.split('\'').next());
    name.unwrap_or_default().to_owned()
}

fn change(change: &'static str, target: SchemaTarget<'static>) -> Event<'static> {
    Event::Schema(SchemaChange { change, keyspace: "ks", target })
}

fn end(report: Option<TableReport>) -> Option<ReadEnd> {
    let Some(TableReport::Tablets(page)) = report else { return None };
    page.end
}

#[test]
fn requests_of_several_workers_for_one_table_are_one_question() {
    let mut reads = TableReads::new(RATE);
    assert!(reads.on_request(key_of("t")) && reads.on_request(key_of("t")));
    assert_eq!(names(reads.next_question(0)), "t");
    assert!(reads.on_request(key_of("t")) && reads.on_request(key_of("u")));
    let Some(TableReport::Key(key)) = reads.on_answer(Err(ErrorCode::INVALID), 0) else { panic!() };
    assert_eq!(key.columns, None, "there is no such table");
    assert_eq!(names(reads.next_question(0)), "u");
    reads.on_answer(Err(ErrorCode::INVALID), 0);
    assert_eq!((reads.next_question(0), reads.wait_us(0)), (None, None));
}

#[test]
fn a_node_that_is_busy_says_nothing_about_the_table() {
    let mut reads = TableReads::new(RATE);
    for request in [key_of("t"), tablets_of("t")] {
        reads.on_request(request);
        assert_eq!(names(reads.next_question(0)), "t");
        assert_eq!(reads.on_answer(Err(ErrorCode::OVERLOADED), 0), None);
        assert_eq!(reads.next_question(u64::MAX), None, "the workers ask again");
    }
}

#[test]
fn a_key_that_may_be_old_is_read_anew_a_few_times() {
    let mut reads = TableReads::new(RATE);
    reads.on_request(key_of("t"));
    let mut asked = 0;
    while names(reads.next_question(0)) == "t" && asked < 100 {
        asked += 1;
        reads.on_event(&change("UPDATED", SchemaTarget::Table("t")));
        reads.on_answer(Err(ErrorCode::INVALID), 0);
    }
    assert_eq!(asked, 1 + ANEW_MAX);

    reads.on_request(key_of("t"));
    reads.next_question(0);
    reads.on_event(&change("UPDATED", SchemaTarget::Table("u")));
    assert!(reads.on_answer(Err(ErrorCode::INVALID), 0).is_some());
}

#[test]
fn a_table_that_is_made_anew_has_its_tablets_read_anew() {
    let mut reads = TableReads::new(RATE);
    reads.on_request(tablets_of("t"));
    reads.next_question(0);
    reads.on_event(&change("UPDATED", SchemaTarget::Table("t")));
    assert_eq!(end(reads.on_answer(Err(ErrorCode::INVALID), 0)), Some(ReadEnd::Failed));

    reads.on_request(tablets_of("t"));
    for _ in 0..=ANEW_MAX {
        assert_eq!(names(reads.next_question(u64::MAX)), "t");
        reads.on_event(&change("DROPPED", SchemaTarget::Table("t")));
        assert_eq!(reads.on_answer(Err(ErrorCode::INVALID), 0), None);
    }
    assert_eq!(reads.next_question(u64::MAX), None, "that is often enough");

    // The change may also come between two questions.
    reads.on_request(tablets_of("t"));
    reads.next_question(u64::MAX);
    reads.on_answer(Err(ErrorCode::UNAUTHORIZED), 0);
    reads.on_request(tablets_of("t"));
    reads.on_request(tablets_of("u"));
    reads.next_question(u64::MAX);
    reads.on_event(&change("UPDATED", SchemaTarget::Keyspace));
    assert_eq!(end(reads.on_answer(Err(ErrorCode::INVALID), 0)), None);
    assert_eq!(names(reads.next_question(u64::MAX)), "t");
}

#[test]
fn tablets_wait_for_keys_and_keep_to_their_rate() {
    let mut reads = TableReads::new(RATE);
    // Two questions a second, and as many ahead.
    let asked_at: Vec<u64> = ["t", "u", "v", "w"]
        .into_iter()
        .scan(0, |now_us, table| {
            reads.on_request(tablets_of(table));
            *now_us += reads.wait_us(*now_us)?;
            assert_eq!(names(reads.next_question(*now_us)), table);
            reads.on_answer(Err(ErrorCode::INVALID), *now_us);
            Some(*now_us)
        })
        .collect();
    assert_eq!(asked_at, [0, 0, 0, 500_000]);

    reads.on_request(tablets_of("x"));
    reads.on_request(key_of("k"));
    assert_eq!(
        (reads.wait_us(500_000), names(reads.next_question(500_000))),
        (Some(0), "k".into())
    );
    reads.on_answer(Err(ErrorCode::INVALID), 500_000);
    assert_eq!(reads.next_question(999_999), None);
    assert_eq!(names(reads.next_question(1_000_000)), "x");
}

#[test]
fn a_read_refused_for_one_table_is_not_tried_for_others() {
    let mut reads = TableReads::new(RATE);
    reads.on_request(tablets_of("t"));
    reads.on_request(tablets_of("u"));
    reads.next_question(0);
    let report = reads.on_answer(Err(ErrorCode::UNAUTHORIZED), 0);
    assert_eq!(end(report), Some(ReadEnd::Refused));
    assert_eq!(reads.next_question(u64::MAX), None);
}

#[test]
fn requests_beyond_the_bound_are_dropped() {
    let mut reads = TableReads::new(RATE);
    let mut take = |table: usize| reads.on_request(key_of(&table.to_string()));
    assert_eq!((0..2 * WAITING_MAX).filter(|table| take(*table)).count(), WAITING_MAX);
}

//! When tables are asked for, by a clock that the test moves.

use super::*;

const T: TableId = TableId(3);
const COMPLETE: ReadEnd = ReadEnd::Complete { moving: false };
const MOVING: ReadEnd = ReadEnd::Complete { moving: true };
const EVERY_US: u64 = 600_000_000;

fn at(now_us: u64) -> Pace {
    Pace { now_us, every_us: EVERY_US }
}

impl ReadTimes {
    fn end(&mut self, end: ReadEnd, now_us: u64) {
        self.on_end(T, EndedReading { began_us: now_us, end, judged: 0 }, at(now_us));
    }

    fn due(&mut self, now_us: u64, judged: u64) -> Vec<(TableId, TabletsChange)> {
        self.take_due(at(now_us), |_| judged)
    }
}

#[test]
fn a_table_is_asked_for_once_and_again_when_nothing_came() {
    let mut times = ReadTimes::default();
    assert!(times.ask(T, Want::Named, 0) && times.ask(TableId(0), Want::Unknown, 0));
    for want in [Want::Named, Want::Unknown] {
        assert!(!times.ask(T, want, ASK_AGAIN_US - 1));
    }
    assert!(times.ask(T, Want::Named, ASK_AGAIN_US));
}

#[test]
fn a_reading_that_is_lost_is_asked_for_a_few_times_though_nothing_wants_it_again() {
    let mut times = ReadTimes::default();
    assert!(times.ask(T, Want::Named, 0));
    assert_eq!(times.due(ASK_AGAIN_US - 1, 0), []);
    let seconds = (0..2_000).map(|second| second * 1_000_000);
    let again: usize = seconds.map(|now_us| times.due(now_us, 0).len()).sum();
    assert_eq!(again + 1, usize::try_from(TRIES_MAX).unwrap());

    let later_us = 2_000_000_000;
    assert!(times.ask(T, Want::Unknown, later_us));
    assert_eq!(times.due(later_us + ASK_AGAIN_US, 0), [(T, TabletsChange::Time)]);
    times.end(ReadEnd::Failed, later_us + ASK_AGAIN_US);
    assert_eq!(times.due(2 * later_us, 0), [], "it was answered");
}

#[test]
fn a_table_with_tablets_on_unknown_hosts_is_read_again_like_one_whose_tablets_move() {
    let mut times = ReadTimes::default();
    times.on_unplaced(T);
    times.end(COMPLETE, 0);
    times.on_used(T);
    assert_eq!(times.due(MOVING_US - 1, 0), []);
    assert_eq!(times.due(MOVING_US, 0), [(T, TabletsChange::Topology)]);
    times.end(COMPLETE, MOVING_US);
    times.on_used(T);
    assert_eq!(times.due(3 * MOVING_US, 0), [], "its hosts are known");
}

#[test]
fn a_table_that_was_read_rests_until_it_is_made_anew() {
    let mut times = ReadTimes::default();
    times.end(COMPLETE, 0);
    assert!(!times.ask(T, Want::Unknown, UNKNOWN_AGAIN_US - 1));
    assert!(!times.ask(T, Want::Named, u64::MAX / 2), "it is known");
    assert!(times.ask(T, Want::Unknown, UNKNOWN_AGAIN_US));
    times.end(COMPLETE, UNKNOWN_AGAIN_US);
    times.forget(T);
    assert!(times.ask(T, Want::Named, UNKNOWN_AGAIN_US));
}

#[test]
fn a_table_in_use_is_read_every_so_often_and_another_is_not() {
    let mut times = ReadTimes::default();
    times.end(COMPLETE, 5);
    assert_eq!(times.due(4 + EVERY_US, 1), []);
    assert_eq!(times.due(5 + EVERY_US, 0), [], "it was not used");
    assert_eq!(times.due(4 + 2 * EVERY_US, 1), []);
    assert_eq!(times.due(5 + 2 * EVERY_US, 1), [(T, TabletsChange::Time)]);
    let asked_us = 5 + 2 * EVERY_US;
    assert_eq!(times.due(asked_us + ASK_AGAIN_US - 1, 2), []);
    assert_eq!(
        times.due(asked_us + ASK_AGAIN_US, 2),
        [(T, TabletsChange::Time)],
        "until it was read"
    );
    let never = Pace { now_us: 5, every_us: 0 };
    times.on_end(T, EndedReading { began_us: 5, end: COMPLETE, judged: 0 }, never);
    assert_eq!(times.due(u64::MAX / 2, 9), [], "0 is never");
}

#[test]
fn a_table_is_in_use_by_answers_that_nodes_judge_and_by_others() {
    let mut times = ReadTimes::default();
    times.on_end(T, EndedReading { began_us: 0, end: COMPLETE, judged: 7 }, at(0));
    assert_eq!(times.due(EVERY_US, 7), []);
    times.on_used(T);
    assert_eq!(times.due(2 * EVERY_US, 7), [(T, TabletsChange::Time)]);
    times.on_end(T, EndedReading { began_us: 0, end: COMPLETE, judged: 7 }, at(0));
    assert_eq!(times.due(EVERY_US, 7), []);
}

#[test]
fn a_table_in_use_with_moving_tablets_is_read_again_until_they_have_moved() {
    let mut times = ReadTimes::default();
    let mut now_us = 5;
    for doubled in [0, 1, 2, 3, 4, 5, 5, 5] {
        times.end(MOVING, now_us);
        let wait_us = MOVING_US << doubled;
        assert_eq!(times.due(now_us + wait_us - 1, 1), []);
        now_us += wait_us;
        assert_eq!(times.due(now_us, 1), [(T, TabletsChange::Topology)]);
        assert!(times.ask(T, Want::Again, now_us));
    }
    times.end(COMPLETE, now_us);
    times.end(MOVING, now_us);
    assert_eq!(times.due(now_us + MOVING_US, 1), [(T, TabletsChange::Topology)]);
}

#[test]
fn a_table_that_may_have_changed_is_read_soon_after_it_is_used() {
    let mut times = ReadTimes::default();
    times.end(COMPLETE, 0);
    times.on_changed(T, TabletsChange::Topology, 5);
    let at_us = 5 + CHANGED_US;
    assert_eq!(times.due(at_us, 0), []);
    assert_eq!(times.due(at_us + UNUSED_US - 1, 1), []);
    assert_eq!(times.due(at_us + UNUSED_US, 1), [(T, TabletsChange::Topology)]);
}

#[test]
fn a_table_with_a_tablet_that_moved_is_read_soon_and_rests_after_a_reading() {
    let mut times = ReadTimes::default();
    times.end(COMPLETE, 0);
    let moved_us = EVERY_US / 2;
    times.on_moved(T, moved_us);
    times.on_moved(T, moved_us + CHANGED_US - 1);
    assert_eq!(times.due(moved_us + CHANGED_US - 1, 1), []);
    assert_eq!(times.due(moved_us + CHANGED_US, 1), [(T, TabletsChange::Topology)]);

    let asked_us = moved_us + CHANGED_US;
    assert!(times.ask(T, Want::Again, asked_us));
    times.end(COMPLETE, asked_us + 1);
    times.on_moved(T, asked_us + 2);
    assert_eq!(times.due(asked_us + MOVING_US, 2), [], "it was read a moment ago");
    assert_eq!(times.due(asked_us + 1 + MOVING_US, 2), [(T, TabletsChange::Topology)]);
}

#[test]
fn a_table_with_moving_tablets_waits_as_long_when_one_is_found_moved() {
    let mut times = ReadTimes::default();
    times.end(MOVING, 0);
    times.end(MOVING, 0);
    times.on_moved(T, MOVING_US);
    assert_eq!(times.due(2 * MOVING_US - 1, 1), []);
    assert_eq!(times.due(2 * MOVING_US, 1), [(T, TabletsChange::Topology)]);
}

#[test]
fn a_table_that_could_not_be_read_is_read_when_a_tablet_is_found_moved() {
    let mut times = ReadTimes::default();
    times.end(ReadEnd::Failed, 0);
    assert_eq!(times.due(EVERY_US, 1), []);
    times.on_moved(T, EVERY_US);
    assert_eq!(times.due(EVERY_US + CHANGED_US, 1), [(T, TabletsChange::Topology)]);
}

#[test]
fn a_table_is_read_after_another_replication_and_once_more_when_that_has_settled() {
    let mut times = ReadTimes::default();
    times.end(COMPLETE, 0);
    times.on_changed(T, TabletsChange::Replication, 0);
    assert_eq!(times.due(CHANGED_US - 1, 0), []);
    assert_eq!(times.due(CHANGED_US, 0), [(T, TabletsChange::Replication)]);
    times.end(MOVING, CHANGED_US);
    let moved_us = CHANGED_US + MOVING_US;
    assert_eq!(times.due(moved_us, 1), [(T, TabletsChange::Topology)]);
    times.end(COMPLETE, moved_us);
    assert_eq!(times.due(moved_us + SETTLED_US - 1, 9), []);
    assert_eq!(times.due(moved_us + SETTLED_US, 0), [(T, TabletsChange::Replication)]);
    times.end(COMPLETE, moved_us + SETTLED_US);
    assert_eq!(times.due(moved_us + 2 * SETTLED_US, 0), [], "that was all");
}

#[test]
fn a_read_that_began_before_a_change_is_repeated() {
    let mut times = ReadTimes::default();
    times.on_changed(T, TabletsChange::Topology, 10);
    times.on_end(T, EndedReading { began_us: 9, end: COMPLETE, judged: 0 }, at(20));
    assert_eq!(times.due(10 + CHANGED_US, 1), [(T, TabletsChange::Topology)]);
    let later = EndedReading { began_us: 10 + CHANGED_US, end: COMPLETE, judged: 0 };
    times.on_end(T, later, at(20 + CHANGED_US));
    assert_eq!(times.due(20 + 2 * CHANGED_US, 1), []);
}

#[test]
fn tablets_are_forgotten_twice_after_a_change_of_replication() {
    let mut times = ReadTimes::default();
    times.on_changed(T, TabletsChange::Replication, 0);
    assert_eq!(times.due(CHANGED_US, 0), [(T, TabletsChange::Replication)]);
    times.on_forgotten(T, CHANGED_US);
    assert_eq!(times.due(CHANGED_US + SETTLED_US, 0), [(T, TabletsChange::Replication)]);
    times.on_forgotten(T, CHANGED_US + SETTLED_US);
    assert_eq!(times.due(u64::MAX / 2, 0), []);
}

#[test]
fn no_table_is_asked_for_in_a_long_time_without_the_right_to_read() {
    let mut times = ReadTimes::default();
    times.end(ReadEnd::Refused, 0);
    assert!(!times.ask(TableId(7), Want::Named, REFUSED_US - 1));
    assert!(!times.ask(TableId(7), Want::Again, REFUSED_US - 1));
    assert!(times.ask(TableId(7), Want::Named, REFUSED_US));
    assert!(times.ask(T, Want::Unknown, REFUSED_US));
}

#[test]
fn unknown_tablets_are_few_and_each_table_once() {
    let mut times = ReadTimes::default();
    for table in (0..200).chain(0..200) {
        times.on_unknown(TableId(table));
    }
    assert_eq!(times.take_unknown().len(), UNKNOWN_MAX);
    assert!(times.take_unknown().is_empty());
}

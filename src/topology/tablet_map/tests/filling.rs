//! Tablets that were read from the cluster's own tables, and what nodes report meanwhile.

use super::*;

#[test]
fn tablets_that_were_read_are_known_and_replace_what_they_overlap() {
    let mut map = TabletMap::new(10);
    map.learn(T, tablet(0, 20, 1), 0);
    let filled = map.fill(T, [tablet(0, 10, 2), tablet(10, 20, 3)], 5, 9);
    assert_eq!(filled, Filled { taken: 2, outdated: 0, unsettled: 0 });
    assert_eq!([5, 15].map(|token| node_at(&map, T, token)), [Some(2), Some(3)]);
    assert_eq!(map.fill(T, [tablet(0, 10, 2)], 10, 11), Filled::default());
}

#[test]
fn a_report_since_the_reading_began_wins() {
    let mut map = TabletMap::new(10);
    map.learn(T, tablet(0, 10, 1), 4);
    map.learn(T, tablet(10, 20, 1), 5);
    let filled = map.fill(T, [tablet(0, 10, 2), tablet(10, 20, 2)], 5, 9);
    assert_eq!(filled, Filled { taken: 1, outdated: 1, unsettled: 0 });
    assert_eq!([5, 15].map(|token| node_at(&map, T, token)), [Some(2), Some(1)]);
}

#[test]
fn a_report_that_said_what_was_known_wins_as_well() {
    let mut map = TabletMap::new(10);
    map.learn(T, tablet(0, 10, 1), 0);
    assert_eq!(map.learn(T, tablet(0, 10, 1), 7), Learned::Same);
    assert_eq!(map.fill(T, [tablet(0, 10, 2)], 6, 9).outdated, 1);
    assert_eq!(node_at(&map, T, 5), Some(1));
}

#[test]
fn a_tablet_just_replaced_by_a_report_does_not_come_back_by_reading() {
    let mut map = TabletMap::new(10);
    map.learn(T, tablet(0, 10, 1), 0);
    map.learn(T, tablet(0, 10, 2), 100);
    // The node that is read may lag as well, or the tablet is back.
    let filled = map.fill(T, [tablet(0, 10, 1)], 101, 110);
    assert_eq!(filled, Filled { taken: 0, outdated: 1, unsettled: 1 });
    assert_eq!(map.fill(T, [tablet(0, 10, 1)], 101 + SETTLE_MS, 110 + SETTLE_MS).taken, 1);
}

#[test]
fn a_report_of_what_reading_replaced_is_believed_at_once() {
    let mut map = TabletMap::new(10);
    map.learn(T, tablet(0, 10, 1), 0);
    map.fill(T, [tablet(0, 10, 2)], 1, 2);
    assert_eq!(map.learn(T, tablet(0, 10, 1), 3), Learned::Changed);
}

#[test]
fn reading_makes_room_as_reports_do() {
    let mut map = TabletMap::new(100);
    let tablets = (0..400).map(|index| tablet(index * 10, index * 10 + 10, 1));
    map.fill(T, tablets, 0, 1);
    assert!((1..=100).contains(&map.len()), "{}", map.len());
    assert!(map.evicted_count() >= 300);
    let nonsense = [tablet(7, 7, 1), tablet(9, 3, 1)];
    assert_eq!(map.fill(U, nonsense, 0, 1), Filled::default());
}

#[test]
fn a_table_that_is_made_anew_owes_nothing_to_its_namesake() {
    let mut map = TabletMap::new(10);
    map.learn(T, tablet(0, 10, 1), 50);
    map.forget_table(T);
    assert_eq!(map.fill(T, [tablet(0, 10, 2)], 10, 60).taken, 1);
}

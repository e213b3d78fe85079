//! What the map does while nodes disagree, as they do for some 100 ms after a move or a split.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use proptest::collection;
use proptest::prelude::Strategy;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::*;

#[test]
fn a_lagging_node_does_not_undo_a_move() {
    let mut map = TabletMap::new(10);
    map.learn(T, tablet(0, 10, 1), 0);
    assert_eq!(map.learn(T, tablet(0, 10, 2), 50), Learned::Changed);

    for now_ms in [50, 150, 49 + SETTLE_MS] {
        assert_eq!(map.learn(T, tablet(0, 10, 1), now_ms), Learned::Stale);
        assert_eq!(node_at(&map, T, 5), Some(2));
    }
    assert_eq!(map.learn(T, tablet(0, 10, 2), 200), Learned::Same);
}

#[test]
fn a_tablet_that_moved_back_is_believed_once_the_cluster_had_time_to_settle() {
    let mut map = TabletMap::new(10);
    map.learn(T, tablet(0, 10, 1), 0);
    map.learn(T, tablet(0, 10, 2), 50);
    assert_eq!(map.learn(T, tablet(0, 10, 1), 50 + SETTLE_MS), Learned::Changed);
    assert_eq!(node_at(&map, T, 5), Some(1));
    assert_eq!(map.learn(T, tablet(0, 10, 2), 60 + SETTLE_MS), Learned::Stale);
}

#[test]
fn a_second_move_is_believed_at_once() {
    let mut map = TabletMap::new(10);
    map.learn(T, tablet(0, 10, 1), 0);
    map.learn(T, tablet(0, 10, 2), 10);
    assert_eq!(map.learn(T, tablet(0, 10, 3), 20), Learned::Changed);
    assert_eq!(map.learn(T, tablet(0, 10, 1), 30), Learned::Stale);
    assert_eq!(map.learn(T, tablet(0, 10, 2), 30), Learned::Stale);
    assert_eq!(node_at(&map, T, 5), Some(3));
}

#[test]
fn the_big_range_of_before_a_split_does_not_swallow_the_halves() {
    let mut map = TabletMap::new(10);
    map.learn(T, tablet(i64::MIN, i64::MAX, 1), 0);
    assert_eq!(map.learn(T, tablet(i64::MIN, -1, 1), 100), Learned::Changed);
    assert_eq!(map.learn(T, tablet(i64::MIN, i64::MAX, 1), 150), Learned::Stale);
    assert_eq!(map.learn(T, tablet(-1, i64::MAX, 2), 160), Learned::New);
    assert_eq!(map.learn(T, tablet(i64::MIN, i64::MAX, 1), 170), Learned::Stale);
    assert_eq!([-1, 0].map(|token| node_at(&map, T, token)), [Some(1), Some(2)]);
}

#[test]
fn the_halves_of_before_a_merge_do_not_cut_the_big_range() {
    let mut map = TabletMap::new(10);
    map.learn(T, tablet(0, 10, 1), 0);
    map.learn(T, tablet(10, 20, 2), 0);
    map.learn(T, tablet(0, 20, 3), 100);
    assert_eq!(map.learn(T, tablet(0, 10, 1), 200), Learned::Stale);
    assert_eq!(map.learn(T, tablet(10, 20, 2), 200), Learned::Stale);
    assert_eq!(map.len(), 1);
}

#[test]
fn a_stale_tablet_of_one_table_is_new_in_another() {
    let mut map = TabletMap::new(10);
    map.learn(T, tablet(0, 10, 1), 0);
    map.learn(T, tablet(0, 10, 2), 0);
    assert_eq!(map.learn(U, tablet(0, 10, 1), 0), Learned::New);
}

#[test]
fn a_new_report_of_an_old_tablet_is_believed_after_settling() {
    let mut map = TabletMap::new(10);
    map.learn(T, tablet(0, 10, 2), 0);
    assert_eq!(map.learn(T, tablet(0, 10, 1), 10), Learned::Changed);
    assert_eq!(map.learn(T, tablet(0, 10, 2), 9 + SETTLE_MS), Learned::Stale);
    assert_eq!(map.learn(T, tablet(0, 10, 2), 10 + SETTLE_MS), Learned::Changed);
    assert_eq!(node_at(&map, T, 5), Some(2));
}

#[test]
fn the_oldest_of_very_many_replaced_tablets_are_believed_again() {
    let mut map = TabletMap::new(10_000);
    let of = |index: i64, node| tablet(index * 10, index * 10 + 10, node);
    for node in [1, 2] {
        for index in 0..2_000 {
            map.learn(T, of(index, node), 0);
        }
    }
    assert_eq!(map.learn(T, of(1_999, 1), 1), Learned::Stale);
    assert_eq!(map.learn(T, of(0, 1), 1), Learned::Changed);
    assert!(map.memory_bytes() < 1_000_000, "{} bytes", map.memory_bytes());
}

/// The tablets of a table at one time, in order.
type Layout = Vec<Tablet>;

/// A payload: how long after the change it comes, which token was asked, how far its node lags.
type Word = (u64, i64, u64);

proptest! {
    #[test]
    fn no_token_falls_back_behind_a_change_that_was_learned(
        layouts in collection::vec(layout(), 2..6),
        words in collection::vec((0_u64..900, -99_i64..=100, 0_u64..300), 1..60),
    ) {
        let mut map = TabletMap::new(10_000);
        for tablet in &layouts[0] {
            map.learn(T, tablet.clone(), 0);
        }
        let mut words = words;
        words.sort_unstable();
        for (change, pair) in (1..).zip(layouts.windows(2)) {
            hear(&mut map, &pair[0], &pair[1], &words, change * 10_000)?;
            for tablet in &pair[1] {
                map.learn(T, tablet.clone(), change * 10_000 + 900);
            }
            prop_assert_eq!(&map.tablets(T).collect::<Layout>(), &pair[1]);
        }
    }
}

/// Feeds the map with what nodes report while the layout changes, and checks that no token goes back.
fn hear(
    map: &mut TabletMap,
    old: &Layout,
    new: &Layout,
    words: &[Word],
    change_ms: u64,
) -> Result<(), proptest::test_runner::TestCaseError> {
    let mut renewed = BTreeSet::new();
    for (after_ms, token, lag_ms) in words {
        let layout = if after_ms < lag_ms { old } else { new };
        let reported = tablet_of(layout, *token);
        let learned = map.learn(T, reported.clone(), change_ms + after_ms);
        prop_assert!(layout == old || learned != Learned::Stale, "news was taken for stale");
        if layout == new {
            renewed.insert(*token);
        }
        for token in &renewed {
            let expected = tablet_of(new, *token);
            let found = map.locate(T, Token::new(*token));
            prop_assert_eq!(found, Some(expected.replicas.list()), "token {}", token);
        }
    }
    Ok(())
}

fn layout() -> impl Strategy<Value = Layout> {
    let borders = collection::btree_map(-99_i64..100, 0_u16..3, 0..12);
    (borders, 0_u16..3).prop_map(|(borders, last_node): (BTreeMap<i64, u16>, u16)| {
        let mut first = -100;
        let mut layout = Vec::new();
        for (last, node) in borders.into_iter().chain([(100, last_node)]) {
            layout.push(tablet(first, last, node));
            first = last;
        }
        layout
    })
}

fn tablet_of(layout: &Layout, token: i64) -> &Tablet {
    layout.iter().find(|tablet| tablet.first < token && token <= tablet.last).unwrap()
}

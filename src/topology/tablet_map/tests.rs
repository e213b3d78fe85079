//! The map against a list of ranges.

use proptest::collection;
use proptest::prelude::Just;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::prop_oneof;
use proptest::proptest;

use super::*;
use crate::topology::tablet::Replica;
use cql::token::shard::ShardId;

mod filling;
mod layouts;
mod settling;

const T: TableId = TableId(0);
const U: TableId = TableId(5);

#[test]
fn a_range_begins_after_its_first_token_and_ends_with_its_last() {
    let mut map = TabletMap::new(10);
    assert_eq!(map.learn(T, tablet(10, 20, 1), 0), Learned::New);

    assert_eq!(node_at(&map, T, 10), None);
    assert_eq!(node_at(&map, T, 11), Some(1));
    assert_eq!(node_at(&map, T, 20), Some(1));
    assert_eq!(node_at(&map, T, 21), None);
    assert_eq!(node_at(&map, U, 11), None);
}

#[test]
fn the_whole_ring_may_be_one_tablet() {
    let mut map = TabletMap::new(10);
    assert_eq!(map.learn(T, tablet(i64::MIN, i64::MAX, 1), 0), Learned::New);
    for token in [Token::FIRST, Token::new(0), Token::LAST] {
        assert!(map.locate(T, token).is_some());
    }
    assert_eq!(map.locate(T, Token::MINIMUM), None);
}

#[test]
fn ranges_that_only_touch_live_side_by_side() {
    let mut map = TabletMap::new(10);
    assert_eq!(map.learn(T, tablet(10, 20, 1), 0), Learned::New);
    assert_eq!(map.learn(T, tablet(0, 10, 2), 0), Learned::New);
    assert_eq!(map.learn(T, tablet(20, 30, 3), 0), Learned::New);
    assert_eq!([10, 20, 30].map(|token| node_at(&map, T, token)), [Some(2), Some(1), Some(3)]);
    assert_eq!(map.table_len(T), 3);
}

#[test]
fn a_tablet_that_is_known_already_changes_nothing() {
    let mut map = TabletMap::new(10);
    map.learn(T, tablet(0, 10, 1), 0);
    assert_eq!(map.learn(T, tablet(0, 10, 1), 0), Learned::Same);
    assert_eq!(map.learn(U, tablet(0, 10, 1), 0), Learned::New);
    assert_eq!(map.len(), 2);
}

#[test]
fn a_range_that_is_overlapped_in_part_is_dropped_whole() {
    let mut map = TabletMap::new(10);
    map.learn(T, tablet(0, 10, 1), 0);
    map.learn(T, tablet(10, 20, 2), 0);
    assert_eq!(map.learn(T, tablet(5, 15, 3), 0), Learned::Changed);

    assert_eq!([5, 6, 15, 16].map(|t| node_at(&map, T, t)), [None, Some(3), Some(3), None]);
    assert_eq!(map.len(), 1);
}

#[test]
fn a_merged_tablet_replaces_all_that_it_was_made_of() {
    let mut map = TabletMap::new(10_000);
    for index in 0..2_000 {
        map.learn(T, tablet(index * 10, index * 10 + 10, 1), 0);
    }
    assert_eq!(map.learn(T, tablet(5_000, 15_000, 2), 0), Learned::Changed);
    assert_eq!(map.len(), 1_001);
    let nodes = [5_000, 5_001, 15_000, 15_001].map(|token| node_at(&map, T, token));
    assert_eq!(nodes, [Some(1), Some(2), Some(2), Some(1)]);

    assert_eq!(map.learn(T, tablet(i64::MIN, i64::MAX, 3), 5_000), Learned::Changed);
    assert_eq!(map.len(), 1);
}

#[test]
fn payloads_that_make_no_sense_are_refused() {
    let mut map = TabletMap::new(10);
    let replicas = |count| std::iter::repeat_n(replica(1), count).collect();
    let none = Tablet { first: 0, last: 10, replicas: replicas(0) };
    let many = Tablet { first: 0, last: 10, replicas: replicas(REPLICAS_MAX + 1) };
    for senseless in [none, many, tablet(10, 10, 1), tablet(10, 0, 1)] {
        assert_eq!(map.learn(T, senseless, 0), Learned::Refused);
    }
    assert_eq!(map.learn(TableId(u32::MAX), tablet(0, 10, 1), 0), Learned::Refused);
    assert_eq!(TabletMap::new(0).learn(T, tablet(0, 10, 1), 0), Learned::Refused);
    assert!(map.is_empty());
    assert_eq!(map.locate(TableId(u32::MAX), Token::new(1)), None);
}

#[test]
fn a_table_made_anew_begins_empty_and_learns_at_once() {
    let mut map = TabletMap::new(10);
    map.learn(T, tablet(0, 10, 1), 0);
    map.learn(T, tablet(0, 10, 2), 0);
    map.learn(U, tablet(0, 10, 3), 0);
    map.forget_table(T);

    assert_eq!(node_at(&map, T, 5), None);
    assert_eq!(node_at(&map, U, 5), Some(3));
    assert_eq!(map.len(), 1);
    assert_eq!(map.learn(T, tablet(0, 10, 1), 1), Learned::New);
    map.forget_table(TableId(77));
}

#[test]
fn a_node_that_left_takes_its_tablets_along() {
    let mut map = TabletMap::new(10_000);
    for index in 0..1_000 {
        let table = if index % 2 == 0 { T } else { U };
        map.learn(table, tablet(index * 10, index * 10 + 10, u16::from(index % 3 == 0)), 0);
    }
    assert_eq!(map.forget_node(NodeId(1)), 334);
    assert_eq!(map.forget_node(NodeId(1)), 0);
    assert_eq!(map.len(), 666);
    assert_eq!(map.table_len(T) + map.table_len(U), 666);
    assert_eq!(
        [5, 15, 25, 35].map(|t| node_at(&map, T, t).or_else(|| node_at(&map, U, t))),
        [None, Some(0), Some(0), None]
    );
}

#[test]
fn a_full_map_makes_room_for_what_is_used_now() {
    for table_count in [1, 7] {
        let mut map = TabletMap::new(1_000);
        for index in 0..5_000 {
            let table = TableId(u32::try_from(index % table_count).unwrap());
            assert_eq!(map.learn(table, tablet(index * 10, index * 10 + 10, 1), 0), Learned::New);
            assert_eq!(node_at(&map, table, index * 10 + 1), Some(1));
            assert!(map.len() <= 1_000);
        }
        let of_tables: usize = (0..7).map(|table| map.table_len(TableId(table))).sum();
        assert_eq!(of_tables, map.len());
        assert_eq!(map.evicted_count(), 5_000 - map.len() as u64);
    }
}

#[test]
fn a_hundred_thousand_tablets_in_random_order_are_found_and_take_little_room() {
    const COUNT: i64 = 100_000;
    let width = i64::MAX / COUNT * 2;
    let first = |index: i64| i64::MIN.wrapping_add(width.wrapping_mul(index));
    let node = |index: i64| u16::try_from(index % 100).unwrap();
    let mut map = TabletMap::new(1_000_000);
    // A multiplier without a common factor visits each index once, in no order.
    for index in (0..COUNT).map(|step| step * 61_803 % COUNT) {
        let learned = map.learn(T, tablet(first(index), first(index) + width, node(index)), 0);
        assert_eq!(learned, Learned::New);
    }
    assert_eq!(map.len(), 100_000);
    for index in 0..COUNT {
        assert_eq!(node_at(&map, T, first(index) + 1), Some(node(index)));
        assert_eq!(node_at(&map, T, first(index) + width), Some(node(index)));
    }
    assert!(map.memory_bytes() <= 5_000_000, "{} bytes", map.memory_bytes());
    assert!(map.memory_bytes() >= 100_000 * 32, "{} bytes", map.memory_bytes());
}

#[derive(Clone, Debug)]
enum Step {
    Learn { first: i64, last: i64, node: u16 },
    ForgetNode(u16),
    ForgetTable,
}

proptest! {
    #[test]
    fn the_map_equals_a_list_of_ranges(
        steps in collection::vec(step(-200, 200), 1..400),
        asked in collection::vec(-200_i64..200, 20),
    ) {
        check(&steps, &asked)?;
    }

    #[test]
    fn the_map_equals_a_list_of_ranges_at_the_ends_of_the_ring(
        steps in collection::vec(step(i64::MAX - 20, i64::MAX), 1..40),
        asked in collection::vec(any::<i64>(), 20),
    ) {
        check(&steps, &asked)?;
    }
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(16))]

    #[test]
    fn the_map_equals_a_list_of_many_ranges(
        steps in collection::vec(small_step(), 2_000..4_000),
        asked in collection::vec(0_i64..30_000, 200),
    ) {
        check(&steps, &asked)?;
    }
}

/// Runs the steps on a map and on a list, a settling time apart, so that nothing is stale.
fn check(steps: &[Step], asked: &[i64]) -> Result<(), proptest::test_runner::TestCaseError> {
    let mut map = TabletMap::new(usize::MAX);
    let mut list: Vec<(i64, i64, u16)> = Vec::new();
    let mut now_ms = 0;
    for step in steps {
        now_ms += SETTLE_MS;
        match *step {
            Step::Learn { first, last, node } => {
                let known = list.contains(&(first, last, node));
                let overlaps = |old: &(i64, i64, u16)| old.0 < last && old.1 > first;
                let expected = match () {
                    () if last <= first => Learned::Refused,
                    () if known => Learned::Same,
                    () if list.iter().any(overlaps) => Learned::Changed,
                    () => Learned::New,
                };
                prop_assert_eq!(map.learn(T, tablet(first, last, node), now_ms), expected);
                if last > first {
                    list.retain(|old| !overlaps(old));
                    list.push((first, last, node));
                }
            }
            Step::ForgetNode(node) => {
                let before = list.len();
                list.retain(|old| old.2 != node);
                prop_assert_eq!(map.forget_node(NodeId(node)), before - list.len());
            }
            Step::ForgetTable => {
                list.clear();
                map.forget_table(T);
            }
        }
    }
    prop_assert_eq!((map.len(), map.table_len(T)), (list.len(), list.len()));
    list.sort_unstable();
    let listed = |old: &(i64, i64, u16)| tablet(old.0, old.1, old.2);
    let (found, expected) = (map.tablets(T), list.iter().map(listed));
    prop_assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    for token in asked {
        let holds = |old: &&(i64, i64, u16)| old.0 < *token && *token <= old.1;
        prop_assert_eq!(node_at(&map, T, *token), list.iter().find(holds).map(|old| old.2));
    }
    Ok(())
}

fn step(low: i64, high: i64) -> impl Strategy<Value = Step> {
    let border = move || prop_oneof![20 => low..high, 1 => Just(i64::MIN), 1 => Just(i64::MAX)];
    let learn = (border(), border(), 0_u16..4);
    prop_oneof![
        60 => learn.prop_map(|(a, b, node)| Step::Learn { first: a.min(b), last: a.max(b), node }),
        2 => (0_u16..4).prop_map(Step::ForgetNode),
        1 => Just(Step::ForgetTable),
    ]
}

/// Mostly small ranges of many tokens, so that chunks are split, emptied and filled again.
fn small_step() -> impl Strategy<Value = Step> {
    let learn = |(first, width, node)| Step::Learn { first, last: first + width, node };
    prop_oneof![
        2_000 => (0_i64..30_000, 1_i64..9, 0_u16..400).prop_map(learn),
        4 => (0_i64..30_000, 1_i64..9_000, 0_u16..400).prop_map(learn),
        1 => (0_u16..400).prop_map(Step::ForgetNode),
    ]
}

fn node_at(map: &TabletMap, table: TableId, token: i64) -> Option<u16> {
    let replicas = map.locate(table, Token::new(token))?;
    Some(replicas.iter().next()?.node.0)
}

fn tablet(first: i64, last: i64, node: u16) -> Tablet {
    Tablet { first, last, replicas: [replica(node)].into_iter().collect() }
}

fn replica(node: u16) -> Replica {
    Replica { node: NodeId(node), shard: ShardId(node + 1) }
}

/// A table's tablets, part by part, and how many parts there were.
fn in_parts(map: &TabletMap, table: TableId) -> (Vec<Tablet>, usize) {
    let (mut all, mut after, mut parts) = (Vec::new(), i64::MIN, 0);
    while after < i64::MAX {
        let (part, up_to) = map.part(table, after);
        assert!(part.len() <= 3 * PART_SLOTS && up_to > after, "it goes on");
        all.extend(part);
        (after, parts) = (up_to, parts + 1);
    }
    (all, parts)
}

#[test]
fn the_parts_of_a_table_are_bounded_and_together_are_all_of_it() {
    let mut map = TabletMap::new(200_000);
    let first = |index: i64| i64::MIN.wrapping_add(index << 48);
    for index in 0..1 << 15 {
        map.learn(T, tablet(first(index), first(index + 1), 1), 0);
    }
    let (even, parts) = in_parts(&map, T);
    assert!(even.len() == 1 << 15 && parts > 100, "{parts} parts");
    // Tablets that were split move into a finer grid, a few at a time.
    for index in 0..2_000_i64 {
        let middle = first(3 * index) + (1 << 47);
        map.learn(T, tablet(first(3 * index), middle, 2), 0);
        map.learn(T, tablet(middle, first(3 * index + 1), 2), 0);
        if index % 100 == 0 {
            assert_eq!(in_parts(&map, T).0, map.tablets(T).collect::<Vec<_>>(), "{index}");
        }
    }
    for index in 0..5_000 {
        map.learn(U, tablet(index * index, (index + 1) * (index + 1), 1), 0);
    }
    let (uneven, parts) = in_parts(&map, U);
    assert_eq!(uneven, map.tablets(U).collect::<Vec<_>>());
    assert!(uneven.len() == 5_000 && parts >= 19, "{parts} parts");
    assert_eq!(in_parts(&map, TableId(9)), (Vec::new(), 1));
}

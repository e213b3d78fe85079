//! The map while a table's tablets divide the whole ring: alike, unlike, split and merged halfway.

use std::collections::BTreeMap;

use proptest::collection;
use proptest::prelude::Just;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::prop_oneof;
use proptest::proptest;
use proptest::test_runner::TestCaseError;

use super::*;

/// Tablets by their last tokens: first token and node.
type Model = BTreeMap<i64, (i64, u16)>;

#[test]
fn the_ends_of_the_ring_and_of_each_tablet_are_found() {
    for count in [1, 2, 3, 5, 7, 8, 60, 128, 1_000, 1_024] {
        let mut map = TabletMap::new(10_000);
        let borders = even(count);
        for (node, ends) in (0..).zip(borders.windows(2)) {
            assert_eq!(map.learn(T, tablet(ends[0], ends[1], node), 0), Learned::New);
        }
        for (node, ends) in (0..).zip(borders.windows(2)) {
            for token in [ends[0] + 1, i64::midpoint(ends[0], ends[1]), ends[1]] {
                assert_eq!(node_at(&map, T, token), Some(node), "{token} of {count} tablets");
            }
        }
        assert_eq!(map.locate(T, Token::MINIMUM), None);
    }
}

#[test]
fn no_other_token_is_found_than_those_of_known_tablets() {
    let borders = even(64);
    for (index, ends) in borders.windows(2).enumerate() {
        let mut map = TabletMap::new(10_000);
        map.learn(T, tablet(ends[0], ends[1], 1), 0);
        for (other, ends) in borders.windows(2).enumerate() {
            let expected = (other == index).then_some(1);
            assert_eq!([ends[0] + 1, ends[1]].map(|t| node_at(&map, T, t)), [expected; 2]);
        }
    }
}

#[test]
fn every_number_of_replicas_is_found_again() {
    let borders = even(16);
    for count in 1..=REPLICAS_MAX {
        let mut map = TabletMap::new(10_000);
        for ends in borders.windows(2) {
            let replicas = (0..u16::try_from(count).unwrap()).rev().map(replica).collect();
            let reported = Tablet { first: ends[0], last: ends[1], replicas };
            assert_eq!(map.learn(T, reported.clone(), 0), Learned::New);
            assert_eq!(map.learn(T, reported.clone(), 0), Learned::Same);
            assert_eq!(map.locate(T, Token::new(ends[1])), Some(reported.replicas.list()));
        }
        assert_eq!(map.len(), 16);
    }
}

#[test]
fn the_last_shard_of_the_last_node_is_a_replica_as_any_other() {
    let mut map = TabletMap::new(10);
    let last = Replica { node: NodeId(u16::MAX), shard: ShardId(u16::MAX) };
    for ends in even(4).windows(2) {
        let replicas = [replica(1), last, replica(2)].into_iter().collect();
        let reported = Tablet { first: ends[0], last: ends[1], replicas };
        map.learn(T, reported.clone(), 0);
        assert_eq!(map.locate(T, Token::new(ends[1])), Some(reported.replicas.list()));
    }
}

#[test]
fn a_table_may_gain_replicas_that_fill_more_room() {
    let mut map = TabletMap::new(10_000);
    let borders = even(512);
    for (now_ms, count) in [(0, 3), (10_000, 6), (20_000, 13), (30_000, 1)] {
        for ends in borders.windows(2) {
            let replicas = (0..count).map(replica).collect();
            map.learn(T, Tablet { first: ends[0], last: ends[1], replicas }, now_ms);
        }
        assert_eq!(map.len(), 512);
        for ends in borders.windows(2) {
            let found = map.locate(T, Token::new(ends[1])).map(|list| list.len());
            assert_eq!(found, Some(usize::from(count)));
        }
    }
}

#[test]
fn splits_and_merges_without_end_take_no_more_and_no_more() {
    let mut map = TabletMap::new(100_000);
    let (mut now_ms, mut took) = (0, Vec::new());
    for count in [1, 2, 4, 64, 4_096, 8_192, 4_096, 512, 16].repeat(3) {
        now_ms += 10_000;
        let borders = even(count);
        for ends in shuffled(&borders.windows(2).collect::<Vec<_>>()) {
            map.learn(T, tablet(ends[0], ends[1], 1), now_ms);
        }
        let learned = borders.windows(2).map(|ends| tablet(ends[0], ends[1], 1));
        assert!(map.tablets(T).eq(learned), "{count} tablets");
        took.push(map.memory_bytes());
    }
    assert!(took[26] < took[8] + 100_000, "{took:?}");
    assert!(took.iter().all(|bytes| *bytes < 2_000_000), "{took:?}");
}

#[test]
fn little_known_of_many_large_tables_takes_little() {
    let mut map = TabletMap::new(1_000_000);
    let borders = even(8_192);
    for table in 0..1_000 {
        for ends in borders.windows(2).take(4) {
            map.learn(TableId(table), tablet(ends[0], ends[1], 1), 0);
        }
    }
    assert_eq!(map.len(), 4_000);
    assert!(map.memory_bytes() < 12_000_000, "{} bytes", map.memory_bytes());
    let found = |table| node_at(&map, TableId(table), borders[4]);
    assert!((0..1_000).all(|table| found(table) == Some(1)));
}

#[test]
fn tables_that_are_forgotten_give_back_what_they_took() {
    let mut map = TabletMap::new(1_000_000);
    let borders = even(16_384);
    let mut took = 0;
    for round in 0..20 {
        for table in 0..20 {
            for ends in borders.windows(2).take(2) {
                map.learn(TableId(table), tablet(ends[0], ends[1], 1), round * 10_000);
            }
        }
        took = if round == 0 { map.memory_bytes() } else { took };
        assert_eq!(map.memory_bytes(), took, "in round {round}");
        assert_eq!(node_at(&map, TableId(19), borders[3]), None);
        if round % 2 == 0 {
            assert_eq!(map.forget_node(NodeId(1)), 40);
        } else {
            (0..20).for_each(|table| map.forget_table(TableId(table)));
        }
        assert_eq!((map.len(), map.tablets(T).count()), (0, 0));
        assert_eq!(node_at(&map, T, borders[1]), None);
    }
}

#[test]
fn tables_do_not_see_the_tablets_of_their_neighbours() {
    let mut map = TabletMap::new(10_000);
    let borders = even(8);
    let tables = (0..50).map(TableId);
    for table in tables.clone() {
        // The last tablets of one table lie beside the first ones of the next.
        for ends in [&borders[..2], &borders[7..]] {
            map.learn(table, tablet(ends[0], ends[1], u16::try_from(table.0).unwrap()), 0);
        }
    }
    for (table, node) in tables.zip(0_u16..) {
        let nodes = borders[1..].iter().map(|last| node_at(&map, table, *last));
        let expected = (1..=8).map(|number| [1, 8].contains(&number).then_some(node));
        assert!(nodes.eq(expected), "of table {node}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Tablet number `of` of so many even ones, its borders off by some tokens.
    Learn {
        count: u64,
        of: u64,
        off: [i64; 2],
        node: u16,
    },
    /// Any range.
    LearnAny {
        ends: [i64; 2],
        node: u16,
    },
    /// Every tablet of a table that has so many, but each `but`th.
    LearnAll {
        count: u64,
        but: usize,
        node: u16,
    },
    ForgetNode(u16),
    ForgetTable,
}

proptest! {
    #[test]
    fn the_map_equals_a_sorted_tree_on_the_whole_ring(
        steps in collection::vec(step(), 1..120),
        asked in collection::vec(any::<i64>(), 50),
    ) {
        let mut map = TabletMap::new(1_000_000);
        let mut model = Model::new();
        let mut now_ms = 0;
        for step in steps {
            now_ms += SETTLE_MS;
            for reported in reported(&step) {
                learn(&mut map, &mut model, reported, now_ms)?;
            }
            match step {
                Step::Learn { .. } | Step::LearnAny { .. } | Step::LearnAll { .. } => {}
                Step::ForgetNode(node) => {
                    let before = model.len();
                    model.retain(|_, (_, of)| *of != node);
                    prop_assert_eq!(map.forget_node(NodeId(node)), before - model.len());
                }
                Step::ForgetTable => {
                    map.forget_table(T);
                    model.clear();
                }
            }
            prop_assert_eq!((map.len(), map.table_len(T)), (model.len(), model.len()));
        }
        compare(&map, &model, &asked)?;
    }

    #[test]
    fn a_map_with_bounds_knows_nothing_that_was_not_learned(
        steps in collection::vec(step(), 1..60),
        entries_max in 1_usize..200,
    ) {
        let mut map = TabletMap::new(entries_max);
        let mut unbounded = TabletMap::new(1_000_000);
        let mut now_ms = 0;
        for step in steps {
            now_ms += SETTLE_MS;
            for tablet in reported(&step) {
                let expected = Some(tablet.replicas.list());
                map.learn(T, tablet.clone(), now_ms);
                unbounded.learn(T, tablet.clone(), now_ms);
                prop_assert_eq!(map.locate(T, Token::new(tablet.last)), expected);
                prop_assert!(map.len() <= entries_max);
            }
            for known in map.tablets(T) {
                let replicas = unbounded.locate(T, Token::new(known.last));
                prop_assert_eq!(Some(known.replicas.list()), replicas);
            }
        }
        prop_assert_eq!(map.tablets(T).count(), map.len());
    }
}

/// The tablets that a step reports.
fn reported(step: &Step) -> Vec<Tablet> {
    match *step {
        Step::Learn { count, of, off: [low, high], node } => {
            let borders = even(count);
            let of = usize::try_from(of % count).unwrap();
            let (first, last) =
                (borders[of].saturating_add(low), borders[of + 1].saturating_add(high));
            vec![tablet(first.min(last - 1), last, node)]
        }
        Step::LearnAny { ends: [a, b], node } if a != b => vec![tablet(a.min(b), a.max(b), node)],
        Step::LearnAll { count, but, node } => {
            let borders = even(count);
            let all = (1..).zip(borders.windows(2)).filter(|(number, _)| number % but != 0);
            shuffled(&all.map(|(_, ends)| tablet(ends[0], ends[1], node)).collect::<Vec<_>>())
        }
        Step::LearnAny { .. } | Step::ForgetNode(_) | Step::ForgetTable => Vec::new(),
    }
}

fn learn(
    map: &mut TabletMap,
    model: &mut Model,
    reported: Tablet,
    now_ms: u64,
) -> Result<(), TestCaseError> {
    let (first, last) = (reported.first, reported.last);
    let node = reported.replicas.list().iter().next().unwrap().node.0;
    let is_known = model.get(&last) == Some(&(first, node));
    let over = model.range(first.saturating_add(1)..).take_while(|(_, known)| known.0 < last);
    let over: Vec<i64> = over.map(|(last, _)| *last).collect();
    let expected = match () {
        () if is_known => Learned::Same,
        () if over.is_empty() => Learned::New,
        () => Learned::Changed,
    };
    // What one step reported a moment ago may be reported again by it, never the other way round.
    let learned = map.learn(T, reported, now_ms);
    prop_assert_eq!(learned, expected);
    for last in over {
        model.remove(&last);
    }
    model.insert(last, (first, node));
    Ok(())
}

fn compare(map: &TabletMap, model: &Model, asked: &[i64]) -> Result<(), TestCaseError> {
    let listed = model.iter().map(|(last, (first, node))| tablet(*first, *last, *node));
    prop_assert_eq!(map.tablets(T).collect::<Vec<_>>(), listed.collect::<Vec<_>>());
    let borders = model.iter().flat_map(|(last, (first, _))| [*first, *last]);
    let near = borders.flat_map(|at| [at.saturating_sub(1), at, at.saturating_add(1)]);
    let ends = [i64::MIN + 1, i64::MIN + 2, -1, 0, 1, i64::MAX - 1, i64::MAX];
    for token in near.chain(ends).chain(asked.iter().copied()).filter(|token| *token > i64::MIN) {
        let holder = model.range(token..).next().filter(|(_, (first, _))| *first < token);
        let expected = holder.map(|(_, (_, node))| *node);
        prop_assert_eq!(node_at(map, T, token), expected, "token {}", token);
    }
    Ok(())
}

fn step() -> impl Strategy<Value = Step> {
    let count = || prop_oneof![4 => 1_u64..40, 4 => (0_u32..8).prop_map(|bits| 1 << bits)];
    let off =
        || prop_oneof![6 => Just(0_i64), 1 => -2_i64..3, 1 => any::<i64>().prop_map(|o| o >> 8)];
    let end = || prop_oneof![8 => any::<i64>(), 1 => Just(i64::MIN), 1 => Just(i64::MAX)];
    let one = (count(), any::<u64>(), [off(), off()], 0_u16..4);
    prop_oneof![
        60 => one.prop_map(|(count, of, off, node)| Step::Learn { count, of, off, node }),
        4 => ([end(), end()], 0_u16..4).prop_map(|(ends, node)| Step::LearnAny { ends, node }),
        12 => (count(), 2_usize..9, 0_u16..4)
            .prop_map(|(count, but, node)| Step::LearnAll { count, but, node }),
        2 => (0_u16..4).prop_map(Step::ForgetNode),
        1 => Just(Step::ForgetTable),
    ]
}

/// The borders of `count` equal tablets.
fn even(count: u64) -> Vec<i64> {
    let along = |index| u64::try_from((u128::from(index) << 64) / u128::from(count)).unwrap();
    let inner = (1..count).map(|index| (along(index) ^ (1 << 63)).cast_signed() - 1);
    [i64::MIN].into_iter().chain(inner).chain([i64::MAX]).collect()
}

/// The same in another order: each step goes on by a number without a common factor.
fn shuffled<T: Clone>(items: &[T]) -> Vec<T> {
    let len = items.len();
    let stride = (len / 2..).find(|stride| gcd(*stride, len) == 1).unwrap_or(1);
    (0..len).map(|index| items[index * stride % len].clone()).collect()
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

//! Shapes: when one is prepared, given up and forgotten.

use super::*;
use crate::routing::shapes::known::{WAIT_MAX_US, WAIT_US};

fn prepared(id: u8) -> PreparedShape {
    PreparedShape { id: [id; 16].into(), kinds: [ColumnType::Int].into(), is_reported: true }
}

/// Sees a text until it is wanted, and has a node asked for its types.
fn ask_for_types(shapes: &mut Shapes, text: &str) -> ShapeKey {
    for _ in 1..SEEN_MIN {
        assert!(matches!(shapes.find(text, 0), Found::Text));
    }
    assert!(matches!(shapes.find(text, 0), Found::Wanted));
    shapes.begin(text, "ks", "t")
}

/// Sees a text until it is to be prepared, and has `nodes` nodes asked.
fn begin(shapes: &mut Shapes, text: &str, nodes: usize) -> ShapeKey {
    let key = ask_for_types(shapes, text);
    assert_eq!(shapes.on_answer(key, PrepareOutcome::Prepared(prepared(0)), 0), ShapeChange::None);
    assert!(matches!(shapes.find(text, 0), Found::Typed([ColumnType::Int])));
    assert_eq!(shapes.begin_typed(text, nodes), Some(key));
    key
}

fn is_prepared(shapes: &mut Shapes, text: &str) -> bool {
    matches!(shapes.find(text, 0), Found::Prepared(_))
}

#[test]
fn a_shape_is_run_once_all_nodes_have_prepared_it() {
    let mut shapes = Shapes::new(1 << 20);
    let key = begin(&mut shapes, "a", 3);
    assert_eq!(shapes.on_answer(key, PrepareOutcome::Prepared(prepared(1)), 0), ShapeChange::None);
    assert_eq!(shapes.on_answer(key, PrepareOutcome::Lost, 0), ShapeChange::None);
    assert!(!is_prepared(&mut shapes, "a"));
    assert_eq!(
        shapes.on_answer(key, PrepareOutcome::Prepared(prepared(1)), 0),
        ShapeChange::Prepared
    );
    assert!(is_prepared(&mut shapes, "a") && !is_prepared(&mut shapes, "b"));
}

#[test]
fn a_shape_that_is_seldom_seen_is_not_prepared() {
    let mut shapes = Shapes::new(1 << 20);
    for turn in 0..100 {
        let is_text = matches!(shapes.find("a", turn * (SEEN_WITHIN_US + 1)), Found::Text);
        assert!(is_text, "{turn}");
    }
}

#[test]
fn a_shape_that_a_node_will_never_prepare_stays_text() {
    let mut shapes = Shapes::new(1 << 20);
    let key = begin(&mut shapes, "a", 3);
    for (answer, turn) in [
        (PrepareOutcome::Refused(PrepareRefusal::Final), ShapeChange::None),
        (PrepareOutcome::Refused(PrepareRefusal::ForNow), ShapeChange::None),
        (PrepareOutcome::Prepared(prepared(1)), ShapeChange::GivenUp),
    ] {
        assert_eq!(shapes.on_answer(key, answer, 0), turn);
    }
    for turn in 0..100 {
        assert!(matches!(shapes.find("a", turn * WAIT_MAX_US), Found::Text));
    }
    shapes.forget("ks", Some("other"));
    assert_eq!(shapes.len(), 1);
    shapes.forget("ks", Some("t"));
    begin(&mut shapes, "a", 1);
}

#[test]
fn a_shape_that_cannot_be_prepared_now_is_tried_again_after_ever_longer_waits() {
    let other_types = PreparedShape { kinds: [ColumnType::Float].into(), ..prepared(1) };
    for answer in [
        PrepareOutcome::Refused(PrepareRefusal::ForNow),
        PrepareOutcome::Prepared(prepared(2)),
        PrepareOutcome::Prepared(other_types),
    ] {
        let mut shapes = Shapes::new(1 << 20);
        let key = begin(&mut shapes, "a", 2);
        assert_eq!(shapes.on_answer(key, answer, 0), ShapeChange::None);
        assert_eq!(
            shapes.on_answer(key, PrepareOutcome::Prepared(prepared(1)), 0),
            ShapeChange::GivenUp
        );
        let (mut now_us, mut wait_us) = (0, WAIT_US);
        for _ in 0..20 {
            assert!(matches!(shapes.find("a", now_us + wait_us - 1), Found::Text), "{wait_us}");
            now_us += wait_us;
            assert!(matches!(shapes.find("a", now_us), Found::Wanted), "{wait_us}");
            let key = shapes.begin("a", "ks", "t");
            let answer = PrepareOutcome::Refused(PrepareRefusal::ForNow);
            assert_eq!(shapes.on_answer(key, answer, now_us), ShapeChange::GivenUp);
            wait_us = (wait_us * 2).min(WAIT_MAX_US);
        }
        assert_eq!((shapes.len(), shapes.preparing), (1, 0));
    }
}

#[test]
fn a_shape_is_not_run_with_other_types_than_were_asked_for() {
    let mut shapes = Shapes::new(1 << 20);
    let key = begin(&mut shapes, "a", 1);
    let other_types = PreparedShape { kinds: [ColumnType::Float].into(), ..prepared(1) };
    assert_eq!(
        shapes.on_answer(key, PrepareOutcome::Prepared(other_types), 0),
        ShapeChange::GivenUp
    );
    assert!(!is_prepared(&mut shapes, "a"));
}

#[test]
fn a_shape_that_no_node_answered_for_is_tried_again() {
    let mut shapes = Shapes::new(1 << 20);
    let key = begin(&mut shapes, "a", 1);
    assert_eq!(shapes.on_answer(key, PrepareOutcome::Lost, 0), ShapeChange::None);
    begin(&mut shapes, "a", 1);
}

#[test]
fn a_shape_that_a_node_forgot_waits_for_that_node() {
    let mut shapes = Shapes::new(1 << 20);
    let key = begin(&mut shapes, "a", 1);
    shapes.on_answer(key, PrepareOutcome::Prepared(prepared(1)), 0);
    assert_eq!(shapes.on_forgotten("a"), Some((key, [ColumnType::Int].into())));
    assert_eq!(shapes.on_forgotten("a"), None, "it is asked once");
    assert!(!is_prepared(&mut shapes, "a"));
    assert_eq!(
        shapes.on_answer(key, PrepareOutcome::Prepared(prepared(1)), 0),
        ShapeChange::Prepared
    );
    assert!(is_prepared(&mut shapes, "a"));
    // With other types now, it is another statement on other nodes.
    shapes.on_forgotten("a");
    assert_eq!(
        shapes.on_answer(key, PrepareOutcome::Prepared(prepared(2)), 0),
        ShapeChange::GivenUp
    );
}

#[test]
fn a_value_that_is_refused_now_and_then_is_no_fault_of_its_shape() {
    let mut shapes = Shapes::new(1 << 20);
    let key = begin(&mut shapes, "a", 1);
    shapes.on_answer(key, PrepareOutcome::Prepared(prepared(1)), 0);
    for turn in 0..1_000 {
        assert!(is_prepared(&mut shapes, "a"), "{turn}");
        if turn % 3 == 0 {
            assert_eq!(shapes.on_refused("a", 0), ShapeChange::None, "{turn}");
        }
    }
}

#[test]
fn a_shape_whose_values_are_refused_all_the_time_is_put_off() {
    let mut shapes = Shapes::new(1 << 20);
    let key = begin(&mut shapes, "a", 1);
    shapes.on_answer(key, PrepareOutcome::Prepared(prepared(1)), 0);
    let mut times = 0;
    while is_prepared(&mut shapes, "a") {
        shapes.on_refused("a", 0);
        times += 1;
    }
    assert_eq!(times, REFUSED_MAX);
    assert!(matches!(shapes.find("a", WAIT_US), Found::Wanted));
}

#[test]
fn no_shape_is_run_while_changes_are_not_heard_of() {
    let mut shapes = Shapes::new(1 << 20);
    let key = begin(&mut shapes, "a", 1);
    shapes.on_answer(key, PrepareOutcome::Prepared(prepared(1)), 0);
    shapes.set_watched(false);
    assert!(matches!(shapes.find("a", 0), Found::Text));
    shapes.set_watched(true);
    assert!(is_prepared(&mut shapes, "a"));
}

#[test]
fn a_shape_that_is_forgotten_all_the_time_is_given_up() {
    let mut shapes = Shapes::new(1 << 20);
    let key = begin(&mut shapes, "a", 1);
    shapes.on_answer(key, PrepareOutcome::Prepared(prepared(1)), 0);
    let mut times = 0;
    while shapes.on_forgotten("a").is_some() {
        shapes.on_answer(key, PrepareOutcome::Prepared(prepared(1)), 0);
        times += 1;
    }
    assert_eq!(times + 1, FORGOTTEN_MAX);
    assert!(!shapes.give_up("a"), "it is given up already");
}

#[test]
fn an_answer_for_a_table_that_changed_meanwhile_is_no_answer() {
    let mut shapes = Shapes::new(1 << 20);
    let key = begin(&mut shapes, "a", 1);
    shapes.forget("ks", None);
    assert_eq!(shapes.on_answer(key, PrepareOutcome::Prepared(prepared(1)), 0), ShapeChange::None);
    assert!(shapes.is_empty() && shapes.bytes() == 0);
}

#[test]
fn texts_without_end_take_no_more_room() {
    let mut shapes = Shapes::new(1 << 20);
    for number in 0..200_000 {
        shapes.find(&format!("SELECT v FROM ks.t WHERE k IN ({number})"), number);
    }
    assert!(shapes.is_empty() && shapes.bytes() == 0);
    assert_eq!(shapes.places.len(), PLACES);
}

#[test]
fn shapes_without_end_stay_within_their_bounds() {
    let mut shapes = Shapes::new(1 << 20);
    for number in 0..100_000 {
        let text = format!("SELECT v FROM ks.t{number} WHERE k = ?");
        let key = begin(&mut shapes, &text, 1);
        shapes.on_answer(key, PrepareOutcome::Prepared(prepared(1)), 0);
        assert!(shapes.bytes() <= 1 << 20 && shapes.len() <= SHAPES_MAX);
        assert!(shapes.is_empty() || is_prepared(&mut shapes, &text), "{number}");
    }
    let weights = shapes.entries.iter().map(|(_, known)| known.weight);
    assert_eq!(shapes.bytes(), weights.sum::<usize>());
    assert_eq!(shapes.by_text.len(), shapes.len());
    shapes.set_bytes_max(0);
    assert!(shapes.is_empty() && shapes.bytes() == 0 && shapes.preparing == 0);
}

#[test]
fn no_more_shapes_are_prepared_at_once_than_nodes_can_bear() {
    let mut shapes = Shapes::new(1 << 20);
    for number in 0..PREPARING_MAX {
        begin(&mut shapes, &number.to_string(), 1);
    }
    for _ in 0..100 {
        assert!(matches!(shapes.find("a", 0), Found::Text));
    }
    shapes.clear();
    assert!(matches!(shapes.find("a", 0), Found::Wanted));
}

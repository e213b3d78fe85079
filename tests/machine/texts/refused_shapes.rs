//! What becomes of the shape of a text that a node refuses, for good or for a moment.

use cql::error_code::ErrorCode;
use cql::opcode::Opcode;
use cql::values::column_type::ColumnType;
use shardlane::engine::engine::Engine;

use crate::support::frames::{error, prepared, query, rows};
use crate::support::rig::{Rig, snapshot};
use crate::texts::shaped_texts::{
    Arrived, ID, UNTYPED, alter, heat, heat_with_types, prepare_shape, rig, send, split, text,
};

/// Sends a text, which a node gets as it is; returns the PREPAREs besides.
fn send_text(rig: &mut Rig) -> Arrived {
    let client = rig.clients[0];
    rig.send(client, &query(1, &text(5)));
    let (asked, prepares) = split(rig.all_requests());
    let [(lane, request)] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!(request.text(), text(5));
    rig.result(*lane, request.stream(), &rows(b""));
    rig.answer(client);
    prepares
}

#[test]
fn a_shape_that_a_node_never_prepares_is_not_tried_again_until_its_table_changes() {
    for refused in [0, 2] {
        let mut rig = rig();
        let client = rig.clients[0];
        for (index, (lane, request)) in heat_with_types(&mut rig, client).into_iter().enumerate() {
            if index == refused {
                rig.error(lane, request.stream(), &error(ErrorCode::SYNTAX_ERROR, "no"));
            } else {
                rig.result(lane, request.stream(), &prepared(&ID, 0, "tab.t", &[]));
            }
        }
        for _ in 0..100 {
            rig.pass_time(10_000_000);
            assert!(send_text(&mut rig).is_empty());
        }
        assert_eq!(rig.engine.tally().shapes_given_up, 1);
        alter(&mut rig);
        rig.know_key("tab", "t", &[("k", ColumnType::Int)]);
        prepare_shape(&mut rig);
        rig.finish();
    }
}

#[test]
fn a_shape_that_a_node_cannot_prepare_now_is_tried_again() {
    for code in [
        ErrorCode::INVALID,
        ErrorCode::OVERLOADED,
        ErrorCode::SERVER_ERROR,
        ErrorCode::UNAVAILABLE,
        ErrorCode::READ_TIMEOUT,
    ] {
        let mut rig = rig();
        let client = rig.clients[0];
        let [(lane, request)] = &heat(&mut rig, client)[..] else { panic!("one node is asked") };
        rig.error(*lane, request.stream(), &error(code, "not now"));
        assert!(send_text(&mut rig).is_empty(), "not at once");
        rig.pass_time(1_000_000);
        let prepares = send_text(&mut rig);
        let [(lane, request)] = &prepares[..] else { panic!("{code:?}: {prepares:?}") };
        rig.result(*lane, request.stream(), &prepared(&UNTYPED, 0, "tab.t", &[]));
        for (index, (lane, request)) in send_text(&mut rig).into_iter().enumerate() {
            if index == 1 {
                rig.error(lane, request.stream(), &error(code, "not now"));
            } else {
                rig.result(lane, request.stream(), &prepared(&ID, 0, "tab.t", &[]));
            }
        }
        assert!(send_text(&mut rig).is_empty(), "not at once");
        rig.pass_time(2_000_000);
        prepare_shape(&mut rig);
        assert_eq!(rig.engine.tally().shapes_given_up, 2);
        rig.finish();
    }
}

#[test]
fn a_read_that_is_refused_by_its_shape_gets_the_words_for_its_text() {
    let mut rig = rig();
    let client = rig.clients[0];
    prepare_shape(&mut rig);
    for turn in 0..100 {
        let (lane, request) = send(&mut rig, &query(3, &text(5)));
        if request.opcode() == Opcode::Query {
            assert!(turn > 1, "one value that is refused is no fault of the shape");
            rig.result(lane, request.stream(), &rows(b""));
            rig.answer(client);
            rig.pass_time(1_000_000);
            return prepare_shape(&mut rig);
        }
        rig.error(lane, request.stream(), &error(ErrorCode::INVALID, "for values"));
        let (lane, request) = rig.request();
        assert_eq!(request.text(), text(5));
        rig.error(lane, request.stream(), &error(ErrorCode::INVALID, "for constants"));
        assert_eq!(rig.answer(client).error().text, "for constants");
    }
    panic!("a shape that is always refused is run for ever");
}

#[test]
fn texts_are_sent_as_they_are_while_no_node_is_watched() {
    let mut rig = rig();
    let client = rig.clients[0];
    prepare_shape(&mut rig);
    rig.input(Engine::on_watch_lost);
    let (lane, request) = send(&mut rig, &query(3, &text(5)));
    assert_eq!(request.text(), text(5));
    rig.result(lane, request.stream(), &rows(b""));
    rig.answer(client);
    rig.input(|engine| engine.on_snapshot(snapshot(2, 3)));
    assert_eq!(send(&mut rig, &query(3, &text(5))).1.opcode(), Opcode::Execute);
    rig.finish();
}

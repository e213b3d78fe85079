//! `text.mode` is set anew while the process runs.

use cql::opcode::Opcode;
use shardlane::engine::pending::LaneKey;
use shardlane::engine::settings::EngineSettings;
use shardlane::routing::decision::Reason;

use crate::support::frames::{Frame, prepared, query, rows, unprepared};
use crate::support::rig::{Rig, settings};
use crate::texts::shaped_texts::{ID, alter, prepare_shape, rig, send, split, text};

/// Sets the mode: whether texts are read, and whether their shapes are run.
fn set_mode(rig: &mut Rig, routes_texts: bool, runs_shapes: bool) {
    let settings = EngineSettings { routes_texts, runs_shapes, ..settings() };
    rig.input(|engine| engine.on_settings(settings));
}

#[test]
fn the_mode_changes_while_texts_are_on_their_way() {
    let mut rig = rig();
    let client = rig.clients[0];
    prepare_shape(&mut rig);
    let answered = |rig: &mut Rig, (lane, request): (LaneKey, Frame)| {
        rig.result(lane, request.stream(), &rows(b"read"));
        assert_eq!(rig.answer(client).mark(), b"read");
    };
    // Two that were sent by their shape are answered in a mode that knows none.
    let kept = send(&mut rig, &query(3, &text(5)));
    let forgotten = send(&mut rig, &query(4, &text(6)));
    assert_eq!((kept.1.opcode(), forgotten.1.opcode()), (Opcode::Execute, Opcode::Execute));
    set_mode(&mut rig, false, false);
    answered(&mut rig, kept);
    rig.error(forgotten.0, forgotten.1.stream(), &unprepared(&ID));
    let (mut asked, prepares) = split(rig.all_requests());
    let again = asked.pop().unwrap();
    assert_eq!((asked.len(), again.1.opcode(), again.1.text()), (0, Opcode::Query, &*text(6)));
    answered(&mut rig, again);
    for (lane, request) in prepares {
        rig.result(lane, request.stream(), &prepared(&ID, 0, "tab.t", &[]));
    }
    // The next texts go by the mode of their time: unread, read, run.
    for (routes, runs, opcode) in [
        (false, false, Opcode::Query),
        (true, false, Opcode::Query),
        (true, true, Opcode::Execute),
        (true, false, Opcode::Query),
        (true, true, Opcode::Execute),
    ] {
        set_mode(&mut rig, routes, runs);
        let unread = rig.decisions(Reason::Text);
        let request = send(&mut rig, &query(3, &text(7)));
        assert_eq!(request.1.opcode(), opcode, "{routes} {runs}");
        assert_eq!(rig.decisions(Reason::Text) - unread, u64::from(!routes));
        answered(&mut rig, request);
    }
    rig.finish();
}

#[test]
fn a_table_that_changes_in_another_mode_has_its_shapes_forgotten() {
    let mut rig = rig();
    let client = rig.clients[0];
    prepare_shape(&mut rig);
    set_mode(&mut rig, false, false);
    alter(&mut rig);
    set_mode(&mut rig, true, true);
    let (lane, request) = send(&mut rig, &query(3, &text(5)));
    assert_eq!(request.opcode(), Opcode::Query);
    rig.result(lane, request.stream(), &rows(b""));
    rig.answer(client);
    rig.finish();
}

//! What a process kept for the one after it: any bytes are refused, or are records that an engine can begin with.

use shardlane::engine::engine::Engine;
use shardlane::engine::learned::PartStart;
use shardlane::state::format::CheckedState;
use shardlane::state::record::Record;
use shardlane::state::wire;

use crate::support::rig::{settings, snapshot};

/// Parts that an engine hands out at most in a run.
const PARTS_MAX: usize = 64;

/// The first byte says whether a whole state follows, or one record without its checksum.
pub(crate) fn run(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    if kind % 2 == 0 {
        if let Ok(state) = CheckedState::check(data) {
            begin(state);
        }
    } else if let Ok(record) = wire::read(data) {
        let mut again = Vec::new();
        wire::put(&mut again, &record);
        assert_eq!(wire::read(&again).as_ref(), Ok(&record), "it is written as it was read");
        begin(std::iter::once(record));
    }
}

/// Begins with records, and takes all that is known back.
fn begin(records: impl Iterator<Item = Record>) {
    let mut engine = Engine::new(settings(), snapshot(1, 3));
    for record in records {
        engine.on_restored(&record);
    }
    let (mut from, mut parts) = (Some(PartStart::BEGIN), 0);
    while let Some(place) = from {
        let part = engine.learned(place);
        for record in &part.records {
            let mut bytes = Vec::new();
            wire::put(&mut bytes, record);
            assert_eq!(wire::read(&bytes).as_ref(), Ok(record), "what is handed out is read");
        }
        (from, parts) = (part.next, parts + 1);
        assert!(parts <= PARTS_MAX, "it ends");
    }
}

//! Large answers, which the engine wants written where they lie: what finds room leaves at once.
//!
//! An answer begins to leave only once it has come whole, so nothing of one that its lane cut off
//! ever reaches a client.

use crate::model::frames::Cutter;
use crate::network::link::LinkId;
use crate::proxy::workers::Worker;
use crate::world::World;
use shardlane::engine::pending::LaneKey;

/// The shortest frame that is passed on.
pub(crate) const LARGE_BYTES: usize = 24 << 10;

/// Whether a large frame has begun there, and lacks its end.
pub(crate) fn is_large(cutter: &Cutter) -> bool {
    cutter.begun().is_some_and(|len| len >= LARGE_BYTES)
}

impl World {
    /// Gives an engine what a lane brought, and clients what it passes on of that.
    pub(crate) fn give_lane_bytes(&mut self, number: usize, lane: LaneKey, mut bytes: Vec<u8>) {
        let mut passed = Vec::new();
        let links = &mut self.links;
        let Worker { engine, client_links, .. } = self.workers.get_mut(number);
        engine.on_time(self.now_us);
        engine.on_lane_bytes(lane, &mut bytes, |client, frame| {
            let Some(id) = client_links.get(&client) else { return 0 };
            let Some(link) = links.get_mut(id) else { return 0 };
            let count = link.down.accept(frame.len());
            passed.push((*id, frame.len(), frame.get(..count).unwrap_or_default().to_vec()));
            count
        });
        for (id, len, taken) in passed {
            self.counted.large_passed += u64::from(taken.len() == len);
            self.counted.large_parted += u64::from(!taken.is_empty() && taken.len() < len);
            self.narrate(format_args!("link {id} takes {} of {len} bytes uncopied", taken.len()));
            self.count_sent(id, &taken);
            self.travel(id, false, &taken);
        }
    }

    /// A client goes: was a large answer on its way to it?
    pub(crate) fn note_large_left(&mut self, id: LinkId) {
        let client = self.links.get_mut(&id).and_then(|link| link.client());
        let left = client.is_some_and(|client| is_large(&client.sent));
        self.counted.large_left += u64::from(left);
    }
}

//! What a worker holds for its clients and lanes, measured, and the marks that it is compared with.

use crate::engine::client::{Client, ClientKey};
use crate::engine::core::core::Core;
use crate::engine::core::memory::Marks;
use crate::engine::limits::{KEYS, Limits};
use crate::engine::pending::Pending;
use crate::upstream::lane::Lane;

/// What a client takes besides its buffers, roughly.
pub(crate) const CLIENT_BYTES: usize = 2 << 10;
/// What a lane takes besides its buffers, roughly.
const LANE_BYTES: usize = 2 << 10;
/// One byte that is read may take so many: in the outbox of a lane, whose capacity doubles, and in the copy
/// that is kept.
const GROWTH: usize = 4;
/// It is not measured more often than after so many bytes.
const STEP_BYTES_MIN: usize = 128 << 10;
/// The same for each client and lane that the measurement walks over.
const STEP_BYTES_EACH: usize = 64;

impl Core {
    /// The marks of memory; `None` while it has no bound.
    pub(crate) fn memory_marks(&self) -> Option<Marks> {
        let full = self.settings.limits.memory_bytes_max;
        if full == 0 {
            return None;
        }
        let base = self.memory.other.base.min(full / 2);
        let room = full - base;
        let near = base + room / 8 * 5;
        let workers = self.memory.other.others + 1;
        let share = (near - base) / 2 / workers / self.clients.len().max(1);
        Some(Marks { near, close: base + room / 8 * 7, full, share })
    }

    /// Whether memory was at a mark when it was last measured.
    pub(crate) fn is_memory_at(&self, mark: usize) -> bool {
        self.memory.total() >= mark
    }

    /// Measures what this worker holds.
    pub(crate) fn measure_memory(&mut self) {
        self.memory.held = self.memory_held();
        self.memory.brought = 0;
        let walked = self.clients.len() + self.lanes.len();
        let step_min = STEP_BYTES_MIN.max(walked * STEP_BYTES_EACH);
        let workers = self.memory.other.others + 1;
        let (total, marks) = (self.memory.total(), self.memory_marks());
        self.memory.brought_max = marks.map_or(usize::MAX, |marks| {
            let all = [marks.near, marks.close, marks.full];
            let next = all.into_iter().find(|mark| total < *mark).unwrap_or(marks.full);
            (next.saturating_sub(total) / GROWTH / workers).max(step_min)
        });
    }

    /// What this worker holds now, bytes.
    pub(crate) fn memory_held(&self) -> usize {
        let clients: usize = self.clients.iter().map(|(_, client)| held_for(client)).sum();
        let lanes: usize = self.lanes.iter().map(|(_, lane)| held_by_lane(lane)).sum();
        let tablets = self.router.tablets.memory_bytes();
        let statements = self.router.catalog.bytes() + self.local_statements.bytes();
        let texts = self.router.shapes.bytes() + self.pools.waiting_bytes();
        clients + lanes + tablets + statements + texts
    }

    /// A client's request of so many bytes is kept until something else is there.
    pub(crate) fn lay_aside(&mut self, client: ClientKey, bytes: usize) {
        if let Some(entry) = self.clients.get_mut(client) {
            entry.aside += bytes;
            self.memory.bring(bytes);
        }
    }

    /// It goes on.
    pub(crate) fn take_back(&mut self, client: ClientKey, bytes: usize) {
        if let Some(entry) = self.clients.get_mut(client) {
            entry.aside = entry.aside.saturating_sub(bytes);
        }
    }

    /// Whether `count` more bytes of a large request have room. What is beyond the mark at which new clients
    /// are refused is left to small requests.
    pub(crate) fn has_memory_for(&mut self, count: usize) -> bool {
        if self.memory_marks().is_none() {
            return true;
        }
        self.measure_memory();
        let total = self.memory.total();
        self.memory_marks().is_none_or(|marks| total.saturating_add(count) < marks.close)
    }
}

impl Limits {
    /// The text of an ERROR that refuses something for want of memory.
    pub(crate) fn memory_refusal(&self, what: &str) -> String {
        let (max, key) = (self.memory_bytes_max, KEYS.memory_bytes_max);
        format!("shardlane has no memory for {what}: it may take {max} bytes, which is {key}")
    }
}

/// What one client holds, bytes.
pub(crate) fn held_for(client: &Client) -> usize {
    let waiting = client.switching.as_ref().map_or(0, Vec::capacity);
    let login = client.login.as_deref().map_or(0, |login| login.token_len);
    let held = client.held.capacity() + client.aside + client.payloads.memory_len();
    CLIENT_BYTES + client.session.memory_len() + waiting + login + held
}

fn held_by_lane(lane: &Lane<Pending>) -> usize {
    let streams = lane.ids.memory_len();
    let kept = lane.retained_bytes;
    LANE_BYTES + lane.outbox.memory_len() + lane.decoder.memory_len() + kept + streams
}

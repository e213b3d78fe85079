//! Bytes on their way: cut, late, stalled, in order within a connection and in none between two.

use crate::agenda::Event;
use crate::network::link::{End, LinkId};
use crate::world::World;

impl World {
    /// Sends as many of `bytes` as the connection takes; says how many.
    pub(crate) fn transmit(&mut self, id: LinkId, up: bool, bytes: &[u8]) -> usize {
        let Some(link) = self.links.get_mut(&id) else { return 0 };
        let count = link.pipe(up).accept(bytes.len());
        self.travel(id, up, bytes.get(..count).unwrap_or_default());
        count
    }

    /// What a connection took is on its way.
    pub(crate) fn travel(&mut self, id: LinkId, up: bool, bytes: &[u8]) {
        let now = self.now_us;
        let Some(link) = self.links.get_mut(&id) else { return };
        let (latency, cut) = (link.latency_us, link.cut);
        let pipe = link.pipe(up);
        if pipe.lost {
            return;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let (segment, behind) = rest.split_at(cut.next(&mut self.chance, rest.len()));
            rest = behind;
            let travelled = now + latency + self.chance.below(latency / 2 + 1);
            let at = travelled.max(pipe.last_us).max(pipe.stalled_until_us);
            pipe.last_us = at;
            self.agenda.plan(at, Event::Segment { link: id, up, bytes: segment.to_vec() });
        }
    }

    /// A segment arrives: its reader is woken.
    pub(crate) fn on_segment(&mut self, id: LinkId, up: bool, bytes: &[u8]) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.pipe(up).arrive(bytes);
        match (&link.end, up) {
            (End::Client(_), true) | (End::Lane(_), false) => self.proxy_is_wanted(id),
            (End::Client(client), false) => {
                let driver = client.driver;
                if self.drivers.get(driver).is_some_and(|driver| driver.reads_at_once()) {
                    self.driver_reads(driver);
                }
            }
            (End::Lane(_), true) => self.node_reads(id),
        }
    }

    /// Reads at most `max` bytes that arrived on a connection.
    pub(crate) fn take_arrived(&mut self, id: LinkId, up: bool, max: usize) -> Vec<u8> {
        let Some(link) = self.links.get_mut(&id) else { return Vec::new() };
        let latency = link.latency_us;
        let (bytes, wanted) = link.pipe(up).read(max);
        if wanted {
            self.agenda.plan(self.now_us + latency, Event::Writable { link: id, up });
        }
        bytes
    }

    /// There is room again on a connection.
    pub(crate) fn on_writable(&mut self, id: LinkId, up: bool) {
        let Some(link) = self.links.get(&id) else { return };
        match (&link.end, up) {
            (End::Client(_), false) | (End::Lane(_), true) => {
                let worker = link.worker();
                self.write_link(id);
                self.flush(worker);
            }
            (End::Client(client), true) => self.driver_writes(client.driver),
            (End::Lane(_), false) => self.node_writes(id),
        }
    }
}

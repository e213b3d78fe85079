//! The places for connections to the pages, and which connection gives its place up for a new one.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One open connection.
#[derive(Debug)]
struct Place<H> {
    source: IpAddr,
    /// Set once its request has been read: from then on it is being answered.
    is_asking: Arc<AtomicBool>,
    handle: H,
}

/// Open connections, the oldest first. `H` closes one.
///
/// A new connection is always served: a probe that has to wait makes the kubelet restart a healthy process. So where all
/// places are taken, a connection that has not asked for anything gives way, the oldest of the source with most of them.
#[derive(Debug)]
pub(crate) struct ConnectionPlaces<H> {
    places_max: usize,
    open: BTreeMap<u64, Place<H>>,
    next_id: u64,
}

impl<H> ConnectionPlaces<H> {
    /// Without connections, and with room for `places_max`.
    pub(crate) fn new(places_max: usize) -> Self {
        Self { places_max, open: BTreeMap::new(), next_id: 0 }
    }

    /// Adds a connection, whose task `spawn` starts: it is handed the connection's number, and the flag to set once the
    /// request has been read.
    pub(crate) fn add(
        &mut self,
        source: IpAddr,
        spawn: impl FnOnce(u64, Arc<AtomicBool>) -> H,
    ) -> Option<H> {
        let displaced = if self.open.len() < self.places_max {
            None
        } else {
            self.take_idle().or_else(|| self.open.pop_first().map(|(_, oldest)| oldest.handle))
        };
        let is_asking = Arc::new(AtomicBool::new(false));
        let id = self.next_id;
        self.next_id += 1;
        let handle = spawn(id, Arc::clone(&is_asking));
        self.open.insert(id, Place { source, is_asking, handle });
        displaced
    }

    /// A connection has ended.
    pub(crate) fn remove(&mut self, id: u64) {
        self.open.remove(&id);
    }

    /// Takes out the oldest connection that has not asked for anything, of the source that has most of those.
    pub(crate) fn take_idle(&mut self) -> Option<H> {
        let idle = |place: &&Place<H>| !place.is_asking.load(Ordering::Relaxed);
        let mut counts = BTreeMap::<IpAddr, usize>::new();
        for place in self.open.values().filter(idle) {
            *counts.entry(place.source).or_default() += 1;
        }
        let most = counts.iter().max_by_key(|(_, count)| **count).map(|(source, _)| *source);
        let mut idle_ones = self.open.iter().filter(|(_, place)| idle(place));
        let id = idle_ones.find(|(_, place)| Some(place.source) == most).map(|(id, _)| *id)?;
        self.open.remove(&id).map(|place| place.handle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    /// Opens a connection of `last`; the number of the one that gives way.
    fn open(places: &mut ConnectionPlaces<u64>, last: u8, asks: bool) -> Option<u64> {
        places.add(source(last), |id, is_asking| {
            is_asking.store(asks, Ordering::Relaxed);
            id
        })
    }

    #[test]
    fn the_oldest_idle_connection_of_the_greediest_source_gives_way() {
        let mut places = ConnectionPlaces::new(4);
        for (last, asks) in [(1, false), (2, true), (2, false), (2, false)] {
            assert_eq!(open(&mut places, last, asks), None);
        }
        assert_eq!(open(&mut places, 1, false), Some(2), "the oldest idle one of 2");
    }

    #[test]
    fn a_connection_that_is_being_answered_gives_way_last() {
        let mut places = ConnectionPlaces::new(2);
        open(&mut places, 1, true);
        open(&mut places, 2, false);
        assert_eq!(open(&mut places, 3, true), Some(1));
        assert_eq!(open(&mut places, 3, true), Some(0), "where each has asked, the oldest");
    }

    #[test]
    fn a_place_that_was_left_is_free() {
        let mut places = ConnectionPlaces::new(1);
        open(&mut places, 1, false);
        places.remove(0);
        assert_eq!(open(&mut places, 1, false), None);
    }
}

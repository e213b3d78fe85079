//! Which lanes of one node and pool are there, and which one to dial next.
//!
//! Bookkeeping alone: the outcome of each try is an input.

use cql::token::shard::{ShardId, Sharder};

/// Number of a lane, unique in its refiller. A shard's next lane has another one, so that late news
/// of a lane is not taken for news of its successor.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LaneSerial(pub u64);

/// Which lanes of a node are wanted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum WantedLanes {
    /// One, to any shard.
    One,
    /// One to each shard.
    #[default]
    EachShard,
    /// One to any shard, and one to each shard that a request asked for, as long as it is used.
    ShardsInUse,
}

/// What to dial.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dial {
    /// Whatever shard the node picks, by its plain port.
    Any,
    /// A shard, by the shard-aware port.
    Shard {
        /// The shard.
        shard: ShardId,
        /// How the node divided its data when last asked.
        sharder: Sharder,
        /// The shard-aware port.
        port: u16,
        /// Picks the first source port.
        start: u32,
    },
}

impl Dial {
    /// The shard that is dialled, if it is a certain one.
    #[must_use]
    pub fn shard(self) -> Option<ShardId> {
        match self {
            Self::Any => None,
            Self::Shard { shard, .. } => Some(shard),
        }
    }
}

/// What a new connection is good for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NewConnection {
    /// It is the lane of its shard.
    Lane(LaneSerial),
    /// Its shard has a lane.
    Excess,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Slot {
    /// No request asked for it.
    Unwanted,
    Down,
    Dialling,
    Up(LaneSerial),
}

/// The lanes of one node and pool.
#[derive(Debug)]
pub struct LaneSlots {
    lanes: WantedLanes,
    /// What the node said last; `None` before it was first asked.
    sharder: Option<Option<Sharder>>,
    slots: Vec<Slot>,
    /// Where among the shards to begin, modulo their number.
    start: u32,
    /// Connections to the plain port that are being opened.
    hunting: usize,
    serials: u64,
}

impl LaneSlots {
    /// No lanes. The first one brings the number of shards. They are dialled in turn, from the one
    /// that `start` leads to: if all proxies began at shard 0, they would queue there together, then
    /// at shard 1.
    #[must_use]
    pub fn new(lanes: WantedLanes, start: u32) -> Self {
        Self { lanes, sharder: None, slots: vec![Slot::Down], start, hunting: 0, serials: 0 }
    }

    /// Which lanes are wanted.
    #[must_use]
    pub fn lanes(&self) -> WantedLanes {
        self.lanes
    }

    /// How the node divides its data, once it is known.
    #[must_use]
    pub fn sharder(&self) -> Option<Sharder> {
        self.sharder.flatten()
    }

    /// Counts the lanes that are wanted: one at least.
    #[must_use]
    pub fn wanted(&self) -> usize {
        let wanted = self.slots.iter().filter(|slot| **slot != Slot::Unwanted).count();
        wanted.max(1)
    }

    /// Counts the lanes that are up.
    #[must_use]
    pub fn up(&self) -> usize {
        self.slots.iter().filter(|slot| matches!(slot, Slot::Up(_))).count()
    }

    /// Whether every lane is up.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.up() == self.wanted()
    }

    /// Picks what to dial next, and takes it as being dialled. Without any lane the plain port
    /// comes first, one connection alone: the node may have been restarted with other shards.
    /// `port` is where shards can be dialled one by one, `hunt` is whether to look for them on the
    /// plain port otherwise, and `start` picks the first source port.
    pub fn next(&mut self, port: Option<u16>, hunt: bool, start: u32) -> Option<Dial> {
        if self.up() == 0 {
            let busy = self.hunting > 0 || self.slots.contains(&Slot::Dialling);
            return (!busy).then(|| self.hunt());
        }
        let at = self.first_down()?;
        if let (Some(port), Some(sharder)) = (port, self.sharder()) {
            let shard = ShardId(u16::try_from(at).ok()?);
            *self.slots.get_mut(at)? = Slot::Dialling;
            return Some(Dial::Shard { shard, sharder, port, start });
        }
        let missing = self.slots.iter().filter(|slot| **slot == Slot::Down).count();
        (hunt && self.hunting < missing).then(|| self.hunt())
    }

    /// Records a new connection, which came to `shard`.
    pub fn on_opened(&mut self, dial: Dial, shard: ShardId) -> NewConnection {
        self.on_ended(dial);
        let at = if self.lanes == WantedLanes::One { 0 } else { usize::from(shard.0) };
        match self.slots.get_mut(at) {
            Some(slot @ (Slot::Unwanted | Slot::Down | Slot::Dialling)) => {
                let serial = LaneSerial(self.serials);
                self.serials += 1;
                *slot = Slot::Up(serial);
                NewConnection::Lane(serial)
            }
            Some(Slot::Up(_)) | None => NewConnection::Excess,
        }
    }

    /// Records what the node said about its shards, to be called before [`Self::on_opened`].
    /// Returns whether that is new: then earlier lanes are forgotten, for the node was restarted.
    pub fn on_sharder(&mut self, sharder: Option<Sharder>) -> bool {
        if self.sharder == Some(sharder) {
            return false;
        }
        let is_change = self.sharder.replace(sharder).is_some();
        let nr_shards = sharder.map_or(1, |sharder| usize::from(sharder.nr_shards().get()));
        self.slots = match self.lanes {
            WantedLanes::One => vec![Slot::Down],
            WantedLanes::EachShard => vec![Slot::Down; nr_shards],
            WantedLanes::ShardsInUse => vec![Slot::Unwanted; nr_shards],
        };
        is_change
    }

    /// Records that a try failed.
    pub fn on_failed(&mut self, dial: Dial) {
        self.on_ended(dial);
    }

    /// Records that a lane is gone; whether it was one of ours.
    pub fn on_down(&mut self, serial: LaneSerial) -> bool {
        match self.slots.iter_mut().find(|slot| **slot == Slot::Up(serial)) {
            Some(slot) => {
                *slot = Slot::Down;
                true
            }
            None => false,
        }
    }

    /// Records that a request asked for a shard.
    pub fn on_asked_for(&mut self, shard: ShardId) {
        if self.lanes == WantedLanes::ShardsInUse
            && let Some(slot @ Slot::Unwanted) = self.slots.get_mut(usize::from(shard.0))
        {
            *slot = Slot::Down;
        }
    }

    /// Records that a lane was closed as unused.
    pub fn on_unused(&mut self, serial: LaneSerial) {
        let mut slots = self.slots.iter_mut();
        if let Some(slot) = slots.find(|slot| **slot == Slot::Up(serial)) {
            *slot =
                if self.lanes == WantedLanes::ShardsInUse { Slot::Unwanted } else { Slot::Down };
        }
    }

    fn first_down(&self) -> Option<usize> {
        let start = usize::try_from(self.start).ok()?.checked_rem(self.slots.len())?;
        let (before, from) = self.slots.split_at_checked(start)?;
        let down = |slots: &[Slot]| slots.iter().position(|slot| *slot == Slot::Down);
        down(from).map(|at| start + at).or_else(|| down(before))
    }

    fn hunt(&mut self) -> Dial {
        self.hunting += 1;
        Dial::Any
    }

    fn on_ended(&mut self, dial: Dial) {
        match dial {
            Dial::Any => self.hunting = self.hunting.saturating_sub(1),
            Dial::Shard { shard, .. } => {
                if let Some(slot) = self.slots.get_mut(usize::from(shard.0))
                    && *slot == Slot::Dialling
                {
                    *slot = Slot::Down;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: u16 = 19_042;

    fn next(slots: &mut LaneSlots) -> Option<Dial> {
        slots.next(Some(PORT), true, 0)
    }

    /// A shard of a node with so many shards.
    fn shard(of: u16, shards: u16) -> Dial {
        let (shard, sharder) = (ShardId(of), Sharder::new(shards, 12).unwrap());
        Dial::Shard { shard, sharder, port: PORT, start: 0 }
    }

    #[test]
    fn the_first_lane_comes_alone_and_by_the_plain_port() {
        let mut slots = LaneSlots::new(WantedLanes::EachShard, 0);
        assert_eq!(next(&mut slots), Some(Dial::Any));
        assert_eq!(next(&mut slots), None);

        slots.on_failed(Dial::Any);
        assert_eq!(next(&mut slots), Some(Dial::Any));
    }

    #[test]
    fn each_missing_shard_is_dialled_once() {
        let mut slots = slots_with(3, 1);
        assert_eq!(next(&mut slots), Some(shard(0, 3)));
        assert_eq!(next(&mut slots), Some(shard(2, 3)));
        assert_eq!(next(&mut slots), None);

        slots.on_failed(shard(0, 3));
        assert_eq!(next(&mut slots), Some(shard(0, 3)));
        assert!(matches!(slots.on_opened(shard(0, 3), ShardId(0)), NewConnection::Lane(_)));
        assert!(matches!(slots.on_opened(shard(2, 3), ShardId(2)), NewConnection::Lane(_)));
        assert!(slots.is_complete());
    }

    #[test]
    fn plans_begin_at_shards_of_their_own_and_go_round() {
        let mut slots = LaneSlots::new(WantedLanes::EachShard, 7);
        let dial = next(&mut slots).unwrap();
        assert!(!slots.on_sharder(Sharder::new(4, 12).ok()));
        assert_eq!(slots.on_opened(dial, ShardId(0)), NewConnection::Lane(LaneSerial(0)));
        let dials: Vec<_> = std::iter::from_fn(|| next(&mut slots)).collect();
        assert_eq!(dials, [3, 1, 2].map(|of| shard(of, 4)));
    }

    #[test]
    fn a_connection_that_came_elsewhere_is_kept_where_it_is_useful() {
        let mut slots = slots_with(3, 1);
        let (zero, two) = (next(&mut slots).unwrap(), next(&mut slots).unwrap());
        assert!(matches!(slots.on_opened(zero, ShardId(2)), NewConnection::Lane(_)));
        assert_eq!(slots.on_opened(two, ShardId(2)), NewConnection::Excess);
        assert_eq!((slots.up(), next(&mut slots)), (2, Some(zero)));
    }

    #[test]
    fn hunting_opens_no_more_than_are_missing() {
        let mut slots = slots_with(3, 1);
        assert_eq!(slots.next(None, false, 0), None);
        assert_eq!(slots.next(None, true, 0), Some(Dial::Any));
        assert_eq!(slots.next(None, true, 0), Some(Dial::Any));
        assert_eq!(slots.next(None, true, 0), None);
        assert_eq!(slots.on_opened(Dial::Any, ShardId(1)), NewConnection::Excess);
        assert_eq!(slots.next(None, true, 0), Some(Dial::Any));
    }

    #[test]
    fn late_news_of_a_lane_does_not_hit_its_successor() {
        let mut slots = slots_with(1, 0);
        assert!(slots.on_down(LaneSerial(0)));
        assert_eq!(next(&mut slots), Some(Dial::Any));
        assert_eq!(slots.on_opened(Dial::Any, ShardId(0)), NewConnection::Lane(LaneSerial(1)));
        assert!(!slots.on_down(LaneSerial(0)));
        assert!(slots.is_complete());
    }

    #[test]
    fn other_shards_mean_all_lanes_anew() {
        let mut slots = slots_with(2, 0);
        assert!(!slots.on_sharder(Sharder::new(2, 12).ok()));
        assert!(slots.on_sharder(Sharder::new(4, 12).ok()));
        assert_eq!((slots.up(), slots.wanted()), (0, 4));
    }

    #[test]
    fn a_set_with_a_keyspace_has_one_lane_on_any_shard() {
        let mut slots = LaneSlots::new(WantedLanes::One, 0);
        let dial = next(&mut slots).unwrap();
        assert!(!slots.on_sharder(Sharder::new(8, 12).ok()));
        assert!(matches!(slots.on_opened(dial, ShardId(5)), NewConnection::Lane(_)));
        assert!(slots.is_complete());
        assert_eq!(next(&mut slots), None);
    }

    #[test]
    fn shards_without_requests_have_no_lane() {
        let mut slots = LaneSlots::new(WantedLanes::ShardsInUse, 0);
        let first = next(&mut slots).unwrap();
        assert!(!slots.on_sharder(Sharder::new(4, 12).ok()));
        assert_eq!(slots.on_opened(first, ShardId(3)), NewConnection::Lane(LaneSerial(0)));
        assert_eq!((next(&mut slots), slots.is_complete()), (None, true));

        slots.on_asked_for(ShardId(1));
        slots.on_asked_for(ShardId(3));
        slots.on_asked_for(ShardId(99));
        let second = next(&mut slots).unwrap();
        assert_eq!(second, shard(1, 4));
        assert_eq!(slots.on_opened(second, ShardId(1)), NewConnection::Lane(LaneSerial(1)));
        assert_eq!((slots.up(), slots.wanted()), (2, 2));
    }

    #[test]
    fn a_lane_closed_as_unused_stays_closed_and_a_lost_one_does_not() {
        let mut slots = LaneSlots::new(WantedLanes::ShardsInUse, 0);
        let first = next(&mut slots).unwrap();
        assert!(!slots.on_sharder(Sharder::new(4, 12).ok()));
        slots.on_opened(first, ShardId(0));
        for shard in [1, 2] {
            slots.on_asked_for(ShardId(shard));
            let dial = next(&mut slots).unwrap();
            slots.on_opened(dial, ShardId(shard));
        }
        slots.on_unused(LaneSerial(1));
        assert_eq!(next(&mut slots), None);
        assert!(slots.on_down(LaneSerial(2)));
        assert_eq!(next(&mut slots), Some(shard(2, 4)));
    }

    #[test]
    fn a_node_that_lost_all_its_lanes_gets_one_again_without_a_request() {
        let mut slots = LaneSlots::new(WantedLanes::ShardsInUse, 0);
        let first = next(&mut slots).unwrap();
        assert!(!slots.on_sharder(Sharder::new(4, 12).ok()));
        slots.on_opened(first, ShardId(2));
        slots.on_unused(LaneSerial(0));
        assert!(!slots.is_complete());
        assert_eq!(next(&mut slots), Some(Dial::Any));
    }

    fn slots_with(nr_shards: u16, first: u16) -> LaneSlots {
        let mut slots = LaneSlots::new(WantedLanes::EachShard, 0);
        let dial = next(&mut slots).unwrap();
        assert!(!slots.on_sharder(Sharder::new(nr_shards, 12).ok()));
        assert_eq!(slots.on_opened(dial, ShardId(first)), NewConnection::Lane(LaneSerial(0)));
        slots
    }
}

//! The tablets of one table in a grid: a slot for each, found by one multiplication.
//!
//! A table's tablets are as good as equal parts of the ring, so the width of one says how many
//! there are, and a token's place among them. A slot holds all that a request needs, borders and
//! replicas, in half a cache line or a whole one, so that a look-up waits for memory once. Slots
//! are checked, never believed: a tablet may stand one slot beside its own, and what does not fit,
//! as ranges of very different widths do not, is refused and kept elsewhere.

use std::ops::RangeInclusive;

use crate::topology::id::NodeId;
use crate::topology::tablet::ReplicaList;
use crate::topology::tablet::Tablet;
use crate::topology::tablet_map::arena::Arena;
use crate::topology::tablet_map::arena::UNIT;

/// Bytes of a slot before the replicas: first and last token.
const BORDERS: usize = 16;

/// Bytes of a replica.
const REPLICA: usize = 4;

/// Bytes of a slot, as a power of two: 4 replicas fit in a narrow slot, 12 in a wide one.
const NARROW_BITS: u8 = 5;
const WIDE_BITS: u8 = 6;

/// Tablets that are dropped at a time for lack of room.
const DROPPED_MAX: usize = 128;

/// How many slots of which size.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct GridShape {
    slots: u32,
    slot_bits: u8,
}

/// Slots along the ring; a slot of zeros is free. They lie in the arena that each call is given.
#[derive(Debug, Default)]
pub(super) struct Grid {
    /// Where slot 0 begins, in units of the arena.
    at: u32,
    slots: u32,
    len: u32,
    /// Where tablets are dropped next for lack of room.
    hand: u32,
    slot_bits: u8,
}

impl GridShape {
    /// The grid that a table has whose tablets are all like this one; `None` when no grid would be
    /// of use.
    pub(super) fn of(tablet: &Tablet) -> Option<Self> {
        let width = u128::from(tablet.last.wrapping_sub(tablet.first).cast_unsigned());
        let slots = ((1_u128 << 64) + width / 2).checked_div(width)?;
        let fits = |bits: &u8| tablet.replicas.list().len() * REPLICA + BORDERS <= 1 << bits;
        let slot_bits = [NARROW_BITS, WIDE_BITS].into_iter().find(fits)?;
        Some(Self { slots: u32::try_from(slots).ok()?, slot_bits })
    }

    /// What it takes of the arena, in units.
    pub(super) fn weight(self) -> usize {
        if self.slots == 0 { 0 } else { Arena::piece(self.units()) }
    }

    fn units(self) -> usize {
        (usize::try_from(self.slots).unwrap_or_default() << self.slot_bits) / UNIT
    }

    /// Whether tablets that ask for `other` stand here as well.
    pub(super) fn is_near(self, other: Self) -> bool {
        let (own, other_slots) = (u64::from(self.slots), u64::from(other.slots));
        self.slot_bits == other.slot_bits
            && own * 3 <= other_slots * 4
            && other_slots * 2 <= own * 3
    }
}

impl Grid {
    /// An empty grid; `None` when there is no memory for it.
    pub(super) fn new(shape: GridShape, arena: &mut Arena) -> Option<Self> {
        let at = arena.take(shape.units())?;
        Some(Self { at, slots: shape.slots, len: 0, hand: 0, slot_bits: shape.slot_bits })
    }

    /// Gives its memory back.
    pub(super) fn remove(&mut self, arena: &mut Arena) {
        if self.slots > 0 {
            if self.len > 0 {
                let begin = self.begin(0);
                let end = begin + (self.slots() << self.slot_bits);
                arena.bytes_mut().get_mut(begin..end).unwrap_or_default().fill(0);
            }
            arena.give_back(self.at, self.shape().units());
        }
        *self = Self::default();
    }

    pub(super) const fn shape(&self) -> GridShape {
        GridShape { slots: self.slots, slot_bits: self.slot_bits }
    }

    /// Counts the slots.
    pub(super) fn slots(&self) -> usize {
        usize::try_from(self.slots).unwrap_or_default()
    }

    /// Counts the tablets.
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.len).unwrap_or_default()
    }

    #[inline]
    pub(super) fn locate<'a>(&self, arena: &'a Arena, token: i64) -> Option<ReplicaList<'a>> {
        let (slot, bytes) = (self.slot_of(token), arena.bytes());
        // Nearly always the first. The others lie beside it.
        if let Some(replicas) = self.locate_at(bytes, slot, token) {
            return Some(replicas);
        }
        let below = || self.locate_at(bytes, slot.checked_sub(1)?, token);
        self.locate_at(bytes, slot + 1, token).or_else(below)
    }

    /// Whether exactly this tablet stands here.
    pub(super) fn holds(&self, arena: &Arena, tablet: &Tablet) -> bool {
        let (slot, bytes) = (self.slot_of(tablet.last), arena.bytes());
        (slot.saturating_sub(1)..=slot + 1).any(|index| {
            self.borders(bytes, index) == Some((tablet.first, tablet.last))
                && self.replicas(bytes, index) == Some(tablet.replicas.list())
        })
    }

    /// Puts a tablet in its slot or beside it; `false` when it does not fit. None that it overlaps
    /// is here.
    pub(super) fn place(&mut self, arena: &mut Arena, tablet: &Tablet) -> bool {
        let packed = tablet.replicas.list().packed();
        let is_long = packed.len() * REPLICA + BORDERS > 1 << self.slot_bits;
        if is_long || packed.contains(&[0; REPLICA]) {
            return false;
        }
        let half = tablet.last.wrapping_sub(tablet.first).cast_unsigned() / 2;
        let middle = self.slot_of(tablet.first.wrapping_add_unsigned(half));
        // Wherever a token of it leads, it must be within one slot of that.
        let (low, high) = (self.slot_of(tablet.first.saturating_add(1)), self.slot_of(tablet.last));
        let in_reach = high.saturating_sub(1)..=low + 1;
        let bytes = arena.bytes();
        let is_free = |index: &usize| {
            in_reach.contains(index)
                && *index < self.slots()
                && self.borders(bytes, *index).is_none()
        };
        let near = [middle, middle + 1, middle.saturating_sub(1)];
        let Some(index) = near.into_iter().find(is_free) else { return false };
        let Some(slot) = self.slot_mut(arena, index) else { return false };
        let borders = [tablet.first, tablet.last].into_iter().flat_map(i64::to_ne_bytes);
        for (byte, value) in slot.iter_mut().zip(borders.chain(packed.iter().flatten().copied())) {
            *byte = value;
        }
        self.len += 1;
        true
    }

    /// Takes the tablet of a slot out.
    pub(super) fn take(&mut self, arena: &mut Arena, index: usize) -> Option<Tablet> {
        let tablet = self.tablet(arena.bytes(), index)?;
        self.clear(arena, index);
        Some(tablet)
    }

    /// Takes out every tablet that overlaps `(first, last]`. Equal borders don't overlap.
    pub(super) fn cut(&mut self, arena: &mut Arena, first: i64, last: i64, out: &mut Vec<Tablet>) {
        if self.len == 0 {
            return;
        }
        for index in self.near(first, last) {
            let known = self.borders(arena.bytes(), index);
            if known.is_some_and(|known| known.0 < last && known.1 > first) {
                out.extend(self.take(arena, index));
            }
        }
    }

    /// Drops the tablets that name `node`.
    pub(super) fn drop_naming(&mut self, arena: &mut Arena, node: NodeId) {
        for index in 0..self.slots() {
            let replicas = self.replicas(arena.bytes(), index);
            if replicas.is_some_and(|replicas| replicas.names(node)) {
                self.clear(arena, index);
            }
        }
    }

    /// Drops some hundred neighbours, each part of the ring in its turn.
    pub(super) fn drop_some(&mut self, arena: &mut Arena) {
        let kept = self.len().saturating_sub(DROPPED_MAX);
        for _ in 0..self.slots {
            if self.len() <= kept {
                break;
            }
            let index = usize::try_from(self.hand).unwrap_or_default();
            if self.borders(arena.bytes(), index).is_some() {
                self.clear(arena, index);
            }
            self.hand = if self.hand + 1 < self.slots { self.hand + 1 } else { 0 };
        }
    }

    pub(super) fn iter<'a>(&'a self, arena: &'a Arena) -> impl Iterator<Item = Tablet> + 'a {
        (0..self.slots()).filter_map(|index| self.tablet(arena.bytes(), index))
    }

    /// Lists the tablets that end behind `after`, from the first `slots_max` slots where they may stand (4 at
    /// least). Returns the token up to which none was left out.
    pub(super) fn part(
        &self,
        arena: &Arena,
        after: i64,
        slots_max: usize,
        out: &mut Vec<Tablet>,
    ) -> i64 {
        let low = self.slot_of(after.saturating_add(1)).saturating_sub(1);
        let high = low.saturating_add(slots_max).min(self.slots());
        // A tablet may stand one slot beside its own: those of the last slot may stand behind it.
        let up_to = if high == self.slots() { i64::MAX } else { self.before(high - 1) };
        let tablets = (low..high).filter_map(|index| self.tablet(arena.bytes(), index));
        out.extend(tablets.filter(|tablet| after < tablet.last && tablet.last <= up_to));
        up_to
    }

    /// The last token before those of a slot.
    fn before(&self, slot: usize) -> i64 {
        let place = u128::try_from(slot).unwrap_or(u128::MAX) << 64;
        let along = place.div_ceil(u128::from(self.slots.max(1)));
        let along = u64::try_from(along).unwrap_or(u64::MAX);
        (along ^ (1 << 63)).cast_signed().saturating_sub(1)
    }

    /// The slot of the tablet that a token falls in, were they all the same.
    #[inline]
    fn slot_of(&self, token: i64) -> usize {
        let along = token.cast_unsigned() ^ (1 << 63);
        let place = (u128::from(along) * u128::from(self.slots)) >> 64;
        usize::try_from(place).unwrap_or_default()
    }

    /// The slots in which tablets may stand that overlap `(first, last]`.
    fn near(&self, first: i64, last: i64) -> RangeInclusive<usize> {
        let low = self.slot_of(first.saturating_add(1)).saturating_sub(1);
        low..=(self.slot_of(last) + 1).min(self.slots())
    }

    #[inline]
    fn locate_at<'a>(&self, bytes: &'a [u8], index: usize, token: i64) -> Option<ReplicaList<'a>> {
        let slot = self.slot(bytes, index)?;
        let (first, last) = borders(slot)?;
        if first < token && token <= last { replicas(slot) } else { None }
    }

    /// The borders of the tablet in a slot, unless it is free.
    fn borders(&self, bytes: &[u8], index: usize) -> Option<(i64, i64)> {
        borders(self.slot(bytes, index)?).filter(|(first, last)| first < last)
    }

    fn replicas<'a>(&self, bytes: &'a [u8], index: usize) -> Option<ReplicaList<'a>> {
        replicas(self.slot(bytes, index)?)
    }

    fn tablet(&self, bytes: &[u8], index: usize) -> Option<Tablet> {
        let (first, last) = self.borders(bytes, index)?;
        Some(Tablet { first, last, replicas: self.replicas(bytes, index)?.iter().collect() })
    }

    fn clear(&mut self, arena: &mut Arena, index: usize) {
        if let Some(slot) = self.slot_mut(arena, index) {
            slot.fill(0);
            self.len -= 1;
        }
    }

    #[inline]
    fn slot<'a>(&self, bytes: &'a [u8], index: usize) -> Option<&'a [u8]> {
        // What lies behind the last one is another table's.
        if index >= self.slots() {
            return None;
        }
        bytes.get(self.begin(index)..)?.get(..1 << self.slot_bits)
    }

    fn slot_mut<'a>(&self, arena: &'a mut Arena, index: usize) -> Option<&'a mut [u8]> {
        let begin = self.begin(index);
        arena.bytes_mut().get_mut(begin..)?.get_mut(..1 << self.slot_bits)
    }

    #[inline]
    fn begin(&self, index: usize) -> usize {
        usize::try_from(self.at).unwrap_or_default() * UNIT + (index << self.slot_bits)
    }
}

#[inline]
fn borders(slot: &[u8]) -> Option<(i64, i64)> {
    let (first, rest) = slot.split_first_chunk::<8>()?;
    let last = rest.first_chunk::<8>()?;
    Some((i64::from_ne_bytes(*first), i64::from_ne_bytes(*last)))
}

#[inline]
fn replicas(slot: &[u8]) -> Option<ReplicaList<'_>> {
    let (packed, _) = slot.get(BORDERS..)?.as_chunks::<REPLICA>();
    let len = packed.iter().position(|replica| *replica == [0; REPLICA]).unwrap_or(packed.len());
    Some(ReplicaList::of_packed(packed.get(..len)?))
}

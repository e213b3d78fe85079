//! The tablets of one table in a grid: a slot for each, found by one multiplication.
//!
//! A table's tablets are as good as equal parts of the ring, so the width of one tells how many
//! there are, and a token's place among them. A slot holds all that a request needs, borders and
//! replicas, in half a cache line or a whole one, so that a look-up waits for memory once. Slots
//! are checked, never believed: a tablet may stand one slot beside its own, and what does not fit,
//! as ranges of very different widths do not, is refused and kept elsewhere.
//!
//! Memory comes zeroed and untouched from the system, so slots that nobody learns take little.

use std::ops::RangeInclusive;

use crate::topology::id::NodeId;
use crate::topology::tablet::ReplicaList;
use crate::topology::tablet::Tablet;

/// Words of a slot before the replicas: first and last token, the lower half of each first.
const BORDERS: usize = 4;

/// Words of a slot, as a power of two: 4 replicas fit in a narrow slot, 12 in a wide one.
const NARROW_BITS: u8 = 3;
const WIDE_BITS: u8 = 4;

/// Bytes of a cache line: where slots begin, so that none lies in two lines.
const LINE: usize = 64;
const LINE_WORDS: usize = LINE / size_of::<u32>();

/// Tablets that are dropped at a time for lack of room.
const DROPPED_MAX: usize = 128;

/// How many slots of which size.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Shape {
    slots: u32,
    slot_bits: u8,
}

/// Slots along the ring; a slot of zeros is free. Half a cache line itself.
#[repr(align(32))]
#[derive(Debug, Default)]
pub(super) struct Grid {
    words: Box<[u32]>,
    slots: u32,
    len: u32,
    /// Where tablets are dropped next for lack of room.
    hand: u32,
    /// The word where slot 0 begins.
    base: u8,
    slot_bits: u8,
}

impl Shape {
    /// The grid that a table has whose tablets are all like this one; `None` when no grid would be
    /// of use.
    pub(super) fn of(tablet: &Tablet) -> Option<Self> {
        let width = u128::from(tablet.last.wrapping_sub(tablet.first).cast_unsigned());
        let slots = ((1_u128 << 64) + width / 2).checked_div(width)?;
        let fits = |bits: &u8| tablet.replicas.list().len() <= (1 << bits) - BORDERS;
        let slot_bits = [NARROW_BITS, WIDE_BITS].into_iter().find(fits)?;
        Some(Self { slots: u32::try_from(slots).ok()?, slot_bits })
    }

    /// What it takes, counted in narrow slots.
    pub(super) fn weight(self) -> usize {
        (usize::try_from(self.slots).unwrap_or_default() << self.slot_bits) >> NARROW_BITS
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
    pub(super) fn new(shape: Shape) -> Self {
        let slots = usize::try_from(shape.slots).unwrap_or_default();
        let words = vec![0; (slots << shape.slot_bits) + LINE_WORDS].into_boxed_slice();
        let base = words.as_ptr().align_offset(LINE);
        let base = u8::try_from(base).ok().filter(|base| usize::from(*base) < LINE_WORDS);
        Self {
            words,
            slots: shape.slots,
            len: 0,
            hand: 0,
            base: base.unwrap_or_default(),
            slot_bits: shape.slot_bits,
        }
    }

    pub(super) const fn shape(&self) -> Shape {
        Shape { slots: self.slots, slot_bits: self.slot_bits }
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
    pub(super) fn locate(&self, token: i64) -> Option<ReplicaList<'_>> {
        let home = self.home(token);
        // Nearly always the first. The others lie beside it.
        if let Some(replicas) = self.locate_at(home, token) {
            return Some(replicas);
        }
        self.locate_at(home + 1, token).or_else(|| self.locate_at(home.checked_sub(1)?, token))
    }

    /// Whether exactly this tablet stands here.
    pub(super) fn holds(&self, tablet: &Tablet) -> bool {
        let home = self.home(tablet.last);
        (home.saturating_sub(1)..=home + 1).any(|index| {
            self.borders(index) == Some((tablet.first, tablet.last))
                && self.replicas(index) == Some(tablet.replicas.list())
        })
    }

    /// Puts a tablet in its slot or beside it; `false` when it does not fit. None that it overlaps
    /// is here.
    pub(super) fn place(&mut self, tablet: &Tablet) -> bool {
        let packed = tablet.replicas.list().packed();
        if packed.len() + BORDERS > self.slot_words() || packed.contains(&0) {
            return false;
        }
        let half = tablet.last.wrapping_sub(tablet.first).cast_unsigned() / 2;
        let middle = self.home(tablet.first.wrapping_add_unsigned(half));
        // Wherever a token of it leads, it must be within one slot of that.
        let (low, high) = (self.home(tablet.first.saturating_add(1)), self.home(tablet.last));
        let in_reach = high.saturating_sub(1)..=low + 1;
        let is_free = |index: &usize| {
            in_reach.contains(index) && *index < self.slots() && self.borders(*index).is_none()
        };
        let near = [middle, middle + 1, middle.saturating_sub(1)];
        let Some(index) = near.into_iter().find(is_free) else { return false };
        let borders = [tablet.first, tablet.last].map(i64::cast_unsigned);
        let Some(slot) = self.slot_mut(index) else { return false };
        let borders = borders.into_iter().flat_map(halves);
        for (word, value) in slot.iter_mut().zip(borders.chain(packed.iter().copied())) {
            *word = value;
        }
        self.len += 1;
        true
    }

    /// Takes the tablet of a slot out.
    pub(super) fn take(&mut self, index: usize) -> Option<Tablet> {
        let (first, last) = self.borders(index)?;
        let replicas = self.replicas(index)?.iter().collect();
        self.clear(index);
        Some(Tablet { first, last, replicas })
    }

    /// Takes out every tablet that overlaps `(first, last]`. Equal borders don't overlap.
    pub(super) fn cut(&mut self, first: i64, last: i64, out: &mut Vec<Tablet>) {
        if self.len == 0 {
            return;
        }
        for index in self.near(first, last) {
            if self.borders(index).is_some_and(|known| known.0 < last && known.1 > first) {
                out.extend(self.take(index));
            }
        }
    }

    /// Drops the tablets that name `node`.
    pub(super) fn drop_naming(&mut self, node: NodeId) {
        for index in 0..self.slots() {
            if self.replicas(index).is_some_and(|replicas| replicas.names(node)) {
                self.clear(index);
            }
        }
    }

    /// Drops some hundred neighbours, each part of the ring in its turn.
    pub(super) fn drop_some(&mut self) {
        let kept = self.len().saturating_sub(DROPPED_MAX);
        for _ in 0..self.slots {
            if self.len() <= kept {
                break;
            }
            let index = usize::try_from(self.hand).unwrap_or_default();
            if self.borders(index).is_some() {
                self.clear(index);
            }
            self.hand = if self.hand + 1 < self.slots { self.hand + 1 } else { 0 };
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Tablet> + '_ {
        (0..self.slots()).filter_map(|index| {
            let (first, last) = self.borders(index)?;
            let replicas = self.replicas(index)?.iter().collect();
            Some(Tablet { first, last, replicas })
        })
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of_val::<[u32]>(&self.words)
    }

    /// The slot of the tablet that a token falls in, were they all the same.
    #[inline]
    fn home(&self, token: i64) -> usize {
        let along = token.cast_unsigned() ^ (1 << 63);
        let place = (u128::from(along) * u128::from(self.slots)) >> 64;
        usize::try_from(place).unwrap_or_default()
    }

    /// The slots in which tablets may stand that overlap `(first, last]`.
    fn near(&self, first: i64, last: i64) -> RangeInclusive<usize> {
        let low = self.home(first.saturating_add(1)).saturating_sub(1);
        low..=(self.home(last) + 1).min(self.slots())
    }

    #[inline]
    fn locate_at(&self, index: usize, token: i64) -> Option<ReplicaList<'_>> {
        let (first, last) = borders(self.slot(index)?)?;
        if first < token && token <= last { self.replicas(index) } else { None }
    }

    /// The borders of the tablet in a slot, unless it is free.
    #[inline]
    fn borders(&self, index: usize) -> Option<(i64, i64)> {
        borders(self.slot(index)?).filter(|(first, last)| first < last)
    }

    #[inline]
    fn replicas(&self, index: usize) -> Option<ReplicaList<'_>> {
        let packed = self.slot(index)?.get(BORDERS..)?;
        let len = packed.iter().position(|replica| *replica == 0).unwrap_or(packed.len());
        Some(ReplicaList::of_packed(packed.get(..len)?))
    }

    fn clear(&mut self, index: usize) {
        if let Some(slot) = self.slot_mut(index) {
            slot.fill(0);
            self.len -= 1;
        }
    }

    #[inline]
    fn slot(&self, index: usize) -> Option<&[u32]> {
        let begin = usize::from(self.base) + (index << self.slot_bits);
        self.words.get(begin..)?.get(..self.slot_words())
    }

    fn slot_mut(&mut self, index: usize) -> Option<&mut [u32]> {
        let begin = usize::from(self.base) + (index << self.slot_bits);
        let words = self.slot_words();
        self.words.get_mut(begin..)?.get_mut(..words)
    }

    #[inline]
    const fn slot_words(&self) -> usize {
        1 << self.slot_bits
    }
}

#[inline]
fn borders(slot: &[u32]) -> Option<(i64, i64)> {
    let [a, b, c, d] = slot.first_chunk::<BORDERS>()?;
    let whole = |low: &u32, high: &u32| (u64::from(*low) | (u64::from(*high) << 32)).cast_signed();
    Some((whole(a, b), whole(c, d)))
}

/// A number as two words, the lower half first.
fn halves(number: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = number.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

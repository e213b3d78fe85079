//! The memory of all tables' grids: one mapping, in large pages beyond a small beginning.
//!
//! A look-up with cold caches waits for its slot, and before that for the page tables that lead to
//! it, which are as cold: in a virtual machine that takes as long again. Large pages save it. They
//! are never partly there, so few tablets keep to the small pages of the beginning.
//!
//! The mapping is as large as it may ever become, but nothing is there until it is written.

use memmap2::Advice;
use memmap2::MmapMut;
use memmap2::MmapOptions;

/// What is given out, in bytes; places are counted in these.
pub(super) const UNIT: usize = 32;

/// Least that is given out: a cache line, so that a slot never lies in two.
const PIECE_MIN: usize = 2;

/// Bytes that are given out of small pages.
const SMALL: usize = 256 << 10;

/// Bytes of a large page.
const LARGE_PAGE: usize = 2 << 20;

/// Most that is mapped, in units: 512 MB of addresses.
const UNITS_MAX: usize = 1 << 24;

/// Pieces of zeroed memory, each a power of two of units.
#[derive(Debug)]
pub(super) struct Arena {
    map: Option<MmapMut>,
    units_max: usize,
    /// What was never given out, in units: of small pages, and of large ones.
    small: Part,
    large: Part,
    /// What was given back, by the power of two.
    free: Vec<Vec<u32>>,
}

#[derive(Debug, Default)]
struct Part {
    begin: usize,
    next: usize,
    end: usize,
}

impl Arena {
    /// Memory for up to so many units; none is taken yet.
    pub(super) fn new(units_max: usize) -> Self {
        Self {
            map: None,
            units_max: units_max.min(UNITS_MAX),
            small: Part::default(),
            large: Part::default(),
            free: Vec::new(),
        }
    }

    /// What a piece of at least so many units takes.
    pub(super) fn piece(units: usize) -> usize {
        units.max(PIECE_MIN).checked_next_power_of_two().unwrap_or(usize::MAX)
    }

    /// Gives out a piece of at least so many units, all zeros; `None` when there is no more.
    pub(super) fn take(&mut self, units: usize) -> Option<u32> {
        let piece = Self::piece(units);
        let class = usize::try_from(piece.trailing_zeros()).ok()?;
        if let Some(given_back) = self.free.get_mut(class).and_then(Vec::pop) {
            return Some(given_back);
        }
        if self.map.is_none() {
            self.map()?;
        }
        self.small.take(piece).or_else(|| self.large.take(piece))
    }

    /// Takes a piece back, which must be all zeros again.
    pub(super) fn give_back(&mut self, at: u32, units: usize) {
        let Ok(class) = usize::try_from(Self::piece(units).trailing_zeros()) else { return };
        if self.free.len() <= class {
            self.free.resize_with(class + 1, Vec::new);
        }
        if let Some(free) = self.free.get_mut(class) {
            free.push(at);
        }
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        self.map.as_deref_mut().unwrap_or_default()
    }

    /// Counts the bytes that were given out, even if they came back.
    pub(super) fn memory_bytes(&self) -> usize {
        (self.small.given() + self.large.given()) * UNIT
    }

    fn map(&mut self) -> Option<()> {
        let len = self.units_max * UNIT + SMALL + LARGE_PAGE;
        let map = MmapOptions::new().len(len).no_reserve_swap().map_anon().ok()?;
        let skipped = map.get(SMALL..)?.as_ptr().align_offset(LARGE_PAGE);
        let large = SMALL.checked_add(skipped).filter(|large| *large < len)?;
        // Where there are no large pages, look-ups take longer and that is all.
        map.advise_range(Advice::HugePage, large, len - large).ok();
        self.small = Part::new(skipped, large);
        self.large = Part::new(large, len);
        self.map = Some(map);
        Some(())
    }
}

impl Part {
    /// Of this byte to that.
    const fn new(begin: usize, end: usize) -> Self {
        Self { begin: begin / UNIT, next: begin / UNIT, end: end / UNIT }
    }

    const fn given(&self) -> usize {
        self.next - self.begin
    }

    fn take(&mut self, piece: usize) -> Option<u32> {
        let end = self.next.checked_add(piece).filter(|end| *end <= self.end)?;
        let at = u32::try_from(self.next).ok()?;
        self.next = end;
        Some(at)
    }
}

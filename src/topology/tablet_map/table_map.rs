//! The tablets of one table: in a grid if they are alike, else in a sorted list.
//!
//! Splits and merges make other tablets than the grid is for. Once a quarter of the table did not
//! fit, a grid of the new shape is made, and the others move into it a few at a time, so that no
//! request waits until all have.

use crate::topology::id::NodeId;
use crate::topology::tablet::ReplicaList;
use crate::topology::tablet::Tablet;
use crate::topology::tablet_map::arena::Arena;
use crate::topology::tablet_map::grid::Grid;
use crate::topology::tablet_map::grid::GridShape;
use crate::topology::tablet_map::ranges::Ranges;

/// One part in this many that does not fit asks for another grid.
const MISFITS_PART: usize = 4;

/// Slots of the grid before that are emptied for each tablet that is learned.
const MOVED_SLOTS: usize = 64;

/// Tablets that are taken from the list, to be tried in the grid, for each that is learned.
const MOVED_RANGES: usize = 16;

/// Tablets that don't overlap: the grid, and what does not stand in it. Half a cache line.
#[repr(align(32))]
#[derive(Debug, Default)]
pub(super) struct TableMap {
    grid: Grid,
    rest: Option<Box<Rest>>,
}

/// What does not stand in the grid.
#[derive(Debug, Default)]
struct Rest {
    /// The grid before, while it is emptied.
    old: Grid,
    ranges: Ranges,
    /// Tablets that did not fit since the grid was made.
    misfits: usize,
    moving: Option<Moving>,
}

/// How far the move into a new grid has come.
#[derive(Clone, Copy, Debug)]
struct Moving {
    /// The slot of the old grid that is emptied next.
    slot: usize,
    /// The last token of the list's tablet that was tried last.
    after: i64,
}

impl TableMap {
    pub(super) fn len(&self) -> usize {
        self.grid.len() + self.rest.as_ref().map_or(0, |rest| rest.old.len() + rest.ranges.len())
    }

    /// What the grids take of the arena, in units.
    pub(super) fn weight(&self) -> usize {
        let old = self.rest.as_ref().map_or(0, |rest| rest.old.shape().weight());
        self.grid.shape().weight() + old
    }

    #[inline]
    pub(super) fn locate<'a>(&'a self, arena: &'a Arena, token: i64) -> Option<ReplicaList<'a>> {
        match self.grid.locate(arena, token) {
            Some(replicas) => Some(replicas),
            None => self.rest.as_ref()?.locate(arena, token),
        }
    }

    /// Whether exactly this tablet is known.
    pub(super) fn holds(&self, arena: &Arena, tablet: &Tablet) -> bool {
        self.grid.holds(arena, tablet)
            || self
                .rest
                .as_ref()
                .is_some_and(|rest| rest.old.holds(arena, tablet) || rest.ranges.holds(tablet))
    }

    /// Takes out every tablet that overlaps `(first, last]`. Equal borders don't overlap.
    pub(super) fn cut(&mut self, arena: &mut Arena, first: i64, last: i64) -> Vec<Tablet> {
        let mut out = Vec::new();
        self.grid.cut(arena, first, last, &mut out);
        if let Some(rest) = &mut self.rest {
            rest.old.cut(arena, first, last, &mut out);
            rest.ranges.cut(first, last, &mut out);
        }
        out.sort_unstable_by_key(|tablet| tablet.last);
        out
    }

    /// Puts a tablet in its place. None that it overlaps is left, see [`TableMap::cut`]. The grids
    /// may weigh up to `weight_max`.
    pub(super) fn add(&mut self, arena: &mut Arena, tablet: Tablet, weight_max: usize) {
        self.move_some(arena);
        if self.grid.place(arena, &tablet) {
            return;
        }
        if self.wants_another_grid()
            && self.reshape(arena, &tablet, weight_max)
            && self.grid.place(arena, &tablet)
        {
            return;
        }
        let rest = self.rest.get_or_insert_default();
        rest.misfits += 1;
        rest.ranges.add(tablet);
    }

    /// Drops the tablets that name `node`, and counts them.
    pub(super) fn drop_naming(&mut self, arena: &mut Arena, node: NodeId) -> usize {
        let before = self.len();
        self.grid.drop_naming(arena, node);
        if let Some(rest) = &mut self.rest {
            rest.old.drop_naming(arena, node);
            rest.ranges.drop_naming(node);
        }
        self.dropped(arena, before)
    }

    /// Drops some hundred neighbours, each part in its turn, and counts them.
    pub(super) fn drop_some(&mut self, arena: &mut Arena) -> usize {
        let before = self.len();
        match &mut self.rest {
            Some(rest) if rest.old.len() > 0 => rest.old.drop_some(arena),
            Some(rest) if rest.ranges.len() > self.grid.len() => rest.ranges.drop_some(),
            Some(_) | None => self.grid.drop_some(arena),
        }
        self.dropped(arena, before)
    }

    /// Lists them in token order.
    pub(super) fn tablets(&self, arena: &Arena) -> Vec<Tablet> {
        let mut all: Vec<Tablet> = self.grid.iter(arena).collect();
        if let Some(rest) = &self.rest {
            all.extend(rest.old.iter(arena).chain(rest.ranges.iter()));
        }
        all.sort_unstable_by_key(|tablet| tablet.last);
        all
    }

    /// Lists some tablets that end behind `after`, in token order, and returns the token up to which none was left
    /// out. `max` bounds what is looked at in each place.
    pub(super) fn part(&self, arena: &Arena, after: i64, max: usize) -> (Vec<Tablet>, i64) {
        let mut out = Vec::new();
        let mut up_to = self.grid.part(arena, after, max, &mut out);
        if let Some(rest) = &self.rest {
            up_to = up_to.min(rest.old.part(arena, after, max, &mut out));
            up_to = up_to.min(rest.ranges.part(after, max, &mut out));
        }
        out.retain(|tablet| tablet.last <= up_to);
        out.sort_unstable_by_key(|tablet| tablet.last);
        (out, up_to)
    }

    /// Drops all, and gives back what it took.
    pub(super) fn clear(&mut self, arena: &mut Arena) {
        self.grid.remove(arena);
        if let Some(mut rest) = self.rest.take() {
            rest.old.remove(arena);
        }
    }

    /// Estimates the heap that it takes beside the arena.
    pub(super) fn memory_bytes(&self) -> usize {
        self.rest.as_ref().map_or(0, |rest| size_of::<Rest>() + rest.ranges.memory_bytes())
    }

    /// What is gone of so many tablets. A table without any gives back what it took.
    fn dropped(&mut self, arena: &mut Arena, before: usize) -> usize {
        let left = self.len();
        if left == 0 {
            self.clear(arena);
        }
        before - left
    }

    fn wants_another_grid(&self) -> bool {
        let len = self.len();
        self.rest.as_ref().map_or(MISFITS_PART > len, |rest| {
            rest.moving.is_none() && (rest.misfits + 1) * MISFITS_PART > len
        })
    }

    /// Makes a grid for tablets like this one; `false` when it would be none, the same, or too big.
    fn reshape(&mut self, arena: &mut Arena, tablet: &Tablet, weight_max: usize) -> bool {
        if let Some(rest) = &mut self.rest {
            rest.misfits = 0;
        }
        let Some(shape) = GridShape::of(tablet) else { return false };
        let kept = if self.grid.len() > 0 { self.grid.shape().weight() } else { 0 };
        if self.grid.shape().is_near(shape) || shape.weight().saturating_add(kept) > weight_max {
            return false;
        }
        if self.grid.len() == 0 {
            self.grid.remove(arena);
        }
        let Some(grid) = Grid::new(shape, arena) else { return false };
        let old = std::mem::replace(&mut self.grid, grid);
        if old.len() > 0 || self.rest.is_some() {
            let rest = self.rest.get_or_insert_default();
            rest.old = old;
            rest.moving = Some(Moving { slot: 0, after: i64::MIN });
        }
        true
    }

    /// Goes on with the move into the grid, if there is one.
    fn move_some(&mut self, arena: &mut Arena) {
        let Some(rest) = &mut self.rest else { return };
        let Some(Moving { slot, after }) = rest.moving else { return };
        let end = slot.saturating_add(MOVED_SLOTS).min(rest.old.slots());
        let mut moved: Vec<Tablet> =
            (slot..end).filter_map(|slot| rest.old.take(arena, slot)).collect();
        if end == rest.old.slots() || rest.old.len() == 0 {
            rest.old.remove(arena);
        }
        let listed = rest.ranges.take_after(after, MOVED_RANGES);
        let after = listed.last().map(|tablet| tablet.last);
        let is_over = after.is_none() && rest.old.slots() == 0;
        rest.moving = (!is_over).then_some(Moving { slot: end, after: after.unwrap_or(i64::MAX) });
        moved.extend(listed);
        for tablet in moved {
            if !self.grid.place(arena, &tablet) {
                rest.ranges.add(tablet);
            }
        }
    }
}

impl Rest {
    #[inline(never)]
    fn locate<'a>(&'a self, arena: &'a Arena, token: i64) -> Option<ReplicaList<'a>> {
        self.old.locate(arena, token).or_else(|| self.ranges.locate(token))
    }
}

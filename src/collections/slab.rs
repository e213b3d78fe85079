//! Slots that are used again, under keys that are not.

use std::marker::PhantomData;
use std::num::NonZeroU32;

/// Names one entry for ever: a slot that is used again gets another generation.
#[derive(Debug)]
pub struct SlabKey<T> {
    index: u32,
    generation: NonZeroU32,
    of: PhantomData<fn() -> T>,
}

/// Entries found by index, each under a [`SlabKey`] that never comes back.
#[derive(Debug)]
pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: NonZeroU32,
    entry: Option<T>,
}

impl<T> Slab<T> {
    /// Puts `entry` into a free slot.
    pub fn insert(&mut self, entry: T) -> SlabKey<T> {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: NonZeroU32::MIN, entry: None });
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let Some(slot) = self.slots.get_mut(at(index)) else {
            debug_assert!(false, "slot {index} was on the free list");
            return SlabKey { index, generation: NonZeroU32::MAX, of: PhantomData };
        };
        slot.entry = Some(entry);
        SlabKey { index, generation: slot.generation, of: PhantomData }
    }

    /// The entry of `key`, unless it was removed.
    #[inline]
    #[must_use]
    pub fn get(&self, key: SlabKey<T>) -> Option<&T> {
        let slot = self.slots.get(at(key.index))?;
        if slot.generation == key.generation { slot.entry.as_ref() } else { None }
    }

    /// The entry of `key`, unless it was removed.
    #[inline]
    #[must_use]
    pub fn get_mut(&mut self, key: SlabKey<T>) -> Option<&mut T> {
        let slot = self.slots.get_mut(at(key.index))?;
        if slot.generation == key.generation { slot.entry.as_mut() } else { None }
    }

    /// Takes the entry of `key` out; `key` finds nothing any more.
    pub fn remove(&mut self, key: SlabKey<T>) -> Option<T> {
        let slot = self.slots.get_mut(at(key.index))?;
        if slot.generation != key.generation {
            return None;
        }
        let entry = slot.entry.take()?;
        slot.generation = slot.generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        self.free.push(key.index);
        Some(entry)
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All entries with their keys.
    pub fn iter(&self) -> impl Iterator<Item = (SlabKey<T>, &T)> {
        self.slots.iter().zip(0..).filter_map(|(slot, index)| {
            let key = SlabKey { index, generation: slot.generation, of: PhantomData };
            Some((key, slot.entry.as_ref()?))
        })
    }

    /// The entries of `count` slots from the one with index `first` on.
    pub fn part(&self, first: usize, count: usize) -> impl Iterator<Item = &T> {
        self.slots.iter().skip(first).take(count).filter_map(|slot| slot.entry.as_ref())
    }

    /// Number of slots, in use or free.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The keys of all entries.
    #[must_use]
    pub fn keys(&self) -> Vec<SlabKey<T>> {
        self.iter().map(|(key, _)| key).collect()
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> SlabKey<T> {
    /// The slot's index: small, and used again after the entry was removed.
    #[must_use]
    pub fn index(self) -> usize {
        at(self.index)
    }
}

impl<T> Clone for SlabKey<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SlabKey<T> {}

impl<T> PartialEq for SlabKey<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.index, self.generation) == (other.index, other.generation)
    }
}

impl<T> Eq for SlabKey<T> {}

impl<T> std::hash::Hash for SlabKey<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.index, self.generation).hash(state);
    }
}

fn at(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_does_not_find_who_came_after() {
        let mut slab = Slab::default();
        let first = slab.insert("first");
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second");

        assert_eq!(second.index(), first.index());
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&"second"));
        assert_eq!(slab.len(), 1);
    }
}

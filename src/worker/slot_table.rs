//! Which slot the socket of a client or a lane is in: found by index, without hashing.

use crate::collections::slab::Key;

/// Slots by key.
#[derive(Debug)]
pub(crate) struct SlotTable<T> {
    by_index: Vec<Option<(Key<T>, usize)>>,
    len: usize,
}

impl<T> SlotTable<T> {
    /// Puts a key's slot.
    pub(crate) fn insert(&mut self, key: Key<T>, slot: usize) {
        let index = key.index();
        if self.by_index.len() <= index {
            self.by_index.resize_with(index + 1, || None);
        }
        if let Some(place) = self.by_index.get_mut(index)
            && place.replace((key, slot)).is_none()
        {
            self.len += 1;
        }
    }

    /// The slot of a key.
    #[inline]
    #[must_use]
    pub(crate) fn get(&self, key: Key<T>) -> Option<usize> {
        let (known, slot) = (*self.by_index.get(key.index())?)?;
        (known == key).then_some(slot)
    }

    /// Takes a key out.
    pub(crate) fn remove(&mut self, key: Key<T>) -> Option<usize> {
        let slot = self.get(key)?;
        *self.by_index.get_mut(key.index())? = None;
        self.len -= 1;
        Some(slot)
    }

    /// All keys with their slots.
    #[must_use]
    pub(crate) fn all(&self) -> Vec<(Key<T>, usize)> {
        self.by_index.iter().copied().flatten().collect()
    }

    /// Whether there is no key.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<T> Default for SlotTable<T> {
    fn default() -> Self {
        Self { by_index: Vec::new(), len: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collections::slab::Slab;

    #[test]
    fn a_key_that_comes_after_another_does_not_find_its_slot() {
        let mut slab = Slab::default();
        let mut table = SlotTable::default();
        let first = slab.insert('a');
        table.insert(first, 7);
        slab.remove(first);
        let second = slab.insert('b');

        assert_eq!((table.get(first), table.get(second)), (Some(7), None));
        assert_eq!(table.remove(second), None);
        table.insert(second, 8);
        assert_eq!((table.get(first), table.get(second)), (None, Some(8)));
        assert_eq!((table.remove(second), table.is_empty()), (Some(8), true));
    }
}

//! What is kept beside the entries of a slab, under their keys: found by index, without hashing.

use crate::collections::slab::SlabKey;

/// Values by key.
#[derive(Debug)]
pub(crate) struct KeyTable<T, V> {
    by_index: Vec<Option<(SlabKey<T>, V)>>,
    len: usize,
}

impl<T, V: Copy> KeyTable<T, V> {
    /// Puts a key's value.
    pub(crate) fn insert(&mut self, key: SlabKey<T>, value: V) {
        let index = key.index();
        if self.by_index.len() <= index {
            self.by_index.resize_with(index + 1, || None);
        }
        if let Some(place) = self.by_index.get_mut(index)
            && place.replace((key, value)).is_none()
        {
            self.len += 1;
        }
    }

    /// The value of a key.
    #[inline]
    #[must_use]
    pub(crate) fn get(&self, key: SlabKey<T>) -> Option<V> {
        let (known, value) = (*self.by_index.get(key.index())?)?;
        (known == key).then_some(value)
    }

    /// Takes a key out.
    pub(crate) fn remove(&mut self, key: SlabKey<T>) -> Option<V> {
        let value = self.get(key)?;
        *self.by_index.get_mut(key.index())? = None;
        self.len -= 1;
        Some(value)
    }

    /// All keys with their values.
    #[must_use]
    pub(crate) fn all(&self) -> Vec<(SlabKey<T>, V)> {
        self.by_index.iter().copied().flatten().collect()
    }

    /// Whether there is no key.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<T, V> Default for KeyTable<T, V> {
    fn default() -> Self {
        Self { by_index: Vec::new(), len: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collections::slab::Slab;

    #[test]
    fn a_key_that_comes_after_another_does_not_find_its_value() {
        let mut slab = Slab::default();
        let mut table = KeyTable::default();
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

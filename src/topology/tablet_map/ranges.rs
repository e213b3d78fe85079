//! Tablets of one table, sorted, in chunks: those that are too different for a grid.
//!
//! One sorted list would move half of itself for every tablet that is learned: quadratic in the
//! number of tablets. Chunks bound that to [`CHUNK_LEN_MAX`]; a list of the chunks' last tokens
//! finds the chunk. Last tokens lie apart from the rest, and a search starts where the token would
//! stand if all tablets were as long, which they nearly are: so it touches few cache lines. Between
//! two requests the kernel runs, and there is little left of the map in the cache.

use crate::topology::id::NodeId;
use crate::topology::tablet::ReplicaList;
use crate::topology::tablet::Replicas;
use crate::topology::tablet::Tablet;

/// Tablets of a full chunk, which is then cut in two.
const CHUNK_LEN_MAX: usize = 256;

/// Lists shorter than this lie in two or three cache lines: halving finds as fast as guessing.
const GUESSED_LEN_MIN: usize = 24;

/// Tablets that don't overlap, in token order.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    /// The last token of each chunk.
    tops: Vec<i64>,
    chunks: Vec<Chunk>,
    len: usize,
    /// Which chunk was dropped last for lack of room.
    dropped_chunk: usize,
}

/// Neighbours; never empty.
#[derive(Debug, Default)]
struct Chunk {
    lasts: Vec<i64>,
    /// As many as `lasts`.
    spans: Vec<Span>,
}

/// A tablet without its last token.
#[derive(Debug)]
struct Span {
    first: i64,
    replicas: Replicas,
}

impl Ranges {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn locate(&self, token: i64) -> Option<ReplicaList<'_>> {
        let index = seek(&self.tops, i64::MIN, i64::MAX, token);
        let chunk = self.chunks.get(index)?;
        let below = index.checked_sub(1).and_then(|index| self.tops.get(index));
        let top = self.tops.get(index)?;
        let span =
            chunk.spans.get(seek(&chunk.lasts, below.copied().unwrap_or(i64::MIN), *top, token))?;
        (span.first < token).then(|| span.replicas.list())
    }

    /// Whether exactly this tablet is known.
    pub(super) fn holds(&self, tablet: &Tablet) -> bool {
        let find = || {
            let chunk = self.chunks.get(self.tops.partition_point(|top| *top < tablet.last))?;
            let index = chunk.lasts.binary_search(&tablet.last).ok()?;
            chunk.spans.get(index)
        };
        find().is_some_and(|span| span.first == tablet.first && span.replicas == tablet.replicas)
    }

    /// Takes out every tablet that overlaps `(first, last]`. Equal borders don't overlap.
    pub(super) fn cut(&mut self, first: i64, last: i64, out: &mut Vec<Tablet>) {
        let before = out.len();
        let begin = self.tops.partition_point(|top| *top <= first);
        let mut emptied = begin..begin;
        let rest = self.chunks.iter_mut().zip(&mut self.tops).enumerate().skip(begin);
        for (index, (chunk, top)) in rest {
            chunk.cut(first, last, out);
            match chunk.lasts.last() {
                // Only the first chunk can keep something below, so the emptied ones are neighbours.
                None if emptied.is_empty() => emptied = index..index + 1,
                None => emptied.end = index + 1,
                Some(remaining) => {
                    *top = *remaining;
                    if *remaining > first {
                        break;
                    }
                }
            }
        }
        self.chunks.drain(emptied.clone());
        self.tops.drain(emptied);
        self.len -= out.len() - before;
    }

    /// Takes out up to `max` tablets that follow the one up to `after`; none when it is the last.
    pub(super) fn take_after(&mut self, after: i64, max: usize) -> Vec<Tablet> {
        let index = self.tops.partition_point(|top| *top <= after);
        let Some((chunk, top)) = self.chunks.get_mut(index).zip(self.tops.get_mut(index)) else {
            return Vec::new();
        };
        let taken = chunk.take_after(after, max);
        self.len -= taken.len();
        if let Some(last) = chunk.lasts.last() {
            *top = *last;
        } else {
            self.chunks.remove(index);
            self.tops.remove(index);
        }
        taken
    }

    /// Puts a tablet in its place. None that it overlaps is left, see [`Ranges::cut`].
    pub(super) fn add(&mut self, tablet: Tablet) {
        let last = tablet.last;
        let index = self.tops.partition_point(|top| *top < last);
        let index = index.min(self.chunks.len().saturating_sub(1));
        self.len += 1;
        let (Some(chunk), Some(top)) = (self.chunks.get_mut(index), self.tops.get_mut(index))
        else {
            let mut chunk = Chunk::default();
            chunk.add(tablet);
            self.chunks.push(chunk);
            self.tops.push(last);
            return;
        };
        let upper = chunk.split_if_full();
        let lower_top = chunk.lasts.last().copied();
        let Some((mut upper, lower_top)) = upper.zip(lower_top) else {
            chunk.add(tablet);
            *top = last.max(*top);
            return;
        };
        let upper_top = last.max(*top);
        if last < lower_top {
            chunk.add(tablet);
        } else {
            upper.add(tablet);
        }
        *top = lower_top;
        self.chunks.insert(index + 1, upper);
        self.tops.insert(index + 1, upper_top);
    }

    /// Drops the tablets that name `node`.
    pub(super) fn drop_naming(&mut self, node: NodeId) {
        let is_named = |span: &Span| span.replicas.list().names(node);
        if !self.chunks.iter().any(|chunk| chunk.spans.iter().any(is_named)) {
            return;
        }
        for chunk in std::mem::take(self).chunks {
            for tablet in chunk.into_tablets() {
                if !tablet.replicas.list().names(node) {
                    self.add(tablet);
                }
            }
        }
    }

    /// Drops a chunk of tablets, each one in its turn.
    pub(super) fn drop_some(&mut self) {
        if self.chunks.is_empty() {
            return;
        }
        self.dropped_chunk = (self.dropped_chunk + 1) % self.chunks.len();
        self.tops.remove(self.dropped_chunk);
        self.len -= self.chunks.remove(self.dropped_chunk).lasts.len();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Tablet> + '_ {
        self.chunks.iter().flat_map(|chunk| {
            let pairs = chunk.lasts.iter().zip(&chunk.spans);
            pairs.map(|(last, Span { first, replicas })| Tablet {
                first: *first,
                last: *last,
                replicas: replicas.clone(),
            })
        })
    }

    /// Lists up to `max` tablets that end behind `after`. Returns the token up to which none was left out.
    pub(super) fn part(&self, after: i64, max: usize, out: &mut Vec<Tablet>) -> i64 {
        let begin = self.tops.partition_point(|top| *top <= after);
        let mut room = max;
        for chunk in self.chunks.iter().skip(begin) {
            let known = chunk.lasts.partition_point(|last| *last <= after);
            let pairs = chunk.lasts.iter().zip(&chunk.spans).skip(known);
            for (last, Span { first, replicas }) in pairs {
                let (first, last, replicas) = (*first, *last, replicas.clone());
                out.push(Tablet { first, last, replicas });
                room = room.saturating_sub(1);
                if room == 0 {
                    return last;
                }
            }
        }
        i64::MAX
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let own =
            self.tops.capacity() * size_of::<i64>() + self.chunks.capacity() * size_of::<Chunk>();
        own + self.chunks.iter().map(Chunk::memory_bytes).sum::<usize>()
    }
}

impl Chunk {
    fn add(&mut self, tablet: Tablet) {
        let Tablet { first, last, replicas } = tablet;
        let index = self.lasts.partition_point(|known| *known < last);
        self.lasts.insert(index, last);
        self.spans.insert(index, Span { first, replicas });
    }

    fn cut(&mut self, first: i64, last: i64, out: &mut Vec<Tablet>) {
        let begin = self.lasts.partition_point(|known| *known <= first);
        let end = self.spans.partition_point(|span| span.first < last);
        if begin < end {
            let pairs = self.lasts.drain(begin..end).zip(self.spans.drain(begin..end));
            out.extend(pairs.map(tablet));
        }
    }

    fn take_after(&mut self, after: i64, max: usize) -> Vec<Tablet> {
        let begin = self.lasts.partition_point(|known| *known <= after);
        let end = begin.saturating_add(max).min(self.lasts.len());
        self.lasts.drain(begin..end).zip(self.spans.drain(begin..end)).map(tablet).collect()
    }

    /// The upper half of a full chunk.
    fn split_if_full(&mut self) -> Option<Self> {
        let half = CHUNK_LEN_MAX / 2;
        (self.lasts.len() >= CHUNK_LEN_MAX)
            .then(|| Self { lasts: self.lasts.split_off(half), spans: self.spans.split_off(half) })
    }

    fn into_tablets(self) -> impl Iterator<Item = Tablet> {
        self.lasts.into_iter().zip(self.spans).map(tablet)
    }

    fn memory_bytes(&self) -> usize {
        let spilled: usize = self.spans.iter().map(|span| span.replicas.heap_bytes()).sum();
        let lasts = self.lasts.capacity() * size_of::<i64>();
        lasts + self.spans.capacity() * size_of::<Span>() + spilled
    }
}

fn tablet((last, Span { first, replicas }): (i64, Span)) -> Tablet {
    Tablet { first, last, replicas }
}

/// The first of `lasts` that is not below `token`, as an index; they divide `(low, high]`.
#[inline]
fn seek(lasts: &[i64], low: i64, high: i64, token: i64) -> usize {
    let is_below = |index: usize| lasts.get(index).is_some_and(|last| *last < token);
    let (mut from, mut to, mut step) = (0, lasts.len(), 1);
    if lasts.len() >= GUESSED_LEN_MIN {
        let guess = guess(lasts.len(), low, high, token);
        if is_below(guess) {
            (from, to) = (guess + 1, guess + 1);
            while is_below(to) {
                from = to + 1;
                to += step;
                step *= 2;
            }
            to = to.min(lasts.len());
        } else {
            to = guess;
            while let Some(probe) = to.checked_sub(step) {
                if is_below(probe) {
                    from = probe + 1;
                    break;
                }
                to = probe;
                step *= 2;
            }
        }
    }
    from + lasts.get(from..to).unwrap_or_default().partition_point(|last| *last < token)
}

/// Where `token` would stand among `len` tablets of the same length that divide `(low, high]`.
#[inline]
fn guess(len: usize, low: i64, high: i64, token: i64) -> usize {
    let width = high.wrapping_sub(low).cast_unsigned();
    let above = token.wrapping_sub(low).cast_unsigned();
    // 32 bits are more than enough to guess with, and a product of two does not overflow.
    let shift = 32_u32.saturating_sub(width.leading_zeros());
    let count = u64::try_from(len).unwrap_or(u64::MAX);
    let guess = (above >> shift).saturating_mul(count) / (width >> shift).max(1);
    usize::try_from(guess).unwrap_or(usize::MAX).min(len.saturating_sub(1))
}

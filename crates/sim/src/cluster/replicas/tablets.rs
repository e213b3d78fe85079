//! The tablets of one table: ranges, replicas, split, merge.

/// A replica: number of the node, and shard.
pub type Replica = (usize, u16);

/// A range of tokens with its replicas. The range begins after the last token of the tablet before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tablet {
    /// The last token of the range, inclusive.
    pub last: i64,
    /// Nodes and shards that store it.
    pub replicas: Vec<Replica>,
    /// The replica that is on its way, and where to. Nodes judge requests by `replicas` until it is there.
    pub moving: Option<(Replica, Replica)>,
}

impl Tablet {
    /// A tablet that stays where it is.
    #[must_use]
    pub fn new(last: i64, replicas: Vec<Replica>) -> Self {
        Self { last, replicas, moving: None }
    }

    /// The replicas that it will have; `None` while none is on its way.
    #[must_use]
    pub fn new_replicas(&self) -> Option<Vec<Replica>> {
        let (from, to) = self.moving?;
        let after = |replica: &Replica| if *replica == from { to } else { *replica };
        Some(self.replicas.iter().map(after).collect())
    }
}

/// All tablets of one table, sorted by token, without gaps.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tablets {
    /// Id of the table; a table that is created again has another id.
    pub table_id: [u8; 16],
    tablets: Vec<Tablet>,
}

impl Tablets {
    /// Divides the ring into `count` tablets; `replicas` chooses for each.
    pub(crate) fn new(
        table_id: [u8; 16],
        count: u32,
        mut replicas: impl FnMut(usize) -> Vec<Replica>,
    ) -> Self {
        let lasts = boundaries(count).into_iter().enumerate();
        let tablets = lasts.map(|(index, last)| Tablet::new(last, replicas(index)));
        Self { table_id, tablets: tablets.collect() }
    }

    /// All of them, sorted.
    #[must_use]
    pub fn all(&self) -> &[Tablet] {
        &self.tablets
    }

    /// All of them with their exclusive first tokens.
    pub fn ranges(&self) -> impl Iterator<Item = (i64, &Tablet)> {
        let firsts = std::iter::once(i64::MIN).chain(self.tablets.iter().map(|tablet| tablet.last));
        firsts.zip(&self.tablets)
    }

    /// The tablet of a token, with the (exclusive) first token of its range.
    #[must_use]
    pub fn locate(&self, token: i64) -> Option<(i64, &Tablet)> {
        let index = self.tablets.partition_point(|tablet| tablet.last < token);
        let before = index.checked_sub(1).and_then(|before| self.tablets.get(before));
        Some((before.map_or(i64::MIN, |tablet| tablet.last), self.tablets.get(index)?))
    }

    /// The tablet of a token, to change its replicas.
    pub(crate) fn locate_mut(&mut self, token: i64) -> Option<&mut Tablet> {
        let index = self.tablets.partition_point(|tablet| tablet.last < token);
        self.tablets.get_mut(index)
    }

    /// All tablets, to change their replicas.
    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut Tablet> {
        self.tablets.iter_mut()
    }

    /// Halves every tablet; both halves keep the replicas, and none is on its way any more.
    pub(crate) fn split(&mut self) {
        let mut halves = Vec::with_capacity(self.tablets.len() * 2);
        for (first, tablet) in self.ranges() {
            let middle = midpoint(first, tablet.last);
            halves.push(Tablet::new(middle, tablet.replicas.clone()));
            halves.push(Tablet::new(tablet.last, tablet.replicas.clone()));
        }
        self.tablets = halves;
    }

    /// Joins neighbours in pairs; of an odd number the first is left alone (2026.3 does so).
    /// Replicas of the left one of a pair win: the server moves both together before it merges.
    pub(crate) fn merge(&mut self) {
        let (alone, pairs) = self.tablets.split_at(self.tablets.len() % 2);
        let mut merged = alone.to_vec();
        for pair in pairs.chunks_exact(2) {
            if let [left, right] = pair {
                merged.push(Tablet::new(right.last, left.replicas.clone()));
            }
        }
        self.tablets = merged;
    }
}

/// The last tokens of `count` tablets of a new table, as ScyllaDB 2026.3 chooses them: an odd
/// number of equal ranges, the last one taking the rest, then halved until there are enough.
fn boundaries(count: u32) -> Vec<i64> {
    let count = count.max(1);
    let odd = count >> count.trailing_zeros();
    let step = u64::try_from((1_u128 << 64) / u128::from(odd)).unwrap_or(u64::MAX);
    let unbias = |biased: u64| (biased ^ (1 << 63)).cast_signed();
    let mut lasts: Vec<i64> =
        (1..odd).map(|index| unbias(step.wrapping_mul(u64::from(index)))).collect();
    lasts.push(i64::MAX);
    for _ in 0..count.trailing_zeros() {
        let firsts: Vec<i64> = std::iter::once(i64::MIN).chain(lasts.iter().copied()).collect();
        lasts = firsts
            .iter()
            .zip(&lasts)
            .flat_map(|(first, last)| [midpoint(*first, *last), *last])
            .collect();
    }
    lasts
}

/// The last token of the left half of `(first, last]`.
fn midpoint(first: i64, last: i64) -> i64 {
    // The mean of two i64 rounded down fits an i64.
    i64::try_from((i128::from(first) + i128::from(last)) >> 1).unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tablets(count: u32) -> Tablets {
        Tablets::new([0; 16], count, |index| vec![(index % 3, 0)])
    }

    fn lasts(tablets: &Tablets) -> Vec<i64> {
        tablets.all().iter().map(|tablet| tablet.last).collect()
    }

    #[test]
    fn powers_of_two_have_the_boundaries_of_scylladb_6_2() {
        assert_eq!(boundaries(1), [i64::MAX]);
        assert_eq!(boundaries(2), [-1, i64::MAX]);
        let four = [-4_611_686_018_427_387_905, -1, 4_611_686_018_427_387_903, i64::MAX];
        assert_eq!(boundaries(4), four);
    }

    #[test]
    fn other_counts_have_the_boundaries_of_scylladb_2026_3() {
        let three = [-3_074_457_345_618_258_603, 3_074_457_345_618_258_602, i64::MAX];
        assert_eq!(boundaries(3), three);
        let seven = [
            -6_588_122_883_467_697_006,
            -3_952_873_730_080_618_204,
            -1_317_624_576_693_539_402,
            1_317_624_576_693_539_400,
            3_952_873_730_080_618_202,
            6_588_122_883_467_697_004,
            i64::MAX,
        ];
        assert_eq!(boundaries(7), seven);
        let twelve = [
            -7_686_143_364_045_646_507,
            -6_148_914_691_236_517_206,
            -4_611_686_018_427_387_905,
            -3_074_457_345_618_258_603,
            -1_537_228_672_809_129_302,
            -1,
            1_537_228_672_809_129_300,
            3_074_457_345_618_258_602,
            4_611_686_018_427_387_903,
            6_148_914_691_236_517_204,
            7_686_143_364_045_646_505,
            i64::MAX,
        ];
        assert_eq!(boundaries(12), twelve);
    }

    #[test]
    fn a_split_halves_every_tablet_where_it_lies() {
        let mut table = tablets(3);
        table.split();
        assert_eq!(lasts(&table), boundaries(6));
        assert_eq!(table.all()[2].replicas, table.all()[3].replicas);
    }

    #[test]
    fn a_merge_of_an_odd_number_leaves_the_first_alone() {
        let mut table = tablets(7);
        table.merge();
        let four = [
            -6_588_122_883_467_697_006,
            -1_317_624_576_693_539_402,
            3_952_873_730_080_618_202,
            i64::MAX,
        ];
        assert_eq!(lasts(&table), four);
    }

    #[test]
    fn a_merge_undoes_a_split() {
        let before = tablets(5);
        let mut table = before.clone();
        table.split();
        table.merge();
        assert_eq!(table, before);
    }

    #[test]
    fn a_range_ends_with_its_last_token_and_begins_behind_the_one_before() {
        let table = tablets(2);
        let at = |token| table.locate(token).map(|(first, tablet)| (first, tablet.last));
        assert_eq!(at(i64::MIN + 1), Some((i64::MIN, -1)));
        assert_eq!(at(-1), Some((i64::MIN, -1)));
        assert_eq!(at(0), Some((-1, i64::MAX)));
        assert_eq!(at(i64::MAX), Some((-1, i64::MAX)));
    }
}

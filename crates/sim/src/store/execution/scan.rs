//! Walks over the rows of a SELECT, page by page.

use crate::cql::error::CqlError;
use crate::cql::expression::Inputs;
use crate::store::data::rows::Partition;
use crate::store::data::rows::PartitionKey;
use crate::store::data::rows::Slice;
use crate::store::data::rows::TableRows;
use crate::store::data::rows::View;
use crate::store::execution::filter;
use crate::store::execution::filter::Computed;
use crate::store::execution::paging::PagingState;
use crate::store::plans::select::SelectPlan;

/// How many rows to return.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// LIMIT.
    pub(crate) rows: Option<usize>,
    /// PER PARTITION LIMIT.
    pub(crate) per_partition: Option<usize>,
    /// Page size.
    pub(crate) page: Option<i32>,
}

type Visit<'v> = dyn FnMut(&View<'_>) -> Result<(), CqlError> + 'v;

struct Walk<'w> {
    plan: &'w SelectPlan,
    tests: Vec<Computed<'w>>,
    limits: Limits,
    slice: Slice,
    now: i64,
    /// The last row of the page before this one, until its partition is passed.
    resume: Option<PagingState>,
    /// Rows that LIMIT still allows.
    remaining: Option<i32>,
    /// Rows returned on this page.
    returned: i32,
    /// The last row returned.
    last: Option<PagingState>,
}

/// Whether to go on.
#[derive(Eq, PartialEq)]
enum Step {
    Next,
    PageFull,
    LimitReached,
}

/// Visits the matching rows of the page that begins at the paging state `state`; returns where it
/// ended if there is another.
pub(crate) fn scan(
    plan: &SelectPlan,
    rows: &TableRows,
    inputs: Inputs<'_>,
    limits: Limits,
    state: Option<&[u8]>,
    mut visit: impl FnMut(&View<'_>) -> Result<(), CqlError>,
) -> Result<Option<PagingState>, CqlError> {
    let resume = state.filter(|state| !state.is_empty()).map(PagingState::decode).transpose()?;
    let tests = filter::compute(&plan.restrictions.tests, &plan.table, inputs)?;
    let limit = limits.rows.map(|rows| i32::try_from(rows).unwrap_or(i32::MAX));
    let mut walk = Walk {
        plan,
        slice: filter::slice(&tests, &plan.table),
        tests,
        limits,
        now: inputs.moment.now_micros.div_euclid(1_000_000),
        remaining: resume.as_ref().map_or(limit, |state| state.remaining),
        resume,
        returned: 0,
        last: None,
    };
    let named = filter::partitions(&plan.restrictions, &plan.table, inputs)?;
    let start = walk.resume.as_ref().map(|state| state.partition.clone());
    let mut step = Step::Next;
    if let Some(named) = named {
        for (key, _) in named.iter().filter(|(key, _)| start.as_ref().is_none_or(|s| key >= s)) {
            if let (Step::Next, Some(partition)) = (&step, rows.partitions.get(key)) {
                step = walk.partition(key, partition, &mut visit)?;
            }
        }
    } else {
        let from = start.unwrap_or((i64::MIN, Vec::new()));
        for (key, partition) in rows.partitions.range(from..) {
            step = walk.partition(key, partition, &mut visit)?;
            if step != Step::Next {
                break;
            }
        }
    }
    Ok(if step == Step::PageFull { walk.last } else { None })
}

impl Walk<'_> {
    fn partition(
        &mut self,
        key: &PartitionKey,
        partition: &Partition,
        visit: &mut Visit<'_>,
    ) -> Result<Step, CqlError> {
        let resume = self.resume.take().filter(|state| state.partition == *key);
        let mut in_partition = resume.as_ref().map_or(0, |state| state.in_partition);
        let mut slice = self.slice.clone();
        if let Some(state) = &resume {
            if self.plan.partitions_only() || state.row.is_none() {
                return Ok(Step::Next);
            }
            if let Some(row) = &state.row {
                skip(&mut slice, row, self.plan.reversed);
            }
        }
        let now = self.now;
        let view = |row| View { token: key.0, partition, row, now };
        let mut any = false;
        for (sort, row) in partition.live_rows(&slice, self.plan.reversed, self.now) {
            any = true;
            let view = view(Some(row));
            if !self.tests.iter().all(|test| test.matches(&view, &self.plan.table)) {
                continue;
            }
            let step = self.offer(&view, key, Some(sort), &mut in_partition, visit)?;
            if step != Step::Next {
                return Ok(step);
            }
            if self.plan.partitions_only() || self.is_partition_done(in_partition) {
                return Ok(Step::Next);
            }
        }
        let alone = !any && resume.is_none() && self.plan.shows_statics();
        if alone && partition.statics.any_live(self.now) {
            let whole = Slice::default();
            if partition.live_rows(&whole, false, self.now).next().is_some() {
                return Ok(Step::Next);
            }
            let view = view(None);
            if self.tests.iter().all(|test| test.matches(&view, &self.plan.table)) {
                return self.offer(&view, key, None, &mut in_partition, visit);
            }
        }
        Ok(Step::Next)
    }

    fn is_partition_done(&self, in_partition: i32) -> bool {
        let returned = usize::try_from(in_partition).unwrap_or(0);
        self.limits.per_partition.is_some_and(|limit| returned >= limit)
    }

    /// Returns one more row, unless the limit or the page is full.
    fn offer(
        &mut self,
        view: &View<'_>,
        key: &PartitionKey,
        sort: Option<&[u8]>,
        in_partition: &mut i32,
        visit: &mut Visit<'_>,
    ) -> Result<Step, CqlError> {
        if self.is_partition_done(*in_partition) {
            return Ok(Step::Next);
        }
        if self.remaining == Some(0) {
            return Ok(Step::LimitReached);
        }
        if self.limits.page.is_some_and(|page| self.returned >= page) {
            return Ok(Step::PageFull);
        }
        visit(view)?;
        self.returned += 1;
        *in_partition += 1;
        self.remaining = self.remaining.map(|remaining| remaining - 1);
        self.last = Some(PagingState {
            partition: key.clone(),
            row: sort.map(<[u8]>::to_vec),
            remaining: self.remaining,
            in_partition: *in_partition,
        });
        Ok(Step::Next)
    }
}

/// Leaves out everything up to `row`, in the order of the walk.
fn skip(slice: &mut Slice, row: &[u8], reversed: bool) {
    if reversed {
        let to = row.to_vec();
        slice.lower(to);
    } else {
        // The shortest key that is greater.
        let mut from = row.to_vec();
        from.push(0);
        slice.from = slice.from.clone().max(from);
    }
}

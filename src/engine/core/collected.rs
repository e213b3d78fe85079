//! The rows of the console that were last collected.

use std::sync::Arc;

use crate::facade::console::contents::Contents;
use crate::facade::console::table::ConsoleTable;

/// How old rows may be that answer a question, µs: several tables of one look belong together.
const FRESH_US: u64 = 200_000;
/// How long rows are kept for the next pages of an answer, µs.
const KEPT_US: u64 = 60_000_000;

/// The rows that were last collected.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    tables: [Option<(Arc<Contents>, u64)>; ConsoleTable::ALL.len()],
}

impl Collected {
    /// Keeps the rows of a table, collected now.
    pub(crate) fn put(&mut self, table: ConsoleTable, contents: Arc<Contents>, now_us: u64) {
        if let Some(place) = self.tables.get_mut(usize::from(table as u8)) {
            *place = Some((contents, now_us));
        }
    }

    /// The rows of a table for the first page of an answer, or for a later one; `None` when they have
    /// to be collected first.
    pub(crate) fn get(
        &self,
        table: ConsoleTable,
        is_later_page: bool,
        now_us: u64,
    ) -> Option<&Arc<Contents>> {
        let (contents, since_us) = self.tables.get(usize::from(table as u8))?.as_ref()?;
        let age_max_us = if is_later_page { KEPT_US } else { FRESH_US };
        (now_us.saturating_sub(*since_us) <= age_max_us).then_some(contents)
    }

    /// Drops rows that are asked for no more.
    pub(crate) fn expire(&mut self, now_us: u64) {
        for place in &mut self.tables {
            let is_old = |(_, since_us): &(_, u64)| now_us.saturating_sub(*since_us) > KEPT_US;
            if place.as_ref().is_some_and(is_old) {
                *place = None;
            }
        }
    }
}

//! The rows of a table of the console, as they were collected.

use std::net::IpAddr;

use cql::values::cell;

/// Rows of one table at most. More are left out: a console is no way to copy a map of a million tablets.
pub const ROWS_MAX: usize = 50_000;

/// The rows of one table, in the order in which they are shown.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Contents {
    rows: Vec<Vec<Option<Vec<u8>>>>,
}

impl Contents {
    /// Adds a row, unless there are too many.
    pub fn push(&mut self, row: ConsoleRow) {
        if self.rows.len() < ROWS_MAX {
            self.rows.push(row.0);
        }
    }

    /// The rows: a cell for each column.
    #[must_use]
    pub fn rows(&self) -> &[Vec<Option<Vec<u8>>>] {
        &self.rows
    }
}

impl FromIterator<ConsoleRow> for Contents {
    fn from_iter<I: IntoIterator<Item = ConsoleRow>>(rows: I) -> Self {
        Self { rows: rows.into_iter().take(ROWS_MAX).map(|row| row.0).collect() }
    }
}

/// Cells of one row, added in the order of the columns.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ConsoleRow(Vec<Option<Vec<u8>>>);

impl ConsoleRow {
    /// Adds a `text`.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.cell(Some(text.as_bytes().to_vec()))
    }

    /// Adds a `text` that may be null.
    #[must_use]
    pub fn text_or_null(self, text: Option<&str>) -> Self {
        self.cell(text.map(|text| text.as_bytes().to_vec()))
    }

    /// Adds a `list<text>`.
    #[must_use]
    pub fn texts(self, texts: &[String]) -> Self {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        self.cell(Some(cell::from_text_list(&texts)))
    }

    /// Adds an `int`; larger numbers are the largest one.
    #[must_use]
    pub fn int(self, number: u64) -> Self {
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        self.cell(Some(number.to_be_bytes().to_vec()))
    }

    /// Adds a `bigint` that counts something.
    #[must_use]
    pub fn count(self, count: u64) -> Self {
        self.bigint(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Adds a `bigint` that counts something, or null.
    #[must_use]
    pub fn count_or_null(self, count: Option<u64>) -> Self {
        match count {
            Some(count) => self.count(count),
            None => self.cell(None),
        }
    }

    /// Adds a `bigint`, or a `timestamp` in milliseconds since 1970.
    #[must_use]
    pub fn bigint(self, number: i64) -> Self {
        self.cell(Some(number.to_be_bytes().to_vec()))
    }

    /// Adds a `double` that may be null.
    #[must_use]
    pub fn double_or_null(self, number: Option<f64>) -> Self {
        self.cell(number.map(|number| number.to_be_bytes().to_vec()))
    }

    /// Adds a `boolean`.
    #[must_use]
    pub fn boolean(self, value: bool) -> Self {
        self.cell(Some(vec![u8::from(value)]))
    }

    /// Adds an `inet`.
    #[must_use]
    pub fn inet(self, address: IpAddr) -> Self {
        self.cell(Some(cell::from_inet(address)))
    }

    /// Adds an `inet`, or nothing.
    #[must_use]
    pub fn inet_or_null(self, address: Option<IpAddr>) -> Self {
        self.cell(address.map(cell::from_inet))
    }

    /// Adds a `blob` or a `uuid`.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        self.cell(Some(bytes.to_vec()))
    }

    fn cell(mut self, cell: Option<Vec<u8>>) -> Self {
        self.0.push(cell);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_no_more_rows_than_the_bound() {
        let mut contents: Contents =
            (0..ROWS_MAX as u64 - 1).map(|n| ConsoleRow::default().count(n)).collect();
        for number in 0..3 {
            contents.push(ConsoleRow::default().count(number));
        }
        assert_eq!(contents.rows().len(), ROWS_MAX);
        assert_eq!(contents.rows().last(), Some(&vec![Some(vec![0; 8])]));
    }
}

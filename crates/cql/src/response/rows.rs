//! RESULT Rows: metadata, then cells (v4 section 4.2.5.2).

use crate::error::WireError;
use crate::notation::{Reader, put_bytes, put_int};
use crate::response::metadata::{ColumnSpec, HAS_MORE_PAGES, Metadata, NO_METADATA};
use crate::response::result::ResultKind;

/// A RESULT Rows, its cells unread.
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    /// The columns.
    pub metadata: Metadata<'a>,
    rows_count: u32,
    cells: &'a [u8],
}

/// One row.
#[derive(Clone, Debug)]
pub struct Row<'a, 'm> {
    /// The cells in the order of the columns; `None` is null.
    pub cells: Vec<Option<&'a [u8]>>,
    columns: &'m [ColumnSpec<'a>],
}

impl<'a> Rows<'a> {
    /// Reads a message that is a RESULT of kind Rows, kind included.
    pub fn read(message: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(message);
        let kind = reader.int()?;
        if kind != ResultKind::Rows.code() {
            return Err(WireError::ResultKind(kind));
        }
        let metadata = Metadata::read(&mut reader)?;
        let count = reader.int()?;
        let announced = u32::try_from(count).map_err(|_| WireError::Length(count))?;
        // Rows without columns take no bytes: nothing but the announced number would bound them.
        let rows_count = if metadata.columns_count == 0 { 0 } else { announced };
        Ok(Self { metadata, rows_count, cells: reader.rest() })
    }

    /// The number of rows as announced; reading them may fail before that many.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.rows_count
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows_count == 0
    }

    /// The rows in order; stops after the first error.
    pub fn rows(&self) -> impl Iterator<Item = Result<Row<'a, '_>, WireError>> {
        let mut reader = Reader::new(self.cells);
        let mut failed = false;
        (0..self.rows_count).map_while(move |_| {
            if failed {
                return None;
            }
            let cells = (0..self.metadata.columns_count).map(|_| reader.bytes());
            let row = cells
                .collect::<Result<_, _>>()
                .map(|cells| Row { cells, columns: &self.metadata.columns });
            failed = row.is_err();
            Some(row)
        })
    }
}

impl<'a> Row<'a, '_> {
    /// The cell of a column; `None` when it is null, or there is no such column.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        let index = self.columns.iter().position(|column| column.name == name)?;
        self.cells.get(index).copied().flatten()
    }

    /// The cell of a column, read by one of [`crate::values::cell`]; `None` when it is null.
    pub fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&'a [u8]) -> Result<T, WireError>,
    ) -> Result<Option<T>, WireError> {
        self.get(name).map(read).transpose()
    }
}

/// The number of columns in a RESULT Rows message that does not describe them; `None` when it does.
#[inline]
#[must_use]
pub fn bare_columns_count(message: &[u8]) -> Option<u32> {
    let mut reader = Reader::new(message.get(4..)?);
    let flags = u32::from_be_bytes(reader.int().ok()?.to_be_bytes());
    if flags & NO_METADATA == 0 {
        return None;
    }
    u32::try_from(reader.int().ok()?).ok()
}

/// The number of columns in a RESULT Rows message, and where they are described, followed by the rows;
/// `None` when they are not.
#[must_use]
pub fn description(message: &[u8]) -> Option<(i32, &[u8])> {
    let mut reader = Reader::new(message.get(4..)?);
    let flags = u32::from_be_bytes(reader.int().ok()?.to_be_bytes());
    if flags & NO_METADATA != 0 {
        return None;
    }
    let count = reader.int().ok()?;
    if flags & HAS_MORE_PAGES != 0 {
        reader.bytes().ok()?;
    }
    Some((count, reader.rest()))
}

/// The paging state in a RESULT Rows message that another page follows.
#[inline]
#[must_use]
pub fn next_page(message: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(message.get(4..)?);
    let flags = u32::from_be_bytes(reader.int().ok()?.to_be_bytes());
    if flags & HAS_MORE_PAGES == 0 {
        return None;
    }
    reader.int().ok()?;
    reader.bytes().ok()?
}

/// Appends the message of a RESULT Rows, kind included.
pub fn put_rows<C: AsRef<[u8]>>(
    out: &mut Vec<u8>,
    metadata: &Metadata<'_>,
    rows: &[Vec<Option<C>>],
) {
    put_int(out, ResultKind::Rows.code());
    metadata.put(out);
    put_int(out, i32::try_from(rows.len()).unwrap_or(i32::MAX));
    for cell in rows.iter().flatten() {
        put_bytes(out, cell.as_ref().map(AsRef::as_ref));
    }
}

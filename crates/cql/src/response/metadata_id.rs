//! The id of result metadata, cut out of messages for clients that do not know of it.
//!
//! ScyllaDB's extension `SCYLLA_USE_METADATA_ID` (and protocol v5) put it into RESULT Prepared after
//! the statement's id, and into Rows with other columns than the client said to hold. Each cut works
//! in place: the front of the message moves up over the id, so that the message begins later.

use std::ops::Range;

use crate::error::WireError;
use crate::notation::Reader;
use crate::response::metadata::{HAS_MORE_PAGES, METADATA_CHANGED};

/// Offset of the flags in a RESULT Rows message, after its kind.
const FLAGS_AT: usize = 4;

/// An id that was cut out of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CutMetadataId {
    /// By how many bytes the message begins later.
    pub later: usize,
    /// The id, which may be empty.
    pub id: Box<[u8]>,
}

/// Takes the id out of a RESULT Prepared message.
pub fn cut_from_prepared(message: &mut [u8]) -> Result<CutMetadataId, WireError> {
    let mut reader = Reader::new(message);
    reader.int()?;
    reader.short_bytes()?;
    let start = message.len() - reader.rest().len();
    let id = Box::from(reader.short_bytes()?);
    let end = message.len() - reader.rest().len();
    Ok(CutMetadataId { later: close_gap(message, start..end), id })
}

/// Takes the id out of a RESULT Rows message, if there is one. Returns by how many bytes the
/// message begins later.
///
/// Rows with an id always describe their columns, and a client reads them by that description.
#[inline]
pub fn cut_from_rows(message: &mut [u8]) -> Result<usize, WireError> {
    let mut reader = Reader::new(message);
    reader.int()?;
    let flags = u32::from_be_bytes(reader.int()?.to_be_bytes());
    if flags & METADATA_CHANGED == 0 {
        return Ok(0);
    }
    reader.int()?;
    if flags & HAS_MORE_PAGES != 0 {
        reader.bytes()?;
    }
    let start = message.len() - reader.rest().len();
    reader.short_bytes()?;
    let end = message.len() - reader.rest().len();
    if let Some(at) = message.get_mut(FLAGS_AT..FLAGS_AT + 4) {
        at.copy_from_slice(&(flags & !METADATA_CHANGED).to_be_bytes());
    }
    Ok(close_gap(message, start..end))
}

/// Moves what stands before `gap` up to its end.
fn close_gap(message: &mut [u8], gap: Range<usize>) -> usize {
    let len = gap.len();
    message.copy_within(..gap.start, len);
    len
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notation::{put_bytes, put_int, put_short_bytes};

    fn rows(id: Option<&[u8]>) -> Vec<u8> {
        let mut out = Vec::new();
        put_int(&mut out, 2);
        put_int(&mut out, if id.is_some() { 0x0b } else { 0x03 });
        put_int(&mut out, 1);
        put_bytes(&mut out, Some(b"where the page ended"));
        if let Some(id) = id {
            put_short_bytes(&mut out, id);
        }
        out.extend_from_slice(b"columns and cells");
        out
    }

    #[test]
    fn an_id_is_cut_out_of_rows_and_nothing_else() {
        let mut message = rows(Some(&[7; 16]));
        let later = cut_from_rows(&mut message).unwrap();
        assert_eq!(message[later..], rows(None));

        let mut plain = rows(None);
        assert_eq!(cut_from_rows(&mut plain), Ok(0));
        assert_eq!(plain, rows(None));
    }

    #[test]
    fn an_id_is_cut_out_of_prepared_and_returned() {
        for id in [&[7; 16][..], b""] {
            let mut message = 4i32.to_be_bytes().to_vec();
            put_short_bytes(&mut message, b"statement");
            let plain = [&message, &b"metadata"[..]].concat();
            put_short_bytes(&mut message, id);
            message.extend_from_slice(b"metadata");
            let cut = cut_from_prepared(&mut message).unwrap();
            assert_eq!((&message[cut.later..], &*cut.id), (&plain[..], id));
        }
    }

    #[test]
    fn a_message_that_ends_early_is_refused() {
        let message = rows(Some(&[7; 16]));
        for len in 0..12 + 4 + 20 + 2 + 16 {
            assert!(cut_from_rows(&mut message[..len].to_vec()).is_err(), "{len}");
        }
        assert!(cut_from_prepared(&mut [0, 0, 0, 4, 0, 1, 9, 0]).is_err());
    }
}

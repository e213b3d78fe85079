//! Where a page ended, as opaque bytes.
//!
//! The state names the last row returned, not a cursor: any node can go on from it.

use crate::cql::error::CqlError;
use cql::notation;
use cql::notation::Reader;

const MAGIC: u8 = 0x5a;

/// The last row of a page, and what is left of the limits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PagingState {
    /// Token and key of its partition.
    pub(crate) partition: (i64, Vec<u8>),
    /// Sort key of the row; `None` when the row was static cells only.
    pub(crate) row: Option<Vec<u8>>,
    /// Rows that LIMIT still allows.
    pub(crate) remaining: Option<i32>,
    /// Rows of this partition returned so far.
    pub(crate) in_partition: i32,
}

impl PagingState {
    /// The bytes for the client.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![MAGIC];
        notation::put_long(&mut out, self.partition.0);
        notation::put_bytes(&mut out, Some(&self.partition.1));
        notation::put_bytes(&mut out, self.row.as_deref());
        notation::put_int(&mut out, self.remaining.unwrap_or(-1));
        notation::put_int(&mut out, self.in_partition);
        let sum = checksum(&out);
        notation::put_int(&mut out, sum);
        out
    }

    /// Reads what a client sent back.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CqlError> {
        Self::read(bytes)
            .ok_or_else(|| CqlError::Protocol("Invalid value for the paging state".to_owned()))
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.split_last_chunk::<4>()?;
        if checksum(body) != i32::from_be_bytes(*sum) {
            return None;
        }
        let mut reader = Reader::new(body);
        if reader.byte().ok()? != MAGIC {
            return None;
        }
        let token = reader.long().ok()?;
        let key = reader.bytes().ok()??.to_vec();
        let row = reader.bytes().ok()?.map(<[u8]>::to_vec);
        let remaining = reader.int().ok()?;
        let in_partition = reader.int().ok()?;
        let remaining = (remaining >= 0).then_some(remaining);
        reader.rest().is_empty().then_some(Self {
            partition: (token, key),
            row,
            remaining,
            in_partition,
        })
    }
}

/// FNV-1a, to recognise bytes that are no state of ours.
fn checksum(bytes: &[u8]) -> i32 {
    let hash = bytes
        .iter()
        .fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    i32::from_be_bytes(hash.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paging_states_round_trip_and_garbage_is_refused() {
        let state = PagingState {
            partition: (-5, vec![1, 2]),
            row: Some(vec![]),
            remaining: Some(7),
            in_partition: 3,
        };
        let mut bytes = state.encode();
        assert_eq!(PagingState::decode(&bytes).unwrap(), state);
        bytes[3] ^= 1;
        assert_eq!(PagingState::decode(&bytes).unwrap_err().code(), 0x000A);
        assert_eq!(PagingState::decode(&[]).unwrap_err().code(), 0x000A);
    }
}

//! The bytes of a state: a head, then records, each with its checksum, then an end.
//!
//! ```text
//! head     8 bytes   "shrdlane"
//!          4 bytes   version of the format
//! record  16 bytes   Murmur3 (x64, 128 bits) of the rest of the record, its number as the seed
//!          4 bytes   length of what follows
//!          n bytes   kind, then the record
//! end      a record of kind 0: the number of records before it, 4 bytes
//! ```
//!
//! All numbers are big-endian. The seed makes a record that is missing, or in another place, a damage like any
//! other. A state is written record by record, so that it is never in memory as a whole. It is read only once all
//! of it is there and right: wrong bytes would send requests to wrong shards until nodes have corrected each.

use crate::state::error::StateError;
use crate::state::record::{Record, StateHeader};
use crate::state::wire;

/// The version of the format that is written here.
pub const VERSION: u32 = 1;

/// How each state begins.
const MAGIC: [u8; 8] = *b"shrdlane";

const HEAD: usize = 12;
const SUM: usize = 16;
const LENGTH: usize = 4;

/// Kind of the last record.
const END: u8 = 0;

/// Makes the bytes of a state, one record after another.
#[derive(Debug, Default)]
pub struct Writer {
    records: u32,
}

impl Writer {
    /// Appends the head and the first record.
    pub fn begin(out: &mut Vec<u8>, about: StateHeader) -> Self {
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_be_bytes());
        let mut writer = Self::default();
        writer.put(out, &Record::Header(about));
        writer
    }

    /// Appends a record.
    pub fn put(&mut self, out: &mut Vec<u8>, record: &Record) {
        self.frame(out, |out| wire::put(out, record));
    }

    /// Takes back the record that was appended last, for which there is no room: it began at `begin`.
    pub fn take_back(&mut self, out: &mut Vec<u8>, begin: usize) {
        out.truncate(begin);
        self.records = self.records.saturating_sub(1);
    }

    /// Appends the end.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        let records = self.records;
        self.frame(out, |out| {
            out.push(END);
            out.extend_from_slice(&records.to_be_bytes());
        });
    }

    fn frame(&mut self, out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
        let begin = out.len();
        out.extend_from_slice(&[0; SUM + LENGTH]);
        put(out);
        let len = out.len() - begin - SUM - LENGTH;
        let length = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
        if let Some(place) = out.get_mut(begin + SUM..begin + SUM + LENGTH) {
            place.copy_from_slice(&length);
        }
        let sum = sum(out.get(begin + SUM..).unwrap_or_default(), self.records);
        if let Some(place) = out.get_mut(begin..begin + SUM) {
            place.copy_from_slice(&sum);
        }
        self.records += 1;
    }
}

/// Whether a file that begins with `head` was written as a state, damaged or of another version as it may be.
#[must_use]
pub fn is_state(head: &[u8]) -> bool {
    head.starts_with(&MAGIC)
}

/// A state whose bytes are all there and right.
#[derive(Clone, Debug)]
pub struct CheckedState<'a> {
    about: StateHeader,
    /// The records behind the first.
    rest: &'a [u8],
    next: u32,
}

impl<'a> CheckedState<'a> {
    /// Checks all of a state's bytes.
    pub fn check(bytes: &'a [u8]) -> Result<Self, StateError> {
        let (head, rest) = bytes.split_at_checked(HEAD).ok_or(StateError::CutOff)?;
        let (magic, version) = head.split_at_checked(MAGIC.len()).ok_or(StateError::CutOff)?;
        if magic != MAGIC {
            return Err(StateError::Foreign);
        }
        let version = u32::from_be_bytes(version.try_into().map_err(|_| StateError::CutOff)?);
        if version != VERSION {
            return Err(StateError::Version(version));
        }
        let (first, rest) = split(rest, 0)?;
        let Ok(Record::Header(about)) = wire::read(first) else {
            return Err(StateError::Damaged(0));
        };
        let (mut left, mut number) = (rest, 1);
        loop {
            let (record, behind) = split(left, number)?;
            if let Some((&END, count)) = record.split_first() {
                return match (count == number.to_be_bytes(), behind.is_empty()) {
                    (true, true) => Ok(Self { about, rest, next: 1 }),
                    (true, false) => Err(StateError::TooLong),
                    (false, _) => Err(StateError::Damaged(number)),
                };
            }
            if !matches!(wire::read(record), Ok(record) if !matches!(record, Record::Header(_))) {
                return Err(StateError::Damaged(number));
            }
            (left, number) = (behind, number.saturating_add(1));
        }
    }

    /// What it is about.
    #[must_use]
    pub fn about(&self) -> &StateHeader {
        &self.about
    }
}

/// The records behind the first.
impl Iterator for CheckedState<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let (record, rest) = split(self.rest, self.next).ok()?;
        let record = wire::read(record).ok()?;
        self.rest = rest;
        self.next += 1;
        Some(record)
    }
}

/// Cuts a record off the front, and checks it.
fn split(bytes: &[u8], number: u32) -> Result<(&[u8], &[u8]), StateError> {
    let (found, summed) = bytes.split_at_checked(SUM).ok_or(StateError::CutOff)?;
    let (length, rest) = summed.split_at_checked(LENGTH).ok_or(StateError::CutOff)?;
    let length = u32::from_be_bytes(length.try_into().map_err(|_| StateError::CutOff)?);
    let length = usize::try_from(length).map_err(|_| StateError::CutOff)?;
    let (record, rest) = rest.split_at_checked(length).ok_or(StateError::CutOff)?;
    let summed = summed.get(..LENGTH + length).ok_or(StateError::CutOff)?;
    if found != sum(summed, number) {
        return Err(StateError::Damaged(number));
    }
    Ok((record, rest))
}

fn sum(bytes: &[u8], number: u32) -> [u8; SUM] {
    let mut bytes = bytes;
    // Reading from memory cannot fail.
    murmur3::murmur3_x64_128(&mut bytes, number).unwrap_or_default().to_be_bytes()
}

#[cfg(test)]
mod tests;

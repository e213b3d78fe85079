//! `query_parameters`: consistency, bound values and options (v4 section 4.1.4).

use crate::consistency::Consistency;
use crate::error::WireError;
use crate::notation::{Reader, Value};

/// Values follow.
pub const VALUES: u8 = 0x01;
/// Rows are wanted without their metadata.
pub const SKIP_METADATA: u8 = 0x02;
/// A page size follows.
pub const PAGE_SIZE: u8 = 0x04;
/// A paging state follows.
pub const PAGING_STATE: u8 = 0x08;
/// A serial consistency follows.
pub const SERIAL_CONSISTENCY: u8 = 0x10;
/// A default timestamp follows.
pub const TIMESTAMP: u8 = 0x20;
/// Values carry names.
pub const NAMES: u8 = 0x40;

/// The parameters of QUERY and EXECUTE, read up to their first value.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a> {
    /// How many replicas must answer.
    pub consistency: Consistency,
    /// Option bits, the constants of this module.
    pub flags: u8,
    /// The bound values, unread; none when there is no value.
    pub values: Values<'a>,
}

/// What stands after the values.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Rows wanted at most in one answer.
    pub page_size: Option<i32>,
    /// Where the last page ended, opaque.
    pub paging_state: Option<&'a [u8]>,
    /// Consistency of the Paxos phase.
    pub serial_consistency: Option<Consistency>,
    /// Microseconds since 1970, given by the client.
    pub timestamp_micros: Option<i64>,
}

impl<'a> Parameters<'a> {
    /// Reads consistency, flags and the number of values.
    #[inline]
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let consistency = Consistency::read(reader)?;
        let flags = reader.byte()?;
        let count = if flags & VALUES != 0 { reader.short()? } else { 0 };
        let values = Values { count, named: flags & NAMES != 0, bytes: reader.rest() };
        Ok(Self { consistency, flags, values })
    }

    /// What stands after the values, unread.
    pub fn behind_values(&self) -> Result<&'a [u8], WireError> {
        let mut reader = Reader::new(self.values.bytes);
        self.values.skip(&mut reader)?;
        Ok(reader.rest())
    }

    /// Reads what stands after the values.
    pub fn options(&self) -> Result<Options<'a>, WireError> {
        let mut reader = Reader::new(self.behind_values()?);
        let mut options = Options::default();
        if self.flags & PAGE_SIZE != 0 {
            options.page_size = Some(reader.int()?);
        }
        if self.flags & PAGING_STATE != 0 {
            options.paging_state = reader.bytes()?;
        }
        if self.flags & SERIAL_CONSISTENCY != 0 {
            options.serial_consistency = Some(Consistency::read(&mut reader)?);
        }
        if self.flags & TIMESTAMP != 0 {
            options.timestamp_micros = Some(reader.long()?);
        }
        Ok(options)
    }
}

/// A value that is bound to a marker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BoundValue<'a> {
    /// The marker's name, where values carry names.
    pub name: Option<&'a str>,
    /// The value.
    pub value: Value<'a>,
}

/// Bound values as they lie in the body; each walk checks every length again.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    count: u16,
    named: bool,
    bytes: &'a [u8],
}

impl<'a> Values<'a> {
    /// Starts at `bytes`, where `count` values begin; `named` as the 0x40 flag said.
    #[must_use]
    pub fn new(count: u16, named: bool, bytes: &'a [u8]) -> Self {
        Self { count, named, bytes }
    }

    /// Number of values.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Whether each value is preceded by its name.
    #[must_use]
    pub fn named(&self) -> bool {
        self.named
    }

    /// The values in the order sent; stops after the first error.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Result<BoundValue<'a>, WireError>> {
        let mut reader = Reader::new(self.bytes);
        let named = self.named;
        let mut failed = false;
        (0..self.count).map_while(move |_| {
            if failed {
                return None;
            }
            let item = read_one(&mut reader, named);
            failed = item.is_err();
            Some(item)
        })
    }

    /// Walks `reader`, which stands at the first value, past the last one.
    #[inline]
    pub fn skip(&self, reader: &mut Reader<'a>) -> Result<(), WireError> {
        for _ in 0..self.count {
            read_one(reader, self.named)?;
        }
        Ok(())
    }
}

#[inline]
fn read_one<'a>(reader: &mut Reader<'a>, named: bool) -> Result<BoundValue<'a>, WireError> {
    let name = if named { Some(reader.string()?) } else { None };
    Ok(BoundValue { name, value: reader.value()? })
}

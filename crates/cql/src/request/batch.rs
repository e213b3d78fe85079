//! BATCH: several statements, by text or prepared id (v4 section 4.1.7).

use crate::consistency::Consistency;
use crate::error::WireError;
use crate::notation::Reader;
use crate::request::parameters::{SERIAL_CONSISTENCY, TIMESTAMP, Values};
use crate::statement::write_type::WriteType;

/// A BATCH body, its children unread.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// 0 logged, 1 unlogged, 2 counter.
    pub kind: u8,
    /// Number of children.
    pub count: u16,
    children: &'a [u8],
}

/// One statement of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Child<'a> {
    /// What to run.
    pub statement: ChildStatement<'a>,
    /// Its bound values.
    pub values: Values<'a>,
}

/// A child's statement.
#[derive(Clone, Copy, Debug)]
pub enum ChildStatement<'a> {
    /// By text.
    Text(&'a str),
    /// By prepared id.
    Prepared(&'a [u8]),
}

/// What stands after the children.
#[derive(Clone, Copy, Debug)]
pub struct BatchTail {
    /// How many replicas must answer.
    pub consistency: Consistency,
    /// Consistency of the Paxos phase.
    pub serial_consistency: Option<Consistency>,
    /// Microseconds since 1970, given by the client.
    pub timestamp_micros: Option<i64>,
}

impl<'a> Batch<'a> {
    /// Reads type and number of children.
    pub fn read(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let kind = reader.byte()?;
        let count = reader.short()?;
        Ok(Self { kind, count, children: reader.rest() })
    }

    /// The children in order; stops after the first error.
    pub fn children(&self) -> impl Iterator<Item = Result<Child<'a>, WireError>> {
        let mut reader = Reader::new(self.children);
        let mut failed = false;
        (0..self.count).map_while(move |_| {
            if failed {
                return None;
            }
            let child = read_child(&mut reader);
            failed = child.is_err();
            Some(child)
        })
    }

    /// What WRITE_TIMEOUT calls it; `prepared` is what its kind and its prepared children make it.
    #[must_use]
    pub fn write_type(&self, prepared: WriteType) -> WriteType {
        let mut reader = Reader::new(self.children);
        let mut whole = prepared;
        for _ in 0..self.count {
            whole = match read_child(&mut reader) {
                Ok(Child { statement: ChildStatement::Text(text), .. }) => {
                    // The types of its markers are not known here.
                    whole.with_child(WriteType::of_text(text, None))
                }
                Ok(Child { statement: ChildStatement::Prepared(_), .. }) => whole,
                Err(_) => return WriteType::Unknown,
            };
        }
        whole
    }

    /// Reads what stands after the children.
    pub fn tail(&self) -> Result<BatchTail, WireError> {
        let mut reader = Reader::new(self.children);
        for _ in 0..self.count {
            read_child(&mut reader)?;
        }
        let consistency = Consistency::read(&mut reader)?;
        let flags = reader.byte()?;
        let mut tail = BatchTail { consistency, serial_consistency: None, timestamp_micros: None };
        if flags & SERIAL_CONSISTENCY != 0 {
            tail.serial_consistency = Some(Consistency::read(&mut reader)?);
        }
        if flags & TIMESTAMP != 0 {
            tail.timestamp_micros = Some(reader.long()?);
        }
        Ok(tail)
    }
}

#[inline]
fn read_child<'a>(reader: &mut Reader<'a>) -> Result<Child<'a>, WireError> {
    let statement = match reader.byte()? {
        0 => ChildStatement::Text(reader.long_string()?),
        1 => ChildStatement::Prepared(reader.short_bytes()?),
        kind => return Err(WireError::BatchKind(kind)),
    };
    let count = reader.short()?;
    let values = Values::new(count, false, reader.rest());
    values.skip(reader)?;
    Ok(Child { statement, values })
}

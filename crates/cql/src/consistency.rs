//! Consistency levels (v4 section 3): how many replicas must answer, and where.

use crate::error::WireError;
use crate::notation::{Reader, put_short};

/// A consistency level. Every code has a value, so that a code is sent on as it came.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "the names are the specification's own")]
pub enum Consistency {
    Any,
    One,
    Two,
    Three,
    Quorum,
    All,
    LocalQuorum,
    EachQuorum,
    Serial,
    LocalSerial,
    LocalOne,
    /// A code that the protocol does not know; servers refuse it.
    Unknown(u16),
}

impl Consistency {
    /// The level of a code on the wire.
    #[inline]
    #[must_use]
    pub const fn from_code(code: u16) -> Self {
        match code {
            0 => Self::Any,
            1 => Self::One,
            2 => Self::Two,
            3 => Self::Three,
            4 => Self::Quorum,
            5 => Self::All,
            6 => Self::LocalQuorum,
            7 => Self::EachQuorum,
            8 => Self::Serial,
            9 => Self::LocalSerial,
            10 => Self::LocalOne,
            code => Self::Unknown(code),
        }
    }

    /// The code on the wire.
    #[inline]
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Any => 0,
            Self::One => 1,
            Self::Two => 2,
            Self::Three => 3,
            Self::Quorum => 4,
            Self::All => 5,
            Self::LocalQuorum => 6,
            Self::EachQuorum => 7,
            Self::Serial => 8,
            Self::LocalSerial => 9,
            Self::LocalOne => 10,
            Self::Unknown(code) => code,
        }
    }

    /// Whether this is a level of the Paxos phase: a read at it goes through Paxos.
    #[inline]
    #[must_use]
    pub const fn is_serial(self) -> bool {
        match self {
            Self::Serial | Self::LocalSerial => true,
            Self::Any
            | Self::One
            | Self::Two
            | Self::Three
            | Self::Quorum
            | Self::All
            | Self::LocalQuorum
            | Self::EachQuorum
            | Self::LocalOne
            | Self::Unknown(_) => false,
        }
    }

    /// Whether only replicas of the coordinator's data center count.
    #[inline]
    #[must_use]
    pub const fn is_local(self) -> bool {
        match self {
            Self::LocalQuorum | Self::LocalSerial | Self::LocalOne => true,
            Self::Any
            | Self::One
            | Self::Two
            | Self::Three
            | Self::Quorum
            | Self::All
            | Self::EachQuorum
            | Self::Serial
            | Self::Unknown(_) => false,
        }
    }

    /// Reads a `consistency`.
    #[inline]
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self::from_code(reader.short()?))
    }

    /// Appends a `consistency`.
    pub fn put(self, out: &mut Vec<u8>) {
        put_short(out, self.code());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back_as_it_was_read() {
        for code in 0..=u16::MAX {
            assert_eq!(Consistency::from_code(code).code(), code);
        }
    }

    #[test]
    fn levels_have_the_codes_of_the_specification() {
        let all =
            [(4, Consistency::Quorum), (6, Consistency::LocalQuorum), (8, Consistency::Serial)];
        for (code, level) in all {
            assert_eq!(Consistency::from_code(code), level);
        }
        assert_eq!(Consistency::from_code(11), Consistency::Unknown(11));
    }

    #[test]
    fn serial_and_local_levels_are_found_by_their_codes() {
        let codes = |is: fn(Consistency) -> bool| {
            (0..=u16::MAX).filter(|code| is(Consistency::from_code(*code))).collect::<Vec<_>>()
        };
        assert_eq!(codes(Consistency::is_serial), [8, 9]);
        assert_eq!(codes(Consistency::is_local), [6, 9, 10]);
    }
}

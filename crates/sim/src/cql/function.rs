//! `now()`, `blobAsInt()` and the other functions.

use std::cell::Cell;

use uuid::{Builder, Variant, Version};

use crate::cluster::seed::mix;
use crate::cql::type_name;
use crate::cql::values::constant;
use crate::cql::values::elements;
use crate::cql::values::json;
use cql::token::partitioner::Partitioner;
use cql::values::calendar::{DATE_EPOCH, MILLIS_A_DAY};
use cql::values::column_type::ColumnType;

/// 100 ns steps from 1582-10-15, where time-based uuids begin, to 1970.
const UUID_EPOCH: u64 = 0x01b2_1dd2_1381_4000;

/// The time of one run, and a counter that makes its uuids differ.
#[derive(Debug)]
pub(crate) struct Moment {
    /// Microseconds since 1970.
    pub(crate) now_micros: i64,
    /// Counts uuids.
    pub(crate) serial: Cell<u64>,
}

impl Moment {
    /// A time-based uuid of now.
    pub(crate) fn time_uuid(&self) -> [u8; 16] {
        let serial = self.serial.get();
        self.serial.set(serial.wrapping_add(1));
        let steps = u64::try_from(self.now_micros).unwrap_or(0).wrapping_mul(10);
        time_uuid(steps.wrapping_add(serial % 10), mix(serial, 0) | 1 << 40)
    }

    fn random_uuid(&self) -> [u8; 16] {
        let serial = self.serial.get();
        self.serial.set(serial.wrapping_add(1));
        let (high, low) = (mix(serial ^ 0x5eed, 0), mix(serial.wrapping_add(0x1234_5678), 0));
        let bits = Builder::from_u128(u128::from(high) << 64 | u128::from(low));
        bits.with_version(Version::Random).with_variant(Variant::RFC4122).into_uuid().into_bytes()
    }
}

/// A version 1 uuid of `steps` of 100 ns since 1970.
pub(crate) fn time_uuid(steps: u64, low: u64) -> [u8; 16] {
    let time = steps.wrapping_add(UUID_EPOCH);
    let high = time << 32 | (time >> 16 & 0xffff_0000) | 0x1000 | (time >> 48 & 0x0fff);
    Builder::from_u128(u128::from(high) << 64 | u128::from(low))
        .with_variant(Variant::RFC4122)
        .into_uuid()
        .into_bytes()
}

/// Milliseconds since 1970 of a version 1 uuid.
fn uuid_millis(value: &[u8]) -> Option<i64> {
    let high = u64::from_be_bytes(*value.first_chunk::<8>()?);
    let time = high >> 32 | (high & 0xffff_0000) << 16 | (high & 0x0fff) << 48;
    let steps = i128::from(time) - i128::from(UUID_EPOCH);
    i64::try_from(steps.div_euclid(10_000)).ok()
}

/// A function of values.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Function {
    Now,
    RandomUuid,
    CurrentTimestamp,
    CurrentDate,
    CurrentTime,
    ToTimestamp(ColumnType),
    ToDate(ColumnType),
    ToUnixTimestamp(ColumnType),
    MinTimeUuid,
    MaxTimeUuid,
    /// `blobAsX` and `xAsBlob`: the bytes stay.
    Reinterpret,
    ToJson(ColumnType),
    /// The token of a partition key given by its components.
    Token,
    Cast(ColumnType, ColumnType),
}

/// A function, the types of its parameters, and of what it returns.
pub(crate) type Found = (Function, Vec<ColumnType>, ColumnType);

/// Finds a function by name; `argument` is the type of its first argument, if that is known.
pub(crate) fn find(name: &str, argument: Option<&ColumnType>) -> Option<Found> {
    let lower = name.to_lowercase();
    let none = |function, returned| Some((function, Vec::new(), returned));
    let timed = |make: fn(ColumnType) -> Function, returned| {
        let from = argument.cloned().unwrap_or(ColumnType::Timeuuid);
        let fits = [ColumnType::Timeuuid, ColumnType::Timestamp, ColumnType::Date];
        fits.contains(&from).then(|| (make(from.clone()), vec![from], returned))
    };
    match lower.as_str() {
        "now" | "currenttimeuuid" => none(Function::Now, ColumnType::Timeuuid),
        "uuid" => none(Function::RandomUuid, ColumnType::Uuid),
        "currenttimestamp" => none(Function::CurrentTimestamp, ColumnType::Timestamp),
        "currentdate" => none(Function::CurrentDate, ColumnType::Date),
        "currenttime" => none(Function::CurrentTime, ColumnType::Time),
        "totimestamp" | "dateof" => timed(Function::ToTimestamp, ColumnType::Timestamp),
        "todate" => timed(Function::ToDate, ColumnType::Date),
        "tounixtimestamp" | "unixtimestampof" => {
            timed(Function::ToUnixTimestamp, ColumnType::Bigint)
        }
        "mintimeuuid" => {
            Some((Function::MinTimeUuid, vec![ColumnType::Timestamp], ColumnType::Timeuuid))
        }
        "maxtimeuuid" => {
            Some((Function::MaxTimeUuid, vec![ColumnType::Timestamp], ColumnType::Timeuuid))
        }
        "tojson" | "to_json" => {
            let from = argument?.clone();
            Some((Function::ToJson(from.clone()), vec![from], ColumnType::Varchar))
        }
        other => {
            if let Some(to) = other.strip_prefix("blobas") {
                let to = type_name::simple(to)?;
                return Some((Function::Reinterpret, vec![ColumnType::Blob], to));
            }
            let from = type_name::simple(other.strip_suffix("asblob")?)?;
            Some((Function::Reinterpret, vec![from], ColumnType::Blob))
        }
    }
}

impl Function {
    /// Whether it gives the same for the same arguments at any time.
    pub(crate) fn is_pure(&self) -> bool {
        !matches!(
            self,
            Self::Now
                | Self::RandomUuid
                | Self::CurrentTimestamp
                | Self::CurrentDate
                | Self::CurrentTime
        )
    }

    /// Calls it; `None` is null.
    pub(crate) fn call(&self, arguments: &[Option<Vec<u8>>], moment: &Moment) -> Option<Vec<u8>> {
        let now_millis = moment.now_micros.div_euclid(1000);
        let first = || arguments.first().and_then(|argument| argument.as_deref());
        match self {
            Self::Now => Some(moment.time_uuid().to_vec()),
            Self::RandomUuid => Some(moment.random_uuid().to_vec()),
            Self::CurrentTimestamp => Some(now_millis.to_be_bytes().to_vec()),
            Self::CurrentDate => Some(date_of(now_millis)),
            Self::CurrentTime => {
                let nanos = moment.now_micros.rem_euclid(MILLIS_A_DAY * 1000) * 1000;
                Some(nanos.to_be_bytes().to_vec())
            }
            Self::ToTimestamp(from) | Self::ToUnixTimestamp(from) => {
                Some(millis_of(from, first()?)?.to_be_bytes().to_vec())
            }
            Self::ToDate(from) => Some(date_of(millis_of(from, first()?)?)),
            Self::MinTimeUuid => edge(first()?, 0, 0x8080_8080_8080_8080),
            Self::MaxTimeUuid => edge(first()?, 9_999, 0x7f7f_7f7f_7f7f_7f7f),
            Self::Reinterpret => Some(first()?.to_vec()),
            Self::ToJson(from) => Some(json::text(from, first()).into_bytes()),
            Self::Token => {
                let components: Option<Vec<Vec<u8>>> = arguments.iter().cloned().collect();
                let key = elements::join_key(&components?);
                let token = Partitioner::Murmur3.token(&key).value();
                Some(token.to_be_bytes().to_vec())
            }
            Self::Cast(from, to) => cast(from, to, first()?),
        }
    }
}

fn edge(millis: &[u8], steps: u64, low: u64) -> Option<Vec<u8>> {
    let millis = i64::from_be_bytes(*millis.first_chunk::<8>()?);
    let since = u64::try_from(millis).ok()?.checked_mul(10_000)?.checked_add(steps)?;
    let mut uuid = time_uuid(since, 0);
    let (_, tail) = uuid.split_at_mut_checked(8)?;
    tail.copy_from_slice(&low.to_be_bytes());
    Some(uuid.to_vec())
}

fn millis_of(from: &ColumnType, value: &[u8]) -> Option<i64> {
    if *from == ColumnType::Timeuuid {
        return uuid_millis(value);
    }
    if *from == ColumnType::Date {
        let raw = u32::from_be_bytes(*value.first_chunk::<4>()?);
        return Some((i64::from(raw) - DATE_EPOCH) * MILLIS_A_DAY);
    }
    Some(i64::from_be_bytes(*value.first_chunk::<8>()?))
}

fn date_of(millis: i64) -> Vec<u8> {
    let days = millis.div_euclid(MILLIS_A_DAY) + DATE_EPOCH;
    u32::try_from(days).unwrap_or(0).to_be_bytes().to_vec()
}

/// By way of text, which all castable types have in common.
fn cast(from: &ColumnType, to: &ColumnType, value: &[u8]) -> Option<Vec<u8>> {
    if from == to {
        return Some(value.to_vec());
    }
    if let ColumnType::Timestamp | ColumnType::Date | ColumnType::Timeuuid = from {
        let millis = millis_of(from, value)?;
        if *to == ColumnType::Timestamp {
            return Some(millis.to_be_bytes().to_vec());
        }
        if *to == ColumnType::Date {
            return Some(date_of(millis));
        }
    }
    let text = json::plain(from, value);
    if *from == ColumnType::Timestamp && *to != ColumnType::Varchar {
        return None;
    }
    let whole = !matches!(
        to,
        ColumnType::Varchar
            | ColumnType::Ascii
            | ColumnType::Double
            | ColumnType::Float
            | ColumnType::Decimal
    );
    let text = if whole { text.split('.').next().unwrap_or_default().to_owned() } else { text };
    constant::scalar(&text, to)
}

/// Whether CAST can convert between the types.
pub(crate) fn is_castable(from: &ColumnType, to: &ColumnType) -> bool {
    let is_number = |number: &ColumnType| {
        matches!(
            number,
            ColumnType::Tinyint
                | ColumnType::Smallint
                | ColumnType::Int
                | ColumnType::Bigint
                | ColumnType::Counter
                | ColumnType::Varint
                | ColumnType::Decimal
                | ColumnType::Float
                | ColumnType::Double
        )
    };
    let is_time = |time: &ColumnType| {
        matches!(time, ColumnType::Timestamp | ColumnType::Date | ColumnType::Timeuuid)
    };
    let is_text = matches!(to, ColumnType::Varchar | ColumnType::Ascii);
    from == to
        || (is_number(from) && is_number(to))
        || (is_text && !type_name::is_composite(from))
        || (is_time(from) && matches!(to, ColumnType::Timestamp | ColumnType::Date))
}

//! How dates and times of the protocol are counted (v4 section 6).

/// 1970-01-01 in days of the Julian calendar.
pub const EPOCH_JULIAN: i32 = 2_440_588;
/// Days from the smallest date to 1970-01-01: dates are unsigned.
pub const DATE_EPOCH: i64 = 1 << 31;
/// Milliseconds of a day; timestamps count them.
pub const MILLIS_A_DAY: i64 = 86_400_000;
/// Nanoseconds of a second; times count them.
pub const NANOS_A_SECOND: i64 = 1_000_000_000;

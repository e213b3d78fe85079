//! The clock: the one file that asks the machine for the time.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

static START: OnceLock<Instant> = OnceLock::new();

/// Milliseconds since the process first asked; never goes back.
#[must_use]
pub fn now_ms() -> u64 {
    now_us() / 1_000
}

/// Microseconds since the process first asked; never goes back.
#[must_use]
pub fn now_us() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "this is the file that may ask")]
    let now = Instant::now();
    let start = *START.get_or_init(|| now);
    u64::try_from(now.saturating_duration_since(start).as_micros()).unwrap_or(u64::MAX)
}

/// Microseconds since 1970, as CQL writes timestamps. It may jump when the clock is set.
#[must_use]
pub fn unix_us() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "this is the file that may ask")]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_go_back() {
        let before = now_us();
        assert!(now_us() >= before);
        assert!(now_ms() >= before / 1_000);
    }
}

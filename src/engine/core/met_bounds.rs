//! Bounds that refused something: the log names each with its value, once in a while.
//!
//! The ERROR that a client gets does so as well, where there is one. A client that is cut off in the
//! middle of an answer gets none, and an application may show none to those who run it.

use std::collections::BTreeMap;

use crate::collections::log_throttle::LogThrottle;

/// The bounds that were met so far, by the keys of their settings; at most as many as there are settings.
#[derive(Debug, Default)]
pub(crate) struct MetBounds {
    met: BTreeMap<&'static str, LogThrottle>,
}

impl MetBounds {
    /// A bound is met. Returns how often it was since that was last reported, if it is to be now.
    pub(crate) fn next(&mut self, setting: &'static str, now_us: u64) -> Option<u64> {
        self.met.entry(setting).or_default().next(now_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_is_reported_once_in_ten_seconds() {
        let mut bounds = MetBounds::default();
        let reported = |(second, setting): (u64, &'static str)| {
            let left_out = bounds.next(setting, second * 1_000_000)?;
            Some((second, setting, left_out))
        };
        let all = (0..25).flat_map(|second| [(second, "a"), (second, "b")]);
        let lines: Vec<_> = all.filter_map(reported).collect();
        let of = |second, left_out| [(second, "a", left_out), (second, "b", left_out)];
        assert_eq!(lines, [of(0, 0), of(10, 9), of(20, 9)].concat());
    }
}

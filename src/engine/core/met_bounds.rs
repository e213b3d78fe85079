//! Bounds that refused something: the log names each with its value, once in a while.
//!
//! The ERROR that a client gets does so as well, where there is one. A client that is cut off in the
//! middle of an answer gets none, and an application may show none to those who run it.

/// Shortest time between two lines about one bound, µs: clients meet bounds as often as they like.
const PAUSE_US: u64 = 10_000_000;

/// The bounds that were met so far; at most as many as there are settings.
#[derive(Debug, Default)]
pub(crate) struct MetBounds {
    met: Vec<Met>,
}

#[derive(Debug)]
struct Met {
    /// The key of its setting.
    setting: &'static str,
    reported_us: u64,
    /// Times that it was met since.
    left_out: u64,
}

impl MetBounds {
    /// A bound is met. Returns how often it was since that was last reported, if it is to be now.
    pub(crate) fn next(&mut self, setting: &'static str, now_us: u64) -> Option<u64> {
        let Some(met) = self.met.iter_mut().find(|met| met.setting == setting) else {
            self.met.push(Met { setting, reported_us: now_us, left_out: 0 });
            return Some(0);
        };
        if now_us.saturating_sub(met.reported_us) < PAUSE_US {
            met.left_out += 1;
            return None;
        }
        met.reported_us = now_us;
        Some(std::mem::take(&mut met.left_out))
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

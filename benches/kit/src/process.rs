//! This process: its timers and its CPU time.

use std::time::Instant;

/// Makes timer wake-ups precise (the default slack is 50 us, more than a request takes).
pub fn precise_timers() {
    // SAFETY: PR_SET_TIMERSLACK takes one number and touches no memory.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1usize, 0, 0, 0) };
}

/// User and system CPU time of this process, in nanoseconds.
pub fn cpu_ns() -> (u64, u64) {
    // SAFETY: rusage is plain numbers, for which zero is valid; getrusage fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let ns = |t: libc::timeval| t.tv_sec as u64 * 1_000_000_000 + t.tv_usec as u64 * 1000;
    (ns(usage.ru_utime), ns(usage.ru_stime))
}

/// Nanoseconds since `start`.
pub fn since(start: Instant) -> u64 {
    start.elapsed().as_nanos() as u64
}

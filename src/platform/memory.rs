//! Memory of the process: what it takes, what it may take, and what each worker holds of that.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A limit beyond this is none: version 1 writes the largest number that fits.
const LIMIT_BYTES_MAX: usize = 1 << 50;
/// Where the cgroups are mounted.
const CGROUPS: &str = "/sys/fs/cgroup";

/// The memory limit of the process's cgroup, or of one above it, bytes; `None` where there is none.
#[must_use]
pub fn cgroup_limit() -> Option<usize> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = limit_files(&own).into_iter().filter_map(|path| fs::read_to_string(path).ok());
    limits.filter_map(|text| parse_limit(&text)).min()
}

/// The files that may name a limit: those of version 2 and of version 1, from the process's own cgroup up.
/// In a container with a namespace of its own that is the root alone.
fn limit_files(own: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in own.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let (root, file) = match controllers {
            "" => (PathBuf::from(CGROUPS), "memory.max"),
            _ if controllers.split(',').any(|one| one == "memory") => {
                (PathBuf::from(CGROUPS).join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let mut folder = root.join(path.trim_start_matches('/'));
        while folder.starts_with(&root) {
            files.push(folder.join(file));
            if !folder.pop() {
                break;
            }
        }
    }
    files
}

fn parse_limit(text: &str) -> Option<usize> {
    text.trim().parse().ok().filter(|limit| *limit < LIMIT_BYTES_MAX)
}

/// What the process takes of the machine's memory for itself, bytes: pages of files do not count, which the
/// kernel can take back.
#[must_use]
pub fn resident() -> Option<usize> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kilobytes: usize = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kilobytes << 10)
}

/// What each worker holds, as it was last measured there, and what the process takes besides.
#[derive(Clone, Debug)]
pub struct MemoryShares {
    held: Arc<[AtomicUsize]>,
    base: Arc<AtomicUsize>,
}

impl MemoryShares {
    /// Shares of so many workers, which hold nothing yet.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        let held = (0..workers).map(|_| AtomicUsize::new(0)).collect();
        Self { held, base: Arc::new(AtomicUsize::new(0)) }
    }

    /// A worker's own share from now on.
    pub fn publish(&self, worker: usize, held: usize) {
        if let Some(share) = self.held.get(worker) {
            share.store(held, Ordering::Relaxed);
        }
    }

    /// What the workers besides this one hold.
    #[must_use]
    pub fn of_others(&self, worker: usize) -> usize {
        let others = self.held.iter().enumerate().filter(|(number, _)| *number != worker);
        others.map(|(_, share)| share.load(Ordering::Relaxed)).sum()
    }

    /// How many workers there are.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.held.len()
    }

    /// Takes what the process takes now, while it serves no client, for what it always takes.
    pub fn measure_base(&self) {
        let held: usize = self.held.iter().map(|share| share.load(Ordering::Relaxed)).sum();
        if let Some(resident) = resident() {
            self.base.store(resident.saturating_sub(held), Ordering::Relaxed);
        }
    }

    /// What the process takes besides, bytes; 0 until it was measured.
    #[must_use]
    pub fn base(&self) -> usize {
        self.base.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_looked_for_from_the_own_cgroup_up() {
        let files = |own: &str| {
            let files = limit_files(own).into_iter();
            files.map(|path| path.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            files("0::/a.slice/b.service\n"),
            [
                "/sys/fs/cgroup/a.slice/b.service/memory.max",
                "/sys/fs/cgroup/a.slice/memory.max",
                "/sys/fs/cgroup/memory.max"
            ]
        );
        assert_eq!(files("0::/\n"), ["/sys/fs/cgroup/memory.max"]);
        assert_eq!(
            files("12:cpu,cpuacct:/pod\n9:memory:/pod\n1:name=systemd:/x\n"),
            [
                "/sys/fs/cgroup/memory/pod/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes"
            ]
        );
        assert!(files("").is_empty() && files("nonsense").is_empty());
    }

    #[test]
    fn a_limit_is_a_number_of_bytes() {
        assert_eq!(parse_limit("134217728\n"), Some(128 << 20));
        assert_eq!(parse_limit("max\n"), None);
        assert_eq!(parse_limit("9223372036854771712\n"), None, "version 1 without a limit");
    }

    #[test]
    fn each_worker_knows_what_the_others_hold() {
        let shares = MemoryShares::new(3);
        shares.publish(0, 5);
        shares.publish(2, 7);
        assert_eq!((shares.of_others(0), shares.of_others(1), shares.workers()), (7, 12, 3));
        shares.measure_base();
        assert!(shares.base() > 100_000, "{}", shares.base());
    }
}

//! The C library's allocator: what is freed goes back to the system.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What glibc's allocator reads when a process starts, bytes. Where they are not set, each large piece that
/// is freed raises them, up to 32 and 64 MiB: then what a burst of large requests took is never given back.
/// Pieces from 32 KiB on are mapped one by one, since a heap returns nothing but its end, and requests leave
/// small things between such pieces. A TLS record and its buffers are shorter.
const VARIABLES: [(&str, &str); 2] =
    [("MALLOC_MMAP_THRESHOLD_", "32768"), ("MALLOC_TRIM_THRESHOLD_", "131072")];
/// The other way to set them.
const TUNABLES: &str = "GLIBC_TUNABLES";
/// Set for a process that was started anew. A loader that trusts its environment less than we do, as for a
/// program with capabilities, drops the variables above.
const STARTED_ANEW: (&str, &str) = ("MALLOC_SET_BY_SHARDLANE", "1");

/// Starts this process anew, as the same process, with an allocator that gives memory back. Returns where
/// that is done already, the operator has chosen otherwise, or it is not possible. Call it before anything
/// is opened.
pub(crate) fn give_memory_back() {
    let names = VARIABLES.map(|(name, _)| name);
    if !cfg!(target_env = "gnu") || is_chosen(&names) {
        return;
    }
    let Ok(program) = env::current_exe() else { return };
    let mut words = env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = words.next() {
        command.arg0(name);
    }
    // It returns only if it fails, and then memory stays where it was.
    let _error = command.args(words).envs(VARIABLES).envs([STARTED_ANEW]).exec();
}

/// Whether the environment says how the allocator works, or that we have said it.
fn is_chosen(names: &[&str]) -> bool {
    names.iter().chain([&TUNABLES, &STARTED_ANEW.0]).any(|name| env::var_os(name).is_some())
}

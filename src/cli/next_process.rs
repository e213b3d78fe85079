//! The start of the next process, for an upgrade.
//!
//! A service manager stops only its own child gently: systemd sends SIGKILL right after SIGTERM to a main process that is
//! the child of another. So the next process is started by one between, which ends at once: then it is the manager's.

use std::env;
use std::path::Path;
use std::process::{Child, Command};
use std::{io, thread};

/// Set for the process between.
const BETWEEN: &str = "STARTS_NEXT_FOR_SHARDLANE";

/// Starts the program again, with the same arguments: it finds this process at `upgrade.socket`.
pub(crate) fn start_next(program: Option<&Path>) {
    let Some(program) = program else {
        tracing::warn!("received SIGUSR2, and upgrade.socket is not set: nothing is started");
        return;
    };
    match again(program).env(BETWEEN, "1").spawn() {
        Ok(between) => drop(thread::spawn(move || report(between))),
        Err(error) => {
            let program = program.display();
            tracing::error!(%program, %error, "the next process cannot be started: this one goes on");
        }
    }
}

/// Whether this process is the one between.
#[must_use]
pub(crate) fn is_between() -> bool {
    env::var_os(BETWEEN).is_some()
}

/// Starts the next process, from the one between, and leaves it to the service manager.
pub(crate) fn leave_next() -> io::Result<()> {
    again(&env::current_exe()?).env_remove(BETWEEN).spawn().map(drop)
}

/// The same command, by this program.
fn again(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(env::args_os().skip(1));
    command
}

/// Waits for the end of the process between: it would stay in the table of processes.
fn report(mut between: Child) {
    match between.wait() {
        Ok(end) if end.success() => tracing::info!("started the next process"),
        Ok(end) => tracing::error!(%end, "the next process cannot be started: this one goes on"),
        Err(error) => tracing::debug!(%error, "the start of the next process cannot be watched"),
    }
}

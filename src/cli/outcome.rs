//! What a command's end means to the shell.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::cli::args::WrongUsage;
use crate::config::error::Faults;

/// Wrong usage or configuration: trying again without a change is useless.
const USAGE: u8 = 2;

/// The exit code of a command; what went wrong is printed on stderr.
#[must_use]
pub(crate) fn exit_code(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    // Nothing can be reported when stderr itself fails.
    writeln!(io::stderr(), "shardlane: {error:#}").ok();
    let is_usage = error.is::<Faults>() || error.is::<WrongUsage>();
    if is_usage { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
}

//! Arguments in, exit code out.

use std::process::ExitCode;

use shardlane::cli::command;

fn main() -> ExitCode {
    command::main()
}

//! From arguments to the command that they name.

use std::process::ExitCode;

use clap::Parser;

use crate::cli::args::{Cli, Command};
use crate::cli::doctor;
use crate::cli::explain::report;
use crate::cli::outcome::Output;
#[cfg(feature = "demo")]
use crate::cli::simulated::{demo::show, sim};
use crate::cli::{check, inject, outcome, run, wait};
use crate::config::variables::{process_environment, process_variables};

/// Runs the command that the process's arguments name. Help and version are no failure; wrong usage is code 2.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe behind `--help | head` is no fault.
            error.print().ok();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let environment = &process_environment;
    outcome::exit_code(match &cli.command {
        Command::Run(args) => run::run(args, environment),
        #[cfg(feature = "demo")]
        Command::Demo(args) => show::demo(args),
        #[cfg(feature = "demo")]
        Command::Sim(args) => sim::sim(args),
        Command::Check(args) => {
            check::check(args, environment, process_variables(), &mut Output::new())
        }
        Command::Doctor(args) => {
            let out = &mut Output::new();
            doctor::report::doctor(args, environment, process_variables(), out)
        }
        Command::Wait(args) => wait::wait(args, environment),
        Command::Shutdown(args) => wait::shutdown(args, environment),
        Command::Reload(args) => wait::reload(args, environment, &mut Output::new()),
        Command::Inject(args) => inject::inject(args, environment, &mut Output::new()),
        Command::Explain(args) => report::explain(args, environment, &mut Output::new()),
    })
}

//! `shardlane explain`.

use std::io::Write;

use anyhow::bail;

use crate::cli::args::ExplainArgs;
use crate::config::overrides::Environment;

/// Not yet.
pub fn explain(_: &ExplainArgs, _: Environment<'_>, _: &mut dyn Write) -> anyhow::Result<()> {
    bail!("not yet")
}

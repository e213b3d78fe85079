//! `shardlane explain`.

use anyhow::bail;

use crate::cli::args::ExplainArgs;
use crate::config::load;
use crate::config::overrides::Environment;

/// Reads the settings; the rest is not assembled here yet.
pub fn explain(args: &ExplainArgs, environment: Environment<'_>) -> anyhow::Result<()> {
    let settings = args.settings.clone();
    let loaded = load::load(settings.by_key(), settings.config, environment);
    loaded.accept()?;
    bail!("`explain` is not assembled yet")
}

//! `shardlane run`.

use anyhow::bail;

use crate::cli::args::SettingsArgs;
use crate::config::load;
use crate::config::overrides::Environment;

/// Reads the settings; the rest is not assembled here yet.
pub fn run(args: &SettingsArgs, environment: Environment<'_>) -> anyhow::Result<()> {
    let settings = args.clone();
    let loaded = load::load(settings.by_key(), settings.config, environment);
    loaded.accept()?;
    bail!("`run` is not assembled yet")
}

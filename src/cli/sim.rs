//! `shardlane sim`.

use anyhow::bail;

use crate::cli::args::SimArgs;

/// Not assembled here yet.
pub fn sim(args: &SimArgs) -> anyhow::Result<()> {
    bail!("`sim` with {} nodes is not assembled yet", args.nodes)
}

//! `shardlane demo`.

use anyhow::bail;

use crate::cli::args::DemoArgs;

/// Not assembled here yet.
pub fn demo(args: &DemoArgs) -> anyhow::Result<()> {
    bail!("`demo` with {} nodes is not assembled yet", args.nodes)
}

//! `shardlane explain`: where a row lives.

pub mod tell; // the command

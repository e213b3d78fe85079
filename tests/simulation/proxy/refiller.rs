//! Stands in for the pool refillers of `net/lanes`: the same course, without tasks and sockets.

use std::collections::BTreeSet;

use shardlane::pool::backoff::BackoffSettings;
use shardlane::pool::dial_schedule::DialSchedule;
use shardlane::pool::lane_slots::Wanted;
use sim::ConnectionId;

/// How long the shard-aware port is left alone after it led to a wrong shard.
const PORT_BLOCK_US: u64 = 300_000_000;

/// The lanes of one node and set.
#[derive(Debug)]
pub(crate) struct Refiller {
    /// Which lanes are there, and what is dialled when.
    pub(crate) schedule: DialSchedule,
    port_blocked_until_us: u64,
    /// Set while a wake-up is planned.
    pub(crate) wakes_us: Option<u64>,
    /// Connections that are one too many, and may be needed to find other shards.
    pub(crate) excess: Vec<ConnectionId>,
    /// Where lanes are opened on demand: shards that a request has asked for, or that had a lane,
    /// until it was closed for want of requests.
    pub(crate) called_for: BTreeSet<u16>,
    /// Those of them that a request has asked for, and that have had no lane since.
    pub(crate) asked_for: BTreeSet<u16>,
}

impl Refiller {
    /// A refiller without lanes.
    pub(crate) fn new(lanes: Wanted, seed: u64) -> Self {
        Self {
            schedule: DialSchedule::new(lanes, BackoffSettings::default(), seed),
            port_blocked_until_us: 0,
            wakes_us: None,
            excess: Vec::new(),
            called_for: BTreeSet::new(),
            asked_for: BTreeSet::new(),
        }
    }

    /// Whether the shard-aware port may be tried.
    pub(crate) fn is_port_open(&self, now_us: u64) -> bool {
        now_us >= self.port_blocked_until_us
    }

    /// The shard-aware port led astray, or nowhere.
    pub(crate) fn block_port(&mut self, now_us: u64) {
        self.port_blocked_until_us = now_us + PORT_BLOCK_US;
    }
}

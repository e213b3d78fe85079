//! The engine's bounds in a world.

use crate::chance::Chance;
use shardlane::engine::limits::Limits;

/// Bounds that are met within seconds; `tight` ones all the time.
pub(super) fn limits(chance: &mut Chance, tight: bool, window: u64) -> Limits {
    let streams = if tight { chance.between(3, 12) } else { 256 };
    // Apart from the streams: a lane of few streams never has a full outbox.
    let high = if chance.one_in(2) { chance.number(&[300, 1_500]) } else { 32_000 };
    Limits {
        frame_body_bytes_max: 64 << 10,
        client_in_flight_max: u32::try_from(chance.number(&[2, 6, 16, 64])).unwrap_or(2),
        outbox_high_bytes: usize::try_from(high).unwrap_or(300),
        outbox_low_bytes: usize::try_from(high / 4).unwrap_or(75),
        // What a client that reads can have left unread, and little more.
        client_backlog_bytes_max: usize::try_from(window * 200 + 500).unwrap_or(500),
        lane_streams_max: u16::try_from(streams).unwrap_or(8),
        lane_orphans_max: u32::try_from(streams / 2).unwrap_or(4),
        lane_retained_bytes_max: if tight { 2_000 } else { 1 << 20 },
        clients_max: 40,
        catalog_bytes_max: if chance.one_in(4) { 3_000 } else { 1 << 20 },
        tablets_max: 100_000,
        keyspaces_max: 4,
        request_timeout_us: chance.between(1, 4) * 1_000_000,
        agreement_timeout_us: 3_000_000,
        heartbeat_us: chance.number(&[0, 2_000_000, 10_000_000]),
        heartbeat_timeout_us: 1_000_000,
        ..Limits::default()
    }
}

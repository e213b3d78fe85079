//! The engine by hand: bytes go in, and what the engine wants done is printed. There is no socket, no clock and no task.
//!
//! `cargo run --example engine_by_hand`

#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use cql::frame::{FrameHead, write_frame};
use cql::notation::{put_int, put_long_string, put_short, put_string_map};
use cql::opcode::Opcode;
use cql::token::shard::{ShardId, Sharder};
use shardlane::engine::action::Output;
use shardlane::engine::engine::Engine;
use shardlane::engine::limits::Limits;
use shardlane::engine::settings::{ConsoleSettings, EngineSettings};
use shardlane::routing::decision::Reason;
use shardlane::topology::id::{HostId, NodeId};
use shardlane::topology::node::Node;
use shardlane::topology::snapshot::SnapshotBuilder;
use shardlane::upstream::lane::{LaneRoute, PoolId};

fn main() {
    // A cluster of one node, with one lane to its only shard. The caller has dialled it.
    let (data_center, rack) = ("dc1".into(), "r1".into());
    let (id, host, address) = (NodeId(0), HostId([1; 16]), [127, 0, 0, 1].into());
    let node = Node { id, host, address, port: 9042, data_center, rack, tokens: Vec::new() };
    let snapshot = SnapshotBuilder::new(1, vec![node]).tablet_keyspace("shop", BTreeMap::new());
    let limits = Limits::default();
    let (rack, compression_offered) = (None, Vec::new());
    let settings = EngineSettings {
        limits,
        rack,
        some_nodes: false,
        prefetch_tablets: false,
        tablets_reread_us: 0,
        tablet_samples_per_s: 100,
        routes_texts: true,
        runs_shapes: false,
        asks_to_prepare: true,
        has_peers: false,
        compression_offered,
        console: ConsoleSettings::default(),
    };
    let mut engine = Engine::new(settings, Arc::new(snapshot.build()));
    let route = LaneRoute {
        node: id,
        shard: ShardId(0),
        pool: PoolId::PLAIN,
        lwt_mask: 0,
        metadata_ids: false,
        is_cassandra: false,
        compression: None,
    };
    engine.on_time(1); // µs, given before inputs
    let Some(lane) = engine.on_lane_up(route, Sharder::new(1, 12).ok()) else { return };

    // A client connects. Its STARTUP is answered by the engine itself, with READY.
    let local = SocketAddr::from(([127, 0, 0, 1], 9042));
    let Some(client) = engine.on_client_open(local) else { return };
    let mut startup = frame(4, 0, Opcode::Startup, |body| {
        put_string_map(body, &[("CQL_VERSION", "3.0.0")]);
    });
    engine.on_client_bytes(client, &mut startup);
    take_outputs(&mut engine);

    // Its QUERY on stream 77 goes to the lane, on a stream id of the lane's own.
    let mut query = frame(4, 77, Opcode::Query, |body| {
        put_long_string(body, "SELECT v FROM shop.carts WHERE k = 1");
        put_short(body, 1); // consistency ONE
        body.push(0); // no flags
    });
    engine.on_client_bytes(client, &mut query);
    take_outputs(&mut engine);

    // The node's RESULT on that id goes to the client, on stream 77 again.
    let mut result = frame(0x84, 0, Opcode::Result, |body| put_int(body, 1));
    engine.on_lane_bytes(lane, &mut result, |_client, _large_frame| 0);
    take_outputs(&mut engine);
    for (reason, count) in Reason::ALL.into_iter().zip(engine.tally().routing) {
        if count > 0 {
            println!("decisions:     {count} for the reason {}", reason.label());
        }
    }
}

/// After each input: writes what waits for lanes and clients, then does what is left to do.
fn take_outputs(engine: &mut Engine) {
    while let Some(output) = engine.take_output() {
        match output {
            Output::Action(action) => println!("to do:         {action:?}"),
            Output::LaneBytes(lane) => {
                let sent = engine.lane_output(lane).unwrap_or_default().to_vec();
                println!("to the node:   {sent:02x?}");
                engine.on_lane_sent(lane, sent.len());
            }
            Output::ClientBytes(client) => {
                let sent = engine.client_output(client).unwrap_or_default().to_vec();
                println!("to the client: {sent:02x?}");
                engine.on_client_sent(client, sent.len());
            }
        }
    }
}

/// A frame of a version byte and a stream.
fn frame(version: u8, stream: i16, opcode: Opcode, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write_frame(&mut out, FrameHead { version, flags: 0, stream }, opcode, body);
    out
}

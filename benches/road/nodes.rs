//! The cluster of the rig: who its nodes are, and what they answer.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use cql::header::FLAG_PAYLOAD;
use cql::notation::{put_int, put_short, put_short_bytes, put_string};
use cql::opcode::Opcode;
use shardlane::topology::id::{HostId, NodeId};
use shardlane::topology::node::Node;
use shardlane::topology::replication::Replication;
use shardlane::topology::snapshot::{Snapshot, SnapshotBuilder};

use crate::frames;

/// Nodes, and shards of each.
pub(super) const NODES: u16 = 3;
pub(super) const SHARDS: u16 = 8;
pub(super) const MSB: u8 = 12;
/// Tablets of the table, a power of two.
pub(super) const TABLETS: i128 = 1024;

fn host(node: u16) -> HostId {
    HostId([node as u8 + 1; 16])
}

/// Nodes in one rack, a tablet keyspace `tab` and a ring keyspace `ring` with three copies.
pub(super) fn snapshot() -> Arc<Snapshot> {
    let node = |number: u16| Node {
        id: NodeId(number),
        host: host(number),
        address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, number as u8 + 1)),
        port: 9042,
        data_center: "dc1".into(),
        rack: "r1".into(),
        tokens: (0..16).map(|vnode| token_at(i128::from(number + NODES * vnode), 48)).collect(),
    };
    let builder = SnapshotBuilder::new(1, (0..NODES).map(node).collect())
        .tablet_keyspace("tab", BTreeMap::new())
        .ring_keyspace("ring", Replication::Simple { factor: 3 }, BTreeMap::new());
    Arc::new(builder.build())
}

/// Types of the markers in the two shapes that texts have here, by their numbers in the protocol.
const INSERTED: [u16; 5] = [0x0d, 0x0d, 0x0d, 0x06, 0x02];
const SELECTED: [u16; 1] = [0x02];

/// What a node answers to a PREPARE: an id drawn from the message, as servers do. The last marker is the key.
pub(super) fn named(message: &[u8]) -> Vec<u8> {
    let number = message.iter().fold(0_u64, |seed, byte| random(&mut (seed ^ u64::from(*byte))));
    let id = [number.to_be_bytes(), number.rotate_left(17).to_be_bytes()].concat();
    frames::node_frame(0, Opcode::Result, |out| {
        let kinds = if message[4..].starts_with(b"INSERT") { &INSERTED[..] } else { &SELECTED };
        put_int(out, 4);
        put_short_bytes(out, &id);
        let markers = kinds.len() as i32;
        for number in [1, markers, 1] {
            put_int(out, number);
        }
        put_short(out, kinds.len() as u16 - 1);
        put_string(out, "tab");
        put_string(out, "t");
        for kind in kinds {
            put_string(out, "k");
            put_short(out, *kind);
        }
        out.extend_from_slice(b"columns");
    })
}

/// The token at `index` of `count` even steps around the ring.
fn token_at(index: i128, count: i128) -> cql::token::token::Token {
    let token = i128::from(i64::MIN) + (index << 64) / count;
    cql::token::token::Token::new(i64::try_from(token).unwrap())
}

pub(super) fn tablet_of(token: i64) -> i128 {
    ((i128::from(token) - 1 - i128::from(i64::MIN)) * TABLETS) >> 64
}

/// `answer` with the custom payload that reports a tablet.
pub(super) fn with_tablet(answer: &[u8], index: i128) -> Vec<u8> {
    let border = |index: i128| {
        let token = i128::from(i64::MIN) + (index << 64) / TABLETS;
        i64::try_from(token).unwrap_or(i64::MAX)
    };
    let replicas: Vec<([u8; 16], i32)> = (0..NODES)
        .map(|node| (host(node).0, (index as i32 + i32::from(node)) % i32::from(SHARDS)))
        .collect();
    let payload = frames::tablet_payload(border(index), border(index + 1), &replicas);
    let framed = frames::with_payload(answer, &payload);
    assert_eq!(framed[1] & FLAG_PAYLOAD, FLAG_PAYLOAD);
    framed
}

/// A splitmix64 step.
pub(super) fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

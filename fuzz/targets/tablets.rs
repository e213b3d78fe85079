//! The tablets that nodes report: any payload is read or refused, and the map stays a map.

use cql::payload::TabletReport;
use cql::token::shard::ShardId;
use cql::token::token::Token;
use shardlane::topology::id::NodeId;
use shardlane::topology::table::TableId;
use shardlane::topology::tablet::{Replica, Replicas, Tablet};
use shardlane::topology::tablet_map::{Learned, REPLICAS_MAX, TabletMap};

const ENTRIES_MAX: usize = 600;

/// Each payload follows its length, two bytes, in which the highest bits name table and pause.
pub(crate) fn run(mut data: &[u8]) {
    let mut map = TabletMap::new(ENTRIES_MAX);
    let mut now_ms = 0;
    while let Some((head, rest)) = data.split_first_chunk::<2>() {
        let head = u16::from_be_bytes(*head);
        let table = TableId(u32::from(head >> 15));
        now_ms += if head & 0x4000 != 0 { 1_500 } else { 1 };
        let (payload, rest) = rest.split_at(usize::from(head & 0x3ff).min(rest.len()));
        data = rest;
        if head & 0x2000 != 0 {
            map.forget_node(NodeId(head & 0x3));
        }
        if let Ok(report) = TabletReport::read(payload) {
            learn(&mut map, table, &report, now_ms);
        }
        if let Ok(Some(report)) = TabletReport::find(payload) {
            learn(&mut map, table, &report, now_ms);
        }
    }
}

fn learn(map: &mut TabletMap, table: TableId, report: &TabletReport<'_>, now_ms: u64) {
    let replicas: Replicas = report
        .replicas()
        .map(|it| Replica {
            node: NodeId(u16::from(it.host_id[15] & 0x3)),
            shard: ShardId(u16::try_from(it.shard).unwrap_or(u16::MAX)),
        })
        .collect();
    assert_eq!(replicas.list().len(), report.replicas().len());
    let (first, last) = (report.first, report.last);
    let tablet = Tablet { first, last, replicas };
    let learned = map.learn(table, tablet.clone(), now_ms);
    match learned {
        Learned::New | Learned::Changed | Learned::Same => {
            assert_eq!(map.locate(table, Token::new(last)), Some(tablet.replicas.list()));
        }
        Learned::Refused => {
            let count = tablet.replicas.list().len();
            assert!(first >= last || count == 0 || count > REPLICAS_MAX, "{tablet:?}");
        }
        Learned::Stale => {}
    }
    let all: Vec<_> = map.tablets(table).collect();
    assert_eq!(all.len(), map.table_len(table));
    assert!(map.len() <= ENTRIES_MAX, "{} tablets", map.len());
    for pair in all.windows(2) {
        assert!(pair[0].last <= pair[1].first, "{pair:?} overlap");
    }
    for tablet in &all {
        assert_eq!(map.locate(table, Token::new(tablet.last)), Some(tablet.replicas.list()));
    }
}

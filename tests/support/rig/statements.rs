//! Statements that are known, and tablets that are.

use std::sync::Arc;

use cql::opcode::Opcode;
use cql::values::column_type::ColumnType;
use shardlane::engine::action::{LearnedTablet, PeerMessage};
use shardlane::engine::client::ClientKey;
use shardlane::topology::table_key::{KeyColumn, TableKey};

use super::{Rig, host};
use crate::support::frames;

impl Rig {
    /// A client prepares `text`; the node calls it `id`, and the other nodes prepare it as well.
    pub(crate) fn prepare(&mut self, client: ClientKey, text: &str, answer: &[u8]) {
        self.send(client, &frames::prepare(77, text));
        let (lane, request) = self.request();
        assert_eq!(request.opcode(), Opcode::Prepare);
        self.result(lane, request.stream(), answer);
        for (lane, spread) in self.all_requests() {
            assert_eq!(spread.text(), text);
            self.result(lane, spread.stream(), answer);
        }
        let received = self.answer(client);
        assert_eq!((received.stream(), received.opcode()), (77, Opcode::Result));
    }

    /// Prepares a SELECT by `k` of `keyspace.t` under the id `[id; 16]`.
    pub(crate) fn prepare_select(&mut self, client: ClientKey, keyspace: &str, id: u8) {
        let text = format!("SELECT v FROM {keyspace}.t WHERE k = ? /* {id} */");
        let answer = frames::prepared(&[id; 16], 0, &format!("{keyspace}.t"), b"columns");
        self.prepare(client, &text, &answer);
    }

    /// Prepares an INSERT into `keyspace.t` under the id `[id; 16]`.
    pub(crate) fn prepare_insert(&mut self, client: ClientKey, keyspace: &str, id: u8) {
        let text = format!("INSERT INTO {keyspace}.t (k) VALUES (?) /* {id} */");
        let answer = frames::prepared(&[id; 16], 0, &format!("{keyspace}.t"), b"");
        self.prepare(client, &text, &answer);
    }

    /// The partition key of a table was read.
    pub(crate) fn know_key(&mut self, keyspace: &str, table: &str, columns: &[(&str, ColumnType)]) {
        let column = |(name, kind): &(&str, ColumnType)| KeyColumn {
            name: (*name).into(),
            kind: kind.clone(),
        };
        let columns = Some(columns.iter().map(column).collect());
        let key =
            TableKey { keyspace: keyspace.into(), table: table.into(), columns, is_absent: false };
        self.input(|engine| engine.on_table_key(Arc::new(key)));
    }

    /// There is no such table.
    pub(crate) fn know_no_key(&mut self, keyspace: &str, table: &str) {
        let key = TableKey {
            keyspace: keyspace.into(),
            table: table.into(),
            columns: None,
            is_absent: true,
        };
        self.input(|engine| engine.on_table_key(Arc::new(key)));
    }

    /// All of `tab.t` is one tablet with these replicas, each a node and a shard, the first first.
    pub(crate) fn know_tablet(&mut self, replicas: &[(u16, u16)]) {
        let tablet = LearnedTablet {
            table: ("tab".into(), "t".into()),
            first: i64::MIN,
            last: i64::MAX,
            replicas: replicas.iter().map(|(node, shard)| (host(*node), *shard)).collect(),
        };
        self.input(|engine| engine.on_peer_message(PeerMessage::Tablet(Arc::new(tablet))));
    }
}

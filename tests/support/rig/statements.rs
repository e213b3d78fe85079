//! Statements that are known, and tablets that are.

use std::sync::Arc;

use cql::opcode::Opcode;
use shardlane::engine::action::{LearnedTablet, PeerMessage};
use shardlane::engine::client::ClientKey;

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
        let told = self.answer(client);
        assert_eq!((told.stream(), told.opcode()), (77, Opcode::Result));
    }

    /// Prepares a SELECT by `k` of `keyspace.t` under the id `[id; 16]`.
    pub(crate) fn prepare_select(&mut self, client: ClientKey, keyspace: &str, id: u8) {
        let text = format!("SELECT v FROM {keyspace}.t WHERE k = ? /* {id} */");
        let answer = frames::prepared(&[id; 16], 0, (keyspace, "t"), b"columns");
        self.prepare(client, &text, &answer);
    }

    /// Prepares an INSERT into `keyspace.t` under the id `[id; 16]`.
    pub(crate) fn prepare_insert(&mut self, client: ClientKey, keyspace: &str, id: u8) {
        let text = format!("INSERT INTO {keyspace}.t (k) VALUES (?) /* {id} */");
        let answer = frames::prepared(&[id; 16], 0, (keyspace, "t"), b"");
        self.prepare(client, &text, &answer);
    }

    /// All of `tab.t` is one tablet with these replicas, each a node and a shard, the first first.
    pub(crate) fn know_tablet(&mut self, replicas: &[(u16, u16)]) {
        let tablet = LearnedTablet {
            table: ("tab".into(), "t".into()),
            first: i64::MIN,
            last: i64::MAX,
            replicas: replicas.iter().map(|(node, shard)| (host(*node), *shard)).collect(),
        };
        self.input(|engine| engine.on_news(PeerMessage::Tablet(Arc::new(tablet))));
    }
}

//! What the server's answers teach: which tablet a request missed.

use std::sync::Arc;

use crate::engine::action::{Action, LearnedTablet, PeerMessage};
use crate::engine::engine::Engine;
use crate::engine::pending::Pending;
use crate::topology::id::HostId;
use crate::topology::table::TableId;
use crate::topology::tablet::{Replica, Replicas, Tablet};
use crate::topology::tablet_map::{Learned, REPLICAS_MAX};
use cql::payload::TabletReport;
use cql::token::shard::ShardId;

/// Reports that name a host that nobody knows yet, kept until the topology is read again.
const UNRESOLVED_MAX: usize = 1024;

/// A report that names a host that is not in the snapshot.
#[derive(Debug)]
pub struct Unresolved {
    table: TableId,
    tablet: Arc<LearnedTablet>,
}

impl Engine {
    /// Takes the server's word on where a request should have gone.
    ///
    /// No payload on the answer to a routable statement is a word too: it hit a replica's shard.
    pub(in crate::engine) fn learn(&mut self, pending: &Pending, payload: &[u8]) {
        let table = pending.statement.and_then(|key| self.router.catalog.get(key)?.table);
        let Some(table) = table else { return };
        if payload.is_empty() {
            if self.router.is_tablet_table(table) {
                self.tally.feedback_of(table).hits += 1;
            }
            return;
        }
        let Ok(Some(report)) = TabletReport::find(payload) else { return };
        self.tally.feedback_of(table).misses += 1;
        if report.replicas().len() > REPLICAS_MAX {
            return;
        }
        let Some((keyspace, name)) = self.router.tables.name(table) else { return };
        let replicas = report
            .replicas()
            .map(|(host, shard)| (HostId(host), u16::try_from(shard).unwrap_or(u16::MAX)));
        let tablet = Arc::new(LearnedTablet {
            table: (keyspace.into(), name.into()),
            first: report.first,
            last: report.last,
            replicas: replicas.collect(),
        });
        if self.insert_tablet(table, &tablet) && self.settings.has_peers {
            self.actions.push_back(Action::Tell(PeerMessage::Tablet(tablet)));
        }
    }

    /// Takes what another worker learned.
    pub fn on_news(&mut self, news: PeerMessage) {
        match news {
            PeerMessage::Tablet(tablet) => {
                let (keyspace, name) = &tablet.table;
                if let Some(table) = self.router.tables.get(keyspace, name) {
                    self.insert_tablet(table, &tablet);
                }
            }
            PeerMessage::Statement(statement) => self.record(statement),
            PeerMessage::StatementsMissed => self.router.catalog.on_missed(),
        }
    }

    /// Puts a tablet into the map; `false` when that changed nothing.
    fn insert_tablet(&mut self, table: TableId, learned: &Arc<LearnedTablet>) -> bool {
        let snapshot = Arc::clone(self.router.snapshot());
        let replicas: Option<Vec<Replica>> = learned
            .replicas
            .iter()
            .map(|(host, shard)| {
                let node = snapshot.number_of(*host)?;
                Some(Replica { node, shard: ShardId(*shard) })
            })
            .collect();
        let Some(replicas) = replicas else {
            if self.unresolved.len() >= UNRESOLVED_MAX {
                self.unresolved.pop_front();
            }
            self.unresolved.push_back(Unresolved { table, tablet: Arc::clone(learned) });
            self.actions.push_back(Action::RefreshTopology);
            return true;
        };
        let tablet = Tablet {
            first: learned.first,
            last: learned.last,
            replicas: Replicas::from_iter(replicas),
        };
        match self.router.tablets.learn(table, tablet, self.now_us / 1000) {
            Learned::New | Learned::Changed => true,
            Learned::Stale => {
                self.tally.stale_tablets += 1;
                false
            }
            Learned::Same | Learned::Refused => false,
        }
    }

    /// Tries the reports again that named unknown hosts: the snapshot is new.
    pub(in crate::engine) fn resolve_tablets(&mut self) {
        for unresolved in std::mem::take(&mut self.unresolved) {
            let known = |host| self.router.snapshot().number_of(host).is_some();
            if unresolved.tablet.replicas.iter().all(|(host, _)| known(*host)) {
                self.insert_tablet(unresolved.table, &unresolved.tablet);
            } else if self.unresolved.len() < UNRESOLVED_MAX {
                self.unresolved.push_back(unresolved);
            }
        }
    }
}

//! Tablets that servers report in their answers: which one a request missed.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use crate::engine::action::{Action, LearnedTablet, PeerMessage};
use crate::engine::core::core::Core;
use crate::engine::pending::{Pending, Subject};
use crate::topology::id::HostId;
use crate::topology::table::TableId;
use crate::topology::tablet::{Replica, Replicas, Tablet};
use crate::topology::tablet_map::{Learned, REPLICAS_MAX};
use cql::payload::TabletReport;
use cql::token::shard::ShardId;

/// Reports that name a host that is not known yet, kept until the topology is read again.
const UNRESOLVED_MAX: usize = 1024;

/// Reports that could not be used yet.
#[derive(Debug, Default)]
pub(crate) struct TabletReports {
    /// Oldest first.
    unresolved: VecDeque<Unresolved>,
}

/// What a report did to the map.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Change {
    Nothing,
    /// The tablet was not known, or it is not known yet which nodes it names.
    New,
    /// The tablet was known elsewhere, or its range was another.
    Moved,
}

/// A report that names a host that is not in the snapshot.
#[derive(Debug)]
struct Unresolved {
    table: TableId,
    tablet: Arc<LearnedTablet>,
}

impl TabletReports {
    /// Learns from an answer where its request should have gone.
    ///
    /// No payload on the answer to a routable statement says something too: it hit a replica's shard.
    ///
    /// Returns the table when a tablet of it is not where it was known to be.
    pub(crate) fn learn(
        &mut self,
        core: &mut Core,
        pending: &Pending,
        payload: &[u8],
    ) -> Option<TableId> {
        let (table, is_text) = match pending.subject {
            Subject::Statement(key) => {
                let waited_us = core.now_us.saturating_sub(pending.arrived_us);
                (core.router.catalog.on_answer(key, waited_us), false)
            }
            Subject::Table(table) => (Some(table), true),
            Subject::Shape(table) => (table, true),
            Subject::Unknown => return None,
        };
        let table = table?;
        if payload.is_empty() {
            if core.router.is_tablet_table(table) {
                let feedback = core.tally.feedback_of(table);
                let hits = if is_text { &mut feedback.text_hits } else { &mut feedback.hits };
                *hits += 1;
            }
            return None;
        }
        let report = TabletReport::find(payload).ok().flatten()?;
        let feedback = core.tally.feedback_of(table);
        let misses = if is_text { &mut feedback.text_misses } else { &mut feedback.misses };
        *misses += 1;
        if report.replicas().len() > REPLICAS_MAX {
            return None;
        }
        let (keyspace, name) = core.router.tables.name(table)?;
        let replicas = report
            .replicas()
            .map(|it| (HostId(it.host_id), u16::try_from(it.shard).unwrap_or(u16::MAX)));
        let tablet = Arc::new(LearnedTablet {
            table: (keyspace.into(), name.into()),
            first: report.first,
            last: report.last,
            replicas: replicas.collect(),
        });
        let change = self.insert(core, table, &tablet);
        if change != Change::Nothing && core.settings.has_peers {
            core.actions.push_back(Action::ToOtherWorkers(PeerMessage::Tablet(tablet)));
        }
        (change == Change::Moved).then_some(table)
    }

    /// Another worker learned of a tablet.
    pub(crate) fn on_peer(&mut self, core: &mut Core, tablet: &Arc<LearnedTablet>) {
        let (keyspace, name) = &tablet.table;
        if let Some(table) = core.router.tables.get(keyspace, name) {
            self.insert(core, table, tablet);
        }
    }

    /// Puts a tablet into the map.
    fn insert(&mut self, core: &mut Core, table: TableId, learned: &Arc<LearnedTablet>) -> Change {
        let snapshot = Arc::clone(core.router.snapshot());
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
            core.actions.push_back(Action::RefreshTopology);
            return Change::New;
        };
        let tablet = Tablet {
            first: learned.first,
            last: learned.last,
            replicas: Replicas::from_iter(replicas),
        };
        match core.router.tablets.learn(table, tablet, core.now_us / 1000) {
            Learned::New => Change::New,
            Learned::Changed => Change::Moved,
            Learned::Stale => {
                core.tally.stale_tablets += 1;
                Change::Nothing
            }
            Learned::Same | Learned::Refused => Change::Nothing,
        }
    }

    /// Tries the reports again that named unknown hosts: the snapshot is new.
    pub(crate) fn resolve(&mut self, core: &mut Core) {
        for unresolved in mem::take(&mut self.unresolved) {
            let known = |host| core.router.snapshot().number_of(host).is_some();
            if unresolved.tablet.replicas.iter().all(|(host, _)| known(*host)) {
                self.insert(core, unresolved.table, &unresolved.tablet);
            } else if self.unresolved.len() < UNRESOLVED_MAX {
                self.unresolved.push_back(unresolved);
            }
        }
    }
}

//! The rows of the console's tables.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::reader::SettingEntry;
use crate::config::setting::Reload;
use crate::config::table;
use crate::engine::view::gauges::LaneGauges;
use crate::engine::view::inspection::{ByReason, ClientView, Inspection, LaneState};
use crate::engine::view::slow_request::SlowRequest;
use crate::facade::console::contents::{ConsoleRow, Contents};
use crate::facade::console::table::ConsoleTable;
use crate::routing::decision::Reason;
use crate::server::views::view::{StatementSum, View, wide};
use crate::telemetry::recent::LogLine;
use crate::topology::node::Node;
use crate::topology::tablet::Tablet;

impl View {
    /// The rows of a table.
    #[must_use]
    pub(crate) fn contents(&self, table: ConsoleTable) -> Contents {
        match table {
            ConsoleTable::Clients => self.clients(),
            ConsoleTable::Events => self.lines.iter().map(event).collect(),
            ConsoleTable::Lanes => self.lanes(),
            ConsoleTable::Nodes => self.nodes(),
            ConsoleTable::Routing => self.routing(),
            ConsoleTable::Settings => self.settings.iter().map(setting).collect(),
            ConsoleTable::SlowRequests => self.slow_requests(),
            ConsoleTable::Statements => self.statements(),
            ConsoleTable::Tables => self.tables(),
            ConsoleTable::Tablets => self.tablets(),
        }
    }

    fn clients(&self) -> Contents {
        let workers = self.workers.iter().enumerate();
        let mut clients: Vec<(String, usize, &Inspection, &ClientView)> = workers
            .flat_map(|(number, worker)| {
                let named = |client: &ClientView| match client.peer {
                    Some(peer) => peer.to_string(),
                    None => "unix".to_owned(),
                };
                worker.clients.iter().map(move |client| (named(client), number, worker, client))
            })
            .collect();
        clients
            .sort_by(|one, other| (&one.0, one.1, one.3.id).cmp(&(&other.0, other.1, other.3.id)));
        let row = |(address, number, worker, client): (String, usize, &Inspection, &ClientView)| {
            let driver = client.driver.as_ref();
            ConsoleRow::default()
                .text(&address)
                .int(wide(number))
                .int(wide(client.id))
                .text_or_null(driver.map(|(name, _)| name.as_str()))
                .text_or_null(driver.map(|(_, version)| version.as_str()))
                .int(u64::from(client.version.unwrap_or(0)))
                .text_or_null(client.compression.map(|one| one.name()))
                .text_or_null(client.keyspace.as_deref())
                .text_or_null(client.role.as_deref())
                .int(u64::from(client.in_flight))
                .bigint(self.unix_ms(worker, client.since_us))
        };
        clients.into_iter().map(row).collect()
    }

    fn lanes(&self) -> Contents {
        let mut lanes: Vec<_> = self
            .all_lanes()
            .filter_map(|(number, worker, lane)| {
                let address = self.snapshot.node(lane.node)?.address;
                Some((address, lane.shard, number, worker, lane))
            })
            .collect();
        lanes.sort_by_key(|(address, shard, number, _, lane)| (*address, *shard, *number, lane.id));
        let rows = lanes.into_iter().map(|(address, shard, number, worker, lane)| {
            let idle_ms = worker.now_us.saturating_sub(lane.used_us) / 1_000;
            ConsoleRow::default()
                .inet(address)
                .int(u64::from(shard.0))
                .int(wide(number))
                .int(wide(lane.id))
                .text(lane.state.name())
                .text_or_null(lane.keyspace.as_deref())
                .int(wide(lane.in_flight))
                .int(wide(lane.orphans))
                .count(lane.requests)
                .count_or_null(lane.waited_us.checked_div(lane.answered))
                .count(wide(lane.unsent_bytes))
                .count_or_null((lane.used_us > 0).then_some(idle_ms))
                .text_or_null(lane.compression.map(|one| one.name()))
        });
        rows.collect()
    }

    fn nodes(&self) -> Contents {
        let mut nodes: Vec<_> = self.snapshot.nodes().iter().collect();
        nodes.sort_by_key(|node| node.address);
        let row = |node: &Arc<Node>| {
            let (mut lanes, mut in_flight) = (LaneGauges::default(), 0);
            for (_, _, lane) in self.all_lanes().filter(|(_, _, lane)| lane.node == node.id) {
                in_flight += wide(lane.in_flight);
                match lane.state {
                    LaneState::Open | LaneState::Full => lanes.open += 1,
                    LaneState::Stalled => lanes.stalled += 1,
                    LaneState::Draining => lanes.draining += 1,
                }
            }
            let dial = self.dials.iter().find(|dial| dial.node == node.id);
            ConsoleRow::default()
                .inet(node.address)
                .int(u64::from(node.port))
                .bytes(&node.host.0)
                .text(&node.data_center)
                .text(&node.rack)
                .int(u64::from(self.shards_of(node.id).unwrap_or(0)))
                .int(lanes.open)
                .int(lanes.stalled)
                .int(lanes.draining)
                .int(in_flight)
                .text_or_null(dial.map(|dial| dial.port_verdict))
        };
        nodes.into_iter().map(row).collect()
    }

    fn routing(&self) -> Contents {
        let mut contents = Contents::default();
        let mut add =
            |(keyspace, table): (&str, &str), counts: ByReason, judged: Option<(u64, u64)>| {
                for (reason, count) in Reason::ALL.into_iter().zip(counts) {
                    if count == 0 {
                        continue;
                    }
                    contents.push(
                        ConsoleRow::default()
                            .text(keyspace)
                            .text(table)
                            .text(reason.label())
                            .count_or_null(judged.map(|it| it.0))
                            .count_or_null(judged.map(|it| it.1))
                            .count(count)
                            .boolean(reason.is_routed())
                            .text_or_null(reason.hint()),
                    );
                }
            };
        add(("", ""), self.without_table(), None);
        for (name, sum) in self.table_sums() {
            add(name, sum.requests, sum.judged());
        }
        contents
    }

    fn slow_requests(&self) -> Contents {
        let workers = self.workers.iter().enumerate();
        let mut all: Vec<_> = workers
            .flat_map(|(number, worker)| {
                let at = |slow: &SlowRequest| self.unix_ms(worker, slow.at_us);
                worker.slow.iter().map(move |slow| (at(slow), number, slow))
            })
            .collect();
        all.sort_by_key(|(at, ..)| Reverse(*at));
        let row = |(at, worker, slow): (i64, usize, &SlowRequest)| {
            let table = slow.table.as_ref();
            let client = slow.peer.map_or_else(|| "unix".to_owned(), |peer| peer.to_string());
            let row = ConsoleRow::default()
                .int(wide(worker))
                .count(slow.number)
                .bigint(at)
                .count(slow.waited_us)
                .text(slow.kind.label())
                .text_or_null(table.map(|(keyspace, _)| &**keyspace))
                .text_or_null(table.map(|(_, table)| &**table))
                .text_or_null(slow.text.as_deref())
                .text(&client);
            let node = self.snapshot.node(slow.node);
            row.inet_or_null(node.map(|node| node.address))
                .int(u64::from(slow.shard.0))
                .int(u64::from(slow.resent))
                .boolean(slow.is_failed)
        };
        all.into_iter().map(row).collect()
    }

    fn statements(&self) -> Contents {
        let row = |sum: StatementSum| {
            let table = sum.statement.table.as_ref();
            let (route, hint) = sum.route();
            ConsoleRow::default()
                .bytes(&sum.statement.id)
                .text_or_null(table.map(|(keyspace, _)| &**keyspace))
                .text_or_null(table.map(|(_, table)| &**table))
                .text(&sum.text())
                .count(sum.requests)
                .count_or_null(sum.mean_us())
                .count_or_null(sum.sample.quantile(990))
                .text(route)
                .text_or_null(hint)
                .boolean(sum.statement.lwt)
        };
        self.statement_sums().into_iter().map(row).collect()
    }

    fn tables(&self) -> Contents {
        let present = self.table_sums().into_iter().filter(|(_, sum)| sum.is_present);
        let rows = present.map(|((keyspace, table), sum)| {
            let judged = sum.judged();
            ConsoleRow::default()
                .text(keyspace)
                .text(table)
                .text(sum.found_by.name())
                .count(wide(sum.tablets))
                .count(sum.total())
                .count(sum.routed())
                .count_or_null(judged.map(|it| it.0))
                .count_or_null(judged.map(|it| it.1))
                .double_or_null(sum.hit_percent())
        });
        rows.collect()
    }

    fn tablets(&self) -> Contents {
        let mut known: BTreeMap<(&str, &str, i64), (&Tablet, u64)> = BTreeMap::new();
        for (keyspace, table, tablet) in self.workers.iter().flat_map(|worker| &worker.tablets) {
            known.entry((keyspace, table, tablet.last)).or_insert((tablet, 0)).1 += 1;
        }
        let rows = known.into_iter().map(|((keyspace, table, last), (tablet, workers))| {
            let replicas = tablet.replicas.list().iter().map(|replica| {
                let node = self.snapshot.node(replica.node);
                let node = node.map_or_else(|| "?".to_owned(), |node| node.address.to_string());
                format!("{node}/{}", replica.shard.0)
            });
            ConsoleRow::default()
                .text(keyspace)
                .text(table)
                .bigint(last)
                .bigint(tablet.first)
                .texts(&replicas.collect::<Vec<_>>())
                .int(workers)
        });
        rows.collect()
    }
}

fn event(line: &LogLine) -> ConsoleRow {
    let row = ConsoleRow::default().count(line.number).bigint(line.at_us / 1_000);
    row.text(line.level).text(line.source).text(&line.message)
}

fn setting(entry: &SettingEntry) -> ConsoleRow {
    let reload = match table::find(entry.key).map(|setting| setting.reload) {
        Some(Reload::AtOnce) => "at_once",
        Some(Reload::Connections) => "connections",
        Some(Reload::Restart) | None => "restart",
    };
    let value = Some(entry.value.as_str()).filter(|value| !value.is_empty());
    let row = ConsoleRow::default().text(entry.key).text_or_null(value);
    row.text(&entry.origin.to_string()).text(reload)
}

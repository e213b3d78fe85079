//! A seed from its beginning to its end.

use std::time::Duration;

use crate::agenda::Event;
use crate::clients::driver::{Driver, WayIn};
use crate::faults::fault_kind::FaultKind;
use crate::model::credentials::Credentials;
use crate::model::frames::{Frame, Hand};
use crate::model::keys::{KEY_KINDS, key_kind};
use crate::model::statements::{Handle, KEYSPACES, Shape, keyspace, schema};
use crate::scenario::{ROWS, Scenario};
use crate::world::World;
use cql::opcode::Opcode;
use cql::response::prepared::Prepared;
use cql::response::rows::Rows;
use cql::token::partitioner::Partitioner;
use shardlane::engine::view::tally::Tally;
use shardlane::pool::refill::refiller::PoolRefiller;
use shardlane::routing::decision::Reason;
use sim::ConnectionId;

/// The first lanes must be there within this time.
const BEGUN_US: u64 = 120_000_000;

/// What came of a seed.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// What it drew.
    pub scenario: String,
    /// What did not hold; the first thing only.
    pub broken: Option<String>,
    /// Virtual time that passed, µs.
    pub virtual_us: u64,
    /// Requests of clients.
    pub requests: u64,
    /// Events of the world.
    pub events: u64,
    /// What the engine went through, by name: a world that never gets there proves nothing.
    pub reached: Vec<(&'static str, u64)>,
    /// Mixes all that the engine sent: the same whenever the seed is run.
    pub print: u64,
    /// The time line, if it was asked for.
    pub story: Vec<String>,
}

/// Runs a seed; `kept` keeps its story.
#[must_use]
pub(crate) fn run(seed: u64, kept: bool) -> Outcome {
    let scenario = Scenario::draw(seed);
    let summary = scenario.summary();
    let mut world = match World::new(scenario, kept) {
        Ok(world) => world,
        Err(error) => {
            return Outcome {
                scenario: summary,
                broken: Some(error.to_string()),
                virtual_us: 0,
                requests: 0,
                events: 0,
                reached: Vec::new(),
                print: 0,
                story: Vec::new(),
            };
        }
    };
    world.live();
    let reached = world.reached();
    Outcome {
        scenario: summary,
        broken: world.broken,
        virtual_us: world.now_us,
        requests: u64::try_from(world.ledger.len()).unwrap_or(u64::MAX),
        events: world.counted.events,
        reached,
        print: world.counted.print,
        story: world.story.into_lines(),
    }
}

/// The token of a row that clients read.
pub(super) fn token_of_row(key: u64) -> i64 {
    Partitioner::Murmur3.token(&key.to_be_bytes()).value()
}

fn passed(tally: &Tally) -> u64 {
    tally.routing.get(usize::from(Reason::ReplicaStalled as u8)).copied().unwrap_or(0)
}

fn copied(tally: &Tally) -> u64 {
    tally.routing.get(usize::from(Reason::Speculative as u8)).copied().unwrap_or(0)
}

impl World {
    #[expect(clippy::too_many_lines, reason = "one list")]
    fn reached(&self) -> Vec<(&'static str, u64)> {
        let tallies = || self.workers.all().map(|worker| worker.engine.tally());
        let sum = |of: fn(&Tally) -> u64| tallies().map(of).sum::<u64>();
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let writes = self.ledger.iter().filter(|(_, record)| record.ran > 0).count();
        let acknowledged = self.ledger.iter().filter(|(_, it)| it.acknowledged).count();
        let tables = || tallies().flat_map(|tally| tally.feedback.iter());
        let misses: u64 = tables().map(|table| table.misses).sum();
        let hits: u64 = tables().map(|table| table.hits).sum();
        vec![
            ("acknowledged", wide(acknowledged)),
            ("writes run", wide(writes)),
            ("hits", hits),
            ("misses", misses),
            ("sent again", sum(|tally| tally.resent)),
            ("prepared again", sum(|tally| tally.reprepared)),
            ("prepared ahead", sum(|tally| tally.spread)),
            ("timeouts", sum(|tally| tally.timeouts)),
            ("late answers", sum(|tally| tally.late_answers)),
            ("heartbeat timeouts", sum(|tally| tally.heartbeat_timeouts)),
            ("lanes stalled", sum(|tally| tally.lanes_stalled)),
            ("passed a stalled lane", sum(passed)),
            ("lanes broken", sum(|tally| tally.lanes_broken)),
            ("clients broken", sum(|tally| tally.clients_broken)),
            ("clients cut off", sum(|tally| tally.clients_cut_off)),
            ("agreements", sum(|tally| tally.agreements)),
            ("unknown statements", sum(|tally| tally.catalog_misses)),
            ("clients held up", self.counted.held_up),
            ("most streams taken", self.counted.full_lanes),
            ("messages between workers", self.counted.messages),
            ("logins", sum(|tally| tally.logins_granted)),
            ("logins refused", self.counted.login_refusals),
            ("clients revoked", sum(|tally| tally.clients_revoked)),
            ("system tables", self.counted.system),
            ("compressed requests", self.counted.packed),
            ("reads copied", sum(copied)),
            ("large answers passed", self.counted.large_passed),
            ("large answers passed in part", self.counted.large_parted),
            ("large answers cut off by lanes", self.counted.large_lost),
            ("large answers cut off by clients", self.counted.large_left),
            ("lanes opened on demand", self.counted.opened_on_demand),
            ("lanes closed for idleness", self.counted.closed_unused),
            ("failovers", self.counted.failed_over),
            ("other nodes used", self.counted.widened),
            ("requests far away", self.counted.far),
            ("messages without room", self.counted.reports_lost),
            ("handshakes that waited", self.counted.dials_waited),
            ("keyspaces that are not there", self.counted.keyspaces_refused),
            ("challenges", self.counted.challenges),
            ("logins refused by stale roles", self.counted.stale_roles),
            ("keyspaces refused for a moment", self.counted.uses_refused),
            ("unavailable at one node and run by another", self.counted.run_elsewhere),
            ("connections of single clients", self.counted.dedicated),
            (
                "logins merged",
                sum(|tally| tally.logins_granted).saturating_sub(self.counted.logins_taken),
            ),
            ("credentials revoked", self.counted.revoked),
            ("tablets read", self.counted.tablets_read),
            ("tablets read and outdated", sum(|tally| tally.tablets_outdated)),
            ("tablets read again in the calm", self.counted.read_again),
            ("tablets read on their way", self.counted.read_moving),
            ("logins of intruders", self.counted.intruders.unverified),
            ("logins of intruders that were taken before", self.counted.intruders.known),
            ("memory waits", sum(|tally| tally.memory_waits)),
            ("clients closed for memory", sum(|tally| tally.clients_closed_for_memory)),
            ("reads of tablets refused", self.counted.reads_refused),
            ("texts judged by their shard", self.counted.texts_judged),
            ("texts judged in their keyspace", self.counted.keyspaces_judged),
            ("texts judged as prepared statements", self.counted.shapes_judged),
            ("texts run as prepared statements", sum(|tally| tally.texts_executed)),
            ("shapes that a node had forgotten", sum(|tally| tally.shapes_forgotten)),
            ("shapes given up", sum(|tally| tally.shapes_given_up)),
            ("texts judged after a move", self.counted.texts_moved),
            ("texts judged after a move that samples showed", self.counted.texts_found),
            ("texts judged after samples", self.counted.texts_sampled),
            ("changes of replication followed", self.counted.copies_changed),
            ("changes of replication under load", self.counted.copies_judged),
            ("rows with a column more judged", self.counted.own_rows_judged),
            ("floods of statements", self.counted.floods),
            ("statements spread by use", self.counted.spread_by_use),
            ("tablets read and new", sum(|tally| tally.tablets_filled)),
        ]
    }

    fn live(&mut self) {
        self.agenda.plan(self.now_us, Event::ControlDials);
        self.agenda.plan(self.now_us, Event::Audit);
        for worker in self.workers.numbers() {
            self.arm_deadline(worker);
        }
        let until = self.now_us + BEGUN_US;
        let begun = |world: &mut Self| {
            let whole = |it: &PoolRefiller| {
                it.schedule().slots().is_complete() && it.schedule().slots().sharder().is_some()
            };
            // Where clients log in, there are no lanes before.
            let wanted = world.scenario.roles == 0;
            world.workers.all().all(|worker| worker.picture.1 > 0)
                && world.refillers().next().is_some() == wanted
                && world.refillers().all(|(_, refiller)| whole(refiller))
        };
        // Behind changed source ports it takes minutes; clients need not wait for all lanes then.
        if !self.run(until, begun) && !self.scenario.nat {
            return self.blame(format_args!("the first lanes do not come up"));
        }
        for number in 0..self.scenario.clients {
            let mut driver = Driver::draw(&mut self.chance);
            if self.scenario.odd_logins {
                let ways = [WayIn::Plain, WayIn::Odd, WayIn::Challenged];
                driver.way_in = self.chance.pick(&ways).copied().unwrap_or(WayIn::Plain);
            }
            self.drivers.push(driver);
            let at = self.now_us + self.chance.below(50_000);
            self.agenda.plan(at, Event::DriverDials { driver: number });
            self.agenda.plan(at + 1, Event::DriverActs { driver: number });
        }
        self.agenda.plan(self.now_us + self.scenario.fault_every_us, Event::Fault);
        let until = self.now_us + self.scenario.trouble_us;
        self.run(until, |_| false);
        if self.broken.is_none() {
            self.judge_calm();
        }
    }

    /// Makes the schema and the rows, before any time passes.
    pub(super) fn fill_cluster(&mut self) {
        let keeps_last = self.scenario.has(FaultKind::Intruder);
        self.credentials = Credentials::make(self.scenario.roles, keeps_last, &mut self.cluster);
        let Some(connection) = self.own_connection(0, 30_000) else { return };
        let mut hand = Hand::OWN;
        for text in schema(&self.scenario) {
            let said = self.ask_node(connection, &hand.query(&text));
            self.expect_result(&text, said);
        }
        for keyspace in 0..KEYSPACES.len() {
            let own = (0..self.scenario.roles).map(Shape::Own);
            let large = self.scenario.large.then_some(Shape::Large);
            for shape in own.chain([Shape::Read]).chain(large) {
                let handle = Handle { shape, keyspace, qualified: true };
                self.fill_table(connection, handle, &mut hand);
            }
            let kinds = if self.scenario.texts { KEY_KINDS.len() } else { 0 };
            for kind in 0..kinds {
                self.fill_key_table(connection, keyspace, kind, &mut hand);
            }
        }
        self.put_rows_on_borders();
        // Every node has heard of the schema, and no client has prepared anything, when it begins.
        self.cluster.close(connection);
        self.cluster.on_time(Duration::from_millis(1_100));
        let _count = self.cluster.forget_statements(None, None);
        self.cluster.take_mail();
    }

    /// Moves the borders of tablets and of the ring onto rows: an error by one shows nowhere else.
    fn put_rows_on_borders(&mut self) {
        let mut tokens: Vec<i64> = (0..ROWS).map(token_of_row).collect();
        tokens.sort_unstable();
        if let Ok(tablets) = self.cluster.tablets_mut("tab", "t") {
            let mut first = i64::MIN;
            for tablet in tablets.all_mut().filter(|tablet| tablet.last != i64::MAX) {
                let inside =
                    tokens.iter().filter(|token| first < **token && **token <= tablet.last);
                tablet.last = inside.max().copied().unwrap_or(tablet.last);
                first = tablet.last;
            }
        }
        for (node, token) in tokens.into_iter().enumerate().take(self.cluster.members.len()) {
            let own = self.cluster.members.get(node).map(|member| member.tokens.clone());
            let mut own = own.unwrap_or_default();
            if let Some(first) = own.first_mut() {
                *first = token;
            }
            let _known = self.cluster.set_tokens(node, own);
        }
    }

    /// Gives a table the rows that `handle` reads.
    fn fill_table(&mut self, connection: ConnectionId, handle: Handle, hand: &mut Hand) {
        let text = format!("INSERT INTO {} (pk, v) VALUES (?, ?)", handle.table_read());
        let said = self.ask_node(connection, &hand.prepare(&text));
        let Some(said) = self.expect_result(&text, said) else { return };
        let Ok(prepared) = Prepared::read(4, &said.body) else { return };
        for row in 0..handle.rows() {
            hand.number = row;
            let (key, cell) = (row.to_be_bytes(), handle.cell(row));
            let insert = hand.execute_cells(prepared.id, &[&key, &cell], false);
            let said = self.ask_node(connection, &insert);
            self.expect_result("a row", said);
        }
    }

    /// Gives a table with a key of its own kind its rows.
    pub(super) fn fill_key_table(
        &mut self,
        connection: ConnectionId,
        of: usize,
        number: usize,
        hand: &mut Hand,
    ) {
        let kind = key_kind(number);
        let handle = Handle { shape: Shape::Typed(number), keyspace: of, qualified: true };
        let text = kind.insert(keyspace(of));
        let said = self.ask_node(connection, &hand.prepare(&text));
        let Some(said) = self.expect_result(&text, said) else { return };
        let Ok(prepared) = Prepared::read(4, &said.body) else { return };
        for row in 0..kind.row_count() {
            hand.number = row;
            let value = handle.cell(row);
            let cells: Vec<&[u8]> = kind.cells(row).into_iter().chain([&value[..]]).collect();
            let said = self.ask_node(connection, &hand.execute_cells(prepared.id, &cells, false));
            self.expect_result("a row", said);
        }
    }

    pub(super) fn expect_result(&mut self, what: &str, said: Option<Frame>) -> Option<Frame> {
        let said = said.filter(|said| said.opcode() == Some(Opcode::Result));
        if said.is_none() {
            self.blame(format_args!("the world cannot be made: {what}"));
        }
        said
    }

    /// How often a counter was raised; asked of the cluster, not of the proxy.
    pub(super) fn counter(&mut self, keyspace: usize, key: u64) -> i64 {
        let alive = self.cluster.members.iter().position(|member| member.answers());
        let connection = alive.and_then(|node| self.own_connection(node, 30_001));
        let Some(connection) = connection else { return 0 };
        let hand = Hand::OWN;
        let name = KEYSPACES.get(keyspace).copied().unwrap_or_default();
        let text = format!("SELECT n FROM {name}.c WHERE pk = {key}");
        let said = self.ask_node(connection, &hand.query(&text));
        self.cluster.close(connection);
        let Some(said) = self.expect_result(&text, said) else { return 0 };
        let Ok(rows) = Rows::read(&said.body) else { return 0 };
        let cell = rows.rows().next().and_then(|row| row.ok()?.cells.first().copied().flatten());
        cell.and_then(|cell| cell.try_into().ok()).map_or(0, i64::from_be_bytes)
    }
}

//! One node of the cluster: its identity, its state, its prepared statements.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::statements::{Cache, Statement, StatementId};
use cql::token::shard::{ShardId, Sharder};
use cql::token::token::Token;

/// Bits of a token that the shard formula ignores; the real server's default.
pub(crate) const IGNORE_MSB: u8 = 12;

/// The state of a node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// It runs.
    Up,
    /// It was killed, and the other nodes have not noticed yet.
    Silent,
    /// It does not run, and the other nodes know it.
    Down,
    /// It left the cluster for good; its number is not reused.
    Gone,
}

/// An artificial slowness or overload of a node, and counts since it was set. It applies to EXECUTE
/// only, so that the QUERYs by which drivers and proxies watch the cluster still work.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Strain {
    /// Delay of each answer.
    pub slow: Duration,
    /// Whether requests are answered with OVERLOADED at once, and not run.
    pub is_overloaded: bool,
    /// The error with which requests are answered at once, and not run.
    pub failure: Option<Failure>,
    /// EXECUTEs received.
    pub executes: u64,
    /// EXECUTEs answered with OVERLOADED.
    pub refused: u64,
}

/// An error that a node is made to answer with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// 0x0000.
    ServerError,
    /// 0x1000, of which the coordinator alone is alive.
    Unavailable,
    /// 0x1200, without the data.
    ReadTimeout,
    /// 0x1100, of type SIMPLE.
    WriteTimeout,
    /// 0x1300.
    ReadFailure,
    /// 0x1500, of type SIMPLE.
    WriteFailure,
    /// 0x1400, of a function of the keyspace `ks`.
    FunctionFailure,
    /// 0x2100.
    Unauthorized,
    /// 0x2500, of the id that the request names.
    Unprepared,
}

impl FromStr for Failure {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "server_error" => Self::ServerError,
            "unavailable" => Self::Unavailable,
            "read_timeout" => Self::ReadTimeout,
            "write_timeout" => Self::WriteTimeout,
            "read_failure" => Self::ReadFailure,
            "write_failure" => Self::WriteFailure,
            "function_failure" => Self::FunctionFailure,
            "unauthorized" => Self::Unauthorized,
            "unprepared" => Self::Unprepared,
            _ => return Err(format!("there is no error {text}")),
        })
    }
}

/// Where a node stands: its rack, and the data center of that.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RackName {
    /// The data center.
    pub data_center: String,
    /// The rack's name, which is unique within the data center alone.
    pub rack: String,
}

impl RackName {
    /// The rack `rack` of the data center `data_center`.
    #[must_use]
    pub fn new(data_center: &str, rack: &str) -> Self {
        Self { data_center: data_center.to_owned(), rack: rack.to_owned() }
    }
}

/// One node.
#[derive(Debug)]
pub struct Member {
    /// Its host id, which never changes.
    pub host_id: [u8; 16],
    /// The address that it listens on.
    pub address: IpAddr,
    /// Its data center.
    pub data_center: String,
    /// Its rack.
    pub rack: String,
    /// Its state.
    pub state: State,
    /// Goes up with each change of state, so that outdated entries of the timeline are recognised.
    pub(crate) epoch: u64,
    /// Its tokens on the ring, sorted.
    pub tokens: Vec<i64>,
    /// Number of schema changes that it has seen.
    pub(crate) schema_seen: u64,
    /// Its artificial slowness or overload.
    pub strain: Strain,
    nr_shards: u16,
    statements: Vec<Cache>,
    landed: Vec<usize>,
}

impl Member {
    /// A new node that runs.
    #[must_use]
    pub(crate) fn new(
        host_id: [u8; 16],
        address: IpAddr,
        rack: RackName,
        tokens: Vec<i64>,
        nr_shards: u16,
    ) -> Self {
        let mut member = Self {
            host_id,
            address,
            data_center: rack.data_center,
            rack: rack.rack,
            state: State::Up,
            epoch: 0,
            tokens,
            schema_seen: 0,
            strain: Strain::default(),
            nr_shards: 0,
            statements: Vec::new(),
            landed: Vec::new(),
        };
        member.restart(nr_shards);
        member
    }

    /// Drops all state of the process: prepared statements and counts of connections.
    pub(crate) fn restart(&mut self, nr_shards: u16) {
        self.nr_shards = nr_shards.max(1);
        let shards = usize::from(self.nr_shards);
        self.statements = vec![Cache::default(); shards];
        self.landed = vec![0; shards];
    }

    /// Its number of shards.
    #[must_use]
    pub fn nr_shards(&self) -> u16 {
        self.nr_shards
    }

    /// Whether it answers.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.state == State::Up
    }

    /// Whether the other nodes believe that it is up.
    #[must_use]
    pub(crate) fn seems_alive(&self) -> bool {
        matches!(self.state, State::Up | State::Silent)
    }

    /// Whether it belongs to the cluster.
    #[must_use]
    pub fn belongs(&self) -> bool {
        self.state != State::Gone
    }

    /// The shard that owns a token of a table without tablets.
    #[must_use]
    pub(crate) fn shard_of(&self, token: i64) -> ShardId {
        let sharder = Sharder::new(self.nr_shards, IGNORE_MSB);
        sharder.map_or(ShardId(0), |sharder| sharder.shard_of(Token::new(token)))
    }

    /// The shard with the fewest connections through the plain port; of several, the lowest.
    #[must_use]
    pub(crate) fn idlest_shard(&self) -> u16 {
        let shards = (0..self.nr_shards).zip(&self.landed);
        shards.min_by_key(|(_, landed)| **landed).map_or(0, |(shard, _)| shard)
    }

    /// Counts a connection through the plain port.
    pub(crate) fn land(&mut self, shard: u16) {
        if let Some(landed) = self.landed.get_mut(usize::from(shard)) {
            *landed += 1;
        }
    }

    /// Counts the end of a connection through the plain port.
    pub(crate) fn leave(&mut self, shard: u16) {
        if let Some(landed) = self.landed.get_mut(usize::from(shard)) {
            *landed = landed.saturating_sub(1);
        }
    }

    /// A statement that was prepared here, if `shard` still has it.
    #[must_use]
    pub(crate) fn statement(&self, shard: u16, id: &[u8]) -> Option<&Arc<Statement>> {
        self.statements.get(usize::from(shard))?.get(id)
    }

    /// Keeps a statement on every shard, as the real PREPARE does.
    pub(crate) fn keep(&mut self, statement: &Arc<Statement>) {
        for cache in &mut self.statements {
            cache.insert(statement);
        }
    }

    /// Forgets one statement on one shard, or everywhere.
    pub(crate) fn forget(&mut self, shard: Option<u16>, id: &StatementId) {
        for (number, cache) in (0_u16..).zip(&mut self.statements) {
            if shard.is_none_or(|shard| shard == number) {
                cache.remove(id);
            }
        }
    }

    /// Forgets all statements of one shard, or of all; returns how many there were.
    pub(crate) fn forget_all(&mut self, shard: Option<u16>) -> usize {
        let caches = (0_u16..).zip(&mut self.statements);
        let caches = caches.filter(|(number, _)| shard.is_none_or(|shard| shard == *number));
        caches.map(|(_, cache)| cache.clear()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_lands_on_the_shard_with_the_fewest_and_ties_go_to_the_low_shard() {
        let rack = RackName::new("dc", "rack");
        let mut member = Member::new([1; 16], IpAddr::from([127, 0, 0, 1]), rack, Vec::new(), 3);
        let mut landings = Vec::new();
        for _ in 0..4 {
            let shard = member.idlest_shard();
            member.land(shard);
            landings.push(shard);
        }
        assert_eq!(landings, [0, 1, 2, 0]);
        member.leave(2);
        assert_eq!(member.idlest_shard(), 2);
    }
}

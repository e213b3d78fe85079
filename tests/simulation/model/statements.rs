//! What clients ask, and the schema that it is asked of.

use crate::model::credentials::Credential;
use crate::model::keys::{KEY_KINDS, key_kind};
use crate::scenario::{CENTERS, ROWS, Scenario};
use sim::mix;

/// The keyspaces: one with tablets, one on the ring.
pub(crate) const KEYSPACES: [&str; 2] = ["tab", "ring"];
/// Added to a request's number for the second row of its batch.
pub(crate) const SECOND_ROW: u64 = 1 << 40;
/// Rows of each table of large texts.
pub(crate) const LARGE_ROWS: u64 = 4;
/// Longest of these texts, bytes.
pub(crate) const LARGE_BYTES_MAX: usize = 80_000;
/// The shortest.
const LARGE_BYTES_MIN: usize = 20_000;

/// A statement that clients prepare.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Shape {
    /// Reads two columns of a row.
    Read,
    /// The same with a LIMIT: for each number another statement.
    Limited(u16),
    /// Reads all columns of a row, which become more.
    ReadAll,
    /// Adds one to a counter: to run it twice shows.
    Count,
    /// Writes a row that is not there yet: a light-weight transaction.
    Insert,
    /// Reads a row of a table that only one role may read, and roles that may do everything.
    Own(usize),
    /// Reads a row of the table with this kind of partition key; by text only.
    Typed(usize),
    /// Reads a text that is so large that most answers are passed on without a copy.
    Large,
}

/// A statement as a client prepared it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Handle {
    /// What it does.
    pub(crate) shape: Shape,
    /// In which keyspace.
    pub(crate) keyspace: usize,
    /// Whether its text names the keyspace; else the client must have said `USE`.
    pub(crate) qualified: bool,
}

/// What a request asks.
#[derive(Clone, Debug)]
pub(crate) enum RequestKind {
    /// OPTIONS, which the proxy answers itself.
    Options,
    /// STARTUP.
    Startup,
    /// AUTH_RESPONSE.
    LogIn(Credential),
    /// SELECT of one of the system tables that the proxy answers itself.
    System(usize),
    /// REGISTER.
    Register,
    /// PREPARE.
    Prepare(Handle),
    /// EXECUTE with a key.
    Execute(Handle, u64),
    /// QUERY with the key in its text.
    Text(Handle, u64),
    /// BATCH of two counter updates.
    Batch(Handle, u64),
    /// Two counter updates by text, in one QUERY or in a BATCH.
    TextBatch(Handle, u64),
    /// `USE`.
    Use(usize),
    /// `USE` of a keyspace that is not there.
    UseNowhere,
    /// A text that no node can run.
    Refused,
    /// A text that writes.
    Written,
    /// A change of the schema.
    Schema,
}

impl RequestKind {
    /// Whether to run it twice would do harm.
    pub(crate) fn is_write(&self) -> bool {
        match self {
            Self::Execute(handle, _) | Self::Text(handle, _) => {
                matches!(handle.shape, Shape::Count | Shape::Insert)
            }
            Self::Batch(..) | Self::TextBatch(..) | Self::Written => true,
            Self::Options
            | Self::Startup
            | Self::LogIn(_)
            | Self::System(_)
            | Self::Register
            | Self::Prepare(_)
            | Self::Use(_)
            | Self::UseNowhere
            | Self::Refused
            | Self::Schema => false,
        }
    }

    /// The keyspace that it uses from now on.
    pub(crate) fn keyspace_used(&self) -> Option<&'static str> {
        let Self::Use(to) = self else { return None };
        KEYSPACES.get(*to).copied()
    }

    /// The keyspace that the lane must be in: what it is in matters to texts that name none.
    pub(crate) fn unqualified(&self) -> bool {
        let (Self::Text(handle, _) | Self::TextBatch(handle, _) | Self::Prepare(handle)) = self
        else {
            return false;
        };
        !handle.qualified
    }
}

/// Name of a keyspace.
pub(crate) fn keyspace(number: usize) -> &'static str {
    KEYSPACES.get(number).copied().unwrap_or("tab")
}

impl Handle {
    fn table(self, name: &str) -> String {
        if self.qualified { format!("{}.{name}", keyspace(self.keyspace)) } else { name.to_owned() }
    }

    /// The table that it reads, with its keyspace.
    pub(crate) fn table_read(self) -> String {
        match self.shape {
            Shape::Own(role) => self.table(&own_table(role)),
            Shape::Large => self.table("b"),
            Shape::Typed(kind) => self.table(key_kind(kind).table),
            Shape::Read | Shape::Limited(_) | Shape::ReadAll | Shape::Count | Shape::Insert => {
                self.table("t")
            }
        }
    }

    /// The table of counters, with its keyspace.
    pub(crate) fn counters(self) -> String {
        self.table("c")
    }

    /// Rows that it may name.
    pub(crate) fn rows(self) -> u64 {
        match self.shape {
            Shape::Large => LARGE_ROWS,
            Shape::Typed(kind) => key_kind(kind).row_count(),
            Shape::Read
            | Shape::Limited(_)
            | Shape::ReadAll
            | Shape::Count
            | Shape::Insert
            | Shape::Own(_) => ROWS,
        }
    }

    /// What its row has in the column `v` from the beginning, as it is on the wire.
    pub(crate) fn cell(self, key: u64) -> Vec<u8> {
        let value = self.value(key);
        if self.shape == Shape::Large {
            large_text(value.cast_unsigned())
        } else {
            value.to_be_bytes().to_vec()
        }
    }

    /// The value that its row has from the beginning; of a large one what its text is made of.
    pub(crate) fn value(self, key: u64) -> i64 {
        match self.shape {
            Shape::Own(role) => value(KEYSPACES.len() * (role + 1) + self.keyspace, key),
            Shape::Large => value(KEYSPACES.len() * 64 + self.keyspace, key),
            Shape::Typed(kind) => value(KEYSPACES.len() * (kind + 128) + self.keyspace, key),
            Shape::Read | Shape::Limited(_) | Shape::ReadAll | Shape::Count | Shape::Insert => {
                value(self.keyspace, key)
            }
        }
    }

    /// Its text with a marker for the key.
    pub(crate) fn text(self) -> String {
        self.text_with("?")
    }

    /// Its text with `key` in it.
    pub(crate) fn text_with(self, key: &str) -> String {
        match self.shape {
            Shape::Read => format!("SELECT pk, v FROM {} WHERE pk = {key}", self.table("t")),
            Shape::Limited(limit) => {
                format!("SELECT pk, v FROM {} WHERE pk = {key} LIMIT {limit}", self.table("t"))
            }
            Shape::ReadAll => format!("SELECT * FROM {} WHERE pk = {key}", self.table("t")),
            Shape::Count => format!("UPDATE {} SET n = n + 1 WHERE pk = {key}", self.table("c")),
            Shape::Insert => {
                format!("INSERT INTO {} (pk, v) VALUES ({key}, 1) IF NOT EXISTS", self.table("l"))
            }
            Shape::Own(role) => {
                format!("SELECT pk, v FROM {} WHERE pk = {key}", self.table(&own_table(role)))
            }
            Shape::Large => format!("SELECT pk, v FROM {} WHERE pk = {key}", self.table("b")),
            // Its key may have several columns: those who ask write it themselves.
            Shape::Typed(_) => format!("SELECT v FROM {}", self.table_read()),
        }
    }
}

/// Name of the table that only `role` may read.
pub(crate) fn own_table(role: usize) -> String {
    format!("o{role}")
}

/// What clients ask about the one node that they see.
pub(crate) const SYSTEM: [&str; 5] = [
    "SELECT * FROM system.local WHERE key = 'local'",
    "SELECT * FROM system.peers",
    "SELECT JSON * FROM system.local",
    "SELECT rpc_address, broadcast_address, listen_address, host_id, tokens FROM system.local",
    "SELECT peer, rpc_address, tokens FROM system.peers",
];

/// The value that a row has from the beginning; no two rows of all tables have the same.
pub(crate) fn value(keyspace: usize, key: u64) -> i64 {
    mix(u64::try_from(keyspace).unwrap_or(0), key).cast_signed()
}

/// A text in which no two places look alike.
fn large_text(seed: u64) -> Vec<u8> {
    let spread = u64::try_from(LARGE_BYTES_MAX - LARGE_BYTES_MIN).unwrap_or(1);
    let len = LARGE_BYTES_MIN + usize::try_from(mix(seed, 0) % spread).unwrap_or(0);
    let words = (1..).map(|word| mix(seed, word).to_be_bytes());
    words.flatten().map(|byte| b'0' + (byte & 63)).take(len).collect()
}

/// The statements that make the schema.
pub(crate) fn schema(scenario: &Scenario) -> Vec<String> {
    let factor = scenario.factor;
    let centers = CENTERS.iter().take(scenario.centers);
    let copies: String = centers.map(|center| format!(", '{center}': {factor}")).collect();
    let replication = format!("{{'class': 'NetworkTopologyStrategy'{copies}}}");
    let mut statements = vec![
        format!(
            "CREATE KEYSPACE tab WITH replication = {replication} AND tablets = {{'initial': {}}}",
            scenario.tablets
        ),
        format!(
            "CREATE KEYSPACE ring WITH replication = {replication} AND tablets = {{'enabled': false}}"
        ),
    ];
    for keyspace in KEYSPACES {
        let table = |name: &str, column: &str| {
            format!("CREATE TABLE {keyspace}.{name} (pk bigint PRIMARY KEY, {column})")
        };
        statements.push(table("t", "v bigint"));
        statements.push(table("c", "n counter"));
        statements.push(table("l", "v bigint"));
        statements.extend(scenario.large.then(|| table("b", "v text")));
        statements.extend((0..scenario.roles).map(|role| table(&own_table(role), "v bigint")));
        let kinds = KEY_KINDS.iter().filter(|_| scenario.texts);
        statements.extend(kinds.map(|kind| kind.definition(keyspace, false)));
    }
    statements
}

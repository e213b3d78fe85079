//! One modelled client: what it is like, what it holds, what it waits for.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::chance::Chance;
use crate::clients::hogs::{self, Hog};
use crate::clients::intruders::{self, IntrudersTurns, Intrusion};
use crate::model::credentials::Credential;
use crate::model::frames::Cutter;
use crate::model::statements::Handle;
use crate::network::link::LinkId;
use cql::compression::Compression;
use shardlane::session::sasl::SaslToken;

/// Roles are dealt out to clients from so many, and again from the first.
const ROLES_MAX: usize = 6;

/// How a client behaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Temper {
    /// As drivers do.
    Honest,
    /// Reads now and then.
    Slow,
    /// Never reads again.
    Deaf,
    /// Sends what no driver sends.
    Hostile,
}

/// How a client proves itself, where clients log in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum WayIn {
    /// By name and password.
    Plain,
    /// By a token that is like no other.
    Odd,
    /// By its name, and the answer to a challenge.
    Challenged,
}

/// A statement as the client holds it.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// What EXECUTE names.
    pub(crate) id: Vec<u8>,
    /// Names of its columns.
    pub(crate) columns: Arc<[String]>,
}

/// A login as it was when it came to the pools.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct LoginThatWaits {
    /// When that was, µs.
    pub(crate) since_us: u64,
    /// Turns that intruders had had by then.
    pub(crate) intruders: IntrudersTurns,
    /// Whether the cluster had taken its token before.
    pub(crate) is_known: bool,
}

/// One client.
#[derive(Debug)]
pub(crate) struct Driver {
    /// How it behaves.
    pub(crate) temper: Temper,
    /// Protocol version.
    pub(crate) version: u8,
    /// What STARTUP asks for.
    pub(crate) compression: Option<Compression>,
    /// Whether it asks nodes to leave the columns out of results.
    pub(crate) skip_metadata: bool,
    /// Its connection.
    pub(crate) link: Option<LinkId>,
    /// Bytes that found no room yet.
    pub(crate) outbox: Vec<u8>,
    /// Answers, put together.
    pub(crate) heard: Cutter,
    /// Its requests by stream id.
    pub(crate) waiting: BTreeMap<i16, u64>,
    /// Set by READY.
    pub(crate) ready: bool,
    /// The keyspace that it is in.
    pub(crate) keyspace: Option<usize>,
    /// Keyspaces of `USE`s whose answers were lost: a connection of its own may be in one of them.
    pub(crate) lost_uses: Vec<usize>,
    /// Which role it is, where clients log in.
    pub(crate) role: usize,
    /// How it proves itself.
    pub(crate) way_in: WayIn,
    /// As whom it has logged in.
    pub(crate) credential: Option<Credential>,
    /// What it has prepared.
    pub(crate) held: BTreeMap<Handle, Held>,
    /// Whether it takes memory, and the request that it is sending then.
    pub(crate) hog: Option<Hog>,
    /// What it does instead of logging in as applications do.
    pub(crate) intrusion: Option<Intrusion>,
    /// Its login, since it came to the pools.
    pub(crate) login: Option<LoginThatWaits>,
    /// Whether it asks nothing more.
    pub(crate) stopped: bool,
}

impl Driver {
    /// A client that has not connected.
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        let compression = match chance.below(4) {
            0 => Some(Compression::Lz4),
            1 => Some(Compression::Snappy),
            _ => None,
        };
        Self {
            temper: Temper::Honest,
            version: if chance.one_in(4) { 3 } else { 4 },
            compression,
            skip_metadata: chance.one_in(2),
            link: None,
            outbox: Vec::new(),
            heard: Cutter::default(),
            waiting: BTreeMap::new(),
            ready: false,
            keyspace: None,
            lost_uses: Vec::new(),
            role: chance.index(ROLES_MAX),
            way_in: WayIn::Plain,
            credential: None,
            held: BTreeMap::new(),
            hog: None,
            intrusion: None,
            login: None,
            stopped: false,
        }
    }

    /// Whether it reads what arrives when it arrives.
    pub(crate) fn reads_at_once(&self) -> bool {
        matches!(self.temper, Temper::Honest | Temper::Hostile)
    }

    /// Mean time between two acts of it, if it is none of those that ask as the scenario has it, µs.
    pub(crate) fn pause_us(&self) -> Option<u64> {
        let pause_us = self.hog.map(|_| hogs::PIECE_US);
        pause_us.or_else(|| self.intrusion.map(|_| intruders::PAUSE_US))
    }

    /// Whether it deserves every answer.
    pub(crate) fn is_honest(&self) -> bool {
        self.temper == Temper::Honest
    }

    /// Whether it logs in by this token, and waits for the answer.
    pub(crate) fn logs_in_by(&self, token: &SaslToken) -> bool {
        let credential = self.credential.filter(|_| !self.ready);
        let own = credential.map(|it| match self.way_in {
            WayIn::Plain => it.token(),
            WayIn::Odd => it.odd_token(),
            WayIn::Challenged => it.name_alone(),
        });
        own.is_some_and(|own| own == token.reveal())
    }

    /// Forgets a connection; returns the requests that it will have no answer to.
    pub(crate) fn hang_up(&mut self) -> Vec<u64> {
        self.link = None;
        self.outbox.clear();
        self.heard = Cutter::default();
        self.ready = false;
        self.keyspace = None;
        self.lost_uses.clear();
        self.credential = None;
        self.login = None;
        std::mem::take(&mut self.waiting).into_values().collect()
    }

    /// A stream id that no request waits on.
    pub(crate) fn free_stream(&self, chance: &mut Chance) -> i16 {
        let mut stream = i16::try_from(chance.below(1 << 15)).unwrap_or(0);
        if chance.one_in(2) {
            stream %= 64;
        }
        while self.waiting.contains_key(&stream) {
            stream = stream.wrapping_add(1) & i16::MAX;
        }
        stream
    }
}

//! What pools want done outside: they open no connection of their own.

use std::collections::{BTreeMap, VecDeque};

use crate::engine::pending::LaneKey;
use crate::pool::connection::{DialId, Hello};
use crate::pool::nodes::node_target::NodeTarget;
use crate::pool::refill::lane_slots::Dial;
use crate::pool::refill::refiller::RefillerKey;
use crate::session::sasl::SaslToken;
use crate::upstream::lane::PoolId;

/// Something for the shell to do.
#[derive(Debug)]
pub enum PoolAction {
    /// Open a connection, and report its end by `on_dialled`.
    Dial(DialOrder),
    /// Give up a connection that is being opened, or close one that became no lane.
    Drop(DialId),
    /// Serve a connection as a lane that the engine knows already.
    Serve {
        /// Which connection.
        id: DialId,
        /// The lane.
        lane: LaneKey,
    },
    /// Close a lane's connection: the engine knows it no longer.
    Close(LaneKey),
    /// Pass a client's answer on to the node that sent a challenge.
    Answer {
        /// On which connection.
        id: DialId,
        /// What the client answers.
        token: SaslToken,
    },
    /// Write a line into the log.
    Log(PoolNotice),
    /// A client logged in with a credential that had no lanes.
    LoggedIn,
}

/// A connection to open.
#[derive(Clone, Debug)]
pub struct DialOrder {
    /// Its name.
    pub id: DialId,
    /// Which node.
    pub target: NodeTarget,
    /// Which of its ports, from which source port.
    pub dial: Dial,
    /// Tries that failed in a row: they make the next one more patient.
    pub failures: u32,
    /// What it says.
    pub hello: Hello,
}

/// A line for the log. Nodes are named by address and host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PoolNotice {
    /// A node cannot be reached.
    NodeLost {
        /// Which node.
        target: NodeTarget,
        /// Why.
        reason: String,
        /// What to do about it.
        hint: String,
    },
    /// A node cannot be reached for a while.
    NodeAway {
        /// Which node.
        target: NodeTarget,
        /// Why.
        reason: String,
        /// Since it was lost, seconds.
        away_s: u64,
    },
    /// A node that could not be reached can be.
    NodeBack {
        /// Which node.
        target: NodeTarget,
        /// Since it was lost, seconds.
        away_s: u64,
    },
    /// A node answers, and there is no lane all the same.
    NoLane {
        /// Which node.
        target: NodeTarget,
        /// Why.
        reason: String,
        /// What to do about it.
        hint: String,
    },
    /// A node divides its data otherwise.
    Resharded {
        /// Which node.
        target: NodeTarget,
        /// The pool whose lane found out.
        pool: PoolId,
    },
    /// No local node can be reached: so many nodes of other data centers are used.
    RemoteUsed(usize),
    /// No chosen node can be reached: all of the data center are used.
    AllLocalUsed,
    /// Nodes are back: their stand-ins are no longer used.
    StandInsLeft,
    /// The cluster no longer takes a login: its clients are closed.
    LoginRevoked {
        /// The role, where the token names it.
        role: Option<String>,
    },
    /// A login was accepted, and cannot be served.
    LoginNotServed(String),
    /// No node could judge a login.
    LoginUnknown(String),
}

/// Whose connection it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owner {
    /// One that opens lanes.
    Refiller(RefillerKey),
    /// A run of the logins.
    Login(u64),
}

/// Orders on their way to the shell, and whose each connection is.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    actions: VecDeque<PoolAction>,
    owners: BTreeMap<DialId, Owner>,
    last: u64,
}

impl Orders {
    /// Orders something.
    pub(crate) fn push(&mut self, action: PoolAction) {
        self.actions.push_back(action);
    }

    /// The next thing to do.
    pub(crate) fn pop(&mut self) -> Option<PoolAction> {
        self.actions.pop_front()
    }

    /// Orders a connection for `owner`, after so many failed tries; returns its name.
    pub(crate) fn dial(
        &mut self,
        owner: Owner,
        target: NodeTarget,
        dial: Dial,
        failures: u32,
        hello: Hello,
    ) -> DialId {
        self.last += 1;
        let id = DialId(self.last);
        self.owners.insert(id, owner);
        self.push(PoolAction::Dial(DialOrder { id, target, dial, failures, hello }));
        id
    }

    /// Gives a connection up, unless it is a lane by now.
    pub(crate) fn drop(&mut self, id: DialId) {
        if self.owners.remove(&id).is_some() {
            self.push(PoolAction::Drop(id));
        }
    }

    /// A connection becomes a lane.
    pub(crate) fn serve(&mut self, id: DialId, lane: LaneKey) {
        self.owners.remove(&id);
        self.push(PoolAction::Serve { id, lane });
    }

    /// Whose connection it is; `None` once it was given up.
    pub(crate) fn owner(&self, id: DialId) -> Option<&Owner> {
        self.owners.get(&id)
    }

    /// Gives a connection to another owner.
    pub(crate) fn pass_to(&mut self, id: DialId, owner: Owner) {
        self.owners.insert(id, owner);
    }

    /// A try failed: there is no connection of this name any more.
    pub(crate) fn forget(&mut self, id: DialId) {
        self.owners.remove(&id);
    }
}

//! What can go wrong.

/// A kind of fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FaultKind {
    /// Nothing arrives on a connection for a while.
    Stall,
    /// A lane is half-open: what is sent vanishes.
    HalfOpen,
    /// A lane is reset.
    CutLane,
    /// A client's connection is reset.
    CutClient,
    /// A node dies.
    Kill,
    /// A node is stopped in good order.
    Stop,
    /// A node leaves, and another joins.
    Replace,
    /// A node is started again with another number of shards.
    Reshard,
    /// A tablet moves.
    Move,
    /// Tablets are split or merged.
    Resize,
    /// Nodes forget prepared statements.
    Forget,
    /// A node forgets each statement as soon as it is prepared.
    Amnesia,
    /// Something changes source ports.
    Nat,
    /// A node refuses requests.
    Overload,
    /// A node takes its time.
    SlowNode,
    /// A node sends what no server sends.
    HostileNode,
    /// Nothing gets to a node.
    Partition,
    /// A client changes the schema.
    Schema,
    /// A client reads slowly.
    SlowClient,
    /// A client never reads again.
    DeafClient,
    /// A client sends what no driver sends.
    HostileClient,
    /// A role is dropped, or has another password.
    Withdraw,
    /// All nodes of our data center die.
    LocalDown,
    /// A node refuses `USE`.
    RefuseUse,
    /// A node has stale roles: it takes no login.
    StaleRoles,
    /// A node takes its peers for dead: requests are UNAVAILABLE, also some that it has begun.
    Lonely,
    /// A tablet moves, and the cluster's own tables show it on its way for a while.
    SlowMove,
    /// A client takes memory: its request is long, and takes its time or never ends.
    Hog,
    /// Clients log in as no application does.
    Intruder,
}

impl FaultKind {
    /// Every kind that may go wrong in any world.
    pub(crate) const ALL: [Self; 21] = [
        Self::Stall,
        Self::HalfOpen,
        Self::CutLane,
        Self::CutClient,
        Self::Kill,
        Self::Stop,
        Self::Replace,
        Self::Reshard,
        Self::Move,
        Self::Resize,
        Self::Forget,
        Self::Amnesia,
        Self::Nat,
        Self::Overload,
        Self::SlowNode,
        Self::HostileNode,
        Self::Partition,
        Self::Schema,
        Self::SlowClient,
        Self::DeafClient,
        Self::HostileClient,
    ];

    /// Whether every node can be dialled meanwhile.
    pub(crate) fn leaves_nodes_in_reach(self) -> bool {
        !matches!(
            self,
            Self::Kill
                | Self::Stop
                | Self::Replace
                | Self::Reshard
                | Self::Partition
                | Self::HostileNode
                | Self::LocalDown
        )
    }

    /// Whether no honest client may notice it.
    pub(crate) fn is_benign(self) -> bool {
        matches!(
            self,
            Self::Stall
                | Self::CutClient
                | Self::Move
                | Self::SlowMove
                | Self::Resize
                | Self::Forget
                | Self::Schema
                | Self::SlowClient
                | Self::DeafClient
                | Self::HostileClient
                | Self::Intruder
        )
    }
}

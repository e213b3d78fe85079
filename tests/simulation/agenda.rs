//! What happens next, in the order of the virtual clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::faults::outbreak::Mending;
use crate::network::link::LinkId;
use shardlane::engine::action::PeerMessage;
use shardlane::pool::connection::DialId;
use shardlane::topology::snapshot::Snapshot;
use shardlane::topology::table_key::TableKey;
use shardlane::topology::tablet_page::TabletPage;

/// Something that happens.
#[derive(Debug)]
pub(super) enum Event {
    /// Bytes arrive at the end of a connection; `up` is the way towards the cluster.
    Segment { link: LinkId, up: bool, bytes: Vec<u8> },
    /// The sender may go on: the other side took bytes out of a full connection.
    Writable { link: LinkId, up: bool },
    /// The connection of a client is there.
    ClientArrives { link: LinkId },
    /// The proxy learns that a client is gone.
    ClientGone { link: LinkId },
    /// A client learns that the proxy closed its connection.
    DriverClosed { link: LinkId },
    /// The proxy closes a client that it had warned, read or not.
    Linger { link: LinkId },
    /// The proxy learns that a lane is gone.
    LaneGone { link: LinkId },
    /// A lane is cut behind what its node has sent.
    LaneCut { link: LinkId },
    /// A node learns that the proxy closed a lane.
    NodeClosed { link: LinkId },
    /// A node has worked long enough on an answer.
    NodeAnswer { link: LinkId, bytes: Vec<u8> },
    /// A node sends the beginning of an answer, and nothing more.
    LastNodeAnswer { link: LinkId, bytes: Vec<u8> },
    /// A worker gets its turn: it reads all that is ready, then writes.
    ProxyTurn { worker: usize },
    /// An engine wanted to be woken.
    Deadline { worker: usize },
    /// Something is due in the cluster.
    ClusterDue,
    /// A client thinks of something to ask.
    DriverActs { driver: usize },
    /// A slow client reads.
    DriverReads { driver: usize },
    /// A client dials.
    DriverDials { driver: usize },
    /// A handshake with a node ends.
    Dialled { worker: usize, id: DialId },
    /// A client had so long to answer a challenge.
    ChallengeEnds { worker: usize, id: DialId },
    /// The control connection dials.
    ControlDials,
    /// A worker hears of an event that the control connection heard.
    ControlHears { worker: usize, body: Vec<u8> },
    /// The control connection has read the system tables.
    ControlReads,
    /// An engine gets a new picture of the cluster.
    Picture { worker: usize, snapshot: Arc<Snapshot>, dial_all_now: bool },
    /// The control connection reads what workers want to know of single tables.
    ControlReadsTables,
    /// A worker gets a table's partition key.
    TableKey { worker: usize, key: Arc<TableKey> },
    /// A worker gets some of a table's tablets.
    Tablets { worker: usize, page: Arc<TabletPage> },
    /// The control connection may have missed events, and a worker hears so.
    EventsMissed { worker: usize },
    /// The server takes what a worker reports.
    ServerListens { worker: usize },
    /// A worker hears what the other has learned.
    PeerMessage { worker: usize, message: PeerMessage },
    /// Something goes wrong.
    Fault,
    /// Something that went wrong is mended.
    Mend(Mending),
    /// The model looks at everything that waits.
    Audit,
}

/// Everything that happens later.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    due: BTreeMap<(u64, u64), Event>,
    serial: u64,
}

impl Agenda {
    /// Plans `event`; what is planned for one moment happens in the order it was planned.
    pub(super) fn plan(&mut self, at_us: u64, event: Event) {
        self.serial += 1;
        self.due.insert((at_us, self.serial), event);
    }

    /// The next event and its time.
    pub(super) fn pop(&mut self) -> Option<(u64, Event)> {
        let ((at, _), event) = self.due.pop_first()?;
        Some((at, event))
    }
}

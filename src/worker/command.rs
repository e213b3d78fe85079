//! What the rest of the process asks of a worker.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;

use crate::engine::action::PeerMessage;
use crate::engine::learned::{LearnedPart, PartStart};
use crate::engine::view::gauges::Gauges;
use crate::engine::view::inspection::Inspection;
use crate::engine::view::tally::Tally;
use crate::facade::console::contents::Contents;
use crate::facade::console::table::ConsoleTable;
use crate::facade::facade::Facade;
use crate::pool::nodes::node_target::NodeTarget;
use crate::pool::worker_events::WorkerEvent;
use crate::state::record::Record;
use crate::topology::id::NodeId;
use crate::topology::snapshot::Snapshot;
use crate::topology::table_key::TableKey;
use crate::topology::tablet_page::TabletPage;
use crate::worker::clients::transfer::{ConnectedClient, Giving};
use crate::worker::setup::WorkerSettings;

/// A message to a worker.
#[derive(Debug)]
pub(crate) enum WorkerCommand {
    /// Serve this client.
    Client(ConnectedClient),
    /// There is a new picture of the cluster; lanes go to these nodes of it.
    Snapshot {
        /// The picture.
        snapshot: Arc<Snapshot>,
        /// Nodes that want lanes.
        targets: Vec<NodeTarget>,
        /// Nodes of other data centers, to be used when none of those can be reached.
        remote: Vec<NodeTarget>,
    },
    /// The node that clients see looks like this.
    Facade(Arc<Facade>),
    /// The control connection received an EVENT with this body.
    Event(Arc<[u8]>),
    /// Events about the schema may have been missed.
    EventsMissed,
    /// No node is watched: events about the schema do not come.
    WatchLost,
    /// Whether clients log in themselves: then the class of the cluster's authenticator, and
    /// where to ask while no node is known.
    Authenticator {
        /// As AUTHENTICATE names it; `None` when everybody is served.
        class: Option<Arc<str>>,
        /// Nodes that answered.
        contacts: Vec<SocketAddr>,
    },
    /// A node is said to be up.
    NodeUp(NodeId),
    /// Another worker learned something.
    PeerMessage(PeerMessage),
    /// Some of a table's tablets were read.
    Tablets(Arc<TabletPage>),
    /// A table's partition key was read.
    TableKey(Arc<TableKey>),
    /// The operator changed settings. The sender is dropped once they are in force.
    Settings(Box<WorkerSettings>, Sender<()>),
    /// Report the counters and gauges.
    Report(oneshot::Sender<(Tally, Gauges)>),
    /// Report what these tables of the console show.
    Inspect {
        /// The tables.
        wanted: Arc<[ConsoleTable]>,
        /// Where to.
        to: oneshot::Sender<Inspection>,
    },
    /// Hand out a part of what was learned.
    Learned {
        /// Where it begins.
        from: PartStart,
        /// Where to.
        to: oneshot::Sender<LearnedPart>,
    },
    /// The process before this one knew something.
    Restore(Arc<Record>),
    /// Another process serves the clients on that may move.
    GiveClients(Giving),
    /// The rows of a table of the console, as all workers together have them.
    Console {
        /// The table.
        table: ConsoleTable,
        /// Its rows; `None` when they could not be collected.
        contents: Option<Arc<Contents>>,
    },
    /// Finish what runs, and end. What is not finished by then is cut off.
    Drain {
        /// On the worker's clock.
        until_us: u64,
    },
}

/// Reports something; `false` when there is no room for it.
pub(super) fn report(events: &Sender<WorkerEvent>, event: WorkerEvent) -> bool {
    let sent = events.try_send(event);
    if let Err(error) = &sent {
        tracing::debug!(%error, "a worker's message found no room");
    }
    sent.is_ok()
}

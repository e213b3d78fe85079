//! The state that all tasks of the thread share: cluster, clock, mailboxes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::cluster::cluster::Cluster;
use crate::cluster::connections::Mail;
use crate::listen::ports::Listeners;
use crate::listen::tls::SimTls;
use crate::node::connection::ConnectionId;

/// Bytes that may wait for one client. A client with more is disconnected.
const MAIL_MAX: usize = 16 << 20;

/// Bytes and signals for the task of one client.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    bytes: RefCell<Vec<u8>>,
    closed: Cell<bool>,
    /// Wakes the task for bytes.
    pub filled: Notify,
    /// Wakes the task so that it ends, even while it writes.
    pub ended: Notify,
}

impl Mailbox {
    /// Moves the waiting bytes to the end of `out`.
    pub(crate) fn take(&self, out: &mut Vec<u8>) {
        out.append(&mut self.bytes.borrow_mut());
    }

    /// Whether the connection is to end.
    #[must_use]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    fn close(&self) {
        self.closed.set(true);
        self.filled.notify_one();
        self.ended.notify_one();
    }

    fn put(&self, bytes: &[u8]) {
        let mut waiting = self.bytes.borrow_mut();
        if waiting.len() + bytes.len() > MAIL_MAX {
            drop(waiting);
            return self.close();
        }
        waiting.extend_from_slice(bytes);
        self.filled.notify_one();
    }
}

/// Everything that the tasks of one simulated cluster share. They run on one thread.
#[derive(Debug)]
pub(crate) struct World {
    cluster: RefCell<Cluster>,
    started: Instant,
    mailboxes: RefCell<BTreeMap<ConnectionId, Rc<Mailbox>>>,
    /// Wakes the timer when something earlier became due.
    pub sooner: Notify,
    /// The listeners of the nodes.
    pub listeners: RefCell<Listeners>,
    /// TLS of the nodes.
    pub tls: Option<SimTls>,
}

impl World {
    /// Puts `cluster` under the machine's clock.
    #[must_use]
    pub(crate) fn new(cluster: Cluster, listeners: Listeners, tls: Option<SimTls>) -> Self {
        Self {
            cluster: RefCell::new(cluster),
            started: Instant::now(),
            mailboxes: RefCell::default(),
            sooner: Notify::new(),
            listeners: RefCell::new(listeners),
            tls,
        }
    }

    /// Runs `what` with the cluster, then delivers the resulting mail.
    pub(crate) fn with<T>(&self, what: impl FnOnce(&mut Cluster, Duration) -> T) -> T {
        let now = self.started.elapsed();
        let mut cluster = self.cluster.borrow_mut();
        let due = cluster.next_due();
        let result = what(&mut cluster, now);
        if cluster.next_due() != due {
            self.sooner.notify_one();
        }
        let mail = if cluster.has_mail() { cluster.take_mail() } else { Vec::new() };
        drop(cluster);
        if !mail.is_empty() {
            self.deliver(&mail);
        }
        result
    }

    /// When the next thing is due.
    #[must_use]
    pub(crate) fn next_due(&self) -> Option<Instant> {
        Some(self.started + self.cluster.borrow().next_due()?)
    }

    /// The mailbox of a new client.
    pub(crate) fn open_mailbox(&self, id: ConnectionId) -> Rc<Mailbox> {
        let mailbox = Rc::<Mailbox>::default();
        self.mailboxes.borrow_mut().insert(id, Rc::clone(&mailbox));
        mailbox
    }

    /// A client has left.
    pub(crate) fn close_mailbox(&self, id: ConnectionId) {
        self.mailboxes.borrow_mut().remove(&id);
    }

    fn deliver(&self, mail: &[Mail]) {
        let mailboxes = self.mailboxes.borrow();
        for letter in mail {
            match letter {
                Mail::Bytes(id, bytes) => {
                    if let Some(mailbox) = mailboxes.get(id) {
                        mailbox.put(bytes);
                    }
                }
                Mail::Close(id) => {
                    if let Some(mailbox) = mailboxes.get(id) {
                        mailbox.close();
                    }
                }
            }
        }
    }
}

//! Who answers first: one candidate after another is started, and none is waited for long.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::control::contact::contact_point::ContactPoint;
use crate::control::contact::opened_node::{OpenedNode, ReachSettings, open_node};
use crate::control::error::ControlError;

/// How long a candidate is alone before the next one is started as well.
const STAGGER: Duration = Duration::from_millis(500);

/// A node that is known from before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct KnownNode {
    /// Its address for clients.
    pub address: SocketAddr,
    /// Whether it is in another data center than ours.
    pub is_remote: bool,
}

/// Something to be tried.
#[derive(Debug)]
enum Candidate {
    /// A contact point, to be resolved.
    Point(ContactPoint),
    /// A node, and what to call it.
    Node(String, SocketAddr),
}

/// What came of a candidate.
#[derive(Debug)]
enum Outcome {
    /// A contact point has these addresses; with each what to call it.
    Resolved(Vec<(String, SocketAddr)>),
    /// A node answers.
    Opened(Box<OpenedNode>),
}

/// The candidates that wait, and those that run. Dropped, it ends them all.
#[derive(Debug)]
pub(crate) struct Race {
    settings: Arc<ReachSettings>,
    waiting: VecDeque<Candidate>,
    /// Nodes of other data centers, which wait until all others were tried.
    remote: Vec<SocketAddr>,
    tried: Vec<SocketAddr>,
    running: JoinSet<(String, Result<Outcome, ControlError>)>,
    /// Candidates that failed, and why.
    pub failures: Vec<(String, ControlError)>,
}

impl Race {
    /// Contact points from the one on that `round` falls on, then `known` nodes. Among both, those
    /// of other data centers come last.
    #[must_use]
    pub(crate) fn new(settings: &ReachSettings, known: &[KnownNode], round: usize) -> Self {
        let points = &settings.contact_points;
        let start = round.checked_rem(points.len()).unwrap_or(0);
        let points = points.iter().cycle().skip(start).take(points.len()).cloned();
        let remote = known.iter().filter(|node| node.is_remote).map(|node| node.address);
        let remote = remote.collect();
        let known = known.iter().map(|node| node.address);
        let known = known.map(|address| Candidate::Node(address.to_string(), address));
        Self {
            remote,
            waiting: points.map(Candidate::Point).chain(known).collect(),
            settings: Arc::new(settings.clone()),
            tried: Vec::new(),
            running: JoinSet::new(),
            failures: Vec::new(),
        }
    }

    /// The next node that answers; `None` when no candidate is left.
    pub(crate) async fn next(&mut self) -> Option<(String, OpenedNode)> {
        loop {
            self.start_next();
            tokio::select! {
                ended = self.running.join_next() => match ended {
                    Some(Ok((place, Ok(Outcome::Opened(opened))))) => return Some((place, *opened)),
                    Some(Ok((_, Ok(Outcome::Resolved(nodes))))) => self.line_up(nodes),
                    Some(Ok((place, Err(error)))) => self.failures.push((place, error)),
                    // Candidates are never aborted, and they do not panic.
                    Some(Err(_)) => {}
                    None if self.waiting.is_empty() => return None,
                    None => {}
                },
                () = sleep(STAGGER), if !self.waiting.is_empty() => {}
            }
        }
    }

    /// Lets the nodes of a contact point wait: next to come, or last if they are in another data center.
    fn line_up(&mut self, nodes: Vec<(String, SocketAddr)>) {
        for (place, address) in nodes.into_iter().rev() {
            let candidate = Candidate::Node(place, address);
            if self.remote.contains(&address) {
                self.waiting.push_back(candidate);
            } else {
                self.waiting.push_front(candidate);
            }
        }
    }

    fn start_next(&mut self) {
        let settings = Arc::clone(&self.settings);
        while let Some(candidate) = self.waiting.pop_front() {
            match candidate {
                Candidate::Node(_, address) if self.tried.contains(&address) => {}
                Candidate::Node(place, address) => {
                    self.tried.push(address);
                    self.running.spawn(async move {
                        let opened = Box::pin(open_node(&settings, address)).await;
                        (place, opened.map(|opened| Outcome::Opened(Box::new(opened))))
                    });
                    return;
                }
                Candidate::Point(point) => {
                    self.running.spawn(async move { resolve(&settings, &point).await });
                    return;
                }
            }
        }
    }
}

async fn resolve(
    settings: &ReachSettings,
    point: &ContactPoint,
) -> (String, Result<Outcome, ControlError>) {
    let found = point.resolve(settings.port, settings.connect_timeout_ms).await;
    let node = |address: SocketAddr| (place_of(point, address), address);
    let found = found.map(|found| Outcome::Resolved(found.into_iter().map(node).collect()));
    (point.to_string(), found)
}

/// What an address of a contact point is called: the address, and the name that led to it.
fn place_of(point: &ContactPoint, address: SocketAddr) -> String {
    match point.host.parse::<IpAddr>() {
        Ok(_) => address.to_string(),
        Err(_) => format!("{point} ({address})"),
    }
}

//! Who answers first: one candidate after another is started, and none is waited for long.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::control::error::ControlError;
use crate::control::reaching::contact_point::ContactPoint;
use crate::control::reaching::reach::{Greeted, ReachSettings, greet};

/// How long a candidate is alone before the next one is started as well.
const STAGGER: Duration = Duration::from_millis(500);

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
    /// A contact point has these addresses.
    Resolved(Vec<Candidate>),
    /// A node answers.
    Greeted(Box<Greeted>),
}

/// The candidates that wait, and those that run. Dropped, it ends them all.
#[derive(Debug)]
pub struct Race {
    settings: Arc<ReachSettings>,
    waiting: VecDeque<Candidate>,
    tried: Vec<SocketAddr>,
    running: JoinSet<(String, Result<Outcome, ControlError>)>,
    /// Candidates that failed, and why.
    pub failures: Vec<(String, ControlError)>,
}

impl Race {
    /// Contact points from the one on that `round` falls on, then `known` nodes.
    #[must_use]
    pub fn new(settings: &ReachSettings, known: &[SocketAddr], round: usize) -> Self {
        let points = &settings.contact_points;
        let start = round.checked_rem(points.len()).unwrap_or(0);
        let points = points.iter().cycle().skip(start).take(points.len()).cloned();
        let known = known.iter().map(|address| Candidate::Node(address.to_string(), *address));
        Self {
            waiting: points.map(Candidate::Point).chain(known).collect(),
            settings: Arc::new(settings.clone()),
            tried: Vec::new(),
            running: JoinSet::new(),
            failures: Vec::new(),
        }
    }

    /// The next node that answers; `None` when nobody is left who could.
    pub async fn next(&mut self) -> Option<(String, Greeted)> {
        loop {
            self.start_next();
            tokio::select! {
                ended = self.running.join_next() => match ended {
                    Some(Ok((place, Ok(Outcome::Greeted(greeted))))) => {
                        return Some((place, *greeted));
                    }
                    Some(Ok((_, Ok(Outcome::Resolved(addresses))))) => {
                        for address in addresses.into_iter().rev() {
                            self.waiting.push_front(address);
                        }
                    }
                    Some(Ok((place, Err(error)))) => self.failures.push((place, error)),
                    // Nobody aborts candidates, and they do not panic.
                    Some(Err(_)) => {}
                    None if self.waiting.is_empty() => return None,
                    None => {}
                },
                () = sleep(STAGGER), if !self.waiting.is_empty() => {}
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
                        let greeted = Box::pin(greet(&settings, address)).await;
                        (place, greeted.map(|greeted| Outcome::Greeted(Box::new(greeted))))
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
    let node = |address| Candidate::Node(format!("{point} ({address})"), address);
    let found = found.map(|found| Outcome::Resolved(found.into_iter().map(node).collect()));
    (point.to_string(), found)
}

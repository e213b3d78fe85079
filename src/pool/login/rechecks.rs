//! Whether the cluster still takes the credentials that have lanes: asked regularly, and at once when a
//! node has refused one.
//!
//! One node may have stale roles. A credential is withdrawn once a second node says so, or there is none.
//! Where lanes lead to some nodes of the data center only, the others are asked for that as well.

use crate::pool::action::Orders;
use crate::pool::connection::DialId;
use crate::pool::login::logins::{LoginEnd, LoginService, Run, Watched, What};
use crate::pool::pool_key::PoolKey;
use crate::topology::id::NodeId;
use crate::upstream::lane::PoolId;

/// Times in a row that one node refuses a credential while no other can be asked, until it is believed.
const LONE_REFUSALS: u32 = 2;

impl LoginService {
    /// From now on the cluster is asked about a credential that has lanes.
    pub(crate) fn watch(&mut self, base: PoolId, pool: PoolKey, now_ms: u64) {
        let due_ms = self.due_ms(now_ms);
        let watched = Watched {
            pool,
            due_ms,
            running: false,
            was_refused: false,
            refused_by: None,
            lone_refusals: 0,
        };
        self.watched.insert(base.0, watched);
    }

    /// A credential has no lanes any more; hands it back if it was asked about.
    pub(crate) fn unwatch(&mut self, base: PoolId, orders: &mut Orders) -> Option<PoolKey> {
        self.runs.retain(|_, run| {
            let is_over = matches!(run.what, What::Recheck(of) if of == base);
            if is_over {
                orders.drop(run.dial);
            }
            !is_over
        });
        self.watched.remove(&base.0).map(|watched| watched.pool)
    }

    /// The base pool whose credential a login names.
    pub(super) fn base_of(&self, what: &What) -> Option<PoolId> {
        let What::Login { login, .. } = what else { return None };
        let has = |watched: &Watched| {
            watched.pool.credential.as_ref().is_some_and(|known| known.token() == login.token)
        };
        self.watched.iter().find(|(_, watched)| has(watched)).map(|(base, _)| PoolId(*base))
    }

    /// A node refused a credential that has lanes, to a lane or to a client with the same token:
    /// another node is asked at once.
    pub(crate) fn on_refused(&mut self, base: PoolId, node: NodeId) {
        if let Some(watched) = self.watched.get_mut(&base.0) {
            watched.refused_by.get_or_insert(node);
            watched.due_ms = 0;
        }
    }

    /// Asks the cluster about the credentials whose time has come.
    pub(crate) fn recheck(&mut self, now_ms: u64, orders: &mut Orders) {
        let is_due = |watched: &Watched| !watched.running && watched.due_ms <= now_ms;
        let all_due = self.watched.iter().filter(|(_, watched)| is_due(watched));
        let all_due: Vec<PoolId> = all_due.map(|(base, _)| PoolId(*base)).collect();
        for base in all_due {
            let Some(watched) = self.watched.get_mut(&base.0) else { continue };
            (watched.running, watched.was_refused) = (true, false);
            let mut rest = match watched.refused_by {
                Some(refused_by) => self.nodes.next_second_opinions(refused_by),
                None => self.nodes.next(),
            };
            match rest.pop_front() {
                Some(first) => {
                    self.next_run += 1;
                    let what = What::Recheck(base);
                    let entry = Run { what, dial: DialId(0), node: first.node, rest };
                    self.ask(self.next_run, entry, first, orders);
                }
                None => self.on_recheck_unknown(base, now_ms),
            }
        }
    }

    /// A node refused a credential that has lanes. Returns whether it is withdrawn: another node has
    /// refused it before, or there is no other.
    pub(super) fn is_agreed(&mut self, base: PoolId, node: NodeId) -> bool {
        let is_only = self.nodes.is_only(node);
        let Some(watched) = self.watched.get_mut(&base.0) else { return false };
        watched.was_refused = true;
        let first = *watched.refused_by.get_or_insert(node);
        first != node || is_only
    }

    /// All nodes that were asked about a credential again could not say, or it was the one that
    /// had refused it already. Where none could say nothing is known: a node may have stale roles, and
    /// the network be down since.
    pub(super) fn on_recheck_unknown(&mut self, base: PoolId, now_ms: u64) {
        let (regular, soon) = (self.due_ms(now_ms), now_ms + self.settings.recheck_ms / 4);
        let Some(watched) = self.watched.get_mut(&base.0) else { return };
        watched.running = false;
        watched.due_ms = regular;
        if watched.refused_by.is_some() {
            watched.due_ms = soon;
            watched.lone_refusals += u32::from(watched.was_refused);
            if watched.was_refused && watched.lone_refusals >= LONE_REFUSALS {
                self.ended.push_back(LoginEnd::Revoked(base));
            }
        }
    }

    /// Not all at once: between three quarters of the time and the whole.
    pub(super) fn due_ms(&mut self, now_ms: u64) -> u64 {
        let quarter = self.settings.recheck_ms / 4;
        now_ms + 3 * quarter + self.jitter.below(quarter + 1)
    }
}

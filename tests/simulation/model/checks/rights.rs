//! Rights are never mixed: no client sees what its own role may not, or what is behind the proxy.

use crate::clients::driver::{Driver, WayIn};
use crate::faults::fault_kind::FaultKind;
use crate::model::credentials::Credential;
use crate::model::ledger::Record;
use crate::model::statements::{RequestKind, SYSTEM, Shape};
use crate::network::link::{End, LinkId};
use crate::proxy::control::FACADE_ID;
use crate::proxy::worker::PROXY;
use crate::scenario::OUR_CENTER;
use crate::world::World;
use cql::error_code::ErrorCode;
use cql::response::rows::Rows;

/// How often the cluster is asked about a credential that has lanes.
pub(crate) const RECHECK_US: u64 = 1_500_000;
/// Beside the time between two questions about a credential: a handshake, the close of a client
/// that does not read, and the engine's own pace.
const CLOSED_US: u64 = RECHECK_US + 4_000_000;

impl World {
    /// Whether its client may not have a row for it.
    pub(crate) fn is_forbidden(&self, record: &Record) -> bool {
        let (RequestKind::Execute(handle, _) | RequestKind::Text(handle, _)) = &record.ask else {
            return false;
        };
        let Shape::Own(owner) = handle.shape else { return false };
        !record.credential.is_some_and(|credential| credential.may_read(owner))
    }

    /// Whether the cluster takes a credential no longer.
    pub(crate) fn is_withdrawn(&self, credential: Option<Credential>) -> bool {
        credential.is_some_and(|credential| self.credentials.withdrawn_us(credential).is_some())
    }

    /// A client is let in.
    pub(crate) fn judge_login(
        &mut self,
        number: usize,
        credential: Credential,
        asked_us: u64,
    ) -> Result<(), String> {
        let withdrawn = self.credentials.withdrawn_us(credential);
        if withdrawn.is_some_and(|at| at < asked_us) {
            return Err(format!("{credential:?} is let in, which no node takes"));
        }
        if let Some(driver) = self.drivers.get_mut(number) {
            driver.ready = true;
        }
        Ok(())
    }

    /// A client is not let in; it hangs up, as drivers do.
    pub(crate) fn judge_refused_login(
        &mut self,
        number: usize,
        credential: Credential,
        code: ErrorCode,
        text: &str,
    ) {
        let explained = match code {
            ErrorCode::BAD_CREDENTIALS => {
                // A refusal of one node counts for the login that it answers.
                let is_stale = self.scenario.has(FaultKind::StaleRoles);
                is_stale || self.is_withdrawn(Some(credential))
            }
            ErrorCode::OVERLOADED => self.trouble_was_harsh(),
            _ => false,
        };
        if !explained {
            return self.blame(format_args!("{credential:?} is refused: {code:?} {text}"));
        }
        self.counted.login_refusals += 1;
        self.driver_leaves(number);
    }

    /// What a client hears of the nodes: one, and that is the proxy.
    pub(crate) fn judge_system(&mut self, at: usize, body: &[u8]) -> Result<(), String> {
        self.counted.system += 1;
        let text = SYSTEM.get(at).copied().unwrap_or_default();
        let rows = Rows::read(body).map_err(|error| error.to_string())?;
        let rows: Vec<_> = rows.rows().filter_map(Result::ok).collect();
        let peers = text.contains("system.peers");
        if rows.len() != usize::from(!peers) {
            return Err(format!("{} rows for {text}", rows.len()));
        }
        for row in &rows {
            let told = [("rpc_address", &PROXY.0[..]), ("host_id", &FACADE_ID[..])];
            for (name, own) in told {
                if row.get(name).is_some_and(|cell| cell != own) {
                    return Err(format!("{name} is {:02x?}", row.get(name)));
                }
            }
        }
        for member in &self.cluster.members {
            let text = member.address.to_string();
            let octets = match member.address {
                std::net::IpAddr::V4(address) => address.octets().to_vec(),
                std::net::IpAddr::V6(address) => address.octets().to_vec(),
            };
            let shows = |part: &[u8]| body.windows(part.len()).any(|found| found == part);
            let quoted = format!("\"{text}\"");
            if shows(&octets) || shows(quoted.as_bytes()) || shows(&member.host_id) {
                return Err(format!("a client is shown the node at {text}"));
            }
        }
        Ok(())
    }

    /// A request reached a node: on a lane with its client's own rights, and no farther than its
    /// consistency allows.
    pub(crate) fn check_rights(&mut self, id: LinkId, number: u64) {
        let Some(record) = self.ledger.get(number) else { return };
        let (asked_as, local) = (record.credential, record.local);
        let Some(lane) = self.links.get_mut(&id).and_then(|link| link.lane()) else { return };
        let (credential, node) = (lane.credential, lane.node);
        if credential != asked_as {
            return self.blame(format_args!(
                "request {number} of {asked_as:?} travels on a lane of {credential:?}"
            ));
        }
        if !self.is_far(node) {
            return;
        }
        self.counted.far += 1;
        if local && !self.scenario.failover.local_consistency {
            self.blame(format_args!("request {number} asks for LOCAL_ONE, and is at node {node}"));
        }
    }

    /// A request reached a node: whether it came on a connection that is one client's own. No other
    /// client's may come on it, and none of that client's elsewhere.
    pub(crate) fn note_own_lane(&mut self, id: LinkId, number: u64) -> bool {
        let Some(record) = self.ledger.get(number) else { return false };
        let (asked_on, who, to) = (record.link, record.driver, record.ask.keyspace_used());
        let is_odd = self.drivers.get(who).is_some_and(|driver| driver.way_in != WayIn::Plain);
        let Some(lane) = self.links.get_mut(&id).and_then(|link| link.lane()) else { return false };
        if !lane.dedicated {
            if is_odd {
                self.blame(format_args!("request {number} is not on its client's own connection"));
            }
            return false;
        }
        if let Some(to) = to {
            lane.keyspace = Some(to.to_owned());
        }
        let only_of = *lane.only_of.get_or_insert(asked_on);
        if only_of != asked_on {
            self.blame(format_args!("request {number} is on the own connection of link {only_of}"));
        }
        true
    }

    fn is_far(&self, node: usize) -> bool {
        let member = self.cluster.members.get(node);
        member.is_some_and(|member| member.data_center != OUR_CENTER)
    }

    /// Lanes to other data centers are opened only while there is none to ours.
    pub(crate) fn check_lane_may_open(&mut self, id: LinkId) {
        let Some(lane) = self.links.get_mut(&id).and_then(|link| link.lane()) else { return };
        let (worker, node) = (lane.worker, lane.node);
        if self.is_far(node) && self.local_home_lanes(worker) > 0 {
            self.blame(format_args!("lane {id} to node {node} is opened beside local ones"));
        }
        let is_chosen = self.workers.get(worker).pools.failover().is_chosen(Self::node_id(node));
        if !is_chosen && self.chosen_home_lanes(worker) > 0 {
            self.blame(format_args!("lane {id} to node {node} is opened beside chosen ones"));
        }
    }

    /// A client whose credential is taken no longer is closed in time, and its lanes.
    pub(crate) fn check_withdrawn(&mut self) {
        for worker in self.workers.numbers() {
            if self.asks_in_vain(worker) {
                self.workers.get_mut(worker).unknown_us = self.now_us;
            }
        }
        let late_us = self.now_us.saturating_sub(CLOSED_US + self.scenario.latency_us * 20);
        let kept = self.kept_though_withdrawn(|worker, withdrawn_us| {
            let known_us = withdrawn_us.max(self.workers.get(worker).unknown_us);
            if known_us < late_us { withdrawn_us } else { u64::MAX }
        });
        if let Some((id, credential)) = kept {
            self.blame(format_args!(
                "link {id} is still there, though {credential:?} is withdrawn"
            ));
        }
    }

    /// A client or a lane whose credential is withdrawn; `by` gives the time by which it should
    /// have been closed, of the worker and the time of the withdrawal.
    pub(crate) fn kept_though_withdrawn(
        &self,
        by: impl Fn(usize, u64) -> u64,
    ) -> Option<(LinkId, Credential)> {
        let late = |credential: Option<Credential>, worker: usize| {
            let withdrawn_us = self.credentials.withdrawn_us(credential?)?;
            credential.filter(|_| by(worker, withdrawn_us) <= self.now_us)
        };
        self.links.iter().find_map(|(id, link)| match &link.end {
            End::Lane(lane) if lane.key.is_some() => {
                // The cluster itself has taken the connection of a single client, and keeps it.
                let credential = lane.credential.filter(|_| !lane.dedicated);
                Some((*id, late(credential, lane.worker)?))
            }
            End::Client(client) if client.key.is_some() => {
                let driver = self.drivers.get(client.driver);
                let shares = |driver: &&Driver| driver.way_in == WayIn::Plain && driver.ready;
                let driver = driver.filter(|driver| driver.link == Some(*id)).filter(shares)?;
                Some((*id, late(driver.credential, client.worker)?))
            }
            End::Lane(_) | End::Client(_) => None,
        })
    }
}

//! EXECUTEs of ids that were not prepared here since the process began, or were forgotten: their client
//! is asked once to prepare again, and is routed from then on.
//!
//! Every driver prepares again by itself when a node answers UNPREPARED, and sends the request once
//! more: it was not run. A client that does not, or whose id no PREPARE brings back, is asked once: the
//! next EXECUTE goes to any node.

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use crate::engine::client::{ClientKey, ClientStream};
use crate::engine::core::core::Core;
use crate::engine::view::tally::RequestKind;
use crate::upstream::lane::PoolId;
use cql::response::error::Extras;

/// Length of the ids of both servers. What has another one is no id that a driver could prepare again.
const ID_LEN: usize = 16;

/// Ids that one client is asked about.
const IDS_MAX: usize = 1_024;

/// Ids that all clients are asked about, as long as they are connected.
const ASKED_MAX: usize = 65_536;

/// The ids that each client was asked about.
#[derive(Debug, Default)]
pub(crate) struct UnknownIds {
    /// Hashes of ids. An id that shares the hash of another is not asked about.
    asked: HashMap<ClientKey, Vec<u64>>,
    /// How many there are.
    count: usize,
}

impl UnknownIds {
    /// Asks a client to prepare a statement again; `false` when its request has to go to a node.
    #[cold]
    pub(crate) fn ask(
        &mut self,
        core: &mut Core,
        to: ClientStream,
        base: PoolId,
        id: &[u8],
    ) -> bool {
        // Without any lane it could not be prepared.
        let is_served = !core.pools.lane_map(base).live().is_empty();
        let may = core.settings.asks_to_prepare && id.len() == ID_LEN && is_served;
        if !may || !self.note(to.client, id) {
            return false;
        }
        core.tally.asked_to_prepare += 1;
        let text = "No prepared statement with this ID found.";
        core.refuse_with(to, RequestKind::Execute, text, &Extras::Unprepared { id: Some(id) });
        core.leave(to.client);
        true
    }

    /// Notes that a client is asked about an id; `false` when it was, or there is no room.
    fn note(&mut self, client: ClientKey, id: &[u8]) -> bool {
        let hash = FixedState::default().hash_one(id);
        let asked = self.asked.entry(client).or_default();
        let may = self.count < ASKED_MAX && asked.len() < IDS_MAX && !asked.contains(&hash);
        if may {
            asked.push(hash);
            self.count += 1;
        }
        may
    }

    /// A client is gone.
    pub(crate) fn on_client_closed(&mut self, client: ClientKey) {
        self.count -= self.asked.remove(&client).map_or(0, |asked| asked.len());
    }
}

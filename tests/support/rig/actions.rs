//! What the engine ordered, taken one kind at a time.

use std::sync::Arc;

use cql::token::shard::ShardId;
use shardlane::engine::action::{Action, PeerMessage, TableFact, TableRequest};
use shardlane::engine::client::ClientKey;
use shardlane::engine::pending::LaneKey;
use shardlane::topology::id::NodeId;
use shardlane::upstream::lane::{LaneRoute, PoolId};

use super::Rig;
use crate::support::frames::LWT_MASK;

impl Rig {
    /// Where a lane leads that comes up now, and what its node agrees to.
    pub(super) fn route_to(&self, pool: PoolId, node: NodeId, shard: ShardId) -> LaneRoute {
        LaneRoute {
            node,
            shard,
            pool,
            lwt_mask: LWT_MASK,
            metadata_ids: self.metadata_ids,
            is_cassandra: self.is_cassandra,
            compression: self.lane_compression,
        }
    }

    /// Whether a client is to be closed.
    pub(crate) fn is_closing(&self, client: ClientKey) -> bool {
        self.closing.contains(&client)
    }

    /// The next keyspace whose lanes are to be opened.
    pub(crate) fn opened(&mut self) -> Option<(PoolId, Arc<str>)> {
        let is_open = |order: &Action| matches!(order, Action::OpenPool { .. });
        let at = self.actions.iter().position(is_open)?;
        match self.actions.remove(at)? {
            Action::OpenPool { pool, keyspace } => Some((pool, keyspace)),
            _ => None,
        }
    }

    /// Keyspace and name of the tables whose partition keys are to be read.
    pub(crate) fn tables_to_read(&mut self) -> Vec<(String, String)> {
        let mut tables = Vec::new();
        self.actions.retain(|order| match order {
            Action::ReadTable(TableRequest { keyspace, table, wanted: TableFact::Key }) => {
                tables.push((keyspace.to_string(), table.to_string()));
                false
            }
            _ => true,
        });
        tables
    }

    pub(crate) fn lanes_to_close(&mut self) -> Vec<LaneKey> {
        let mut lanes = Vec::new();
        self.actions.retain(|order| match order {
            Action::CloseLane(lane) => {
                lanes.push(*lane);
                false
            }
            _ => true,
        });
        lanes
    }

    pub(crate) fn clients_to_close(&mut self) -> Vec<ClientKey> {
        let mut clients = Vec::new();
        self.actions.retain(|order| match order {
            Action::CloseClient(client) => {
                clients.push(*client);
                false
            }
            _ => true,
        });
        clients
    }

    pub(crate) fn clients_to_resume(&mut self) -> Vec<ClientKey> {
        let mut clients = Vec::new();
        self.actions.retain(|order| match order {
            Action::ResumeClient(client) => {
                clients.push(*client);
                false
            }
            _ => true,
        });
        clients
    }

    pub(crate) fn peer_messages(&mut self) -> Vec<PeerMessage> {
        let mut messages = Vec::new();
        self.actions.retain(|order| match order {
            Action::ToOtherWorkers(message) => {
                messages.push(message.clone());
                false
            }
            _ => true,
        });
        messages
    }
}

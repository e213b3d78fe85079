//! What the engine ordered, taken one kind at a time.

use std::sync::Arc;

use shardlane::engine::client::ClientKey;
use shardlane::engine::order::{News, Order};
use shardlane::engine::pending::LaneKey;
use shardlane::upstream::lane::SetId;

use super::Rig;

impl Rig {
    /// The next keyspace whose lanes are to be opened.
    pub(crate) fn opened(&mut self) -> Option<(SetId, Arc<str>)> {
        let is_open = |order: &Order| matches!(order, Order::OpenSet { .. });
        let at = self.orders.iter().position(is_open)?;
        match self.orders.remove(at)? {
            Order::OpenSet { set, keyspace } => Some((set, keyspace)),
            _ => None,
        }
    }

    pub(crate) fn lanes_to_close(&mut self) -> Vec<LaneKey> {
        let mut lanes = Vec::new();
        self.orders.retain(|order| match order {
            Order::CloseLane(lane) => {
                lanes.push(*lane);
                false
            }
            _ => true,
        });
        lanes
    }

    pub(crate) fn clients_to_close(&mut self) -> Vec<ClientKey> {
        let mut clients = Vec::new();
        self.orders.retain(|order| match order {
            Order::CloseClient(client) => {
                clients.push(*client);
                false
            }
            _ => true,
        });
        clients
    }

    pub(crate) fn clients_to_resume(&mut self) -> Vec<ClientKey> {
        let mut clients = Vec::new();
        self.orders.retain(|order| match order {
            Order::ResumeClient(client) => {
                clients.push(*client);
                false
            }
            _ => true,
        });
        clients
    }

    pub(crate) fn news(&mut self) -> Vec<News> {
        let mut news = Vec::new();
        self.orders.retain(|order| match order {
            Order::Tell(told) => {
                news.push(told.clone());
                false
            }
            _ => true,
        });
        news
    }
}

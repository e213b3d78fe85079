//! One engine after another: what it has learned and its clients, handed out and taken over.

use crate::engine::client::{ClientKey, MoveAfter};
use crate::engine::engine::Engine;
use crate::engine::features::clients::{logins, moves};
use crate::engine::learned::{self, LearnedPart, PartStart};
use crate::state::client::MovedClient;
use crate::state::record::Record;
use crate::upstream::lane::PoolId;

impl Engine {
    /// Copies a part of what it has learned, in bounded time.
    #[must_use]
    pub fn learned(&self, from: PartStart) -> LearnedPart {
        learned::part(&self.core, from)
    }

    /// The process before this one knew something. Given after the first snapshot, before the first client.
    pub fn on_restored(&mut self, record: &Record) {
        learned::restore(&mut self.core, record);
    }

    /// What has to happen before another process may serve a client on.
    #[must_use]
    pub fn moves_after(&self, client: ClientKey) -> MoveAfter {
        moves::moves_after(&self.core, client)
    }

    /// What another process needs to serve a client on; `None` while it waits for something. If there is anything, no
    /// byte of the client may be given to this engine any more, and [`Engine::on_client_closed`] follows.
    pub fn move_out(&mut self, client: ClientKey) -> Option<MovedClient> {
        moves::move_out(&mut self.core, client)
    }

    /// The lanes with a client's own rights; `None` when it has none, or is gone.
    #[must_use]
    pub fn own_base(&self, client: ClientKey) -> Option<PoolId> {
        let base = self.core.clients.get(client)?.base;
        (base != PoolId::PLAIN).then_some(base)
    }

    /// A client comes from another process; `None` when there are too many, or it would have to log in and has not. One
    /// that logged in is not read before the cluster has taken its login here, too.
    pub fn on_client_moved_in(&mut self, moved: &mut MovedClient) -> Option<ClientKey> {
        let token = moved.token.take().filter(|_| self.features.logins.authenticator().is_some());
        if !moved.is_new && token.is_none() && self.features.logins.authenticator().is_some() {
            return None;
        }
        self.core.tally.clients_opened += 1;
        let client = moves::as_client(&self.core, moved);
        let client = self.features.newcomers.let_in(&mut self.core, client)?;
        if !moved.partial.is_empty() {
            self.on_client_bytes(client, &mut moved.partial);
        }
        match token {
            Some(token) => logins::on_moved_in(&mut self.core, client, token),
            None if moved.is_new => {}
            None => moves::enter_keyspace(&mut self.core, client),
        }
        self.do_todo();
        Some(client)
    }
}

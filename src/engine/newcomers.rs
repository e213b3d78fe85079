//! Clients that come, as the shell sees them.

use std::net::{IpAddr, SocketAddr};

use crate::engine::client::{Client, ClientKey, Lack};
use crate::engine::engine::Engine;

impl Engine {
    /// A client connected to `local_address`; `None` when there are too many even to say so.
    pub fn on_client_open(&mut self, local_address: SocketAddr) -> Option<ClientKey> {
        self.let_in(local_address, None)
    }

    /// The same, and clients have all the `max` file descriptors that they may have: it is refused.
    pub fn on_client_without_descriptor(
        &mut self,
        local_address: SocketAddr,
        max: u64,
    ) -> Option<ClientKey> {
        self.let_in(local_address, Some(Lack::Descriptors { max }))
    }

    fn let_in(&mut self, local_address: SocketAddr, lack: Option<Lack>) -> Option<ClientKey> {
        let core = &mut self.core;
        core.tally.clients_opened += 1;
        let mut client = Client::new(local_address, &core.settings.limits, core.now_us);
        client.lack = lack;
        let key = self.features.newcomers.let_in(core, client);
        self.look_at_memory();
        key
    }

    /// Where a client comes from; `None` for a Unix socket.
    #[must_use]
    pub fn client_address(&self, client: ClientKey) -> Option<IpAddr> {
        Some(self.core.clients.get(client)?.about.peer?.ip())
    }

    /// The address of a client that has just connected.
    pub fn on_client_named(&mut self, client: ClientKey, peer: SocketAddr) {
        self.core.name_client(client, peer);
    }
}

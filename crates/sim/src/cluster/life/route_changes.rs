//! Routes of clients behind a private endpoint: set and dropped, with their events.

use crate::cluster::cluster::Cluster;
use crate::cluster::error::ClusterError;
use crate::cluster::seed::uuid_text;
use crate::node::frames::event::Event;

impl Cluster {
    /// Sets the address of a node for the clients of a connection, and sends the event.
    pub fn set_client_route(
        &mut self,
        connection_id: &str,
        node: usize,
        address: &str,
        port: u16,
    ) -> Result<(), ClusterError> {
        let host_id = self.host_id(node)?;
        self.client_routes.insert((connection_id.to_owned(), host_id), (address.to_owned(), port));
        self.announce_route(connection_id, host_id);
        Ok(())
    }

    /// Deletes the address of a node for the clients of a connection, and sends the event. The real
    /// server sends it even if there was no such row.
    pub fn drop_client_route(
        &mut self,
        connection_id: &str,
        node: usize,
    ) -> Result<(), ClusterError> {
        let host_id = self.host_id(node)?;
        let _former = self.client_routes.remove(&(connection_id.to_owned(), host_id));
        self.announce_route(connection_id, host_id);
        Ok(())
    }

    fn host_id(&self, node: usize) -> Result<[u8; 16], ClusterError> {
        let member = self.members.get(node).filter(|member| member.belongs());
        member.map(|member| member.host_id).ok_or(ClusterError::UnknownNode(node))
    }

    fn announce_route(&mut self, connection_id: &str, host_id: [u8; 16]) {
        let host_id = uuid_text(&host_id);
        for node in 0..self.members.len() {
            let event = Event::ClientRoutes { connection_id, host_id: &host_id };
            self.announce(node, &event, None);
        }
    }
}

//! How clients come in: at once, or past a TLS handshake.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::net::{TcpStream, UnixStream};

use crate::engine::client::ClientKey;
use crate::engine::limits::KEYS;
use crate::listen::client_tls::ClientTls;
use crate::listen::listener::Accepted;
use crate::platform::clock;
use crate::sockets::transport::Transport;
use crate::state::client::MovedClient;
use crate::worker::clients::transfer::{ConnectedClient, HandshakenClient};
use crate::worker::reactor::Reactor;
use crate::worker::slots::{GREETED, MESSAGES_IN_A_ROW};
use crate::worker::socket::Who;

/// The address at which clients of a Unix socket see the one node: they need some address in
/// `system.local`, and have none of ours.
const ADDRESS_OF_UNIX: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9042);

impl Reactor {
    pub(crate) fn on_client(&mut self, client: ConnectedClient) {
        let ConnectedClient { stream, no_descriptor, tls, moved } = client;
        if let Some(moved) = moved {
            return self.serve_on(stream, *moved);
        }
        match stream {
            Accepted::Tcp(stream) => {
                let Ok(local) = stream.local_addr() else { return };
                let peer = stream.peer_addr().ok();
                let Ok(stream) = TcpStream::from_std(stream) else { return };
                match tls {
                    None => {
                        let stream = Transport::Plain(stream);
                        self.serve(HandshakenClient { stream, no_descriptor, local, peer });
                    }
                    Some(tls) => self.start_tls(tls, stream, no_descriptor, local),
                }
            }
            Accepted::Unix(stream) => {
                let Ok(stream) = UnixStream::from_std(stream) else { return };
                let (stream, local) = (Transport::Unix(stream), ADDRESS_OF_UNIX);
                self.serve(HandshakenClient { stream, no_descriptor, local, peer: None });
            }
        }
    }

    /// Goes on with a client of another process.
    fn serve_on(&mut self, stream: Accepted, mut moved: MovedClient) {
        let stream = match stream {
            Accepted::Tcp(stream) => TcpStream::from_std(stream).map(Transport::Plain),
            Accepted::Unix(stream) => UnixStream::from_std(stream).map(Transport::Unix),
        };
        let Ok(stream) = stream else { return };
        if let Some(client) = self.engine.on_client_moved_in(&mut moved) {
            self.add_client(client, stream);
        }
    }

    /// Starts a handshake. It is a task of its own: it waits for the client, again and again, and
    /// the worker's loop has no place to wait.
    fn start_tls(
        &self,
        tls: Arc<ClientTls>,
        stream: TcpStream,
        no_descriptor: Option<u64>,
        local: SocketAddr,
    ) {
        let Some(turn) = tls.enter() else { return };
        let peer = stream.peer_addr().ok();
        let (sender, _) = &self.handshaken;
        let sender = sender.clone();
        tokio::spawn(async move {
            if let Some(stream) = tls.accept(stream).await {
                // It is not taken when the worker has ended.
                sender.send(HandshakenClient { stream, no_descriptor, local, peer }).await.ok();
            }
            drop(turn);
        });
    }

    pub(crate) fn take_greeted(&mut self) {
        let waker = self.waker(GREETED);
        let mut context = Context::from_waker(&waker);
        for _ in 0..MESSAGES_IN_A_ROW {
            match self.handshaken.1.poll_recv(&mut context) {
                Poll::Ready(Some(handshaken)) => self.serve(handshaken),
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
        self.look_again(GREETED);
    }

    fn serve(&mut self, handshaken: HandshakenClient) {
        let HandshakenClient { stream, no_descriptor, local, peer } = handshaken;
        let refused = self.engine.tally().clients_refused;
        let client = match no_descriptor {
            None => self.engine.on_client_open(local),
            Some(max) => self.engine.on_client_without_descriptor(local, max),
        };
        if no_descriptor.is_none()
            && self.engine.tally().clients_refused > refused
            && let Some(left_out) = self.refusals.next(clock::now_us())
        {
            let (setting, value) = (KEYS.clients_max, self.engine.limits().clients_max);
            tracing::warn!(setting, value, left_out, "a client was closed: there are too many");
        }
        let Some(client) = client else { return };
        if let Some(peer) = peer {
            self.engine.on_client_named(client, peer);
        }
        self.add_client(client, stream);
    }

    fn add_client(&mut self, client: ClientKey, stream: Transport) {
        match self.add_socket(Who::Client(client), stream) {
            Some(slot) => {
                self.client_slots.insert(client, slot);
            }
            None => self.engine.on_client_closed(client),
        }
    }
}

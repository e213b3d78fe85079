//! Gives clients to another process, each when nothing is on its way to it or from it.

use tokio::sync::mpsc::Sender;

use crate::engine::client::{ClientKey, MoveAfter};
use crate::platform::clock;
use crate::worker::clients::transfer::{GivenClient, Giving};
use crate::worker::reactor::Reactor;
use crate::worker::socket::Socket;

impl Reactor {
    /// Reads the clients no more that may move; each leaves once it has all its answers. Those that wait long are read
    /// on in turn.
    pub(in crate::worker) fn start_giving(&mut self, giving: Giving) {
        self.giving = Some(giving);
        self.holds_clients = true;
    }

    /// Whether a client is not read for now: the worker drains, or another process will read it.
    #[cold]
    pub(in crate::worker) fn holds(&self, slot: usize, client: ClientKey) -> bool {
        self.drain_until_us.is_some()
            || self.giving.is_some() && self.moves_after(slot, client) == MoveAfter::Answers
    }

    /// Gives away those that wait for nothing; ends when none is left that may move.
    pub(in crate::worker) fn give_clients(&mut self) {
        let Some(giving) = self.giving.take() else { return };
        let mut left = Vec::new();
        for (client, slot) in self.client_slots.all() {
            let is_done = match self.moves_after(slot, client) {
                MoveAfter::Answers => self.give(&giving.to, slot, client),
                MoveAfter::Reading => false,
                MoveAfter::Never => true,
            };
            if !is_done {
                left.push(slot);
            }
        }
        let now_us = clock::now_us();
        if (!left.is_empty() || self.shakes_hands()) && now_us < giving.until_us {
            let holds = giving.holds_at(now_us) || self.drain_until_us.is_some();
            let is_released = std::mem::replace(&mut self.holds_clients, holds) && !holds;
            self.giving = Some(giving);
            if is_released {
                left.into_iter().for_each(|slot| self.look_again(slot));
            }
            return;
        }
        self.holds_clients = self.drain_until_us.is_some();
        for slot in left {
            self.look_again(slot);
        }
    }

    /// Whether clients are in their TLS handshake, or past it and not served yet.
    fn shakes_hands(&self) -> bool {
        let (sender, handshaken) = &self.handshaken;
        sender.strong_count() > 1 || !handshaken.is_empty()
    }

    /// Gives a client away; `false` when it waits for something, or there is no room yet.
    fn give(&mut self, to: &Sender<GivenClient>, slot: usize, client: ClientKey) -> bool {
        if to.capacity() == 0 || self.socket(slot).is_none_or(|socket| socket.blocked) {
            return false;
        }
        let base = self.engine.own_base(client);
        let Some(mut moved) = self.engine.move_out(client) else { return false };
        moved.token = base.and_then(|base| self.pools.token_of(base));
        let socket = self.sockets.get_mut(slot).and_then(Option::take);
        self.forget_client(client);
        self.free.push(slot);
        match socket.map(|socket| socket.leave(&self.poller)) {
            Some(Ok(Some(connection))) => {
                let given = GivenClient { connection, client: moved };
                if to.try_send(given).is_err() {
                    tracing::warn!("a client is closed: the process that it moves to is gone");
                }
            }
            Some(Err(error)) => tracing::warn!(%error, "a client is closed: it cannot be moved"),
            Some(Ok(None)) | None => {}
        }
        true
    }

    /// After what another process could go on with a client.
    fn moves_after(&self, slot: usize, client: ClientKey) -> MoveAfter {
        let socket = self.sockets.get(slot).and_then(Option::as_ref);
        let has_token = |base| self.pools.token_of(base).is_some();
        let can_leave = socket.is_some_and(Socket::can_leave)
            && self.engine.own_base(client).is_none_or(has_token);
        if can_leave { self.engine.moves_after(client) } else { MoveAfter::Never }
    }
}

//! What is done before an input of the engine ends.

use std::mem;

use crate::engine::action::Action;
use crate::engine::client::ClientKey;
use crate::engine::core::todo::Todo;
use crate::engine::engine::Engine;
use crate::engine::features::moves;
use crate::engine::requests::{inbound, route};

impl Engine {
    /// Does what the input left to be done.
    #[inline]
    pub(super) fn do_todo(&mut self) {
        while let Some(todo) = self.core.todo.pop_front() {
            self.carry_out(todo);
        }
    }

    /// Serves what a client sent. Returns how many bytes are left at the end, because the client has as
    /// much under way as it may have.
    #[inline(never)]
    pub(super) fn serve_client(&mut self, client: ClientKey, chunk: &mut [u8]) -> usize {
        let Some(mut chunk) = inbound::begin(&mut self.core, client, chunk) else { return 0 };
        while inbound::next(&mut self.core, &mut self.features, &mut chunk) {
            self.do_todo();
        }
        self.do_todo();
        inbound::end(&mut self.core, chunk)
    }

    /// Keeps the last `left` bytes of a chunk until its client has less under way.
    #[cold]
    pub(super) fn hold(&mut self, client: ClientKey, chunk: &[u8], left: usize) {
        let rest = chunk.get(chunk.len() - left..).unwrap_or_default();
        inbound::hold(&mut self.core, client, rest.to_vec(), 0);
        self.do_todo();
    }

    /// Serves what was kept of a client.
    fn read_held(&mut self, client: ClientKey) {
        let Some(entry) = self.core.clients.get_mut(client) else { return };
        let (mut held, done) = (mem::take(&mut entry.held), mem::take(&mut entry.held_done));
        let left = self.serve_client(client, held.get_mut(done..).unwrap_or_default());
        if left > 0 {
            let done = held.len() - left;
            inbound::hold(&mut self.core, client, held, done);
        } else if self.core.clients.get(client).is_some_and(|entry| !entry.paused) {
            self.core.actions.push_back(Action::ResumeClient(client));
        }
    }

    #[cold]
    fn carry_out(&mut self, todo: Todo) {
        let (core, features) = (&mut self.core, &mut self.features);
        match todo {
            Todo::RouteAgain { pool, pending, avoided } => {
                route::again(core, features, pool, pending, avoided);
            }
            Todo::SendAgain { lane, pending } => route::again_on(core, features, lane, pending),
            Todo::SendUse(request) => route::send_use(core, features, request),
            Todo::Resume { client, mut frames } => {
                inbound::resume(core, features, client, &mut frames);
            }
            Todo::EnterKeyspace(client) => moves::enter_keyspace(core, client),
            Todo::ReadHeld(client) => self.read_held(client),
            Todo::ServeTraced(request) => inbound::serve_traced(core, features, request),
            Todo::LaneFull { lane, client } => features.stalls.on_full(core, lane, client),
            Todo::PoolClosed { pool, instead } => features.reprepare.on_pool_closed(pool, instead),
        }
    }
}

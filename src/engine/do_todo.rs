//! What is done before an input of the engine ends.

use crate::engine::core::todo::Todo;
use crate::engine::engine::Engine;
use crate::engine::requests::{inbound, route};

impl Engine {
    /// Does what the input left to be done.
    #[inline]
    pub(super) fn do_todo(&mut self) {
        while let Some(todo) = self.core.todo.pop_front() {
            self.carry_out(todo);
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
            Todo::ServeTraced(request) => inbound::serve_traced(core, features, request),
            Todo::LaneFull { lane, client } => features.stalls.on_full(core, lane, client),
            Todo::PoolClosed { pool, instead } => features.reprepare.on_pool_closed(pool, instead),
        }
    }
}

//! Clients that move from one process to another, connection and all: neither side closes it, so no driver notices.

use std::mem;

use crate::engine::client::{Client, ClientKey, MoveAfter};
use crate::engine::core::core::Core;
use crate::engine::pending::Purpose;
use crate::session::session::{Phase, Subscription};
use crate::state::client::MovedClient;
use crate::upstream::lane::PoolId;

/// Longest front of a frame that moves along, bytes. Of a longer frame the rest is read first.
const PARTIAL_BYTES_MAX: usize = 1 << 20;

/// What has to happen before another process may serve a client on. One whose login took more than a token has a connection of its
/// own, and its login cannot be repeated without it.
pub(crate) fn moves_after(core: &Core, key: ClientKey) -> MoveAfter {
    let Some(client) = core.clients.get(key) else { return MoveAfter::Never };
    match client.session.phase {
        Phase::Refused | Phase::Closing => MoveAfter::Never,
        // What was said of a login so far is between this process and a node.
        Phase::Authenticating => MoveAfter::Reading,
        Phase::Fresh => MoveAfter::Answers,
        Phase::Ready => ready_moves_after(core, client),
    }
}

fn ready_moves_after(core: &Core, client: &Client) -> MoveAfter {
    let has_rights = core.pools.is_open(client.base) && !core.pools.is_dedicated(client.base);
    let decoder = &client.session.decoder;
    if !has_rights || client.disconnected {
        MoveAfter::Never
    } else if decoder.partial_len() > PARTIAL_BYTES_MAX || decoder.bytes_to_skip() > 0 {
        MoveAfter::Reading
    } else {
        MoveAfter::Answers
    }
}

/// What another process needs to serve a client on; `None` while it waits for something, or may not move. The client
/// is then to be closed here, without its connection.
pub(crate) fn move_out(core: &mut Core, key: ClientKey) -> Option<MovedClient> {
    if moves_after(core, key) != MoveAfter::Answers {
        return None;
    }
    let client = core.clients.get_mut(key)?;
    let waits = client.in_flight > 0
        || !client.held.is_empty()
        || client.switching.is_some()
        || client.session.unsent_len() > 0;
    if waits {
        return None;
    }
    Some(MovedClient {
        local: client.local_address,
        peer: client.about.peer,
        version: client.session.version,
        is_new: client.session.phase == Phase::Fresh,
        compression: client.session.compression,
        keyspace: client.session.keyspace.clone(),
        schema_events: client.session.subscription.schema,
        uses_console: client.about.uses_console,
        driver: client.about.driver.clone(),
        partial: client.session.decoder.take_partial()?,
        token: None,
    })
}

/// A client of another process as it begins here. One in a keyspace is read once there are lanes of that keyspace.
pub(crate) fn as_client(core: &Core, moved: &MovedClient) -> Client {
    let MovedClient { local, peer, version, compression, .. } = moved;
    let limits = &core.settings.limits;
    let mut client = Client::new(*local, limits, core.now_us);
    if !moved.is_new {
        client.session.phase = Phase::Ready;
        client.session.decoder.allow(limits.frame_body_bytes_max);
    }
    client.session.version = *version;
    client.session.compression = *compression;
    client.session.keyspace.clone_from(&moved.keyspace);
    client.session.subscription = Subscription { schema: moved.schema_events };
    client.about.peer = *peer;
    client.about.driver.clone_from(&moved.driver);
    client.about.uses_console = moved.uses_console;
    client
}

/// A client of another process is here: takes the lanes of its keyspace, with its own rights.
pub(crate) fn enter_keyspace(core: &mut Core, key: ClientKey) {
    let Some(client) = core.clients.get(key) else { return };
    let (base, keyspace) = (client.base, client.session.keyspace.clone());
    let pool = keyspace.and_then(|keyspace| {
        let pool = core.pools.of_keyspace(base, Some(&keyspace));
        pool.or_else(|| core.open_pool(base, &keyspace))
    });
    let Some(pool) = pool else { return core.end_use(key, Purpose::Use(base)) };
    if let Some(client) = core.clients.get_mut(key) {
        client.pool = pool;
        client.switching.get_or_insert_default();
    }
    core.pause_if_needed(key);
    if let Some(entry) = core.pools.get_mut(pool) {
        entry.moved_in.push(key);
    }
    if !core.pools.lane_map(pool).live().is_empty() {
        serve_waiting(core, pool);
    }
}

/// There is a lane of a pool, or there will be none soon: clients that moved in are served as any other.
pub(crate) fn serve_waiting(core: &mut Core, pool: PoolId) {
    let Some(entry) = core.pools.get_mut(pool) else { return };
    for client in mem::take(&mut entry.moved_in) {
        core.end_use(client, Purpose::Use(pool));
    }
}

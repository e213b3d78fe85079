//! The listeners: each running node on its ports.

use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::{AbortHandle, spawn_local};

use crate::cluster::cluster::Cluster;
use crate::listen::client;
use crate::listen::ports::{PortSpec, bind_all, ports};
use crate::listen::proxied;
use crate::listen::world::World;
use crate::node::connection::PortKind;

/// Pause after a failed accept, for example when no descriptors are left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Runs `what`, which may start or stop nodes, then opens and closes their listeners.
pub(crate) fn administer<T>(
    world: &Rc<World>,
    what: impl FnOnce(&mut Cluster, Duration) -> T,
) -> T {
    let result = world.with(what);
    follow(world);
    result
}

/// Opens the listeners of nodes that run, and closes those of nodes that do not.
///
/// A node that cannot listen, because its address is in use, is tried again the next time.
pub(crate) fn follow(world: &Rc<World>) {
    let (nodes, ports) = world.with(|cluster, _| {
        let nodes = cluster.members.iter().map(|it| it.answers().then_some(it.address));
        (nodes.collect::<Vec<_>>(), ports(&cluster.options))
    });
    let mut listeners = world.listeners.borrow_mut();
    let specs = listeners.specs.clone();
    let mut ready = std::mem::take(&mut listeners.ready).into_iter();
    listeners.accepting.resize_with(nodes.len(), || None);
    for (node, (address, accepting)) in nodes.iter().zip(&mut listeners.accepting).enumerate() {
        match (address, accepting.take()) {
            (Some(_), Some(tasks)) => *accepting = Some(tasks),
            (Some(address), None) => {
                let sockets = ready.next().or_else(|| bind_all(*address, &ports, &specs).ok());
                let accept = |(listener, spec)| {
                    spawn_local(accept(Rc::clone(world), listener, node, spec)).abort_handle()
                };
                *accepting = sockets.map(|sockets| sockets.into_iter().map(accept).collect());
            }
            (None, Some(tasks)) => tasks.iter().for_each(AbortHandle::abort),
            (None, None) => {}
        }
    }
}

async fn accept(world: Rc<World>, listener: TcpListener, node: usize, spec: PortSpec) {
    loop {
        match listener.accept().await {
            Ok((mut stream, peer)) => {
                let peer = match spec.kind {
                    PortKind::Plain | PortKind::ShardAware => Some(peer),
                    PortKind::Proxied => proxied::peer(&mut stream).await,
                };
                if let Some(peer) = peer {
                    spawn_local(client::serve(Rc::clone(&world), stream, peer, node, spec));
                }
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

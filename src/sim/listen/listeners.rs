//! Who listens where: each running node on its ports.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, spawn_local};

use crate::sim::cluster::cluster::Door;
use crate::sim::cluster::error::ClusterError;
use crate::sim::cluster::options::ClusterOptions;
use crate::sim::cluster::seed::address_after;
use crate::sim::listen::client;
use crate::sim::listen::error::SimError;
use crate::sim::listen::proxied;
use crate::sim::listen::world::World;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// How often a free port is looked for.
const PORT_TRIES: usize = 32;
/// How long an accept that failed (no descriptors left) is waited for.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// The listening sockets of one node.
type Doors = Vec<(Door, TcpListener)>;

/// The accepting tasks of each node that listens, by number.
#[derive(Debug, Default)]
pub struct Listeners {
    accepting: Vec<Option<Vec<AbortHandle>>>,
    ready: Vec<Doors>,
}

impl Listeners {
    /// Binds all sockets of a cluster that is to be, and writes ports that were 0 into `options`.
    pub fn bind(options: &mut ClusterOptions) -> Result<Self, SimError> {
        let addresses = addresses(options)?;
        for _ in 0..PORT_TRIES {
            let mut ports = ports(options);
            let is_free = ports.iter().any(|(_, port)| *port == 0);
            let mut ready = Vec::new();
            for address in &addresses {
                match bind_doors(*address, &ports) {
                    Ok(doors) => {
                        for ((_, port), (_, listener)) in ports.iter_mut().zip(&doors) {
                            *port = bound_port(listener, *port);
                        }
                        ready.push(doors);
                    }
                    Err(SimError::Bind { .. }) if is_free => break,
                    Err(error) => return Err(error),
                }
            }
            if ready.len() == addresses.len() {
                for (door, port) in ports {
                    match door {
                        Door::Plain => options.port = port,
                        Door::ShardAware => options.shard_aware_port = port,
                        Door::Proxied => options.proxy_port = Some(port),
                    }
                }
                return Ok(Self { accepting: Vec::new(), ready });
            }
        }
        Err(SimError::NoPort)
    }

    /// Opens the listeners of nodes that run, and closes those of nodes that do not.
    ///
    /// A node that cannot listen (its address was taken meanwhile) is tried again the next time.
    pub fn follow(world: &Rc<World>) {
        let (nodes, ports) = world.with(|cluster, _| {
            let nodes = cluster.members.iter().map(|it| it.answers().then_some(it.address));
            (nodes.collect::<Vec<_>>(), ports(&cluster.options))
        });
        let mut listeners = world.listeners.borrow_mut();
        let mut ready = std::mem::take(&mut listeners.ready).into_iter();
        listeners.accepting.resize_with(nodes.len(), || None);
        for (node, (address, accepting)) in nodes.iter().zip(&mut listeners.accepting).enumerate() {
            match (address, accepting.take()) {
                (Some(_), Some(tasks)) => *accepting = Some(tasks),
                (Some(address), None) => {
                    let doors = ready.next().or_else(|| bind_doors(*address, &ports).ok());
                    *accepting = doors.map(|doors| {
                        let accept = |(door, listener)| {
                            spawn_local(accept(Rc::clone(world), listener, node, door))
                                .abort_handle()
                        };
                        doors.into_iter().map(accept).collect()
                    });
                }
                (None, Some(tasks)) => tasks.iter().for_each(AbortHandle::abort),
                (None, None) => {}
            }
        }
    }
}

async fn accept(world: Rc<World>, listener: TcpListener, node: usize, door: Door) {
    loop {
        match listener.accept().await {
            Ok((mut stream, peer)) => {
                let peer = match door {
                    Door::Plain | Door::ShardAware => Some(peer),
                    Door::Proxied => proxied::peer(&mut stream).await,
                };
                if let Some(peer) = peer {
                    spawn_local(client::serve(Rc::clone(&world), stream, (node, door), peer));
                }
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

fn addresses(options: &ClusterOptions) -> Result<Vec<IpAddr>, ClusterError> {
    let no_room =
        || ClusterError::NoAddress { count: options.nodes, base: options.address.to_string() };
    let address = |node| {
        let offset = u8::try_from(node).map_err(|_| no_room())?;
        address_after(options.address, offset).ok_or_else(no_room)
    };
    (0..options.nodes).map(address).collect()
}

/// The port of each door that there is.
fn ports(options: &ClusterOptions) -> Vec<(Door, u16)> {
    let always = [(Door::Plain, options.port), (Door::ShardAware, options.shard_aware_port)];
    always.into_iter().chain(options.proxy_port.map(|port| (Door::Proxied, port))).collect()
}

fn bind_doors(address: IpAddr, ports: &[(Door, u16)]) -> Result<Doors, SimError> {
    let bind = |(door, port): &(Door, u16)| {
        let address = SocketAddr::new(address, *port);
        let listener = listen(address).map_err(|source| SimError::Bind { address, source })?;
        Ok((*door, listener))
    };
    ports.iter().map(bind).collect()
}

/// Listens on one address.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn bound_port(listener: &TcpListener, wanted: u16) -> u16 {
    listener.local_addr().map_or(wanted, |address| address.port())
}

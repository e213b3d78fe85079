//! Who listens where: each running node on its two ports.

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
use crate::sim::listen::world::World;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// How often a free port is looked for.
const PORT_TRIES: usize = 32;
/// How long an accept that failed (no descriptors left) is waited for.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Two listening sockets of one node: plain, shard-aware.
type Pair = (TcpListener, TcpListener);

/// The accepting tasks of each node that listens, by number.
#[derive(Debug, Default)]
pub struct Listeners {
    accepting: Vec<Option<[AbortHandle; 2]>>,
    ready: Vec<Pair>,
}

impl Listeners {
    /// Binds all sockets of a cluster that is to be, and writes ports that were 0 into `options`.
    pub fn bind(options: &mut ClusterOptions) -> Result<Self, SimError> {
        let addresses = addresses(options)?;
        for _ in 0..PORT_TRIES {
            let mut ports = (options.port, options.shard_aware_port);
            let mut ready = Vec::new();
            for address in &addresses {
                match bind_pair(*address, ports) {
                    Ok(pair) => {
                        ports = (port(&pair.0, ports.0), port(&pair.1, ports.1));
                        ready.push(pair);
                    }
                    Err(SimError::Bind { .. })
                        if options.port == 0 || options.shard_aware_port == 0 =>
                    {
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
            if ready.len() == addresses.len() {
                (options.port, options.shard_aware_port) = ports;
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
            let ports = (cluster.options.port, cluster.options.shard_aware_port);
            (nodes.collect::<Vec<_>>(), ports)
        });
        let mut listeners = world.listeners.borrow_mut();
        let mut ready = std::mem::take(&mut listeners.ready).into_iter();
        listeners.accepting.resize_with(nodes.len(), || None);
        for (node, (address, accepting)) in nodes.iter().zip(&mut listeners.accepting).enumerate() {
            match (address, accepting.take()) {
                (Some(_), Some(tasks)) => *accepting = Some(tasks),
                (Some(address), None) => {
                    let pair = ready.next().or_else(|| bind_pair(*address, ports).ok());
                    *accepting = pair.map(|(plain, aware)| {
                        let accept = |listener, door| {
                            spawn_local(accept(Rc::clone(world), listener, node, door))
                                .abort_handle()
                        };
                        [accept(plain, Door::Plain), accept(aware, Door::ShardAware)]
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
            Ok((stream, _)) => {
                spawn_local(client::serve(Rc::clone(&world), stream, node, door));
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

fn bind_pair(address: IpAddr, ports: (u16, u16)) -> Result<Pair, SimError> {
    let bind = |port| {
        let address = SocketAddr::new(address, port);
        listen(address).map_err(|source| SimError::Bind { address, source })
    };
    Ok((bind(ports.0)?, bind(ports.1)?))
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

fn port(listener: &TcpListener, wanted: u16) -> u16 {
    listener.local_addr().map_or(wanted, |address| address.port())
}

//! The listening sockets: each running node on its ports.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, spawn_local};

use crate::cluster::cluster::PortKind;
use crate::cluster::error::ClusterError;
use crate::cluster::options::ClusterOptions;
use crate::cluster::seed::address_after;
use crate::listen::client;
use crate::listen::error::SimError;
use crate::listen::options::SimOptions;
use crate::listen::proxied;
use crate::listen::world::World;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// Attempts to find a free port.
const PORT_TRIES: usize = 32;
/// Pause after a failed accept, for example when no descriptors are left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// The listening sockets of one node, each with what its port is.
type Sockets = Vec<(TcpListener, PortSpec)>;

/// What one of a node's ports is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortSpec {
    /// Which kind of port it is.
    pub kind: PortKind,
    /// Whether its clients speak TLS.
    pub is_tls: bool,
}

/// The accepting tasks of each node that listens, by number.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    accepting: Vec<Option<Vec<AbortHandle>>>,
    ready: Vec<Sockets>,
    specs: Vec<PortSpec>,
}

impl Listeners {
    /// Binds all sockets before the cluster exists, and writes the ports that were 0 into `options`.
    pub(crate) fn bind(options: &mut SimOptions) -> Result<Self, SimError> {
        let addresses = addresses(options)?;
        let is_tls_only = options.tls.as_ref().is_some_and(|tls| tls.only);
        let mut kinds = vec![PortKind::Plain, PortKind::ShardAware];
        kinds.extend(options.proxy_port.map(|_| PortKind::Proxied));
        let mut specs: Vec<PortSpec> =
            kinds.into_iter().map(|kind| PortSpec { kind, is_tls: is_tls_only }).collect();
        if options.tls_ports.is_some() {
            let of_tls = [PortKind::Plain, PortKind::ShardAware];
            specs.extend(of_tls.map(|kind| PortSpec { kind, is_tls: true }));
        }
        for _ in 0..PORT_TRIES {
            let mut ports = ports(options);
            let is_any = ports.contains(&0);
            let mut ready = Vec::new();
            for address in &addresses {
                match bind_all(*address, &ports, &specs) {
                    Ok(sockets) => {
                        let bound = sockets.iter().zip(&ports);
                        ports = bound
                            .map(|((socket, _), wanted)| bound_port(socket, *wanted))
                            .collect();
                        ready.push(sockets);
                    }
                    Err(SimError::Bind { .. }) if is_any => break,
                    Err(error) => return Err(error),
                }
            }
            if ready.len() == addresses.len() {
                set_ports(options, &ports, &specs);
                return Ok(Self { accepting: Vec::new(), ready, specs });
            }
        }
        Err(SimError::NoPort)
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

fn addresses(options: &ClusterOptions) -> Result<Vec<IpAddr>, ClusterError> {
    let no_room =
        || ClusterError::NoAddress { count: options.nodes, base: options.address.to_string() };
    let address = |node| {
        let offset = u8::try_from(node).map_err(|_| no_room())?;
        address_after(options.address, offset).ok_or_else(no_room)
    };
    (0..options.nodes).map(address).collect()
}

/// The ports of every node, in the order of its specs.
fn ports(options: &ClusterOptions) -> Vec<u16> {
    let of_tls = options.tls_ports.map(|(plain, aware)| [plain, aware]);
    let usual = [options.port, options.shard_aware_port];
    usual.into_iter().chain(options.proxy_port).chain(of_tls.into_iter().flatten()).collect()
}

fn set_ports(options: &mut ClusterOptions, ports: &[u16], specs: &[PortSpec]) {
    let mut of_tls = (0, 0);
    for (at, (port, spec)) in ports.iter().zip(specs).enumerate() {
        match (spec.kind, spec.is_tls && at > 1) {
            (PortKind::Plain, false) => options.port = *port,
            (PortKind::ShardAware, false) => options.shard_aware_port = *port,
            (PortKind::Proxied, _) => options.proxy_port = Some(*port),
            (PortKind::Plain, true) => of_tls.0 = *port,
            (PortKind::ShardAware, true) => of_tls.1 = *port,
        }
    }
    options.tls_ports = options.tls_ports.map(|_| of_tls);
}

fn bind_all(address: IpAddr, ports: &[u16], specs: &[PortSpec]) -> Result<Sockets, SimError> {
    let bind = |(port, spec): (&u16, &PortSpec)| {
        let address = SocketAddr::new(address, *port);
        let socket = listen(address).map_err(|source| SimError::Bind { address, source })?;
        Ok((socket, *spec))
    };
    ports.iter().zip(specs).map(bind).collect()
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

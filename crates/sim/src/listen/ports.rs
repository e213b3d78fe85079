//! The ports of the nodes, and the sockets that listen there.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::cluster::error::ClusterError;
use crate::cluster::options::ClusterOptions;
use crate::cluster::seed::address_after;
use crate::listen::error::SimError;
use crate::listen::options::SimOptions;
use crate::node::connection::PortKind;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// Attempts to find a free port.
const PORT_TRIES: usize = 32;

/// The listening sockets of one node, each with what its port is.
pub(crate) type Sockets = Vec<(TcpListener, PortSpec)>;

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
    /// What accepts on each node's ports.
    pub accepting: Vec<Option<Vec<AbortHandle>>>,
    /// The sockets that were bound before the cluster existed.
    pub ready: Vec<Sockets>,
    /// What each port is.
    pub specs: Vec<PortSpec>,
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
pub(crate) fn ports(options: &ClusterOptions) -> Vec<u16> {
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

/// Binds each port of one address.
pub(crate) fn bind_all(
    address: IpAddr,
    ports: &[u16],
    specs: &[PortSpec],
) -> Result<Sockets, SimError> {
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

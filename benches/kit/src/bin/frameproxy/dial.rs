//! Opens the upstream connections.

use crate::route::Routes;
use shardlane_bench_kit::client::ask;
use shardlane_bench_kit::client::startup;
use shardlane_bench_kit::cql::*;
use socket2::Domain;
use socket2::Socket;
use socket2::Type;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpStream;

/// Source ports are taken from here on.
const FIRST_SOURCE_PORT: u16 = 50_000;

/// Source ports tried for one connection.
const PORTS_TRIED: u16 = 1000;

/// `count` connections to one address.
pub fn many(upstream: &str, count: usize) -> Result<Vec<TcpStream>, String> {
    let open = |_| {
        let mut socket = TcpStream::connect(upstream).map_err(|e| format!("{upstream}: {e}"))?;
        startup(&mut socket, &[])?;
        Ok(socket)
    };
    (0..count).map(open).collect()
}

/// The ring, and one connection to each shard of each node, node by node.
pub fn ring(
    nodes: &[Ipv4Addr],
    port: u16,
    shard_port: u16,
    shards: u16,
) -> Result<(Routes, Vec<TcpStream>), String> {
    let mut ring = vec![];
    let mut sockets = vec![];
    for (node, ip) in (0u32..).zip(nodes) {
        let mut socket = TcpStream::connect((*ip, port)).map_err(|e| format!("{ip}: {e}"))?;
        startup(&mut socket, &[])?;
        ring.extend(tokens(&mut socket)?.into_iter().map(|t| (t, node)));
        for shard in 0..shards {
            let mut socket = connect_from(*ip, shard_port, shard, shards)?;
            startup(&mut socket, &[])?;
            sockets.push(socket);
        }
    }
    Ok((Routes::over_ring(ring, u32::from(shards)), sockets))
}

/// The tokens of the node at the other end.
fn tokens(socket: &mut TcpStream) -> Result<Vec<i64>, String> {
    let answer = ask(socket, op::QUERY, |o| {
        put_long_string(o, "SELECT tokens FROM system.local");
        put_u16(o, 1);
        o.push(0);
    })?;
    parse_tokens(&answer.body).ok_or_else(|| "system.local has no readable tokens".into())
}

fn parse_tokens(body: &[u8]) -> Option<Vec<i64>> {
    let mut c = Cur::new(body);
    let (_kind, _flags, _columns) = (c.i32()?, c.i32()?, c.i32()?);
    let (_ks, _table, _name, _set, _of) =
        (c.string()?, c.string()?, c.string()?, c.u16()?, c.u16()?);
    let _rows = c.i32()?;
    let mut set = Cur::new(c.bytes()??);
    (0..set.i32()?).map(|_| std::str::from_utf8(set.bytes()??).ok()?.parse().ok()).collect()
}

/// Connects from a source port that is `shard` modulo `shards`.
fn connect_from(ip: Ipv4Addr, port: u16, shard: u16, shards: u16) -> Result<TcpStream, String> {
    let first = FIRST_SOURCE_PORT.next_multiple_of(shards) + shard;
    for source in (first..).step_by(usize::from(shards)).take(usize::from(PORTS_TRIED)) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).map_err(|e| e.to_string())?;
        let from = SocketAddr::from((Ipv4Addr::UNSPECIFIED, source));
        let to = SocketAddr::from((ip, port));
        if socket.bind(&from.into()).and_then(|()| socket.connect(&to.into())).is_ok() {
            return Ok(socket.into());
        }
    }
    Err(format!("no source port for shard {shard} of {ip}:{port}"))
}

//! The header of a client at the PROXY protocol port.

use std::net::SocketAddr;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use cql::proxy_header::{FIXED_LEN, ProxyHeader, ProxyPrefix};

/// Reads the header; `None` for a client that the real server disconnects. As there, the fixed part
/// must arrive in one read and the rest in the next, and a silent client blocks all later ones.
pub(crate) async fn peer(stream: &mut TcpStream) -> Option<SocketAddr> {
    let mut fixed = [0; FIXED_LEN];
    let read = stream.read(&mut fixed).await.ok()?;
    let prefix = ProxyPrefix::read(&fixed).filter(|_| read == FIXED_LEN)?;
    let mut rest = vec![0; prefix.rest_len];
    if !rest.is_empty() && stream.read(&mut rest).await.ok()? < rest.len() {
        return None;
    }
    match ProxyHeader::read(prefix, &rest)? {
        ProxyHeader::Local => stream.peer_addr().ok(),
        ProxyHeader::Proxy { source, .. } => Some(source),
    }
}

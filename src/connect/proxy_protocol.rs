//! Dialling through a PROXY protocol port, where the header's source port chooses the shard.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::connect::dial_error::{DialError, DialErrorAt, DialStep};
use cql::proxy_header::ProxyHeader;
use cql::token::shard::ShardId;

/// Connects from any port, and at once says in one write that it is `source_port`. A node reads
/// headers one after another: a connection that waits blocks all others at that port.
pub(crate) async fn connect(
    address: SocketAddr,
    shard: ShardId,
    source_port: Option<u16>,
    timeout_ms: u64,
) -> Result<TcpStream, DialErrorAt> {
    let Some(source_port) = source_port else {
        let source = io::ErrorKind::AddrNotAvailable.into();
        return Err(DialError::SourcePorts { shard, tried: 0, source }.at(address));
    };
    let connected = async {
        let mut stream = TcpStream::connect(address).await?;
        let source = SocketAddr::new(stream.local_addr()?.ip(), source_port);
        let header = ProxyHeader::Proxy { source, destination: address };
        stream.write_all(&header.to_bytes()).await?;
        Ok(stream)
    };
    match timeout(Duration::from_millis(timeout_ms), connected).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(source)) => Err(DialError::Connect { source }.at(address)),
        Err(_) => Err(DialError::Timeout { step: DialStep::Connect, timeout_ms }.at(address)),
    }
}

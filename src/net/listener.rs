//! Where clients connect.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::time::sleep;

/// Connections that the kernel keeps until they are accepted: clients that come before the first
/// lane is up wait there, and are served then.
const BACKLOG: i32 = 1024;
/// Pause after a failed accept: out of descriptors, the next one would fail as fast.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Binds the address at which clients connect. Called within a runtime.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// The next client. A failed accept is told in the log and tried again: it never ends the process.
pub async fn accept(listener: &TcpListener) -> std::net::TcpStream {
    loop {
        let accepted = match listener.accept().await {
            Ok((stream, _)) => stream.set_nodelay(true).and_then(|()| stream.into_std()),
            Err(error) => Err(error),
        };
        match accepted {
            Ok(stream) => return stream,
            Err(error) => {
                tracing::warn!(%error, "a client could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

//! The task of one client socket.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::listen::ports::PortSpec;
use crate::listen::world::{Mailbox, World};
use crate::node::connection::PortKind;

/// Bytes read at once.
const READ_LEN: usize = 64 << 10;
/// Bytes of an unfinished frame that are kept; the cluster refuses longer ones, but for those
/// whose estimate wraps.
const INPUT_MAX: usize = 32 << 20;
/// Time for a client to close the connection after a fatal error.
const LINGER: Duration = Duration::from_secs(2);
/// Time for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Serves one client of `node`, which came from `peer` through `spec`.
pub(crate) async fn serve(
    world: Rc<World>,
    stream: TcpStream,
    peer: SocketAddr,
    node: usize,
    spec: PortSpec,
) {
    // Without TCP_NODELAY answers are late, but correct.
    stream.set_nodelay(true).ok();
    let Some(tls) = world.tls.clone().filter(|_| spec.is_tls) else {
        return talk(world, stream, peer, node, spec.kind).await;
    };
    let handshake = TlsAcceptor::from((tls.config)()).accept(stream);
    if let Ok(Ok(stream)) = timeout(HANDSHAKE, handshake).await {
        talk(world, stream, peer, node, spec.kind).await;
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    world: Rc<World>,
    mut stream: S,
    peer: SocketAddr,
    node: usize,
    kind: PortKind,
) {
    let Some(id) = world.with(|cluster, _| cluster.open(node, kind, peer)) else { return };
    let mailbox = world.open_mailbox(id);
    let mut input = BytesMut::with_capacity(READ_LEN);
    let mut out = Vec::new();
    let mut full = false;
    loop {
        let (mut close, mut asked) = (false, full);
        if !full {
            tokio::select! {
                () = mailbox.filled.notified() => mailbox.take(&mut out),
                read = stream.read_buf(&mut input) => {
                    if !matches!(read, Ok(1..)) || input.len() > INPUT_MAX {
                        break;
                    }
                    asked = true;
                }
            }
        }
        if asked {
            let received = world.with(|cluster, now| cluster.receive(id, &input, now, &mut out));
            input.advance(received.consumed.min(input.len()));
            input.reserve(READ_LEN);
            (close, full) = (received.close, received.full);
        }
        if mailbox.is_closed() || !write(&mut stream, &mailbox, &mut out).await {
            break;
        }
        if close {
            hang_up(&mut stream).await;
            break;
        }
    }
    world.close_mailbox(id);
    world.with(|cluster, _| cluster.close(id));
}

/// Writes all of `out` and empties it; false when the connection is at its end.
async fn write<S>(stream: &mut S, mailbox: &Mailbox, out: &mut Vec<u8>) -> bool
where
    S: AsyncWrite + Unpin,
{
    if out.is_empty() {
        return true;
    }
    let written = tokio::select! {
        written = write_all(stream, out) => written.is_ok(),
        () = mailbox.ended.notified() => false,
    };
    out.clear();
    written
}

async fn write_all<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Ends the connection so that the client reads what was sent: a socket that is closed with
/// unread bytes would be reset.
async fn hang_up<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut rest = [0; 4096];
    let drain = async { while matches!(stream.read(&mut rest).await, Ok(1..)) {} };
    timeout(LINGER, drain).await.ok();
}

//! One request to the admin address of a running shardlane.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest answer that is read, bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What the admin address answered.
#[derive(Debug)]
pub(crate) struct AdminResponse {
    /// HTTP status.
    pub(crate) status: u16,
    /// The text, without the line's end.
    pub(crate) text: String,
}

/// Asks the process that serves `admin`. An error is one of the connection; a status is the caller's to judge.
pub(crate) async fn ask(
    admin: SocketAddr,
    method: Method,
    path: &str,
    patience: Duration,
) -> anyhow::Result<AdminResponse> {
    let address = reachable(admin);
    let asked = timeout(patience, exchange(address, method, path)).await;
    let asked = asked.map_err(|_| io::Error::from(io::ErrorKind::TimedOut).into());
    asked.and_then(|answer| answer).with_context(|| {
        format!(
            "no answer from {address}, which is `admin` in these settings: does the process run, and is this the \
             address with which it was started?"
        )
    })
}

async fn exchange(
    address: SocketAddr,
    method: Method,
    path: &str,
) -> anyhow::Result<AdminResponse> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::builder().method(method).uri(path).header(HOST, address.to_string());
    let request = request.body(Empty::<Bytes>::new())?;
    let answered = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
        let text = String::from_utf8_lossy(&body).trim_end().to_owned();
        Ok(AdminResponse { status, text })
    };
    tokio::select! {
        answer = answered => answer,
        Err(error) = connection => Err(error.into()),
    }
}

/// Where a process that listens at `admin` is reached from this machine.
fn reachable(admin: SocketAddr) -> SocketAddr {
    let loopback = match admin.ip() {
        IpAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
    };
    let ip = Some(admin.ip()).filter(|ip| !ip.is_unspecified()).unwrap_or(loopback);
    SocketAddr::new(ip, admin.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_listens_everywhere_is_reached_by_the_loopback() {
        let reached = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:9380"), "127.0.0.1:9380");
        assert_eq!(reached("[::]:9380"), "[::1]:9380");
        assert_eq!(reached("10.0.0.7:1"), "10.0.0.7:1");
    }
}

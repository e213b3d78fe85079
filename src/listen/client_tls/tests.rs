//! TLS with clients of all kinds.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::connect::dial_error::{DialError, DialErrorAt, DialStep};
use crate::connect::tls::node_tls::{NodeTls, NodeTlsSettings};
use crate::connect::tls::tls_hint::explain;
use crate::tls::test_certificates::{Authority, Folder, Pair, files};

/// Lets one client in.
async fn listen(ip: &str, tls: &Arc<ClientTls>) -> SocketAddr {
    let listener = TcpListener::bind((ip, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let tls = Arc::clone(tls);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut place = tls.enter()?;
        let mut stream = tls.accept(stream, &mut place).await?;
        let mut bytes = [0; 2];
        stream.read_exact(&mut bytes).await.ok()?;
        stream.write_all(&bytes).await.ok()?;
        stream.flush().await.ok()
    });
    address
}

fn tls(
    folder: &Folder,
    ca: &Authority,
    client_ca: Option<&Authority>,
    timeout_ms: u64,
) -> Arc<ClientTls> {
    let files = files(folder, client_ca, Some(&ca.sign("127.0.62.51")));
    let settings = ClientTlsSettings { files, handshake_timeout_ms: timeout_ms, handshakes_max: 2 };
    Arc::new(ClientTls::load(&settings).unwrap().unwrap())
}

async fn come(address: SocketAddr, ca: &Authority, pair: Option<&Pair>) -> Result<(), DialErrorAt> {
    let folder = Folder::new();
    let files = files(&folder, Some(ca), pair);
    let settings = NodeTlsSettings { files, ..NodeTlsSettings::default() };
    let client = NodeTls::load(&settings).unwrap().unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream = client.secure(stream, address, 5_000).await?;
    let broken = |source| {
        let broken = DialError::Broken { step: DialStep::Options, source };
        explain(broken, true).at(address)
    };
    stream.write_all(b"hi").await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    stream.read_exact(&mut [0; 2]).await.map_err(broken)?;
    Ok(())
}

fn counted(tls: &ClientTls, result: &str) -> u64 {
    let counts = tls.stats.counts();
    counts.iter().find(|(name, _)| *name == result).unwrap().1
}

/// Tries until `done`, or fails when patience ends.
async fn until(mut done: impl FnMut() -> bool) {
    let patience = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), patience).await.unwrap();
}

#[tokio::test]
async fn a_client_of_the_right_ca_comes_in_and_others_do_not() {
    let (folder, ca, other_ca) = (Folder::new(), Authority::new("a"), Authority::new("b"));
    let tls = tls(&folder, &ca, Some(&ca), 5_000);
    let address = listen("127.0.62.51", &tls).await;
    come(address, &ca, Some(&ca.sign("client"))).await.unwrap();
    let address = listen("127.0.62.51", &tls).await;
    come(address, &ca, None).await.unwrap_err();
    let address = listen("127.0.62.51", &tls).await;
    come(address, &ca, Some(&other_ca.sign("client"))).await.unwrap_err();
    until(|| counted(&tls, "failed") == 2).await;
    assert_eq!(counted(&tls, "done"), 1);
}

#[tokio::test]
async fn plain_cql_is_closed_and_counted_as_such() {
    let (folder, ca) = (Folder::new(), Authority::new("a"));
    let tls = tls(&folder, &ca, None, 5_000);
    let mut client = TcpStream::connect(listen("127.0.62.51", &tls).await).await.unwrap();
    client.write_all(&[4, 0, 0, 1, 5, 0, 0, 0, 0]).await.unwrap();
    let mut answer = Vec::new();
    // Unread bytes of ours may turn the end into a reset, after the answer.
    client.read_to_end(&mut answer).await.ok();
    assert_eq!(answer.first(), Some(&0x15), "an alert of TLS");
    until(|| counted(&tls, "plain_cql") == 1).await;
}

#[tokio::test]
async fn a_client_that_stays_silent_is_closed() {
    let (folder, ca) = (Folder::new(), Authority::new("a"));
    let tls = tls(&folder, &ca, None, 20);
    let mut client = TcpStream::connect(listen("127.0.62.51", &tls).await).await.unwrap();
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    assert_eq!(counted(&tls, "timed_out"), 1);
}

#[tokio::test]
async fn a_client_that_hangs_up_half_way_is_counted() {
    let (folder, ca) = (Folder::new(), Authority::new("a"));
    let tls = tls(&folder, &ca, None, 5_000);
    let mut client = TcpStream::connect(listen("127.0.62.51", &tls).await).await.unwrap();
    client.write_all(&[0x16, 3, 1, 2, 0]).await.unwrap();
    drop(client);
    until(|| counted(&tls, "failed") == 1).await;
}

#[test]
fn too_many_handshakes_at_once_are_turned_away() {
    let (folder, ca) = (Folder::new(), Authority::new("a"));
    let tls = tls(&folder, &ca, None, 5_000);
    let (first, second) = (tls.enter(), tls.enter());
    assert!(first.is_some() && second.is_some() && tls.enter().is_none());
    drop(first);
    assert!(tls.enter().is_some());
    assert_eq!(counted(&tls, "too_many"), 1);
}

#[tokio::test]
async fn silent_handshakes_give_way_to_others_the_oldest_first() {
    let (folder, ca) = (Folder::new(), Authority::new("a"));
    let tls = tls(&folder, &ca, None, 600_000);
    let mut silent = Vec::new();
    for _ in 0..2 {
        silent.push(TcpStream::connect(listen("127.0.62.51", &tls).await).await.unwrap());
        tokio::time::sleep(Duration::from_millis(120)).await;
    }
    for _ in 0..4 {
        let address = listen("127.0.62.51", &tls).await;
        come(address, &ca, None).await.unwrap();
    }
    assert_eq!(counted(&tls, "done"), 4);
    let closed = silent[0].read(&mut [0]).await;
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    assert_eq!(counted(&tls, "too_many"), 1, "the second silent one keeps its place");
}

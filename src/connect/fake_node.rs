//! A node that can be greeted, for tests of dialling: two real listeners, and little behind them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};

use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::upstream::lane::LANE_RESPONSE;
use cql::frame::{FrameHead, write_frame};
use cql::header::{HEADER_LEN, Header};
use cql::notation::{Reader, put_bytes, put_int, put_string};
use cql::opcode::Opcode;
use cql::response::supported::{Sharding, Supported};

/// What the node is like; may be changed while it runs.
pub(crate) struct FakeNode {
    /// Plain port.
    pub(crate) plain: SocketAddr,
    /// Shard-aware port.
    pub(crate) aware: SocketAddr,
    /// 0: a node without shards.
    pub(crate) nr_shards: AtomicU16,
    /// Source ports are rewritten on the way.
    pub(crate) nat: AtomicBool,
    /// The shard-aware port closes what it accepts.
    pub(crate) aware_broken: AtomicBool,
    /// Both ports close what they accept.
    pub(crate) away: AtomicBool,
    /// Asks for a login and takes the password `right`.
    pub(crate) auth: AtomicBool,
    /// Closes each connection at once.
    pub(crate) kick: Notify,
    /// Connections that were ever accepted.
    pub(crate) accepted: AtomicUsize,
    /// Connections that are open on each shard.
    open: Vec<AtomicUsize>,
}

impl FakeNode {
    /// Listens on two free ports of `ip`.
    pub(crate) async fn start(ip: &str, nr_shards: u16) -> Arc<Self> {
        let plain = TcpListener::bind((ip, 0)).await.unwrap();
        let aware = TcpListener::bind((ip, 0)).await.unwrap();
        let node = Arc::new(Self {
            plain: plain.local_addr().unwrap(),
            aware: aware.local_addr().unwrap(),
            nr_shards: AtomicU16::new(nr_shards),
            nat: AtomicBool::new(false),
            aware_broken: AtomicBool::new(false),
            away: AtomicBool::new(false),
            auth: AtomicBool::new(false),
            kick: Notify::new(),
            accepted: AtomicUsize::new(0),
            open: (0..64).map(|_| AtomicUsize::new(0)).collect(),
        });
        tokio::spawn(Arc::clone(&node).accept(plain, false));
        tokio::spawn(Arc::clone(&node).accept(aware, true));
        node
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, is_aware: bool) {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            self.accepted.fetch_add(1, Ordering::Relaxed);
            let is_aware_broken = self.aware_broken.load(Ordering::Relaxed);
            if is_aware && is_aware_broken || self.away.load(Ordering::Relaxed) {
                continue;
            }
            let shard = self.shard_for(peer, is_aware);
            self.open[usize::from(shard)].fetch_add(1, Ordering::Relaxed);
            let node = Arc::clone(&self);
            tokio::spawn(async move {
                tokio::select! {
                    _ = node.serve(stream, shard) => {}
                    () = node.kick.notified() => {}
                }
                node.open[usize::from(shard)].fetch_sub(1, Ordering::Relaxed);
            });
        }
    }

    fn shard_for(&self, peer: SocketAddr, is_aware: bool) -> u16 {
        let nr_shards = self.nr_shards.load(Ordering::Relaxed).max(1);
        let nat = u16::from(self.nat.load(Ordering::Relaxed));
        if is_aware {
            return (peer.port() % nr_shards + nat) % nr_shards;
        }
        let open = |shard: &u16| self.open[usize::from(*shard)].load(Ordering::Relaxed);
        (0..nr_shards).min_by_key(open).unwrap()
    }

    async fn serve(&self, mut stream: TcpStream, shard: u16) -> io::Result<()> {
        loop {
            let (header, body) = read_frame(&mut stream).await?;
            let mut out = Vec::new();
            let head = FrameHead { version: LANE_RESPONSE, flags: 0, stream: header.stream };
            #[expect(clippy::wildcard_enum_match_arm, reason = "the rest fails the test")]
            match Opcode::from_byte(header.opcode).unwrap() {
                Opcode::Options => {
                    write_frame(&mut out, head, Opcode::Supported, |out| {
                        self.offer(shard).put(out);
                    });
                }
                Opcode::Startup if self.auth.load(Ordering::Relaxed) => {
                    write_frame(&mut out, head, Opcode::Authenticate, |out| {
                        put_string(out, "org.apache.cassandra.auth.PasswordAuthenticator");
                    });
                }
                Opcode::Startup => write_frame(&mut out, head, Opcode::Ready, |_| {}),
                Opcode::AuthResponse if body.ends_with(b"\0right") => {
                    write_frame(&mut out, head, Opcode::AuthSuccess, |out| put_bytes(out, None));
                }
                Opcode::AuthResponse => write_error(
                    &mut out,
                    header.stream,
                    0x0100,
                    "Username and/or password are incorrect",
                ),
                Opcode::Query => answer_use(&mut out, header.stream, &body),
                opcode => panic!("{opcode:?} is not for a fake node"),
            }
            stream.write_all(&out).await?;
        }
    }

    fn offer(&self, shard: u16) -> Supported {
        let nr_shards = self.nr_shards.load(Ordering::Relaxed);
        let is_sharded = nr_shards != 0;
        Supported {
            sharding: is_sharded.then_some(Sharding { shard, nr_shards, ignore_msb: 12 }),
            shard_aware_port: is_sharded.then_some(self.aware.port()),
            tablets_v1: is_sharded,
            host_id: Some("abababab-abab-abab-abab-abababababab".to_owned()),
            ..Supported::default()
        }
    }
}

fn answer_use(out: &mut Vec<u8>, stream: i16, body: &[u8]) {
    let text = Reader::new(body).long_string().unwrap();
    if text == "USE \"Shop \"\"1\"\"\"" {
        write_frame(
            out,
            FrameHead { version: LANE_RESPONSE, flags: 0, stream },
            Opcode::Result,
            |out| {
                put_int(out, 3);
                put_string(out, "Shop \"1\"");
            },
        );
    } else {
        write_error(out, stream, 0x2200, "Keyspace does not exist");
    }
}

/// Appends an ERROR frame.
pub(crate) fn write_error(out: &mut Vec<u8>, stream: i16, code: i32, text: &str) {
    write_frame(
        out,
        FrameHead { version: LANE_RESPONSE, flags: 0, stream },
        Opcode::Error,
        |out| {
            put_int(out, code);
            put_string(out, text);
        },
    );
}

/// Reads one frame that a client sent.
pub(crate) async fn read_frame<S>(stream: &mut S) -> io::Result<(Header, Vec<u8>)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut head = [0; HEADER_LEN];
    stream.read_exact(&mut head).await?;
    let header = Header::peek(&head).unwrap();
    let mut body = vec![0; usize::try_from(header.body_len).unwrap()];
    stream.read_exact(&mut body).await?;
    Ok((header, body))
}

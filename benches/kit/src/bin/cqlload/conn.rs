//! One client connection: set up like a driver's, with requests ready to send.

use crate::settings::Settings;
use shardlane_bench_kit::buffers::RBuf;
use shardlane_bench_kit::buffers::WBuf;
use shardlane_bench_kit::client::ask;
use shardlane_bench_kit::client::startup;
use shardlane_bench_kit::cql::*;
use shardlane_bench_kit::stream::Stream;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

const READ_CQL: &str = "SELECT v FROM ks.t WHERE pk = ?";
const READ_TEXT: &str = "SELECT v FROM ks.t WHERE pk = ";
const READ_LARGE_CQL: &str = "SELECT big FROM ks.t WHERE pk = ?";
const WRITE_CQL: &str = "INSERT INTO ks.t (pk, v) VALUES (?, ?)";
const WRITE_TEXT: &str = "INSERT INTO ks.t (pk, v) VALUES (";

/// Longest wait for an answer while setting up.
const SETUP_WAIT: Duration = Duration::from_secs(20);

const LOCAL_QUORUM: u16 = 6;

/// Default timestamp of writes, microseconds.
const FIRST_TIMESTAMP: u64 = 1_700_000_000_000_000;

/// One request under way.
#[derive(Clone, Copy, Default)]
pub struct Slot {
    pub busy: bool,
    pub write: bool,
    pub key: i64,
    /// When it was sent (closed loop) or due (open loop), ns.
    pub at: u64,
}

/// A whole EXECUTE frame, and where the parts that change lie.
#[derive(Default)]
struct Template {
    frame: Vec<u8>,
    key_at: usize,
    timestamp_at: usize,
}

/// One connection.
pub struct Conn {
    pub socket: Stream,
    pub read: RBuf,
    pub write: WBuf,
    /// Requests under way, by stream id.
    pub slots: Vec<Slot>,
    pub free: Vec<i16>,
    /// Whether epoll watches for room to write.
    pub waits: bool,
    pub alive: bool,
    /// Length of the value of a write by text, when requests are statements by text.
    text: Option<usize>,
    reads: Template,
    writes: Template,
}

impl Conn {
    /// Connects, says who it is, and prepares what it will execute.
    pub fn open(settings: &Settings, number: usize) -> Result<Self, String> {
        let mut socket = connect(settings, number)?;
        let (mut reads, mut writes) = (Template::default(), Template::default());
        if settings.write_ratio < 1.0 && !settings.text {
            reads = Template::read(&prepare(&mut socket, READ_CQL)?);
        }
        if settings.write_ratio > 0.0 && !settings.text {
            writes = Template::write(&prepare(&mut socket, WRITE_CQL)?, settings.value_size);
        }
        let plain = |e: std::io::Error| e.to_string();
        socket.socket().set_read_timeout(None).map_err(plain)?;
        socket.socket().set_nonblocking(true).map_err(plain)?;
        Ok(Self {
            socket,
            read: RBuf::new(256 << 10),
            write: WBuf::default(),
            slots: vec![Slot::default(); settings.inflight],
            free: (0..settings.inflight as i16).rev().collect(),
            waits: false,
            alive: true,
            text: settings.text.then_some(settings.value_size),
            reads,
            writes,
        })
    }

    /// Queues a request; `false`: all stream ids are under way.
    #[inline]
    pub fn request(&mut self, write: bool, key: i64, at: u64) -> bool {
        let Some(stream) = self.free.pop() else { return false };
        self.slots[stream as usize] = Slot { busy: true, write, key, at };
        if let Some(value_size) = self.text {
            self.query(stream, |text| {
                if write {
                    let zeros = value_size.saturating_sub(8) * 2;
                    write!(text, "{WRITE_TEXT}{key}, 0x{key:016x}{:0<zeros$})", "")
                } else {
                    write!(text, "{READ_TEXT}{key}")
                }
            });
            return true;
        }
        let template = if write { &self.writes } else { &self.reads };
        let start = self.write.b.len();
        self.write.b.extend_from_slice(&template.frame);
        let frame = &mut self.write.b[start..];
        frame[2..4].copy_from_slice(&stream.to_be_bytes());
        let key = key.to_be_bytes();
        frame[template.key_at..][..8].copy_from_slice(&key);
        if write {
            let timestamp = FIRST_TIMESTAMP + at / 1000;
            frame[template.key_at + 12..][..8].copy_from_slice(&key);
            frame[template.timestamp_at..][..8].copy_from_slice(&timestamp.to_be_bytes());
        }
        true
    }

    /// Queues a request by the text that `put` writes.
    #[inline]
    fn query(&mut self, stream: i16, put: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) {
        let out = &mut self.write.b;
        let at = begin_frame(out, 4, 0, stream, op::QUERY);
        put_i32(out, 0);
        put(out).expect("a vector takes what is written");
        let text = out.len() - at - HDR - 4;
        out[at + HDR..][..4].copy_from_slice(&(text as u32).to_be_bytes());
        put_u16(out, LOCAL_QUORUM);
        out.push(0);
        end_frame(out, at);
    }
}

/// A connection that is ready for requests, and whose reads wait.
fn connect(settings: &Settings, number: usize) -> Result<Stream, String> {
    let addr = &settings.addrs[number % settings.addrs.len()];
    let plain = |e: std::io::Error| format!("{addr}: {e}");
    let socket = TcpStream::connect(addr).map_err(plain)?;
    socket.set_nodelay(true).map_err(plain)?;
    socket.set_read_timeout(Some(SETUP_WAIT)).map_err(plain)?;
    let mut socket = Stream::connected(socket, settings.tls.as_ref())?;
    ask(&mut socket, op::OPTIONS, |_| {})?;
    let mut options = vec![("DRIVER_NAME", "cqlload")];
    options.extend(settings.startup.iter().map(|(k, v)| (k.as_str(), v.as_str())));
    startup(&mut socket, &options)?;
    Ok(socket)
}

/// A client that asks for much and reads nothing.
pub struct Hog {
    socket: Stream,
    requests: Vec<u8>,
}

impl Hog {
    /// Requests of each.
    const REQUESTS: i16 = 1024;

    /// Connects and prepares.
    pub fn open(settings: &Settings, number: usize) -> Result<Self, String> {
        let mut socket = connect(settings, number)?;
        let mut template = Template::read(&prepare(&mut socket, READ_LARGE_CQL)?);
        let mut requests = vec![];
        for stream in 0..Self::REQUESTS {
            let key = (number as i64 * 1_000_003 + i64::from(stream))
                .wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64);
            template.frame[2..4].copy_from_slice(&stream.to_be_bytes());
            template.frame[template.key_at..][..8].copy_from_slice(&key.to_be_bytes());
            requests.extend_from_slice(&template.frame);
        }
        Ok(Self { socket, requests })
    }

    /// Sends all requests. They are less than what the sockets hold.
    pub fn ask(&mut self) -> std::io::Result<()> {
        self.socket.write_all(&self.requests)?;
        self.socket.flush()
    }
}

impl Template {
    fn read(id: &[u8]) -> Self {
        let flags = qflag::VALUES | qflag::SKIP_METADATA | qflag::PAGE_SIZE;
        let (mut frame, key_at) = begin_execute(id, flags, 1);
        put_i32(&mut frame, 5000);
        end_frame(&mut frame, 0);
        Self { frame, key_at, timestamp_at: 0 }
    }

    fn write(id: &[u8], value_size: usize) -> Self {
        let flags = qflag::VALUES | qflag::SKIP_METADATA | qflag::TIMESTAMP;
        let (mut frame, key_at) = begin_execute(id, flags, 2);
        let value: Vec<u8> = (0..value_size.max(8)).map(|i| b'A' + (i % 26) as u8).collect();
        put_bytes(&mut frame, Some(&value));
        let timestamp_at = frame.len();
        frame.extend_from_slice(&[0; 8]);
        end_frame(&mut frame, 0);
        Self { frame, key_at, timestamp_at }
    }
}

/// An EXECUTE up to its first value, and where that value lies.
fn begin_execute(id: &[u8], flags: u8, values: u16) -> (Vec<u8>, usize) {
    let mut frame = vec![];
    begin_frame(&mut frame, 4, 0, 0, op::EXECUTE);
    put_u16(&mut frame, id.len() as u16);
    frame.extend_from_slice(id);
    put_u16(&mut frame, LOCAL_QUORUM);
    frame.push(flags);
    put_u16(&mut frame, values);
    put_i32(&mut frame, 8);
    let key_at = frame.len();
    frame.extend_from_slice(&[0; 8]);
    (frame, key_at)
}

/// The id that the server gives a statement.
fn prepare(socket: &mut Stream, cql: &str) -> Result<Vec<u8>, String> {
    let answer = ask(socket, op::PREPARE, |o| put_long_string(o, cql))
        .map_err(|e| format!("PREPARE {cql}: {e}"))?;
    let mut c = Cur::new(&answer.body);
    if answer.flags & hflag::CUSTOM_PAYLOAD != 0 {
        c.skip_bytes_map().ok_or("PREPARE: bad payload")?;
    }
    if answer.opcode != op::RESULT || c.i32() != Some(kind::PREPARED) {
        return Err("PREPARE: not answered with PREPARED".into());
    }
    Ok(c.short_bytes().ok_or("PREPARE: no id")?.to_vec())
}

//! One request in, one answer out: what a node says.

use crate::cluster::Cluster;
use crate::compression::compress;
use crate::compression::decompressed;
use crate::filler::words;
use crate::hello::put_supported;
use crate::prepared::put_bind_metadata;
use crate::rows::put_system_rows;
use crate::statement::Column;
use crate::statement::Kind;
use crate::statement::Src;
use crate::statement::Statement;
use crate::statement::put_user_metadata;
use crate::stats::NodeStats;
use crate::tables::Table;
use crate::tables::system_tables;
use shardlane_bench_kit::cql::*;
use shardlane_bench_kit::murmur3;
use std::collections::HashMap;
use std::rc::Rc;

/// Error codes given here.
mod code {
    pub const PROTOCOL: i32 = 0x000A;
    pub const SYNTAX: i32 = 0x2000;
    pub const INVALID: i32 = 0x2200;
    pub const UNPREPARED: i32 = 0x2500;
}

/// Bytes of a large value.
const LARGE: usize = 64 << 10;

/// What a node knows of one connection.
pub struct Peer {
    pub node: usize,
    pub shard: u32,
    keyspace: Option<String>,
    /// Whether it asked for tablet payloads.
    tablets: bool,
    /// Whether it asked for lz4.
    lz4: bool,
    /// The statement executed last: most connections repeat one.
    last: Option<Rc<Statement>>,
}

impl Peer {
    /// A connection that has landed on a shard.
    pub fn new(node: usize, shard: u32) -> Self {
        Self { node, shard, keyspace: None, tablets: false, lz4: false, last: None }
    }
}

/// All nodes' knowledge: tables, prepared statements, counters.
pub struct Nodes {
    pub cluster: Cluster,
    pub stats: Vec<NodeStats>,
    tables: Vec<Vec<Table>>,
    prepared: HashMap<(usize, [u8; 16]), Rc<Statement>>,
    /// What follows the key in each value read, and in each large one.
    filler: Vec<u8>,
    large_filler: Vec<u8>,
    /// Where answers are compressed.
    room: Vec<u8>,
    checks_routing: bool,
}

impl Nodes {
    /// Nodes of `cluster` whose values have `value_size` bytes, the first 8 being the key.
    pub fn new(cluster: Cluster, value_size: usize) -> Self {
        let stats = (0..cluster.nodes).map(|_| NodeStats::new(cluster.shards_counted())).collect();
        let tables = (0..cluster.nodes).map(|n| system_tables(&cluster, n)).collect();
        let filler = words(value_size.saturating_sub(8));
        let large_filler = words(LARGE - 8);
        let checks_routing = cluster.checks_routing();
        let (prepared, room) = (HashMap::new(), vec![]);
        Self { cluster, stats, tables, prepared, filler, large_filler, room, checks_routing }
    }

    /// Counters of all nodes as one JSON line.
    pub fn stats_json(&self) -> String {
        let nodes = self.stats.iter().enumerate();
        let nodes: Vec<String> = nodes.map(|(i, s)| s.json(self.cluster.ip(i))).collect();
        format!("{{\"nodes\":[{}]}}\n", nodes.join(","))
    }

    /// Appends the answer to a request; `false`: close the connection.
    pub fn answer(&mut self, peer: &mut Peer, h: Header, body: &[u8], out: &mut Vec<u8>) -> bool {
        if h.version != 4 && h.version != 3 {
            let text = format!("Invalid or unsupported protocol version: {}", h.version);
            self.error(peer, out, Header { stream: 0, ..h }, code::PROTOCOL, &text);
            return false;
        }
        let start = out.len();
        let lz4 = peer.lz4;
        let answered = if h.flags & hflag::COMPRESSED == 0 {
            self.answer_opcode(peer, h, body, out)
        } else {
            let body = lz4.then(|| decompressed(body)).flatten();
            body.and_then(|body| self.answer_opcode(peer, h, &body, out))
        };
        if answered.is_none() {
            out.truncate(start);
            self.error(peer, out, h, code::PROTOCOL, "malformed message");
            return false;
        }
        if lz4 {
            compress(out, start, &mut self.room);
        }
        true
    }

    /// `None`: the body is malformed.
    fn answer_opcode(
        &mut self,
        peer: &mut Peer,
        h: Header,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let mut cur = Cur::new(body);
        if h.flags & hflag::CUSTOM_PAYLOAD != 0 {
            cur.skip_bytes_map()?;
        }
        match h.opcode {
            op::EXECUTE => self.execute(peer, h, cur, out),
            op::QUERY => {
                let text = cur.long_string()?;
                self.stats[peer.node].queries += 1;
                let params = Params::parse(cur)?;
                let statement = Statement::parse(text, peer.keyspace.as_deref());
                self.run(peer, h, &statement, &params, out);
                Some(())
            }
            op::PREPARE => self.prepare(peer, h, cur.long_string()?, out),
            op::OPTIONS => {
                put_supported(&self.cluster, peer.shard, h, out);
                Some(())
            }
            op::STARTUP => self.startup(peer, h, &cur.string_map()?, out),
            op::REGISTER => {
                empty(h, op::READY, out);
                Some(())
            }
            op::BATCH => {
                self.stats[peer.node].batches += 1;
                void(h, None, out);
                Some(())
            }
            other => {
                self.error(peer, out, h, code::PROTOCOL, &format!("Unknown opcode {other}"));
                Some(())
            }
        }
    }

    fn error(&mut self, peer: &Peer, out: &mut Vec<u8>, h: Header, code: i32, text: &str) {
        self.stats[peer.node].errors += 1;
        let version = if matches!(h.version, 3 | 4) { h.version } else { 4 };
        let at = begin_frame(out, version | 0x80, 0, h.stream, op::ERROR);
        put_i32(out, code);
        put_string(out, text);
        end_frame(out, at);
    }

    fn startup(
        &mut self,
        peer: &mut Peer,
        h: Header,
        options: &[(String, String)],
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let compression = options.iter().find(|(k, _)| k == "COMPRESSION");
        if let Some((_, name)) = compression.filter(|(_, name)| name != "lz4") {
            let text = format!("Unknown compression algorithm: {name}");
            self.error(peer, out, h, code::PROTOCOL, &text);
            return Some(());
        }
        peer.lz4 = compression.is_some();
        peer.tablets = options.iter().any(|(k, _)| k == "TABLETS_ROUTING_V1");
        self.stats[peer.node].on_startup(options);
        empty(h, op::READY, out);
        Some(())
    }

    fn prepare(&mut self, peer: &Peer, h: Header, text: &str, out: &mut Vec<u8>) -> Option<()> {
        self.stats[peer.node].prepares += 1;
        let s = Statement::parse(text, peer.keyspace.as_deref());
        if let Kind::Invalid(text) = &s.kind {
            self.error(peer, out, h, refusal(text), text);
            return Some(());
        }
        let at = begin_frame(out, h.version | 0x80, 0, h.stream, op::RESULT);
        put_i32(out, kind::PREPARED);
        put_u16(out, 16);
        out.extend_from_slice(&s.id);
        put_bind_metadata(out, h.version, &s);
        match &s.kind {
            Kind::Read { cols, .. } => put_user_metadata(out, cols, false),
            Kind::System { .. } => {
                let tables = &self.tables[peer.node];
                if let Err(text) = put_system_rows(out, tables, &s.kind, None, true) {
                    out.truncate(at);
                    self.error(peer, out, h, code::INVALID, &text);
                    return Some(());
                }
            }
            Kind::Write { .. } | Kind::Use(_) | Kind::Void | Kind::Invalid(_) => {
                put_i32(out, 4);
                put_i32(out, 0);
            }
        }
        end_frame(out, at);
        self.prepared.insert((peer.node, s.id), Rc::new(s));
        Some(())
    }

    #[inline]
    fn execute(
        &mut self,
        peer: &mut Peer,
        h: Header,
        mut cur: Cur<'_>,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let id: [u8; 16] = cur.short_bytes()?.try_into().ok()?;
        if peer.last.as_ref().is_none_or(|s| s.id != id) {
            let Some(found) = self.prepared.get(&(peer.node, id)) else {
                self.unprepared(peer, h, id, out);
                return Some(());
            };
            peer.last = Some(Rc::clone(found));
        }
        let statement = Rc::clone(peer.last.as_ref()?);
        let params = Params::parse(cur)?;
        self.stats[peer.node].execs[peer.shard as usize] += 1;
        self.run(peer, h, &statement, &params, out);
        Some(())
    }

    fn unprepared(&mut self, peer: &Peer, h: Header, id: [u8; 16], out: &mut Vec<u8>) {
        self.stats[peer.node].errors += 1;
        let at = begin_frame(out, h.version | 0x80, 0, h.stream, op::ERROR);
        put_i32(out, code::UNPREPARED);
        put_string(out, "No prepared statement with that id");
        put_u16(out, 16);
        out.extend_from_slice(&id);
        end_frame(out, at);
    }

    /// Counts where a request arrived; the payload to send when that was the wrong place.
    #[inline]
    fn route(&mut self, peer: &Peer, key: &[u8]) -> Option<Vec<u8>> {
        if !self.checks_routing {
            return None;
        }
        let token = murmur3::token(key);
        let hit = self.cluster.hit(token, peer.node, peer.shard);
        let stats = &mut self.stats[peer.node];
        stats.node_hit += u64::from(hit.node);
        stats.shard_hit += u64::from(hit.shard);
        let tell = self.cluster.tablets > 0 && peer.tablets && !hit.shard;
        stats.tablet_payloads += u64::from(tell);
        tell.then(|| self.cluster.tablet_payload(token))
    }

    #[inline]
    fn run(
        &mut self,
        peer: &mut Peer,
        h: Header,
        statement: &Statement,
        params: &Params<'_>,
        out: &mut Vec<u8>,
    ) {
        match &statement.kind {
            Kind::Read { cols, pk } => {
                self.stats[peer.node].reads += 1;
                let Some(key) = key_of(pk, params) else {
                    self.error(peer, out, h, code::INVALID, "pk must be a bigint");
                    return;
                };
                let payload =
                    self.route(peer, &key).filter(|_| !matches!(pk, Some(Src::Literal(_))));
                let skip = usize::from(params.flags & qflag::SKIP_METADATA != 0);
                let at = begin_result(h, payload.as_deref(), out);
                out.extend_from_slice(&statement.rows_prefix[skip]);
                self.put_row(cols, &key, out);
                end_frame(out, at);
            }
            Kind::Write { pk, v } => self.write(peer, h, pk, *v, params, out),
            Kind::System { .. } => {
                let at = begin_result(h, None, out);
                put_i32(out, kind::ROWS);
                let tables = &self.tables[peer.node];
                match put_system_rows(out, tables, &statement.kind, Some(params), false) {
                    Ok(()) => end_frame(out, at),
                    Err(text) => {
                        out.truncate(at);
                        self.error(peer, out, h, code::INVALID, &text);
                    }
                }
            }
            Kind::Use(ks) if matches!(ks.as_str(), "ks" | "system" | "system_schema") => {
                peer.keyspace = Some(ks.clone());
                let at = begin_result(h, None, out);
                put_i32(out, kind::SET_KEYSPACE);
                put_string(out, ks);
                end_frame(out, at);
            }
            Kind::Use(ks) => {
                let text = format!("Keyspace '{ks}' does not exist");
                self.error(peer, out, h, code::INVALID, &text);
            }
            Kind::Void => void(h, None, out),
            Kind::Invalid(text) => self.error(peer, out, h, refusal(text), text),
        }
    }

    #[inline]
    fn put_row(&self, cols: &[Column], key: &[u8; 8], out: &mut Vec<u8>) {
        for column in cols {
            let filler = match column {
                Column::Pk => {
                    put_bytes(out, Some(key));
                    continue;
                }
                Column::V => &self.filler,
                Column::Big => &self.large_filler,
            };
            put_i32(out, filler.len() as i32 + 8);
            out.extend_from_slice(key);
            out.extend_from_slice(filler);
        }
    }

    fn write(
        &mut self,
        peer: &Peer,
        h: Header,
        pk: &Option<Src>,
        v: Option<usize>,
        params: &Params<'_>,
        out: &mut Vec<u8>,
    ) {
        self.stats[peer.node].writes += 1;
        let Some(key) = key_of(pk, params) else {
            self.error(peer, out, h, code::INVALID, "pk must be a bigint");
            return;
        };
        let value = v.and_then(|i| params.value(i)).unwrap_or(&[]);
        if value.len() >= 8 && value[..8] != key {
            self.stats[peer.node].bad_writes += 1;
            self.error(peer, out, h, code::INVALID, "value does not begin with the key");
            return;
        }
        let payload = self.route(peer, &key);
        void(h, payload.as_deref(), out);
    }
}

fn refusal(text: &str) -> i32 {
    if text.starts_with("line") { code::SYNTAX } else { code::INVALID }
}

#[inline]
fn key_of(pk: &Option<Src>, params: &Params<'_>) -> Option<[u8; 8]> {
    match pk {
        Some(Src::Bind(i)) => params.value(*i)?.try_into().ok(),
        Some(Src::Literal(k)) => Some(k.to_be_bytes()),
        None => Some([0; 8]), // a scan: any row will do
    }
}

/// Starts a RESULT, with a custom payload if there is one.
#[inline]
fn begin_result(h: Header, payload: Option<&[u8]>, out: &mut Vec<u8>) -> usize {
    let flags = if payload.is_some() { hflag::CUSTOM_PAYLOAD } else { 0 };
    let at = begin_frame(out, h.version | 0x80, flags, h.stream, op::RESULT);
    out.extend_from_slice(payload.unwrap_or(&[]));
    at
}

#[inline]
fn void(h: Header, payload: Option<&[u8]>, out: &mut Vec<u8>) {
    let at = begin_result(h, payload, out);
    put_i32(out, kind::VOID);
    end_frame(out, at);
}

fn empty(h: Header, opcode: u8, out: &mut Vec<u8>) {
    let at = begin_frame(out, h.version | 0x80, 0, h.stream, opcode);
    end_frame(out, at);
}

//! The few parts of the CQL native protocol v3/v4 the kit needs.

/// Bytes of a frame header.
pub const HDR: usize = 9;
/// Largest body accepted, bytes.
pub const MAX_FRAME: usize = 256 << 20;

/// Opcodes.
pub mod op {
    pub const ERROR: u8 = 0x00;
    pub const STARTUP: u8 = 0x01;
    pub const READY: u8 = 0x02;
    pub const AUTHENTICATE: u8 = 0x03;
    pub const OPTIONS: u8 = 0x05;
    pub const SUPPORTED: u8 = 0x06;
    pub const QUERY: u8 = 0x07;
    pub const RESULT: u8 = 0x08;
    pub const PREPARE: u8 = 0x09;
    pub const EXECUTE: u8 = 0x0A;
    pub const REGISTER: u8 = 0x0B;
    pub const EVENT: u8 = 0x0C;
    pub const BATCH: u8 = 0x0D;
    pub const AUTH_RESPONSE: u8 = 0x0F;
    pub const AUTH_SUCCESS: u8 = 0x10;
}
/// Kinds of RESULT.
pub mod kind {
    pub const VOID: i32 = 1;
    pub const ROWS: i32 = 2;
    pub const SET_KEYSPACE: i32 = 3;
    pub const PREPARED: i32 = 4;
}
/// Header flags.
pub mod hflag {
    pub const COMPRESSED: u8 = 0x01;
    pub const TRACING: u8 = 0x02;
    pub const CUSTOM_PAYLOAD: u8 = 0x04;
    pub const WARNING: u8 = 0x08;
}
/// Flags of QUERY and EXECUTE parameters.
pub mod qflag {
    pub const VALUES: u8 = 0x01;
    pub const SKIP_METADATA: u8 = 0x02;
    pub const PAGE_SIZE: u8 = 0x04;
    pub const PAGING_STATE: u8 = 0x08;
    pub const SERIAL_CONSISTENCY: u8 = 0x10;
    pub const TIMESTAMP: u8 = 0x20;
    pub const NAMES: u8 = 0x40;
}

/// A frame header, taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    pub version: u8,
    pub flags: u8,
    pub stream: i16,
    pub opcode: u8,
    pub len: usize,
}

/// Reads the header at the front of `b`, which holds at least `HDR` bytes.
#[inline(always)]
pub fn parse_header(b: &[u8]) -> Header {
    Header {
        version: b[0],
        flags: b[1],
        stream: i16::from_be_bytes([b[2], b[3]]),
        opcode: b[4],
        len: u32::from_be_bytes([b[5], b[6], b[7], b[8]]) as usize,
    }
}

/// Starts a frame, returns its offset for `end_frame`.
#[inline]
pub fn begin_frame(out: &mut Vec<u8>, version: u8, flags: u8, stream: i16, opcode: u8) -> usize {
    let at = out.len();
    let s = stream.to_be_bytes();
    out.extend_from_slice(&[version, flags, s[0], s[1], opcode, 0, 0, 0, 0]);
    at
}

/// Fills in the length of the frame that starts at `at`.
#[inline]
pub fn end_frame(out: &mut [u8], at: usize) {
    let n = (out.len() - at - HDR) as u32;
    out[at + 5..at + 9].copy_from_slice(&n.to_be_bytes());
}

/// Appends a [short].
#[inline]
pub fn put_u16(o: &mut Vec<u8>, v: u16) {
    o.extend_from_slice(&v.to_be_bytes());
}

/// Appends an [int].
#[inline]
pub fn put_i32(o: &mut Vec<u8>, v: i32) {
    o.extend_from_slice(&v.to_be_bytes());
}

/// Appends a [string].
pub fn put_string(o: &mut Vec<u8>, s: &str) {
    put_u16(o, s.len() as u16);
    o.extend_from_slice(s.as_bytes());
}

/// Appends a [long string].
pub fn put_long_string(o: &mut Vec<u8>, s: &str) {
    put_i32(o, s.len() as i32);
    o.extend_from_slice(s.as_bytes());
}

/// Appends a [string map].
pub fn put_string_map(o: &mut Vec<u8>, m: &[(&str, &str)]) {
    put_u16(o, m.len() as u16);
    for (k, v) in m {
        put_string(o, k);
        put_string(o, v);
    }
}

/// Appends [bytes]; `None` is null.
#[inline]
pub fn put_bytes(o: &mut Vec<u8>, v: Option<&[u8]>) {
    match v {
        None => put_i32(o, -1),
        Some(v) => {
            put_i32(o, v.len() as i32);
            o.extend_from_slice(v);
        }
    }
}

/// A checked reader over a frame body.
pub struct Cur<'a> {
    pub b: &'a [u8],
    pub p: usize,
}
impl<'a> Cur<'a> {
    /// A reader of `b` from its start.
    pub fn new(b: &'a [u8]) -> Self {
        Self { b, p: 0 }
    }

    /// The next `n` bytes, or `None` when there are fewer.
    #[inline]
    pub fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let s = self.b.get(self.p..self.p.checked_add(n)?)?;
        self.p += n;
        Some(s)
    }

    /// A [byte].
    #[inline]
    pub fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|s| s[0])
    }

    /// A [short].
    #[inline]
    pub fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|s| u16::from_be_bytes([s[0], s[1]]))
    }

    /// An [int].
    #[inline]
    pub fn i32(&mut self) -> Option<i32> {
        self.take(4).map(|s| i32::from_be_bytes([s[0], s[1], s[2], s[3]]))
    }

    /// A [string].
    pub fn string(&mut self) -> Option<&'a str> {
        let n = self.u16()? as usize;
        std::str::from_utf8(self.take(n)?).ok()
    }

    /// A [long string].
    pub fn long_string(&mut self) -> Option<&'a str> {
        let n = self.i32()?;
        std::str::from_utf8(self.take(usize::try_from(n).ok()?)?).ok()
    }

    /// [short bytes].
    #[inline]
    pub fn short_bytes(&mut self) -> Option<&'a [u8]> {
        let n = self.u16()? as usize;
        self.take(n)
    }
    /// `[bytes]`/`[value]`: `Some(None)` is null or unset.
    #[inline]
    pub fn bytes(&mut self) -> Option<Option<&'a [u8]>> {
        let n = self.i32()?;
        if n < 0 {
            return Some(None);
        }
        self.take(n as usize).map(Some)
    }
    /// Skips a `[bytes map]` (custom payload).
    pub fn skip_bytes_map(&mut self) -> Option<()> {
        for _ in 0..self.u16()? {
            self.short_bytes()?;
            self.bytes()?;
        }
        Some(())
    }

    /// A [string map].
    pub fn string_map(&mut self) -> Option<Vec<(String, String)>> {
        let n = self.u16()?;
        let mut v = Vec::new();
        for _ in 0..n {
            v.push((self.string()?.to_string(), self.string()?.to_string()));
        }
        Some(v)
    }
}

/// Consistency, flags and values of QUERY/EXECUTE parameters (v3/v4: one-byte flags).
pub struct Params<'a> {
    pub flags: u8,
    n: u16,
    cur: Cur<'a>,
}
impl<'a> Params<'a> {
    #[inline]
    pub fn parse(mut cur: Cur<'a>) -> Option<Self> {
        cur.u16()?; // consistency
        let flags = cur.u8()?;
        let n = if flags & qflag::VALUES != 0 { cur.u16()? } else { 0 };
        Some(Self { flags, n, cur })
    }
    /// The `i`-th bound value; `None` when absent, malformed, null or unset.
    #[inline]
    pub fn value(&self, i: usize) -> Option<&'a [u8]> {
        if i >= self.n as usize {
            return None;
        }
        let mut c = Cur { b: self.cur.b, p: self.cur.p };
        for _ in 0..i {
            if self.flags & qflag::NAMES != 0 {
                c.short_bytes()?;
            }
            c.bytes()?;
        }
        if self.flags & qflag::NAMES != 0 {
            c.short_bytes()?;
        }
        c.bytes()?
    }
}

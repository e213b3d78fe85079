//! Judges each answer, and counts what was wrong.

use crate::conn::Slot;
use shardlane_bench_kit::cql::*;
use std::collections::BTreeMap;

/// What an answer was worth.
pub enum Verdict {
    Right,
    /// Not the kind of answer that was asked for.
    WrongKind,
    /// Another key's value, or not of the size expected.
    WrongValue,
    /// A CQL error: code and text.
    Error(i32, String),
}

/// Everything that went wrong.
#[derive(Default)]
pub struct Errors {
    pub cql: BTreeMap<i32, (u64, String)>,
    pub bad_stream: u64,
    pub bad_kind: u64,
    pub bad_value: u64,
    pub lost: u64,
    pub closed_conns: u64,
}

impl Errors {
    /// Requests that were not answered rightly.
    pub fn total(&self) -> u64 {
        let cql: u64 = self.cql.values().map(|(count, _)| count).sum();
        cql + self.bad_stream + self.bad_kind + self.bad_value + self.lost
    }

    /// Counts a verdict; `true` when the answer was right.
    #[inline]
    pub fn count(&mut self, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Right => return true,
            Verdict::WrongKind => self.bad_kind += 1,
            Verdict::WrongValue => self.bad_value += 1,
            Verdict::Error(code, text) => self.cql.entry(code).or_insert((0, text)).0 += 1,
        }
        false
    }
}

/// Judges the answer to `slot`; a value read should have `value_size` bytes, if that is not 0.
#[inline]
pub fn check(h: Header, body: &[u8], slot: Slot, value_size: usize) -> Verdict {
    judge(h, body, slot, value_size).unwrap_or(Verdict::WrongKind)
}

fn judge(h: Header, body: &[u8], slot: Slot, value_size: usize) -> Option<Verdict> {
    let mut c = Cur::new(body);
    if h.version != 0x84 {
        return None;
    }
    if h.flags & hflag::CUSTOM_PAYLOAD != 0 {
        c.skip_bytes_map()?;
    }
    if h.opcode == op::ERROR {
        return Some(Verdict::Error(c.i32()?, c.string()?.to_string()));
    }
    if h.opcode != op::RESULT {
        return None;
    }
    match (slot.write, c.i32()?) {
        (true, kind::VOID) => return Some(Verdict::Right),
        (false, kind::ROWS) => {}
        _ => return None,
    }
    let flags = c.i32()?;
    if c.i32()? != 1 {
        return None;
    }
    if flags & 4 == 0 {
        // One column with the global table spec: keyspace, table, name, type.
        let _ = (c.string()?, c.string()?, c.string()?, c.u16()?);
    }
    if c.i32()? != 1 {
        return Some(Verdict::WrongValue);
    }
    let value = c.bytes()??;
    let right = value.starts_with(&slot.key.to_be_bytes())
        && (value_size == 0 || value.len() == value_size)
        && c.p == body.len();
    Some(if right { Verdict::Right } else { Verdict::WrongValue })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(key: i64) -> Vec<u8> {
        let mut o = vec![];
        [kind::ROWS, 4, 1, 1].into_iter().for_each(|n| put_i32(&mut o, n));
        put_bytes(&mut o, Some(&key.to_be_bytes()));
        o
    }

    fn judged(key: i64, body: &[u8]) -> Verdict {
        let h = Header { version: 0x84, flags: 0, stream: 0, opcode: op::RESULT, len: body.len() };
        check(h, body, Slot { busy: true, write: false, key, at: 0 }, 8)
    }

    #[test]
    fn only_the_value_of_the_key_asked_for_is_right() {
        assert!(matches!(judged(7, &rows(7)), Verdict::Right));
        assert!(matches!(judged(7, &rows(8)), Verdict::WrongValue));
        assert!(matches!(judged(7, &rows(7)[..12]), Verdict::WrongKind));
    }
}

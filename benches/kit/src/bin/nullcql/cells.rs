//! Values and types of system tables.

use shardlane_bench_kit::cql::*;
use shardlane_bench_kit::rng::Rng;
use std::net::Ipv4Addr;

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Ty {
    Bigint,
    Blob,
    Boolean,
    Double,
    Int,
    Uuid,
    Timeuuid,
    Varchar,
    Inet,
    SetText,
    ListText,
    MapTextText,
    MapTextBlob,
    MapUuidBlob,
}
pub fn put_type(o: &mut Vec<u8>, t: Ty) {
    use Ty::*;
    let seq: &[u16] = match t {
        Bigint => &[2],
        Blob => &[3],
        Boolean => &[4],
        Double => &[7],
        Int => &[9],
        Uuid => &[0xC],
        Varchar => &[0xD],
        Timeuuid => &[0xF],
        Inet => &[0x10],
        ListText => &[0x20, 0xD],
        MapTextText => &[0x21, 0xD, 0xD],
        MapTextBlob => &[0x21, 0xD, 3],
        MapUuidBlob => &[0x21, 0xC, 3],
        SetText => &[0x22, 0xD],
    };
    for s in seq {
        put_u16(o, *s);
    }
}

pub type Cell = Option<Vec<u8>>;
pub fn text(s: &str) -> Cell {
    Some(s.as_bytes().to_vec())
}
pub fn int(v: i32) -> Cell {
    Some(v.to_be_bytes().to_vec())
}
pub fn double(v: f64) -> Cell {
    Some(v.to_be_bytes().to_vec())
}
pub fn boolean(v: bool) -> Cell {
    Some(vec![v as u8])
}
pub fn inet(a: Ipv4Addr) -> Cell {
    Some(a.octets().to_vec())
}
pub fn texts(v: &[String]) -> Cell {
    let mut o = vec![];
    put_i32(&mut o, v.len() as i32);
    for s in v {
        put_bytes(&mut o, Some(s.as_bytes()));
    }
    Some(o)
}
pub fn map(v: &[(&str, &str)]) -> Cell {
    let mut o = vec![];
    put_i32(&mut o, v.len() as i32);
    for (k, x) in v {
        put_bytes(&mut o, Some(k.as_bytes()));
        put_bytes(&mut o, Some(x.as_bytes()));
    }
    Some(o)
}
/// A deterministic UUID of the given version (4 random-like, 1 time-like).
pub fn uuid(kind: u64, n: u64, version: u8) -> [u8; 16] {
    let mut r = Rng(kind.wrapping_mul(0x1234_5678_9abc_def1) ^ n);
    let mut u = [0u8; 16];
    u[..8].copy_from_slice(&r.bits().to_be_bytes());
    u[8..].copy_from_slice(&r.bits().to_be_bytes());
    u[6] = (u[6] & 0x0f) | (version << 4);
    u[8] = (u[8] & 0x3f) | 0x80;
    u
}
pub fn host_id(node: usize) -> [u8; 16] {
    uuid(1, node as u64, 4)
}

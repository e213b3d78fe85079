//! Frames of real servers: read right, and written back byte for byte.
//!
//! Each file of `tests/data/frames` holds one frame as hex; its first line says of which server.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a frame that cannot be read fails the test"
)]

mod readers;
mod requests;
mod responses;
mod system_tables;
mod tokens;

use std::path::PathBuf;

use cql::decoder::FrameDecoder;
use cql::frame::{FrameHead, write_frame};
use cql::header::{HEADER_LEN, Header};
use cql::opcode::Opcode;

const LEN_MAX: u32 = 1 << 20;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/frames")
}

fn frame(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(folder().join(name).with_extension("txt")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let digits = lines.collect::<String>().into_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn every_frame() -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), frame(&name))).collect()
}

fn split(frame: &[u8]) -> (Header, &[u8]) {
    let header = Header::peek(frame).unwrap();
    assert_eq!(header.frame_len(LEN_MAX), Ok(frame.len()));
    (header, &frame[HEADER_LEN..])
}

/// Writes a frame with the header of `like` and what `body` writes.
fn rewrite(like: &[u8], body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let header = Header::peek(like).unwrap();
    let mut out = Vec::new();
    let opcode = Opcode::from_byte(header.opcode).unwrap();
    write_frame(
        &mut out,
        FrameHead { version: header.version, flags: header.flags, stream: header.stream },
        opcode,
        body,
    );
    out
}

#[test]
fn frames_in_one_stream_are_cut_apart() {
    let frames: Vec<_> = every_frame().into_iter().map(|(_, frame)| frame).collect();
    for versions in [[0x03, 0x04], [0x83, 0x84]] {
        let expected: Vec<_> = frames.iter().filter(|frame| versions.contains(&frame[0])).collect();
        let mut stream: Vec<u8> = expected.iter().flat_map(|frame| frame.iter().copied()).collect();
        let mut decoder = FrameDecoder::new(versions, LEN_MAX);
        let mut seen = Vec::new();
        for read in stream.chunks_mut(1000) {
            let mut chunk = read;
            while let Some(frame) = decoder.next_frame(&mut chunk).unwrap() {
                seen.push(frame.to_vec());
            }
        }
        assert!(seen.iter().eq(expected));
    }
}

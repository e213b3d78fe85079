//! Frames under lz4: the length of the body as it was, then one block.

use lz4_flex::block;
use shardlane_bench_kit::cql::HDR;
use shardlane_bench_kit::cql::MAX_FRAME;
use shardlane_bench_kit::cql::hflag;

/// Bytes of the length before a block.
const LENGTH: usize = 4;

/// The body of a request that came compressed.
pub fn decompressed(body: &[u8]) -> Option<Vec<u8>> {
    let (length, block) = body.split_first_chunk::<LENGTH>()?;
    let length = u32::from_be_bytes(*length) as usize;
    (length <= MAX_FRAME).then(|| block::decompress(block, length).ok()).flatten()
}

/// Compresses the one frame that `out` holds from `start` on, as ScyllaDB does with every answer.
pub fn compress(out: &mut Vec<u8>, start: usize, room: &mut Vec<u8>) {
    let body = start + HDR;
    let length = out.len() - body;
    if length == 0 {
        return;
    }
    room.resize(block::get_maximum_output_size(length), 0);
    let Ok(written) = block::compress_into(&out[body..], room) else { return };
    out.truncate(body);
    out.extend_from_slice(&(length as u32).to_be_bytes());
    out.extend_from_slice(&room[..written]);
    out[start + 1] |= hflag::COMPRESSED;
    out[start + 5..body].copy_from_slice(&((LENGTH + written) as u32).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use shardlane_bench_kit::cql::*;

    #[test]
    fn a_compressed_frame_decompresses_to_its_body() {
        let mut out = vec![7];
        let at = begin_frame(&mut out, 0x84, 0, 5, op::RESULT);
        out.extend_from_slice(&[1; 600]);
        end_frame(&mut out, at);
        compress(&mut out, at, &mut vec![]);
        let h = parse_header(&out[at..]);
        assert_eq!((h.flags, h.len), (hflag::COMPRESSED, out.len() - at - HDR));
        assert!(h.len < 100);
        assert_eq!(decompressed(&out[at + HDR..]).unwrap(), [1; 600]);
    }
}

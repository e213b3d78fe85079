//! Compressed bodies on lanes, where that was agreed on.

use crate::engine::answers::deliver::Broken;
use crate::engine::answers::metadata_ids;
use crate::engine::engine::Engine;
use crate::engine::pending::LaneKey;
use crate::upstream::lane::RESPONSE_BODY_BYTES_MAX;
use cql::compression::Compression;
use cql::header::HEADER_LEN;

/// Shortest body that is worth compressing, bytes: what is shorter fits a packet anyway.
const COMPRESSED_BYTES_MIN: usize = 512;

/// A request as a lane carries it that agreed on `compression`.
pub(in crate::engine) fn pack(
    request: &[u8],
    metadata_id: Option<&[u8]>,
    compression: Compression,
) -> Vec<u8> {
    let mut plain = Vec::new();
    match metadata_id {
        Some(id) => metadata_ids::write_with_id(&mut plain, request, id),
        None => plain.extend_from_slice(request),
    }
    if plain.len() < HEADER_LEN + COMPRESSED_BYTES_MIN {
        return plain;
    }
    let mut packed = Vec::new();
    match compression.compress_frame(&plain, &mut packed) {
        Ok(()) => packed,
        // What cannot be compressed goes as it is, which its flag tells.
        Err(_) => plain,
    }
}

impl Engine {
    /// A lane received a frame whose body is compressed.
    pub(in crate::engine) fn on_compressed_frame(
        &mut self,
        key: LaneKey,
        frame: &[u8],
    ) -> Result<(), Broken> {
        let compression = self.lanes.get(key).and_then(|lane| lane.route.compression);
        let compression = compression.ok_or(Broken)?;
        let mut plain = self.keep(&[]);
        let outcome = compression.decompress_frame(frame, RESPONSE_BODY_BYTES_MAX, &mut plain);
        let outcome =
            outcome.map_err(|_| Broken).and_then(|()| self.on_lane_frame(key, &mut plain));
        self.give_back(plain);
        outcome
    }
}

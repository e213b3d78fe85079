//! Compressed bodies: LZ4 with a length in front, and Snappy.
//!
//! An LZ4 body is the length of the plain body as 4 bytes, big-endian, then one raw block. A Snappy
//! body is one raw block, which carries its own length. A frame is compressed when its flag says
//! so, whatever was negotiated; either side may send plain frames at any time.

use crate::error::WireError;
use crate::header::{FLAG_COMPRESSED, HEADER_LEN, Header};

const LZ4_FAILURE: WireError = WireError::Compression("CQL frame LZ4 uncompression failure");
const SNAPPY_FAILURE: WireError = WireError::Compression("CQL frame Snappy uncompression failure");
const SNAPPY_LENGTH: WireError =
    WireError::Compression("CQL frame Snappy uncompressed size is unknown");
const WRONG_LENGTH: WireError = WireError::Compression(
    "Malformed CQL frame - provided uncompressed size different than real uncompressed size",
);

/// One byte of an LZ4 block gives at most so many plain ones.
const LZ4_RATIO_MAX: usize = 256;
/// One byte of a Snappy block gives at most so many plain ones: 64 bytes take an element of 3.
const SNAPPY_RATIO_MAX: usize = 32;

/// An algorithm that STARTUP can ask for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Compression {
    /// `lz4`.
    Lz4,
    /// `snappy`.
    Snappy,
}

impl Compression {
    /// Every algorithm, in the order that ScyllaDB lists them in SUPPORTED.
    pub const ALL: [Self; 2] = [Self::Lz4, Self::Snappy];

    /// Its name in SUPPORTED and STARTUP.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lz4 => "lz4",
            Self::Snappy => "snappy",
        }
    }

    /// Finds an algorithm by name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| name.eq_ignore_ascii_case(known.name()))
    }

    /// Appends `body`, compressed.
    ///
    /// The caller keeps an empty body plain: servers refuse the flag on a frame without body.
    pub fn compress(self, body: &[u8], out: &mut Vec<u8>) -> Result<(), WireError> {
        let start = out.len();
        let written = match self {
            Self::Lz4 => {
                let len = i32::try_from(body.len()).map_err(|_| LZ4_FAILURE)?;
                out.extend_from_slice(&len.to_be_bytes());
                let room = lz4_flex::block::get_maximum_output_size(body.len());
                out.resize(start + 4 + room, 0);
                let block = out.get_mut(start + 4..).unwrap_or_default();
                4 + lz4_flex::block::compress_into(body, block).map_err(|_| LZ4_FAILURE)?
            }
            Self::Snappy => {
                out.resize(start + snap::raw::max_compress_len(body.len()), 0);
                let block = out.get_mut(start..).unwrap_or_default();
                snap::raw::Encoder::new().compress(body, block).map_err(|_| SNAPPY_FAILURE)?
            }
        };
        out.truncate(start + written);
        Ok(())
    }

    /// Appends the plain bytes of `body`, of which there may be at most `len_max`.
    ///
    /// The announced length is checked against `len_max`, and against what so short a body can
    /// hold at best, before any memory is reserved.
    pub fn decompress(self, body: &[u8], len_max: u32, out: &mut Vec<u8>) -> Result<(), WireError> {
        match self {
            Self::Lz4 => decompress_lz4(body, len_max, out),
            Self::Snappy => decompress_snappy(body, len_max, out),
        }
    }

    /// The length of `body` once it is plain, as its sender announces it; 0 when that cannot be read.
    #[must_use]
    pub fn plain_len(self, body: &[u8]) -> usize {
        match self {
            Self::Lz4 => {
                let announced = body.first_chunk::<4>().map(|len| u32::from_be_bytes(*len));
                announced.and_then(|len| usize::try_from(len).ok()).unwrap_or(0)
            }
            Self::Snappy => snap::raw::decompress_len(body).unwrap_or(0),
        }
    }

    /// Appends a copy of a plain `frame` with its body compressed and the flag set.
    pub fn compress_frame(self, frame: &[u8], out: &mut Vec<u8>) -> Result<(), WireError> {
        let (header, body) = split(frame)?;
        if body.is_empty() {
            out.extend_from_slice(frame);
            return Ok(());
        }
        let flags = header.flags | FLAG_COMPRESSED;
        rebuild(Header { flags, ..header }, out, |out| self.compress(body, out))
    }

    /// Appends a copy of a compressed `frame` with its body plain and the flag cleared.
    pub fn decompress_frame(
        self,
        frame: &[u8],
        len_max: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), WireError> {
        let (header, body) = split(frame)?;
        let flags = header.flags & !FLAG_COMPRESSED;
        rebuild(Header { flags, ..header }, out, |out| self.decompress(body, len_max, out))
    }
}

fn decompress_lz4(body: &[u8], len_max: u32, out: &mut Vec<u8>) -> Result<(), WireError> {
    let Some((len, block)) = body.split_first_chunk::<4>() else {
        return Err(WireError::CompressedTooShort(body.len()));
    };
    let announced = i32::from_be_bytes(*len);
    let len = u32::try_from(announced).map_err(|_| WireError::UncompressedLength(announced))?;
    let len = within(len, len_max)?;
    if len > block.len().saturating_mul(LZ4_RATIO_MAX) {
        return Err(WRONG_LENGTH);
    }
    let plain = grow(out, len);
    match lz4_flex::block::decompress_into(block, plain) {
        Ok(written) if written == len => Ok(()),
        Ok(_) => Err(WRONG_LENGTH),
        Err(_) => Err(LZ4_FAILURE),
    }
}

fn decompress_snappy(body: &[u8], len_max: u32, out: &mut Vec<u8>) -> Result<(), WireError> {
    if body.is_empty() {
        return Err(SNAPPY_LENGTH);
    }
    let len = snap::raw::decompress_len(body).map_err(|_| SNAPPY_LENGTH)?;
    let len = within(u32::try_from(len).unwrap_or(u32::MAX), len_max)?;
    if len > body.len().saturating_mul(SNAPPY_RATIO_MAX) {
        return Err(SNAPPY_FAILURE);
    }
    let plain = grow(out, len);
    match snap::raw::Decoder::new().decompress(body, plain) {
        Ok(written) if written == len => Ok(()),
        Ok(_) | Err(_) => Err(SNAPPY_FAILURE),
    }
}

fn within(len: u32, len_max: u32) -> Result<usize, WireError> {
    if len > len_max {
        return Err(WireError::BodyTooLong { len, len_max });
    }
    usize::try_from(len).map_err(|_| WireError::BodyTooLong { len, len_max })
}

/// Appends `len` zeroes and gives them out to be overwritten.
fn grow(out: &mut Vec<u8>, len: usize) -> &mut [u8] {
    let start = out.len();
    out.resize(start + len, 0);
    out.get_mut(start..).unwrap_or_default()
}

fn split(frame: &[u8]) -> Result<(Header, &[u8]), WireError> {
    let short = WireError::Truncated { expected: HEADER_LEN, left: frame.len() };
    let header = Header::peek(frame).ok_or(short)?;
    Ok((header, frame.get(HEADER_LEN..).unwrap_or_default()))
}

fn rebuild(
    header: Header,
    out: &mut Vec<u8>,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let start = out.len();
    out.extend_from_slice(&header.to_bytes());
    if let Err(error) = body(out) {
        out.truncate(start);
        return Err(error);
    }
    let body_len = u32::try_from(out.len() - start - HEADER_LEN).unwrap_or(u32::MAX);
    let header = Header { body_len, ..header };
    if let Some(at) = out.get_mut(start..start + HEADER_LEN) {
        at.copy_from_slice(&header.to_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests;

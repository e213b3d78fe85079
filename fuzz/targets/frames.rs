//! The frame decoder: however a stream is cut into reads, the same frames come out.

use cql::decoder::FrameDecoder;
use cql::error::WireError;
use cql::header::{HEADER_LEN, Header};

const BODY_LEN_MAX: u32 = 4096;
const VERSIONS: [u8; 2] = [3, 4];

/// The first byte is the length of a read; the rest is the stream.
pub(crate) fn run(data: &[u8]) {
    let Some((&read_len, stream)) = data.split_first() else { return };
    let (expected, error) = by_the_book(stream);
    assert_eq!(cut(stream, stream.len().max(1)), (expected.clone(), error.clone()));
    assert_eq!(cut(stream, usize::from(read_len).max(1)), (expected, error));
}

fn cut(stream: &[u8], read_len: usize) -> (Vec<Vec<u8>>, Option<WireError>) {
    let mut decoder = FrameDecoder::new(VERSIONS, BODY_LEN_MAX);
    let mut frames = Vec::new();
    for read in stream.chunks(read_len) {
        let mut read = read.to_vec();
        let mut rest = read.as_mut_slice();
        loop {
            match decoder.next_frame(&mut rest) {
                Ok(Some(frame)) => frames.push(frame.to_vec()),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        assert!(decoder.memory_len() <= 8 * (HEADER_LEN + BODY_LEN_MAX as usize));
        if read_len.is_multiple_of(5) {
            decoder.shrink_unused();
        }
    }
    (frames, None)
}

fn by_the_book(mut stream: &[u8]) -> (Vec<Vec<u8>>, Option<WireError>) {
    let mut frames = Vec::new();
    loop {
        if let Some(&version) = stream.first()
            && !VERSIONS.contains(&version)
        {
            return (frames, Some(WireError::Version(version)));
        }
        let Some(header) = Header::peek(stream) else { return (frames, None) };
        if header.body_len > BODY_LEN_MAX {
            let error = WireError::BodyTooLong { len: header.body_len, len_max: BODY_LEN_MAX };
            return (frames, Some(error));
        }
        let len = HEADER_LEN + header.body_len as usize;
        if stream.len() < len {
            return (frames, None);
        }
        let (frame, rest) = stream.split_at(len);
        assert_eq!(header.to_bytes(), frame[..HEADER_LEN]);
        frames.push(frame.to_vec());
        stream = rest;
    }
}

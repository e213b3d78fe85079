//! What the decoder promises, however the stream is cut.

use proptest::prelude::*;

use super::*;

const LEN_MAX: u32 = 1 << 20;

fn frame(body: &[u8]) -> Vec<u8> {
    let mut frame = vec![4, 0, 0, 1, 7];
    frame.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(body);
    frame
}

fn cut(decoder: &mut FrameDecoder, bytes: &[u8]) -> Result<Vec<Vec<u8>>, WireError> {
    let mut bytes = bytes.to_vec();
    let mut chunk = bytes.as_mut_slice();
    let mut frames = Vec::new();
    while let Some(frame) = decoder.next_frame(&mut chunk)? {
        frames.push(frame.to_vec());
    }
    assert!(chunk.is_empty());
    Ok(frames)
}

#[test]
fn a_frame_whole_in_the_chunk_is_not_copied() {
    let mut decoder = FrameDecoder::new([3, 4], LEN_MAX);
    let mut bytes = frame(b"abc");
    let place = bytes.as_ptr();
    let mut chunk = bytes.as_mut_slice();

    let frame = decoder.next_frame(&mut chunk).unwrap().unwrap();

    assert_eq!(frame.as_ptr(), place);
    assert_eq!(decoder.memory_len(), 0);
}

#[test]
fn a_frame_cut_in_three_comes_out_whole() {
    let mut decoder = FrameDecoder::new([3, 4], LEN_MAX);
    let bytes = frame(&[7; 100]);

    assert_eq!(cut(&mut decoder, &bytes[..4]).unwrap().len(), 0);
    assert_eq!(cut(&mut decoder, &bytes[4..40]).unwrap().len(), 0);
    assert_eq!(cut(&mut decoder, &bytes[40..]).unwrap(), [bytes]);
}

#[test]
fn an_announced_length_reserves_no_memory() {
    let mut decoder = FrameDecoder::new([3, 4], u32::MAX);

    cut(&mut decoder, &[4, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff]).unwrap();

    assert!(decoder.memory_len() < 1024);
}

#[test]
fn memory_of_a_large_frame_is_given_back() {
    let mut decoder = FrameDecoder::new([3, 4], LEN_MAX);
    let bytes = frame(&[0; 1 << 20]);
    cut(&mut decoder, &bytes[..1000]).unwrap();
    assert_eq!(cut(&mut decoder, &bytes[1000..]).unwrap().len(), 1);

    assert_eq!(cut(&mut decoder, &frame(b"")).unwrap().len(), 1);

    assert!(decoder.memory_len() <= KEPT_LEN);
}

#[test]
fn short_cut_frames_keep_no_room_for_long_ones() {
    let mut decoder = FrameDecoder::new([3, 4], LEN_MAX);
    let in_two = |decoder: &mut FrameDecoder, len: usize| {
        let bytes = frame(&vec![0; len]);
        cut(decoder, &bytes[..20]).unwrap();
        assert_eq!(cut(decoder, &bytes[20..]).unwrap().len(), 1);
        decoder.shrink_unused();
    };
    in_two(&mut decoder, 200 << 10);
    assert!(decoder.memory_len() >= 200 << 10, "it was used a moment ago");
    in_two(&mut decoder, 100);
    assert!(decoder.memory_len() <= IDLE_LEN);
}

#[test]
fn a_body_longer_than_the_limit_is_refused_by_its_header() {
    let mut decoder = FrameDecoder::new([3, 4], 10);

    assert_eq!(cut(&mut decoder, &frame(&[0; 10])).unwrap().len(), 1);

    let refused = WireError::BodyTooLong { len: 11, len_max: 10 };
    assert_eq!(cut(&mut decoder, &frame(&[0; 11])[..9]), Err(refused));
}

#[test]
fn a_frame_that_is_too_long_can_be_passed_over_however_reads_cut_it() {
    let (long, next) = (frame(&[7; 11]), frame(&[1; 10]));
    let stream = [&long[..], &next[..]].concat();
    for step in 1..stream.len() {
        let mut decoder = FrameDecoder::new([3, 4], 10);
        let (mut seen, mut passed) = (Vec::new(), 0);
        for read in stream.clone().chunks_mut(step) {
            let mut chunk = read;
            loop {
                match decoder.next_frame(&mut chunk) {
                    Ok(Some(frame)) => seen.push(frame.to_vec()),
                    Ok(None) => break,
                    Err(_) => {
                        let header = decoder.skip_frame(&mut chunk).unwrap();
                        assert_eq!(header.body_len, 11);
                        passed += 1;
                    }
                }
            }
        }
        assert_eq!((passed, decoder.bytes_to_skip()), (1, 0), "{step}");
        assert_eq!(seen, std::slice::from_ref(&next), "{step}");
    }
}

#[test]
fn the_first_byte_of_another_version_is_enough_to_refuse() {
    let mut decoder = FrameDecoder::new([3, 4], LEN_MAX);

    assert_eq!(cut(&mut decoder, &[66]), Err(WireError::Version(66)));
}

proptest! {
    #[test]
    fn frames_do_not_depend_on_how_reads_cut_them(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..12),
        cuts in prop::collection::vec(1_usize..30, 1..60),
    ) {
        let frames: Vec<_> = bodies.iter().map(|body| frame(body)).collect();
        let stream = frames.concat();
        let mut decoder = FrameDecoder::new([3, 4], LEN_MAX);
        let mut seen = Vec::new();
        let mut rest = stream.as_slice();
        for len in cuts {
            let (chunk, after) = rest.split_at(len.min(rest.len()));
            seen.extend(cut(&mut decoder, chunk).unwrap());
            rest = after;
        }
        seen.extend(cut(&mut decoder, rest).unwrap());
        prop_assert_eq!(seen, frames);
    }

    #[test]
    fn no_bytes_make_it_panic(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 0..10)) {
        let mut decoder = FrameDecoder::new([3, 4], LEN_MAX);
        for chunk in chunks {
            if cut(&mut decoder, &chunk).is_err() {
                break;
            }
        }
    }
}

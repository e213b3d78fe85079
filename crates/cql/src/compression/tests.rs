//! Both algorithms, with the server's own words for what is broken.

use proptest::prelude::*;

use super::*;

fn decompress(compression: Compression, body: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut out = Vec::new();
    compression.decompress(body, 1 << 20, &mut out).map(|()| out)
}

#[test]
fn an_lz4_body_has_its_length_in_front() {
    let void = [0, 0, 0, 4, 0x40, 0, 0, 0, 1];

    assert_eq!(decompress(Compression::Lz4, &void), Ok(vec![0, 0, 0, 1]));

    let mut out = Vec::new();
    Compression::Lz4.compress(&[0, 0, 0, 1], &mut out).unwrap();
    assert_eq!(out, void);
}

#[test]
fn an_empty_compressed_body_is_read() {
    assert_eq!(decompress(Compression::Lz4, &[0, 0, 0, 0, 0]), Ok(vec![]));
    assert_eq!(decompress(Compression::Snappy, &[0]), Ok(vec![]));
}

#[test]
fn a_frame_without_body_is_never_flagged() {
    let options = [4, 0, 0, 1, 5, 0, 0, 0, 0];
    for compression in Compression::ALL {
        let mut out = Vec::new();
        compression.compress_frame(&options, &mut out).unwrap();
        assert_eq!(out, options);
    }
}

#[test]
fn broken_bodies_are_refused_in_the_words_of_the_server() {
    let words = |compression, body: &[u8]| decompress(compression, body).unwrap_err().to_string();
    let lz4 = |body: &[u8]| words(Compression::Lz4, body);

    assert_eq!(lz4(&[1, 2]), "CQL frame truncated: expected to have at least 4 bytes, got 2");
    assert_eq!(lz4(&[0xff; 5]), "CQL frame uncompressed length is negative: -1");
    assert_eq!(lz4(&[0, 0, 0, 4, 0x40, 0]), "CQL frame LZ4 uncompression failure");
    assert_eq!(
        lz4(&[0, 0, 0, 5, 0x40, 0, 0, 0, 1]),
        "Malformed CQL frame - provided uncompressed size different than real uncompressed size",
    );
    assert_eq!(lz4(&[0, 0, 0, 3, 0x40, 0, 0, 0, 1]), "CQL frame LZ4 uncompression failure");
    let snappy = words(Compression::Snappy, &[]);
    assert_eq!(snappy, "CQL frame Snappy uncompressed size is unknown");
    let snappy = words(Compression::Snappy, &[9, 0xff, 1]);
    assert_eq!(snappy, "CQL frame Snappy uncompression failure");
}

#[test]
fn an_announced_length_is_refused_before_it_is_reserved() {
    let mut out = Vec::new();
    let huge = [0x7f, 0xff, 0xff, 0xff, 0x40, 0, 0, 0, 1];

    let limit = Compression::Lz4.decompress(&huge, 1 << 20, &mut out);
    let ratio = Compression::Lz4.decompress(&huge, u32::MAX, &mut out);
    let snappy = [0xff, 0xff, 0xff, 0xff, 7, 0, 1];
    let snappy = Compression::Snappy.decompress(&snappy, u32::MAX, &mut out);

    assert_eq!(limit, Err(WireError::BodyTooLong { len: 0x7fff_ffff, len_max: 1 << 20 }));
    assert_eq!((ratio, snappy), (Err(WRONG_LENGTH), Err(SNAPPY_FAILURE)));
    assert_eq!(out.capacity(), 0);
}

#[test]
fn zeroes_pass_at_their_best_ratio() {
    let plain = vec![0; 1 << 20];
    for compression in Compression::ALL {
        let mut packed = Vec::new();
        compression.compress(&plain, &mut packed).unwrap();
        assert_eq!(decompress(compression, &packed).unwrap(), plain);
    }
}

#[test]
fn a_broken_frame_leaves_nothing_behind() {
    let mut out = vec![9];
    let frame = [4, 1, 0, 1, 7, 0, 0, 0, 2, 1, 2];

    assert!(Compression::Lz4.decompress_frame(&frame, 100, &mut out).is_err());

    assert_eq!(out, [9]);
}

proptest! {
    #[test]
    fn a_compressed_body_comes_back(body in prop::collection::vec(0_u8..4, 1..3000)) {
        let mut plain = vec![4, 0, 0, 9, 7];
        plain.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
        plain.extend_from_slice(&body);
        for compression in Compression::ALL {
            let (mut packed, mut back) = (Vec::new(), Vec::new());
            compression.compress_frame(&plain, &mut packed).unwrap();
            prop_assert_eq!(packed[1], FLAG_COMPRESSED);
            prop_assert_eq!(Header::peek(&packed).unwrap().frame_len(u32::MAX), Ok(packed.len()));
            compression.decompress_frame(&packed, 3000, &mut back).unwrap();
            prop_assert_eq!(&back, &plain);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        for compression in Compression::ALL {
            if let Ok(plain) = decompress(compression, &body) {
                prop_assert!(plain.len() <= 1 << 20);
            }
        }
    }
}

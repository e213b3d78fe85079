//! Compressed bodies: none grows past its bound, and what was packed comes out as it went in.

use cql::compression::Compression;

const LEN_MAX: u32 = 1 << 16;

/// The first byte names the algorithm; the rest is a compressed body, and a plain one.
pub(crate) fn run(data: &[u8]) {
    let Some((&algorithm, body)) = data.split_first() else { return };
    let compression = Compression::ALL[usize::from(algorithm) % Compression::ALL.len()];
    let mut plain = b"before".to_vec();
    if compression.decompress(body, LEN_MAX, &mut plain).is_ok() {
        assert!(plain.starts_with(b"before"));
        assert!(plain.len() <= 6 + LEN_MAX as usize, "{} bytes came out", plain.len());
        comes_back(compression, &plain[6..]);
    }
    comes_back(compression, body);
}

fn comes_back(compression: Compression, plain: &[u8]) {
    let (mut packed, mut back) = (Vec::new(), Vec::new());
    compression.compress(plain, &mut packed).expect("any body can be compressed");
    let len_max = u32::try_from(plain.len()).expect("inputs are short");
    compression.decompress(&packed, len_max, &mut back).expect("what we packed");
    assert_eq!(back, plain);
}

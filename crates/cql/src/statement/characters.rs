//! Which characters make up the tokens of a text.

/// The bracket that closes what `open` opens.
pub(crate) fn closing(open: u8) -> u8 {
    match open {
        b'(' => b')',
        b'[' => b']',
        _ => b'}',
    }
}

/// Whether a newline comes, perhaps behind a carriage return.
pub(crate) fn starts_line(rest: &[u8]) -> bool {
    rest.starts_with(b"\n") || rest.starts_with(b"\r\n")
}

/// Letters beyond ASCII are no part of names, but do not end a word either.
#[inline]
pub(crate) fn is_word_byte(byte: u8) -> bool {
    #[expect(clippy::indexing_slicing, reason = "the compiler does it")]
    const WORD_BYTES: [bool; 256] = {
        let mut bytes = [false; 256];
        let mut byte = 0_u8;
        loop {
            let is_ascii = byte.is_ascii_alphanumeric() || byte == b'_';
            bytes[byte as usize] = is_ascii || byte >= 0x80;
            if byte == u8::MAX {
                break bytes;
            }
            byte += 1;
        }
    };
    WORD_BYTES.get(usize::from(byte)).copied().unwrap_or(false)
}

pub(crate) fn is_uuid(bytes: &[u8]) -> bool {
    bytes.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

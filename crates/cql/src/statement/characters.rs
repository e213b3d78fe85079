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

/// Units of durations, in small letters: where one begins another, the longer one stands first.
const DURATION_UNITS: [&[u8]; 11] =
    [b"mo", b"ms", b"us", "\u{b5}s".as_bytes(), b"ns", b"y", b"w", b"d", b"h", b"m", b"s"];

/// The length of the duration at the front, whose first number has `digits` digits; `None` when no
/// unit follows them.
pub(crate) fn duration_len(rest: &[u8], digits: usize) -> Option<usize> {
    let mut len = None;
    let mut end = digits;
    loop {
        let unit = rest.get(end..).unwrap_or_default();
        let found = DURATION_UNITS
            .iter()
            .find(|one| unit.get(..one.len()).is_some_and(|unit| unit.eq_ignore_ascii_case(one)));
        let Some(found) = found else { return len };
        end += found.len();
        len = Some(end);
        let next = rest.get(end..).unwrap_or_default();
        let digits = next.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return len;
        }
        end += digits;
    }
}

/// The length of a duration such as `P0001-02-03T04:05:06` at the front.
pub(crate) fn iso_duration_len(rest: &[u8]) -> Option<usize> {
    const FORM: &[u8] = b"P0000-00-00T00:00:00";
    let front = rest.get(..FORM.len())?;
    let fits = front.iter().zip(FORM).all(|(byte, form)| match form {
        b'0' => byte.is_ascii_digit(),
        form => byte == form,
    });
    fits.then_some(FORM.len())
}

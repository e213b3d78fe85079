//! What stands before the first word of a long text: blanks and comments, of any length.
//!
//! The first word has to be found, since it may be `USE`. Blanks and comments are passed over some
//! bytes at a time, which takes some ms for 16 MiB.

/// Most comments, and slashes inside of them, that are passed over: each takes as long as hundreds of bytes.
pub(crate) const STEPS_MAX: usize = 1 << 18;

/// Bytes that are looked at together.
const CHUNK: usize = 64;

/// The length of the blanks and comments at the front of a text, as far as [`STEPS_MAX`] allows, and up
/// to a comment that does not end. A line comment that the text ends is taken for whole.
#[must_use]
pub(crate) fn blank_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let rest = |at: usize| bytes.get(at..).unwrap_or_default();
    let (mut at, mut steps) = (0, STEPS_MAX);
    loop {
        let is_word = |byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        at += position(rest(at), is_word).unwrap_or_else(|| rest(at).len());
        let comment = rest(at);
        let len = if comment.starts_with(b"--") || comment.starts_with(b"//") {
            line_len(comment, &mut steps)
        } else if comment.starts_with(b"/*") {
            block_len(comment, &mut steps)
        } else {
            None
        };
        let Some(len) = len else { return at };
        at += len;
    }
}

/// The length of a comment to the end of its line, or of the text; `None` without a step left.
fn line_len(comment: &[u8], steps: &mut usize) -> Option<usize> {
    *steps = steps.checked_sub(1)?;
    let end = position(comment, |byte| matches!(byte, b'\n' | b'\r'));
    Some(end.unwrap_or(comment.len()))
}

/// The length of a `/* … */`; `None` when it does not end within `steps`.
fn block_len(comment: &[u8], steps: &mut usize) -> Option<usize> {
    let mut at = 2;
    loop {
        *steps = steps.checked_sub(1)?;
        let slash = at + position(comment.get(at..)?, |byte| byte == b'/')?;
        // The star of `/*` does not end it.
        if slash > 2 && comment.get(slash - 1) == Some(&b'*') {
            return Some(slash + 1);
        }
        at = slash + 1;
    }
}

/// The offset of the first byte that is wanted. The loop over a chunk has no exit, so that its bytes are
/// compared together.
fn position(bytes: &[u8], is_wanted: impl Fn(u8) -> bool) -> Option<usize> {
    let has_one = |chunk: &[u8]| chunk.iter().fold(false, |any, byte| any | is_wanted(*byte));
    let before = bytes.chunks(CHUNK).take_while(|chunk| !has_one(chunk)).map(<[u8]>::len).sum();
    let found = bytes.get(before..)?.iter().position(|byte| is_wanted(*byte))?;
    Some(before + found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn blanks_and_comments_end_at_the_first_word() {
        for blank in ["", " ", "\t\r\n ", "-- SELECT\n", "//\r", "/**/", "/* / * // */", "/*/ */"] {
            for repeated in [1, 2, 70] {
                let front = blank.repeat(repeated);
                for word in ["USE ks", "-", "/", "'/**/'"] {
                    assert_eq!(blank_len(&format!("{front}{word}")), front.len(), "{front}{word}");
                }
            }
        }
        assert_eq!(blank_len(" -- a text of comments"), 22);
    }

    #[test]
    fn a_comment_that_does_not_end_stays() {
        for text in [" /*", " /*/", " /* * /", " /* // \n -- "] {
            assert_eq!(blank_len(text), 1, "{text}");
        }
    }

    #[test]
    fn comments_beyond_the_bound_stay() {
        let many = "/**/".repeat(STEPS_MAX);
        assert_eq!(blank_len(&many), many.len());
        assert_eq!(blank_len(&format!("{many}/**/")), many.len());
        let slashes = format!("/*{}*/", "/".repeat(STEPS_MAX));
        assert_eq!(blank_len(&slashes), 0);
    }

    proptest! {
        #[test]
        fn bytes_together_are_what_they_are_one_by_one(text in "[-/*a\n\r ]{0,200}") {
            let found = position(text.as_bytes(), |byte| byte == b'a');
            prop_assert_eq!(found, text.find('a'));
            prop_assert!(text.is_char_boundary(blank_len(&text)));
        }
    }
}

//! The serialized partition key, whose bytes are hashed as they were sent.
//!
//! A key of one column is that column's bytes. A composite is, for each component in the order of
//! the table's key, a 16-bit length, the bytes, and a zero byte (also after the last). No value is
//! decoded: what the client sent is what the server hashes.

use crate::token::error::TokenError;
use crate::token::partitioner::Partitioner;
use crate::token::token::Token;

/// Longest serialized key; the server answers 0x2200 to a longer one. It counts the length before
/// each component of a composite, but not the zero byte after it.
pub const KEY_LEN_MAX: usize = 65_535;

/// Computes the token of the key with these components.
///
/// One component is hashed where it lies. More are put together in `scratch`, which is cleared
/// first and keeps its capacity, so that a caller who keeps it allocates nothing.
#[inline]
pub fn token_of<'a>(
    partitioner: Partitioner,
    components: impl ExactSizeIterator<Item = &'a [u8]>,
    scratch: &mut Vec<u8>,
) -> Result<Token, TokenError> {
    let mut components = components;
    if components.len() > 1 {
        return composite(components, scratch).map(|()| partitioner.token(scratch));
    }
    let key = components.next().ok_or(TokenError::KeyEmpty)?;
    if key.len() > KEY_LEN_MAX {
        return Err(TokenError::KeyTooLong { len: key.len() });
    }
    Ok(partitioner.token(key))
}

fn composite<'a>(
    components: impl Iterator<Item = &'a [u8]>,
    scratch: &mut Vec<u8>,
) -> Result<(), TokenError> {
    scratch.clear();
    let mut total: usize = 0;
    for component in components {
        total = total.saturating_add(2).saturating_add(component.len());
        let len = u16::try_from(component.len()).ok().filter(|_| total <= KEY_LEN_MAX);
        let len = len.ok_or(TokenError::KeyTooLong { len: total })?;
        scratch.extend_from_slice(&len.to_be_bytes());
        scratch.extend_from_slice(component);
        scratch.push(0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_one_column_is_hashed_as_it_is() {
        assert_eq!(token(&[&[0, 0, 0, 1]]), Ok(-4_069_959_284_402_364_209));
        assert_eq!(token(&[b""]), Ok(0));
    }

    #[test]
    fn a_composite_is_put_together_in_the_order_of_the_key() {
        let (one, two): (&[u8], &[u8]) = (&[0, 0, 0, 1], &[0, 0, 0, 2]);
        assert_eq!(token(&[one, two]), Ok(4_881_097_376_275_569_167));
        assert_eq!(token(&[two, one]), Ok(1_222_388_547_083_740_924));
        assert_eq!(token(&[b"", b""]), Ok(9_027_482_631_457_916_009));
        assert_eq!(token(&[b"abc", b"def", b"ghi"]), Ok(7_324_904_338_669_377_929));
        assert_eq!(token(&[b"a", &[0xff; 4]]), Ok(836_068_206_663_644_145));
    }

    #[test]
    fn former_contents_of_scratch_are_no_part_of_the_key() {
        let mut scratch = b"rest of another key".to_vec();
        let key: [&[u8]; 2] = [b"", b""];
        token_of(Partitioner::Murmur3, key.into_iter(), &mut scratch).unwrap();
        assert_eq!(scratch, [0; 6]);
    }

    #[test]
    fn keys_that_the_server_refuses_have_no_token() {
        let long = vec![0; 65_536];
        assert_eq!(token(&[]), Err(TokenError::KeyEmpty));
        assert_eq!(token(&[&long]), Err(TokenError::KeyTooLong { len: 65_536 }));
        assert!(token(&[&long[1..]]).is_ok());
        assert_eq!(token(&[&long[1..], &[1; 4]]), Err(TokenError::KeyTooLong { len: 65_537 }));
        assert!(token(&[&long[..65_531], b""]).is_ok());
        assert_eq!(token(&[&long[..65_532], b""]), Err(TokenError::KeyTooLong { len: 65_536 }));
    }

    fn token(components: &[&[u8]]) -> Result<i64, TokenError> {
        let mut scratch = Vec::new();
        token_of(Partitioner::Murmur3, components.iter().copied(), &mut scratch).map(Token::value)
    }
}

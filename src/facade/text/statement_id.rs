//! Ids of statements that are prepared here.

/// Bytes of an id.
pub const ID_LEN: usize = 16;

/// What every id of ours begins with; a node's id does so once in 2^48.
const FACADE_MARK: [u8; 6] = *b"facade";

/// The id under which a statement of these tables is prepared: the same on every connection and
/// after every restart, and never a node's, whose ids are MD5 sums.
#[must_use]
pub fn facade_id(keyspace: Option<&str>, text: &str) -> [u8; ID_LEN] {
    let named = format!("{}\0{text}", keyspace.unwrap_or_default());
    // Reading from memory cannot fail.
    let hash = murmur3::murmur3_x64_128(&mut named.as_bytes(), 0).unwrap_or_default();
    let mut id = hash.to_be_bytes();
    id.iter_mut().zip(FACADE_MARK).for_each(|(byte, mark)| *byte = mark);
    id
}

/// Whether an id is one of [`facade_id`]. After a restart such an id is unknown until the driver
/// has prepared again, and no node knows it.
#[must_use]
pub fn is_facade_id(id: &[u8]) -> bool {
    id.len() == ID_LEN && id.starts_with(&FACADE_MARK)
}

/// Whether an EXECUTE, of which this is the body, names a statement that is prepared here.
#[inline]
#[must_use]
pub fn names_facade_statement(body: &[u8]) -> bool {
    // The id comes first, behind its length.
    body.get(2..2 + ID_LEN).is_some_and(is_facade_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_ours_and_stays_the_same() {
        let text = "SELECT * FROM system.local";
        let id = facade_id(None, text);

        assert!(is_facade_id(&id));
        assert_eq!(id, facade_id(None, text));
        assert_ne!(id, facade_id(Some("ks"), text));
        assert_ne!(id, facade_id(None, "select * from system.local"));
        assert!(!is_facade_id(&[0xbb; 16]) && !is_facade_id(&id[..15]));
    }
}

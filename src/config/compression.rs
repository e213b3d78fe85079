//! Compression as people write it.

use crate::wire::compression::Compression;

/// Reads names with commas between; an empty text is none.
pub fn parse_compression(text: &str) -> Result<Vec<Compression>, String> {
    let mut found = Vec::new();
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match Compression::from_name(name) {
            Some(known) if found.contains(&known) => return Err(format!("{name} is there twice")),
            Some(known) => found.push(known),
            None => return Err(format!("no compression is called {name}")),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_order_and_may_be_none() {
        assert_eq!(parse_compression(""), Ok(Vec::new()));
        let both = vec![Compression::Snappy, Compression::Lz4];
        assert_eq!(parse_compression("snappy, LZ4"), Ok(both));
    }

    #[test]
    fn what_nobody_speaks_and_what_is_there_twice_is_refused() {
        assert_eq!(parse_compression("zstd"), Err("no compression is called zstd".to_owned()));
        assert_eq!(parse_compression("lz4,lz4"), Err("lz4 is there twice".to_owned()));
    }
}

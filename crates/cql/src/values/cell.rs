//! Values of cells (v4 section 6), as far as system tables need them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::WireError;
use crate::notation::{Reader, put_bytes, put_int};

/// Reads `text`, `varchar` or `ascii`.
pub fn text(cell: &[u8]) -> Result<&str, WireError> {
    std::str::from_utf8(cell).map_err(|_| WireError::Utf8)
}

/// Reads `int`.
pub fn int(cell: &[u8]) -> Result<i32, WireError> {
    Ok(i32::from_be_bytes(array(cell)?))
}

/// Reads `bigint`.
pub fn bigint(cell: &[u8]) -> Result<i64, WireError> {
    Ok(i64::from_be_bytes(array(cell)?))
}

/// Reads `boolean`.
pub fn boolean(cell: &[u8]) -> Result<bool, WireError> {
    let [byte] = array::<1>(cell)?;
    Ok(byte != 0)
}

/// Reads `uuid` or `timeuuid`.
pub fn uuid(cell: &[u8]) -> Result<[u8; 16], WireError> {
    array(cell)
}

/// Reads `inet`: 4 or 16 bytes.
pub fn inet(cell: &[u8]) -> Result<IpAddr, WireError> {
    if let Ok(v4) = array::<4>(cell) {
        return Ok(IpAddr::V4(Ipv4Addr::from(v4)));
    }
    Ok(IpAddr::V6(Ipv6Addr::from(array::<16>(cell)?)))
}

/// Reads `list` or `set`, its elements as bytes; v3 and v4 count and measure by `int`.
pub fn list(cell: &[u8]) -> Result<Vec<Option<&[u8]>>, WireError> {
    let mut reader = Reader::new(cell);
    let mut elements = Vec::new();
    for _ in 0..count(&mut reader)? {
        elements.push(reader.bytes()?);
    }
    Ok(elements)
}

/// Reads `list<text>` or `set<text>`; null elements are left out.
pub fn text_list(cell: &[u8]) -> Result<Vec<&str>, WireError> {
    list(cell)?.into_iter().flatten().map(text).collect()
}

/// Reads `map<text, text>`, in the order sent; entries with a null are left out.
pub fn text_map(cell: &[u8]) -> Result<Vec<(&str, &str)>, WireError> {
    let mut reader = Reader::new(cell);
    let mut entries = Vec::new();
    for _ in 0..count(&mut reader)? {
        if let (Some(key), Some(value)) = (reader.bytes()?, reader.bytes()?) {
            entries.push((text(key)?, text(value)?));
        }
    }
    Ok(entries)
}

/// Bytes of an `inet` value.
#[must_use]
pub fn from_inet(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// Bytes of a `list<text>` or `set<text>` value; a set must come sorted.
#[must_use]
pub fn from_text_list(elements: &[&str]) -> Vec<u8> {
    let mut cell = Vec::new();
    put_int(&mut cell, i32::try_from(elements.len()).unwrap_or(i32::MAX));
    for element in elements {
        put_bytes(&mut cell, Some(element.as_bytes()));
    }
    cell
}

/// Bytes of a `map<text, text>` value; the keys must come sorted.
#[must_use]
pub fn from_text_map(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut cell = Vec::new();
    put_int(&mut cell, i32::try_from(entries.len()).unwrap_or(i32::MAX));
    for (key, value) in entries {
        put_bytes(&mut cell, Some(key.as_bytes()));
        put_bytes(&mut cell, Some(value.as_bytes()));
    }
    cell
}

fn count(reader: &mut Reader<'_>) -> Result<u32, WireError> {
    let count = reader.int()?;
    u32::try_from(count).map_err(|_| WireError::Length(count))
}

fn array<const N: usize>(cell: &[u8]) -> Result<[u8; N], WireError> {
    cell.try_into().map_err(|_| WireError::Truncated { expected: N, left: cell.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collections_come_back_as_they_were_written() {
        assert_eq!(text_list(&from_text_list(&["-1", "7"])), Ok(vec!["-1", "7"]));
        let map = [("class", "NetworkTopologyStrategy"), ("dc1", "3")];
        assert_eq!(text_map(&from_text_map(&map)), Ok(map.to_vec()));
    }

    #[test]
    fn addresses_of_both_families_are_read_by_their_length() {
        for address in ["127.0.0.1", "::1"] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(inet(&from_inet(address)), Ok(address));
        }
        assert!(inet(&[1, 2, 3]).is_err());
    }

    #[test]
    fn a_count_without_its_elements_is_an_error() {
        assert!(list(&[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]).is_err());
        assert_eq!(text_map(&[0xff; 4]), Err(WireError::Length(-1)));
    }

    #[test]
    fn numbers_have_their_own_length() {
        assert_eq!((int(&[0, 0, 0, 5]), boolean(&[1])), (Ok(5), Ok(true)));
        assert_eq!(bigint(&[0xff; 8]), Ok(-1));
        assert!(int(&[0; 3]).is_err() && uuid(&[0; 15]).is_err() && boolean(&[]).is_err());
    }
}
